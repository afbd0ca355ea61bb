//! Documents as the check worker and the read side see them: state, entries, snapshots, projections.

mod checks; // what was checked, up to where, with what result
mod conflicts; // which documents have fields that wait for a person
mod explain; // why a document is in the state it is in
mod find; // which documents a query means
mod history; // who changed what when
mod projections; // the merged JSON that the website reads
mod publications; // what everybody may see
mod remake; // what is derived from a log, made again
mod shelves; // what documents are found by, taken in when somebody asks
mod snapshots; // one chunk instead of many entries

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use sync_wire::{DocumentId, Epoch, LogPosition, Position, PositionedEntry, SpaceId};

use crate::change_log::{ReadError, Without, entry_bytes, entry_of, log_end, log_key, unsigned};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

pub use checks::{StoreChecked, Stored};
pub use conflicts::{ConflictKey, CountedConflicts, ListConflicts, MayConflict, WrittenBy};
pub use explain::{Contributor, Deletion, DocumentTips, EntryPlace, Explanation, ProjectionInfo};
pub use find::{FindDocuments, FoundDocument, FoundPage, FoundSince};
pub use history::{HistoryEntry, HistoryPage};
pub use projections::{Deleted, ListProjections, NewProjection, Projection, ProjectionList, ProjectionSummary};
pub use publications::{Judgement, PublicationState, Published};
pub(crate) use remake::Remade;
pub use shelves::{FoundBy, LookFrom, MovedDocument, MovedSlice, Shelf, SliceLimits, TakenIn};
pub(crate) use shelves::{fault as index_fault, forget, is_kept as is_indexed};
pub use snapshots::{NewSnapshot, SnapshotInfo, StoredSnapshot};

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentState {
    /// Its space.
    pub space: SpaceId,
    /// Its id.
    pub document: DocumentId,
    /// The type of its root seed, or what the check found.
    pub type_name: Option<String>,
    /// Its first entry.
    pub first: Position,
    /// Its last entry.
    pub end: LogPosition,
    /// Everything up to here was checked; what is at or below is never excluded later.
    pub checked: Position,
    /// How many entries it has.
    pub entries: u64,
    /// Automerge operations of its changes.
    pub ops: u64,
    /// Bytes of its changes.
    pub bytes: u64,
    /// Whether its last tombstone was not taken back.
    pub deleted: bool,
    /// Why it is read-only, if so.
    pub held: Option<String>,
    /// Its snapshot, if there is one.
    pub snapshot: Option<SnapshotInfo>,
    /// Entries after the snapshot, or all.
    pub tail_entries: u64,
    /// Bytes of the changes after the snapshot, or of all.
    pub tail_bytes: u64,
}

/// Entries of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPage {
    /// Ascending by position.
    pub entries: Vec<PositionedEntry>,
    /// If there are more: what to ask for as `after`.
    pub next: Option<Position>,
}

impl DocumentState {
    /// Whether nothing waits for its check.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked >= self.end.position
    }
}

impl Storage {
    /// Where a document stands; `None` if the space has no entries of it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn document(&self, space: SpaceId, document: DocumentId) -> Result<Option<DocumentState>, StorageError> {
        self.read(move |reader| reader.document_state(space, document)).await
    }

    /// Reads the entries of a document in `(after, upto]`, about `bytes_target` of them, at least one. What a void
    /// excludes is left out, wherever the void is.
    ///
    /// # Errors
    /// [`ReadError`] for a space or document that is not there.
    pub async fn read_document(
        &self,
        space: SpaceId,
        document: DocumentId,
        after: Position,
        upto: Position,
        bytes_target: usize,
    ) -> Result<DocumentPage, ReadError> {
        self.read(move |reader| reader.read_document(space, document, after, upto, bytes_target)).await
    }
}

impl Reader {
    pub(crate) fn document_state(
        &self,
        space: SpaceId,
        document: DocumentId,
    ) -> Result<Option<DocumentState>, StorageError> {
        Ok(self.documents_where("s.id = ?1 AND d.id = ?2", &[&space.0, &document.0])?.pop())
    }

    fn documents_where(&self, condition: &str, values: &[&dyn ToSql]) -> Result<Vec<DocumentState>, StorageError> {
        let sql = format!(
            "SELECT s.id, d.id, d.type, d.first_position, s.epoch, d.last_position, d.checked_position, d.entries,
                    d.ops, d.bytes, d.deleted, d.held, p.covers, length(p.bytes), p.entries_covered, p.bytes_covered
             FROM documents d JOIN spaces s USING (space_key) LEFT JOIN snapshots p USING (document_key)
             WHERE {condition}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let documents = statement.query_map(values, state_of)?.collect::<rusqlite::Result<_>>()?;
        Ok(documents)
    }

    fn read_document(
        &self,
        space: SpaceId,
        document: DocumentId,
        after: Position,
        upto: Position,
        bytes_target: usize,
    ) -> Result<DocumentPage, ReadError> {
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let key = document_key(&self.connection, log.space_key, document)?;
        let key = key.ok_or(ReadError::UnknownDocument { space, document })?;
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, kind, hash, device, batch, bytes, ?4 FROM log
             WHERE document_key = ?1 AND log_key > ?2 AND log_key <= ?3 ORDER BY log_key",
        )?;
        let low = log_key(log.space_key, after.0.min(log.end.position.0));
        let high = log_key(log.space_key, upto.0.min(log.end.position.0));
        let without = Without::load(&self.connection, key)?;
        let mut rows = statement.query(params![key, low, high, document.0])?;
        let mut page = DocumentPage { entries: Vec::new(), next: None };
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            if let Some(last) = page.entries.last().filter(|_| bytes >= bytes_target) {
                page.next = Some(last.position);
                break;
            }
            let (position, entry) = entry_of(row)?;
            if without.contains(&entry.hash) {
                continue;
            }
            bytes += entry_bytes(&entry);
            page.entries.push(PositionedEntry { position, entry });
        }
        Ok(page)
    }
}

fn state_of(row: &Row<'_>) -> rusqlite::Result<DocumentState> {
    let (entries, bytes) = (unsigned(row, 7)?, unsigned(row, 9)?);
    let covers: Option<i64> = row.get(12)?;
    let snapshot = covers.map(|covers| {
        Ok::<_, rusqlite::Error>(SnapshotInfo { covers: Position(covers.cast_unsigned()), bytes: unsigned(row, 13)? })
    });
    let covered = |column| if covers.is_some() { unsigned(row, column) } else { Ok(0) };
    Ok(DocumentState {
        space: SpaceId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        type_name: row.get(2)?,
        first: Position(unsigned(row, 3)?),
        end: LogPosition { epoch: Epoch(row.get(4)?), position: Position(unsigned(row, 5)?) },
        checked: Position(unsigned(row, 6)?),
        entries,
        ops: unsigned(row, 8)?,
        bytes,
        deleted: row.get(10)?,
        held: row.get(11)?,
        snapshot: snapshot.transpose()?,
        tail_entries: entries.saturating_sub(covered(14)?),
        tail_bytes: bytes.saturating_sub(covered(15)?),
    })
}

/// The key of a document's rows.
fn document_key(connection: &Connection, space_key: i64, document: DocumentId) -> Result<Option<i64>, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT document_key FROM documents WHERE space_key = ?1 AND id = ?2")?;
    Ok(statement.query_row(params![space_key, document.0], |row| row.get(0)).optional()?)
}
