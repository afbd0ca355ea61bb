//! Gives the changes inside snapshots of a relay rows of their own, in the background.
//!
//! A vault that is new to a space gets whole documents; this takes them apart again, so that every change is at hand by
//! its hash as if it had come alone. It reads and writes like anybody else, a little at a time, and goes on with the
//! next connection if the vault is closed meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use document::{Change, Document};

use crate::error::StorageError;
use crate::vault::Inner;

/// Changes that are stored in one transaction; others wait for it no longer than for any.
const CHANGES_AT_ONCE: usize = 256;

/// The thread that fills, while there is something to fill.
#[derive(Debug, Default)]
pub(crate) struct Filler {
    work: Mutex<Work>,
    is_stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Work {
    is_wanted: bool,
    is_running: bool,
    thread: Option<JoinHandle<()>>,
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
        self.is_stopped.store(true, Ordering::Release);
        let thread = self.work.lock().unwrap_or_else(PoisonError::into_inner).thread.take();
        drop(thread.map(JoinHandle::join));
    }

    fn is_wanted_again(&self) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_running = std::mem::take(&mut work.is_wanted);
        work.is_running
    }
}

impl Inner {
    /// Looks for snapshots whose changes have no rows yet.
    pub(crate) fn start_filling(self: &Arc<Self>) {
        let mut work = self.filler.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_wanted = true;
        if work.is_running || self.filler.is_stopped.load(Ordering::Acquire) {
            return;
        }
        let inner = self.clone();
        let fill = move || {
            while inner.filler.is_wanted_again() {
                if let Err(error) = inner.fill() {
                    tracing::warn!(error = %error, "Changes inside snapshots could not be stored: {error}");
                }
            }
        };
        // Without a thread nothing is lost: the next connection tries again.
        if let Ok(thread) = std::thread::Builder::new().name("vault-filler".into()).spawn(fill) {
            work.is_running = true;
            work.thread = Some(thread);
        }
    }

    fn fill(&self) -> Result<(), StorageError> {
        let (mut portions, mut count) = (Vec::new(), 0);
        for document in self.storage.read(|tx| tx.unfilled())? {
            let Some(snapshot) = self.storage.read(|tx| tx.relay_snapshot(document))? else { continue };
            let digest = snapshot.digest;
            let changes = Document::load(&snapshot).map_err(|error| error.to_string());
            let changes = changes.and_then(|document| document.changes().map_err(|error| error.to_string()));
            let changes = match changes {
                Ok(changes) => changes,
                Err(detail) => {
                    tracing::warn!(detail, "A snapshot cannot be taken apart: {detail}");
                    continue;
                }
            };
            // The newest first: each portion goes before those that are stored, so that all stand in causal order.
            let mut rest = changes.len();
            while rest > 0 {
                let from = rest.saturating_sub(CHANGES_AT_ONCE);
                let finished = (from == 0).then_some(digest);
                count += rest - from;
                portions.push(Portion { document, changes: changes[from..rest].to_vec(), finished });
                rest = from;
                if count >= CHANGES_AT_ONCE {
                    self.store(std::mem::take(&mut portions))?;
                    count = 0;
                }
            }
            if self.filler.is_stopped.load(Ordering::Acquire) {
                break;
            }
        }
        self.store(portions)
    }

    fn store(&self, portions: Vec<Portion>) -> Result<(), StorageError> {
        if portions.is_empty() {
            return Ok(());
        }
        let is_rotated = self.storage.write(move |tx| {
            let mut is_rotated = false;
            for Portion { document, changes, finished } in &portions {
                for change in tx.fill(*document, changes)? {
                    // Only a clone or an older copy of this vault can have written it.
                    is_rotated |= tx.is_own_actor(&change.header.actor)?;
                }
                if let Some(digest) = finished {
                    tx.set_filled(*document, digest)?;
                }
            }
            if is_rotated {
                tx.forget_actors()?;
            }
            Ok::<_, StorageError>(is_rotated)
        })?;
        if is_rotated {
            self.actors.forget();
        }
        Ok(())
    }
}
