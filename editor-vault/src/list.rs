//! What is in the vault, without loading it.
//!
//! Titles are kept with every commit of our own; those of documents that others moved are found out here, once, and
//! kept.

use std::collections::HashSet;
use std::sync::Arc;

use sync_wire::{DocumentId, SpaceId};

use crate::document::Document;
use crate::error::{ReadError, StorageError};
use crate::loaded::Look;
use crate::status::DocumentStatus;
use crate::storage::{ListRow, Moved, Tx};
use crate::vault::{Inner, Vault};

/// Ids that are named when a title is ambiguous.
const IDS_SHOWN: usize = 5;

/// Which documents to list; the default is all that are not deleted, in every space.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Only this space.
    pub space: Option<SpaceId>,
    /// Only this type.
    pub type_name: Option<String>,
    /// Deleted ones too.
    pub include_deleted: bool,
}

/// One document of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// The space.
    pub space: SpaceId,
    /// Its id.
    pub id: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Where its edits stand.
    pub status: DocumentStatus,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Bytes of its changes in the vault.
    pub bytes: u64,
}

impl Vault {
    /// The documents of the vault, by space and id.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn list(&self, filter: &ListFilter) -> Result<Vec<DocumentInfo>, ReadError> {
        let inner = self.live()?;
        let mut found = inner.storage.read_at_once(|tx| {
            let local: HashSet<SpaceId> =
                tx.spaces()?.into_iter().filter(|space| space.kind.is_none()).map(|space| space.space).collect();
            let rows = tx.list(filter.space, filter.type_name.as_deref(), filter.include_deleted)?;
            let info = |row: ListRow| {
                let unsaved = inner.shelf.get(row.space, row.id).is_some_and(|loaded| loaded.has_unsaved());
                let status = DocumentStatus::of(tx, &row.document, local.contains(&row.space), unsaved)?;
                Ok((row, status))
            };
            rows.into_iter().map(info).collect::<Result<Vec<_>, StorageError>>()
        })?;
        let is_stale = |row: &ListRow| row.document.title_is_stale && row.document.type_name.is_some();
        inner.find_titles(found.iter_mut().map(|(row, _)| row).filter(|row| is_stale(row)));
        Ok(found.into_iter().map(|(row, status)| DocumentInfo::new(row, status)).collect())
    }

    /// A document by its id (those of the home space first), else by its title if only one has it.
    ///
    /// # Errors
    /// [`ReadError::NoneCalled`], [`ReadError::Ambiguous`].
    pub fn find(&self, title_or_id: &str) -> Result<Document, ReadError> {
        self.find_among(&self.list(&ListFilter::default())?, title_or_id)
    }

    /// As [`Vault::find`], among the documents that are deleted.
    ///
    /// # Errors
    /// As [`Vault::find`].
    pub fn find_deleted(&self, title_or_id: &str) -> Result<Document, ReadError> {
        let mut listed = self.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?;
        listed.retain(|info| info.deleted);
        self.find_among(&listed, title_or_id)
    }

    fn find_among(&self, listed: &[DocumentInfo], title_or_id: &str) -> Result<Document, ReadError> {
        if let Ok(id) = title_or_id.parse::<DocumentId>() {
            let mut with_id: Vec<_> = listed.iter().filter(|info| info.id == id).collect();
            with_id.sort_by_key(|info| info.space != self.home());
            if let Some(info) = with_id.first() {
                return Ok(Document::new(self.clone(), info.space, info.id));
            }
        }
        let called: Vec<_> = listed.iter().filter(|info| info.title.as_deref() == Some(title_or_id)).collect();
        match called[..] {
            [] => Err(ReadError::NoneCalled { wanted: title_or_id.to_owned() }),
            [info] => Ok(Document::new(self.clone(), info.space, info.id)),
            _ => {
                let ids: Vec<_> = called.iter().take(IDS_SHOWN).map(|info| info.id.to_string()).collect();
                let (wanted, count) = (title_or_id.to_owned(), called.len());
                Err(ReadError::Ambiguous { wanted, count, ids: ids.join(", ") })
            }
        }
    }
}

impl DocumentInfo {
    fn new(row: ListRow, status: DocumentStatus) -> Self {
        let ListRow { space, id, document } = row;
        let (type_name, title) = (document.type_name, document.title);
        Self { space, id, type_name, title, status, deleted: document.deleted, bytes: document.bytes }
    }
}

/// A title, and where its document stood.
struct Found {
    row: i64,
    at: Moved,
    title: Option<String>,
}

impl Inner {
    /// Finds out titles that are not known, and keeps them.
    fn find_titles<'r>(self: &Arc<Self>, rows: impl Iterator<Item = &'r mut ListRow>) {
        let mut found = Vec::new();
        document::on_roomy_stack(|| rows.for_each(|row| row.document.title = self.find_title(row, &mut found)));
        if !found.is_empty() {
            let keep = move |tx: &Tx<'_>| {
                found.iter().try_for_each(|Found { row, at, title }| tx.refresh_title(*row, *at, title.as_deref()))
            };
            self.storage.submit::<_, StorageError>(keep, |_| ());
        }
    }

    /// Loads a document whose title is not known. One that cannot be put together has none.
    fn find_title(self: &Arc<Self>, row: &ListRow, found: &mut Vec<Found>) -> Option<String> {
        let schema = self.schemas.get(row.document.type_name.as_deref()?)?;
        let loaded = self.shelf.place(row.space, row.id);
        let mut state = loaded.lock();
        let document = loaded.current(self, &mut state, Look::File).ok()?;
        let title = schema.title_from(|path| document.get(path));
        let stored = state.stored.as_ref().filter(|_| !loaded.has_unsaved())?;
        found.push(Found { row: stored.row, at: stored.moved, title: title.clone() });
        title
    }
}
