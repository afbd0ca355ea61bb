//! Whether every promise was kept: read from files and answers, with no help of those who made it.

mod relay_file; // the relay's log as it lies on the disk
mod intake; // what waits for its check: durable, and resting on nothing that is gone
mod vault_file; // a vault's changes and batches as they lie on the disk
mod log; // the log: dense, chained, each change once, nothing acknowledged missing
mod fates; // every authored byte is in exactly one place
mod replicas; // everybody has the same
mod intentions; // what users meant is there
mod types; // documents keep the rules of their types, and show what those let them

use std::collections::{BTreeMap, BTreeSet};

use document::{Change, Excluded, Header, reauthor};
use sync_wire::{ChangeHash, DeviceId, DocumentId, Position, SpaceId};

pub use self::relay_file::{Record, SpaceLog};
pub use self::replicas::is_true_or_refused;
pub use self::vault_file::{authored, changes};
use crate::device::Device;
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::world::World;

/// The log of every space.
pub type Logs = BTreeMap<SpaceId, SpaceLog>;

/// What has to hold at the end.
///
/// # Errors
/// The first [`Failure`].
pub fn everything(world: &World) -> Result<(), Failure> {
    let logs = in_order(world)?;
    given_back(world, &logs)?;
    replicas::check(world, &logs, None)?;
    intentions::check(world, &logs)?;
    types::check(world, &logs)
}

/// What has to hold when everybody is at peace, and there is no room for some of what they have.
///
/// # Errors
/// The first [`Failure`].
pub fn in_want(world: &World) -> Result<(), Failure> {
    in_order(world).map(drop)
}

/// Nothing waits at the relay, and every batch of every device has its fate. Gives the logs.
fn in_order(world: &World) -> Result<Logs, Failure> {
    let logs = log(world)?;
    intake::is_empty(world.relay.disk.file())?;
    for device in &world.devices {
        saved(device, &world.ledger)?;
        fates::check(world, device, &logs)?;
    }
    Ok(logs)
}

/// What a relay lost that was put back to an earlier copy is in its log again, if anybody has it who may read there.
/// What rests on a change that was excluded before it came back is not: the rules leave it out. Whoever wrote it has it
/// written anew, others have it in quarantine, and whether they may is looked at with the fates. Nor is what a repair
/// had written anew in whose place another one came: what it stood for is there. Where none came, a repair that the
/// relay has lost is followed in its vaults: what it had written anew is there, and what was at fault is nowhere, if
/// the relay has lost what it rests on as well.
fn given_back(world: &World, logs: &Logs) -> Result<(), Failure> {
    for device in &world.devices {
        let (file, readable) = (device.disk.file(), world.readable(device.account));
        let (kept, not_accepted) = (vault_file::of_documents(file)?, vault_file::not_accepted(file)?);
        let lost = vault_file::lost_voids(file)?;
        let owed = world.ledger.owed.iter().filter(|(space, ..)| readable.contains(space));
        for (space, document, hash) in owed {
            let Some(author) = kept.get(&(*document, *hash)) else { continue };
            if world.ledger.hostile_was_unknown && author.is_some() && *author == world.ledger.hostile {
                continue;
            }
            let records = logs.get(space).map(|log| log.records.as_slice()).unwrap_or_default();
            let of_it = || records.iter().filter(|record| record.document == *document);
            let has_its_fate = |hash: &ChangeHash| not_accepted.contains(hash) || of_it().any(|one| one.hash == *hash);
            if has_its_fate(hash) || lost.instead.get(hash).is_some_and(has_its_fate) {
                continue;
            }
            let known = vault_file::changes_of(file, *space, *document)?;
            let rests_on = |dep: &ChangeHash| of_it().any(|one| one.hash == *dep);
            let has_ground = known.iter().any(|one| one.hash() == *hash && one.header.deps.iter().all(rests_on));
            if lost.at_fault.contains(hash) && !has_ground {
                continue;
            }
            let renamed = renamed(&known, hash, of_it())?;
            if !renamed.as_ref().is_some_and(has_its_fate) {
                let detail = format!("change {hash} of {document} is on {} and was not given back", device.name());
                return Failure::raise("a restored relay gets everything back", detail);
            }
        }
    }
    Ok(())
}

/// The change that says the same under another name, if one of these has its name meanwhile, or that of something that
/// it rests on: an attacker's, or a change of a copy of the vault. `known` are all changes of the document.
fn renamed<'r>(
    known: &[Change],
    hash: &ChangeHash,
    of_it: impl Iterator<Item = &'r Record>,
) -> anyhow::Result<Option<ChangeHash>> {
    let names: BTreeMap<_, ChangeHash> = of_it
        .filter_map(|record| Some((Header::parse(&record.bytes).ok()?, record.hash)))
        .map(|(header, hash)| ((header.actor, header.seq), hash))
        .collect();
    let is_taken = |one: &&Change| names.get(&(one.header.actor, one.header.seq)).is_some_and(|by| *by != one.hash());
    let max_op = |hash: &ChangeHash| known.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op());
    for taken in known.iter().filter(is_taken) {
        let (mut gone, mut later) = (BTreeSet::from([taken.hash()]), Vec::new());
        for change in known {
            if change.header.deps.iter().any(|dep| gone.contains(dep)) {
                gone.insert(change.hash());
                later.push(change.clone());
            }
        }
        let made = reauthor(Excluded::Renamed(std::slice::from_ref(taken)), &later, max_op)?;
        if let Some(replacement) = made.replaced.get(hash) {
            return Ok(replacement.by);
        }
    }
    Ok(None)
}

/// Everybody has the same, but for a document of a device that is damaged there.
///
/// # Errors
/// [`Failure`].
pub fn agree_but_for(world: &World, logs: &Logs, device: usize, document: DocumentId) -> Result<(), Failure> {
    replicas::check(world, logs, Some((device, document)))
}

/// The log: what has to hold at any time, most of all after the relay came back. Gives what it read.
///
/// # Errors
/// The first [`Failure`].
pub fn log(world: &World) -> Result<Logs, Failure> {
    let logs = relay_file::read(world.relay.disk.file())?;
    log::check(&logs, &world.ledger)?;
    intake::check(world.relay.disk.file(), &logs, &world.ledger)?;
    intake::rests_on_something(world.relay.disk.file())?;
    Ok(logs)
}

/// Where the logs in a copy of a relay's files end.
///
/// # Errors
/// If they cannot be read.
pub fn ends(file: &std::path::Path) -> anyhow::Result<BTreeMap<SpaceId, Position>> {
    Ok(relay_file::read(file)?.into_iter().map(|(space, log)| (space, log.end)).collect())
}

/// The devices that a copy of a relay's files knows.
///
/// # Errors
/// If they cannot be read.
pub fn devices(file: &std::path::Path) -> anyhow::Result<BTreeSet<DeviceId>> {
    relay_file::devices(file)
}

/// The log of every space as it is, unchecked.
///
/// # Errors
/// If it cannot be read.
pub fn read(file: &std::path::Path) -> anyhow::Result<Logs> {
    relay_file::read(file)
}

/// What waits in the relay's intake, without a look at the whole log.
///
/// # Errors
/// [`Failure`].
pub fn intake(world: &World) -> Result<(), Failure> {
    intake::rests_on_something(world.relay.disk.file())
}

/// Nothing whose saving was acknowledged is missing in a vault's file.
///
/// # Errors
/// [`Failure`].
pub fn saved(device: &Device, ledger: &Ledger) -> Result<(), Failure> {
    let kept = vault_file::changes(device.disk.file())?;
    match ledger.saved[device.index].iter().find(|(hash, _)| !kept.contains(*hash)) {
        Some((hash, document)) => {
            let detail = format!("{} no longer has change {hash} of document {document}", device.name());
            Failure::raise("saved is durable", detail)
        }
        None => Ok(()),
    }
}
