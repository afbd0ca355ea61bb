//! What waits in the intake of a document, as the rules see it: they judge a push by log and intake together.
//!
//! Nothing of it is remembered between requests; each question is a look at an index.

use std::collections::BTreeSet;

use document::Header;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::log::EntryKind;
use sync_wire::{Actor, ChangeHash, DocumentId};

use super::super::unsigned;
use crate::error::StorageError;

/// The intake of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Ahead {
    pub(in super::super) key: i64,
    pub(in super::super) batches: u64,
    pub(in super::super) size: u64,
    pub(in super::super) entries: u64,
    pub(in super::super) ops: u64,
    pub(in super::super) max_op: u64,
    /// What the last tombstone or restore that waits makes of the document, if one does.
    pub(in super::super) is_deleted: Option<bool>,
}

impl Ahead {
    /// `None` if nothing waits.
    pub(in super::super) fn load(
        connection: &Connection,
        space_key: i64,
        document: DocumentId,
    ) -> Result<Option<Self>, StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT intake_key, batches, size, entries, ops, max_op,
                    (SELECT kind FROM intake_batches b WHERE b.intake_key = d.intake_key AND kind <> 1
                     ORDER BY batch_key DESC LIMIT 1)
             FROM intake_documents d WHERE space_key = ?1 AND document = ?2",
        )?;
        let ahead = statement.query_row(params![space_key, document.0], |row| {
            Ok(Self {
                key: row.get(0)?,
                batches: unsigned(row, 1)?,
                size: unsigned(row, 2)?,
                entries: unsigned(row, 3)?,
                ops: unsigned(row, 4)?,
                max_op: unsigned(row, 5)?,
                is_deleted: row.get::<_, Option<u8>>(6)?.map(|kind| kind == EntryKind::Tombstone as u8),
            })
        });
        Ok(ahead.optional()?)
    }

    /// The change that waits under this name and number.
    pub(in super::super) fn hash_at(
        &self,
        connection: &Connection,
        actor: Actor,
        seq: u64,
    ) -> Result<Option<ChangeHash>, StorageError> {
        let mut statement = connection
            .prepare_cached("SELECT hash FROM intake_changes WHERE intake_key = ?1 AND actor = ?2 AND seq = ?3")?;
        let hash = statement.query_row(params![self.key, actor.0, seq.cast_signed()], |row| row.get(0).map(ChangeHash));
        Ok(hash.optional()?)
    }

    /// The last change of an actor that waits.
    pub(in super::super) fn last_of(
        &self,
        connection: &Connection,
        actor: Actor,
    ) -> Result<Option<(u64, ChangeHash)>, StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT seq, hash FROM intake_changes WHERE intake_key = ?1 AND actor = ?2 ORDER BY seq DESC LIMIT 1",
        )?;
        let last =
            statement.query_row(params![self.key, actor.0], |row| Ok((unsigned(row, 0)?, ChangeHash(row.get(1)?))));
        Ok(last.optional()?)
    }

    /// The largest operation counter at a change that waits.
    pub(in super::super) fn max_op_at(
        &self,
        connection: &Connection,
        hash: &ChangeHash,
    ) -> Result<Option<u64>, StorageError> {
        let mut statement =
            connection.prepare_cached("SELECT max_op FROM intake_changes WHERE intake_key = ?1 AND hash = ?2")?;
        Ok(statement.query_row(params![self.key, hash.0], |row| unsigned(row, 0)).optional()?)
    }

    /// What a change that waits rests on.
    pub(in super::super) fn deps_of(
        &self,
        connection: &Connection,
        hash: &ChangeHash,
    ) -> Result<Option<Vec<ChangeHash>>, StorageError> {
        let mut statement =
            connection.prepare_cached("SELECT bytes FROM intake_changes WHERE intake_key = ?1 AND hash = ?2")?;
        let bytes = statement.query_row(params![self.key, hash.0], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        bytes.map(|bytes| header_of(&bytes).map(|header| header.deps)).transpose()
    }

    /// Adds what waits to the heads of the log.
    pub(in super::super) fn advance(
        &self,
        connection: &Connection,
        heads: &mut BTreeSet<ChangeHash>,
    ) -> Result<(), StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT c.bytes FROM intake_batches b JOIN intake_changes c USING (batch_key)
             WHERE b.intake_key = ?1 ORDER BY b.batch_key, c.change_key",
        )?;
        let mut rows = statement.query([self.key])?;
        while let Some(row) = rows.next()? {
            let header = header_of(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            heads.retain(|head| !header.deps.contains(head));
            heads.insert(header.hash);
        }
        Ok(())
    }

    /// Makes this device the one of all that waits here of devices of its account that were revoked.
    pub(in super::super) fn adopt(
        &self,
        connection: &Connection,
        account_key: i64,
        device: sync_wire::DeviceId,
    ) -> Result<(), StorageError> {
        let mut statement = connection.prepare_cached(
            "UPDATE intake_batches SET device = ?3 WHERE intake_key = ?1 AND account_key = ?2 AND device IN
                 (SELECT id FROM devices WHERE account_key = ?2 AND revoked_at IS NOT NULL)",
        )?;
        statement.execute(params![self.key, account_key, device.0])?;
        Ok(())
    }

    /// Whether this device has a batch of this name here.
    pub(in super::super) fn has_batch(
        &self,
        connection: &Connection,
        batch: sync_wire::BatchId,
        device: sync_wire::DeviceId,
    ) -> Result<bool, StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM intake_batches WHERE intake_key = ?1 AND batch = ?2 AND device = ?3)",
        )?;
        Ok(statement.query_row(params![self.key, batch.0, device.0], |row| row.get(0))?)
    }
}

pub(super) fn header_of(bytes: &[u8]) -> Result<Header, StorageError> {
    Header::parse(bytes).map_err(|error| StorageError::damaged(format!("a change of the intake: {error}")))
}
