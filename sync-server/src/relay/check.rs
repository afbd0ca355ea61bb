//! Applies what was appended, behind the log: advances the checked position, refreshes the projection, makes snapshots.
//!
//! One worker at a time has a document. All that is queued for it is applied as one batch. A document whose entries
//! fail is held; the others go on. Nothing here is on the path of an acknowledgement, except in shared spaces, where
//! [`before_append`] decides what may get a position.

mod loaded; // documents in memory, one user at a time
mod queue; // which documents wait, and how much of each space
mod work; // what is done with one document

use std::sync::Arc;
use std::time::Duration;

use relay_storage::{BatchContent, ParsedBatch, ReadError, StorageError};
use sync_wire::{Blob, DocumentId, SpaceId};
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use crate::app::App;
use crate::config::Check;
pub use loaded::Checkout;
use loaded::LoadedDocuments;
use queue::Queue;
pub use work::CheckError;
pub(crate) use work::project;

/// Documents that one sweep takes from storage.
const SWEEP_DOCUMENTS: usize = 1024;

/// What waits for its check, and what is loaded for it.
#[derive(Debug)]
pub struct Checker {
    queue: Queue,
    loaded: Arc<LoadedDocuments>,
    threads: usize,
}

impl Checker {
    /// Nothing waits.
    #[must_use]
    pub fn new(config: &Check) -> Self {
        let half = || std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self {
            queue: Queue::new(config.unchecked_changes_max),
            loaded: Arc::new(LoadedDocuments::new(config.documents_bytes_max)),
            threads: if config.threads == 0 { half() } else { config.threads },
        }
    }

    /// Says that a document has `changes` more entries to check. Call it after the commit.
    pub fn changed(&self, space: SpaceId, document: DocumentId, changes: u64) {
        self.queue.add(space, document, changes);
    }

    /// Documents that wait for their check or are being checked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Waits while the space has more unchecked changes than it may.
    pub async fn room(&self, space: SpaceId) {
        self.queue.room(space).await;
    }

    /// Waits until nobody else has the document, and takes it.
    pub async fn checkout(&self, space: SpaceId, document: DocumentId) -> Checkout {
        self.loaded.checkout(space, document).await
    }

    /// Waits until some projection of the space was refreshed, after this was called.
    pub fn projected(&self, space: SpaceId) -> impl Future<Output = ()> + Send + use<> {
        self.queue.projected(space)
    }
}

/// Checks a push to a shared space, after all that the document has. A batch that fails becomes one that storage
/// refuses in its turn; what the log's rules decide (missing changes, equivocation) is left to them.
///
/// # Errors
/// [`CheckError`]: the document could not be brought to the end of its log.
pub async fn before_append(app: &App, checkout: &mut Checkout, batches: &mut [ParsedBatch]) -> Result<(), CheckError> {
    let is_needed = batches.iter().any(|batch| matches!(batch.content, BatchContent::Changes(_)));
    if !is_needed {
        return Ok(());
    }
    work::catch_up(app, checkout).await?;
    let pushed: Vec<Vec<Blob>> = batches.iter().map(|batch| blobs(&batch.content)).collect();
    if let Some((index, failure)) = work::try_batches(checkout, pushed).await?
        && let Some(rejected) = failure
        && let Some(batch) = batches.get_mut(index)
    {
        batch.content = rejected;
    }
    Ok(())
}

fn blobs(content: &BatchContent) -> Vec<Blob> {
    match content {
        BatchContent::Changes(changes) => changes.iter().map(|change| change.bytes.clone()).collect(),
        BatchContent::Tombstone { .. } | BatchContent::Restore | BatchContent::Rejected { .. } => Vec::new(),
    }
}

/// Runs the workers and the sweep until the relay stops; then finishes what is under way.
pub async fn run(app: App) {
    let tasks = TaskTracker::new();
    for _ in 0..app.checker.threads {
        tasks.spawn(worker(app.clone()));
    }
    tasks.spawn(sweep(app));
    tasks.close();
    tasks.wait().await;
}

async fn worker(app: App) {
    loop {
        let next = tokio::select! {
            () = app.stop.cancelled() => return,
            next = app.checker.queue.next() => next,
        };
        let (space, document) = next.key();
        if let Err(error) = work::check_document(&app, space, document).await {
            error!(
                space.id = %space, document.id = %document, error.code = error.code(),
                "Cannot check document {document} of space {space} now: {error}"
            );
        }
        // Dropping `next` makes room and wakes those who wait for the projection, also after a failure: the sweep
        // finds the document again.
        drop(next);
    }
}

/// Finds unchecked documents that no hint announced: those of the time before the start, and lost ones.
async fn sweep(app: App) {
    let mut every = tokio::time::interval(Duration::from_secs(app.config.check.sweep_seconds.max(1)));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        match app.storage.next_unchecked(SWEEP_DOCUMENTS).await {
            Ok(found) => {
                if is_first && !found.is_empty() {
                    info!("{} or more documents have entries to check from before the start", found.len());
                }
                found.iter().for_each(|state| app.checker.queue.add(state.space, state.document, 0));
            }
            Err(error) => error!(error.code = error.code(), "Cannot look for unchecked documents: {error}"),
        }
        is_first = false;
    }
}

impl From<ReadError> for CheckError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<StorageError> for CheckError {
    fn from(error: StorageError) -> Self {
        Self::Read(ReadError::Storage(error))
    }
}
