//! Bodies of requests: read within the bounds of their sender, and taken as what their media type says.

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::access::Caller;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;
use crate::relay::rates::Spent;

const JSON: &str = "application/json";

/// Reads a request within the bounds of its sender: its body, and how fast his devices speak, of which the website is
/// one.
///
/// # Errors
/// [`Code::RateLimited`], [`Code::BodyTooLarge`], [`Code::BodyInvalid`]
pub(super) async fn read(app: &App, caller: &Caller, request: Request) -> ApiResult<(Parts, Vec<u8>)> {
    let now = Instant::now();
    let meter = app.rates.of(caller.account(), now);
    let wait = meter.next_at(now).duration_since(now);
    if !wait.is_zero() {
        let detail = "the account has spent what it may send at once; ask again when it is due";
        return Err(ApiError::new(Code::RateLimited, detail).retry_after(wait));
    }
    let (parts, body) = request.into_parts();
    let body = whole(app, body).await?;
    meter.spend(now, Spent { frames: 1, bytes: body.len() as u64, ..Spent::default() });
    Ok((parts, body))
}

/// Reads a request of whoever has no account yet: its body is bounded, and how many there are at once is by `guard`.
///
/// # Errors
/// [`Code::BodyTooLarge`], [`Code::BodyInvalid`]
pub(super) async fn read_of_anybody(app: &App, request: Request) -> ApiResult<(Parts, Vec<u8>)> {
    let (parts, body) = request.into_parts();
    Ok((parts, whole(app, body).await?))
}

/// A body as JSON.
///
/// # Errors
/// [`Code::MediaTypeUnsupported`], [`Code::BodyInvalid`]
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> ApiResult<T> {
    match media_type(headers).as_deref() {
        Some(JSON) => serde_json::from_slice(body).map_err(|error| garbage(&error)),
        other => Err(ApiError::media_type(other, JSON)),
    }
}

/// Without its parameters, of which none changes what JSON means.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

pub(super) fn garbage(error: &serde_json::Error) -> ApiError {
    ApiError::new(Code::BodyInvalid, format!("the body is not what its media type says: {error:.200}"))
}

async fn whole(app: &App, body: Body) -> ApiResult<Vec<u8>> {
    let most = app.config.api.body_bytes_max;
    match axum::body::to_bytes(body, most).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_too_long(&error) => {
            Err(ApiError::new(Code::BodyTooLarge, format!("at most {most} bytes are taken")))
        }
        Err(_) => Err(ApiError::new(Code::BodyInvalid, "the body ended before its end")),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
