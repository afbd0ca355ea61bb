//! One entry as a row of the log: its digest, the chain after it, and the values that are bound.

use document::Change;
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, ChangeHash};

use super::super::{AppendRequest, Check, log_key};
use super::Lane;
use crate::error::StorageError;

pub(super) const INSERT: &str =
    "INSERT INTO log (log_key, document_key, kind, actor_key, seq, ops, max_op, appended_at, device, batch,
                      hash, digest, chain, bytes)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// An entry to be written.
pub(super) struct Row<'a> {
    pub(super) kind: EntryKind,
    pub(super) hash: ChangeHash,
    /// The change with the key of its actor; markers have none.
    pub(super) change: Option<(&'a Change, i64)>,
    pub(super) bytes: &'a [u8],
}

impl Lane<'_> {
    /// Binds what the rows of a batch have in common.
    pub(super) fn begin_batch(&mut self, batch: BatchId) -> Result<(), StorageError> {
        self.open_document()?;
        self.insert.raw_bind_parameter(2, self.frontier.document_key)?;
        self.insert.raw_bind_parameter(8, self.now)?;
        self.insert.raw_bind_parameter(9, self.request.device.0)?;
        self.insert.raw_bind_parameter(10, batch.0)?;
        Ok(())
    }

    pub(super) fn write_row(&mut self, batch: BatchId, row: &Row<'_>, is_batch_end: bool) -> Result<(), StorageError> {
        let AppendRequest { document, device, .. } = *self.request;
        let digest = EntryIdentity { kind: row.kind, document, hash: row.hash, device, batch }.digest(&self.space.salt);
        self.space.end += 1;
        self.space.chain = self.space.chain.extend(&digest);
        let header = row.change.map(|(change, _)| &change.header);
        // PLANTED: the index that would stop a duplicate is not there.
        let is_indexed = !planted::is(Bug::DuplicateAppliedTwice);
        let insert = &mut self.insert;
        insert.raw_bind_parameter(1, log_key(self.space.key, self.space.end))?;
        insert.raw_bind_parameter(3, row.kind as u8)?;
        insert.raw_bind_parameter(4, row.change.map(|(_, actor_key)| actor_key))?;
        insert.raw_bind_parameter(5, header.filter(|_| is_indexed).map(|header| header.seq.cast_signed()))?;
        insert.raw_bind_parameter(6, header.map(|header| header.ops.cast_signed()))?;
        insert.raw_bind_parameter(7, header.map(|header| header.max_op().cast_signed()))?;
        insert.raw_bind_parameter(11, row.hash.0)?;
        insert.raw_bind_parameter(12, digest)?;
        insert.raw_bind_parameter(13, is_batch_end.then_some(self.space.chain.0))?;
        insert.raw_bind_parameter(14, row.bytes)?;
        insert.raw_execute()?;
        // A batch that was checked before it came here moves the checked position, unless something before it waits.
        let was_checked = self.frontier.checked == self.frontier.last;
        self.frontier.last = self.space.end;
        self.frontier.entries += 1;
        if was_checked && self.request.check == Check::Done {
            self.frontier.checked = self.space.end;
        }
        Ok(())
    }
}
