//! Writing documents: `PATCH` and `DELETE` of one, `POST` of a new one, taking a deletion back, deciding about a field
//! that waits for a person, and commands whose outcome the relay itself writes.
//!
//! What is written here is merged with what others wrote since the page was read; `relay/author` says how.

use std::time::Duration;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sync_wire::{DocumentId, LogPosition, SpaceId};

use crate::access::{Caller, Readable};
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult};
use crate::api::request::{NoQuery, Path, owned, parse_document, parse_query, readable, writable};
use crate::api::{quarantine, ready};
use crate::app::App;
use crate::projection::{self, AfterError};
use crate::relay;
use crate::relay::author::{self, Deed, Done, Place};

mod asked; // what a request says beside its path
mod decision; // what a person has decided
mod failed; // how it looks that nothing was written

use asked::Asked;
use decision::DecisionJson;

/// When a write that was stored is worth asking for again.
const ASK_AGAIN_SECONDS: u64 = 1;

/// What a new document is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDocumentJson {
    r#type: String,
    #[serde(default)]
    value: Map<String, Value>,
}

/// How a space is to be called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandleJson {
    /// Said, also if it is null: leaving it out is no way to give a name up.
    #[serde(deserialize_with = "Option::deserialize")]
    handle: Option<String>,
}

/// What was written, where its state cannot be shown (yet).
#[derive(Debug, Serialize)]
struct WrittenJson {
    space: String,
    id: String,
    state: &'static str,
    position: Option<String>,
}

/// `PATCH /api/v1/spaces/{space}/documents/{document}`: changes a document, from the version that `If-Match` names.
///
/// # Errors
/// `Code::PreconditionRequired`, `Code::VersionUnknown`, `Code::ManualFieldsChanged`,
/// `Code::MediaTypeUnsupported`, `Code::BodyInvalid`, `Code::PatchNotApplicable`, `Code::DocumentInvalid`, and
/// those of every write
pub async fn patch(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    let (seen, patch) = (asked.seen()?, asked.patch()?);
    let document = document_of(&app, &caller, &space, &document).await?;
    let deed = Deed::Edit { document, seen, patch };
    write(&app, &caller, &space, deed, asked).await
}

/// `POST /api/v1/spaces/{space}/documents`: begins a document. The one of a well-known type may be there already; then
/// it gets what is given, so that doing it twice changes nothing.
///
/// # Errors
/// `Code::MediaTypeUnsupported`, `Code::BodyInvalid`, `Code::DocumentInvalid`, `Code::TypeUnknown`, and those
/// of every write
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(space): Path<String>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    readable(&app, &caller, &space).await?;
    let NewDocumentJson { r#type, value } = asked.json()?;
    let deed = Deed::Create { type_name: r#type, value: Value::Object(value) };
    write(&app, &caller, &space, deed, asked).await
}

/// `DELETE /api/v1/spaces/{space}/documents/{document}`: deletes a document, as it was in the version that `If-Match`
/// names; what was written since is not deleted unseen.
///
/// # Errors
/// `Code::PreconditionRequired`, `Code::VersionUnknown`, `Code::DocumentContested`, `Code::DeletionImpossible`,
/// and those of every write
pub async fn delete(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    let seen = asked.seen()?;
    let document = document_of(&app, &caller, &space, &document).await?;
    let deed = Deed::Delete { document, seen };
    write(&app, &caller, &space, deed, asked).await
}

/// `POST /api/v1/spaces/{space}/documents/{document}/restore`: takes a deletion back. Nothing, if it is not deleted.
///
/// # Errors
/// Those of every write
pub async fn restore(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    let id = document_of(&app, &caller, &space, &document).await?;
    write(&app, &caller, &space, Deed::Restore { document: id }, asked).await
}

/// `POST /api/v1/spaces/{space}/documents/{document}/conflicts/resolve`: settles a field that waits for a person, as it
/// was seen: `seen` takes the place of `If-Match`.
///
/// # Errors
/// `Code::ConflictMoved`, `Code::NoConflict`, `Code::MediaTypeUnsupported`, `Code::BodyInvalid`,
/// `Code::DocumentInvalid`, `Code::TypeUnknown`, and those of every write
pub async fn resolve(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    let id = document_of(&app, &caller, &space, &document).await?;
    let resolution = asked.json::<DecisionJson>()?.resolution()?;
    write(&app, &caller, &space, Deed::Resolve { document: id, resolution }, asked).await
}

/// `POST /api/v1/spaces/{space}/quarantine/{hash}/resubmit`: makes a change again that was refused, as a new edit of
/// its document as it is now. Once: what was said again is not said twice.
///
/// # Errors
/// `Code::RefusedNotFound`, `Code::RefusedUnreadable`, `Code::ManualFieldsChanged`, `Code::ConflictOpen`,
/// `Code::DocumentInvalid`, `Code::TypeUnknown`, and those of every write
pub async fn resubmit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, hash)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    let source = readable(&app, &caller, &space).await?;
    let change = quarantine::parse_hash(&space, &hash)?;
    let place = relay::quarantine::place_of(&app, &source, caller.account(), change).await;
    let place = place.map_err(|error| ApiError::unavailable(&error))?;
    let (document, refused) = place.ok_or_else(|| quarantine::missing(&space, &hash))?;
    write(&app, &caller, &space, Deed::Resubmit { document, change, refused }, asked).await
}

/// `PUT /api/v1/spaces/{space}/handle`: gives the space a handle that no other space has, or takes its own away (null).
/// The identity document of the space says so, and is the answer.
///
/// # Errors
/// `Code::OwnerRequired`, `Code::HandleReserved`, `Code::HandleTaken`, `Code::HandlesKept`,
/// `Code::MediaTypeUnsupported`, `Code::BodyInvalid`, `Code::DocumentInvalid`, and those of every write
pub async fn name(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(space): Path<String>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let asked = Asked::read(&app, &caller, request).await?;
    owned(&app, &caller, &space).await?;
    let HandleJson { handle } = asked.json()?;
    write(&app, &caller, &space, Deed::Name { handle }, asked).await
}

/// A space that is not readable comes first.
async fn document_of(app: &App, caller: &Caller, space: &str, document: &str) -> ApiResult<DocumentId> {
    readable(app, caller, space).await?;
    parse_document(space, document)
}

async fn write(app: &App, caller: &Caller, space: &str, deed: Deed, asked: Asked) -> ApiResult<Response> {
    let source = readable(app, caller, space).await?;
    let target = writable(app, caller, space).await?;
    let shown = if matches!(deed, Deed::Delete { .. }) { Shown::Place } else { Shown::State };
    let Asked { headers, key, .. } = asked;
    let done = author::perform(app, target, deed, key).await.map_err(ApiError::from)?;
    answer(app, &source, done, shown, &headers).await
}

/// What of a write its answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// The document with it.
    State,
    /// Where it is: there is no document any more.
    Place,
}

/// The state that contains what was written; or where that is, if the state cannot be shown in time.
async fn answer(app: &App, source: &Readable, done: Done, shown: Shown, headers: &HeaderMap) -> ApiResult<Response> {
    let at = match done.place {
        Place::Stored => return Ok(written(source.space(), done, StatusCode::ACCEPTED)),
        Place::Appended(at) | Place::Unchanged(at) => at,
    };
    if shown == Shown::Place {
        return Ok(written(source.space(), done, StatusCode::OK));
    }
    if !is_reached(app, source, done.document, at).await? {
        return Ok(written(source.space(), done, StatusCode::ACCEPTED));
    }
    let Some(found) = ready::current(app, source, done.document).await? else {
        return Ok(written(source.space(), done, StatusCode::ACCEPTED));
    };
    let mut response = found.answer(headers).await;
    if done.is_new {
        *response.status_mut() = StatusCode::CREATED;
        let place = format!("/api/v1/spaces/{}/documents/{}", source.space(), done.document);
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    Ok(response)
}

async fn is_reached(app: &App, source: &Readable, document: DocumentId, at: LogPosition) -> ApiResult<bool> {
    let patience = Duration::from_secs(app.config.api.after_wait_seconds) / 2;
    match projection::reach(app, source, document, at, patience).await {
        // An older life of the log had it: what is shown is that of now.
        Ok(()) | Err(AfterError::EpochChanged { .. }) => Ok(true),
        Err(AfterError::Behind { .. } | AfterError::Held { .. }) => Ok(false),
        Err(AfterError::Storage(error)) => Err(ApiError::unavailable(&error)),
    }
}

fn written(space: SpaceId, done: Done, status: StatusCode) -> Response {
    let (state, position) = match done.place {
        Place::Appended(at) => ("appended", Some(at.to_string())),
        Place::Unchanged(at) => ("unchanged", Some(at.to_string())),
        Place::Stored => ("stored", None),
    };
    let json = WrittenJson { space: space.to_string(), id: done.document.to_string(), state, position };
    let mut response = (status, caching::private(), Json(json)).into_response();
    if status == StatusCode::ACCEPTED {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(ASK_AGAIN_SECONDS));
    }
    response
}
