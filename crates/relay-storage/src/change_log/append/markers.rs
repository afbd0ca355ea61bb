//! Tombstones and restorations: they mark a document in its log, or behind what waits of it.

use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, ChangeHash, FateCode};

use super::super::fates::with;
use super::super::frontier::heads_to_bytes;
use super::super::intake::Waits;
use super::super::rules::{Stop, marker, need};
use super::super::{Check, Outcome};
use super::Lane;
use super::row::Row;
use crate::error::StorageError;

impl Lane<'_> {
    pub(super) fn tombstone(&mut self, batch: BatchId, heads: &[ChangeHash]) -> Result<Outcome, Stop> {
        let hash = marker_hash(EntryKind::Tombstone, self.request.space, self.request.document, batch, heads);
        if let Some(position) = marker(self.connection, &self.frontier, &hash)? {
            return Ok(self.space.known(position));
        }
        if self.has_stored(batch)? {
            return Ok(Outcome::Stored);
        }
        self.may_write()?;
        self.is_there()?;
        if heads.is_empty() {
            let detail = "a deletion that names no heads; name those of the document".to_owned();
            return Err(Stop::Outcome(Outcome::Refused { culprit: None, code: FateCode::UNDECODABLE, detail }));
        }
        let missing = self.rules().missing(heads)?;
        if let Some(culprit) = self.refused_among(&missing)? {
            return Ok(with(culprit, "this deletion"));
        }
        if !missing.is_empty() {
            return Err(need(missing));
        }
        // Nothing rests on a head, so a head is covered only if it is named.
        let is_covered = self.rules().heads()?.iter().all(|head| heads.contains(head));
        if !is_covered && !planted::is(Bug::ContestedDeletionApplied) {
            let detail = "the document has edits that the deletion did not know; a person has to decide".to_owned();
            return Err(self.parked(FateCode::CONTESTED, detail));
        }
        self.mark(batch, EntryKind::Tombstone, hash, heads)
    }

    /// Marks the document in the log, or behind what waits of it.
    fn mark(
        &mut self,
        batch: BatchId,
        kind: EntryKind,
        hash: ChangeHash,
        heads: &[ChangeHash],
    ) -> Result<Outcome, Stop> {
        match self.request.check {
            Check::Before => self.store(batch, &Waits { kind, changes: &[], named: heads }),
            Check::Pending | Check::Done | Check::Unfit => {
                self.append_marker(batch, kind, hash, &heads_to_bytes(heads)).map_err(Stop::Write)
            }
        }
    }

    pub(super) fn restore(&mut self, batch: BatchId) -> Result<Outcome, Stop> {
        let hash = marker_hash(EntryKind::Restore, self.request.space, self.request.document, batch, &[]);
        if let Some(position) = marker(self.connection, &self.frontier, &hash)? {
            return Ok(self.space.known(position));
        }
        if self.has_stored(batch)? {
            return Ok(Outcome::Stored);
        }
        self.may_write()?;
        self.is_there()?;
        if self.frontier.entries == 0 && self.ahead.is_none() {
            let detail = "nothing to restore: the document has no entries here".to_owned();
            return Err(Stop::Outcome(Outcome::Refused { culprit: None, code: FateCode::UNDECODABLE, detail }));
        }
        self.mark(batch, EntryKind::Restore, hash, &[])
    }

    fn append_marker(
        &mut self,
        batch: BatchId,
        kind: EntryKind,
        hash: ChangeHash,
        bytes: &[u8],
    ) -> Result<Outcome, StorageError> {
        self.begin_batch(batch)?;
        self.write_row(batch, &Row { kind, hash, change: None, bytes }, true)?;
        self.frontier.is_deleted = kind == EntryKind::Tombstone;
        self.frontier.unstored += 1;
        Ok(self.appended(1))
    }
}
