//! Documents found by what is in them, over the spaces that somebody may read.
//!
//! What documents are found by is taken in by whoever asks (`relay_storage`): space by space, slice by slice, on
//! threads beside those that serve, so many at once as `api.indexing_max` says and as long as `api.find_seconds` allow.
//! Whoever is out of time is told to come back, and goes on where this ended.

use std::sync::Arc;
use std::time::Duration;

use document_index::{Content, content_of};
use relay_storage::{
    FindDocuments, FoundBy, FoundPage, FoundSince, LookFrom, MovedDocument, Shelf, SliceLimits, StorageError,
};
use schemas::{Checked, DocumentType, Query, QueryError};
use serde_json::Value;
use sync_wire::SpaceId;
use tokio::time::Instant;
use tracing::debug;

use crate::access::Readable;
use crate::app::App;
use crate::metrics;

/// Documents that are taken in at once: so many hold the writer up for some milliseconds.
const SLICE_DOCUMENTS_MAX: usize = 64;
/// Bytes of their merged states, after which a slice ends.
const SLICE_BYTES_MAX: usize = 256 << 10;
/// Bytes of what is shown of documents, after which a page ends.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Documents of a live query that are looked at one by one; where more moved, the query is asked again.
const ONE_BY_ONE: usize = 16;
/// How long whoever finds no place among those that take in waits for one, at least.
const PLACE_WAIT_MIN: Duration = Duration::from_secs(1);

/// Why a query is not answered.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No rules are known for documents of the type, so nobody knows what they are found by.
    #[error("documents of type {name:?} are not known here: their fields have no index")]
    TypeUnknown {
        /// As asked for, cut.
        name: String,
    },
    /// The query cannot be answered by anybody.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// More has to be taken in than there was time for.
    #[error("documents are still being taken in, {waited:?} were not enough; ask again, it goes on where it ended")]
    Behind {
        /// How long it was tried.
        waited: Duration,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The work was not finished.
    #[error("taking documents in ended early: {0}")]
    Stopped(String),
}

/// A query that can be answered.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The type of the documents.
    pub known: Arc<DocumentType>,
    /// The query.
    pub query: Checked,
    by: FoundBy,
}

/// Holds a query against the type that it names.
///
/// # Errors
/// [`FindError::TypeUnknown`], [`FindError::Query`]
pub fn check(app: &App, query: &Query) -> Result<Asked, FindError> {
    let name = query.type_name();
    let known = app.types.get(Some(name));
    let known = known.ok_or_else(|| FindError::TypeUnknown { name: name.chars().take(80).collect() })?;
    let by = FoundBy {
        type_name: known.name.clone(),
        indexes: known.indexes().iter().map(|field| field.index.clone()).collect(),
        title: known.title_index().map(|index| index.path.clone()),
    };
    let query = query.check(&known)?;
    Ok(Asked { known, query, by })
}

/// The documents that a query means in these spaces, as they were checked last.
///
/// # Errors
/// [`FindError::Behind`], [`FindError::Storage`], [`FindError::Stopped`]
pub async fn find(app: &App, sources: &[Readable], asked: &Asked) -> Result<FoundPage, FindError> {
    let spaces: Vec<SpaceId> = sources.iter().map(Readable::space).collect();
    take_in(app, &spaces, asked).await?;
    Ok(again(app, spaces, asked).await?)
}

/// As [`find`], of what was taken in by now.
async fn again(app: &App, spaces: Vec<SpaceId>, asked: &Asked) -> Result<FoundPage, StorageError> {
    let (query, bytes_max) = (asked.query.clone(), PAGE_BYTES_MAX);
    app.storage.find_documents(FindDocuments { spaces, query, bytes_max }).await
}

/// As [`find`], for whoever has the answer of some moment: what was taken in after these turns of some of the spaces.
///
/// # Errors
/// As [`find`].
pub async fn since(
    app: &App,
    turns: Vec<(SpaceId, i64)>,
    asked: &Asked,
) -> Result<(FoundSince, Vec<(SpaceId, i64)>), FindError> {
    let spaces: Vec<SpaceId> = turns.iter().map(|(space, _)| *space).collect();
    take_in(app, &spaces, asked).await?;
    Ok(app.storage.found_since(turns, asked.query.clone(), ONE_BY_ONE).await?)
}

/// Takes in what moved in these spaces. At least one slice of it, however little time there is, so that it comes to an
/// end.
async fn take_in(app: &App, spaces: &[SpaceId], asked: &Asked) -> Result<(), FindError> {
    let behind = app.storage.shelves_behind(spaces.to_vec(), asked.by.clone()).await?;
    if behind.is_empty() {
        return Ok(());
    }
    let (began, patience) = (Instant::now(), Duration::from_secs(app.config.api.find_seconds));
    let is_over = || began.elapsed() >= patience;
    let permit =
        tokio::time::timeout_at(began + patience.max(PLACE_WAIT_MIN), Arc::clone(&app.indexing).acquire_owned());
    let permit = permit.await.map_err(|_| FindError::Behind { waited: patience })?;
    let _permit = permit.map_err(|error| FindError::Stopped(error.to_string()))?;
    let mut left = behind.len();
    for space in behind {
        left -= 1;
        let (mut from, mut goes_on) = (None, app.storage.shelf(space, &asked.by).await?.is_some());
        while goes_on {
            from = take_slice(app, space, asked, from).await?;
            goes_on = from.is_some();
            if (goes_on || left > 0) && is_over() {
                debug!(space.id = %space, "Documents of space {space} are taken in no further for now");
                return Err(FindError::Behind { waited: patience });
            }
        }
    }
    Ok(())
}

/// Takes in the next slice; where to go on, if there is more.
async fn take_slice(
    app: &App,
    space: SpaceId,
    asked: &Asked,
    from: Option<LookFrom>,
) -> Result<Option<LookFrom>, FindError> {
    let limits = SliceLimits { documents: SLICE_DOCUMENTS_MAX, bytes: SLICE_BYTES_MAX };
    let Some(mut slice) = app.storage.moved_documents(space, &asked.by, from, limits).await? else { return Ok(None) };
    let next = slice.next;
    let (shelf, documents) = (slice.shelf.clone(), std::mem::take(&mut slice.documents));
    let made = app.runtime.blocking(move || {
        let contents = documents.iter().map(|document| content(&shelf, document)).collect();
        (documents, contents)
    });
    let (documents, contents): (_, Vec<Content>) = made.await.map_err(FindError::Stopped)?;
    slice.documents = documents;
    metrics::taken_in(app.storage.take_in(slice, contents).await?.documents);
    Ok(next)
}

/// What is kept of a document. One whose merged state does not read is found by nothing.
fn content(shelf: &Shelf, document: &MovedDocument) -> Content {
    let Some(value) = document.json.as_deref().and_then(|json| serde_json::from_str::<Value>(json).ok()) else {
        return Content::default();
    };
    content_of(shelf.title.as_deref(), &shelf.declared, |path| value.pointer(path).cloned())
}
