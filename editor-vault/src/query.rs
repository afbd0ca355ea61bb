//! Documents found by what is in them: in the order of a field, by filters, by words.
//!
//! What documents are found by is derived from them and kept in the file (`storage/fields.rs`, `document_index`).
//! Nobody keeps it current on the way of an edit: whoever queries takes in first what moved since.

mod fold; // start here: what moved, taken in
mod live; // an answer that is kept current

use std::sync::Arc;

use document_index::Among;
pub use document_index::{Difference, Found, Page, Snippet};
use schemas::{Checked, DocumentType, Query};

pub use self::live::LiveQuery;
use crate::error::{ReadError, StorageError};
use crate::vault::{Inner, Vault};

/// Why a query was not answered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The query cannot be answered by anybody.
    #[error(transparent)]
    Query(#[from] schemas::QueryError),
    /// The SQLite that the host linked does not look for words.
    #[error(
        "this SQLite has no FTS5 and finds no words: build with the feature `bundled-sqlite`, or link one that has"
    )]
    NoFullText,
    /// There is no such type or space, or the file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl QueryError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(error) => error.code(),
            Self::NoFullText => "no_full_text",
            Self::Read(error) => error.code(),
        }
    }
}

impl From<StorageError> for QueryError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

impl Vault {
    /// The documents that a query means, as they are saved when it is asked; deleted ones are not among them.
    ///
    /// Costs what the page costs, however many documents there are; the first query of a type, and those after much has
    /// moved, also read what moved. Well-known documents that nobody edited yet are in no file and are not found.
    ///
    /// # Errors
    /// [`QueryError::Query`] with the remedy, if the query names a field without an index, or is too large;
    /// [`QueryError::Read`] with [`ReadError::NoSuchType`], [`ReadError::NoSuchSpace`] or [`ReadError::Storage`].
    ///
    /// # Example
    /// ```
    /// use editor_vault::{Compare, Query, Vault};
    ///
    /// let dir = editor_vault::doctest::directory()?;
    /// let vault = Vault::open(dir.path())?;
    /// for name in ["shopping", "plan", "poem"] {
    ///     vault.create("note", Some(name), None)?;
    /// }
    /// let query = Query::of("note").where_("/name", Compare::StartsWith("p".into())).limit(1);
    /// let page = vault.query(&query)?;
    /// assert_eq!(page.found[0].title.as_deref(), Some("plan"));
    /// let rest = vault.query(&query.after(page.next.ok_or("no second page")?))?;
    /// assert_eq!(rest.found[0].title.as_deref(), Some("poem"));
    /// // A field without an index is never looked for in every document.
    /// let refused = vault.query(&Query::of("note").where_("/body", Compare::Present)).unwrap_err();
    /// assert_eq!(refused.code(), "not_indexed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn query(&self, query: &Query) -> Result<Page, QueryError> {
        let inner = self.live()?;
        let (schema, checked) = inner.check(query)?;
        inner.fold(&schema)?;
        let rows = inner.storage.read_at_once(|tx| tx.found(&checked, Among::All))?;
        Ok(Page::of(&schema, &checked, rows))
    }
}

impl Inner {
    fn check(&self, query: &Query) -> Result<(Arc<DocumentType>, Checked), QueryError> {
        let schema = self.schemas.shared(query.type_name());
        let schema = schema.ok_or_else(|| self.no_such_type(query.type_name(), |_| true))?;
        let mut checked = query.check(&schema)?;
        checked.space = checked.space.map(|space| self.known_space(space)).transpose()?;
        if checked.words.is_some() && !self.storage.read(|tx| tx.can_find_words())? {
            return Err(QueryError::NoFullText);
        }
        Ok((schema, checked))
    }
}
