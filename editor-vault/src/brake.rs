//! The brake on very many deletions: a script that went wild must not empty an account before anybody looks.
//!
//! Counted for each space within an hour, by this vault and by others apart: more than 20 deletions, and more than a
//! quarter of the documents that there were. Those of this vault from there on are held back: the documents are deleted
//! here, and nobody hears of it until a person releases or undoes them. Before those of others are taken in, a restore
//! point is made, at most one for each hour; their bytes stay until they are purged anyway.

use sync_wire::{BatchId, DocumentId, FateCode, SpaceId};

use crate::error::{EditError, ReadError, StorageError};
use crate::sources::random16;
use crate::storage::{NewBatch, Refusal, Side, Tx, WaitingDeletion};
use crate::vault::Vault;

/// Judged by no version: only a person lets go.
const NO_VERSION: u64 = u64::MAX;
const DETAIL: &str = "more than 20 documents, and more than a quarter of all in the space, were deleted within an hour; \
                      release or undo these deletions";

/// A deletion that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldDeletion {
    /// The space.
    pub space: SpaceId,
    /// The document: deleted here, and there for everybody else.
    pub document: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it, as it was last found out.
    pub title: Option<String>,
}

impl Vault {
    /// Deletions of this vault that are held back, because they are so many.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Example: few are not held back
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// vault.delete(&vault.create("note", Some("old"), None)?)?;
    /// assert!(vault.brake()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn brake(&self) -> Result<Vec<HeldDeletion>, ReadError> {
        let waiting = self.live()?.storage.read(|tx| tx.waiting_deletions(FateCode::BRAKE))?;
        let held = waiting.into_iter().map(|WaitingDeletion { space, document, type_name, title, .. }| HeldDeletion {
            space,
            document,
            type_name,
            title,
        });
        Ok(held.collect())
    }

    /// Lets all deletions go that are held back: they are sent like any other. How many there were. Counting begins
    /// anew.
    ///
    /// # Errors
    /// [`EditError::NotSaved`], [`EditError::Read`].
    pub fn release_brake(&self) -> Result<usize, EditError> {
        let inner = self.live()?;
        let (sources, now) = (inner.sources.clone(), inner.sources.unix_seconds());
        self.settle_brake(move |tx, held| {
            // A batch of its own, after all others: whoever sends has looked past the old one.
            let batch = BatchId(random16(&*sources));
            let saved = tx.save_batch(batch, held.document_row, NewBatch::Tombstone { heads: &held.heads })?;
            let refusal = Refusal {
                code: FateCode::BRAKE,
                culprit: None,
                detail: "released by a person",
                unix_seconds: Some(now),
            };
            tx.replace(held.row, &refusal, Some(saved))
        })
    }

    /// Takes all deletions back that are held back: the documents are there again. How many there were. Counting begins
    /// anew.
    ///
    /// # Errors
    /// [`EditError::NotSaved`], [`EditError::Read`].
    pub fn undo_brake(&self) -> Result<usize, EditError> {
        self.settle_brake(|tx, held| {
            tx.discard_deletions(held.document_row, FateCode::BRAKE)?;
            tx.set_deleted(held.document_row, false)
        })
    }

    fn settle_brake(
        &self,
        settle: impl Fn(&Tx<'_>, &WaitingDeletion) -> Result<(), StorageError> + Send + 'static,
    ) -> Result<usize, EditError> {
        let inner = self.live()?;
        let now = inner.sources.unix_seconds();
        let settled = inner.storage.write::<_, StorageError>(move |tx| {
            let held = tx.waiting_deletions(FateCode::BRAKE)?;
            for deletion in &held {
                settle(tx, deletion)?;
            }
            for space in tx.spaces()? {
                if held.iter().any(|deletion| deletion.space == space.space) {
                    tx.forget_deletions(Side::Here, &space, now)?;
                }
            }
            Ok(held)
        });
        let settled = settled.map_err(EditError::not_saved)?;
        for deletion in &settled {
            inner.marked(deletion.space, deletion.document);
        }
        Ok(settled.len())
    }
}

/// Counts a deletion that was just saved, and holds it back if they are too many. What no relay knows cannot be missed
/// by anybody else.
pub(crate) fn apply(tx: &Tx<'_>, space: SpaceId, batch: i64, now: i64) -> Result<(), StorageError> {
    match tx.space(space)?.filter(|space| space.kind.is_some()) {
        Some(space) if tx.count_deletions(Side::Here, &space, now, 1)? => {
            tx.park(batch, FateCode::BRAKE, NO_VERSION, DETAIL)
        }
        _ => Ok(()),
    }
}
