//! Deleting a document, and taking it back: batches of their own, in the document's lane. Next: `contested` and
//! `brake`, where a person decides.

use std::sync::Arc;

use sync_wire::{BatchId, ChangeHash, FateCode};

use crate::brake;
use crate::document::Document;
use crate::error::{EditError, StorageError};
use crate::loaded::Look;
use crate::sources::random16;
use crate::storage::{NewBatch, Tx};
use crate::vault::{Inner, Vault};

/// What happens to a document as a whole.
enum Mark {
    Delete { heads: Vec<ChangeHash> },
    Restore,
}

impl Vault {
    /// Deletes a document here and, when synced, everywhere. Edits that other devices made without knowing win until a
    /// person decides ([`Vault::contested`]). Very many deletions within an hour are held back ([`Vault::brake`]). It
    /// can be restored for 30 days.
    ///
    /// # Errors
    /// [`EditError::WellKnown`] for documents of which there is always one; [`EditError::NotSaved`].
    ///
    /// # Example
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("old"), None)?;
    /// vault.delete(&note)?;
    /// assert!(note.edit(|draft| draft.replace_text("/body", "new")).is_err());
    /// let settings = vault.well_known("settings")?;
    /// assert_eq!(vault.delete(&settings).unwrap_err().code(), "well_known");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, document: &Document) -> Result<(), EditError> {
        let inner = self.live()?;
        if let Some(name) = inner.well_known_type(document.id()) {
            return Err(EditError::WellKnown { name });
        }
        let (_, loaded) = document.place()?;
        let heads = {
            let mut state = loaded.lock();
            loaded.current(inner, &mut state, Look::File)?;
            if state.stored.as_ref().is_some_and(|row| row.deleted) {
                return Ok(());
            }
            // Deferred edits come first in the lane.
            if let Some(window) = state.window.take() {
                inner.commit_local(&loaded, &mut state, window.writing, window.ticket);
            }
            loaded.current(inner, &mut state, Look::Memory)?.heads()
        };
        inner.mark(document, Mark::Delete { heads })
    }

    /// Takes a deletion back.
    ///
    /// # Errors
    /// [`EditError::Purged`] if its content is gone; [`EditError::NotSaved`], [`EditError::Read`].
    pub fn restore(&self, document: &Document) -> Result<(), EditError> {
        let inner = self.live()?;
        let status = document.status()?;
        if status.purged {
            return Err(EditError::Purged { document: document.id() });
        }
        if status.deleted { inner.mark(document, Mark::Restore) } else { Ok(()) }
    }
}

impl Inner {
    fn mark(self: &Arc<Self>, document: &Document, mark: Mark) -> Result<(), EditError> {
        let (space, id) = (document.space(), document.id());
        let (batch, now) = (BatchId(random16(&*self.sources)), self.sources.unix_seconds());
        let save = move |tx: &Tx<'_>| {
            let found = tx.document(space, id)?;
            let row = found.ok_or_else(|| tx.unexpected(format!("no document {id}")))?.row;
            match &mark {
                Mark::Delete { heads } => {
                    // A person has decided.
                    tx.discard_deletions(row, FateCode::CONTESTED)?;
                    let saved = tx.save_batch(batch, row, NewBatch::Tombstone { heads })?;
                    brake::apply(tx, space, saved, now)?;
                    tx.set_deleted(row, true)
                }
                Mark::Restore => {
                    // A deletion that was held back never left this device.
                    if tx.discard_deletions(row, FateCode::BRAKE)? == 0 {
                        tx.save_batch(batch, row, NewBatch::Restore)?;
                    }
                    tx.set_deleted(row, false)
                }
            }
        };
        self.storage.write::<(), StorageError>(save).map_err(EditError::not_saved)?;
        self.marked(space, id);
        Ok(())
    }

    /// Whether a document is deleted has changed in the file.
    pub(crate) fn marked(&self, space: sync_wire::SpaceId, id: sync_wire::DocumentId) {
        if let Some(loaded) = self.shelf.get(space, id) {
            loaded.mark_stale();
        }
        self.hint(space, id);
        self.sync.saved();
    }
}
