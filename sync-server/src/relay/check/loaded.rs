//! Documents in memory: a cache by bytes, in which every document has one user at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use document::Document;
use sync_wire::{DocumentId, Position, SpaceId};
use tokio::sync::OwnedMutexGuard;

type Key = (SpaceId, DocumentId);

/// A document that contains its log's entries up to a position.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) document: Document,
    pub(super) through: Position,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct LoadedDocuments {
    bytes_max: usize,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    slots: HashMap<Key, Slot>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug, Default)]
struct Slot {
    // Cloned only under the cache's lock: a count of one means that nobody has it or waits for it.
    loaded: Arc<tokio::sync::Mutex<Option<Loaded>>>,
    bytes: usize,
    used_at: u64,
}

/// A document that nobody else has until this is dropped.
#[derive(Debug)]
pub struct Checkout {
    key: Key,
    loaded: Option<OwnedMutexGuard<Option<Loaded>>>,
    /// Whether it was brought to the end of its log since it was taken.
    is_current: bool,
    documents: Arc<LoadedDocuments>,
}

impl LoadedDocuments {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, cache: Mutex::default() }
    }

    pub(super) async fn checkout(self: &Arc<Self>, space: SpaceId, document: DocumentId) -> Checkout {
        let key = (space, document);
        let loaded = Arc::clone(&self.lock().slots.entry(key).or_default().loaded);
        Checkout { key, loaded: Some(loaded.lock_owned().await), is_current: false, documents: Arc::clone(self) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkout {
    /// Which document.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Takes the document out, to be worked on elsewhere; [`Self::put`] brings it back.
    pub(super) fn take(&mut self) -> Option<Loaded> {
        self.loaded.as_mut().and_then(|loaded| loaded.take())
    }

    pub(super) fn put(&mut self, document: Loaded) {
        if let Some(loaded) = &mut self.loaded {
            **loaded = Some(document);
        }
    }

    /// Brings back a document that contains its whole log.
    pub(super) fn put_current(&mut self, document: Loaded) {
        self.put(document);
        self.is_current = true;
    }

    /// Says that what was applied since has been appended, up to `last`, to a log of the document that ended at
    /// `before`. Nothing, if the document was not at the end of its log when it was taken; and if the log has grown
    /// since by what was never applied here, say a seed, the loaded document is forgotten.
    pub fn advance(&mut self, before: Position, last: Position) {
        if !self.is_current {
            return;
        }
        let Some(loaded) = self.loaded.as_mut().and_then(|loaded| loaded.as_mut()) else { return };
        if loaded.through < before {
            return self.discard();
        }
        loaded.through = loaded.through.max(last);
    }

    /// Forgets the loaded document; it is rebuilt from the log when it is needed.
    pub fn discard(&mut self) {
        drop(self.take());
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let Some(loaded) = self.loaded.take() else { return };
        let bytes = loaded.as_ref().map_or(0, |loaded| loaded.document.bytes_estimate());
        drop(loaded);
        let dropped = self.documents.lock().keep(self.key, bytes, self.documents.bytes_max);
        drop(dropped); // without the lock: it takes as long as the documents are large
    }
}

impl Cache {
    /// Records what a document costs, and makes room by giving out those that were not used for longest.
    fn keep(&mut self, key: Key, bytes: usize, bytes_max: usize) -> Vec<Slot> {
        self.clock += 1;
        if let Some(slot) = self.slots.get_mut(&key) {
            self.bytes = (self.bytes + bytes).saturating_sub(slot.bytes);
            (slot.bytes, slot.used_at) = (bytes, self.clock);
            if bytes == 0 && Arc::strong_count(&slot.loaded) == 1 {
                self.slots.remove(&key);
            }
        }
        if self.bytes > bytes_max { self.make_room(bytes_max) } else { Vec::new() }
    }

    fn make_room(&mut self, bytes_max: usize) -> Vec<Slot> {
        let mut idle: Vec<(u64, Key)> = self
            .slots
            .iter()
            .filter(|(_, slot)| Arc::strong_count(&slot.loaded) == 1)
            .map(|(key, slot)| (slot.used_at, *key))
            .collect();
        idle.sort_unstable();
        // To three quarters, so that the next few documents need no search.
        let wanted = bytes_max / 4 * 3;
        let mut dropped = Vec::new();
        for (_, key) in idle {
            if self.bytes <= wanted {
                break;
            }
            if let Some(slot) = self.slots.remove(&key) {
                self.bytes -= slot.bytes;
                dropped.push(slot);
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a document is known to contain after it advanced; nothing if it was forgotten.
    async fn advanced(through: u64, before: u64, last: u64) -> Option<Position> {
        let documents = Arc::new(LoadedDocuments::new(1 << 20));
        let mut checkout = documents.checkout(SpaceId([1; 16]), DocumentId([2; 16])).await;
        checkout.put_current(Loaded { document: Document::new(None), through: Position(through) });
        checkout.advance(Position(before), Position(last));
        checkout.take().map(|loaded| loaded.through)
    }

    #[tokio::test]
    async fn a_document_advances_only_over_what_was_applied_to_it() {
        assert_eq!(advanced(5, 5, 7).await, Some(Position(7)));
        assert_eq!(advanced(5, 5, 0).await, Some(Position(5)), "nothing was appended");
        // A seed came between the check and the append: changes that rest on it would not apply here.
        assert_eq!(advanced(5, 6, 7).await, None);
    }
}
