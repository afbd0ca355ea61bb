//! Deletions that did not know the newest edits of others. The edits win until a person decides (PROTOCOL §7).

use sync_wire::{DocumentId, FateCode, SpaceId};

use crate::document::Document;
use crate::error::{EditError, ReadError, StorageError};
use crate::storage::Tx;
use crate::vault::Vault;

/// A deletion made here that the relay did not take, because others had edited the document meanwhile. The document is
/// there, with their edits, and can be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContestedDeletion {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it, as it was last found out.
    pub title: Option<String>,
    /// What the relay said, for people.
    pub detail: String,
}

/// What becomes of a document whose deletion is contested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is deleted as it is now, with the edits of others.
    Delete,
    /// It stays; the deletion is thrown away.
    Keep,
}

impl Vault {
    /// Deletions that wait for a person: [`Vault::decide`] settles one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn contested(&self) -> Result<Vec<ContestedDeletion>, ReadError> {
        let waiting = self.live()?.storage.read(|tx| tx.waiting_deletions(FateCode::CONTESTED))?;
        let mut contested: Vec<_> = waiting
            .into_iter()
            .map(|found| ContestedDeletion {
                space: found.space,
                document: found.document,
                type_name: found.type_name,
                title: found.title,
                detail: found.detail,
            })
            .collect();
        // A document that was deleted twice is one question.
        contested.dedup_by_key(|found| (found.space, found.document));
        Ok(contested)
    }

    /// Decides on a contested deletion. To delete it means what this vault has of it now: if others have edited it once
    /// more meanwhile, it is contested again.
    ///
    /// # Errors
    /// [`EditError::NotContested`] if nothing is to be decided; as [`Vault::delete`].
    ///
    /// # Example: nothing to decide
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("loved"), None)?;
    /// let error = vault.decide(&note, editor_vault::Decision::Keep).unwrap_err();
    /// assert_eq!(error.code(), "not_contested");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decide(&self, document: &Document, decision: Decision) -> Result<(), EditError> {
        let inner = self.live()?;
        let (space, id) = (inner.resolve(document.space()), document.id());
        let is_it = |found: &ContestedDeletion| (inner.resolve(found.space), found.document) == (space, id);
        if !self.contested()?.iter().any(is_it) {
            return Err(EditError::NotContested { document: id });
        }
        match decision {
            Decision::Delete => self.delete(document),
            Decision::Keep => {
                let keep = move |tx: &Tx<'_>| {
                    let found = tx.document(space, id)?;
                    let row = found.ok_or_else(|| tx.unexpected(format!("no document {id}")))?.row;
                    tx.discard_deletions(row, FateCode::CONTESTED)
                };
                inner.storage.write::<usize, StorageError>(keep).map_err(EditError::not_saved)?;
                inner.marked(space, id);
                Ok(())
            }
        }
    }
}
