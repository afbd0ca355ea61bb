//! What devices give back to a log that lost its end, after a restore from a backup or onto an empty disk.

use std::sync::Arc;

use relay_storage::{StorageError, Taken, TakenEpoch};
use sync_wire::{Checkpoint, Grant, Position, Resume, Run};
use tracing::{info, warn};

use crate::access::Writable;
use crate::app::App;
use crate::metrics;
use crate::relay::hub::Bell;
use crate::relay::read;

/// The highest of these places that is one of the log; its beginning, if none is.
///
/// # Errors
/// Storage failed.
pub async fn common_place(
    app: &App,
    target: &Writable,
    checkpoints: Vec<Checkpoint>,
) -> Result<Checkpoint, StorageError> {
    let found = app.storage.common_place(target.space(), checkpoints).await?;
    Ok(found.map_or(Checkpoint { position: Position::START, chain: sync_wire::Chain::START }, |(place, _)| place))
}

/// Appends what the log lacks of a run, and tells those who follow it; how many entries that were.
///
/// # Errors
/// Storage failed: nothing of it is known to have happened.
pub async fn take(app: &App, target: &Writable, run: Run, bell: &Arc<Bell>) -> Result<u64, StorageError> {
    let space = target.space();
    let taken = app.storage.take_run(target.account(), space, run).await?;
    // Memory of its end is of pushes only, and perhaps of another epoch.
    app.tails.forget(space);
    if taken.entries > 0 || taken.epoch == TakenEpoch::New {
        app.hub.hint_others(space, taken.end, bell);
        app.reached.checked(space);
    }
    for (document, entries) in &taken.documents {
        app.checker.changed(space, *document, *entries);
    }
    report(target, &taken);
    Ok(taken.entries)
}

fn report(target: &Writable, taken: &Taken) {
    let (space, entries, is_new) = (target.space(), taken.entries, taken.epoch == TakenEpoch::New);
    metrics::offered(entries, is_new);
    if entries > 0 || is_new {
        let epoch = if is_new { "a new epoch" } else { "the same epoch" };
        info!(
            space.id = %space, entries, position = %taken.end,
            "Space {space}: restored from devices: {entries} entries, in {epoch}"
        );
    }
    if let Some((batch, outcome)) = taken.left_out.first() {
        warn!(
            space.id = %space, batches = taken.left_out.len(), batch.id = %batch,
            "Space {space}: {} offered batches were left out, first {batch}: {outcome:?}", taken.left_out.len()
        );
    }
}

/// The grant of a device whose offer is done, with the place where the log goes on for it; none if the space is gone.
///
/// # Errors
/// Storage failed.
pub async fn end(app: &App, target: &Writable, checkpoints: Vec<Checkpoint>) -> Result<Option<Grant>, StorageError> {
    let space = target.space();
    let Some((place, _)) = app.storage.common_place(space, checkpoints).await? else { return Ok(None) };
    let grants = app.storage.grants_of(target.account()).await?;
    let grant = grants.into_iter().find(|grant| grant.space == space).map(|grant| read::resume(grant, None));
    Ok(grant.map(|grant| Grant { resume: Resume::From { at: place.position, chain: place.chain }, ..grant }))
}
