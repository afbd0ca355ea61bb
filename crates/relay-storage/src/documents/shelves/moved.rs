//! Which documents of a shelf are to be taken in, slice by slice.

use rusqlite::{Connection, params};
use sync_wire::{DocumentId, SpaceId};

use super::{FoundBy, Shelf, shelf};
use crate::change_log::{log_end, log_key};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Entries of the log that are looked at for one slice.
const ENTRIES_AT_ONCE: u64 = 4096;
/// More than these are not looked at: then every document of the shelf is.
const ENTRIES_MAX: u64 = 65_536;

/// So few entries that are of nothing on the shelf are looked at again rather than noted: a commit takes longer.
const ENTRIES_AGAIN_MAX: i64 = 256;

/// How much a slice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceLimits {
    /// Documents, at least one.
    pub documents: usize,
    /// Bytes of their merged states, after which the slice ends.
    pub bytes: usize,
}

/// Where a look goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookFrom {
    /// The last document that was looked at; every document is, in the order of their ids.
    after: Option<DocumentId>,
    /// Up to where the log is looked at with that.
    through: i64,
    version: i64,
}

/// Documents that moved since they were taken in.
#[derive(Debug, Clone)]
pub struct MovedSlice {
    /// Their shelf.
    pub shelf: Shelf,
    /// The documents; there may be none, though more follow.
    pub documents: Vec<MovedDocument>,
    /// Where the look goes on once these are taken in; nothing: it is over.
    pub next: Option<LookFrom>,
    /// Up to where the log was looked at then; nothing: no further than before.
    pub(super) through: Option<i64>,
}

/// A document that is to be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedDocument {
    pub(super) row: i64,
    /// Its checked position; nothing: nothing of it is to be found.
    pub(super) position: Option<i64>,
    /// The merged state there.
    pub json: Option<String>,
}

impl Storage {
    /// The next documents of a shelf that are to be taken in; `None` if there is no such shelf. `from` is what the
    /// slice before gave.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn moved_documents(
        &self,
        space: SpaceId,
        by: &FoundBy,
        from: Option<LookFrom>,
        limits: SliceLimits,
    ) -> Result<Option<MovedSlice>, StorageError> {
        let type_name = by.type_name.clone();
        self.read(move |reader| reader.moved_documents(space, &type_name, from, limits)).await
    }
}

impl Reader {
    fn moved_documents(
        &self,
        space: SpaceId,
        type_name: &str,
        from: Option<LookFrom>,
        limits: SliceLimits,
    ) -> Result<Option<MovedSlice>, StorageError> {
        let moment = self.connection.unchecked_transaction()?;
        let Some(shelf) = shelf(&moment, space, type_name)? else { return Ok(None) };
        let Some(log) = log_end(&moment, space)? else { return Ok(None) };
        let end = log.end.position.0;
        let is_all = shelf.through < 0 || end.saturating_sub(shelf.through.cast_unsigned()) > ENTRIES_MAX;
        if !is_all {
            return Ok(Some(since(&moment, shelf, end, limits)?));
        }
        // What is checked by now is not awaited at the end of the look; what moves meanwhile is in the log after it.
        let from = match from.filter(|from| from.after.is_some() && from.version == shelf.version) {
            Some(from) => from,
            None => {
                let through = self.checked_through(space)?.map_or(0, |through| through.position.0);
                LookFrom { after: None, through: through.cast_signed(), version: shelf.version }
            }
        };
        Ok(Some(all(&moment, shelf, from, limits)?))
    }
}

/// Of the log after what the shelf was looked at with.
fn since(connection: &Connection, shelf: Shelf, end: u64, limits: SliceLimits) -> Result<MovedSlice, StorageError> {
    let after = shelf.through.cast_unsigned();
    let upto = end.min(after + ENTRIES_AT_ONCE);
    let mut slice = MovedSlice { shelf, documents: Vec::new(), next: None, through: None };
    if after >= end {
        return Ok(slice);
    }
    let (shelf_row, space_key) = (slice.shelf.row, slice.shelf.space_key);
    let mut statement = connection.prepare_cached(
        "SELECT m.first, m.document_key, d.type IS ?3 OR x.shelf IS ?4,
                NOT d.deleted AND d.held IS NULL AND d.checked_position < d.last_position,
                d.type IS ?3 AND x.shelf IS ?4 AND x.declared IS ?5
                    AND x.position IS (CASE WHEN d.deleted THEN NULL ELSE p.position END),
                CASE WHEN d.deleted OR d.type IS NOT ?3 THEN NULL ELSE p.position END
         FROM (SELECT document_key, min(log_key) AS first FROM log
               WHERE log_key > ?1 AND log_key <= ?2 GROUP BY document_key) m
         JOIN documents d USING (document_key) LEFT JOIN projections p USING (document_key)
         LEFT JOIN indexed x ON x.document = m.document_key
         ORDER BY m.first",
    )?;
    let (low, high) = (log_key(space_key, after), log_key(space_key, upto));
    let declared = slice.shelf.declared_count();
    let mut rows = statement.query(params![low, high, slice.shelf.type_name, shelf_row, declared])?;
    let (mut bytes, mut through) = (0, upto.cast_signed());
    while let Some(row) = rows.next()? {
        let before = row.get::<_, i64>(0)? - log_key(space_key, 0) - 1;
        // What waits for its check is looked at when it has passed.
        if row.get(3)? {
            through = before;
            break;
        }
        if !row.get::<_, bool>(2)? || row.get(4)? {
            continue;
        }
        if slice.documents.len() >= limits.documents || bytes >= limits.bytes && !slice.documents.is_empty() {
            (through, slice.next) = (before, Some(LookFrom::default()));
            break;
        }
        let document = read_moved(connection, row.get(1)?, row.get(5)?)?;
        bytes += document.json.as_ref().map_or(0, String::len);
        slice.documents.push(document);
    }
    if through == upto.cast_signed() && upto < end {
        slice.next = Some(LookFrom::default());
    }
    let looked_at = through - slice.shelf.through;
    let is_worth_it = !slice.documents.is_empty() || looked_at > ENTRIES_AGAIN_MAX;
    slice.through = Some(through).filter(|_| looked_at > 0 && is_worth_it);
    Ok(slice)
}

/// Of every document of the shelf's type, in the order of their ids.
fn all(connection: &Connection, shelf: Shelf, from: LookFrom, limits: SliceLimits) -> Result<MovedSlice, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.document_key, CASE WHEN d.deleted THEN NULL ELSE p.position END, d.id
         FROM documents d LEFT JOIN projections p USING (document_key)
         LEFT JOIN indexed x ON x.document = d.document_key
         WHERE d.space_key = ?1 AND d.type = ?2 AND d.id > ?3
             AND (x.shelf IS NOT ?4 OR x.declared IS NOT ?5
                  OR x.position IS NOT (CASE WHEN d.deleted THEN NULL ELSE p.position END))
         ORDER BY d.id",
    )?;
    // The empty blob sorts before every id.
    let after: &[u8] = from.after.as_ref().map_or(&[], |id| &id.0[..]);
    let declared = shelf.declared_count();
    let mut rows = statement.query(params![shelf.space_key, shelf.type_name, after, shelf.row, declared])?;
    let (mut documents, mut bytes, mut next, mut last) = (Vec::new(), 0, None, from.after);
    while let Some(row) = rows.next()? {
        if documents.len() >= limits.documents || bytes >= limits.bytes && !documents.is_empty() {
            next = Some(LookFrom { after: last, ..from });
            break;
        }
        let document = read_moved(connection, row.get(0)?, row.get(1)?)?;
        bytes += document.json.as_ref().map_or(0, String::len);
        last = Some(DocumentId(row.get(2)?));
        documents.push(document);
    }
    let through = Some(from.through).filter(|_| next.is_none());
    // What moved while all were looked at is in the log; unless that cannot be told yet.
    let goes_on = !documents.is_empty() || through > Some(shelf.through);
    let next = next.or_else(|| goes_on.then(LookFrom::default));
    drop(rows);
    drop(statement);
    Ok(MovedSlice { shelf, documents, next, through })
}

/// The merged state is read last: rows that are put in order must not carry it.
fn read_moved(connection: &Connection, row: i64, position: Option<i64>) -> Result<MovedDocument, StorageError> {
    let mut statement = connection.prepare_cached("SELECT json FROM projections WHERE document_key = ?1")?;
    let json = position.map(|_| statement.query_row([row], |row| row.get(0))).transpose()?;
    Ok(MovedDocument { row, position, json })
}
