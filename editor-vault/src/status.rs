//! Where a document's edits stand: unsaved, saved, stored, synced, parked or quarantined, never collapsed.

use sync_wire::FateCode;

use crate::document::Document;
use crate::error::{ReadError, StorageError};
use crate::storage::{DocumentRow, Tx};

/// Where a document's edits stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentStatus {
    /// Whether some edits are in memory only.
    pub unsaved: bool,
    /// The least favourable state of its saved edits.
    pub state: DocumentState,
    /// Saved batches that are not in the log, stored and parked ones included.
    pub pending_batches: u64,
    /// Those of them that are durable at the relay, in the intake of a shared space, and have no place in the log yet.
    pub stored_batches: u64,
    /// Why it can only be read, if a change in it could not be applied safely.
    pub held: Option<String>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Whether it is deleted for good: nothing of its content is left.
    pub purged: bool,
}

/// The least favourable state of a document's saved edits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentState {
    /// On this device's disk, and the relay has not answered yet.
    Saved,
    /// Durable at the relay, in the intake of a shared space.
    Stored,
    /// In the log.
    Synced,
    /// Kept here, and sent again when what decided changes.
    Parked {
        /// Why.
        code: FateCode,
        /// A sentence for people.
        detail: String,
    },
    /// Refused by the relay: kept here for ever, and no longer part of the document.
    Quarantined {
        /// Why.
        code: FateCode,
        /// A sentence for people.
        detail: String,
    },
}

impl DocumentState {
    /// The stable word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Stored => "stored",
            Self::Synced => "synced",
            Self::Parked { .. } => "parked",
            Self::Quarantined { .. } => "quarantined",
        }
    }
}

impl DocumentStatus {
    /// Of a document that nobody has edited yet.
    fn untouched(is_local: bool) -> Self {
        let state = if is_local { DocumentState::Saved } else { DocumentState::Synced };
        Self { unsaved: false, state, pending_batches: 0, stored_batches: 0, held: None, deleted: false, purged: false }
    }

    /// From what is stored; `is_local`: no relay knows the space.
    pub(crate) fn of(tx: &Tx<'_>, row: &DocumentRow, is_local: bool, unsaved: bool) -> Result<Self, StorageError> {
        let counts = tx.batch_counts(row.row)?;
        let parked = if counts.parked > 0 { tx.parked(row.row)? } else { None };
        let state = if let Some(verdict) = parked {
            DocumentState::Parked { code: verdict.code, detail: verdict.detail }
        } else if let Some(verdict) = tx.quarantined(row.row)? {
            DocumentState::Quarantined { code: verdict.code, detail: verdict.detail }
        } else if counts.pending > 0 || is_local {
            DocumentState::Saved
        } else if counts.stored > 0 {
            DocumentState::Stored
        } else {
            DocumentState::Synced
        };
        let pending_batches = counts.pending + counts.stored + counts.parked;
        Ok(Self {
            unsaved,
            state,
            pending_batches,
            stored_batches: counts.stored,
            held: row.held.clone(),
            deleted: row.deleted,
            purged: row.purged,
        })
    }
}

impl Document {
    /// Where the document's edits stand. Loads nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn status(&self) -> Result<DocumentStatus, ReadError> {
        let inner = self.vault().live()?;
        let unsaved = inner.shelf.get(self.space(), self.id()).is_some_and(|loaded| loaded.has_unsaved());
        let status = inner.storage.read_at_once(|tx| {
            let is_local = tx.space(self.space())?.is_none_or(|space| space.kind.is_none());
            match tx.document(self.space(), self.id())? {
                Some(row) => DocumentStatus::of(tx, &row, is_local, unsaved),
                None => Ok(DocumentStatus { unsaved, ..DocumentStatus::untouched(is_local) }),
            }
        })?;
        Ok(status)
    }
}
