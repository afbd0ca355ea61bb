//! What waits for a check, as plain collections: which document is next, which rest, and what each space has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sync_wire::SpaceId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::order::{Order, Place};
use super::{Key, Lane};

/// How many times as long as its check took a document rests.
pub(super) const REST_FACTOR: u32 = 16;
/// Longest rest.
pub(super) const REST_MAX: Duration = Duration::from_millis(250);
/// A document with so many changes to check does not rest.
pub(super) const CHANGES_MAX: u64 = 8192;
/// Rests that are remembered before those that are over are looked for.
const RESTS_MAX: usize = 4096;
/// Documents of the slow lane that are remembered.
const SLOW_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) order: Order,
    /// Changes to check, for every document in `order`.
    pub(super) changes: HashMap<Key, u64>,
    /// Taken and not finished, with the time. A document that changes meanwhile waits again.
    pub(super) taken: HashMap<Key, Instant>,
    /// Documents whose last check took long, or whose next one is expected to, and since when that is known.
    slow: HashMap<Key, Instant>,
    /// Until when documents are left alone that were just checked.
    rests: HashMap<Key, Instant>,
    /// When documents will be quiet that want a snapshot then. Ordered, so that a simulation repeats itself.
    pub(super) tails: BTreeMap<Key, Instant>,
    pub(super) spaces: HashMap<SpaceId, Space>,
}

#[derive(Debug, Default)]
pub(super) struct Space {
    /// Changes that wait or are being checked.
    pub(super) unchecked: u64,
    /// Rings whenever a check of the space ends.
    pub(super) ended: Arc<Notify>,
}

impl Waiting {
    /// The first document in the queue that may be taken; else when the first of them will have rested.
    pub(super) fn first_rested(&self, now: Instant, lane: Lane, is_stuck: bool) -> (Option<Place>, Option<Instant>) {
        let mut first = None;
        let is_free = |key: &Key| !self.taken.contains_key(key) && (is_stuck || self.is_of(key, lane));
        for (place, key) in self.order.iter().filter(|(_, key)| is_free(key)) {
            let is_long = || self.changes.get(key).is_some_and(|changes| *changes >= CHANGES_MAX);
            match self.rests.get(key) {
                Some(until) if *until > now && !is_long() => {
                    first = Some(first.map_or(*until, |first: Instant| first.min(*until)));
                }
                _ => return (Some(place), None),
            }
        }
        (None, first)
    }

    pub(super) fn is_of(&self, key: &Key, lane: Lane) -> bool {
        match lane {
            Lane::Fast => !self.is_slow(key),
            Lane::Slow => self.is_slow(key),
            #[cfg(any(test, feature = "simulation"))]
            Lane::Both => true,
        }
    }

    /// Whether every worker of the fast lane has been on one document for too long, while others wait.
    pub(super) fn is_stuck(&self, now: Instant, slow_after: Duration, workers: usize) -> bool {
        let is_long = |began: &&Instant| now.duration_since(**began) > slow_after;
        !self.order.is_empty() && self.taken.values().filter(is_long).count() >= workers
    }

    pub(super) fn mark_slow(&mut self, key: Key) {
        if self.slow.len() >= SLOW_MAX {
            self.slow.clear(); // each finds its way back by its next check
        }
        self.slow.insert(key, Instant::now());
    }

    pub(super) fn is_slow(&self, key: &Key) -> bool {
        self.slow.contains_key(key)
    }

    /// Documents of the slow lane that wait or are taken, in no order.
    pub(super) fn slow(&self) -> impl Iterator<Item = &Key> {
        self.slow.keys().filter(|key| self.changes.contains_key(key) || self.taken.contains_key(key))
    }

    /// A check that began then was quick. It says nothing of what came, and is expected to take long, since.
    pub(super) fn unmark_slow(&mut self, key: &Key, began: Instant) {
        if self.slow.get(key).is_some_and(|since| *since <= began) {
            self.slow.remove(key);
        }
    }

    pub(super) fn first_quiet(&mut self, now: Instant, lane: Lane) -> Option<Key> {
        let is_free = |key: &Key| !self.taken.contains_key(key) && self.is_of(key, lane);
        let key = *self.tails.iter().find(|(key, due)| **due <= now && is_free(key))?.0;
        self.tails.remove(&key);
        Some(key)
    }

    pub(super) fn rest(&mut self, key: Key, began: Instant) {
        let now = Instant::now();
        if self.rests.len() >= RESTS_MAX {
            self.rests.retain(|_, until| *until > now);
        }
        self.rests.insert(key, now + (now.duration_since(began) * REST_FACTOR).min(REST_MAX));
    }

    pub(super) fn finish(&mut self, space: SpaceId, changes: u64) {
        let Some(counted) = self.spaces.get_mut(&space) else { return };
        counted.unchecked = counted.unchecked.saturating_sub(changes);
        counted.ended.notify_waiters();
        if counted.unchecked == 0 && Arc::strong_count(&counted.ended) == 1 {
            self.spaces.remove(&space);
        }
    }
}
