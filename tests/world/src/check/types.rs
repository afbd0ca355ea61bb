//! Documents keep the rules of their types, whatever was merged, and show everybody what those let them show.

use editor_vault::Conflict;
use schemas::{DocumentType, Publication, Registry};
use serde_json::Value;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use super::Logs;
use crate::failure::Failure;
use crate::oracle::{self, Meaning};
use crate::world::World;

/// The types of which a user has one document each, and which only typed edits change.
const TYPES: [&str; 4] = ["keymap", "extensions", "snippets", "profile"];

pub(super) fn check(world: &World, logs: &Logs) -> Result<(), Failure> {
    for (account, space) in world.templates.accounts.iter().map(|account| account.personal).enumerate() {
        let Some(log) = logs.get(&space) else { continue };
        let (meanings, excluded) = (oracle::meanings(log)?, oracle::excluded(log)?);
        let is_choice =
            |id: &DocumentId| world.ledger.undone.contains(&account) && excluded.iter().any(|(of, _)| of == id);
        for known in TYPES.iter().filter_map(|name| Registry::builtin().get(name)) {
            let Some((id, meaning)) = known.id().and_then(|id| meanings.get_key_value(&id)) else { continue };
            // An owner who has a sound edit excluded may take from a value what later edits of it count on.
            if !is_choice(id) {
                keeps_its_rules(known, *id, meaning)?;
            }
            if known.has_manual() {
                asks_the_same_everywhere(world, (space, *id))?;
            }
            if known.has_public() {
                shows_what_it_may(world, (space, *id), known, meaning)?;
            }
        }
    }
    Ok(())
}

/// Merging what keeps the rules keeps the rules.
fn keeps_its_rules(known: &DocumentType, id: DocumentId, meaning: &Meaning) -> Result<(), Failure> {
    let broken = known.check(&known.plain(&meaning.value));
    if broken.is_empty() {
        return Ok(());
    }
    let detail = format!("{} {id} breaks {broken:?} with {}", known.name, meaning.value);
    Failure::raise("documents keep the rules of their types", detail)
}

/// What waits for a person waits on every device, with the same values in the same order.
fn asks_the_same_everywhere(world: &World, (space, id): (SpaceId, DocumentId)) -> Result<(), Failure> {
    let mut asked: Option<Vec<(String, Vec<ChangeHash>)>> = None;
    let devices = world.devices.iter().filter(|device| world.templates.accounts[device.account].personal == space);
    for device in devices {
        let Some(program) = &device.program else { continue };
        let document = program.vault.document(space, id).map_err(anyhow::Error::from)?;
        let found = document.conflicts().map_err(anyhow::Error::from)?;
        let values = |conflict: &Conflict| conflict.values.iter().map(|value| value.revision.hash).collect();
        let found = found.iter().map(|conflict| (conflict.stored_path.clone(), values(conflict))).collect();
        if asked.get_or_insert_with(|| Vec::clone(&found)) != &found {
            let detail = format!("{} asks {found:?} of {id}, and another device {asked:?}", device.name());
            return Failure::raise("everybody is asked the same", detail);
        }
    }
    Ok(())
}

fn shows_what_it_may(
    world: &World,
    (space, id): (SpaceId, DocumentId),
    known: &DocumentType,
    meaning: &Meaning,
) -> Result<(), Failure> {
    let Some(program) = &world.relay.program else { return Ok(()) };
    let state = program.publication(space, id).map_err(anyhow::Error::from)?;
    let shown = state.and_then(|state| state.published).map(|published| published.json);
    let shown: Option<Value> = shown.as_deref().map(serde_json::from_str).transpose().map_err(anyhow::Error::from)?;
    let may = match known.publication(&meaning.value, []) {
        Publication::Public(value) if !meaning.is_deleted => Some(value),
        _ => None,
    };
    if shown == may {
        return Ok(());
    }
    let detail = format!("everybody sees {shown:?} of {id}, which may show {may:?}");
    Failure::raise("everybody sees what a document may show", detail)
}
