//! Which documents wait for their check, each once, and how many unchecked changes each space has; and which wait to
//! become quiet.
//!
//! A document that is written all the time is checked all the time, and every check costs what the whole document
//! costs. So a document rests after a check, in proportion to what that took, while more changes gather.

mod order; // by turns of those on whose account they wait
mod waiting; // documents and their order, without the waking

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_wire::{DocumentId, SpaceId};
use tokio::sync::Notify;
use tokio::time::Instant;

use order::Whose;
use waiting::Waiting;

/// Documents that wait in memory; beyond them the sweep finds the rest in storage.
const WAITING_MAX: usize = 65_536;
/// A document that was not written for so long is quiet.
const QUIET: Duration = Duration::from_secs(1);

type Key = (SpaceId, DocumentId);

/// A document in the slow lane that waits or is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub document: DocumentId,
    /// Entries of its log that wait, without those that are worked on; what is in the intake is not known here.
    pub entries: u64,
    /// For how long it has been worked on, if it is.
    pub taken_for: Option<Duration>,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Somebody may take a document.
    filled: Notify,
    /// The same, of the slow lane.
    slow_filled: Notify,
    unchecked_max: u64,
    /// A check that takes longer puts its document in the slow lane.
    slow_after: Duration,
    /// Workers of the fast lane.
    workers: usize,
    rest: Rest,
}

/// Whether documents are left alone for a while after they were worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// In proportion to what it took.
    AfterWork,
    /// Not at all: others wait for what comes of it.
    Never,
}

/// Who works on what: a document whose checks take long must not keep the others waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Whatever is quick, as far as is known.
    Fast,
    /// The rest, one at a time; and what is quick while every worker of the fast lane turns out to be busy for long.
    Slow,
    /// Everything: for who works alone.
    #[cfg(any(test, feature = "simulation"))]
    Both,
}

/// What is to be done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Check what is unchecked.
    Check,
    /// Make a snapshot: it is quiet and has a long tail.
    Snapshot,
}

/// A document to be worked on; finished when dropped.
#[derive(Debug)]
pub(super) struct Next {
    key: Key,
    task: Task,
    changes: u64,
    began: Instant,
    shared: Arc<Shared>,
}

impl Queue {
    pub(super) fn new(unchecked_max: u64, slow_after: Duration, workers: usize, rest: Rest) -> Self {
        let (filled, slow_filled) = (Notify::new(), Notify::new());
        let waiting = Mutex::default();
        Self { shared: Arc::new(Shared { waiting, filled, slow_filled, unchecked_max, slow_after, workers, rest }) }
    }

    /// A document waits, by the turns of its space.
    pub(super) fn add(&self, space: SpaceId, document: DocumentId, changes: u64) {
        self.add_for(space.0, space, document, changes);
    }

    /// A document waits, by the turns of somebody.
    pub(super) fn add_for(&self, whose: Whose, space: SpaceId, document: DocumentId, changes: u64) {
        let key = (space, document);
        let mut waiting = self.shared.lock();
        waiting.tails.remove(&key); // its check looks at the tail again
        waiting.spaces.entry(space).or_default().unchecked += changes;
        let Waiting { order, changes: counted, .. } = &mut *waiting;
        if let Some(count) = counted.get_mut(&key) {
            *count += changes;
            return;
        }
        if order.len() >= WAITING_MAX {
            waiting.finish(space, changes);
            return;
        }
        counted.insert(key, changes);
        order.push(key, whose);
        let is_slow = waiting.is_slow(&key);
        drop(waiting);
        self.shared.ring(is_slow);
    }

    /// Whether checks of the document take long.
    pub(super) fn is_slow(&self, key: Key) -> bool {
        self.shared.lock().is_slow(&key)
    }

    /// Puts a document in the slow lane.
    pub(super) fn mark_slow(&self, key: Key) {
        self.shared.lock().mark_slow(key);
        self.shared.slow_filled.notify_one();
    }

    /// Says how long a part of a check took, which decides the lane of the next one.
    pub(super) fn took(&self, key: Key, took: Duration) {
        if took > self.shared.slow_after {
            self.mark_slow(key);
        }
    }

    /// Documents that wait or are taken.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.shared.lock();
        waiting.order.len() + waiting.taken.len()
    }

    /// Those of them in the slow lane, each once, in no order; no more than are remembered of it.
    pub(super) fn slow(&self) -> Vec<SlowDocument> {
        let (waiting, now) = (self.shared.lock(), Instant::now());
        let slow = waiting.slow().map(|key| SlowDocument {
            space: key.0,
            document: key.1,
            entries: waiting.changes.get(key).copied().unwrap_or_default(),
            taken_for: waiting.taken.get(key).map(|began| now.duration_since(*began)),
        });
        slow.collect()
    }

    /// Documents that have been worked on for so long, and still are.
    pub(super) fn taken_for(&self, long: Duration) -> Vec<Key> {
        let (waiting, now) = (self.shared.lock(), Instant::now());
        let is_long = |began: &Instant| now.duration_since(*began) >= long;
        waiting.taken.iter().filter(|(_, began)| is_long(began)).map(|(key, _)| *key).collect()
    }

    /// Wants a snapshot of a document as soon as it is quiet.
    pub(super) fn want_snapshot(&self, space: SpaceId, document: DocumentId) {
        let mut waiting = self.shared.lock();
        if waiting.tails.len() < WAITING_MAX && !waiting.changes.contains_key(&(space, document)) {
            waiting.tails.insert((space, document), Instant::now() + QUIET);
            let is_slow = waiting.is_slow(&(space, document));
            drop(waiting);
            self.shared.ring(is_slow);
        }
    }

    /// Waits for a document that nobody else has, and that has rested.
    pub(super) async fn next(&self, lane: Lane) -> Next {
        loop {
            let filled = match lane {
                Lane::Slow => self.shared.slow_filled.notified(),
                _ => self.shared.filled.notified(),
            };
            let due = match self.take_rested(Instant::now(), lane) {
                Ok(next) => return next,
                Err(due) => due,
            };
            // The slow lane looks from time to time whether the fast one is stuck.
            let look = (lane == Lane::Slow).then(|| Instant::now() + self.shared.slow_after);
            match due.into_iter().chain(look).min() {
                None => filled.await,
                // Whichever comes first.
                Some(due) => drop(tokio::time::timeout_at(due, filled).await),
            }
        }
    }

    /// A document that nobody else has, rested or not, if one waits; else one with a tail, quiet or not: for who has no
    /// clock.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn take(&self) -> Option<Next> {
        let far = Instant::now() + QUIET + waiting::REST_MAX;
        self.take_rested(far, Lane::Both).ok()
    }

    /// When to look again, if nothing is due now but something will be.
    fn take_rested(&self, now: Instant, lane: Lane) -> Result<Next, Option<Instant>> {
        let mut waiting = self.shared.lock();
        let is_stuck = lane == Lane::Slow && waiting.is_stuck(now, self.shared.slow_after, self.shared.workers);
        let (place, first) = waiting.first_rested(now, lane, is_stuck);
        let found = match place {
            Some(place) => waiting.order.take(place).map(|key| (key, Task::Check)),
            None => waiting.first_quiet(now, lane).map(|key| (key, Task::Snapshot)),
        };
        let Some((key, task)) = found else {
            let tails = waiting.tails.iter().filter(|(key, _)| waiting.is_of(key, lane)).map(|(_, due)| *due);
            return Err(first.into_iter().chain(tails).min());
        };
        let changes = if task == Task::Check { waiting.changes.remove(&key).unwrap_or_default() } else { 0 };
        waiting.taken.insert(key, now);
        if !waiting.order.is_empty() {
            // One ring may have stood for several documents.
            self.shared.ring(lane == Lane::Slow);
        }
        Ok(Next { key, task, changes, began: Instant::now(), shared: Arc::clone(&self.shared) })
    }

    /// Waits while the space has more unchecked changes than it may.
    pub(super) async fn room(&self, space: SpaceId) {
        loop {
            let ended = {
                let waiting = self.shared.lock();
                match waiting.spaces.get(&space) {
                    Some(counted) if counted.unchecked > self.shared.unchecked_max => {
                        Arc::clone(&counted.ended).notified_owned()
                    }
                    _ => return,
                }
            };
            ended.await;
        }
    }

    /// Waits until a check of the space ends, after this was called.
    pub(super) fn projected(&self, space: SpaceId) -> impl Future<Output = ()> + Send + use<> {
        let ended = Arc::clone(&self.shared.lock().spaces.entry(space).or_default().ended).notified_owned();
        // `notified_owned` counts from its creation: a check that ends before the first poll is not missed.
        ended
    }
}

impl Next {
    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn task(&self) -> Task {
        self.task
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.taken.remove(&self.key);
        if self.shared.rest == Rest::AfterWork {
            waiting.rest(self.key, self.began);
        }
        waiting.finish(self.key.0, self.changes);
        if self.began.elapsed() * 2 < self.shared.slow_after {
            waiting.unmark_slow(&self.key, self.began);
        }
        // A document may have changed its lane, whose worker does not know yet that it wants a snapshot.
        let waits_again = waiting.changes.contains_key(&self.key) || waiting.tails.contains_key(&self.key);
        let is_slow = waiting.is_slow(&self.key);
        drop(waiting);
        if waits_again {
            self.shared.ring(is_slow);
        }
    }
}

impl Shared {
    fn ring(&self, is_slow: bool) {
        if is_slow { &self.slow_filled } else { &self.filled }.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::waiting::{CHANGES_MAX, REST_FACTOR, REST_MAX};
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 16]);
    const A: DocumentId = DocumentId([2; 16]);
    const B: DocumentId = DocumentId([3; 16]);
    const SLOW_AFTER: Duration = Duration::from_millis(250);

    fn queue() -> Queue {
        Queue::new(10, SLOW_AFTER, 1, Rest::AfterWork)
    }

    #[test]
    fn a_document_waits_once_however_often_it_changes() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        queue.add(SPACE, A, 2);
        let next = queue.take().unwrap();
        assert_eq!((next.key(), next.changes), ((SPACE, A), 3));
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_document_that_is_being_checked_is_not_given_to_another_worker() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        let first = queue.take().unwrap();
        queue.add(SPACE, A, 1);
        queue.add(SPACE, B, 1);
        assert_eq!(queue.take().map(|next| next.key()), Some((SPACE, B)));
        assert!(queue.take().is_none());
        drop(first);
        assert_eq!(queue.take().map(|next| next.key()), Some((SPACE, A)));
    }

    #[test]
    fn a_document_rests_after_a_check_in_proportion_to_what_that_took() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        let mut first = queue.take().unwrap();
        first.began -= Duration::from_millis(2);
        let ended = Instant::now();
        drop(first);
        queue.add(SPACE, A, 1);
        let Err(Some(until)) = queue.take_rested(ended, Lane::Fast) else {
            panic!("it was taken before it had rested")
        };
        assert!(until >= ended + Duration::from_millis(2) * REST_FACTOR && until <= Instant::now() + REST_MAX);
        queue.add(SPACE, B, 1);
        assert_eq!(queue.take_rested(ended, Lane::Fast).unwrap().key(), (SPACE, B), "others go before it");
        assert_eq!(queue.take_rested(until, Lane::Fast).unwrap().key(), (SPACE, A));
    }

    #[test]
    fn a_document_with_very_many_changes_does_not_rest() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        let mut first = queue.take().unwrap();
        first.began -= Duration::from_secs(1);
        let ended = Instant::now();
        drop(first);
        queue.add(SPACE, A, CHANGES_MAX);
        assert!(queue.take_rested(ended, Lane::Fast).is_ok());
    }

    #[test]
    fn a_document_whose_check_took_long_waits_in_a_lane_of_its_own_until_one_is_quick() {
        let queue = queue();
        queue.took((SPACE, A), SLOW_AFTER * 2);
        queue.took((SPACE, B), SLOW_AFTER / 2);
        queue.add(SPACE, A, 1);
        queue.add(SPACE, B, 1);
        let now = Instant::now();
        assert_eq!(queue.take_rested(now, Lane::Fast).unwrap().key(), (SPACE, B));
        assert!(queue.take_rested(now, Lane::Fast).is_err());
        let slow = queue.take_rested(now, Lane::Slow).unwrap();
        assert_eq!(slow.key(), (SPACE, A));
        drop(slow); // it was quick
        queue.add(SPACE, A, CHANGES_MAX);
        assert_eq!(queue.take_rested(now, Lane::Fast).unwrap().key(), (SPACE, A));
    }

    #[test]
    fn a_quick_check_says_nothing_of_what_came_since_it_began() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        let now = Instant::now();
        let quick = queue.take_rested(now, Lane::Fast).unwrap();
        queue.mark_slow((SPACE, A));
        queue.add(SPACE, A, CHANGES_MAX);
        drop(quick);
        assert!(queue.take_rested(now, Lane::Fast).is_err());
        assert_eq!(queue.take_rested(now, Lane::Slow).unwrap().key(), (SPACE, A));
    }

    #[test]
    fn the_slow_lane_names_what_waits_or_is_worked_on_each_once() {
        let queue = queue();
        queue.mark_slow((SPACE, A));
        queue.mark_slow((SPACE, B));
        assert_eq!(queue.slow(), [], "nothing of them waits");
        queue.add(SPACE, A, 3);
        let taken = queue.take_rested(Instant::now(), Lane::Slow).unwrap();
        queue.add(SPACE, A, 2);
        queue.add(SPACE, B, 4);
        let mut slow = queue.slow();
        slow.sort_by_key(|slow| slow.document);
        let seen = |slow: &SlowDocument| (slow.document, slow.entries, slow.taken_for.is_some());
        assert_eq!(slow.iter().map(seen).collect::<Vec<_>>(), [(A, 2, true), (B, 4, false)]);
        drop(taken); // it was quick
        assert_eq!(queue.slow().iter().map(seen).collect::<Vec<_>>(), [(B, 4, false)]);
    }

    #[test]
    fn the_slow_lane_helps_when_every_other_worker_is_stuck() {
        let queue = queue();
        queue.add(SPACE, A, 1);
        let now = Instant::now();
        let stuck = queue.take_rested(now, Lane::Fast).unwrap();
        queue.add(SPACE, B, 1);
        assert!(queue.take_rested(now + SLOW_AFTER / 2, Lane::Slow).is_err());
        assert_eq!(queue.take_rested(now + SLOW_AFTER * 2, Lane::Slow).unwrap().key(), (SPACE, B));
        drop(stuck);
    }

    #[test]
    fn a_snapshot_waits_until_its_document_is_quiet() {
        let queue = queue();
        queue.want_snapshot(SPACE, A);
        queue.add(SPACE, A, 1);
        let check = queue.take().unwrap();
        assert_eq!(check.task(), Task::Check);
        drop(check);
        let later = Instant::now() + QUIET * 2;
        assert_eq!(queue.take_rested(later, Lane::Fast).err(), Some(None), "what was written since decides");
        let before = Instant::now();
        queue.want_snapshot(SPACE, A);
        assert!(queue.take_rested(before, Lane::Fast).is_err_and(|due| due >= Some(before + QUIET)));
        assert_eq!(queue.take_rested(later + QUIET, Lane::Fast).unwrap().task(), Task::Snapshot);
    }

    #[test]
    fn a_document_that_leaves_the_slow_lane_is_announced_to_the_fast_one_with_its_wish_for_a_snapshot() {
        let queue = queue();
        queue.mark_slow((SPACE, A));
        queue.add(SPACE, A, 1);
        let check = queue.take_rested(Instant::now(), Lane::Slow).unwrap();
        queue.want_snapshot(SPACE, A);
        drop(check); // it was quick
        assert!(queue.shared.filled.notified().now_or_never().is_some(), "nobody of the fast lane would look");
        assert_eq!(queue.take_rested(Instant::now() + QUIET, Lane::Fast).unwrap().task(), Task::Snapshot);
    }

    #[tokio::test]
    async fn pushes_wait_while_a_space_has_too_many_unchecked_changes() {
        let queue = Arc::new(queue());
        queue.add(SPACE, A, 11);
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.room(SPACE).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        queue.room(SpaceId([9; 16])).await;
        drop(queue.take());
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_check_that_ends_before_the_first_look_is_not_missed() {
        let queue = queue();
        let projected = queue.projected(SPACE);
        queue.add(SPACE, A, 1);
        drop(queue.take());
        projected.await;
        queue.add(SPACE, A, 1);
        drop(queue.take());
        assert!(queue.shared.lock().spaces.is_empty(), "an idle space costs nothing");
    }
}
