//! Gives the changes inside snapshots of a relay rows of their own, in the background.
//!
//! A vault that is new to a space gets whole documents; this takes them apart again, so that every change is at hand by
//! its hash as if it had come alone. It waits while documents are wanted, reads and writes like anybody else, a little
//! at a time, and goes on with the next connection if the vault is closed meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use document::{Change, Document};

use crate::error::StorageError;
use crate::recovery::take_apart;
use crate::vault::Inner;

/// Changes that are stored in one transaction; others wait for it no longer than for any.
const CHANGES_AT_ONCE: usize = 256;
/// For so long nobody must have wanted a document.
const PAUSE: Duration = Duration::from_millis(50);
/// Pauses after which it goes on all the same.
const PAUSES_MAX: usize = 40;
/// How much the thread gives way: on a busy machine it gets about a tenth of what others get, on an idle one all.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What fills, while there is something to fill: a thread, or whoever calls [`Inner::fill_on`].
#[derive(Debug, Default)]
pub(crate) struct Filler {
    work: Mutex<Work>,
    is_stopped: AtomicBool,
    stopped: Condvar,
    /// Whether nothing is left, as far as this process knows.
    is_done: AtomicBool,
}

#[derive(Debug, Default)]
struct Work {
    is_wanted: bool,
    is_running: bool,
    thread: Option<JoinHandle<()>>,
    /// Under way without a thread.
    #[cfg(feature = "simulation")]
    filling: Option<Filling>,
}

/// Documents whose snapshots are being taken apart.
#[derive(Debug)]
struct Filling {
    documents: VecDeque<i64>,
    current: Option<Unfilled>,
    /// Something may have to be looked at again.
    is_partial: bool,
}

/// A document whose snapshot is being taken apart.
#[derive(Debug)]
struct Unfilled {
    document: i64,
    /// Those without a row, in causal order.
    changes: Vec<Change>,
    digest: [u8; 32],
}

/// Changes of one document, to be stored in one transaction.
struct Portion {
    document: i64,
    changes: Vec<Change>,
    /// The snapshot that holds nothing else any more, by its digest.
    finished: Option<[u8; 32]>,
}

impl Filler {
    /// Ends after the document that is under way.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            self.is_stopped.store(true, Ordering::Release);
            self.stopped.notify_all();
            work.thread.take()
        };
        drop(thread.map(JoinHandle::join));
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Lets a little time pass, unless it is to end.
    fn pause(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.stopped.wait_timeout_while(work, PAUSE, |_| !self.is_stopped()));
    }

    fn is_wanted_again(&self) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_running = std::mem::take(&mut work.is_wanted);
        work.is_running
    }
}

impl Filling {
    fn begin(inner: &Inner) -> Result<Self, StorageError> {
        inner.filler.is_done.store(false, Ordering::Release);
        Ok(Self { documents: inner.storage.read(|tx| tx.unfilled())?.into(), current: None, is_partial: false })
    }

    /// What one transaction stores; nothing when all is done.
    fn next(&mut self, inner: &Inner) -> Result<Vec<Portion>, StorageError> {
        let (mut portions, mut room) = (Vec::new(), CHANGES_AT_ONCE);
        while room > 0 {
            if self.current.is_none() {
                let Some(document) = self.documents.pop_front() else { break };
                self.current = inner.take_apart(document)?;
            }
            let Some(mut current) = self.current.take() else { continue };
            // The newest first: each portion goes before those that are stored, so that all stand in causal order.
            let from = current.changes.len().saturating_sub(room);
            let changes = current.changes.split_off(from);
            room -= changes.len().min(room);
            let finished = current.changes.is_empty().then_some(current.digest);
            portions.push(Portion { document: current.document, changes, finished });
            if finished.is_none() {
                self.current = Some(current);
            }
        }
        Ok(portions)
    }

    /// These documents were seen to otherwise.
    fn leave(&mut self, documents: &[i64]) {
        self.is_partial |= !documents.is_empty();
        self.current.take_if(|current| documents.contains(&current.document));
    }
}

impl Inner {
    /// Takes up what was left undone when the vault was last open, or failed since.
    pub(crate) fn go_on_filling(self: &Arc<Self>) {
        if !self.filler.is_done.load(Ordering::Acquire) {
            self.start_filling();
        }
    }

    /// Looks for snapshots whose changes have no rows yet.
    pub(crate) fn start_filling(self: &Arc<Self>) {
        let mut work = self.filler.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_wanted = true;
        if self.is_inline || work.is_running || self.filler.is_stopped.load(Ordering::Acquire) {
            return;
        }
        let inner = self.clone();
        let fill = move || {
            give_way();
            while inner.filler.is_wanted_again() {
                if let Err(error) = inner.fill() {
                    tracing::warn!(error = %error, "Changes inside snapshots could not be stored: {error}");
                }
            }
        };
        // Without a thread nothing is lost: the next connection tries again.
        let thread = std::thread::Builder::new().name("vault-filler".into()).stack_size(document::ROOMY_STACK_BYTES);
        if let Ok(thread) = thread.spawn(fill) {
            work.is_running = true;
            work.thread = Some(thread);
        }
    }

    fn fill(&self) -> Result<(), StorageError> {
        let mut filling = Filling::begin(self)?;
        let mut uses = None;
        loop {
            self.wait_for_quiet(&mut uses);
            let portions = filling.next(self)?;
            if portions.is_empty() {
                self.filler.is_done.store(!filling.is_partial, Ordering::Release);
                return Ok(());
            }
            filling.leave(&self.store(portions)?);
            if self.filler.is_stopped.load(Ordering::Acquire) {
                filling.documents.clear(); // what is under way is ended
            }
        }
    }

    /// Waits while documents are wanted, but not for ever.
    fn wait_for_quiet(&self, uses: &mut Option<u64>) {
        for _ in 0..PAUSES_MAX {
            let before = uses.replace(self.shelf.uses());
            let is_quiet = before == *uses && !self.shelf.is_loading();
            if is_quiet || self.filler.is_stopped() {
                return;
            }
            self.filler.pause();
        }
    }

    /// The changes inside the snapshot of a document; nothing if it cannot be taken apart.
    fn take_apart(&self, document: i64) -> Result<Option<Unfilled>, StorageError> {
        let Some(snapshot) = self.storage.read(|tx| tx.relay_snapshot(document))? else { return Ok(None) };
        let loaded = match Document::load(&snapshot) {
            Ok(loaded) => loaded,
            Err(error) => return self.give_up_snapshot(document, &snapshot, &error).map(|()| None),
        };
        let changes = loaded.changes().map_err(|error| error.to_string());
        let unfilled = |changes| Unfilled { document, changes, digest: snapshot.digest };
        Ok(changes
            .map(unfilled)
            .inspect_err(|detail| tracing::warn!(detail, "A snapshot cannot be taken apart: {detail}"))
            .ok())
    }

    /// Gives the documents that are not to be gone on with: other changes have names of theirs, so that they were taken
    /// apart in one go, or cannot be.
    fn store(&self, portions: Vec<Portion>) -> Result<Vec<i64>, StorageError> {
        if portions.is_empty() {
            return Ok(Vec::new());
        }
        let (is_rotated, left) = self.storage.write(move |tx| {
            let (mut is_rotated, mut left) = (false, Vec::new());
            for Portion { document, changes, finished } in &portions {
                let filled = tx.fill(*document, changes)?;
                for change in filled.new {
                    // Only a clone or an older copy of this vault can have written it.
                    is_rotated |= tx.is_own_actor(&change.header.actor)?;
                }
                if !filled.displaced.is_empty() {
                    is_rotated |= take_apart(tx, *document)?;
                    left.push(*document);
                } else if let Some(digest) = finished {
                    tx.set_filled(*document, digest)?;
                }
            }
            if is_rotated {
                tx.forget_actors()?;
            }
            Ok::<_, StorageError>((is_rotated, left))
        })?;
        if is_rotated {
            self.recovered();
        }
        Ok(left)
    }
}

/// On Linux niceness belongs to a thread; elsewhere it would be the whole process that gives way.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!("The filler keeps its priority: {error}");
    }
}

#[cfg(feature = "simulation")]
impl Inner {
    /// Whether [`Self::fill_on`] has something to look at.
    pub(crate) fn has_to_fill(&self) -> bool {
        let work = self.filler.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_wanted || work.filling.is_some()
    }

    /// Stores what one transaction may hold. `false`: there is nothing left.
    pub(crate) fn fill_on(&self) -> bool {
        let step = || -> Result<bool, StorageError> {
            let mut work = self.filler.work.lock().unwrap_or_else(PoisonError::into_inner);
            let mut filling = match work.filling.take() {
                Some(filling) => filling,
                None if std::mem::take(&mut work.is_wanted) => Filling::begin(self)?,
                None => return Ok(false),
            };
            let portions = filling.next(self)?;
            if portions.is_empty() {
                self.filler.is_done.store(!filling.is_partial, Ordering::Release);
                return Ok(false);
            }
            work.filling = Some(filling);
            drop(work);
            let left = self.store(portions)?;
            let mut work = self.filler.work.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(filling) = &mut work.filling {
                filling.leave(&left);
            }
            Ok(true)
        };
        step().unwrap_or_else(|error| {
            tracing::warn!(error = %error, "Changes inside snapshots could not be stored: {error}");
            false
        })
    }
}
