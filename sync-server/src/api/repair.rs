//! `/api/v1/spaces/{space}/documents/{document}/repair`: the owner lets a held document go on without what holds it.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use sync_wire::{ChangeHash, Epoch, LogPosition, Position};

use crate::access::Caller;
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{Path, owned, parse_document, parse_query};
use crate::app::App;
use crate::relay::repair::{self, RepairFailure};
use crate::repair::{Plan, RepairError};

/// Parameters of a repair.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepairQuery {
    dry_run: Option<String>,
    hash: Option<String>,
}

#[derive(Serialize)]
struct RepairJson {
    state: &'static str,
    held: Option<String>,
    position: Option<String>,
    excluded: Vec<ExcludedJson>,
    dependents: Vec<DependentJson>,
}

#[derive(Serialize)]
struct ExcludedJson {
    hash: String,
    position: String,
    device: String,
    reason: String,
}

#[derive(Serialize)]
struct DependentJson {
    hash: String,
    position: String,
    device: String,
    replaced_by: Option<String>,
    lost: u64,
}

/// `POST /api/v1/spaces/{space}/documents/{document}/repair?dry_run=&hash=`
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::ParameterInvalid`], [`Code::OwnerRequired`],
/// [`Code::RepairImpossible`]
pub async fn post(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: RepairQuery = parse_query(raw.as_deref())?;
    let named = query.hash.as_deref().map(parse_hash).transpose()?.into_iter().collect();
    let is_dry_run = query.dry_run.as_deref().map_or(Ok(false), parse_truth)?;
    let owned = owned(&app, &caller, &space).await?;
    let id = parse_document(&space, &document)?;
    let json = if is_dry_run {
        let plan = repair::look(&app, &owned, id, named).await.map_err(ApiError::from)?;
        plan.map_or_else(RepairJson::nothing, |plan| RepairJson::of("held", &plan, None))
    } else {
        let done = repair::repair(&app, &owned, id, named).await.map_err(ApiError::from)?;
        done.map_or_else(RepairJson::nothing, |(plan, voided)| RepairJson::of("repaired", &plan, Some(voided.at)))
    };
    Ok((caching::private(), Json(json)).into_response())
}

fn parse_hash(text: &str) -> ApiResult<ChangeHash> {
    text.parse().map_err(|_| ApiError::parameter("hash", text, "the hash of a change, 64 hexadecimal digits"))
}

fn parse_truth(text: &str) -> ApiResult<bool> {
    text.parse().map_err(|_| ApiError::parameter("dry_run", text, "true or false"))
}

impl From<RepairFailure> for ApiError {
    fn from(failure: RepairFailure) -> Self {
        match &failure {
            RepairFailure::Repair(RepairError::Unknown { .. }) => {
                Self::new(Code::DocumentNotFound, failure.to_string())
            }
            failure if failure.is_of_document() => Self::new(Code::RepairImpossible, failure.to_string()),
            failure => Self::unavailable(failure),
        }
    }
}

impl RepairJson {
    fn nothing() -> Self {
        Self { state: "sound", held: None, position: None, excluded: Vec::new(), dependents: Vec::new() }
    }

    fn of(state: &'static str, plan: &Plan, at: Option<LogPosition>) -> Self {
        let shown = |epoch: Epoch, position: Position| LogPosition { epoch, position }.to_string();
        let epoch = plan.state.end.epoch;
        let excluded = plan.excluded.iter().map(|change| ExcludedJson {
            hash: change.hash.to_string(),
            position: shown(epoch, change.position),
            device: change.device.to_string(),
            reason: change.reason.clone(),
        });
        let dependents = plan.dependents.iter().map(|change| DependentJson {
            hash: change.hash.to_string(),
            position: shown(epoch, change.position),
            device: change.device.to_string(),
            replaced_by: change.by.map(|by| by.to_string()),
            lost: change.lost,
        });
        let (excluded, dependents) = (excluded.collect(), dependents.collect());
        Self { state, held: plan.state.held.clone(), position: at.map(|at| at.to_string()), excluded, dependents }
    }
}
