//! A vault on one thread: no thread of its own is ever started, and every moment at which it may end can be seen.
//!
//! [`VaultOptions::inline`] opens it. Edits and everything that syncing stores run on the caller's thread; what threads
//! do in the background waits for [`Vault::run_due`]. Time, randomness and machine come from
//! [`Sources`](crate::Sources) alone, so two runs of one story write the same bytes.
//!
//! Waiting for a deferred edit waits for ever: call [`Vault::run_due`] when it is due, or [`Vault::flush`]. For a
//! device that ends without warning copy `vault.sqlite` and `vault.sqlite-wal`, drop the vault and open the copy, at
//! the same path if it is to remain the same device on the same machine: a copy elsewhere counts as one, and gets new
//! actors. For a power cut shorten the log to the length that it had at the last [`Durable::Flushed`].

use std::fmt;
use std::time::Duration;

use crate::error::StorageError;
use crate::storage::Flush;
pub use crate::sync::{InlineSync, Step};
use crate::vault::Vault;
#[cfg(doc)]
use crate::vault::VaultOptions;

/// Whether a commit has reached the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// It has, and so has every commit before it.
    Flushed,
    /// With the next one that must: a power cut may take it.
    Later,
}

impl From<Flush> for Durable {
    fn from(flush: Flush) -> Self {
        match flush {
            Flush::Now => Self::Flushed,
            Flush::Later => Self::Later,
        }
    }
}

/// Hears of commits.
pub trait Commits: Send + Sync + fmt::Debug {
    /// The vault's file has one commit more; nobody was told of its outcome yet. Must not use the vault.
    fn committed(&self, durable: Durable);
}

impl Vault {
    /// Does what the vault's threads would have done by now: seals deferred edits that are due, takes in what other
    /// processes wrote, and stores one transaction of changes out of snapshots. Gives how much was done; 0 is nothing.
    pub fn run_due(&self) -> usize {
        let inner = self.inner();
        inner.storage.look_for_foreign_writes();
        let mut done = 0;
        while let Some(task) = inner.sealer.take_due(inner.sources.monotonic()) {
            inner.perform_due(task);
            done += 1;
        }
        done + usize::from(inner.fill_on())
    }

    /// When [`Self::run_due`] has something to do next, as [`Sources::monotonic`](crate::Sources::monotonic) counts.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let inner = self.inner();
        if inner.has_to_fill() { Some(inner.sources.monotonic()) } else { inner.sealer.next_due() }
    }

    /// Moves everything into the file itself and empties the log beside it, which nothing else does here.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        self.inner().storage.checkpoint()
    }
}
