//! Applies what was appended, behind the log: advances the checked position, refreshes the projection, makes snapshots.
//!
//! One worker at a time has a document. All that is queued for it is applied as one batch. A document whose entries
//! fail is held; the others go on. Nothing here is on the path of an acknowledgement. In spaces with other people the
//! check comes before the log: what waits in the intake gets its place here.

mod attempts; // which checks were under way when the relay died
mod intake; // what waits gets its place, or its fate
mod loaded; // documents in memory, one user at a time
mod queue; // which documents wait, and how much of each space
mod work; // what is done with one document

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use relay_storage::{BatchContent, INTAKE_LEASE, ReadError, StorageError, WaitingBatch};
use sync_wire::{AccountId, Blob, ChangeHash, DocumentId, SpaceId};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tracing::{error, info};

use crate::app::App;
use crate::config::Check;
use crate::metrics;
use crate::relay::runtime::{self, Priority};
use attempts::Attempts;
pub use loaded::Checkout;
use loaded::LoadedDocuments;
pub use queue::SlowDocument;
use queue::{Lane, Next, Queue, Rest, Task};
pub use work::CheckError;
pub(crate) use work::{copy, has_ended_the_relay, is_suspect, on_refused, project, retype};

/// Documents that one sweep takes from storage.
const SWEEP_DOCUMENTS: usize = 1024;

/// What waits for its check, and what is loaded for it.
#[derive(Debug)]
pub struct Checker {
    queue: Queue,
    /// Documents with batches in the intake.
    intake: Queue,
    /// Rings whenever batches have left the intake.
    room: Arc<Notify>,
    loaded: Arc<LoadedDocuments>,
    attempts: Attempts,
    /// Of documents whose checks take long only one is worked on at a time.
    slow: Semaphore,
    threads: usize,
}

impl Checker {
    /// Nothing waits.
    #[must_use]
    pub fn new(config: &Check) -> Self {
        let half = || std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let threads = if config.threads == 0 { half() } else { config.threads };
        let slow_after = Duration::from_millis(config.slow_milliseconds);
        Self {
            queue: Queue::new(config.unchecked_changes_max, slow_after, threads, Rest::AfterWork),
            intake: Queue::new(u64::MAX, slow_after, threads, Rest::Never),
            room: Arc::default(),
            loaded: Arc::new(LoadedDocuments::new(config.documents_bytes_max)),
            attempts: Attempts::default(),
            slow: Semaphore::new(1),
            threads,
        }
    }

    /// Waits for the turn of a document whose checks take long, in the slow lane; whoever works in another one never
    /// waits for that.
    async fn turn(&self, next: &Next, lane: Lane) -> Option<SemaphorePermit<'_>> {
        let is_slow = lane == Lane::Slow && (self.queue.is_slow(next.key()) || self.intake.is_slow(next.key()));
        // It is never closed.
        if is_slow { self.slow.acquire().await.ok() } else { None }
    }

    /// Says that a document has `changes` more entries to check. Call it after the commit.
    pub fn changed(&self, space: SpaceId, document: DocumentId, changes: u64) {
        self.queue.add(space, document, changes);
    }

    /// Says that a document has batches of an account in the intake. Call it after the commit.
    pub fn stored(&self, account: AccountId, space: SpaceId, document: DocumentId) {
        self.intake.add_for(account.0, space, document, 0);
    }

    /// Resolves when batches have left the intake, after this was called.
    pub fn room_in_intake(&self) -> impl Future<Output = ()> + Send + use<> {
        Arc::clone(&self.room).notified_owned()
    }

    fn made_room(&self) {
        self.room.notify_waiters();
    }

    /// Documents that wait for their check or are being checked.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting() + self.intake.waiting()
    }

    /// Those of them in the slow lane, each once: first what is being checked, the longest first, then whatever has the
    /// most to check.
    #[must_use]
    pub fn slow(&self) -> Vec<SlowDocument> {
        let mut slow = self.queue.slow();
        slow.extend(self.intake.slow());
        slow.sort_unstable_by_key(|one| (one.space, one.document));
        slow.dedup_by(|other, kept| {
            let is_same = (other.space, other.document) == (kept.space, kept.document);
            if is_same {
                kept.entries += other.entries;
                kept.taken_for = kept.taken_for.max(other.taken_for);
            }
            is_same
        });
        slow.sort_by_key(|one| Reverse((one.taken_for, one.entries)));
        slow
    }

    fn took(&self, key: (SpaceId, DocumentId), took: Duration) {
        self.queue.took(key, took);
        self.intake.took(key, took);
    }

    /// Says that what was pushed to a document will take long to check. A check that does not is noticed.
    pub fn expect_slow(&self, space: SpaceId, document: DocumentId) {
        self.mark_slow((space, document));
    }

    fn mark_slow(&self, key: (SpaceId, DocumentId)) {
        self.queue.mark_slow(key);
        self.intake.mark_slow(key);
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

/// What is run at once: everything; or, if a run of the document's pushes ended the relay before, each batch for
/// itself, so that it is known which one does.
fn runs<'b>(app: &App, checkout: &Checkout, batches: &'b [WaitingBatch]) -> std::slice::Chunks<'b, WaitingBatch> {
    let (space, document) = checkout.key();
    let at_once = if app.checker.attempts.is_suspect(space, document) { 1 } else { batches.len().max(1) };
    batches.chunks(at_once)
}

fn hashes_of(content: &BatchContent) -> impl Iterator<Item = ChangeHash> {
    let changes = match content {
        BatchContent::Changes(changes) => &changes[..],
        _ => &[],
    };
    changes.iter().map(|change| change.header.hash)
}

fn blobs(content: &BatchContent) -> Vec<Blob> {
    match content {
        BatchContent::Changes(changes) => changes.iter().map(|change| change.bytes.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Before anything runs: finds out which checks ended the relay, if any did. Those that did so as often as
/// `check.attempts_max` says are not tried again. The others go one at a time, so that it is seen which one it was.
pub async fn recover(app: &App) {
    // Whoever serves this data directory is alone with its storage: what an earlier process had begun is nobody's.
    if let Err(error) = app.storage.end_intake_leases().await {
        error!(error.code = error.code(), "Cannot end the leases of an earlier process: {error}");
    }
    if let Err(error) = app.storage.end_keyed_leases().await {
        error!(error.code = error.code(), "Cannot end the requests of an earlier process: {error}");
    }
    let left = match app.checker.attempts.open(&app.directory) {
        Ok(left) => left,
        Err(error) => {
            error!("Checks that end the relay will not be recognized: {error}");
            return;
        }
    };
    for attempt in left {
        app.checker.mark_slow((attempt.thing.space(), attempt.thing.document()));
        if u64::from(attempt.times) < app.config.check.attempts_max.max(1) {
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
    let mut workers = Vec::with_capacity(2 * app.checker.threads + 2);
    let lanes = || std::iter::repeat_n(Lane::Fast, app.checker.threads).chain([Lane::Slow]);
    for lane in lanes() {
        let worked = app.clone();
        workers.push(runtime::in_background("check", Priority::GivesWay, move || worker(worked, lane)));
    }
    // A batch of the intake is somebody's edit that others have yet to see; one that takes long can wait for them.
    for lane in lanes() {
        let worked = app.clone();
        let priority = if lane == Lane::Fast { Priority::Serves } else { Priority::GivesWay };
        workers.push(runtime::in_background("intake", priority, move || intake_worker(worked, lane)));
    }
    sweep(app).await;
    for ended in workers {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                error!("No thread for checks could be started: {error}");
                continue;
            }
        };
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
        let _turn = app.checker.turn(&next, lane).await;
        check(&app, next).await;
    }
}

async fn intake_worker(app: App, lane: Lane) {
    loop {
        let next = tokio::select! {
            () = app.stop.cancelled() => return,
            next = app.checker.intake.next(lane) => next,
        };
        let _turn = app.checker.turn(&next, lane).await;
        settle(&app, next, lane).await;
    }
}

/// Checks what waits of one document; whether that was possible.
async fn settle(app: &App, next: Next, lane: Lane) -> bool {
    let (space, document) = next.key();
    let settled = intake::settle(app, space, document, lane).await;
    if let Err(error) = &settled {
        error!(
            space.id = %space, document.id = %document, error.code = error.code(),
            "Cannot check what waits of document {document} of space {space} now: {error}"
        );
    }
    settled.is_ok()
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
    if let Some(next) = app.checker.intake.take() {
        return settle(app, next, Lane::Both).await;
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
        if let Err(error) = sweep_storage(&app).await {
            error!(error.code = error.code(), "Cannot drop what is old: {error}");
        }
    }
}

/// Prolongs the leases of what is being checked for long, and drops what nobody asks for any more.
async fn sweep_storage(app: &App) -> Result<(), StorageError> {
    let long = app.checker.intake.taken_for(INTAKE_LEASE / 4);
    if !long.is_empty() {
        app.storage.renew_intake_leases(long).await?;
    }
    metrics::intake(app.storage.intake_totals().await?);
    app.storage.sweep_intake_outcomes().await?;
    app.storage.sweep_refused().await?;
    app.storage.sweep_keyed().await?;
    Ok(())
}

/// Adds documents to the queues that storage has unchecked; how many, if any.
async fn look(app: &App) -> Option<usize> {
    match look_for_unchecked(app).await {
        Ok(found) => (found > 0).then_some(found),
        Err(error) => {
            error!(error.code = error.code(), "Cannot look for unchecked documents: {error}");
            None
        }
    }
}

async fn look_for_unchecked(app: &App) -> Result<usize, StorageError> {
    let waiting = app.storage.waiting_documents(SWEEP_DOCUMENTS).await?;
    waiting.iter().for_each(|(space, document)| app.checker.intake.add(*space, *document, 0));
    let found = app.storage.next_unchecked(SWEEP_DOCUMENTS).await?;
    found.iter().for_each(|state| app.checker.queue.add(state.space, state.document, 0));
    Ok(waiting.len() + found.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_in_the_slow_lanes_of_both_queues_is_one_and_what_has_the_most_to_check_is_first() {
        let checker = Checker::new(&Check::default());
        let (space, account) = (SpaceId([1; 16]), AccountId([2; 16]));
        let [few, many, quick] = [3, 4, 5].map(|id| DocumentId([id; 16]));
        for (document, entries) in [(few, 1), (many, 9), (quick, 99)] {
            checker.changed(space, document, entries);
        }
        checker.stored(account, space, few);
        checker.expect_slow(space, few);
        checker.expect_slow(space, many);
        let slow = |document, entries| SlowDocument { space, document, entries, taken_for: None };
        assert_eq!(checker.slow(), [slow(many, 9), slow(few, 1)]);
        assert_eq!(checker.waiting(), 4);
    }
}
