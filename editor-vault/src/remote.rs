//! What a relay sent, made durable: entries of logs, whole documents, fates and grants.
//!
//! A vault trusts no relay: chains, hashes and snapshots are recomputed before anything is stored, and what cannot be
//! applied safely makes its document held, not the vault.

mod bootstrap; // whole documents for a vault that is new to a space
mod delivery; // entries of a log, with its resume point
mod entries; // one entry, into rows
mod fates; // what became of our batches
mod resubmitted; // refused edits that were made again elsewhere
mod offer; // what a relay has lost and gets back
mod supply; // what it lacks of what a batch rests on
mod grants; // spaces given, changed, taken; the first login

use std::sync::Arc;

use sync_wire::{DocumentId, SpaceId};

pub(crate) use self::bootstrap::Assembly;
pub(crate) use self::offer::Offering;
use crate::error::StorageError;
use crate::loaded::{Arrival, Loaded, Look};
use crate::vault::Inner;

/// Why what a relay sent was not made durable. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// It is not what the relay can have.
    #[error("{0}")]
    Rejected(String),
    /// The credentials are those of another account.
    #[error(
        "this vault belongs to account {owner} and the credentials to account {found}: \
         use credentials of its account, or another vault"
    )]
    OtherAccount {
        /// Whose vault it is.
        owner: sync_wire::AccountId,
        /// Whose credentials they are.
        found: sync_wire::AccountId,
    },
    /// The file could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl RemoteError {
    fn rejected(detail: impl Into<String>) -> Self {
        Self::Rejected(detail.into())
    }
}

impl Inner {
    /// Lets a document that is in memory take in what was stored, as one batch, and hints its watchers. `arrival` is
    /// all that was stored, if that is known.
    pub(crate) fn take_in(self: &Arc<Self>, space: SpaceId, document: DocumentId, arrival: Option<&Arrival>) {
        match self.shelf.get(self.resolve(space), document) {
            Some(loaded) if !arrival.is_some_and(|arrival| loaded.add_arrived(self, arrival)) => {
                self.look_at_file(&loaded);
            }
            _ => self.hint(space, document),
        }
    }

    /// Lets a document that is in memory take in what the file has more, and hints its watchers.
    pub(crate) fn look_at_file(self: &Arc<Self>, loaded: &Loaded) {
        let mut state = loaded.lock();
        loaded.mark_stale();
        // A document that is not loaded stays so; one that cannot be read says so to whoever reads it.
        if Loaded::in_memory(&mut state).is_some()
            && let Err(error) = loaded.current(self, &mut state, Look::File)
        {
            let (document, error) = (loaded.id, error.to_string());
            tracing::warn!(document.id = %document, error, "Document {document} cannot take in what came");
        }
        drop(state);
        self.hint(loaded.space, loaded.id);
    }
}
