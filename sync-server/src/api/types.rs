//! `/api/v1/types`: document types of third parties. Whoever was given a namespace publishes, everybody reads.
//!
//! A version never changes, so caches may keep it for good; lists of versions they ask for again after some seconds.

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use relay_storage::{NewType, PublishError, PublishedType, Publisher, TypeInfo};
use schemas::{Finding, jsonc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Caller;
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{NoQuery, Path, parse_limit, parse_query};
use crate::api::{body, caching};
use crate::app::App;
use crate::relay::author::error::Violation;
use crate::types::{self, RefusedType};

/// How long a cache may answer for the relay where something may be added.
const SOON: HeaderValue = HeaderValue::from_static("public, max-age=10");
/// And where nothing ever changes: a year.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// What files are sent as. Comments in them are taken, as everywhere.
const JSON: &str = "application/json";
/// Of a name that is repeated.
const NAME_CHARS_MAX: usize = 80;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypesQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct TypeListJson {
    items: Vec<TypeJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct TypeVersionsJson {
    name: String,
    versions: Vec<TypeJson>,
}

#[derive(Serialize)]
struct TypeJson {
    name: String,
    version: u32,
    digest: String,
    bytes: u64,
    time: String,
}

#[derive(Serialize)]
struct PublishedTypeJson {
    #[serde(flatten)]
    of: TypeJson,
    schema: Value,
    text: String,
}

/// `GET /api/v1/types?limit=&cursor=`: the newest version of every published type, by name.
///
/// # Errors
/// [`Code::ParameterInvalid`]
pub async fn list(State(app): State<App>, RawQuery(raw): RawQuery, asked: HeaderMap) -> ApiResult<Response> {
    let TypesQuery { limit, cursor } = parse_query(raw.as_deref())?;
    let limit = parse_limit(&app, limit.as_deref())?;
    if let Some(cursor) = cursor.as_deref().filter(|cursor| schemas::namespace_of(cursor).is_none()) {
        return Err(ApiError::parameter("cursor", cursor, "the `next` of an earlier page"));
    }
    let listed = app.storage.newest_types(cursor, limit).await.map_err(|error| ApiError::unavailable(&error))?;
    let next = listed.last().filter(|_| listed.len() == limit).map(|last| last.name.clone());
    let items = listed.into_iter().map(TypeJson::from).collect();
    answer(&TypeListJson { items, next }, SOON, &asked)
}

/// `GET /api/v1/types/{name}`: every version of a type, ascending.
///
/// # Errors
/// [`Code::TypeNotFound`], [`Code::ParameterInvalid`]
pub async fn versions(
    State(app): State<App>,
    Path(name): Path<String>,
    RawQuery(raw): RawQuery,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let versions = app.storage.type_versions(&name).await.map_err(|error| ApiError::unavailable(&error))?;
    if versions.is_empty() {
        return Err(missing(&name));
    }
    let versions = versions.into_iter().map(TypeJson::from).collect();
    answer(&TypeVersionsJson { name, versions }, SOON, &asked)
}

/// `GET /api/v1/types/{name}/{version}`: one version, with its file.
///
/// # Errors
/// [`Code::TypeNotFound`], [`Code::ParameterInvalid`]
pub async fn version(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let number = version.parse().map_err(|_| missing(&name))?;
    let found = app.storage.published_type(&name, number).await.map_err(|error| ApiError::unavailable(&error))?;
    let PublishedType { info, text } = found.ok_or_else(|| missing(&name))?;
    // It was read before it was published.
    let schema = jsonc::parse(&text).map_err(|error| ApiError::internal(&error))?;
    answer(&PublishedTypeJson { of: info.into(), schema, text }, FOR_GOOD, &asked)
}

/// `PUT /api/v1/types/{name}/{version}`: publishes a version, for good. The same file once more is no other request.
///
/// # Errors
/// [`Code::NamespaceRequired`], [`Code::TypeInvalid`], [`Code::TypeVersionTaken`], [`Code::TypeVersionOrder`],
/// [`Code::QuotaExceeded`], [`Code::ParameterInvalid`], [`Code::MediaTypeUnsupported`], [`Code::BodyInvalid`],
/// [`Code::BodyTooLarge`], [`Code::RateLimited`]
pub async fn publish(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((name, version)): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let number = version.parse().ok().filter(|number| *number > 0);
    let version = number.ok_or_else(|| ApiError::parameter("version", &version, "a number from 1"))?;
    let (parts, body) = body::read(&app, &caller, request).await?;
    match body::media_type(&parts.headers).as_deref() {
        Some(JSON) => {}
        other => return Err(ApiError::media_type(other, JSON)),
    }
    let text = String::from_utf8(body).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ApiError::new(Code::BodyInvalid, format!("the file is not UTF-8 from byte {at} on; save it as UTF-8"))
    })?;
    let new = NewType { name, version, text, by: Publisher::Account(caller.account()) };
    let (info, is_new) = types::publish(&app, new).await.map_err(ApiError::from)?;
    let place = format!("/api/v1/types/{}/{}", info.name, info.version);
    let mut response = (caching::private(), Json(TypeJson::from(info))).into_response();
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    Ok(response)
}

fn missing(name: &str) -> ApiError {
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let detail = format!("no such version of a published type {name:?}; built-in types come with every program");
    ApiError::new(Code::TypeNotFound, detail)
}

fn answer(json: &impl Serialize, kept: HeaderValue, asked: &HeaderMap) -> ApiResult<Response> {
    let body = serde_json::to_vec(json).map_err(|error| ApiError::internal(&error))?;
    Ok(caching::for_everybody(body, kept, asked))
}

impl From<TypeInfo> for TypeJson {
    fn from(info: TypeInfo) -> Self {
        let TypeInfo { name, version, digest, bytes, published_at, .. } = info;
        let digest = blake3::Hash::from(digest).to_hex().to_string();
        Self { name, version, digest, bytes, time: shown_time(published_at) }
    }
}

impl From<RefusedType> for ApiError {
    fn from(error: RefusedType) -> Self {
        let detail = error.to_string();
        let code = match error {
            RefusedType::Findings(error) => {
                let violations: Vec<Violation> = error.findings.into_iter().map(Violation::from).collect();
                let detail = format!("{} findings in {}; mend each of them", violations.len(), error.file);
                return Self::new(Code::TypeInvalid, detail).violations(violations);
            }
            RefusedType::TooLarge { .. } => Code::BodyTooLarge,
            RefusedType::Stopped(_) => return Self::internal(&detail),
            RefusedType::Publish(error) => match error {
                PublishError::InvalidName { .. } => Code::ParameterInvalid,
                PublishError::NotGranted { .. } => Code::NamespaceRequired,
                PublishError::OtherText { .. } => Code::TypeVersionTaken,
                PublishError::OutOfOrder { .. } => Code::TypeVersionOrder,
                PublishError::Quota { .. } => Code::QuotaExceeded,
                PublishError::Storage(error) => return Self::unavailable(&error),
                _ => return Self::internal(&detail),
            },
        };
        Self::new(code, detail)
    }
}

impl From<Finding> for Violation {
    fn from(finding: Finding) -> Self {
        let Finding { line, column, pointer, code, rule, remedy, .. } = finding;
        Self { path: pointer, code: code.to_owned(), message: rule, remedy, place: Some((line, column)) }
    }
}
