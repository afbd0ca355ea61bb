//! One writer of a document at a time: what the next one makes rests on what this one made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sync_wire::{DocumentId, SpaceId};
use tokio::sync::OwnedMutexGuard;

type Key = (SpaceId, DocumentId);
type Turns = HashMap<Key, Arc<tokio::sync::Mutex<()>>>;

/// Who writes what. Holds only documents that somebody writes or waits for.
#[derive(Debug, Default)]
pub(super) struct Line {
    turns: Mutex<Turns>,
}

/// Nobody else writes the document until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    key: Key,
    line: Arc<Line>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Line {
    /// Waits for the turn of a document.
    pub(super) async fn turn(self: &Arc<Self>, key: Key) -> Turn {
        // Cloned only under the lock: a count of one means that nobody has it or waits for it.
        let mine = Arc::clone(self.lock().entry(key).or_default());
        let mut turn = Turn { key, line: Arc::clone(self), guard: None };
        turn.guard = Some(mine.lock_owned().await);
        turn
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut turns = self.line.lock();
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const KEY: Key = (SpaceId([1; 16]), DocumentId([2; 16]));

    #[tokio::test]
    async fn writers_of_one_document_follow_each_other_and_nothing_is_left_of_them() {
        let line = Arc::new(Line::default());
        let first = line.turn(KEY).await;
        assert!(line.turn(KEY).now_or_never().is_none(), "the second waits, and may go away");
        assert!(line.turn((KEY.0, DocumentId([3; 16]))).now_or_never().is_some(), "other documents do not");
        let second = tokio::spawn({
            let line = Arc::clone(&line);
            async move { drop(line.turn(KEY).await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        second.await.unwrap();
        assert!(line.lock().is_empty());
    }
}
