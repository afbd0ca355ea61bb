//! The merged state, as the checks left it: what the website and plain HTTP clients read.
//!
//! Nothing unchecked is served. Waiting for a position means waiting for the check that reaches it.

pub mod reached; // who wants to hear that it advanced
pub mod version; // as it was at an earlier position
pub mod find; // by what is in them
pub mod conflicts; // what waits for a person

use std::time::Duration;

use relay_storage::{Deleted, HistoryPage, ListProjections, Projection, ProjectionList, ReadError, StorageError};
use schemas::{keymap, settings};
use sync_wire::{DocumentId, Epoch, LogPosition, Position, SpaceId};
use tokio::time::Instant;

use crate::access::Readable;
use crate::app::App;

/// How long a waiting reader trusts that it will be woken.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What readers of a document of a type do not get: how its file was written is for whoever writes the file.
#[must_use]
pub fn hidden_field(type_name: Option<&str>) -> Option<&'static str> {
    matches!(type_name, Some(settings::TYPE | keymap::TYPE)).then_some("layout")
}

/// Why a projection does not cover a position.
#[derive(Debug, thiserror::Error)]
pub enum AfterError {
    /// The position is of another life of the log.
    #[error("{after} is of another epoch; the log ends at {end}; read without `after` and go on from there")]
    EpochChanged {
        /// What was asked for.
        after: LogPosition,
        /// Where the log ends.
        end: LogPosition,
    },
    /// Not reached in time.
    #[error("{after} was not reached within {waited:?}; ask again")]
    Behind {
        /// What was asked for.
        after: LogPosition,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The document's check failed, so it will not be reached until somebody repairs it.
    #[error("the document is held and stays as it is: {reason}")]
    Held {
        /// Why.
        reason: String,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The merged state of a document; `None` if there is no checked state of it in this space.
///
/// # Errors
/// Storage failed.
pub async fn current(app: &App, source: &Readable, document: DocumentId) -> Result<Option<Projection>, StorageError> {
    app.storage.projection(source.space(), document).await
}

/// Whether a document of which there is no merged state was there, and is deleted for good.
///
/// # Errors
/// Storage failed.
pub async fn is_purged(app: &App, source: &Readable, document: DocumentId) -> Result<bool, StorageError> {
    let state = app.storage.document(source.space(), document).await?;
    Ok(state.is_some_and(|state| state.deleted && state.is_checked()))
}

/// The merged state of a document once it contains all that the log has of it up to `after`.
///
/// # Errors
/// [`AfterError`]
pub async fn at_least(
    app: &App,
    source: &Readable,
    document: DocumentId,
    after: LogPosition,
    patience: Duration,
) -> Result<Option<Projection>, AfterError> {
    reach(app, source, document, after, patience).await?;
    Ok(current(app, source, document).await?)
}

/// Waits until the merged state of a document contains all that the log has of it up to `after`.
///
/// # Errors
/// [`AfterError`]
pub async fn reach(
    app: &App,
    source: &Readable,
    document: DocumentId,
    after: LogPosition,
    patience: Duration,
) -> Result<(), AfterError> {
    wait_for(app, source, Awaited::Document(document), after, patience).await
}

/// Waits until the merged states of all documents of a space contain all that its log has up to `after`.
///
/// # Errors
/// [`AfterError`]
pub async fn reach_all(app: &App, source: &Readable, after: LogPosition, patience: Duration) -> Result<(), AfterError> {
    wait_for(app, source, Awaited::All, after, patience).await
}

/// What is to contain a position.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Document(DocumentId),
    All,
}

async fn wait_for(
    app: &App,
    source: &Readable,
    awaited: Awaited,
    after: LogPosition,
    patience: Duration,
) -> Result<(), AfterError> {
    let deadline = Instant::now() + patience;
    loop {
        // Asked for before the look, so that a check that ends in between is not missed.
        let checked = app.checker.projected(source.space());
        let is_reached = match awaited {
            Awaited::Document(document) => is_covered(app, source.space(), document, after).await?,
            Awaited::All => are_all_covered(app, source, after).await?,
        };
        if is_reached {
            return Ok(());
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(AfterError::Behind { after, waited: patience });
        }
        let _ = tokio::time::timeout_at(deadline.min(now + LOOK_AGAIN), checked).await;
    }
}

async fn are_all_covered(app: &App, source: &Readable, after: LogPosition) -> Result<bool, AfterError> {
    match reached::through(app, source).await? {
        Some(end) if end.epoch != after.epoch => Err(AfterError::EpochChanged { after, end }),
        Some(through) => Ok(through.position >= after.position),
        None => Ok(true),
    }
}

async fn is_covered(app: &App, space: SpaceId, document: DocumentId, after: LogPosition) -> Result<bool, AfterError> {
    let Some(end) = app.storage.end_of(space).await? else { return Ok(true) };
    if end.epoch != after.epoch {
        return Err(AfterError::EpochChanged { after, end });
    }
    if end.position < after.position {
        return Ok(false);
    }
    // Read after the end of the log: what the log has up to there, this row knows of.
    let Some(state) = app.storage.document(space, document).await? else { return Ok(true) };
    if state.checked >= after.position || state.is_checked() {
        return Ok(true);
    }
    match state.held {
        Some(reason) => Err(AfterError::Held { reason }),
        None => Ok(false),
    }
}

/// What to list.
#[derive(Debug, Clone)]
pub struct Selection {
    /// With or without deleted ones.
    pub deleted: Deleted,
    /// Only those that changed after this position; for one space.
    pub changed_after: Option<Position>,
    /// Only of this type.
    pub type_name: Option<String>,
    /// Only those after this one, in the order of (space, document).
    pub after: Option<(SpaceId, DocumentId)>,
    /// At most so many.
    pub limit: usize,
}

/// Lists documents of readable spaces, ascending by (space, document).
///
/// # Errors
/// Storage failed.
pub async fn list(app: &App, sources: &[Readable], selection: Selection) -> Result<ProjectionList, StorageError> {
    let Selection { deleted, changed_after, type_name, after, limit } = selection;
    let spaces = sources.iter().map(Readable::space).collect();
    let list = ListProjections { spaces, type_name, deleted, changed_after, after, limit };
    app.storage.list_projections(&list).await
}

/// A page of a document's history.
#[derive(Debug, Clone)]
pub struct History {
    /// Of the positions in it.
    pub epoch: Epoch,
    /// The entries.
    pub page: HistoryPage,
}

/// The checked entries of a document before a position, newest first; `None` if the space has nothing of it.
///
/// # Errors
/// [`AfterError::EpochChanged`], [`AfterError::Storage`]
pub async fn history(
    app: &App,
    source: &Readable,
    document: DocumentId,
    before: Option<LogPosition>,
    limit: usize,
) -> Result<Option<History>, AfterError> {
    let Some(state) = app.storage.document(source.space(), document).await? else { return Ok(None) };
    if let Some(after) = before.filter(|before| before.epoch != state.end.epoch) {
        return Err(AfterError::EpochChanged { after, end: state.end });
    }
    let end = Position(state.checked.0 + 1);
    let before = before.map_or(end, |before| end.min(before.position));
    match app.storage.document_history(source.space(), document, before, limit).await {
        Ok(page) => Ok(Some(History { epoch: state.end.epoch, page })),
        Err(ReadError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(None), // gone meanwhile
    }
}
