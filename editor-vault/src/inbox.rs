//! The conflicts of all documents: what waits for a person.

use schemas::DocumentType;

use crate::document::{Conflict, Document};
use crate::error::ReadError;
use crate::vault::Vault;

impl Vault {
    /// Fields in all documents that wait for a person, by type, space, document and path. [`Document::resolve`] settles
    /// one; a hint about its document tells that the list may have changed.
    ///
    /// Loads every document whose type has fields with `x-merge: manual`, and no other. Deleted documents, and those
    /// that cannot be put together, are left out.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn conflicts(&self) -> Result<Vec<Conflict>, ReadError> {
        let inner = self.live()?;
        let has_manual = |name: &&str| inner.schemas.get(name).is_some_and(DocumentType::has_manual);
        let mut conflicts = Vec::new();
        for type_name in inner.schemas.names().filter(has_manual) {
            let rows = inner.storage.read_at_once(|tx| tx.list(None, Some(type_name), false))?;
            ::document::on_roomy_stack(|| -> Result<(), ReadError> {
                for row in rows {
                    conflicts.extend(Self::conflicts_of(&Document::new(self.clone(), row.space, row.id))?);
                }
                Ok(())
            })?;
        }
        Ok(conflicts)
    }

    /// `doctor` tells of documents that cannot be put together; one must not hide what waits in others.
    fn conflicts_of(document: &Document) -> Result<Vec<Conflict>, ReadError> {
        match document.conflicts() {
            Err(ReadError::Unreadable { .. } | ReadError::NotFound { .. }) => Ok(Vec::new()),
            found => found,
        }
    }
}
