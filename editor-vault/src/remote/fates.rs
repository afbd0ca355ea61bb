//! What became of our batches. Every fate is kept, and so is every byte.

use std::collections::HashSet;
use std::sync::Arc;

use document::Header;
use sync_core::client::{Fate, Verdict};
use sync_wire::{Ack, ChangeHash, Content, Cursor, FateCode};

use super::RemoteError;
use crate::error::StorageError;
use crate::storage::{BatchState, Fated, Tx};
use crate::vault::Inner;

/// Unlike any version: what was parked by it is pushed again with the next grant.
const NO_VERSION: u64 = u64::MAX;

impl Inner {
    /// Makes fates durable. A refused batch goes into quarantine with everything that rests on it, and its document is
    /// rebuilt from the rest.
    pub(crate) fn record_fates(self: &Arc<Self>, fates: &[Fate]) -> Result<(), RemoteError> {
        let stored = fates.to_vec();
        let is_shortened = self.storage.write_remote(move |tx| {
            let mut is_shortened = false;
            for fate in &stored {
                is_shortened |= record(tx, fate)?;
            }
            if is_shortened {
                tx.forget_actors()?;
            }
            Ok::<_, RemoteError>(is_shortened)
        })?;
        if is_shortened {
            self.actors.forget();
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
fn record(tx: &Tx<'_>, fate: &Fate) -> Result<bool, StorageError> {
    let Some(batch) = tx.batch(fate.batch)? else {
        return Err(tx.unexpected(format!("a fate came for batch {}, which is not here", fate.batch)));
    };
    if matches!(batch.state, BatchState::Accepted | BatchState::Quarantined) {
        return Ok(false); // settled by the log or by an earlier fate
    }
    match &fate.verdict {
        Verdict::Accepted { at } => tx.accept(batch.row, *at)?,
        Verdict::Stored => tx.set_stored(batch.row)?,
        Verdict::Parked { code, judged_by, detail } => park(tx, &batch, *code, *judged_by, detail)?,
        // The space may be granted again: what was written for it waits.
        Verdict::Refused { code: FateCode::NO_SUCH_SPACE, detail, .. } => {
            park(tx, &batch, FateCode::NO_SUCH_SPACE, NO_VERSION, detail)?;
        }
        Verdict::Refused { culprit, code, detail } => return refuse(tx, &batch, *code, culprit.as_ref(), detail),
    }
    Ok(false)
}

fn park(tx: &Tx<'_>, batch: &Fated, code: FateCode, judged_by: u64, detail: &str) -> Result<(), StorageError> {
    if matches!(batch.content, Content::Tombstone(_)) && code == FateCode::CONTESTED {
        // Edits that the deletion did not know win until a person decides.
        tx.set_deleted(batch.document, false)?;
    }
    tx.park(batch.row, code, judged_by, detail)
}

fn refuse(
    tx: &Tx<'_>,
    batch: &Fated,
    code: FateCode,
    culprit: Option<&ChangeHash>,
    detail: &str,
) -> Result<bool, StorageError> {
    match (&batch.content, batch.change) {
        (Content::Changes(_), Some(change)) => {
            quarantine_from(tx, batch.document, change, code, culprit, detail)?;
            Ok(true)
        }
        (Content::Tombstone(_), _) => {
            tx.set_deleted(batch.document, false)?;
            tx.quarantine(batch.row, code, culprit, detail)?;
            Ok(false)
        }
        (Content::Changes(_) | Content::Restore, _) => {
            tx.quarantine(batch.row, code, culprit, detail)?;
            Ok(false)
        }
    }
}

/// Takes a change of an unsettled batch out of its document, and every later unsettled batch that rests on it. `false`:
/// the change is in no unsettled batch of this vault.
pub(super) fn quarantine_from(
    tx: &Tx<'_>,
    document: i64,
    change: i64,
    code: FateCode,
    culprit: Option<&ChangeHash>,
    detail: &str,
) -> Result<bool, StorageError> {
    let Some(first) = tx.unsettled_batch_of(change)? else { return Ok(false) };
    let mut lost = HashSet::from([first.hash(tx)?]);
    tx.quarantine(first.row, code, culprit, detail)?;
    tx.exclude(change)?;
    let companion = format!("it rests on a refused change: {detail}");
    for later in tx.lane_after(document, first.row)? {
        let header = later.header(tx)?;
        let (Some(header), Some(row)) = (header, later.change) else { continue };
        if header.deps.iter().any(|dep| lost.contains(dep)) {
            lost.insert(header.hash);
            tx.quarantine(later.row, FateCode::WITH, culprit, &companion)?;
            tx.exclude(row)?;
        }
    }
    tx.drop_local_snapshot(document)?;
    tx.begin_generation(document)?;
    Ok(true)
}

impl Fated {
    /// The header of its change, if it has one.
    fn header(&self, tx: &Tx<'_>) -> Result<Option<Header>, StorageError> {
        let Content::Changes(changes) = &self.content else { return Ok(None) };
        let Some(bytes) = changes.first() else { return Ok(None) };
        Header::parse(bytes).map(Some).map_err(|error| tx.unexpected(format!("a stored change is damaged: {error}")))
    }

    fn hash(&self, tx: &Tx<'_>) -> Result<ChangeHash, StorageError> {
        let header = self.header(tx)?;
        header.map(|header| header.hash).ok_or_else(|| tx.unexpected("a batch of changes has none"))
    }
}
