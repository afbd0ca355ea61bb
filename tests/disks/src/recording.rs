//! What one machine wrote, committed and promised, in order. A moment is a number of ops.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use editor_vault::simulation::{Commits, Durable};
use sync_wire::{AccountId, BatchId, ChangeHash, Position, SpaceId};

use crate::tape::Op;
use crate::vfs::Tape;

/// Which of the two programs a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A vault.
    Vault,
    /// The storage of a relay.
    Relay,
}

impl Kind {
    /// The name of its database.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Vault => "vault.sqlite",
            Self::Relay => "relay.sqlite",
        }
    }
}

/// What makes commits atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// A write-ahead log.
    WriteAhead,
    /// A rollback journal, as on a network file system.
    Rollback,
}

/// A commit that returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// When.
    pub at: usize,
    /// Whether it was to be on the disk by then.
    pub durable: Durable,
}

/// Something that somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promise {
    /// A user: this change is saved.
    Saved(ChangeHash),
    /// A relay: this batch was sealed here.
    Pushed(BatchId),
    /// A device: the batch is in the log, and ends at this place.
    Acked(SpaceId, BatchId, Position),
    /// A device: what the batch says is in the log, by this place, and was before it came.
    Known(SpaceId, Position),
    /// A device: the batch is in the intake.
    Stored(BatchId),
    /// A device: this is at this place of the log.
    Delivered(SpaceId, Position, ChangeHash),
    /// An administrator: there is this account.
    Account(AccountId),
}

/// A promise and when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// When.
    pub at: usize,
    /// What.
    pub what: Promise,
}

/// One machine while it is recorded. Clones are the same.
#[derive(Debug, Clone)]
pub struct Recorder {
    kind: Kind,
    directory: PathBuf,
    tape: Tape,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    commits: Vec<Commit>,
    promises: Vec<Promised>,
}

impl Commits for Recorder {
    fn committed(&self, durable: Durable) {
        self.commit(durable);
    }
}

impl Recorder {
    /// Records what the machine does in an empty directory.
    ///
    /// # Errors
    /// Of the file system.
    pub fn start(kind: Kind, directory: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let tape = Tape::watch(&directory);
        Ok(Self { kind, directory, tape, heard: Arc::default() })
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its database.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join(self.kind.file())
    }

    /// How often something was flushed.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.tape.flushes()
    }

    /// A commit returned.
    pub fn commit(&self, durable: Durable) {
        let at = self.tape.len();
        self.heard().commits.push(Commit { at, durable });
    }

    /// Somebody is told something.
    pub fn promise(&self, what: Promise) {
        let at = self.tape.len();
        self.heard().promises.push(Promised { at, what });
    }

    /// Everything, once the machine is off.
    #[must_use]
    pub fn stop(self, journal: Journal) -> Machine {
        let Heard { mut commits, promises } = std::mem::take(&mut *self.heard());
        if journal == Journal::Rollback {
            // Without a write-ahead log no commit can wait for the next (decision 0006).
            commits.iter_mut().for_each(|commit| commit.durable = Durable::Flushed);
        }
        Machine { kind: self.kind, journal, ops: self.tape.stop(), commits, promises }
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was recorded of a machine.
#[derive(Debug)]
pub struct Machine {
    /// What it runs.
    pub kind: Kind,
    /// What makes its commits atomic.
    pub journal: Journal,
    /// What it did to its files.
    pub ops: Vec<Op>,
    /// Its commits.
    pub commits: Vec<Commit>,
    /// What it promised.
    pub promises: Vec<Promised>,
}

impl Machine {
    /// The states that a crash after so many ops may leave: as after the first of these commits, or after one of those
    /// up to the last. Number 0 is before the first.
    #[must_use]
    pub fn possible(&self, cut: usize) -> std::ops::RangeInclusive<usize> {
        let returned = self.commits.partition_point(|commit| commit.at <= cut);
        let durable = self.commits[..returned].iter().rposition(|commit| commit.durable == Durable::Flushed);
        // The next one may be under way, and on the disk before it returns.
        durable.map_or(0, |last| last + 1)..=(returned + 1).min(self.commits.len())
    }

    /// What had been promised by then.
    pub fn promised(&self, cut: usize) -> impl Iterator<Item = &Promise> {
        self.promises.iter().take_while(move |promised| promised.at <= cut).map(|promised| &promised.what)
    }

    /// Where something is flushed: the numbers of those ops.
    pub fn flushes(&self) -> impl Iterator<Item = usize> {
        self.ops.iter().enumerate().filter(|(_, op)| op.is_flush()).map(|(at, _)| at)
    }
}
