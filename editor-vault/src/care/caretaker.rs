//! What looks after the file while the vault is open: whether an end in the middle left damage behind, once a week
//! everything that is kept, and a reserve of room for when the disk is full.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use file_systems::{Access, Ballast, Previous, Room};

use super::{Finding, Severity};
use crate::error::StorageError;
use crate::fill::give_way;
use crate::storage::{Interrupt, Tx};
use crate::vault::{Inner, Vault};

/// Bytes that are held back: enough to end what is under way, and to be told why.
const RESERVE_BYTES: u64 = 8 << 20;
/// The reserve is made this long after the vault was opened: a command that ends at once need not.
const RESERVE_AFTER: Duration = Duration::from_secs(2);
/// How often it is asked whether everything has to be looked at again, and the reserve made anew.
const ASKED_EVERY: Duration = Duration::from_secs(600);
const SCRUB_EVERY_SECONDS: i64 = 7 * 24 * 60 * 60;
/// When everything was looked at last: seconds since 1970, in digits.
const SCRUBBED_NAME: &str = "scrubbed";
const BALLAST_NAME: &str = "ballast";

/// The thread that looks after the file, and what it noticed.
pub(crate) struct Caretaker {
    ballast: Ballast,
    scrubbed: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stopped: bool,
    is_reserve_spent: bool,
    noticed: Vec<Finding>,
    /// Ends a long statement.
    interrupt: Option<Interrupt>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Caretaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caretaker").field("ballast", &self.ballast).finish_non_exhaustive()
    }
}

impl Caretaker {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            ballast: Ballast::new(directory.join(BALLAST_NAME), RESERVE_BYTES),
            scrubbed: directory.join(SCRUBBED_NAME),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Ends what is under way.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.lock();
            state.is_stopped = true;
            state.interrupt.iter().for_each(Interrupt::interrupt);
            self.changed.notify_all();
            state.thread.take()
        };
        drop(thread.map(JoinHandle::join));
    }

    /// The disk is full: gives up the reserve. Whether there is room now that was not there before.
    pub(crate) fn spend_reserve(&self) -> bool {
        let mut state = self.lock();
        if self.ballast.release() {
            state.is_reserve_spent = true;
            tracing::warn!("The disk is full; a reserve of {RESERVE_BYTES} bytes was given up");
        }
        state.is_reserve_spent
    }

    pub(crate) fn keep_reserve(&self, directory: &Path) -> std::io::Result<()> {
        let is_kept = self.ballast.keep(Room::of(directory)?)?;
        if is_kept {
            self.lock().is_reserve_spent = false;
        }
        Ok(())
    }

    /// Waits; `false` if it is to end.
    fn wait(&self, time: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.is_stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_stopped
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Runs a long statement that ends when the vault is closed, which must not wait for it.
    pub(super) fn interruptible<T>(
        &self,
        tx: &Tx<'_>,
        run: impl FnOnce(&Tx<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        {
            let mut state = self.lock();
            if state.is_stopped {
                return Err(tx.unexpected("the vault was closed before it was looked at"));
            }
            state.interrupt = Some(tx.interrupt_handle());
        }
        let done = run(tx);
        self.lock().interrupt = None;
        done
    }

    fn notice(&self, findings: Vec<Finding>) {
        for finding in &findings {
            tracing::error!(error.code = finding.code, "{}", finding.detail);
        }
        self.lock().noticed = findings;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is a week since everything was looked at, or since the vault was first asked.
    fn is_scrub_due(&self, now: i64) -> bool {
        let last = std::fs::read_to_string(&self.scrubbed).ok().and_then(|text| text.trim().parse::<i64>().ok());
        match last {
            Some(last) => now.saturating_sub(last) >= SCRUB_EVERY_SECONDS,
            // What is new has nothing that could have decayed.
            None => self.note_scrub(now).is_err(),
        }
    }

    fn note_scrub(&self, now: i64) -> std::io::Result<()> {
        file_systems::replace(&self.scrubbed, now.to_string().as_bytes(), "new", Access::Owner)
    }
}

impl Vault {
    /// What the vault noticed by itself since it was opened: damage that an end in the middle left behind or that the
    /// weekly look at everything found, and a reserve of room that was given up because the disk is full. A host shows
    /// it to its user; [`Vault::doctor`] lists it too.
    #[must_use]
    pub fn noticed(&self) -> Vec<Finding> {
        let caretaker = &self.inner().caretaker;
        let state = caretaker.lock();
        let mut noticed = state.noticed.clone();
        noticed.extend(state.is_reserve_spent.then(|| reserve_spent(self.path())));
        noticed
    }
}

fn reserve_spent(directory: &Path) -> Finding {
    let detail = format!(
        "the disk of {} is full; a reserve was given up so that you can end what you are doing: free some space",
        directory.display()
    );
    Finding { severity: Severity::Warning, code: "reserve_spent", detail }
}

impl Inner {
    pub(crate) fn start_caretaker(self: &Arc<Self>) {
        // What it looks at is kept alive until it has stopped: the vault stops it before it closes the file.
        let inner = self.clone();
        let body = move || {
            give_way();
            inner.take_care();
        };
        let thread = std::thread::Builder::new().name("vault-caretaker".into()).stack_size(document::ROOMY_STACK_BYTES);
        match thread.spawn(body) {
            Ok(thread) => self.caretaker.lock().thread = Some(thread),
            Err(error) => tracing::warn!("Nobody looks after the vault: {error}"),
        }
    }

    fn take_care(&self) {
        if self.storage.previous() == Previous::Cut
            && let Err(error) = self.look_after_cut()
            && !self.caretaker.is_stopped()
        {
            tracing::warn!("The vault is looked at again when it is opened next: {error}");
        }
        let (began, mut wait) = (Instant::now(), RESERVE_AFTER);
        while self.caretaker.wait(wait) {
            wait = ASKED_EVERY;
            if let Err(error) = self.caretaker.keep_reserve(&self.directory) {
                tracing::debug!("No reserve of room could be made: {error}");
            }
            let now = self.sources.unix_seconds();
            if self.caretaker.is_scrub_due(now)
                && began.elapsed() >= ASKED_EVERY
                && let Err(error) = self.scrub(now)
                && !self.caretaker.is_stopped()
            {
                tracing::warn!("Not everything could be looked at: {error}");
            }
        }
    }

    /// SQLite's quick check of the pages, after somebody was cut off.
    fn look_after_cut(&self) -> Result<(), StorageError> {
        let lines = self.storage.read(|tx| self.caretaker.interruptible(tx, |tx| tx.quick_integrity()))?;
        let findings = self.damaged_pages(lines);
        if findings.iter().any(|finding| finding.code == super::DAMAGED_PAGES) {
            self.is_damaged(findings);
        } else {
            self.storage.looked();
            self.caretaker.notice(findings);
        }
        Ok(())
    }

    /// Looks at everything.
    pub(crate) fn scrub(&self, now: i64) -> Result<(), StorageError> {
        let Some(findings) = self.verify_for(Some(&self.caretaker))? else { return Ok(()) };
        tracing::info!("Looked at everything in the vault: {} findings", findings.len());
        if let Err(error) = self.caretaker.note_scrub(now) {
            tracing::warn!("Everything is looked at again soon: {error}");
        }
        if findings.iter().any(|finding| finding.code == super::DAMAGED_PAGES) {
            self.is_damaged(findings);
        } else {
            self.caretaker.notice(findings);
        }
        Ok(())
    }

    /// From now on nothing is written: on damaged pages it would only grow.
    fn is_damaged(&self, findings: Vec<Finding>) {
        let detail = findings.first().map(|finding| finding.detail.clone()).unwrap_or_default();
        self.storage.refuse_writes(detail);
        self.caretaker.notice(findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(vault: &Vault) -> Option<i64> {
        std::fs::read_to_string(&vault.inner().caretaker.scrubbed).ok()?.parse().ok()
    }

    #[test]
    fn a_scrub_finds_a_change_that_decayed_and_notes_when_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let note = vault.create("note", Some("n"), None).unwrap();
        note.edit(|draft| draft.replace_text("/body", "words")).unwrap();
        let inner = vault.inner();
        inner.scrub(1_000).unwrap();
        assert_eq!((vault.noticed(), scrubbed(&vault)), (vec![], Some(1_000)));
        let decay = "UPDATE changes SET bytes = zeroblob(length(bytes)) WHERE id = (SELECT max(id) FROM changes)";
        inner.storage.write(move |tx| tx.run_for_tests(decay)).unwrap();
        inner.scrub(2_000).unwrap();
        assert!(vault.noticed().iter().any(|finding| finding.code == "damaged_change"), "{:?}", vault.noticed());
        assert_eq!(scrubbed(&vault), Some(2_000));
    }

    #[test]
    fn a_scrub_is_due_a_week_after_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let caretaker = Caretaker::new(dir.path());
        assert!(!caretaker.is_scrub_due(1_000), "everything is new");
        assert!(!caretaker.is_scrub_due(1_000 + SCRUB_EVERY_SECONDS - 1));
        assert!(caretaker.is_scrub_due(1_000 + SCRUB_EVERY_SECONDS));
    }

    #[test]
    fn a_caretaker_that_was_stopped_looks_at_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault.inner().caretaker.stop();
        assert!(vault.inner().scrub(1_000).is_err());
        assert_eq!(scrubbed(&vault), None);
    }
}
