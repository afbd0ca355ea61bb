//! `/api/v1/documents` and `/api/v1/spaces/{space}/documents/{document}`: the merged state.

use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use relay_storage::{Projection, ProjectionSummary};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sync_wire::{ChangeHash, DocumentId, LogPosition, SpaceId};

use crate::access::{self, Caller, Readable, ReadableError};
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;
use crate::projection::{self, AfterError, Selection};

/// Parameters of the list. Unknown ones are refused: a mistyped filter must not list everything.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListQuery {
    space: Option<String>,
    r#type: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// Parameters of one document.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentQuery {
    after: Option<String>,
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

#[derive(Serialize)]
struct DocumentJson<'a> {
    space: String,
    id: String,
    r#type: Option<String>,
    title: Option<String>,
    position: String,
    heads: Vec<String>,
    held: Option<String>,
    value: &'a RawValue,
}

/// `GET /api/v1/documents?space=&type=&limit=&cursor=`: documents of every readable space, or of one.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::ParameterInvalid`]
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
        limit: parse_limit(&app, query.limit.as_deref())?,
        after: query.cursor.as_deref().map(parse_cursor).transpose()?,
        type_name: query.r#type,
    };
    let listed = projection::list(&app, &sources, selection).await.map_err(|error| ApiError::unavailable(&error))?;
    let items = listed.items.into_iter().map(DocumentItemJson::from).collect();
    let next = listed.next.map(|(space, document)| format!("{space}.{document}"));
    Ok((private(), Json(DocumentListJson { items, next })).into_response())
}

/// `GET /api/v1/spaces/{space}/documents/{document}?after=EPOCH:POSITION`: one document.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::DocumentDeleted`], [`Code::ParameterInvalid`],
/// [`Code::EpochChanged`], [`Code::ProjectionBehind`]
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let query: DocumentQuery = parse_query(raw.as_deref())?;
    let source = readable(&app, &caller, &space).await?;
    let missing = || ApiError::new(Code::DocumentNotFound, format!("no document {:.80} in space {space}", document));
    let id: DocumentId = document.parse().map_err(|_| missing())?;
    let found = match query.after.as_deref() {
        None => projection::current(&app, &source, id).await.map_err(|error| ApiError::unavailable(&error))?,
        Some(after) => {
            let after: LogPosition = after
                .parse()
                .map_err(|_| ApiError::parameter("after", after, "EPOCH:POSITION, as in 00112233aabbccdd:42"))?;
            let patience = Duration::from_secs(app.config.api.after_wait_seconds);
            projection::at_least(&app, &source, id, after, patience).await.map_err(behind)?
        }
    };
    let found = found.ok_or_else(missing)?;
    if found.deleted {
        let detail = format!("document {id} was deleted; it can be restored for 30 days");
        return Err(ApiError::new(Code::DocumentDeleted, detail));
    }
    answer(found, &headers)
}

fn answer(found: Projection, headers: &HeaderMap) -> ApiResult<Response> {
    let etag = etag(&found.position, &found.heads);
    let etag = HeaderValue::from_str(&etag).map_err(|error| ApiError::internal(&error))?;
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|known| matches(known, &etag));
    let head = (private(), [(ETAG, etag)]);
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let value = RawValue::from_string(found.json).map_err(|error| ApiError::internal(&error))?;
    let body = DocumentJson {
        space: found.space.to_string(),
        id: found.document.to_string(),
        r#type: found.type_name,
        title: found.title,
        position: found.position.to_string(),
        heads: found.heads.iter().map(ToString::to_string).collect(),
        held: found.held,
        value: &value,
    };
    let body = serde_json::to_vec(&body).map_err(|error| ApiError::internal(&error))?;
    Ok((head, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// Strong: equal tags mean equal bytes, because position and heads decide the projection.
fn etag(position: &LogPosition, heads: &[ChangeHash]) -> String {
    let mut hasher = blake3::Hasher::new();
    heads.iter().for_each(|head| {
        hasher.update(&head.0);
    });
    let digest = hasher.finalize().to_hex();
    format!("\"{position}-{}\"", &digest[..16])
}

/// `If-None-Match` compares weakly and may list several tags, or any.
fn matches(known: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(known), Ok(etag)) = (known.to_str(), etag.to_str()) else { return false };
    known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
}

/// The answer depends on who asks, and must be asked for again.
fn private() -> [(http::HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))]
}

/// A space that is no id is like one that is not there: both say nothing about other people's spaces.
async fn readable(app: &App, caller: &Caller, space: &str) -> ApiResult<Readable> {
    let missing = || ApiError::new(Code::SpaceNotFound, format!("no space {space:.80} for this account"));
    let id: SpaceId = space.parse().map_err(|_| missing())?;
    access::readable(app, caller, id).await.map_err(|error| match error {
        ReadableError::NoSuchSpace(_) => missing(),
        ReadableError::Storage(error) => ApiError::unavailable(&error),
    })
}

fn behind(error: AfterError) -> ApiError {
    match error {
        AfterError::EpochChanged { .. } => ApiError::new(Code::EpochChanged, error.to_string()),
        AfterError::Behind { .. } => {
            ApiError::new(Code::ProjectionBehind, error.to_string()).retry_after(Duration::from_secs(1))
        }
        AfterError::Held { .. } => ApiError::new(Code::ProjectionBehind, error.to_string()),
        AfterError::Storage(error) => ApiError::unavailable(&error),
    }
}

fn parse_query<T: for<'q> Deserialize<'q>>(raw: Option<&str>) -> ApiResult<T> {
    let uri = format!("/?{}", raw.unwrap_or_default());
    let uri: http::Uri = uri.parse().map_err(|_| ApiError::parameter("query", &uri[2..], "a query string"))?;
    match Query::<T>::try_from_uri(&uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(ApiError::new(
            Code::ParameterInvalid,
            format!("query {:.80?}: {}", raw.unwrap_or_default(), error.body_text()),
        )),
    }
}

fn parse_limit(app: &App, limit: Option<&str>) -> ApiResult<usize> {
    let Some(text) = limit else { return Ok(app.config.api.page_default) };
    let max = app.config.api.page_max;
    let parsed = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    parsed.ok_or_else(|| ApiError::parameter("limit", text, &format!("a number from 1 to {max}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_any() {
        let etag = HeaderValue::from_static("\"a-1\"");
        let check = |known: &'static str| matches(&HeaderValue::from_static(known), &etag);
        assert!(check("\"a-1\"") && check("W/\"a-1\"") && check("\"b\", \"a-1\"") && check("*"));
        assert!(!check("\"a-2\"") && !check("a-1"));
    }

    #[test]
    fn other_heads_at_the_same_position_are_another_tag() {
        let at: LogPosition = "0011223344556677:5".parse().unwrap();
        assert_ne!(etag(&at, &[ChangeHash([1; 32])]), etag(&at, &[ChangeHash([2; 32])]));
    }
}
