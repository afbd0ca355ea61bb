//! What a write says beside its path: the version that it is about, its key, and its body.

use axum::extract::Request;
use http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use relay_storage::KEY_BYTES_MAX;
use serde::de::DeserializeOwned;
use sync_wire::LogPosition;

use crate::access::Caller;
use crate::api::body;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;
use crate::relay::author::once::Key;
use crate::relay::author::patch::Patch;
use crate::relay::author::version::Seen;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// What a document is changed by, for `Accept-Patch`.
const PATCHES: &str = "application/merge-patch+json, application/json-patch+json";

/// A request that was read.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) key: Option<Key>,
    body: Vec<u8>,
}

impl Asked {
    /// Reads a request within the bounds of its sender ([`body::read`]).
    ///
    /// # Errors
    /// [`Code::RateLimited`], [`Code::BodyTooLarge`], [`Code::BodyInvalid`], [`Code::ParameterInvalid`]
    pub(super) async fn read(app: &App, caller: &Caller, request: Request) -> ApiResult<Self> {
        let (parts, body) = body::read(app, caller, request).await?;
        let mut headers = parts.headers;
        let key = key_of(&headers, &parts.method, parts.uri.path(), &body)?;
        // The answer to a write is never that nothing is new.
        headers.remove(IF_NONE_MATCH);
        Ok(Self { headers, key, body })
    }

    /// The version that the request is about.
    ///
    /// # Errors
    /// [`Code::PreconditionRequired`], [`Code::VersionUnknown`]
    pub(super) fn seen(&self) -> ApiResult<Seen> {
        let mut tags = self.headers.get_all(IF_MATCH).iter();
        let (Some(tag), None) = (tags.next(), tags.next()) else {
            let detail = "say in one `If-Match` which version this is about: the ETag that was read, or * for any";
            return Err(ApiError::new(Code::PreconditionRequired, detail));
        };
        let text = tag.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Seen::Current);
        }
        position_in(text).map(Seen::At).ok_or_else(|| {
            let detail = format!("If-Match {text:.80?}: expected one ETag of this document, as it was read, or *");
            ApiError::new(Code::VersionUnknown, detail)
        })
    }

    /// The body as what is to change.
    ///
    /// # Errors
    /// [`Code::MediaTypeUnsupported`], [`Code::BodyInvalid`]
    pub(super) fn patch(&self) -> ApiResult<Patch> {
        match body::media_type(&self.headers).as_deref() {
            Some(MERGE_PATCH) => Patch::merge(&self.body).map_err(|error| body::garbage(&error)),
            Some(JSON_PATCH) => Patch::steps(&self.body).map_err(|error| body::garbage(&error)),
            other => Err(ApiError::media_type(other, PATCHES)),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Code::MediaTypeUnsupported`], [`Code::BodyInvalid`]
    pub(super) fn json<T: DeserializeOwned>(&self) -> ApiResult<T> {
        body::json(&self.headers, &self.body)
    }
}

/// The version that a tag names. What is behind the position tells bytes apart, which say nothing of what was seen; for
/// the same reason a weak tag, of compressed bytes, is as good.
fn position_in(tag: &str) -> Option<LogPosition> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    // Several tags are no one version.
    let tag = Some(tag).filter(|tag| !tag.contains('"'))?;
    tag.split_once('-').map_or(tag, |(position, _)| position).parse().ok()
}

/// The key of a request, if it has one: a quoted string of a structured field (RFC 9651), or the same without quotes.
fn key_of(headers: &HeaderMap, method: &Method, path: &str, body: &[u8]) -> ApiResult<Option<Key>> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let text = key.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if !is_plain || text.is_empty() || text.len() > KEY_BYTES_MAX || keys.next().is_some() {
        let expected = format!("one key of 1 to {KEY_BYTES_MAX} letters, digits and signs, such as a UUID");
        return Err(ApiError::parameter("Idempotency-Key", text, &expected));
    }
    let mut said = blake3::Hasher::new();
    let header = |name: HeaderName| headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    for part in [method.as_str().as_bytes(), path.as_bytes(), header(CONTENT_TYPE), header(IF_MATCH), body] {
        said.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    Ok(Some(Key { text: text.to_owned(), fingerprint: *said.finalize().as_bytes() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_version_however_its_bytes_were_sent() {
        let at = "0011223344556677:5".parse().ok();
        for tag in ["\"0011223344556677:5-abc\"", "W/\"0011223344556677:5-abc\"", "\"0011223344556677:5\""] {
            assert_eq!(position_in(tag), at, "{tag}");
        }
        for tag in ["", "*", "\"", "0011223344556677:5", "\"5\"", "\"0011223344556677:5-a\", \"0011223344556677:6-b\""]
        {
            assert_eq!(position_in(tag), None, "{tag}");
        }
    }

    #[test]
    fn a_key_is_short_and_plain_and_says_what_it_is_for() {
        let with = |keys: &[&str]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, key.parse().unwrap());
            }
            key_of(&headers, &Method::PATCH, "/p", b"body")
        };
        assert_eq!(with(&[]).unwrap(), None);
        assert_eq!(with(&["\"k-1\""]).unwrap(), with(&["k-1"]).unwrap());
        for wrong in [&[""][..], &["\"\""], &["a b"], &["a\"b"], &["a", "b"], &[&"k".repeat(KEY_BYTES_MAX + 1)]] {
            assert_eq!(with(wrong).unwrap_err().code(), Code::ParameterInvalid, "{wrong:?}");
        }
        assert!(with(&[&"k".repeat(KEY_BYTES_MAX)]).is_ok());
        let of = |method, path, body: &[u8]| {
            let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, "k".parse().unwrap())]);
            key_of(&headers, &method, path, body).unwrap().unwrap().fingerprint
        };
        let one = of(Method::PATCH, "/p", b"body");
        assert_eq!(one, of(Method::PATCH, "/p", b"body"));
        assert!(one != of(Method::POST, "/p", b"body") && one != of(Method::PATCH, "/q", b"body"));
        assert_ne!(one, of(Method::PATCH, "/p", b"other"));
    }
}
