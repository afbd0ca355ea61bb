//! Purges documents whose deletion has stood long enough, now and then; devices hear of it like of any other entry.

use std::time::Duration;

use relay_storage::Purged;
use tracing::{error, info};

use crate::app::App;

/// Documents that are purged before others get a turn to write.
const PURGED_AT_ONCE: usize = 64;
const DAY: u64 = 24 * 60 * 60;

/// Looks for documents that are due until the relay stops.
pub async fn run(app: App) {
    let mut every = tokio::time::interval(Duration::from_secs(app.config.deleted.sweep_seconds.max(1)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        while purge(&app).await == PURGED_AT_ONCE && !app.stop.is_cancelled() {}
    }
}

/// Purges some of the documents that are due; how many there were.
pub async fn purge(app: &App) -> usize {
    let keep = Duration::from_secs(app.config.deleted.keep_days.saturating_mul(DAY));
    match app.storage.purge_deleted(keep, PURGED_AT_ONCE).await {
        Ok(purged) => {
            for Purged { space, document, at } in &purged {
                info!(space.id = %space, document.id = %document, position = %at, "Purged document {document}");
                app.tails.forget(*space);
                app.hub.hint(*space, *at);
            }
            purged.len()
        }
        Err(error) => {
            error!(error.code = error.code(), "Cannot purge deleted documents: {error}");
            0
        }
    }
}
