//! Which documents are in memory. Bounded by bytes: the least used ones go first, those with unsaved edits never.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sync_wire::{DocumentId, SpaceId};

use super::Loaded;

type Places = HashMap<(SpaceId, DocumentId), Arc<Loaded>>;

/// All documents in memory.
#[derive(Debug)]
pub(crate) struct Shelf {
    bytes_max: usize,
    bytes: Arc<AtomicUsize>,
    clock: AtomicU64,
    /// Documents that are being put together for somebody who waits.
    loading: AtomicUsize,
    /// Whether a snapshot of a large document is being made.
    is_keeping: AtomicBool,
    places: Mutex<Places>,
}

/// Somebody waits for a document, until this is dropped.
#[derive(Debug)]
pub(super) struct Loading<'s>(&'s Shelf);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.loading.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shelf {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: Arc::default(),
            clock: AtomicU64::new(1),
            loading: AtomicUsize::new(0),
            is_keeping: AtomicBool::new(false),
            places: Mutex::default(),
        }
    }

    /// The place of a document, loaded or not. `space` is resolved.
    pub(crate) fn place(&self, space: SpaceId, id: DocumentId) -> Arc<Loaded> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bytes.load(Ordering::Acquire) > self.bytes_max {
            self.make_room(&mut places);
        }
        let place = places.entry((space, id)).or_insert_with(|| self.empty(space, id)).clone();
        place.used.store(now, Ordering::Relaxed);
        place
    }

    /// A place that nobody else gets: what is loaded there shows what is saved, and is gone afterwards.
    pub(crate) fn apart(&self, space: SpaceId, id: DocumentId) -> Arc<Loaded> {
        self.empty(space, id)
    }

    fn empty(&self, space: SpaceId, id: DocumentId) -> Arc<Loaded> {
        Arc::new(Loaded::new(space, id, self.bytes.clone()))
    }

    /// Whether some document has yet to take in what is in the file.
    pub(crate) fn is_gathering(&self) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.values().any(|place| place.is_gathering())
    }

    /// Says that a document is being put together.
    pub(super) fn loading(&self) -> Loading<'_> {
        self.loading.fetch_add(1, Ordering::AcqRel);
        Loading(self)
    }

    /// Whether a snapshot of a large document may be made now; then [`Self::end_keeping`] must follow.
    pub(super) fn begin_keeping(&self) -> bool {
        !self.is_keeping.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end_keeping(&self) {
        self.is_keeping.store(false, Ordering::Release);
    }

    /// Whether somebody waits for a document.
    pub(crate) fn is_loading(&self) -> bool {
        self.loading.load(Ordering::Acquire) > 0
    }

    /// Counts how often a document was wanted.
    pub(crate) fn uses(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// The place of a document, if it has one.
    pub(crate) fn get(&self, space: SpaceId, id: DocumentId) -> Option<Arc<Loaded>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&(space, id)).cloned()
    }

    /// By space and id: what is done to all of them is done in the same order every time.
    pub(crate) fn all(&self) -> Vec<Arc<Loaded>> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = places.iter().collect();
        all.sort_unstable_by_key(|(key, _)| **key);
        all.into_iter().map(|(_, place)| place.clone()).collect()
    }

    /// After the first login: what was in the local space is in the personal one.
    pub(crate) fn rehome(&self, from: SpaceId, to: SpaceId) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let moving: Vec<_> = places.keys().filter(|(space, _)| *space == from).copied().collect();
        for key in moving {
            if let Some(place) = places.remove(&key) {
                place.mark_stale();
                places.entry((to, key.1)).or_insert(place);
            }
        }
    }

    /// Bytes of all documents in memory, and how many there are.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = places.values().filter(|place| place.bytes.load(Ordering::Acquire) > 0);
        (self.bytes.load(Ordering::Acquire), loaded.count())
    }

    /// Drops the least used documents that nobody has in hand until nine tenths of the room are taken.
    fn make_room(&self, places: &mut Places) {
        // Whoever works with a document holds its place, and gets it under this very lock.
        let is_idle = |place: &Arc<Loaded>| Arc::strong_count(place) == 1 && !place.has_unsaved();
        let mut idle: Vec<_> = places
            .iter()
            .filter(|(_, place)| is_idle(place))
            .map(|(key, place)| (place.used.load(Ordering::Relaxed), *key))
            .collect();
        idle.sort_unstable();
        for (_, key) in idle {
            if self.bytes.load(Ordering::Acquire) <= self.bytes_max / 10 * 9 {
                return;
            }
            places.remove(&key);
        }
    }
}
