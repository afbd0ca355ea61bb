//! What is left of a document some time after its deletion: its entries, without the bytes of its changes.
//!
//! An `erased` entry comes first; from then on nothing is taken for the document and nothing derived of it is kept. Its
//! bytes are cleared after that, slice by slice, each in a transaction of its own: a sweep that ends in between goes on
//! with the next one. Hashes, digests and chain stay as they were.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use sync_wire::log::{EntryIdentity, EntryKind, marker_hash};
use sync_wire::{BatchId, DeviceId, DocumentId, LogPosition, Position, SpaceId};

use super::frontier::{Frontier, unsigned};
use super::log_key;
use super::state::Space;
use crate::accounts::move_limits;
use crate::documents::forget;
use crate::error::StorageError;
use crate::options::random_bytes;
use crate::storage::{Reader, Storage, Writer};

/// Entries that are cleared in one transaction, so that it holds nobody up.
const SLICE_ENTRIES: i64 = 512;
/// The device of record of what the relay itself appends.
pub(super) const RELAY: DeviceId = DeviceId([0; 16]);

/// A document that was purged just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Its space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Where the log says so.
    pub at: LogPosition,
}

/// A document that is due.
struct Due {
    space: SpaceId,
    document: DocumentId,
    /// The log says so already, and some bytes are left.
    is_begun: bool,
}

impl Storage {
    /// Purges documents whose deletion has stood for `keep`, at most `limit` of them: the bytes of their changes, their
    /// snapshots, projections and refused changes are dropped for good, hashes and chain stay. Reads every marker of
    /// every log, so it is for now and then.
    ///
    /// # Errors
    /// [`StorageError`]; what was purged by then stays so, and the next call goes on.
    pub async fn purge_deleted(&self, keep: Duration, limit: usize) -> Result<Vec<Purged>, StorageError> {
        let due = self.read(move |reader| reader.due(keep, limit)).await?;
        let mut purged = Vec::new();
        for Due { space, document, is_begun } in due {
            let at = if is_begun {
                None
            } else {
                let Some(at) = self.write(move |writer| writer.erase(space, document, keep)).await? else { continue };
                Some(at)
            };
            let mut after = Some(0);
            while let Some(from) = after {
                after = self.write(move |writer| writer.clear_slice(space, document, from)).await?;
            }
            purged.extend(at.map(|at| Purged { space, document, at }));
        }
        Ok(purged)
    }
}

fn before(now: i64, keep: Duration) -> i64 {
    now.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
}

impl Reader {
    fn due(&self, keep: Duration, limit: usize) -> Result<Vec<Due>, StorageError> {
        // Of the columns beside max(), SQLite gives those of the row that has it.
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, d.id, m.kind
             FROM (SELECT document_key, max(log_key), kind, appended_at FROM log INDEXED BY log_markers
                   WHERE kind <> 1 AND kind <> 2 GROUP BY document_key) m
             JOIN documents d USING (document_key) JOIN spaces s USING (space_key)
             WHERE m.kind = 3 AND m.appended_at <= ?1 OR m.kind = 5 AND d.bytes > 0 LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let due = statement.query_map(params![before((self.context.clock)(), keep), limit], |row| {
            let is_begun = row.get::<_, u8>(2)? == EntryKind::Erased as u8;
            Ok(Due { space: SpaceId(row.get(0)?), document: DocumentId(row.get(1)?), is_begun })
        })?;
        Ok(due.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writer {
    /// Appends the entry, unless the document was restored meanwhile, and drops what is derived of it.
    fn erase(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        keep: Duration,
    ) -> Result<Option<LogPosition>, StorageError> {
        let Some(mut space) = self.log.space(&self.connection, space)? else { return Ok(None) };
        let mut frontier = self.log.take_frontier(&self.connection, space.key, document)?;
        let stands = frontier.is_deleted && !frontier.is_purged && self.has_stood(&frontier, keep)?;
        if let (true, Some(document_key)) = (stands, frontier.document_key) {
            self.append_erased(&mut space, document, document_key)?;
            self.drop_derived(space.key, document, document_key)?;
            frontier.last = space.end;
            frontier.checked = space.end;
            frontier.entries += 1;
            frontier.held = None;
            frontier.is_purged = true;
            frontier.unstored = u64::MAX; // now, while it can be made from the bytes
            self.log.put_space(&space);
            self.put_touched(&space, document, frontier);
            return Ok(Some(LogPosition { epoch: space.epoch, position: Position(space.end) }));
        }
        self.log.put_frontier(space.key, document, frontier);
        Ok(None)
    }

    fn has_stood(&self, frontier: &Frontier, keep: Duration) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT kind = 3 AND appended_at <= ?2 FROM log INDEXED BY log_markers
             WHERE document_key = ?1 AND kind <> 1 AND kind <> 2 ORDER BY log_key DESC LIMIT 1",
        )?;
        let latest = before((self.context.clock)(), keep);
        let stands = statement.query_row(params![frontier.document_key, latest], |row| row.get(0)).optional()?;
        Ok(stands == Some(true))
    }

    fn append_erased(
        &mut self,
        space: &mut Space,
        document: DocumentId,
        document_key: i64,
    ) -> Result<(), StorageError> {
        let batch = BatchId(random_bytes(&self.context.random));
        let hash = marker_hash(EntryKind::Erased, space.id, document, batch, &[]);
        let kind = EntryKind::Erased;
        let digest = EntryIdentity { kind, document, hash, device: RELAY, batch }.digest(&space.salt);
        space.end += 1;
        space.chain = space.chain.extend(&digest);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO log (log_key, document_key, kind, appended_at, device, batch, hash, digest, chain, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, x'')",
        )?;
        statement.execute(params![
            log_key(space.key, space.end),
            document_key,
            kind as u8,
            (self.context.clock)(),
            RELAY.0,
            batch.0,
            hash.0,
            digest,
            space.chain.0
        ])?;
        Ok(())
    }

    fn drop_derived(&mut self, space_key: i64, document: DocumentId, document_key: i64) -> Result<(), StorageError> {
        for derived in [
            "DELETE FROM snapshots WHERE document_key = ?1",
            "DELETE FROM projections WHERE document_key = ?1",
            "DELETE FROM publications WHERE document_key = ?1",
            "DELETE FROM open_conflicts WHERE document_key = ?1",
            "UPDATE documents SET held = NULL WHERE document_key = ?1",
        ] {
            self.connection.prepare_cached(derived)?.execute([document_key])?;
        }
        forget(&self.connection, document_key)?;
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM refused
             WHERE fate_key IN (SELECT fate_key FROM fates WHERE space_key = ?1 AND document = ?2)",
        )?;
        statement.execute(params![space_key, document.0])?;
        drop(statement);
        self.note_swept();
        Ok(())
    }

    /// Clears the bytes of some changes after a row; where to go on, if there are more.
    fn clear_slice(&mut self, space: SpaceId, document: DocumentId, after: i64) -> Result<Option<i64>, StorageError> {
        let Some(space) = self.log.space(&self.connection, space)? else { return Ok(None) };
        let mut frontier = self.log.take_frontier(&self.connection, space.key, document)?;
        if !frontier.is_purged {
            self.log.put_frontier(space.key, document, frontier);
            return Ok(None);
        }
        let slice = params![frontier.document_key, after, SLICE_ENTRIES];
        let mut statement = self.connection.prepare_cached(
            "SELECT max(log_key), coalesce(sum(length(bytes)), 0)
             FROM (SELECT log_key, bytes FROM log
                   WHERE document_key = ?1 AND log_key > ?2 AND kind = 1 ORDER BY log_key LIMIT ?3)",
        )?;
        let (last, bytes): (Option<i64>, i64) = statement.query_row(slice, |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop(statement);
        self.give_back(frontier.document_key, after, last.unwrap_or(after))?;
        let mut statement = self.connection.prepare_cached(
            "UPDATE log SET bytes = x'' WHERE document_key = ?1 AND log_key > ?2 AND log_key <= ?3 AND kind = 1",
        )?;
        statement.execute(params![frontier.document_key, after, last.unwrap_or(after)])?;
        drop(statement);
        frontier.bytes = match last {
            Some(_) => frontier.bytes.saturating_sub(bytes.cast_unsigned()),
            None => 0,
        };
        if last.is_none() {
            // There is room now for what was parked for want of it.
            move_limits(&self.connection, &self.context.random)?;
        }
        self.put_touched(&space, document, frontier);
        Ok(last)
    }

    /// What is cleared does not count against those who pushed it any more.
    fn give_back(&mut self, document_key: Option<i64>, after: i64, last: i64) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.account_key, sum(length(l.bytes)) FROM log l JOIN devices d ON d.id = l.device
             WHERE l.document_key = ?1 AND l.log_key > ?2 AND l.log_key <= ?3 AND l.kind = 1 GROUP BY d.account_key",
        )?;
        let freed = statement.query_map(params![document_key, after, last], |row| Ok((row.get(0)?, unsigned(row, 1)?)));
        for (account_key, bytes) in freed?.collect::<rusqlite::Result<Vec<(i64, u64)>>>()? {
            self.log.usage(&self.connection, account_key)?.subtract(bytes);
        }
        Ok(())
    }

    /// Gives a frontier back whose row is behind.
    pub(super) fn put_touched(&mut self, space: &Space, document: DocumentId, mut frontier: Frontier) {
        if !std::mem::replace(&mut frontier.is_touched, true) {
            self.log.touch(space.key, document);
        }
        self.log.put_frontier(space.key, document, frontier);
    }
}
