//! `/api/v1/spaces/{space}/quarantine`: what the relay refused of the caller's own changes, why, and what becomes of
//! it. Making one again is a write like others: `writes`.

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, StatusCode};
use relay_storage::{IntakeTotals, RefusedChange};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_wire::ChangeHash;

use crate::access::Caller;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{NoQuery, Path, parse_limit, parse_query, readable};
use crate::api::{body, caching};
use crate::app::App;
use crate::relay::quarantine::{self, Looked};

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuarantineQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct QuarantineJson {
    items: Vec<RefusedJson>,
    next: Option<String>,
    waiting: WaitingJson,
}

/// What of the account waits for its check: it is neither in the log nor here yet.
#[derive(Serialize)]
struct WaitingJson {
    batches: u64,
    bytes: u64,
    since: Option<String>,
}

#[derive(Serialize)]
struct RefusedJson {
    document: String,
    hash: String,
    device: String,
    batch: String,
    code: &'static str,
    culprit: Option<String>,
    detail: String,
    time: String,
    #[serde(rename = "final")]
    is_final: bool,
    bytes: Option<u64>,
}

/// One of them, with what can be told of it.
#[derive(Serialize)]
struct LookedJson {
    #[serde(flatten)]
    listed: RefusedJson,
    r#type: Option<String>,
    title: Option<String>,
    remedy: &'static str,
    continued_by: Option<String>,
    resubmitted_by: Option<String>,
    refused: Value,
}

/// `GET /api/v1/spaces/{space}/quarantine?limit=&cursor=`: changes that the caller's account pushed and that were
/// refused, the newest first; and how much of it has yet to be checked.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::ParameterInvalid`]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(space): Path<String>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: QuarantineQuery = parse_query(raw.as_deref())?;
    let limit = parse_limit(&app, query.limit.as_deref())?;
    let before = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let source = readable(&app, &caller, &space).await?;
    let page = quarantine::list(&app, &source, caller.account(), before, limit).await;
    let page = page.map_err(|error| ApiError::unavailable(&error))?;
    let waiting = quarantine::waiting(&app, &source, caller.account()).await;
    let waiting = waiting.map_err(|error| ApiError::unavailable(&error))?.into();
    let items = page.changes.into_iter().map(RefusedJson::from).collect();
    let next = page.next.map(|key| key.to_string());
    Ok((caching::private(), Json(QuarantineJson { items, next, waiting })).into_response())
}

/// `GET /api/v1/spaces/{space}/quarantine/{hash}`: one of them, with each value that it changed, before and after, as
/// far as that can be told from the log and from what is kept.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::RefusedNotFound`], [`Code::ParameterInvalid`]
pub async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, hash)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let Looked { kept, edit, refused, resubmitted_by } = look(&app, &caller, &space, &hash).await?;
    let json = LookedJson {
        listed: kept.change.into(),
        r#type: edit.type_name,
        title: edit.title,
        remedy: edit.remedy,
        continued_by: edit.continued_by.map(|hash| hash.to_string()),
        resubmitted_by: resubmitted_by.map(|hash| hash.to_string()),
        refused: refused.json(),
    };
    Ok((caching::private(), Json(json)).into_response())
}

/// `GET /api/v1/spaces/{space}/quarantine/{hash}/export`: the same as a file, in the shape of
/// `vault quarantine export`, with the bytes while they are kept.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::RefusedNotFound`], [`Code::ParameterInvalid`]
pub async fn export(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, hash)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let Looked { kept, edit, refused, .. } = look(&app, &caller, &space, &hash).await?;
    let json = edit.exported(&refused, kept.bytes.as_deref());
    let name = format!("attachment; filename=\"refused-{}.json\"", kept.change.hash.short());
    let name = HeaderValue::from_str(&name).map_err(|error| ApiError::internal(&error))?;
    let mut response = (caching::private(), Json(json)).into_response();
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// `DELETE /api/v1/spaces/{space}/quarantine/{hash}`: takes one out of the list, with its bytes. Its fate is kept, and
/// the device that made it has it as before.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::RefusedNotFound`], [`Code::ParameterInvalid`], [`Code::RateLimited`]
pub async fn discard(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, hash)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    body::read(&app, &caller, request).await?;
    let source = readable(&app, &caller, &space).await?;
    let id = parse_hash(&space, &hash)?;
    let is_known = quarantine::discard(&app, &source, caller.account(), id).await;
    if is_known.map_err(|error| ApiError::unavailable(&error))? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(missing(&space, &hash))
    }
}

async fn look(app: &App, caller: &Caller, space: &str, hash: &str) -> ApiResult<Looked> {
    let source = readable(app, caller, space).await?;
    let id = parse_hash(space, hash)?;
    let looked = quarantine::look(app, &source, caller.account(), id).await;
    looked.map_err(|error| ApiError::unavailable(&error))?.ok_or_else(|| missing(space, hash))
}

/// What is no hash is that of nothing.
pub(super) fn parse_hash(space: &str, hash: &str) -> ApiResult<ChangeHash> {
    hash.parse().map_err(|_| missing(space, hash))
}

/// There is no such change, or it is another account's.
pub(super) fn missing(space: &str, hash: &str) -> ApiError {
    let detail =
        format!("no change {hash:.80} of this account was refused in space {space}; the list names those that were");
    ApiError::new(Code::RefusedNotFound, detail)
}

fn parse_cursor(text: &str) -> ApiResult<i64> {
    text.parse().map_err(|_| {
        let detail = format!("cursor {text:.80} is not the `next` of a page of the quarantine; begin without one");
        ApiError::new(Code::ParameterInvalid, detail)
    })
}

impl From<IntakeTotals> for WaitingJson {
    fn from(totals: IntakeTotals) -> Self {
        let IntakeTotals { batches, bytes, oldest_stored_at, .. } = totals;
        Self { batches, bytes, since: oldest_stored_at.map(shown_time) }
    }
}

impl From<RefusedChange> for RefusedJson {
    fn from(change: RefusedChange) -> Self {
        Self {
            document: change.document.to_string(),
            hash: change.hash.to_string(),
            device: change.device.to_string(),
            batch: change.batch.to_string(),
            code: change.code.name(),
            culprit: change.culprit.map(|culprit| culprit.to_string()),
            detail: change.detail,
            time: shown_time(change.decided_at),
            is_final: change.is_final,
            bytes: change.bytes,
        }
    }
}
