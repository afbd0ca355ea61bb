//! Applies what was appended, behind the log: advances the checked position, refreshes the projection, makes snapshots.
//!
//! One worker at a time has a document. All that is queued for it is applied as one batch. A document whose entries
//! fail is held; the others go on. Nothing here is on the path of an acknowledgement, except in shared spaces, where
//! [`before_append`] decides what may get a position.

mod attempts; // which checks were under way when the relay died
mod loaded; // documents in memory, one user at a time
mod queue; // which documents wait, and how much of each space
mod work; // what is done with one document

use std::sync::Arc;
use std::time::Duration;

use relay_storage::{BatchContent, ParsedBatch, ReadError, StorageError};
use sync_wire::planted::{self, Bug};
use sync_wire::{AccountId, Blob, ChangeHash, DeviceId, DocumentId, SpaceId};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{error, info};

use crate::app::App;
use crate::config::Check;
use crate::relay::runtime;
use attempts::Attempts;
pub use loaded::Checkout;
use loaded::LoadedDocuments;
use queue::{Lane, Next, Queue, Task};
pub use work::CheckError;
pub(crate) use work::project;

/// Documents that one sweep takes from storage.
const SWEEP_DOCUMENTS: usize = 1024;

/// What waits for its check, and what is loaded for it.
#[derive(Debug)]
pub struct Checker {
    queue: Queue,
    loaded: Arc<LoadedDocuments>,
    attempts: Attempts,
    /// Of documents whose checks take long only one is worked on at a time.
    slow: Semaphore,
    threads: usize,
}

/// Who pushes what is checked before it is appended.
#[derive(Debug, Clone, Copy)]
pub struct Pusher {
    /// The account.
    pub account: AccountId,
    /// Its device.
    pub device: DeviceId,
}

impl Checker {
    /// Nothing waits.
    #[must_use]
    pub fn new(config: &Check) -> Self {
        let half = || std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let threads = if config.threads == 0 { half() } else { config.threads };
        Self {
            queue: Queue::new(config.unchecked_changes_max, Duration::from_millis(config.slow_milliseconds), threads),
            loaded: Arc::new(LoadedDocuments::new(config.documents_bytes_max)),
            attempts: Attempts::default(),
            slow: Semaphore::new(1),
            threads,
        }
    }

    /// Waits for the turn of a document whose checks take long; others need none.
    async fn turn(&self, space: SpaceId, document: DocumentId) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        if self.queue.is_slow((space, document)) { self.slow.acquire().await.ok() } else { None }
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
/// refuses in its turn; what the log's rules decide (missing changes, equivocation) is left to them, and so is what was
/// refused before: it is not run again.
///
/// # Errors
/// [`CheckError`]: the document could not be brought to the end of its log.
pub async fn before_append(
    app: &App,
    checkout: &mut Checkout,
    pusher: Pusher,
    batches: &mut [ParsedBatch],
) -> Result<(), CheckError> {
    let hashes: Vec<ChangeHash> = batches.iter().flat_map(|batch| hashes_of(&batch.content)).collect();
    // Planted: the check behind the log will do.
    if hashes.is_empty() || planted::is(Bug::UncheckedInTeam) {
        return Ok(());
    }
    let refused = work::catch_up(app, checkout, pusher.device, hashes).await?;
    let is_open = |batch: &&mut ParsedBatch| !hashes_of(&batch.content).any(|hash| refused.contains(&hash));
    for run in runs(app, checkout, batches.iter_mut().take_while(is_open).collect()) {
        if let Some(failed) = work::try_batches(app, checkout, pusher, &run).await? {
            let work::Failed { index, rejection } = failed;
            if let (Some(rejection), Some(batch)) = (rejection, run.into_iter().nth(index)) {
                batch.content = rejection;
            }
            break;
        }
    }
    Ok(())
}

/// What is run at once: everything; or, if a run of the document's pushes ended the relay before, each batch for
/// itself, so that it is known which one does.
fn runs<'b>(app: &App, checkout: &Checkout, batches: Vec<&'b mut ParsedBatch>) -> Vec<Vec<&'b mut ParsedBatch>> {
    let (space, document) = checkout.key();
    if app.checker.attempts.is_suspect(space, document) {
        batches.into_iter().map(|batch| vec![batch]).collect()
    } else {
        vec![batches]
    }
}

fn hashes_of(content: &BatchContent) -> impl Iterator<Item = ChangeHash> {
    let changes = match content {
        BatchContent::Changes(changes) => &changes[..],
        BatchContent::Tombstone { .. } | BatchContent::Restore | BatchContent::Rejected { .. } => &[],
    };
    changes.iter().map(|change| change.header.hash)
}

fn blobs(content: &BatchContent) -> Vec<Blob> {
    match content {
        BatchContent::Changes(changes) => changes.iter().map(|change| change.bytes.clone()).collect(),
        BatchContent::Tombstone { .. } | BatchContent::Restore | BatchContent::Rejected { .. } => Vec::new(),
    }
}

/// Before anything runs: finds out which checks ended the relay, if any did. Those that did so twice are not tried
/// again. The others go one at a time, so that it is seen which one it was.
pub async fn recover(app: &App) {
    let left = match app.checker.attempts.open(&app.directory) {
        Ok(left) => left,
        Err(error) => {
            error!("Checks that end the relay will not be recognized: {error}");
            return;
        }
    };
    for attempt in left {
        app.checker.queue.mark_slow((attempt.thing.space(), attempt.thing.document()));
        if attempt.times < attempts::TIMES_MAX {
            continue;
        }
        match work::condemn(app, &attempt).await {
            Ok(()) => app.checker.attempts.forget(&attempt.thing),
            Err(error) => error!(error.code = error.code(), "Cannot keep what a check did to the relay: {error}"),
        }
    }
}

/// Runs the workers and the sweep until the relay stops; then finishes what is under way.
pub async fn run(app: App) {
    let mut workers = Vec::with_capacity(app.checker.threads + 1);
    let lanes = std::iter::repeat_n(Lane::Fast, app.checker.threads).chain([Lane::Slow]);
    for lane in lanes {
        let worked = app.clone();
        match runtime::in_background("check", move || worker(worked, lane)) {
            Ok(ended) => workers.push(ended),
            Err(error) => error!("No thread for checks could be started: {error}"),
        }
    }
    sweep(app).await;
    for ended in workers {
        // The sender is dropped, never used: an error is the signal that the thread has ended.
        let _ = ended.await;
    }
}

async fn worker(app: App, lane: Lane) {
    loop {
        let next = tokio::select! {
            () = app.stop.cancelled() => return,
            next = app.checker.queue.next(lane) => next,
        };
        check(&app, next).await;
    }
}

/// Checks one document, or makes a snapshot of it; whether that was possible.
async fn check(app: &App, next: Next) -> bool {
    let (space, document) = next.key();
    let checked = match next.task() {
        Task::Check => work::check_document(app, space, document).await,
        Task::Snapshot => work::make_snapshot(app, space, document).await,
    };
    if let Err(error) = &checked {
        error!(
            space.id = %space, document.id = %document, error.code = error.code(),
            "Cannot check document {document} of space {space} now: {error}"
        );
    }
    // Dropping `next` makes room and wakes those who wait for the projection, also after a failure: the sweep finds the
    // document again.
    drop(next);
    checked.is_ok()
}

/// Checks one document that waits; if none is known, looks for one in storage. If none is there, makes a snapshot that
/// waits for its document to be quiet, as it is. `false` if there is nothing to do, or if it cannot be done now.
#[cfg(feature = "simulation")]
pub(crate) async fn step(app: &App) -> bool {
    if app.checker.waiting() == 0 {
        look(app).await;
    }
    match app.checker.queue.take() {
        Some(next) => check(app, next).await,
        None => false,
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
        let found = look(&app).await;
        if let Some(found) = found.filter(|_| is_first) {
            info!("{found} or more documents have entries to check from before the start");
        }
        is_first = false;
        if let Err(error) = app.storage.sweep_refused().await {
            error!(error.code = error.code(), "Cannot drop old refused changes: {error}");
        }
    }
}

/// Adds documents to the queue that storage has unchecked; how many, if any.
async fn look(app: &App) -> Option<usize> {
    match app.storage.next_unchecked(SWEEP_DOCUMENTS).await {
        Ok(found) => {
            found.iter().for_each(|state| app.checker.queue.add(state.space, state.document, 0));
            (!found.is_empty()).then_some(found.len())
        }
        Err(error) => {
            error!(error.code = error.code(), "Cannot look for unchecked documents: {error}");
            None
        }
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
