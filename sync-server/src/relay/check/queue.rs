//! Which documents wait for their check, each once, and how many unchecked changes each space has.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sync_wire::{DocumentId, SpaceId};
use tokio::sync::Notify;

/// Documents that wait in memory; beyond them the sweep finds the rest in storage.
const WAITING_MAX: usize = 65_536;

type Key = (SpaceId, DocumentId);

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
    unchecked_max: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Key>,
    /// Changes to check, for every document in `order`.
    changes: HashMap<Key, u64>,
    /// Taken and not finished. A document that changes meanwhile waits again.
    taken: HashSet<Key>,
    spaces: HashMap<SpaceId, Space>,
}

#[derive(Debug, Default)]
struct Space {
    /// Changes that wait or are being checked.
    unchecked: u64,
    /// Rings whenever a check of the space ends.
    ended: Arc<Notify>,
}

/// A document to be checked; finished when dropped.
#[derive(Debug)]
pub(super) struct Next {
    key: Key,
    changes: u64,
    shared: Arc<Shared>,
}

impl Queue {
    pub(super) fn new(unchecked_max: u64) -> Self {
        Self { shared: Arc::new(Shared { waiting: Mutex::default(), filled: Notify::new(), unchecked_max }) }
    }

    pub(super) fn add(&self, space: SpaceId, document: DocumentId, changes: u64) {
        let key = (space, document);
        let mut waiting = self.shared.lock();
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
        order.push_back(key);
        drop(waiting);
        self.shared.filled.notify_one();
    }

    /// Documents that wait or are taken.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.shared.lock();
        waiting.order.len() + waiting.taken.len()
    }

    /// Waits for a document that nobody else has.
    pub(super) async fn next(&self) -> Next {
        loop {
            let filled = self.shared.filled.notified();
            if let Some(next) = self.take() {
                return next;
            }
            filled.await;
        }
    }

    /// A document that nobody else has, if one waits.
    pub(super) fn take(&self) -> Option<Next> {
        let mut waiting = self.shared.lock();
        let index = waiting.order.iter().position(|key| !waiting.taken.contains(key))?;
        let key = waiting.order.remove(index)?;
        let changes = waiting.changes.remove(&key).unwrap_or_default();
        waiting.taken.insert(key);
        if !waiting.order.is_empty() {
            // One ring may have stood for several documents.
            self.shared.filled.notify_one();
        }
        Some(Next { key, changes, shared: Arc::clone(&self.shared) })
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
}

impl Drop for Next {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.taken.remove(&self.key);
        waiting.finish(self.key.0, self.changes);
        let waits_again = waiting.changes.contains_key(&self.key);
        drop(waiting);
        if waits_again {
            self.shared.filled.notify_one();
        }
    }
}

impl Waiting {
    fn finish(&mut self, space: SpaceId, changes: u64) {
        let Some(counted) = self.spaces.get_mut(&space) else { return };
        counted.unchecked = counted.unchecked.saturating_sub(changes);
        counted.ended.notify_waiters();
        if counted.unchecked == 0 && Arc::strong_count(&counted.ended) == 1 {
            self.spaces.remove(&space);
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 16]);
    const A: DocumentId = DocumentId([2; 16]);
    const B: DocumentId = DocumentId([3; 16]);

    #[test]
    fn a_document_waits_once_however_often_it_changes() {
        let queue = Queue::new(10);
        queue.add(SPACE, A, 1);
        queue.add(SPACE, A, 2);
        let next = queue.take().unwrap();
        assert_eq!((next.key(), next.changes), ((SPACE, A), 3));
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_document_that_is_being_checked_is_not_given_to_another_worker() {
        let queue = Queue::new(10);
        queue.add(SPACE, A, 1);
        let first = queue.take().unwrap();
        queue.add(SPACE, A, 1);
        queue.add(SPACE, B, 1);
        assert_eq!(queue.take().map(|next| next.key()), Some((SPACE, B)));
        assert!(queue.take().is_none());
        drop(first);
        assert_eq!(queue.take().map(|next| next.key()), Some((SPACE, A)));
    }

    #[tokio::test]
    async fn pushes_wait_while_a_space_has_too_many_unchecked_changes() {
        let queue = Arc::new(Queue::new(10));
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
        let queue = Queue::new(10);
        let projected = queue.projected(SPACE);
        queue.add(SPACE, A, 1);
        drop(queue.take());
        projected.await;
        queue.add(SPACE, A, 1);
        drop(queue.take());
        assert!(queue.shared.lock().spaces.is_empty(), "an idle space costs nothing");
    }
}
