//! What a relay refused, for people: why, what it said, and the ways on. Nothing leaves the quarantine by itself, but
//! for what its own account has said again elsewhere (`remote/resubmitted`).

mod copy; // into a new document, or into a file
mod error; // one enum for all of it
mod past; // a refused change with what it rests on, out of the file
mod resubmit; // as a new edit

use std::path::Path;

use sync_wire::{BatchId, Content, FateCode};

pub use ::document::{Quarantined, Refused};

pub use self::error::QuarantineError;
use crate::document::Document;
use crate::error::ReadError;
use crate::storage::QuarantineRow;
use crate::vault::Vault;

/// Fewest characters that name one.
const PREFIX_MIN: usize = 4;

/// Edits of this vault that a relay refused for good and that nothing else says. Their bytes are kept until a person
/// discards them; see [`Vault::quarantine`].
#[derive(Debug)]
pub struct Quarantine<'v> {
    vault: &'v Vault,
}

impl Vault {
    /// Edits that were refused for good.
    ///
    /// # Example: a vault of which nothing was refused
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// assert!(vault.quarantine().list()?.is_empty());
    /// let error = vault.quarantine().find("abcd").unwrap_err();
    /// assert_eq!(error.code(), "not_quarantined");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn quarantine(&self) -> Quarantine<'_> {
        Quarantine { vault: self }
    }
}

impl Quarantine<'_> {
    /// Everything in quarantine, by document, in the order in which it was saved.
    ///
    /// # Errors
    /// [`QuarantineError::Read`].
    pub fn list(&self) -> Result<Vec<Quarantined>, QuarantineError> {
        Ok(self.rows()?.into_iter().map(Quarantined::from).collect())
    }

    /// The edit that `named` means: at least 4 characters with which its id begins.
    ///
    /// # Errors
    /// [`QuarantineError::NotQuarantined`] if none is meant, [`QuarantineError::Ambiguous`] if several are.
    pub fn find(&self, named: &str) -> Result<Quarantined, QuarantineError> {
        let mut found: Vec<_> =
            self.list()?.into_iter().filter(|item| item.id.to_string().starts_with(named)).collect();
        let is_prefix = named.len() >= PREFIX_MIN;
        match (found.pop().filter(|_| is_prefix), found.len()) {
            (Some(item), 0) => Ok(item),
            (Some(_), more) => Err(QuarantineError::Ambiguous { wanted: named.to_owned(), count: more + 1 }),
            (None, _) => Err(QuarantineError::NotQuarantined { wanted: named.to_owned() }),
        }
    }

    /// What one says: values as its author had them, before and after.
    ///
    /// # Errors
    /// [`QuarantineError::NotQuarantined`], [`QuarantineError::Read`].
    pub fn show(&self, id: BatchId) -> Result<Refused, QuarantineError> {
        let row = self.row(id)?;
        let Some((_, hash)) = row.change else {
            return Ok(if matches!(row.content, Content::Tombstone(_)) {
                Refused::Deletion
            } else {
                Refused::Restoration
            });
        };
        Ok(match self.past(&row, hash)? {
            Ok(past) => Refused::from(&past),
            Err(error) => Refused::Unreadable { detail: error.to_string() },
        })
    }

    /// Says the same again: a new edit of the document as it is now, which is sent like any other. Saved when this
    /// returns, and out of the quarantine. What the document says already is not said twice.
    ///
    /// # Errors
    /// [`QuarantineError::Unreadable`] if it cannot be put together or does not fit the document any more;
    /// [`QuarantineError::Squashed`], [`QuarantineError::Edit`].
    pub fn resubmit(&self, id: BatchId) -> Result<(), QuarantineError> {
        let row = self.unsaid(id)?;
        match (&row.content, row.change) {
            (_, Some((_, hash))) => self.resubmit_change(&row, hash)?,
            (Content::Tombstone(_), None) => {
                let document = self.vault.document(row.space, row.document)?;
                self.vault.delete(&document)?;
            }
            (_, None) => {
                let document = self.vault.document(row.space, row.document)?;
                self.vault.restore(&document)?;
            }
        }
        self.settle(&row, |tx, batch| tx.set_resubmitted(batch))
    }

    /// Makes a new document that holds what the author of the edit had: of the same type, or a note with its JSON if
    /// there is always one document of that type. The edit stays in quarantine.
    ///
    /// # Errors
    /// [`QuarantineError::Unreadable`], [`QuarantineError::NoCopy`] for a deletion or a document of another program;
    /// [`QuarantineError::Squashed`], [`QuarantineError::Edit`].
    pub fn copy(&self, id: BatchId, title: Option<&str>) -> Result<Document, QuarantineError> {
        self.copy_of(&self.unsaid(id)?, title)
    }

    /// Writes it into a new file, mode 0600: JSON with the reason, the values before and after, and the bytes as
    /// hexadecimal digits. It stays in quarantine.
    ///
    /// # Errors
    /// [`QuarantineError::File`] if the file is there already or cannot be written.
    pub fn export(&self, id: BatchId, file: &Path) -> Result<(), QuarantineError> {
        self.write_to(&self.row(id)?, file)
    }

    /// Throws it away. The row of its batch is kept, the bytes of its change are not.
    ///
    /// # Errors
    /// [`QuarantineError::NotQuarantined`], [`QuarantineError::Read`].
    pub fn discard(&self, id: BatchId) -> Result<(), QuarantineError> {
        let row = self.row(id)?;
        self.settle(&row, |tx, batch| tx.discard(batch))
    }

    fn rows(&self) -> Result<Vec<QuarantineRow>, QuarantineError> {
        let rows = self.vault.live()?.storage.read(|tx| tx.quarantine_rows());
        rows.map_err(|error| ReadError::from(error).into())
    }

    fn row(&self, id: BatchId) -> Result<QuarantineRow, QuarantineError> {
        let found = self.rows()?.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| QuarantineError::NotQuarantined { wanted: id.to_string() })
    }

    /// One that nothing else says.
    fn unsaid(&self, id: BatchId) -> Result<QuarantineRow, QuarantineError> {
        let row = self.row(id)?;
        if row.code == FateCode::SQUASHED { Err(QuarantineError::Squashed { id }) } else { Ok(row) }
    }

    fn settle(
        &self,
        row: &QuarantineRow,
        settle: impl FnOnce(&crate::storage::Tx<'_>, i64) -> Result<bool, crate::StorageError> + Send + 'static,
    ) -> Result<(), QuarantineError> {
        let (batch, inner) = (row.row, self.vault.live()?);
        inner.storage.write(move |tx| settle(tx, batch)).map_err(ReadError::from)?;
        inner.hint(row.space, row.document);
        Ok(())
    }
}

impl From<QuarantineRow> for Quarantined {
    fn from(row: QuarantineRow) -> Self {
        Self {
            id: row.id,
            space: row.space,
            document: row.document,
            type_name: row.type_name,
            title: row.title,
            change: row.change.map(|(_, hash)| hash),
            code: row.code,
            remedy: Self::remedy_of(row.code),
            detail: row.detail,
            culprit: row.culprit,
            unix_seconds: row.unix_seconds,
            continued_by: row.continued_by,
        }
    }
}
