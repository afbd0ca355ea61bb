//! What caches may keep: answers are for one reader and asked for again, and a tag saves sending what is known.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName};
use sync_wire::{ChangeHash, LogPosition};

/// The answer depends on who asks, and must be asked for again.
pub(super) fn private() -> [(HeaderName, HeaderValue); 2] {
    let vary = HeaderValue::from_name(AUTHORIZATION);
    [(CACHE_CONTROL, HeaderValue::from_static("private, no-cache")), (VARY, vary)]
}

/// Strong: equal tags mean equal bytes, because position and heads decide the projection.
pub(super) fn etag(position: &LogPosition, heads: &[ChangeHash]) -> String {
    let mut hasher = blake3::Hasher::new();
    heads.iter().for_each(|head| {
        hasher.update(&head.0);
    });
    let digest = hasher.finalize().to_hex();
    format!("\"{position}-{}\"", &digest[..16])
}

/// Whether the asker has what has this tag.
pub(super) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|known| matches(known, etag))
}

/// `If-None-Match` compares weakly and may list several tags, or any.
fn matches(known: &HeaderValue, etag: &HeaderValue) -> bool {
    let (Ok(known), Ok(etag)) = (known.to_str(), etag.to_str()) else { return false };
    known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
}

/// A tag that was strong is weak once the bytes were compressed: the same tag stands for several encodings.
pub async fn weaken_encoded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if headers.contains_key(CONTENT_ENCODING)
        && let Some(strong) = headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat())
    {
        headers.insert(ETAG, weak);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_takes_lists_weak_tags_and_any() {
        let etag = HeaderValue::from_static("\"a-1\"");
        let check = |known: &'static str| matches(&HeaderValue::from_static(known), &etag);
        assert!(check("\"a-1\"") && check("W/\"a-1\"") && check("\"b\", \"a-1\"") && check("*"));
        assert!(!check("\"a-2\"") && !check("a-1"));
    }

    #[test]
    fn other_heads_at_the_same_position_are_another_tag() {
        let at: LogPosition = "0011223344556677:5".parse().unwrap();
        assert_ne!(etag(&at, &[ChangeHash([1; 32])]), etag(&at, &[ChangeHash([2; 32])]));
    }
}
