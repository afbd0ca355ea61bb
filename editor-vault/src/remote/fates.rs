//! What became of our batches. Every fate is kept, and so is every byte. Next: `recovery`, which deals with refusals.

use std::sync::Arc;

use sync_core::client::{Fate, Verdict};
use sync_wire::{Ack, ChangeHash, Content, Cursor, FateCode};

use super::RemoteError;
use crate::error::StorageError;
use crate::recovery::{Because, recover};
use crate::storage::{BatchState, Fated, Member, Refusal, Tx};
use crate::vault::Inner;

/// Unlike any version: what was parked by it is pushed again with the next grant.
const NO_VERSION: u64 = u64::MAX;

impl Inner {
    /// Makes fates durable. A refused change leaves its document in the same transaction, and what rests on it is
    /// written anew.
    pub(crate) fn record_fates(self: &Arc<Self>, fates: &[Fate]) -> Result<(), RemoteError> {
        let (stored, now) = (fates.to_vec(), self.sources.unix_seconds());
        let is_recovered = self.storage.write_remote(move |tx| {
            let mut is_recovered = false;
            for fate in &stored {
                is_recovered |= record(tx, fate, now)?;
            }
            Ok::<_, RemoteError>(is_recovered)
        })?;
        if is_recovered {
            self.recovered();
        }
        for fate in fates {
            match &fate.verdict {
                Verdict::Accepted { .. } | Verdict::Stored => self.hint(fate.space, fate.document),
                Verdict::Refused { code, detail, .. } | Verdict::Parked { code, detail, .. } => {
                    let code = code.name();
                    tracing::warn!(
                        document.id = %fate.document, batch.id = %fate.batch, code, detail,
                        "Batch {} was not accepted: {code}", fate.batch
                    );
                    self.take_in(fate.space, fate.document, None);
                }
            }
        }
        Ok(())
    }
}

/// Planted bugs.
impl Inner {
    /// Takes the place of an own batch as the resume point.
    pub(crate) fn move_cursor_by_ack(&self, ack: &Ack) {
        let (Some(at), Some(proof), space) = (ack.at, ack.proof, ack.space) else { return };
        let moved = self.storage.write_remote(move |tx| {
            let Some(found) = tx.space(space)? else { return Ok(()) };
            let bootstrap = found.resuming.and_then(|resuming| resuming.bootstrap);
            tx.set_cursor(found.row, &Cursor { space, at, chain: proof.chain, bootstrap })
        });
        drop::<Result<(), StorageError>>(moved);
    }
}

/// `true`: changes were taken out of their document.
fn record(tx: &Tx<'_>, fate: &Fate, now: i64) -> Result<bool, StorageError> {
    let Some(batch) = tx.batch(fate.batch)? else {
        return Err(tx.unexpected(format!("a fate came for batch {}, which is not here", fate.batch)));
    };
    if batch.state.is_final() {
        return Ok(false); // settled by the log or by an earlier fate
    }
    match &fate.verdict {
        Verdict::Accepted { at } => tx.accept_undelivered(batch.row, *at)?,
        Verdict::Stored => tx.set_stored(batch.row)?,
        Verdict::Parked { code, judged_by, detail } => park(tx, &batch, *code, *judged_by, detail)?,
        // The space may be granted again: what was written for it waits.
        Verdict::Refused { code: FateCode::NO_SUCH_SPACE, detail, .. } => {
            park(tx, &batch, FateCode::NO_SUCH_SPACE, NO_VERSION, detail)?;
        }
        // A repair has excluded what it rests on, and the void is on its way: it will be written anew then. Or that is
        // our own and pending again, since the relay has lost it: its own fate says what becomes of this one.
        Verdict::Refused { culprit: Some(culprit), code: FateCode::WITH, detail }
            if tx.is_in_log(batch.document, culprit)? || rests_on_pending(tx, &batch, culprit)? =>
        {
            park(tx, &batch, FateCode::WITH, NO_VERSION, detail)?;
        }
        Verdict::Refused { culprit, code, detail } => {
            let refusal = Refusal { code: *code, culprit: culprit.as_ref(), detail, unix_seconds: Some(now) };
            return refuse(tx, &batch, &refusal);
        }
    }
    Ok(false)
}

fn rests_on_pending(tx: &Tx<'_>, batch: &Fated, culprit: &ChangeHash) -> Result<bool, StorageError> {
    let is_it = |member: &Member| Some(member.row) != batch.change && member.change.hash() == *culprit;
    Ok(tx.unsettled(batch.document)?.iter().any(is_it))
}

fn park(tx: &Tx<'_>, batch: &Fated, code: FateCode, judged_by: u64, detail: &str) -> Result<(), StorageError> {
    tx.park(batch.row, code, judged_by, detail)?;
    if matches!(batch.content, Content::Tombstone(_)) && code == FateCode::CONTESTED {
        if tx.log_mark(batch.document)? == Some(true) {
            // Somebody who knew those edits has deleted it meanwhile: nothing is left to be decided.
            tx.discard_deletions(batch.document, FateCode::CONTESTED)?;
        }
        // Else edits that the deletion did not know win until a person decides.
        tx.mark_without_it(batch.document)?;
    }
    Ok(())
}

fn refuse(tx: &Tx<'_>, batch: &Fated, refusal: &Refusal<'_>) -> Result<bool, StorageError> {
    debug_assert!(batch.state != BatchState::Accepted, "a final fate is not changed");
    if let (Content::Changes(_), Some(change)) = (&batch.content, batch.change) {
        // Every batch of ours holds one change, so it is the culprit, whatever else the relay may name.
        let because = Because { code: refusal.code, detail: refusal.detail, unix_seconds: refusal.unix_seconds };
        return recover(tx, batch.document, change, &because);
    }
    tx.quarantine(batch.row, refusal, None)?;
    match &batch.content {
        Content::Tombstone(_) => tx.mark_without_it(batch.document)?,
        Content::Restore if refusal.code == FateCode::GONE => tx.set_deleted(batch.document, true)?,
        Content::Changes(_) | Content::Restore => {}
    }
    Ok(false)
}
