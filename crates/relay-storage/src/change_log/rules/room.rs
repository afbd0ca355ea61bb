//! How much a batch, a document and an account may hold.
//!
//! What waits in the intake takes room as well, and may leave it without coming into the log, or take less there. So
//! where nothing else is in the way, a batch is parked for a moment only, and not until some limit moves.

use std::collections::BTreeSet;

use document::Change;
use sync_wire::limits::{BATCH_CHANGES_MAX, CHANGE_BYTES_MAX, FRAME_BYTES_MAX};
use sync_wire::{ChangeHash, FateCode};

use super::super::Outcome;
use super::super::intake::Ahead;
use super::{Draft, ENTRY_OVERHEAD_BYTES, Rules, Stop};
use crate::error::StorageError;

/// Heads of one document; more and every edit would carry a list of them.
const HEADS_MAX: usize = 1024;

/// What an account may still add to logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Room {
    /// Bytes that its quota leaves.
    pub(in super::super) left: u64,
    /// How many of these are for what waits of it.
    pub(in super::super) waits: u64,
}

impl Rules<'_> {
    pub(super) fn judge_size(&self, changes: &[&Change]) -> Result<(), Stop> {
        if changes.len() > BATCH_CHANGES_MAX {
            let detail = format!("batch of {} changes; at most {BATCH_CHANGES_MAX} are allowed", changes.len());
            return Err(self.parked(FateCode::SIZE, detail));
        }
        if let Some(large) = changes.iter().find(|change| change.bytes.len() > CHANGE_BYTES_MAX) {
            let detail = format!("change of {} bytes; at most {CHANGE_BYTES_MAX} are allowed", large.bytes.len());
            return Err(self.parked(FateCode::SIZE, detail));
        }
        // A batch is delivered in one frame, where each entry has its document, device and batch beside it.
        let delivered: usize = changes.iter().map(|change| change.bytes.len() + ENTRY_OVERHEAD_BYTES).sum();
        let most = FRAME_BYTES_MAX - 2048;
        if delivered > most {
            let detail = format!("batch of {delivered} bytes with its envelope; at most {most} are allowed; split it");
            return Err(self.parked(FateCode::SIZE, detail));
        }
        Ok(())
    }

    pub(super) fn judge_room(&self, changes: &[&Change]) -> Result<(), Stop> {
        let Some(Room { left, waits }) = self.room else { return Ok(()) };
        let added: u64 = changes.iter().map(|change| change.bytes.len() as u64).sum();
        if added > left {
            let detail = format!("{added} more bytes; the account's quota leaves {left}; have it raised");
            return Err(self.parked(FateCode::QUOTA, detail));
        }
        if added > left.saturating_sub(waits) {
            let detail = format!(
                "{added} more bytes; the account's quota leaves {left}, and {waits} wait for their check; try again in \
                 a moment"
            );
            return Err(for_now(detail));
        }
        Ok(())
    }

    pub(super) fn judge_heads(&self, changes: &[&Change]) -> Result<(), Stop> {
        let in_log = &self.frontier.heads;
        let waiting = self.ahead.map_or(0, |ahead| ahead.entries as usize);
        if in_log.len() + waiting + changes.len() <= HEADS_MAX {
            return Ok(()); // so few that it does not matter which they are
        }
        let is_over = |heads: usize| heads > HEADS_MAX && heads > in_log.len();
        let heads = heads_after(self.heads()?, changes);
        if !is_over(heads) {
            return Ok(());
        }
        if is_over(heads_after(in_log.keys().copied().collect(), changes)) {
            let detail = format!("document would have {heads} heads; at most {HEADS_MAX} are allowed; edit it first");
            return Err(self.parked(FateCode::HEADS, detail));
        }
        let detail = format!(
            "document would have {heads} heads, with those that wait for their check; at most {HEADS_MAX} are allowed; \
             try again in a moment"
        );
        Err(for_now(detail))
    }

    /// The heads of the document, with what waits.
    pub(in super::super) fn heads(&self) -> Result<BTreeSet<ChangeHash>, StorageError> {
        let mut heads: BTreeSet<ChangeHash> = self.frontier.heads.keys().copied().collect();
        if let Some(ahead) = self.ahead {
            ahead.advance(self.connection, &mut heads)?;
        }
        Ok(heads)
    }

    pub(super) fn judge_totals(&self, draft: &Draft<'_>) -> Result<(), Stop> {
        let limits = &self.context.limits;
        let waits = |of: fn(&Ahead) -> u64| self.ahead.as_ref().map_or(0, of);
        let quotas = [
            ("entries", draft.entries, waits(|ahead| ahead.entries), limits.document_entries_max),
            ("operations", draft.ops, waits(|ahead| ahead.ops), limits.document_ops_max),
            ("bytes", draft.bytes, waits(|ahead| ahead.size), limits.document_bytes_max),
        ];
        for (what, value, waits, most) in quotas {
            let value = value - waits; // which were added when the draft began
            if value > most {
                let detail =
                    format!("document would have {value} {what}; at most {most} are allowed; begin another one");
                return Err(self.parked(FateCode::QUOTA, detail));
            }
        }
        match quotas.into_iter().find(|(_, value, _, most)| value > most) {
            None => Ok(()),
            Some((what, value, waits, most)) => Err(for_now(format!(
                "document would have {value} {what}, of which {waits} wait for their check; at most {most} are \
                 allowed; try again in a moment"
            ))),
        }
    }
}

/// How many heads there are with changes that rest on them.
fn heads_after(mut heads: BTreeSet<ChangeHash>, changes: &[&Change]) -> usize {
    for change in changes {
        heads.retain(|head| !change.header.deps.contains(head));
        heads.insert(change.hash());
    }
    heads.len()
}

/// Parked by nothing that would have to move: nothing stands against the batch, and in a moment it may be otherwise.
pub(in super::super) fn for_now(detail: String) -> Stop {
    Stop::Outcome(Outcome::Parked { code: FateCode::QUOTA, judged_by: 0, detail })
}
