//! The entries of a document without their changes, newest first: who changed it, from where, when.

use rusqlite::params;
use sync_wire::log::EntryKind;
use sync_wire::{BatchId, ChangeHash, DeviceId, DocumentId, Position, SpaceId};

use super::document_key;
use crate::change_log::{ReadError, Without, kind_of, log_end, log_key, position_of, unsigned};
use crate::storage::{Reader, Storage};

/// One entry of a document's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Where in the log of the space.
    pub position: Position,
    /// What it is.
    pub kind: EntryKind,
    /// Its hash.
    pub hash: ChangeHash,
    /// The device that pushed it.
    pub device: DeviceId,
    /// The batch that it came in; entries of one batch are one edit.
    pub batch: BatchId,
    /// When it was appended, by the relay's clock, in unix milliseconds.
    pub appended_at: i64,
    /// How long its change is, in bytes.
    pub bytes: u64,
    /// Whether a void excludes it.
    pub is_excluded: bool,
}

/// A page of a document's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Descending by position.
    pub entries: Vec<HistoryEntry>,
    /// If there are more: what to ask for as `before`.
    pub next: Option<Position>,
}

impl Storage {
    /// Reads at most `limit` entries (at least one) of a document before a position, newest first, by its index: a
    /// page costs the same wherever it begins.
    ///
    /// # Errors
    /// [`ReadError`] for a space or document that is not there.
    pub async fn document_history(
        &self,
        space: SpaceId,
        document: DocumentId,
        before: Position,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        self.read(move |reader| reader.document_history(space, document, before, limit.max(1))).await
    }
}

impl Reader {
    fn document_history(
        &self,
        space: SpaceId,
        document: DocumentId,
        before: Position,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let key = document_key(&self.connection, log.space_key, document)?;
        let key = key.ok_or(ReadError::UnknownDocument { space, document })?;
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, kind, hash, device, batch, appended_at, length(bytes) FROM log
             WHERE document_key = ?1 AND log_key < ?2 ORDER BY log_key DESC LIMIT ?3",
        )?;
        let before = log_key(log.space_key, before.0.min(log.end.position.0 + 1));
        // One more than asked for says whether there are more.
        let limit_and_one = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let without = Without::load(&self.connection, key)?;
        let rows = statement.query_map(params![key, before, limit_and_one], |row| {
            let hash = ChangeHash(row.get(2)?);
            Ok(HistoryEntry {
                position: position_of(row.get(0)?),
                kind: kind_of(row, 1)?,
                is_excluded: without.contains(&hash),
                hash,
                device: DeviceId(row.get(3)?),
                batch: BatchId(row.get(4)?),
                appended_at: row.get(5)?,
                bytes: unsigned(row, 6)?,
            })
        })?;
        let mut entries = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().map(|entry| entry.position).filter(|_| has_more);
        Ok(HistoryPage { entries, next })
    }
}
