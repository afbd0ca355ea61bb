//! What users meant is there: equal everywhere is not enough, if what somebody wrote is nowhere.

use std::collections::BTreeSet;

use editor_vault::types::{ExtensionState, Extensions};
use serde_json::Value;
use sync_wire::{ChangeHash, DocumentId};

use super::Logs;
use crate::failure::Failure;
use crate::ledger::Wish;
use crate::oracle;
use crate::world::World;

pub(super) fn check(world: &World, logs: &Logs) -> Result<(), Failure> {
    counters(world, logs)?;
    wishes(world, logs)
}

/// Counters have all that was added to them, on every device of their account.
fn counters(world: &World, logs: &Logs) -> Result<(), Failure> {
    let logged: BTreeSet<ChangeHash> = logs.values().flat_map(|log| &log.records).map(|record| record.hash).collect();
    for (account, path) in world.ledger.counts.keys() {
        if world.ledger.undone.contains(account) {
            continue;
        }
        let count = world.ledger.counted(*account, path, |hash| logged.contains(hash));
        for device in world.devices.iter().filter(|device| device.account == *account) {
            let Some(program) = &device.program else { continue };
            let settings = program.vault.well_known("settings").map_err(anyhow::Error::from)?;
            let value = settings.get(path).map_err(anyhow::Error::from)?;
            let counted = value.as_ref().and_then(Value::as_i64).unwrap_or(0);
            let most = if world.may_say_twice(*account) { i64::MAX } else { count.certain + count.possible };
            if !(count.certain..=most).contains(&counted) {
                let detail = format!("{path} is {counted} on {}, and {count:?} was added to it", device.name());
                return Failure::raise("what users meant is there", detail);
            }
        }
    }
    Ok(())
}

/// What was wanted is wanted on every device of its account, and what was withdrawn stays withdrawn, whatever devices
/// knew of it.
fn wishes(world: &World, logs: &Logs) -> Result<(), Failure> {
    for (account, keys) in world.templates.accounts.iter().enumerate() {
        let Some(log) = logs.get(&keys.personal) else { continue };
        let excluded: BTreeSet<(DocumentId, ChangeHash)> = oracle::excluded(log)?;
        let is_it = |record: &&super::Record| !excluded.contains(&(record.document, record.hash));
        let stands: BTreeSet<ChangeHash> = log.records.iter().filter(is_it).map(|record| record.hash).collect();
        let said = world.ledger.wishes.iter().filter(|((of, _), _)| *of == account);
        let meant: Vec<_> = said.filter_map(|((_, id), wish)| Some((id, meant(wish, &stands)?))).collect();
        for device in world.devices.iter().filter(|device| device.account == account && !meant.is_empty()) {
            let Some(program) = &device.program else { continue };
            let extensions = program.vault.typed::<Extensions>().map_err(anyhow::Error::from)?;
            let found = extensions.get().map_err(anyhow::Error::from)?.wanted;
            for (id, state) in &meant {
                if found.get(*id).map(|wanted| wanted.state) != Some(*state) {
                    let detail = format!("{id} is meant to be {state:?} on {}: {:?}", device.name(), found.get(*id));
                    return Failure::raise("what users meant is there", detail);
                }
            }
        }
    }
    Ok(())
}

/// What a wish comes to by the changes that are in force, if they say.
fn meant(wish: &Wish, stands: &BTreeSet<ChangeHash>) -> Option<ExtensionState> {
    if wish.withdrawn_by.iter().any(|change| stands.contains(change)) {
        return Some(ExtensionState::Uninstalled);
    }
    let is_wanted = !wish.is_withdrawn && wish.wanted_by.is_some_and(|change| stands.contains(&change));
    is_wanted.then_some(ExtensionState::Enabled)
}
