//! Documents that were there before a version of their type: their titles, and what everybody may see of them, are
//! made by its rules. One document after the other, on a thread that gives way; how far that has come is kept.

use std::time::Duration;

use relay_storage::{ReadError, StorageError};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::App;
use crate::relay::check::{self, CheckError};

/// Documents after which it is noted how far it has come.
const DOCUMENTS_AT_ONCE: usize = 64;
/// How often it is looked whether something is left: after a failure of storage, and if nobody rang.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Goes on until the relay stops. To be run on a thread that gives way.
pub async fn run(app: App) {
    loop {
        let has_more = step(&app).await.unwrap_or_else(|error| {
            warn!(error.code = error.code(), "Documents wait for the newest version of their type: {error}");
            false
        });
        if has_more {
            continue;
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.types.moved.notified() => {}
            () = sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Does some documents; whether there may be more.
async fn step(app: &App) -> Result<bool, StorageError> {
    let Some(mut page) = app.storage.next_to_retype(DOCUMENTS_AT_ONCE).await? else { return Ok(false) };
    // What storage has published by now is known after this, unless this release does not take it.
    super::reload(app).await?;
    if app.types.get(Some(&page.name)).is_none_or(|known| known.version < page.version) {
        warn!("Documents of type {} stay as they are: its version {} is not known here", page.name, page.version);
        page.next = None;
        page.documents.clear();
    }
    for (space, document) in &page.documents {
        if app.stop.is_cancelled() {
            return Ok(false);
        }
        match check::retype(app, *space, *document).await {
            Ok(()) => {}
            Err(CheckError::Read(ReadError::Storage(error))) => return Err(error),
            Err(error) => {
                warn!(space.id = %space, document.id = %document, "Document {document} stays as it is: {error}");
            }
        }
    }
    if page.next.is_none() {
        info!("What was there of type {} follows its version {}", page.name, page.version);
    }
    app.storage.retyped(page).await?;
    Ok(true)
}
