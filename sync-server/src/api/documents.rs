//! `/api/v1/documents` and `/api/v1/spaces/{space}/documents/{document}`: the merged state.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::Method;
use relay_storage::{Deleted, Projection, ProjectionSummary};
use serde::{Deserialize, Serialize};
use sync_wire::{DocumentId, LogPosition, Position, SpaceId};

use crate::accept::Asked;
use crate::access::{self, Caller, Readable};
use crate::api::caching;
use crate::api::guard::Guard;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::ready;
use crate::api::rendered::Rendered;
use crate::api::request::{Path, no_document, parse_document, parse_limit, parse_position, parse_query, readable};
use crate::app::App;
use crate::projection::version::{self, VersionError};
use crate::projection::{self, AfterError, Selection};

/// Parameters of the list. Unknown ones are refused: a mistyped filter must not list everything.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    space: Option<String>,
    r#type: Option<String>,
    deleted: Option<String>,
    updated_after: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// Parameters of one document.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentQuery {
    after: Option<String>,
    at: Option<String>,
}

#[derive(Serialize)]
struct DocumentListJson {
    items: Vec<DocumentItemJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct DocumentItemJson {
    space: String,
    id: String,
    r#type: Option<String>,
    title: Option<String>,
    position: String,
    deleted: bool,
    held: Option<String>,
}

/// `GET /api/v1/documents?space=&type=&deleted=&updated_after=&limit=&cursor=`: documents of every readable space, or
/// of one.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::ParameterInvalid`], [`Code::EpochChanged`]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: ListQuery = parse_query(raw.as_deref())?;
    let sources = match &query.space {
        Some(space) => vec![readable(&app, &caller, space).await?],
        None => access::readable_spaces(&app, &caller).await.map_err(|error| ApiError::unavailable(&error))?,
    };
    let selection = Selection {
        deleted: parse_deleted(query.deleted.as_deref())?,
        changed_after: match &query.updated_after {
            Some(text) => Some(parse_updated_after(&app, query.space.is_some(), &sources, text).await?),
            None => None,
        },
        limit: parse_limit(&app, query.limit.as_deref())?,
        after: query.cursor.as_deref().map(parse_cursor).transpose()?,
        type_name: query.r#type,
    };
    let listed = projection::list(&app, &sources, selection).await.map_err(|error| ApiError::unavailable(&error))?;
    let items = listed.items.into_iter().map(DocumentItemJson::from).collect();
    let next = listed.next.map(|(space, document)| format!("{space}.{document}"));
    Ok((caching::private(), Json(DocumentListJson { items, next })).into_response())
}

/// `GET /api/v1/spaces/{space}/documents/{document}`: one document as it is; with `?after=EPOCH:POSITION`, once it
/// contains all up to there; with `?at=EPOCH:POSITION`, as it was there.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::DocumentDeleted`], [`Code::ParameterInvalid`],
/// [`Code::EpochChanged`], [`Code::ProjectionBehind`], [`Code::VersionTooLarge`]
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    request: Request,
) -> ApiResult<Response> {
    let query = parse_document_query(request.uri().query())?;
    let source = readable(&app, &caller, &space).await?;
    let id = parse_document(&space, &document)?;
    app.paths.remember(request.uri().path(), (source.space(), id));
    match find(&app, &source, id, &query).await? {
        Some(found) => Ok(found.answer(request.headers()).await),
        None if projection::is_purged(&app, &source, id).await.map_err(|error| ApiError::unavailable(&error))? => {
            Err(ready::deleted(id))
        }
        None => Err(no_document(&space, &document)),
    }
}

/// The answer of [`get`] to whoever may have it, if memory has all that it takes; says nothing otherwise.
pub(super) fn at_once(app: &App, guard: &Guard, asked: &Asked) -> Option<Response> {
    if asked.method() != Method::GET || asked.uri().query().is_some() {
        return None;
    }
    let (space, id) = app.paths.known(asked.uri().path())?;
    guard.at_once(asked, |caller| {
        let source = access::remembered_readable(app, caller, space)?;
        ready::in_memory(app, &source, id)?.answer_at_once(asked.headers())
    })
}

fn parse_document_query(raw: Option<&str>) -> ApiResult<DocumentQuery> {
    raw.map_or_else(|| Ok(DocumentQuery::default()), |raw| parse_query(Some(raw)))
}

async fn find(app: &App, source: &Readable, id: DocumentId, query: &DocumentQuery) -> ApiResult<Option<Arc<Rendered>>> {
    let patience = Duration::from_secs(app.config.api.after_wait_seconds);
    match (query.after.as_deref(), query.at.as_deref()) {
        (None, None) => ready::current(app, source, id).await,
        (Some(after), None) => {
            let after = parse_position("after", after)?;
            // What contains the position already needs no question to storage.
            let contains = |at: LogPosition| at.epoch == after.epoch && at.position >= after.position;
            if let Some(known) = ready::in_memory(app, source, id).filter(|known| contains(known.position())) {
                return Ok(Some(known));
            }
            projection::reach(app, source, id, after, patience).await?;
            ready::current(app, source, id).await
        }
        (None, Some(at)) => {
            let at = parse_position("at", at)?;
            let found = version::at(app, source, id, at, patience).await.map_err(no_version)?;
            found.map(|found| render_version(app, &found)).transpose()
        }
        (Some(after), Some(_)) => {
            Err(ApiError::parameter("after", after, "no `after` beside `at`, which waits for its position itself"))
        }
    }
}

fn render_version(app: &App, found: &Projection) -> ApiResult<Arc<Rendered>> {
    if found.deleted {
        return Err(ready::deleted(found.document));
    }
    Rendered::of(&app.types.current(), found).map(Arc::new).map_err(|error| ApiError::internal(&error))
}

fn no_version(error: VersionError) -> ApiError {
    match error {
        VersionError::After(error) => error.into(),
        VersionError::TooLarge { .. } => ApiError::new(Code::VersionTooLarge, error.to_string()),
        VersionError::Storage(error) => ApiError::unavailable(&error),
        VersionError::Log(_) | VersionError::Stopped(_) => ApiError::internal(&error),
    }
}

fn parse_deleted(text: Option<&str>) -> ApiResult<Deleted> {
    match text {
        None | Some("hide") => Ok(Deleted::Hide),
        Some("include") => Ok(Deleted::Include),
        Some(other) => Err(ApiError::parameter("deleted", other, "hide or include")),
    }
}

/// A position is one of its own space only, so it needs to be said which.
async fn parse_updated_after(app: &App, has_space: bool, sources: &[Readable], text: &str) -> ApiResult<Position> {
    let after = parse_position("updated_after", text)?;
    let (true, [source]) = (has_space, sources) else {
        return Err(ApiError::parameter("updated_after", text, "`space` beside it: a position belongs to one space"));
    };
    match projection::reached::through(app, source).await.map_err(|error| ApiError::unavailable(&error))? {
        Some(through) if through.epoch != after.epoch => Err(AfterError::EpochChanged { after, end: through }.into()),
        _ => Ok(after.position),
    }
}

fn parse_cursor(text: &str) -> ApiResult<(SpaceId, DocumentId)> {
    let wrong = || ApiError::parameter("cursor", text, "the `next` of an earlier page");
    let (space, document) = text.split_once('.').ok_or_else(wrong)?;
    Ok((space.parse().map_err(|_| wrong())?, document.parse().map_err(|_| wrong())?))
}

impl From<ProjectionSummary> for DocumentItemJson {
    fn from(summary: ProjectionSummary) -> Self {
        Self {
            space: summary.space.to_string(),
            id: summary.document.to_string(),
            r#type: summary.type_name,
            title: summary.title,
            position: summary.position.to_string(),
            deleted: summary.deleted,
            held: summary.held,
        }
    }
}
