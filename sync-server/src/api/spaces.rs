//! `/api/v1/spaces` and `/api/v1/devices`: what the caller's account has.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;

use crate::access::{self, Caller};
use crate::api::caching;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult};
use crate::api::request::{NoQuery, parse_query};
use crate::app::App;

#[derive(Serialize)]
struct SpacesJson {
    spaces: Vec<SpaceJson>,
}

#[derive(Serialize)]
struct SpaceJson {
    id: String,
    kind: &'static str,
    name: String,
    role: &'static str,
    end: String,
}

#[derive(Serialize)]
struct DevicesJson {
    devices: Vec<DeviceJson>,
}

#[derive(Serialize)]
struct DeviceJson {
    id: String,
    agent: String,
    created_at: String,
    seen_at: String,
    is_connected: bool,
    revoked_at: Option<String>,
}

/// `GET /api/v1/spaces`
///
/// # Errors
/// None but those of every request.
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let grants = access::spaces(&app, &caller).await.map_err(|error| ApiError::unavailable(&error))?;
    let spaces = grants.into_iter().map(|grant| SpaceJson {
        id: grant.space.to_string(),
        kind: grant.kind.name(),
        name: grant.name,
        role: grant.role.name(),
        end: grant.end.to_string(),
    });
    Ok((caching::private(), Json(SpacesJson { spaces: spaces.collect() })).into_response())
}

/// `GET /api/v1/devices`: every installation that ever came with the account, in the order of their first contact.
///
/// # Errors
/// None but those of every request.
pub async fn devices(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let found = app.storage.devices(caller.account()).await.map_err(|error| ApiError::unavailable(&error))?;
    let devices = found.into_iter().map(|device| DeviceJson {
        id: device.id.to_string(),
        is_connected: app.sessions.has_device(caller.account(), device.id),
        agent: device.agent,
        created_at: shown_time(device.first_seen_at),
        seen_at: shown_time(device.last_seen_at),
        revoked_at: device.revoked_at.map(shown_time),
    });
    Ok((caching::private(), Json(DevicesJson { devices: devices.collect() })).into_response())
}
