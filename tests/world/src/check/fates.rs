//! Every authored byte is in exactly one of {accepted, pending, parked, quarantined, discarded}, a replaced one where
//! its replacement is, and at the end nothing is left pending that could have been accepted.

use std::collections::BTreeSet;

use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, DocumentId, FateCode, Void};

use super::Logs;
use super::vault_file::{self, Batch, Standing};
use crate::device::Device;
use crate::failure::Failure;
use crate::world::World;

pub(super) fn check(world: &World, device: &Device, logs: &Logs) -> Result<(), Failure> {
    let batches = vault_file::batches(device.disk.file())?;
    has_one_place_each(world, device, &batches)?;
    let readable = world.readable(device.account);
    let excluded = excluded(logs)?;
    let mut closed = BTreeSet::new();
    for (batch, number) in batches.iter().zip(1..) {
        let wrong = |detail: String| {
            let name = format!("batch {} of document {} on {}", batch.id, batch.document, device.name());
            Failure::raise("every batch has its fate", format!("{name} {detail}"))
        };
        let lane = (batch.space, batch.document);
        match batch.standing {
            // Whoever may not read a space cannot give it back what it lost.
            Standing::Accepted if world.ledger.relay_restores > 0 && !readable.contains(&batch.space) => {}
            Standing::Accepted => is_in_the_log(device, batch, logs)?,
            Standing::Parked => {
                closed.insert(lane);
                let code = batch.code.unwrap_or(FateCode(0));
                let is_for_the_grant = [FateCode::GRANT, FateCode::NO_SUCH_SPACE].contains(&code);
                let is_legitimate = match code {
                    _ if is_for_the_grant => batch.space == world.templates.team && !world.can_write(device.account),
                    FateCode::QUOTA => world.is_in_want(device.account),
                    _ => [FateCode::CONTESTED, FateCode::DELETED].contains(&code),
                };
                if !is_legitimate {
                    return wrong(format!("is parked: {}", code.name()));
                }
            }
            // Behind a parked batch of its document; or nobody may know the space any more.
            Standing::Pending if closed.contains(&lane) || !readable.contains(&batch.space) => {}
            Standing::Pending => return wrong("has no fate".to_owned()),
            Standing::Stored => return wrong("is still in the intake".to_owned()),
            // Its replacement is a batch of its own, and is looked at as such.
            Standing::Replaced if batch.replaced.is_some_and(|by| batches.iter().any(|one| one.id == by)) => {}
            // What it changed is gone with a change that a repair excluded, and it said nothing else.
            Standing::Replaced if is_legitimate_loss(batch, &batches, &excluded) => {}
            Standing::Replaced if is_taken_back(batch, &batches[number..]) => {}
            Standing::Replaced => return wrong("was replaced by nothing".to_owned()),
            // A contested deletion is settled when its user deletes again, or when the log says that somebody else did.
            Standing::Discarded if batch.change.is_none() => {}
            Standing::Discarded => return wrong("was discarded, and nobody asked for that".to_owned()),
            Standing::Quarantined if is_legitimate_loss(batch, &batches, &excluded) => {}
            Standing::Quarantined if is_another_beginning(world, device, batch, logs)? => {}
            Standing::Quarantined => {
                return wrong(format!("was refused: {}", batch.code.unwrap_or(FateCode(0)).name()));
            }
        }
    }
    Ok(())
}

/// What the voids of the logs name as at fault.
fn excluded(logs: &Logs) -> Result<BTreeSet<(DocumentId, ChangeHash)>, Failure> {
    let mut excluded = BTreeSet::new();
    for log in logs.values() {
        let voids = log.records.iter().filter(|record| record.kind == EntryKind::Void);
        for record in voids {
            let void = Void::decode(&record.bytes).map_err(anyhow::Error::from)?;
            excluded.extend(void.excluded.iter().map(|hash| (record.document, *hash)));
        }
    }
    Ok(excluded)
}

/// What is in quarantine was said in one go with others, which is what its replacement says; or a repair excluded it,
/// or what it changes.
fn is_legitimate_loss(batch: &Batch, batches: &[Batch], excluded: &BTreeSet<(DocumentId, ChangeHash)>) -> bool {
    let names = |hash: Option<ChangeHash>| hash.is_some_and(|hash| excluded.contains(&(batch.document, hash)));
    match batch.code {
        // None, if together they came to nothing.
        Some(FateCode::SQUASHED) => batch.replaced.is_none_or(|by| batches.iter().any(|one| one.id == by)),
        Some(FateCode::VOID) => names(batch.change),
        Some(FateCode::WITH) => names(batch.culprit),
        _ => false,
    }
}

/// An attacker had two beginnings of a document under one name. Whoever has the one that the log has not says it under
/// another name, and it rests on nothing; but a document begins once. What a vault begins rests on a seed.
fn is_another_beginning(world: &World, device: &Device, batch: &Batch, logs: &Logs) -> Result<bool, Failure> {
    let (Some(FateCode::DANGEROUS), Some(hash)) = (batch.code, batch.change) else { return Ok(false) };
    let records = logs.get(&batch.space).map(|log| log.records.as_slice()).unwrap_or_default();
    let first = records.iter().find(|record| record.document == batch.document);
    let is_hostile = first.is_some_and(|first| Some(first.device) == world.ledger.hostile);
    Ok(is_hostile && vault_file::change(device.disk.file(), &hash)?.header.deps.is_empty())
}

/// A deletion that its user took back before anybody had heard of it need not be named anew.
fn is_taken_back(batch: &Batch, later: &[Batch]) -> bool {
    let is_of_it = |one: &Batch| (one.space, one.document) == (batch.space, batch.document);
    let is_deletion = batch.change.is_none() && !batch.is_restoration;
    is_deletion && later.iter().any(|one| is_of_it(one) && one.is_restoration)
}

fn has_one_place_each(world: &World, device: &Device, batches: &[Batch]) -> Result<(), Failure> {
    let mut placed: BTreeSet<(sync_wire::SpaceId, sync_wire::DocumentId, ChangeHash)> = BTreeSet::new();
    for batch in batches {
        if let Some(hash) = batch.change
            && !placed.insert((batch.space, batch.document, hash))
        {
            let detail = format!("change {hash} is in two batches of {}", device.name());
            return Failure::raise("every batch has its fate", detail);
        }
    }
    let hashes: BTreeSet<ChangeHash> = placed.into_iter().map(|(_, _, hash)| hash).collect();
    match world.ledger.saved[device.index].keys().find(|hash| !hashes.contains(*hash)) {
        Some(hash) => {
            let detail = format!("change {hash} was saved on {} and is in none of its batches", device.name());
            Failure::raise("every batch has its fate", detail)
        }
        None => Ok(()),
    }
}

/// A change is in the log by its hash, whoever brought it (seeds are everybody's); a mark by its batch.
fn is_in_the_log(device: &Device, batch: &Batch, logs: &Logs) -> Result<(), Failure> {
    let records = logs.get(&batch.space).map(|log| log.records.as_slice()).unwrap_or_default();
    let is_there = records.iter().any(|record| match batch.change {
        Some(hash) => (record.document, record.hash) == (batch.document, hash),
        None => record.batch == batch.id,
    });
    let is_within = batch.at.is_none_or(|at| at.0 <= records.len() as u64);
    if is_there && is_within {
        return Ok(());
    }
    let detail =
        format!("{} calls batch {} accepted (at {:?}), and the log lacks it", device.name(), batch.id, batch.at);
    Failure::raise("accepted is in the log", detail)
}
