//! A refused edit that was made again elsewhere, on the website or by a copy of this vault, leaves the quarantine: in
//! the transaction that stores the delivery of what says it now.
//!
//! Whoever writes in a space may write any note. So a note alone takes nothing out: the edit has to be of this vault's
//! own account. In a personal space all are; elsewhere the name of its batch proves it, which only who knows the
//! refused batch can find ([`sync_wire::BatchId::of_resubmission`]).

use document::{Change, resubmitted};
use sync_wire::{ChangeHash, Entry, FateCode, SpaceKind};

use crate::error::StorageError;
use crate::storage::{QuarantinedChange, SpaceRow, Tx};

/// Takes what `change` says again out of the quarantine. A change without such a note costs nothing.
pub(super) fn settle(
    tx: &Tx<'_>,
    space: &SpaceRow,
    document: i64,
    entry: &Entry,
    change: &Change,
) -> Result<(), StorageError> {
    let Some(hash) = change.header.message.as_deref().and_then(resubmitted) else { return Ok(()) };
    for quarantined in tx.quarantined_as(document, &hash)? {
        if is_said_again(space, entry, &quarantined, &hash) {
            tx.set_resubmitted(quarantined.row)?;
        }
    }
    Ok(())
}

fn is_said_again(space: &SpaceRow, entry: &Entry, quarantined: &QuarantinedChange, hash: &ChangeHash) -> bool {
    match quarantined.code {
        // Its document says it, together with others: it is kept to be looked at.
        FateCode::SQUASHED => false,
        _ if space.kind == Some(SpaceKind::Personal) => true,
        // It was in the log, so its batch is no secret.
        FateCode::VOID => false,
        _ => entry.batch.is_resubmission_of(quarantined.id, hash),
    }
}
