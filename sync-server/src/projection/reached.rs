//! Who wants to hear that the projections of a space reached a position, and the task that tells them.
//!
//! A check is of one document; a reader wants to know up to where all documents of a space are in its projections. That
//! is read from storage, once for however many checks ended meanwhile, and only for spaces that somebody follows.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use relay_storage::StorageError;
use sync_wire::{LogPosition, SpaceId};
use tokio::sync::Notify;
use tracing::error;

use crate::access::Readable;
use crate::app::App;
use crate::relay::hub::Hub;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Reached {
    /// Readers that follow spaces.
    pub readers: Arc<Hub>,
    /// Spaces in which a check ended, or the log began a new epoch.
    checked: Mutex<BTreeSet<SpaceId>>,
    /// Rings when there are some.
    filled: Notify,
}

impl Reached {
    /// Says that a document of a space was checked further, or is held, or that the log has a new epoch. Call it after
    /// that was stored.
    pub fn checked(&self, space: SpaceId) {
        if self.readers.is_followed(space) {
            self.spaces().insert(space);
            self.filled.notify_one();
        }
    }

    fn spaces(&self) -> MutexGuard<'_, BTreeSet<SpaceId>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last position up to which the projections contain everything; `None` if the space is gone.
///
/// # Errors
/// Storage failed.
pub async fn through(app: &App, source: &Readable) -> Result<Option<LogPosition>, StorageError> {
    app.storage.checked_through(source.space()).await
}

/// Tells readers how far the projections are. Ends when the relay stops.
pub async fn announce(app: App) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = app.reached.filled.notified() => {}
        }
        let checked = std::mem::take(&mut *app.reached.spaces());
        for space in checked {
            match app.storage.checked_through(space).await {
                Ok(Some(through)) => app.reached.readers.hint(space, through),
                Ok(None) => {}
                // A lost hint: readers look for themselves now and then.
                Err(error) => error!(error.code = error.code(), "Cannot ask how far space {space} is checked: {error}"),
            }
        }
    }
}
