//! Who wants to know what changed: hints without data, coalesced.
//!
//! A watch keeps a set of (space, document); a slow reader costs one element for each document that changed, never a
//! queue. Whoever is hinted reads the document.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use sync_wire::{DocumentId, SpaceId};

/// Says that a document changed, or its status. Carries no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hint {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
}

/// Waits for hints; made by [`crate::Vault::watch`].
#[derive(Debug)]
pub struct Watch {
    queue: Arc<Queue>,
}

impl Watch {
    /// The next document that changed since it was last returned here; nothing if none does within `timeout`.
    pub fn next(&self, timeout: Duration) -> Option<Hint> {
        let pending = self.queue.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.queue.grew.wait_timeout_while(pending, timeout, |pending| pending.order.is_empty());
        let (mut pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let hint = pending.order.pop_front()?;
        pending.members.remove(&hint);
        Some(hint)
    }
}

#[derive(Debug, Default)]
struct Queue {
    pending: Mutex<Pending>,
    grew: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    members: HashSet<Hint>,
    order: VecDeque<Hint>,
}

/// Wakes somebody who finds out for himself what happened: it was something since he last waited.
#[derive(Debug, Default)]
pub(crate) struct Stirred {
    is_stirred: Mutex<bool>,
    stirred: Condvar,
}

impl Stirred {
    pub(crate) fn stir(&self) {
        *self.is_stirred.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stirred.notify_all();
    }

    /// Waits until something happens; `false` if nothing does within `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let stirred = self.is_stirred.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stirred.wait_timeout_while(stirred, timeout, |is_stirred| !*is_stirred);
        let (mut stirred, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *stirred)
    }
}

/// All watches of a vault.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    queues: Mutex<Vec<Weak<Queue>>>,
    stirred: Mutex<Vec<Weak<Stirred>>>,
}

impl Watchers {
    pub(crate) fn watch(&self) -> Watch {
        let queue = Arc::new(Queue::default());
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Watch { queue }
    }

    /// Stirred by everything that happens from now on.
    pub(crate) fn stirred(&self) -> Arc<Stirred> {
        let new = Arc::new(Stirred::default());
        let mut stirred = self.stirred.lock().unwrap_or_else(PoisonError::into_inner);
        stirred.retain(|one| one.strong_count() > 0);
        stirred.push(Arc::downgrade(&new));
        new
    }

    /// Something happened, of which no document can be named.
    pub(crate) fn stir(&self) {
        let stirred = self.stirred.lock().unwrap_or_else(PoisonError::into_inner);
        stirred.iter().filter_map(Weak::upgrade).for_each(|one| one.stir());
    }

    pub(crate) fn hint(&self, space: SpaceId, document: DocumentId) {
        self.stir();
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues.iter().filter_map(Weak::upgrade) {
            let hint = Hint { space, document };
            let mut pending = queue.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.members.insert(hint) {
                pending.order.push_back(hint);
                queue.grew.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_hints_for_a_document_wake_once() {
        let watchers = Watchers::default();
        let watch = watchers.watch();
        let (space, a, b) = (SpaceId([1; 16]), DocumentId([2; 16]), DocumentId([3; 16]));
        for _ in 0..1000 {
            watchers.hint(space, a);
        }
        watchers.hint(space, b);
        assert_eq!(watch.next(Duration::ZERO), Some(Hint { space, document: a }));
        assert_eq!(watch.next(Duration::ZERO), Some(Hint { space, document: b }));
        assert_eq!(watch.next(Duration::ZERO), None);
    }

    #[test]
    fn a_dropped_watch_is_forgotten() {
        let watchers = Watchers::default();
        drop(watchers.watch());
        let _second = watchers.watch();
        assert_eq!(watchers.queues.lock().unwrap().len(), 1);
    }
}
