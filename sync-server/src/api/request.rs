//! What handlers take from a request: parameters, positions, spaces. Whatever cannot be what it is becomes a problem.

use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequestParts, Query};
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sync_wire::{DocumentId, LogPosition, SpaceId};

use crate::access::{self, Caller, Operator, OperatorError, Owned, OwnedError, Readable, ReadableError, Writable};
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;

/// The names in the path of a request. One that is not UTF-8 is the name of nothing; axum would refuse it in words of
/// its own.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(names)) => Ok(Self(names)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(ApiError::new(Code::RouteNotFound, "a name in the path is not UTF-8"))
            }
            Err(other) => Err(ApiError::internal(&other)),
        }
    }
}

/// The parameters of a request that takes none: a mistyped one must not be ignored, and caches keep one answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NoQuery {}

/// A space that is no id is like one that is not there: both say nothing about other people's spaces.
pub(super) async fn readable(app: &App, caller: &Caller, space: &str) -> ApiResult<Readable> {
    let missing = || ApiError::new(Code::SpaceNotFound, format!("no space {space:.80} for this account"));
    let id: SpaceId = space.parse().map_err(|_| missing())?;
    access::readable(app, caller, id).await.map_err(|error| match error {
        ReadableError::NoSuchSpace(_) => missing(),
        ReadableError::Storage(error) => ApiError::unavailable(&error),
    })
}

/// As [`readable`], for whoever writes; whether he may is judged with what he writes.
pub(super) async fn writable(app: &App, caller: &Caller, space: &str) -> ApiResult<Writable> {
    let missing = || ApiError::new(Code::SpaceNotFound, format!("no space {space:.80} for this account"));
    let id: SpaceId = space.parse().map_err(|_| missing())?;
    access::writable(app, caller, id).await.map_err(|error| match error {
        ReadableError::NoSuchSpace(_) => missing(),
        ReadableError::Storage(error) => ApiError::unavailable(&error),
    })
}

/// As [`readable`], for whoever decides about the space.
pub(super) async fn owned(app: &App, caller: &Caller, space: &str) -> ApiResult<Owned> {
    let missing = || ApiError::new(Code::SpaceNotFound, format!("no space {space:.80} for this account"));
    let id = space.parse().map_err(|_| missing())?;
    access::owned(app, caller, id).await.map_err(|error| match error {
        OwnedError::NoSuchSpace(_) => missing(),
        OwnedError::NotOwner(_) => ApiError::new(Code::OwnerRequired, error.to_string()),
        OwnedError::Storage(error) => ApiError::unavailable(&error),
    })
}

/// As [`readable`], for the whole relay.
pub(super) async fn operator(app: &App, caller: &Caller) -> ApiResult<Operator> {
    access::operator(app, caller).await.map_err(|error| match error {
        OperatorError::NotOperator => ApiError::new(Code::OperatorOnly, error.to_string()),
        OperatorError::Storage(error) => ApiError::unavailable(&error),
    })
}

/// A document that is no id is like one that is not there. Asked after the space, which may not be readable.
pub(super) fn parse_document(space: &str, document: &str) -> ApiResult<DocumentId> {
    document.parse().map_err(|_| no_document(space, document))
}

/// There is no such document, in the words that every route has for it.
pub(super) fn no_document(space: &str, document: &str) -> ApiError {
    ApiError::new(Code::DocumentNotFound, format!("no document {document:.80} in space {space}"))
}

/// Reads a query string whose names are the fields of `T`; each at most once.
pub(super) fn parse_query<T: for<'q> Deserialize<'q>>(raw: Option<&str>) -> ApiResult<T> {
    let uri = format!("/?{}", raw.unwrap_or_default());
    let uri: http::Uri = uri.parse().map_err(|_| ApiError::parameter("query", &uri[2..], "a query string"))?;
    match Query::<T>::try_from_uri(&uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(ApiError::new(
            Code::ParameterInvalid,
            format!("query {:.80?}: {}", raw.unwrap_or_default(), error.body_text()),
        )),
    }
}

/// Reads a query string of which names may be repeated, in its order.
pub(super) fn parse_pairs(raw: Option<&str>) -> ApiResult<Vec<(String, String)>> {
    parse_query(raw)
}

/// How many items to return.
pub(super) fn parse_limit(app: &App, limit: Option<&str>) -> ApiResult<usize> {
    let Some(text) = limit else { return Ok(app.config.api.page_default) };
    let max = app.config.api.page_max;
    let parsed = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    parsed.ok_or_else(|| ApiError::parameter("limit", text, &format!("a number from 1 to {max}")))
}

/// A place in a log.
pub(super) fn parse_position(name: &str, text: &str) -> ApiResult<LogPosition> {
    text.parse().map_err(|_| ApiError::parameter(name, text, "EPOCH:POSITION, as in 00112233aabbccdd:42"))
}
