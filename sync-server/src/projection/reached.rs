//! Who wants to hear that the projections of a space reached a position, and the task that tells them.
//!
//! A check is of one document; a reader wants to know up to where all documents of a space are in its projections. That
//! is read from storage, once for however many checks ended meanwhile, and only for spaces that somebody follows.

use std::sync::Arc;

use relay_storage::StorageError;
use sync_wire::{LogPosition, Position, SpaceId};
use tracing::error;

use crate::access::Readable;
use crate::app::App;
use crate::relay::hub::{Bell, Hub};

/// See the file's head.
#[derive(Debug, Default)]
pub struct Reached {
    /// Readers that follow spaces.
    pub readers: Arc<Hub>,
    /// Spaces in which a check ended.
    checked: Bell,
}

impl Reached {
    /// Says that a document was checked up to `position`, or is held. Call it after that was stored.
    pub fn checked(&self, space: SpaceId, position: Position) {
        if self.readers.is_followed(space) {
            self.checked.ring(space, position);
        }
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
        let heard = tokio::select! {
            () = app.stop.cancelled() => return,
            heard = app.reached.checked.heard() => heard,
        };
        for (space, _) in heard.ends {
            match app.storage.checked_through(space).await {
                Ok(Some(through)) => app.reached.readers.hint(space, through.position),
                Ok(None) => {}
                // A lost hint: readers look for themselves now and then.
                Err(error) => error!(error.code = error.code(), "Cannot ask how far space {space} is checked: {error}"),
            }
        }
    }
}
