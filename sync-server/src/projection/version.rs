//! A document as it was at an earlier position: rebuilt from its log, nothing of it is kept.
//!
//! Rebuilding costs what the document's history costs, so both its size and how many go on at once are bounded.

use std::sync::Arc;
use std::time::Duration;

use document::{ApplyError, Document, Snapshot};
use relay_storage::{DocumentState, NewProjection, Projection, ReadError, StorageError, StoredSnapshot};
use sync_wire::log::EntryKind;
use sync_wire::{Blob, DocumentId, LogPosition, Position};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;
use tracing::warn;

use super::AfterError;
use crate::access::Readable;
use crate::app::App;
use crate::relay::check;

/// Roughly how much of a log is applied at once.
const PAGE_BYTES: usize = 4 << 20;

/// Why there is no version.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The position is not there (yet).
    #[error(transparent)]
    After(#[from] AfterError),
    /// Rebuilding would cost too much.
    #[error("the document has {bytes} bytes of changes; versions are rebuilt up to {max} (api.version_bytes_max)")]
    TooLarge {
        /// What it has.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Entries that were checked do not apply.
    #[error("checked entries do not apply: {0}")]
    Log(#[from] ApplyError),
    /// The work was not finished.
    #[error("the rebuild ended early: {0}")]
    Stopped(String),
}

/// A document on its way to a position. Its permit goes with it into the blocking work, which a caller that has gone
/// away does not stop.
struct Rebuild {
    document: Document,
    through: Position,
    _permit: OwnedSemaphorePermit,
}

/// The merged state of a document as of `at`; `None` if there was nothing of it by then. Waits at most `patience` for
/// checks to reach `at`.
///
/// # Errors
/// [`VersionError`]
pub async fn at(
    app: &App,
    source: &Readable,
    document: DocumentId,
    at: LogPosition,
    patience: Duration,
) -> Result<Option<Projection>, VersionError> {
    let Some(current) = super::at_least(app, source, document, at, patience).await? else { return Ok(None) };
    // A deleted document is not read at any position until it is restored.
    if current.deleted || current.position.position <= at.position {
        return Ok(Some(current));
    }
    let Some(state) = app.storage.document(source.space(), document).await? else { return Ok(None) };
    if at.position < state.first {
        return Ok(None);
    }
    let (rebuilt, projection) = rebuild(app, &state, at.position).await?;
    let NewProjection { type_name, title, heads, json, .. } = projection;
    let position = LogPosition { position: rebuilt, ..at };
    Ok(Some(Projection { type_name, title, heads, position, json, ..current }))
}

/// The state at `at`, and the position of the last entry in it.
async fn rebuild(app: &App, state: &DocumentState, at: Position) -> Result<(Position, NewProjection), VersionError> {
    let max = app.config.api.version_bytes_max;
    if state.bytes > max {
        return Err(VersionError::TooLarge { bytes: state.bytes, max });
    }
    let permit = Arc::clone(&app.rebuilds).acquire_owned().await.map_err(|error| stopped(&error))?;
    let mut rebuild = begin(app, state, at, permit).await?;
    let mut after = Some(rebuild.through);
    while let Some(from) = after {
        let page = app.storage.read_document(state.space, state.document, from, at, PAGE_BYTES).await;
        let page = page.map_err(|error| match error {
            ReadError::Storage(error) => VersionError::Storage(error),
            other => stopped(&other),
        })?;
        after = page.next;
        rebuild.through = page.entries.last().map_or(rebuild.through, |entry| entry.position);
        let changes = page.entries.into_iter().filter(|positioned| positioned.entry.kind == EntryKind::Change);
        let changes: Vec<Blob> = changes.filter_map(|positioned| positioned.entry.bytes).collect();
        rebuild = blocking(move || rebuild.document.apply(&changes).map(|_| rebuild)).await??;
    }
    let (types, id) = (app.types.current(), state.document);
    blocking(move || (rebuild.through, check::project(&types, id, &rebuild.document))).await
}

/// From the stored snapshot, if it is not of later and can be used; else from nothing.
async fn begin(
    app: &App,
    state: &DocumentState,
    at: Position,
    permit: OwnedSemaphorePermit,
) -> Result<Rebuild, VersionError> {
    let empty = |permit| Rebuild { document: Document::new(None), through: Position::START, _permit: permit };
    if state.snapshot.as_ref().is_none_or(|snapshot| snapshot.covers > at) {
        return Ok(empty(permit));
    }
    let stored = app.storage.load_snapshot(state.space, state.document).await?;
    let Some(stored) = stored.filter(|stored| stored.covers <= at) else { return Ok(empty(permit)) };
    let id = state.document;
    blocking(move || {
        let StoredSnapshot { covers, heads, changes, digest, bytes } = stored;
        match Document::load(&Snapshot { heads, changes, digest, bytes }) {
            Ok(document) => Rebuild { document, through: covers, _permit: permit },
            Err(error) => {
                warn!(document.id = %id, "The snapshot of document {id} is not used: {error}");
                empty(permit)
            }
        }
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, VersionError> {
    tokio::task::spawn_blocking(work).await.map_err(|error: JoinError| stopped(&error))
}

fn stopped(cause: &dyn std::fmt::Display) -> VersionError {
    VersionError::Stopped(cause.to_string())
}
