//! `/api/v1/spaces/{space}/quarantine`: what the relay refused of the caller's own changes, and why.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use relay_storage::{IntakeTotals, RefusedChange};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::api::caching;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{Path, parse_limit, parse_query, readable};
use crate::app::App;
use crate::relay::quarantine;

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
