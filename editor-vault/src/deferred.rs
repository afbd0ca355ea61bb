//! Edits that do not wait for the disk: visible at once, sealed together a few milliseconds later.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::EditError;
use crate::loaded::{Loaded, State, Window};
use crate::vault::Inner;

/// How long deferred edits of a document are gathered before they become one change.
const WINDOW: Duration = Duration::from_millis(5);

/// Knows when an edit is on disk.
///
/// Dropping it changes nothing: the edit is saved all the same.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    outcome: Mutex<Option<Result<(), EditError>>>,
    settled: Condvar,
}

impl Ticket {
    /// Waits until the edit is on disk, or cannot be.
    ///
    /// # Errors
    /// [`EditError::NotSaved`] or [`EditError::NotSealed`]: the document is as it was saved last.
    pub fn wait(&self) -> Result<(), EditError> {
        let outcome = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = self.shared.settled.wait_while(outcome, |outcome| outcome.is_none());
        settled.unwrap_or_else(PoisonError::into_inner).clone().unwrap_or(Ok(()))
    }

    /// Whether the edit is on disk.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        matches!(*self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner), Some(Ok(())))
    }

    /// For an edit that changed nothing.
    pub(crate) fn settled() -> Self {
        let ticket = Self::default();
        ticket.settle(Ok(()));
        ticket
    }

    pub(crate) fn settle(&self, outcome: Result<(), EditError>) {
        let mut place = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if place.is_none() {
            *place = Some(outcome);
            self.shared.settled.notify_all();
        }
    }
}

/// The documents with deferred edits, and what wakes the thread that seals them.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// By the time at which they are due.
    windows: VecDeque<(Duration, Arc<Loaded>)>,
    /// Due, but their last commit is still on its way to the disk.
    waiting: Vec<Arc<Loaded>>,
    is_woken: bool,
    is_foreign: bool,
    is_stopped: bool,
}

/// What there is to do.
pub(crate) enum Task {
    Seal(Vec<Arc<Loaded>>),
    TakeInForeign,
}

impl Work {
    /// What is due, if anything is.
    fn take(&mut self, now: Duration) -> Option<Task> {
        if std::mem::take(&mut self.is_foreign) {
            return Some(Task::TakeInForeign);
        }
        let mut due = if std::mem::take(&mut self.is_woken) { std::mem::take(&mut self.waiting) } else { Vec::new() };
        while self.windows.front().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.windows.pop_front().map(|(_, loaded)| loaded));
        }
        (!due.is_empty()).then_some(Task::Seal(due))
    }
}

impl Sealer {
    /// Gathers edits of a document until its window ends.
    pub(crate) fn gather(&self, now: Duration, loaded: Arc<Loaded>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.windows.push_back((now + WINDOW, loaded));
        self.changed.notify_one();
    }

    /// A commit ended: documents that waited for it can go on.
    pub(crate) fn wake(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_woken = true;
        if !work.waiting.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Another process has written.
    pub(crate) fn foreign(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).is_foreign = true;
        self.changed.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).is_stopped = true;
        self.changed.notify_one();
    }

    fn put_off(&self, loaded: Arc<Loaded>) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).waiting.push(loaded);
    }

    /// Waits for something to do; nothing when it is time to end.
    fn next(&self, inner: &Inner) -> Option<Task> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        while !work.is_stopped {
            let now = inner.sources.monotonic();
            if let Some(task) = work.take(now) {
                return Some(task);
            }
            work = match work.windows.front().map(|(at, _)| at.saturating_sub(now)) {
                Some(wait) => self.changed.wait_timeout(work, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
            };
        }
        None
    }
}

#[cfg(feature = "simulation")]
impl Sealer {
    /// What is due now, for who has no thread to wait.
    pub(crate) fn take_due(&self, now: Duration) -> Option<Task> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let is_now = work.is_foreign || work.is_woken && !work.waiting.is_empty();
        if is_now { Some(Duration::ZERO) } else { work.windows.front().map(|(at, _)| *at) }
    }
}

impl Inner {
    /// The thread that seals deferred edits.
    pub(crate) fn run_sealer(self: &Arc<Self>) {
        while let Some(task) = self.sealer.next(self) {
            self.perform_due(task);
        }
    }

    pub(crate) fn perform_due(self: &Arc<Self>, task: Task) {
        match task {
            Task::Seal(due) => due.iter().for_each(|loaded| self.seal_when_possible(loaded)),
            Task::TakeInForeign => self.take_in_foreign(),
        }
    }

    /// While a commit of the document is on its way to the disk, more edits gather: a slow disk makes larger changes,
    /// not a longer queue. They also do while a copy of a large document takes in what a relay sent.
    fn seal_when_possible(self: &Arc<Self>, loaded: &Arc<Loaded>) {
        let mut state = loaded.lock();
        let has_to_wait = |state: &State| state.lineage.in_flight.load(Ordering::Acquire) > 0 || loaded.is_preparing();
        if has_to_wait(&state) {
            // It may end between the look and the putting off: then `wake` was early, and is repeated.
            self.sealer.put_off(loaded.clone());
            if !has_to_wait(&state) {
                self.sealer.wake();
            }
            return;
        }
        if let Some(Window { ticket, writing }) = state.window.take() {
            self.commit_local(loaded, &mut state, writing, ticket);
        }
    }

    /// Sends every unsaved edit to the writer; returns the tickets of those that were still gathering.
    pub(crate) fn seal_all(self: &Arc<Self>) -> Vec<Ticket> {
        let seal = |loaded: Arc<Loaded>| {
            let mut state = loaded.lock();
            let Window { ticket, writing } = state.window.take()?;
            self.commit_local(&loaded, &mut state, writing, ticket.clone());
            Some(ticket)
        };
        self.shelf.all().into_iter().filter_map(seal).collect()
    }
}
