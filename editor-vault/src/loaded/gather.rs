//! Large documents take in what a relay sent on a thread of its own, all at once that has come meanwhile.
//!
//! To apply one change to a large document takes as long as to apply a thousand. So the sync thread stores delivery
//! after delivery, and readers and editors go on with the document as it was, until a copy that has everything takes
//! its place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use document::{Adopted, Document, Preparation, Spare};
use sync_wire::{Blob, DocumentId, SpaceId};

use super::{Lineage, Loaded, State, Window};
use crate::error::StorageError;
use crate::storage::DocumentRow;
use crate::vault::Inner;

/// Smaller documents take in what came at once: that is quicker than to wake another thread.
pub(super) const GATHER_BYTES_MIN: usize = 1 << 20;
/// How often a copy catches up with edits that were saved meanwhile before the document waits for it.
const ROUNDS_MAX: usize = 16;

/// What a document has to take in that the file has, or will have in a moment.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Deliveries on their way into the file.
    announced: AtomicUsize,
    work: Mutex<Work>,
    /// A copy is being made ready: edits that need not be saved at once wait for it, since each that is saved makes
    /// the copy catch up.
    is_preparing: AtomicBool,
}

/// Whether a thread is at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Work {
    #[default]
    Idle,
    Running,
    /// More has come since it looked at the file.
    Again,
}

impl Gathering {
    fn set(&self, work: Work) -> Work {
        std::mem::replace(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner), work)
    }

    /// Whether a thread has to be started.
    fn begin(&self) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = *work == Work::Idle;
        *work = if is_idle { Work::Running } else { Work::Again };
        is_idle
    }

    /// Whether more has come since it looked at the file, or is about to.
    fn has_more(&self) -> bool {
        let work = *self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work == Work::Again || self.announced.load(Ordering::Acquire) > 0
    }

    /// Whether there is nothing more to do.
    fn end(&self) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = *work == Work::Running;
        *work = if is_over { Work::Idle } else { Work::Running };
        is_over
    }
}

/// Large documents in memory for which a delivery is about to be stored: until this is dropped, whoever finds the file
/// ahead of memory goes on with what is in memory.
#[derive(Debug, Default)]
pub(crate) struct Announced(BTreeMap<DocumentId, Arc<Loaded>>);

impl Announced {
    /// The document, if it is to gather what was stored.
    pub(crate) fn get(&self, document: DocumentId) -> Option<&Arc<Loaded>> {
        self.0.get(&document)
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        for loaded in self.0.values() {
            loaded.gathering.announced.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Inner {
    /// To be called before a delivery is stored. Where there are no threads, nothing is gathered.
    pub(crate) fn announce(&self, space: SpaceId, documents: impl Iterator<Item = DocumentId>) -> Announced {
        let mut announced = Announced::default();
        if self.is_inline {
            return announced;
        }
        let (space, mut before) = (self.resolve(space), None);
        for document in documents {
            if before.replace(document) == Some(document) || announced.0.contains_key(&document) {
                continue;
            }
            if let Some(loaded) = self.shelf.get(space, document).filter(|loaded| loaded.is_large()) {
                loaded.gathering.announced.fetch_add(1, Ordering::AcqRel);
                announced.0.insert(document, loaded);
            }
        }
        announced
    }
}

/// What must not change under a copy.
struct Ground {
    lineage: Arc<Lineage>,
    generation: i64,
    /// The document's row.
    row: i64,
    /// Every row up to this one was in memory.
    point: i64,
}

impl Ground {
    fn of(state: &State) -> Option<Self> {
        let row = state.stored.as_ref()?.row;
        let point = state.lineage.point.load(Ordering::Acquire);
        let ground = Self { lineage: state.lineage.clone(), generation: state.generation, row, point };
        ground.holds(state).then_some(ground)
    }

    fn holds(&self, state: &State) -> bool {
        state.document.is_some()
            && state.held.is_none()
            && state.generation == self.generation
            && Arc::ptr_eq(&state.lineage, &self.lineage)
            && !state.lineage.is_broken()
    }
}

/// What the file has more than memory.
struct Ahead {
    row: DocumentRow,
    changes: Vec<Blob>,
    /// The last row.
    through: i64,
}

impl Loaded {
    fn is_large(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= GATHER_BYTES_MIN
    }

    /// Whether something is coming that a thread takes in.
    pub(crate) fn is_gathering(&self) -> bool {
        let work = *self.gathering.work.lock().unwrap_or_else(PoisonError::into_inner);
        work != Work::Idle || self.gathering.announced.load(Ordering::Acquire) > 0
    }

    /// Whether deferred edits should wait: not for long.
    pub(crate) fn is_preparing(&self) -> bool {
        self.gathering.is_preparing.load(Ordering::Acquire)
    }

    /// Takes in what the file has more than memory, soon, and hints watchers then.
    pub(crate) fn gather(self: &Arc<Self>, inner: &Arc<Inner>) {
        if !self.gathering.begin() {
            return;
        }
        let (loaded, weak) = (self.clone(), Arc::downgrade(inner));
        let thread = std::thread::Builder::new().name("vault-arrivals".into());
        let work = move || {
            let mut spare = None;
            while let Some(inner) = weak.upgrade()
                && !loaded.take_in_once(&inner, &mut spare)
            {}
        };
        if thread.stack_size(document::ROOMY_STACK_BYTES).spawn(work).is_err() {
            let mut spare = None;
            while !self.take_in_once(inner, &mut spare) {}
        }
    }

    /// Whether that was all.
    fn take_in_once(self: &Arc<Self>, inner: &Arc<Inner>, spare: &mut Option<Spare>) -> bool {
        let taken_in = self.take_in_ahead(inner, spare);
        if self.gathering.is_preparing.swap(false, Ordering::AcqRel) {
            inner.sealer.wake();
        }
        let is_over = match taken_in {
            Ok(true) => {
                inner.hint(self.space, self.id);
                self.gathering.end()
            }
            // Something else than more changes, or changes that cannot be applied: everybody waits.
            Ok(false) | Err(_) => {
                self.gathering.set(Work::Idle);
                inner.look_at_file(self);
                true
            }
        };
        if is_over {
            inner.sync.arrived();
        }
        is_over
    }

    /// `false`: nothing happened; the document has to be looked at while nobody else does.
    fn take_in_ahead(self: &Arc<Self>, inner: &Arc<Inner>, spare: &mut Option<Spare>) -> Result<bool, StorageError> {
        let (ground, mut preparation) = {
            let mut state = self.lock();
            if state.document.is_none() {
                return Ok(true); // whoever loads it gets everything
            }
            self.seal_window(inner, &mut state);
            let Some(ground) = Ground::of(&state) else { return Ok(false) };
            let Some(document) = state.document.as_mut() else { return Ok(false) };
            let again = spare.take().and_then(|spare| document.prepare_again(spare));
            let Ok(preparation) = again.map_or_else(|| document.prepare(), Ok) else { return Ok(false) };
            self.gathering.is_preparing.store(true, Ordering::Release);
            (ground, preparation)
        };
        let Some(ahead) = self.read_ahead(inner, &ground)? else { return Ok(false) };
        if preparation.apply(&ahead.changes).is_err() {
            return Ok(false);
        }
        if self.gathering.has_more() {
            preparation.keep_spare(); // to copy the document later would let everybody wait who wants it
        }
        let adopted = self.adopt_soon(inner, &ground, &ahead, preparation);
        let is_adopted = adopted.is_some();
        *spare = adopted.and_then(|adopted| adopted.spare);
        Ok(is_adopted)
    }

    fn read_ahead(&self, inner: &Inner, ground: &Ground) -> Result<Option<Ahead>, StorageError> {
        let (row, rows) = inner
            .storage
            .read_at_once(|tx| Ok((tx.document(self.space, self.id)?, tx.changes_after(ground.row, ground.point)?)))?;
        let Some(row) = row.filter(|row| row.moved.generation == ground.generation) else { return Ok(None) };
        let through = rows.last().map_or(ground.point, |last| last.row.max(ground.point));
        Ok(Some(Ahead { row, changes: rows.into_iter().map(|row| row.bytes).collect(), through }))
    }

    fn adopt_soon(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        ground: &Ground,
        ahead: &Ahead,
        mut preparation: Preparation,
    ) -> Option<Adopted> {
        for _ in 0..ROUNDS_MAX {
            let mut state = self.lock();
            if !ground.holds(&state) {
                return None;
            }
            if !state.document.as_ref().is_some_and(Document::can_carry_unsealed) {
                self.seal_window(inner, &mut state);
            }
            match state.document.as_mut()?.adopt_caught_up(preparation) {
                Ok(adopted) => {
                    state.lineage.advance_to(ahead.through);
                    if state.type_name.is_none() {
                        state.type_name.clone_from(&ahead.row.type_name);
                    }
                    state.stored = Some(ahead.row.clone());
                    self.weigh(&state);
                    return Some(adopted);
                }
                Err(Some(behind)) => preparation = *behind,
                Err(None) => return None,
            }
            drop(state);
            preparation.catch_up().ok()?;
        }
        None
    }

    fn seal_window(self: &Arc<Self>, inner: &Arc<Inner>, state: &mut State) {
        if let Some(Window { ticket, writing }) = state.window.take() {
            inner.commit_local(self, state, writing, ticket);
        }
    }
}
