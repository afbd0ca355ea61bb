//! Pages of a log, where it ends, and whether a cursor belongs to it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::log::EntryKind;
use sync_wire::{
    BatchId, Blob, Chain, ChangeHash, Cursor, DeviceId, DocumentId, Entry, Epoch, LogPosition, Position, SpaceId,
};

use super::frontier::{heads_from_bytes, kind_of, unsigned};
use super::rules::ENTRY_OVERHEAD_BYTES;
use super::{CursorVerdict, LogPage, ReadError, log_key, position_of};
use crate::error::StorageError;
use crate::storage::Reader;

/// Room of a frame that the entries of a page may take; the rest is its envelope.
pub(super) const PAGE_BYTES_MAX: usize = FRAME_BYTES_MAX - 2048;

/// The end of a log, with the keys that its rows are found by.
pub(crate) struct LogEnd {
    pub(crate) space_key: i64,
    pub(crate) end: LogPosition,
    pub(crate) chain: Chain,
}

impl Reader {
    pub(super) fn end_of(&self, space: SpaceId) -> Result<Option<LogPosition>, StorageError> {
        Ok(log_end(&self.connection, space)?.map(|log| log.end))
    }

    pub(super) fn ends(&self, spaces: &[SpaceId]) -> Result<Vec<(SpaceId, LogPosition)>, StorageError> {
        let ends = spaces.iter().map(|space| Ok(self.end_of(*space)?.map(|end| (*space, end))));
        ends.filter_map(Result::transpose).collect()
    }

    pub(super) fn read_log(
        &self,
        space: SpaceId,
        after: LogPosition,
        bytes_target: usize,
    ) -> Result<LogPage, ReadError> {
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        if after.epoch != log.end.epoch {
            return Err(ReadError::EpochChanged { space, after, end: log.end });
        }
        if after.position > log.end.position {
            return Err(ReadError::BeyondEnd { space, after, end: log.end });
        }
        let (entries, chain) = self.entries_after(&log, after.position, bytes_target)?;
        let end = Position(after.position.0 + entries.len() as u64);
        let receipt = self.context.receipt_keys.sign(space, log.end.epoch, end, &chain);
        Ok(LogPage { space, after, entries, chain, receipt, log_end: log.end.position })
    }

    /// Whole batches until the target is reached, or the next one would not fit the frame any more.
    fn entries_after(
        &self,
        log: &LogEnd,
        after: Position,
        bytes_target: usize,
    ) -> Result<(Vec<Entry>, Chain), StorageError> {
        if after == log.end.position {
            return Ok((Vec::new(), log.chain));
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT l.log_key, l.kind, l.hash, l.device, l.batch, l.bytes, d.id, l.chain
             FROM log l JOIN documents d ON d.document_key = l.document_key
             WHERE l.log_key > ?1 AND l.log_key <= ?2 ORDER BY l.log_key",
        )?;
        let upto = log_key(log.space_key, log.end.position.0);
        let mut rows = statement.query(params![log_key(log.space_key, after.0), upto])?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        // How many entries the whole batches so far have, and the chain after them.
        let mut whole = None;
        while let Some(row) = rows.next()? {
            let (position, entry) = entry_of(row)?;
            if position.0 != after.0 + entries.len() as u64 + 1 {
                return Err(StorageError::damaged(format!("the log has no entry before position {position}")));
            }
            bytes += entry_bytes(&entry);
            if bytes > PAGE_BYTES_MAX && whole.is_some() {
                break;
            }
            entries.push(entry);
            if let Some(chain) = row.get::<_, Option<[u8; 32]>>(7)? {
                whole = Some((entries.len(), Chain(chain)));
                if bytes >= bytes_target {
                    break;
                }
            }
        }
        let (len, chain) =
            whole.ok_or_else(|| StorageError::damaged(format!("no batch ends after position {after}")))?;
        entries.truncate(len);
        Ok((entries, chain))
    }

    pub(crate) fn verify_cursor(&self, cursor: &Cursor) -> Result<CursorVerdict, StorageError> {
        let Some(log) = log_end(&self.connection, cursor.space)? else { return Ok(CursorVerdict::Unknown) };
        let is_after_end = cursor.at.position > log.end.position;
        let unknown =
            if cursor.at.position > Position::START { CursorVerdict::Elsewhere } else { CursorVerdict::Unknown };
        if cursor.at.epoch != log.end.epoch || is_after_end {
            return Ok(unknown);
        }
        let chain = chain_at(&self.connection, log.space_key, cursor.at.position)?;
        Ok(if chain == Some(cursor.chain) { CursorVerdict::Continue } else { unknown })
    }
}

/// The chain at a batch end; `None` elsewhere.
pub(super) fn chain_at(
    connection: &Connection,
    space_key: i64,
    position: Position,
) -> Result<Option<Chain>, StorageError> {
    if position == Position::START {
        return Ok(Some(Chain::START));
    }
    let mut statement = connection.prepare_cached("SELECT chain FROM log WHERE log_key = ?1")?;
    let chain = statement.query_row([log_key(space_key, position.0)], |row| row.get::<_, Option<[u8; 32]>>(0));
    Ok(chain.optional()?.flatten().map(Chain))
}

/// Where a log ends; `None` if there is no such space.
pub(crate) fn log_end(connection: &Connection, space: SpaceId) -> Result<Option<LogEnd>, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT space_key, epoch, end_position, chain FROM spaces WHERE id = ?1")?;
    let end = statement.query_row([space.0], |row| {
        let end = LogPosition { epoch: Epoch(row.get(1)?), position: Position(unsigned(row, 2)?) };
        Ok(LogEnd { space_key: row.get(0)?, end, chain: Chain(row.get(3)?) })
    });
    Ok(end.optional()?)
}

/// Reads `log_key, kind, hash, device, batch, bytes, document id`.
pub(crate) fn entry_of(row: &Row<'_>) -> rusqlite::Result<(Position, Entry)> {
    let kind = kind_of(row, 1)?;
    let bytes = row.get_ref(5)?.as_blob()?;
    let entry = Entry {
        kind,
        document: DocumentId(row.get(6)?),
        hash: ChangeHash(row.get(2)?),
        device: DeviceId(row.get(3)?),
        batch: BatchId(row.get(4)?),
        // Those of a purged document are gone.
        bytes: (matches!(kind, EntryKind::Change | EntryKind::Void) && !bytes.is_empty())
            .then(|| Blob::from(bytes.to_vec())),
        heads: (kind == EntryKind::Tombstone).then(|| heads_from_bytes(bytes)),
    };
    Ok((position_of(row.get(0)?), entry))
}

/// Roughly what an entry takes in a frame.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    let bytes = entry.bytes.as_ref().map_or(0, |bytes| bytes.len());
    // A hash in a list takes its 32 bytes and two of a head.
    bytes + entry.heads.as_ref().map_or(0, |heads| heads.len() * 34) + ENTRY_OVERHEAD_BYTES
}
