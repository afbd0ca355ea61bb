//! `/api/v1/public/{space}/{document}`: what everybody may see of a document; `/api/v1/public/handles/{handle}`: whose
//! a short name is; and
//! `/api/v1/spaces/{space}/documents/{document}/publication`: what that is, and what keeps the newest state from it,
//! for those who may read the document.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue};
use relay_storage::{PublicationState, Published};
use schemas::Registry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sync_wire::{DocumentId, SpaceId};

use crate::access::Caller;
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::ready;
use crate::api::request::{NoQuery, Path, no_document, parse_document, parse_position, parse_query, readable};
use crate::app::App;
use crate::projection;
use crate::publication::{self, Told, Unpublished};

/// How long a cache may answer for the relay: so long may what was withdrawn still be seen.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// Parameters of the publication of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicationQuery {
    after: Option<String>,
}

/// Neither position nor heads: they would tell of edits that do not show.
#[derive(Serialize)]
struct PublicDocumentJson<'a> {
    space: String,
    id: String,
    r#type: Option<&'a str>,
    value: &'a RawValue,
}

/// Where what a space shows is to be found, if it shows it.
#[derive(Serialize)]
struct HandleJson {
    handle: String,
    space: String,
    documents: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct PublicationJson {
    state: &'static str,
    reason: Option<String>,
    rules: Option<String>,
    published: Option<PublishedJson>,
    refused: Option<RefusedJson>,
}

#[derive(Serialize)]
struct PublishedJson {
    at: String,
    heads: Vec<String>,
    rules: String,
    value: Box<RawValue>,
}

#[derive(Serialize)]
struct RefusedJson {
    at: String,
    #[serde(flatten)]
    why: WhyJson,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
struct WhyJson {
    violations: Vec<serde_json::Value>,
    omitted: u64,
}

/// `GET /api/v1/public/{space}/{document}`: the published state. Whatever is not published, for whatever reason, is
/// answered in the same words.
///
/// # Errors
/// [`Code::DocumentNotFound`], [`Code::ParameterInvalid`]
pub async fn public(
    State(app): State<App>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let missing = || ApiError::new(Code::DocumentNotFound, "nothing is published at this address");
    let space: SpaceId = space.parse().map_err(|_| missing())?;
    let document: DocumentId = document.parse().map_err(|_| missing())?;
    let found = publication::shown(&app, space, document).await.map_err(|error| ApiError::unavailable(&error))?;
    let body = body_of(space, document, &found.ok_or_else(missing)?).map_err(|error| ApiError::internal(&error))?;
    Ok(caching::for_everybody(body, PUBLIC, &asked))
}

/// `GET /api/v1/public/handles/{handle}`: the space that has a handle, with the addresses of what it may show.
///
/// # Errors
/// [`Code::HandleNotFound`], [`Code::ParameterInvalid`]
pub async fn handle(
    State(app): State<App>,
    Path(handle): Path<String>,
    RawQuery(raw): RawQuery,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let space = app.storage.space_of_handle(&handle).await.map_err(|error| ApiError::unavailable(&error))?;
    let Some(space) = space else {
        return Err(ApiError::new(Code::HandleNotFound, format!("no space has the handle {handle:.80}")));
    };
    let json = HandleJson { handle, space: space.to_string(), documents: addresses(&app.types.current(), space) };
    let body = serde_json::to_vec(&json).map_err(|error| ApiError::internal(&error))?;
    Ok(caching::for_everybody(body, PUBLIC, &asked))
}

/// Of the well-known documents with something for everybody: what is at these addresses, their authors say.
fn addresses(known: &Registry, space: SpaceId) -> BTreeMap<String, String> {
    let shown = known.names().filter_map(|name| known.get(name)).filter(|known| known.has_public());
    shown.filter_map(|known| Some((known.name.clone(), format!("/api/v1/public/{space}/{}", known.id()?)))).collect()
}

/// `GET /api/v1/spaces/{space}/documents/{document}/publication?after=`: what is published, and what keeps the newest
/// state from it; with `after`, once all up to there was judged.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::DocumentDeleted`], [`Code::ParameterInvalid`],
/// [`Code::EpochChanged`], [`Code::ProjectionBehind`]
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((space, document)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let query: PublicationQuery = parse_query(raw.as_deref())?;
    let after = query.after.as_deref().map(|text| parse_position("after", text)).transpose()?;
    let source = readable(&app, &caller, &space).await?;
    let id = parse_document(&space, &document)?;
    if let Some(after) = after {
        let patience = Duration::from_secs(app.config.api.after_wait_seconds);
        projection::reach(&app, &source, id, after, patience).await?;
    }
    let told = publication::of(&app, &source, id).await.map_err(|error| ApiError::unavailable(&error))?;
    let json = match told {
        Told::Missing => return Err(no_document(&space, &document)),
        Told::Deleted => return Err(ready::deleted(id)),
        Told::Judged(state) => PublicationJson::of(state).map_err(|error| ApiError::internal(&error))?,
        Told::Unpublished(why) => PublicationJson::without(why),
    };
    Ok((caching::private(), Json(json)).into_response())
}

fn body_of(space: SpaceId, document: DocumentId, found: &Published) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&PublicDocumentJson {
        space: space.to_string(),
        id: document.to_string(),
        r#type: found.type_name.as_deref(),
        value: serde_json::from_str(&found.json)?,
    })
}

impl PublicationJson {
    fn of(state: PublicationState) -> serde_json::Result<Self> {
        let refused = state.violations.as_deref().map(|violations| {
            let why = serde_json::from_str(violations)?;
            Ok::<_, serde_json::Error>(RefusedJson { at: state.judged.to_string(), why })
        });
        Ok(Self {
            state: if refused.is_some() { "refused" } else { "public" },
            reason: None,
            rules: Some(state.rules),
            published: state.published.map(PublishedJson::of).transpose()?,
            refused: refused.transpose()?,
        })
    }

    fn without(why: Unpublished) -> Self {
        Self { state: why.state, reason: Some(why.reason), rules: None, published: None, refused: None }
    }
}

impl PublishedJson {
    fn of(found: Published) -> serde_json::Result<Self> {
        Ok(Self {
            at: found.position.to_string(),
            heads: found.heads.iter().map(ToString::to_string).collect(),
            rules: found.rules,
            value: RawValue::from_string(found.json)?,
        })
    }
}
