//! `/api/v1/spaces/{space}/documents/{document}/history`: who changed a document, from where, when.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use relay_storage::HistoryEntry;
use serde::{Deserialize, Serialize};
use sync_wire::log::EntryKind;
use sync_wire::{Epoch, LogPosition};

use crate::access::Caller;
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult};
use crate::api::request::{Path, no_document, parse_document, parse_limit, parse_position, parse_query, readable};
use crate::app::App;
use crate::projection::{self, History};

/// Parameters of a history.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct HistoryJson {
    items: Vec<HistoryItemJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct HistoryItemJson {
    position: String,
    kind: &'static str,
    hash: String,
    device: String,
    batch: String,
    time: String,
    bytes: u64,
    excluded: bool,
}

/// `GET /api/v1/spaces/{space}/documents/{document}/history?limit=&cursor=`: the checked entries, newest first. Of a
/// deleted document too: it says who deleted it.
///
/// # Errors
/// `Code::SpaceNotFound`, `Code::DocumentNotFound`, `Code::ParameterInvalid`, `Code::EpochChanged`
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: HistoryQuery = parse_query(raw.as_deref())?;
    let limit = parse_limit(&app, query.limit.as_deref())?;
    let cursor = query.cursor.as_deref().map(|text| parse_position("cursor", text)).transpose()?;
    let source = readable(&app, &caller, &space).await?;
    let id = parse_document(&space, &document)?;
    let history = projection::history(&app, &source, id, cursor, limit).await;
    let History { epoch, page } = history.map_err(ApiError::from)?.ok_or_else(|| no_document(&space, &document))?;
    let items = page.entries.iter().map(|entry| HistoryItemJson::new(epoch, entry)).collect();
    let next = page.next.map(|position| LogPosition { epoch, position }.to_string());
    Ok((caching::private(), Json(HistoryJson { items, next })).into_response())
}

impl HistoryItemJson {
    fn new(epoch: Epoch, entry: &HistoryEntry) -> Self {
        Self {
            position: LogPosition { epoch, position: entry.position }.to_string(),
            kind: kind_name(entry.kind),
            hash: entry.hash.to_string(),
            device: entry.device.to_string(),
            batch: entry.batch.to_string(),
            time: shown_time(entry.appended_at),
            bytes: entry.bytes,
            excluded: entry.is_excluded,
        }
    }
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Change => "change",
        EntryKind::Void => "void",
        EntryKind::Tombstone => "tombstone",
        EntryKind::Restore => "restore",
        EntryKind::Erased => "erased",
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn shown_time(unix_milliseconds: i64) -> String {
    let nanoseconds = i128::from(unix_milliseconds) * 1_000_000;
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_utc() {
        assert_eq!(shown_time(1_700_000_000_250), "2023-11-14T22:13:20.25Z");
    }
}
