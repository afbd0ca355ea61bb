//! Documents in memory: loaded on first touch, kept by bytes, dropped when least used.
//!
//! A loaded document may be ahead of the file by edits that are unsealed or on their way to the writer. If such a
//! commit fails, everything after it fails too (its *lineage* is broken) and the document is loaded anew from the file.
//! A document with unsaved edits is never dropped for room.

mod arrival; // what was just stored, without reading it again
mod gather; // the same for large documents, later and together
mod keep; // a snapshot for the next load
mod load; // rows -> a document
mod shelf; // which are in memory

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use document::{Document, ManualFields};
use sync_wire::{DocumentId, SpaceId};

pub(crate) use self::arrival::Arrival;
pub(crate) use self::gather::Announced;
use self::gather::Gathering;
pub(crate) use self::shelf::Shelf;
use crate::actors::Writing;
use crate::deferred::Ticket;
use crate::error::{EditError, ReadError, StorageError};
use crate::storage::DocumentRow;
use crate::unsaved::Unsaved;
use crate::vault::Inner;

/// Commits that may wait for what came before them to be taken in; of more, the file tells.
const BEYOND_MAX: usize = 64;

/// A place for one document in memory. There is at most one per document in a process.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// As it was when the document was first touched: after the first login it may be the local alias.
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    state: Mutex<State>,
    /// Something moved in the file that is not in memory yet.
    stale: AtomicBool,
    /// Edits that are not on disk: unsealed, or on their way.
    unsaved: AtomicUsize,
    gathering: Gathering,
    bytes: AtomicUsize,
    /// Of all documents of the vault.
    bytes_of_all: Arc<AtomicUsize>,
    used: AtomicU64,
}

/// What is in memory, behind the document's lock.
#[derive(Debug, Default)]
pub(crate) struct State {
    document: Option<Document>,
    /// As stored when last looked at; none for a well-known document that nobody edited yet.
    pub(crate) stored: Option<DocumentRow>,
    /// Why it can only be read, as found out by loading it.
    held: Option<String>,
    /// The stored generation that was loaded.
    generation: i64,
    pub(crate) type_name: Option<String>,
    pub(crate) lineage: Arc<Lineage>,
    pub(crate) window: Option<Window>,
    /// The last row of what a copy is taking in.
    arriving: Option<i64>,
}

/// Deferred edits that will be sealed together.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) ticket: Ticket,
    pub(crate) writing: Writing,
}

/// One load of a document, and the commits that rest on each other since.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// A commit failed: those after it must fail as well.
    broken: AtomicBool,
    /// Every row of the document up to this one is in memory.
    point: AtomicI64,
    /// Moves from one row to another that are in memory, of which the first lies beyond the point.
    beyond: Mutex<Vec<(i64, i64)>>,
    /// Commits on their way to the disk.
    pub(crate) in_flight: AtomicUsize,
}

impl Lineage {
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// How far the point would move if it moved to this row.
    fn reach(&self, mut row: i64) -> i64 {
        let beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, to)) = beyond.iter().find(|(from, to)| *from == row && *to > row) {
            row = *to;
        }
        row
    }

    /// A commit moved the document from row `from` to row `to`, and what it stored is in memory. If something else
    /// came before it that is not, the point stays until it is; what another process wrote is found by the next look
    /// at the file.
    pub(crate) fn advance(&self, from: i64, to: i64) {
        let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.point.load(Ordering::Acquire);
        beyond.retain(|(_, to)| *to > at);
        if from >= at && beyond.len() < BEYOND_MAX {
            beyond.push((from, to));
        }
        self.follow(at, &mut beyond);
    }

    /// Every row up to this one, the last of some commit, is in memory.
    fn advance_to(&self, row: i64) {
        let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.point.fetch_max(row, Ordering::AcqRel).max(row);
        beyond.retain(|(_, to)| *to > at);
        self.follow(at, &mut beyond);
    }

    fn follow(&self, mut at: i64, beyond: &mut Vec<(i64, i64)>) {
        while let Some(index) = beyond.iter().position(|(from, _)| *from == at) {
            let (from, to) = beyond.swap_remove(index);
            match self.point.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => at = to,
                Err(moved) => at = moved,
            }
        }
    }
}

/// How current a look at a document must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// What is in memory, unless it is known to be stale.
    Memory,
    /// As of what any process has committed.
    File,
}

impl State {
    /// An empty document of a type, that no file has yet.
    pub(crate) fn begin(&mut self, type_name: &str) {
        self.document = Some(Document::new(Some(type_name)));
        self.type_name = Some(type_name.to_owned());
    }

    /// The stored generation that is in memory.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    /// Whether the document can be edited.
    pub(crate) fn check_editable(&self, document: DocumentId) -> Result<(), EditError> {
        if self.stored.as_ref().is_some_and(|row| row.deleted) {
            return Err(EditError::Deleted { document });
        }
        match self.held.as_ref().or_else(|| self.stored.as_ref()?.held.as_ref()) {
            Some(reason) => Err(EditError::Held { document, reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl Loaded {
    fn new(space: SpaceId, id: DocumentId, bytes_of_all: Arc<AtomicUsize>) -> Self {
        Self {
            space,
            id,
            state: Mutex::default(),
            stale: AtomicBool::new(false),
            unsaved: AtomicUsize::new(0),
            gathering: Gathering::default(),
            bytes: AtomicUsize::new(0),
            bytes_of_all,
            used: AtomicU64::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic inside the lock can only come from the host's closure; `Document::edit` and `read` leave no trace.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mark_stale(&self) {
        self.stale.store(true, Ordering::Release);
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Acquire) > 0
    }

    pub(crate) fn add_unsaved(&self) {
        self.unsaved.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn end_unsaved(&self) {
        self.unsaved.fetch_sub(1, Ordering::AcqRel);
    }

    /// The document as current as asked for.
    pub(crate) fn current<'s>(
        &self,
        inner: &Arc<Inner>,
        state: &'s mut State,
        look: Look,
    ) -> Result<&'s mut Document, ReadError> {
        if state.lineage.is_broken() {
            self.forget(state, &EditError::not_saved(inner.closed_or_unknown()));
        }
        let stale = self.stale.swap(false, Ordering::AcqRel);
        if state.document.is_some() && (stale || look == Look::File) && !self.catch_up(inner, state)? {
            state.document = None;
        }
        if state.document.is_none() {
            let _loading = inner.shelf.loading();
            load::load(inner, self, state)?;
            self.weigh(state);
        }
        let missing = || ReadError::Unreadable { document: self.id, detail: "it was loaded and is not there".into() };
        let document = state.document.as_mut().ok_or_else(missing)?;
        inner.say_what_is_manual(document, state.type_name.as_deref());
        Ok(document)
    }

    /// The document, if it is in memory.
    pub(crate) fn in_memory(state: &mut State) -> Option<&mut Document> {
        state.document.as_mut()
    }

    /// Drops what is in memory; unsealed edits are handed back with the error.
    pub(crate) fn forget(&self, state: &mut State, error: &EditError) {
        let unsealed = Unsaved::of_unsealed(self, state);
        state.document = None;
        state.lineage = Arc::default();
        if let Some(window) = state.window.take() {
            self.end_unsaved();
            window.ticket.settle(Err(error.about(unsealed)));
        }
        self.weigh(state);
    }

    pub(crate) fn weigh(&self, state: &State) {
        let bytes = state.document.as_ref().map_or(0, Document::bytes_estimate);
        let before = self.bytes.swap(bytes, Ordering::AcqRel);
        self.bytes_of_all.fetch_add(bytes, Ordering::AcqRel);
        self.bytes_of_all.fetch_sub(before, Ordering::AcqRel);
    }

    /// Takes in what the file has more than memory. `false`: it must be loaded anew.
    fn catch_up(&self, inner: &Inner, state: &mut State) -> Result<bool, ReadError> {
        state.stored = inner.storage.read(|tx| tx.document(self.space, self.id))?;
        let Some(found) = &mut state.stored else { return Ok(true) };
        if state.type_name.is_none() {
            state.type_name.clone_from(&found.type_name);
        }
        if found.moved.generation != state.generation {
            if !self.has_unsaved() {
                return Ok(false);
            }
            // Unsaved edits come first: look again when they are saved. What is new in the file need not fit beside
            // what was taken out of it.
            self.mark_stale();
            return Ok(true);
        }
        let point = state.lineage.point.load(Ordering::Acquire);
        if state.arriving.is_some_and(|row| state.lineage.reach(row) == found.moved.point) {
            // A copy is taking that in: an edit made now merges with it. What is in memory is older than the row.
            found.moved.point = point;
        } else if found.moved.point > point && self.is_gathering() {
            // As above; if that comes to nothing, the next look finds it.
            found.moved.point = point;
            self.mark_stale();
        } else if found.moved.point > point {
            load::apply_new_rows(inner, self, state)?;
            self.weigh(state);
        }
        Ok(true)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.bytes_of_all.fetch_sub(*self.bytes.get_mut(), Ordering::AcqRel);
    }
}

impl Inner {
    /// Tells a document which of its fields a person decides about. Every edit gets its document from
    /// [`Loaded::current`], so none can be made without it.
    fn say_what_is_manual(&self, document: &mut Document, type_name: Option<&str>) {
        let Some(name) = type_name.filter(|name| document.manual().type_name() != Some(name)) else { return };
        let fields = self.schemas.get(name).map(schemas::DocumentType::manual_fields);
        document.set_manual(fields.unwrap_or_else(|| ManualFields::none_of(name)));
    }

    /// What to report when edits are lost whose own error was reported elsewhere.
    fn closed_or_unknown(&self) -> StorageError {
        StorageError::Io {
            path: self.storage.file().to_path_buf(),
            detail: "an edit before this one could not be saved".into(),
        }
    }
}
