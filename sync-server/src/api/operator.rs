//! `/api/v1/operator`: the whole relay for whoever runs it. Numbers, ids and reasons; never what documents say.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use relay_storage::{AccountQuarantine, HeldDocument, NAMED_MAX, RepairedDocument};
use serde_json::{Value, json};
use sync_wire::SpaceId;

use crate::access::Caller;
use crate::api::caching;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{NoQuery, Path, no_document, operator, parse_document, parse_query};
use crate::app::App;
use crate::explain::{ExplainError, Explained};
use crate::relay::check::SlowDocument;
use crate::relay::overview::{SAMPLED_EVERY, Sample, Seen};

/// `GET /api/v1/operator`: counted at most once a second, however many ask.
///
/// # Errors
/// [`Code::OperatorOnly`]
pub async fn overview(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    operator(&app, &caller).await?;
    let seen = app.overview.look(&app).await.map_err(|error| ApiError::unavailable(&error))?;
    Ok((caching::private(), Json(shown(&app, &seen))).into_response())
}

/// `GET /api/v1/operator/spaces/{space}/documents/{document}/explain`: what `sync-server explain --json` says.
///
/// # Errors
/// [`Code::OperatorOnly`], [`Code::DocumentNotFound`]
pub async fn explain(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    operator(&app, &caller).await?;
    let id: SpaceId = space.parse().map_err(|_| no_document(&space, &document))?;
    let document = parse_document(&space, &document)?;
    match Explained::of(&app.storage, id, document).await {
        Ok(explained) => Ok((caching::private(), Json(explained.json())).into_response()),
        Err(error @ ExplainError::Unknown { .. }) => Err(ApiError::new(Code::DocumentNotFound, error.to_string())),
        Err(error) => Err(ApiError::unavailable(&error)),
    }
}

fn shown(app: &App, seen: &Seen) -> Value {
    let Seen { stored, intake, .. } = seen;
    let (began_at, uptime) = app.overview.began();
    let closed = app.gate.closed();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": shown_time(began_at), "uptime_seconds": uptime.as_secs(),
        "resident_bytes": seen.resident_bytes,
        "takes_edits": closed.is_none(), "why_not": closed.map(|closed| closed.detail()),
        "findings": app.overview.findings(),
        "disk": seen.room.map(|room| json!({"free_bytes": room.free, "total_bytes": room.total})),
        "sockets": seen.sockets, "event_streams": seen.event_streams,
        "accounts": stored.accounts, "devices": stored.devices, "documents": stored.documents,
        "spaces": {"personal": stored.personal_spaces, "team": stored.team_spaces, "catalog": stored.catalogs},
        "log": {"entries": stored.size.entries, "file_bytes": stored.size.file_bytes},
        "check": {
            "waiting": seen.waiting, "slow": seen.slow.len(), "slow_first": first(&seen.slow, shown_slow),
        },
        "intake": {
            "batches": intake.batches, "bytes": intake.bytes, "since": intake.oldest_stored_at.map(shown_time),
        },
        "held": {"documents": stored.held, "first": first(&stored.first_held, shown_held)},
        "repairs": {"done": stored.repairs, "first": first(&stored.last_repairs, shown_repair)},
        "quarantine": {
            "changes": stored.refused_changes, "bytes": stored.refused_bytes, "accounts": stored.quarantines,
            "first": first(&stored.largest_quarantines, shown_quarantine),
        },
        "sample_seconds": SAMPLED_EVERY.as_secs(),
        "samples": app.overview.samples().iter().map(shown_sample).collect::<Vec<_>>(),
    })
}

/// The first of them, as many as are named of each kind.
fn first<T>(all: &[T], shown: fn(&T) -> Value) -> Vec<Value> {
    all.iter().take(NAMED_MAX).map(shown).collect()
}

fn shown_slow(slow: &SlowDocument) -> Value {
    json!({
        "space": slow.space.to_string(), "document": slow.document.to_string(), "entries": slow.entries,
        "checking_seconds": slow.taken_for.map(|span| span.as_secs()),
    })
}

fn shown_held(held: &HeldDocument) -> Value {
    json!({"space": held.space.to_string(), "document": held.document.to_string(), "reason": held.reason})
}

fn shown_repair(repair: &RepairedDocument) -> Value {
    json!({
        "space": repair.space.to_string(), "document": repair.document.to_string(), "excluded": repair.excluded,
        "position": repair.at.to_string(), "time": shown_time(repair.repaired_at),
    })
}

fn shown_quarantine(quarantine: &AccountQuarantine) -> Value {
    json!({"account": quarantine.account, "changes": quarantine.changes, "bytes": quarantine.bytes})
}

fn shown_sample(sample: &Sample) -> Value {
    json!({
        "time": shown_time(sample.at), "entries": sample.entries, "file_bytes": sample.file_bytes,
        "sockets": sample.sockets, "event_streams": sample.event_streams, "waiting": sample.waiting,
        "intake_batches": sample.intake_batches, "resident_bytes": sample.resident_bytes,
    })
}
