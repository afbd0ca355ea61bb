//! Fields that wait for a person, of one document and of all that somebody may read.
//!
//! They are read off the document itself, with all of its log: what applies has passed the check. The list of documents
//! is made of counts that storage keeps; a document that has changed since it was counted is looked at again, by
//! whoever asks first.

use std::collections::HashMap;
use std::sync::Arc;

use document::{Alternative, Concurrent, Document, HistoryError};
use relay_storage::{
    ConflictKey, CountedConflicts, DocumentState, ListConflicts, MayConflict, ReadError, StorageError, WrittenBy,
};
use schemas::{DocumentType, Registry};
use sync_wire::{ChangeHash, DocumentId, SpaceId};
use tracing::{debug, warn};

use crate::access::Readable;
use crate::app::App;
use crate::relay::check::{self, CheckError};

/// Documents that are looked at for one page of the list.
const LOOKS_MAX: usize = 32;

/// The fields of a document that wait for a person.
#[derive(Debug)]
pub struct Open {
    /// Where the document stands.
    pub state: DocumentState,
    /// What people call it.
    pub title: Option<String>,
    /// By stored path, those that were asked for.
    pub conflicts: Vec<Conflict>,
    /// If there are more: what to ask for as `after`.
    pub next: Option<String>,
}

/// One field.
#[derive(Debug)]
pub struct Conflict {
    /// Where it is in the plain form: an item of a list is named by its place.
    pub path: String,
    /// Where it is stored. Unlike the place of an item, this does not change.
    pub stored_path: String,
    /// At least two: the one that is shown first, the others from the newest to the oldest.
    pub values: Vec<Value>,
}

/// One of its values.
#[derive(Debug)]
pub struct Value {
    /// The value, and the change that wrote it.
    pub is: Alternative,
    /// When it was written, as its device says: seconds since 1970.
    pub device_time: i64,
    /// What the log says of the change; nothing where it says nothing.
    pub by: Option<WrittenBy>,
}

/// A document with fields that wait.
#[derive(Debug)]
pub struct Waiting {
    /// The document.
    pub document: MayConflict,
    /// How many fields wait; at least one.
    pub fields: u64,
}

/// A page of the list.
#[derive(Debug, Default)]
pub struct Inbox {
    /// By space, type and id.
    pub items: Vec<Waiting>,
    /// If there may be more: what to ask for as `after`.
    pub next: Option<ConflictKey>,
}

/// Why nothing can be said of a document.
#[derive(Debug, thiserror::Error)]
pub enum ConflictsError {
    /// It was deleted.
    #[error("document {0} was deleted; restore it first")]
    Deleted(DocumentId),
    /// Its log does not apply, so there is no telling what waits.
    #[error("the document is held: {0}")]
    Held(String),
    /// It could not be loaded now.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// What is loaded cannot be read.
    #[error("the conflicts of the document cannot be read: {0}")]
    Unreadable(#[from] HistoryError),
    /// The log could not be asked.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The work was not finished.
    #[error("the look ended early: {0}")]
    Stopped(String),
}

/// What a look at a document found.
struct Found {
    state: DocumentState,
    document: Document,
    document_type: Option<Arc<DocumentType>>,
    conflicts: Vec<Concurrent>,
}

/// At most `limit` fields of a document that wait for a person, those behind the stored path `after`; `None` if the
/// space has no such document. A document of a type that is not known here has none.
///
/// # Errors
/// [`ConflictsError`]
pub async fn of_document(
    app: &App,
    source: &Readable,
    document: DocumentId,
    after: Option<String>,
    limit: usize,
) -> Result<Option<Open>, ConflictsError> {
    let Some(mut found) = look(app, source.space(), document).await? else { return Ok(None) };
    found.conflicts.retain(|conflict| after.as_ref().is_none_or(|after| conflict.path > *after));
    let has_more = found.conflicts.len() > limit;
    found.conflicts.truncate(limit);
    let next = found.conflicts.last().filter(|_| has_more).map(|conflict| conflict.path.clone());
    let (mut open, changes) = blocking(app, move || described(found)).await??;
    open.next = next;
    let names = changes.iter().map(|(_, name)| *name).collect();
    let written = app.storage.written_by(source.space(), document, names).await?;
    let by: HashMap<_, _> = changes.iter().map(|(hash, _)| *hash).zip(written).collect();
    for value in open.conflicts.iter_mut().flat_map(|conflict| &mut conflict.values) {
        value.by = by.get(&value.is.hash).copied().flatten();
    }
    Ok(Some(open))
}

/// Documents of readable spaces with fields that wait, at most `limit`. A page may have fewer, or none, though more
/// follow: so many documents are looked at for one.
///
/// # Errors
/// Storage failed.
pub async fn inbox(
    app: &App,
    sources: &[Readable],
    after: Option<ConflictKey>,
    limit: usize,
) -> Result<Inbox, StorageError> {
    let spaces = sources.iter().map(Readable::space).collect();
    let types = deciding_types(&app.types.current());
    let listed = app.storage.list_conflicts(ListConflicts { spaces, types, after, limit }).await?;
    let is_full = listed.len() == limit;
    let (mut inbox, mut last) = (Inbox::default(), None);
    let (mut looks, mut bytes) = (0, 0);
    for document in listed {
        let fields = match document.fields {
            Some(fields) => fields,
            None if looks == LOOKS_MAX || bytes > app.config.api.version_bytes_max => {
                return Ok(Inbox { next: last, ..inbox });
            }
            None => {
                (looks, bytes) = (looks + 1, bytes + document.bytes);
                count(app, &document.key).await?
            }
        };
        last = Some(document.key.clone());
        if fields > 0 {
            inbox.items.push(Waiting { document, fields });
        }
    }
    Ok(Inbox { next: last.filter(|_| is_full), ..inbox })
}

/// The types with fields about which a person decides, each with its newest version.
fn deciding_types(known: &Registry) -> Vec<(String, u32)> {
    let newest = known.names().filter_map(|name| known.get(name)).filter(|known| known.has_manual());
    newest.map(|known| (known.name.clone(), known.version)).collect()
}

/// How many fields of a document wait, counted and kept. None of one that cannot be looked at: that must not hide what
/// waits in others.
async fn count(app: &App, key: &ConflictKey) -> Result<u64, StorageError> {
    let (space, document) = (key.space, key.document);
    let found = match look(app, space, document).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(0),
        Err(ConflictsError::Storage(error) | ConflictsError::Check(CheckError::Read(ReadError::Storage(error)))) => {
            return Err(error);
        }
        Err(error) => {
            debug!(space.id = %space, document.id = %document, "No conflicts of document {document}: {error}");
            return Ok(0);
        }
    };
    let fields = found.conflicts.len() as u64;
    if let Some(known) = found.document_type {
        let position = found.state.end.position;
        let counted = CountedConflicts { space, document, position, type_version: known.version, fields };
        // Without the count the next reader looks again, and reading goes on where nothing can be written.
        if let Err(error) = app.storage.note_conflicts(counted).await {
            warn!(error.code = error.code(), "The conflicts of document {document} were counted for nothing: {error}");
        }
    }
    Ok(fields)
}

async fn look(app: &App, space: SpaceId, document: DocumentId) -> Result<Option<Found>, ConflictsError> {
    let permit = Arc::clone(&app.rebuilds).acquire_owned().await;
    let permit = permit.map_err(|error| ConflictsError::Stopped(error.to_string()))?;
    let (copy, state) = match check::copy(app, space, document).await {
        Ok(Some((_, state))) if state.deleted => return Err(ConflictsError::Deleted(document)),
        Ok(Some((None, state))) => return Err(ConflictsError::Held(state.held.unwrap_or_default())),
        Ok(Some((Some(copy), state))) => (copy, state),
        Ok(None) => return Ok(None),
        Err(CheckError::Log(error)) => return Err(ConflictsError::Held(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let types = app.types.current();
    let found = blocking(app, move || {
        let found = found_in(&types, copy, state);
        drop(permit);
        found
    });
    Ok(Some(found.await??))
}

fn found_in(types: &Registry, mut document: Document, state: DocumentState) -> Result<Found, HistoryError> {
    let document_type = document.type_name().and_then(|name| types.shared(&name));
    if let Some(known) = &document_type {
        document.set_manual(known.manual_fields());
    }
    let conflicts = document.conflicts()?;
    Ok(Found { state, document, document_type, conflicts })
}

/// A change, by its actor and its number among the changes of that.
type Named = (ChangeHash, (sync_wire::Actor, u64));

/// What people have to know of conflicts, and the changes of which the log has to be asked.
fn described(found: Found) -> Result<(Open, Vec<Named>), HistoryError> {
    let Found { state, document, document_type, conflicts } = found;
    let history = if conflicts.is_empty() { Vec::new() } else { document.history()? };
    let history: HashMap<_, _> = history.into_iter().map(|change| (change.hash, change)).collect();
    let stored = document.value();
    let mut changes = HashMap::new();
    let described = conflicts.into_iter().map(|Concurrent { path: stored_path, values }| {
        let values = values.into_iter().filter_map(|is| {
            let change = history.get(&is.hash)?;
            changes.insert(change.hash, (change.actor, change.seq));
            Some(Value { is, device_time: change.time, by: None })
        });
        let values = values.collect();
        let path =
            document_type.as_ref().map_or_else(|| stored_path.clone(), |known| known.plain_path(&stored, &stored_path));
        Conflict { path, stored_path, values }
    });
    let conflicts = described.collect();
    let title = document_type.and_then(|known| known.title(&stored));
    Ok((Open { state, title, conflicts, next: None }, changes.into_iter().collect()))
}

async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ConflictsError> {
    app.runtime.blocking(work).await.map_err(ConflictsError::Stopped)
}
