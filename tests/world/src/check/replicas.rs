//! Everybody has the same: every device that may read a space, the relay's projection, and the log read naively.

use std::collections::BTreeMap;

use editor_vault::DocumentState;
use serde_json::Value;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use super::{Logs, vault_file};
use crate::device::Device;
use crate::failure::Failure;
use crate::oracle::{self, Meaning};
use crate::world::World;

pub(super) fn check(world: &World, logs: &Logs, but_for: Option<(usize, DocumentId)>) -> Result<(), Failure> {
    // Documents that an attacker spoiled in a space of its own are held there, and nobody else has them.
    for (space, log) in logs.iter().filter(|(space, _)| **space != world.templates.attacker.personal) {
        let meanings = oracle::meanings(log)?;
        for (document, meaning) in &meanings {
            if log.deleted.get(document) != Some(&meaning.is_deleted) {
                let detail = format!("the relay says that {document} is deleted: {:?}", log.deleted.get(document));
                return Failure::raise("everybody has the same", detail);
            }
            relay_agrees(world, *space, *document, meaning)?;
        }
        for device in world.devices.iter().filter(|device| world.readable(device.account).contains(space)) {
            let exempt = but_for.filter(|(index, _)| *index == device.index).map(|(_, document)| document);
            device_agrees(device, *space, &meanings, exempt)?;
        }
    }
    Ok(())
}

fn relay_agrees(world: &World, space: SpaceId, document: DocumentId, meaning: &Meaning) -> Result<(), Failure> {
    let Some(program) = &world.relay.program else { return Ok(()) };
    let projection = program.projection(space, document).map_err(anyhow::Error::from)?;
    let Some(projection) = projection else {
        return Failure::raise("everybody has the same", format!("the relay has no projection of {document}"));
    };
    let value: Value = serde_json::from_str(&projection.json).map_err(anyhow::Error::from)?;
    let mut heads = projection.heads;
    heads.sort();
    agree("the relay's projection", document, (&heads, &value), meaning)
}

/// What a device shows of a document is what it means, or nothing: a document that is held or cannot be read.
pub fn is_true_or_refused(
    device: &Device,
    space: SpaceId,
    id: DocumentId,
    meaning: Option<&Meaning>,
) -> Result<(), Failure> {
    let Some((program, meaning)) = device.program.as_ref().zip(meaning) else { return Ok(()) };
    let Ok(document) = program.vault.document(space, id) else { return Ok(()) };
    let Ok(read) = document.read(|document| (document.heads(), document.value())) else { return Ok(()) };
    let is_refused = document.status().map_or(true, |status| {
        let is_under_way = |state: &DocumentState| {
            matches!(state, DocumentState::Parked { .. } | DocumentState::Saved | DocumentState::Stored)
        };
        status.held.is_some() || is_under_way(&status.state)
    });
    let (mut heads, value) = read;
    heads.sort();
    // Before everything has come, it shows what has.
    let is_behind = heads != meaning.heads && heads.iter().all(|head| meaning.hashes.contains(head));
    if is_refused || is_behind { Ok(()) } else { agree(&device.name(), id, (&heads, &value), meaning) }
}

fn device_agrees(
    device: &Device,
    space: SpaceId,
    meanings: &BTreeMap<DocumentId, Meaning>,
    exempt: Option<DocumentId>,
) -> Result<(), Failure> {
    let Some(program) = &device.program else { return Ok(()) };
    for (id, meaning) in meanings.iter().filter(|(id, _)| Some(**id) != exempt) {
        let wrong = |error: &dyn std::error::Error| {
            Failure::new("everybody has the same", format!("{} cannot read document {id}: {error}", device.name()))
        };
        let document = program.vault.document(space, *id).map_err(|error| wrong(&error))?;
        let status = document.status().map_err(|error| wrong(&error))?;
        if let Some(reason) = status.held {
            return Failure::raise("everybody has the same", format!("{} holds {id}: {reason}", device.name()));
        }
        // What is parked is on this device alone, and part of its document.
        if matches!(status.state, DocumentState::Parked { .. } | DocumentState::Saved) {
            continue;
        }
        let (mut heads, value) =
            document.read(|document| (document.heads(), document.value())).map_err(|error| wrong(&error))?;
        heads.sort();
        agree(&device.name(), *id, (&heads, &value), meaning).map_err(|failure| with_file(failure, device, meaning))?;
        if status.deleted != meaning.is_deleted {
            let detail =
                format!("{} has document {id} deleted: {}, and the log says otherwise", device.name(), status.deleted);
            return Failure::raise("everybody has the same", detail);
        }
    }
    Ok(())
}

/// Tells what is wrong in memory from what is wrong in the file.
fn with_file(failure: Failure, device: &Device, meaning: &Meaning) -> Failure {
    let kept = vault_file::changes(device.disk.file()).unwrap_or_default();
    let missing = meaning.heads.iter().filter(|head| !kept.contains(*head)).count();
    let Failure { check, detail } = failure;
    Failure { check, detail: format!("{detail}; its file lacks {missing} of the log's {} heads", meaning.heads.len()) }
}

fn agree(
    who: &str,
    document: DocumentId,
    (heads, value): (&[ChangeHash], &Value),
    meaning: &Meaning,
) -> Result<(), Failure> {
    if heads != meaning.heads {
        let detail = format!("{who} has heads {heads:?} of {document}, the log {:?}", meaning.heads);
        return Failure::raise("everybody has the same", detail);
    }
    if *value != meaning.value {
        let detail = format!("{who} reads {value} in {document}, the log means {}", meaning.value);
        return Failure::raise("everybody has the same", detail);
    }
    Ok(())
}
