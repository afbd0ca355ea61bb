//! `/api/v1/conflicts` and `/api/v1/spaces/{space}/documents/{document}/conflicts`: what waits for a person. Deciding
//! is a write: [`crate::api::writes::resolve`].

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};
use relay_storage::ConflictKey;
use serde::{Deserialize, Serialize};

use crate::access::{self, Caller};
use crate::api::caching;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{Path, no_document, parse_document, parse_limit, parse_query, readable};
use crate::app::App;
use crate::projection::conflicts::{self, Conflict, ConflictsError, Inbox, Open, Value, Waiting};
use crate::relay::check::CheckError;

/// Parameters of the list of all spaces.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InboxQuery {
    space: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// Parameters of one document.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConflictsQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct InboxJson {
    items: Vec<WaitingJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct WaitingJson {
    space: String,
    id: String,
    r#type: String,
    title: Option<String>,
    position: String,
    fields: u64,
}

#[derive(Serialize)]
struct ConflictsJson {
    space: String,
    id: String,
    r#type: Option<String>,
    title: Option<String>,
    position: String,
    items: Vec<ConflictJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct ConflictJson {
    path: String,
    stored_path: String,
    values: Vec<ValueJson>,
}

#[derive(Serialize)]
struct ValueJson {
    value: serde_json::Value,
    change: String,
    shown: bool,
    account: Option<String>,
    device: Option<String>,
    position: Option<String>,
    time: Option<String>,
    device_time: Option<String>,
}

/// `GET /api/v1/conflicts?space=&limit=&cursor=`: documents of every readable space, or of one, in which fields wait
/// for a person.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::ParameterInvalid`]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: InboxQuery = parse_query(raw.as_deref())?;
    let limit = parse_limit(&app, query.limit.as_deref())?;
    let after = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let sources = match &query.space {
        Some(space) => vec![readable(&app, &caller, space).await?],
        None => access::readable_spaces(&app, &caller).await.map_err(|error| ApiError::unavailable(&error))?,
    };
    let inbox = conflicts::inbox(&app, &sources, after, limit).await;
    let Inbox { items, next } = inbox.map_err(|error| ApiError::unavailable(&error))?;
    let items = items.into_iter().map(WaitingJson::from).collect();
    let next = next.map(|ConflictKey { space, type_name, document }| format!("{space}.{document}.{type_name}"));
    Ok((caching::private(), Json(InboxJson { items, next })).into_response())
}

/// `GET /api/v1/spaces/{space}/documents/{document}/conflicts?limit=&cursor=`: the fields of a document that wait for a
/// person, each with all of its values.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::DocumentDeleted`], [`Code::DocumentHeld`],
/// [`Code::ParameterInvalid`]
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let query: ConflictsQuery = parse_query(raw.as_deref())?;
    let limit = parse_limit(&app, query.limit.as_deref())?;
    let source = readable(&app, &caller, &space).await?;
    let id = parse_document(&space, &document)?;
    let open = conflicts::of_document(&app, &source, id, query.cursor, limit).await.map_err(ApiError::from)?;
    tagged(open.ok_or_else(|| no_document(&space, &document))?, &headers)
}

/// The answer, or that it is what the asker has.
fn tagged(open: Open, asked: &HeaderMap) -> ApiResult<Response> {
    let position = open.state.end;
    let body = serde_json::to_vec(&ConflictsJson::from(open)).map_err(|error| ApiError::internal(&error))?;
    let (etag, _) = caching::etags(&position, &body);
    let head =
        [(CACHE_CONTROL, caching::PRIVATE), (VARY, HeaderValue::from_static("authorization")), (ETAG, etag.clone())];
    if caching::is_known(asked, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

fn parse_cursor(text: &str) -> ApiResult<ConflictKey> {
    let wrong = || ApiError::parameter("cursor", text, "the `next` of an earlier page");
    // The name of a type may have dots itself.
    let mut parts = text.splitn(3, '.');
    let (Some(space), Some(document), Some(type_name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let (space, document) = (space.parse().map_err(|_| wrong())?, document.parse().map_err(|_| wrong())?);
    Ok(ConflictKey { space, type_name: type_name.to_owned(), document })
}

/// RFC 3339 in UTC; nothing for a number that is no time of a clock.
fn device_time_shown(unix_seconds: i64) -> Option<String> {
    let time = time::OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    time.format(&time::format_description::well_known::Rfc3339).ok()
}

impl From<ConflictsError> for ApiError {
    fn from(error: ConflictsError) -> Self {
        match &error {
            ConflictsError::Deleted(_) => Self::new(Code::DocumentDeleted, error.to_string()),
            ConflictsError::Held(_) => Self::new(Code::DocumentHeld, error.to_string()),
            ConflictsError::Check(CheckError::Read(_)) | ConflictsError::Read(_) | ConflictsError::Storage(_) => {
                Self::unavailable(&error)
            }
            ConflictsError::Check(_) | ConflictsError::Unreadable(_) | ConflictsError::Stopped(_) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<Waiting> for WaitingJson {
    fn from(Waiting { document, fields }: Waiting) -> Self {
        Self {
            space: document.key.space.to_string(),
            id: document.key.document.to_string(),
            r#type: document.key.type_name,
            title: document.title,
            position: document.end.to_string(),
            fields,
        }
    }
}

impl From<Open> for ConflictsJson {
    fn from(Open { state, title, conflicts, next }: Open) -> Self {
        let shown = |position| sync_wire::LogPosition { position, ..state.end }.to_string();
        Self {
            space: state.space.to_string(),
            id: state.document.to_string(),
            position: state.end.to_string(),
            items: conflicts.into_iter().map(|conflict| ConflictJson::of(conflict, shown)).collect(),
            r#type: state.type_name,
            title,
            next,
        }
    }
}

impl ConflictJson {
    fn of(conflict: Conflict, shown: impl Fn(sync_wire::Position) -> String) -> Self {
        let Conflict { path, stored_path, values } = conflict;
        let values = values.into_iter().enumerate().map(|(at, Value { is, device_time, by })| ValueJson {
            value: is.value,
            change: is.hash.to_string(),
            shown: at == 0,
            account: by.and_then(|by| by.account).map(|account| account.to_string()),
            device: by.map(|by| by.device.to_string()),
            position: by.map(|by| shown(by.position)),
            time: by.map(|by| shown_time(by.appended_at)),
            device_time: device_time_shown(device_time),
        });
        Self { path, stored_path, values: values.collect() }
    }
}
