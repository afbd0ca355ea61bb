//! What a batch rests on and the relay lacks.
//!
//! What this vault wrote is pushed again. So is, in a personal space, what it has only within a snapshot: if nobody
//! else has that as an entry, its vault was put back to a backup as the relay was. Entries that others wrote come back
//! as such, with their devices (`offer`).

use std::collections::{HashMap, HashSet};

use sync_core::client::OutboxBatch;
use sync_wire::{BatchId, ChangeHash, DocumentId, SpaceId, SpaceKind};

use crate::error::StorageError;
use crate::recovery::take_apart;
use crate::storage::{BatchState, Member, NewBatch, Tx};
use crate::vault::Inner;

/// Batches that are pushed for one that needs them: what a client may have unanswered. If it needs more, it is parked
/// as `missing`, and gets those with a later connection in which its lane is open.
const SUPPLIED_MAX: usize = 256;

impl Inner {
    /// Batches that contain these changes, as they are to be pushed; none, if one of them cannot be supplied.
    pub(crate) fn supply(
        &self,
        space: SpaceId,
        document: DocumentId,
        hashes: Vec<ChangeHash>,
    ) -> Result<Vec<OutboxBatch>, StorageError> {
        let found = self.storage.read(|tx| {
            let Some(row) = tx.document(space, document)?.map(|found| found.row) else { return Ok(None) };
            if tx.waits_for_voids(row)? {
                return Ok(None); // what the relay lacks of it may be about to come with the log
            }
            let is_personal = tx.space(space)?.is_some_and(|found| found.kind == Some(SpaceKind::Personal));
            Ok::<_, StorageError>(Some((row, is_personal, own_batches(tx, row, &hashes)?)))
        })?;
        match found {
            Some((_, _, Some(own))) => Ok(own),
            Some((row, true, None)) => {
                let batches = self.storage.write(move |tx| with_what_is_inside(tx, (document, row), &hashes))?;
                self.recovered(); // what the log has other changes for by now may have got other names
                Ok(batches)
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// The batches of this vault that hold these changes, if it wrote each.
fn own_batches(tx: &Tx<'_>, row: i64, hashes: &[ChangeHash]) -> Result<Option<Vec<OutboxBatch>>, StorageError> {
    let mut batches = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let Some(change) = tx.change_by_hash(row, hash)?.filter(|change| *change > 0) else { return Ok(None) };
        let Some(batch) = tx.batch_with(change)? else { return Ok(None) };
        batches.push(batch);
    }
    batches.sort_by_key(|batch| batch.order);
    Ok(Some(batches))
}

/// As [`own_batches`], with batches for what is nowhere but within a snapshot; and before them what those rest on, as
/// far as the log is not known to have it. Causes before effects.
fn with_what_is_inside(
    tx: &Tx<'_>,
    (document, row): (DocumentId, i64),
    hashes: &[ChangeHash],
) -> Result<Vec<OutboxBatch>, StorageError> {
    let mut members = living(tx, row)?;
    if hashes.iter().any(|hash| !members.contains_key(hash)) {
        take_apart(tx, row)?; // the snapshot has given its changes no rows yet
        members = living(tx, row)?;
    }
    if !hashes.iter().all(|hash| members.get(hash).is_some_and(can_be_pushed)) {
        return Ok(Vec::new());
    }
    let mut batches = Vec::new();
    for member in causes_first(&members, hashes).into_iter().filter(|member| can_be_pushed(member)).take(SUPPLIED_MAX) {
        if member.batch.is_none() {
            let hash = &member.change.hash();
            tx.save_batch(BatchId::derived(document, hash), row, NewBatch::Change { row: member.row, hash })?;
        }
        batches.extend(tx.batch_with(member.row)?);
    }
    Ok(batches)
}

fn living(tx: &Tx<'_>, row: i64) -> Result<HashMap<ChangeHash, Member>, StorageError> {
    let all = tx.members_all(row)?.into_iter().filter(|member| !member.is_excluded);
    Ok(all.map(|member| (member.change.hash(), member)).collect())
}

/// Whether this vault wrote it, or has it from a snapshot and the log is not known to have it.
fn can_be_pushed(member: &Member) -> bool {
    match member.batch {
        Some(batch) => batch.state == BatchState::Accepted || !batch.state.is_final(),
        None => member.row <= 0 && !member.is_placed,
    }
}

/// These, and everything below them that has no place in the log.
fn causes_first<'m>(members: &'m HashMap<ChangeHash, Member>, hashes: &[ChangeHash]) -> Vec<&'m Member> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    let mut stack: Vec<(ChangeHash, bool)> = hashes.iter().map(|hash| (*hash, false)).collect();
    while let Some((hash, is_ready)) = stack.pop() {
        let Some(member) = members.get(&hash) else { continue };
        if is_ready {
            found.push(member);
        } else if seen.insert(hash) {
            stack.push((hash, true));
            let below = member
                .change
                .header
                .deps
                .iter()
                .filter(|dep| members.get(*dep).is_some_and(|member| !member.is_placed));
            stack.extend(below.map(|dep| (*dep, false)));
        }
    }
    found
}
