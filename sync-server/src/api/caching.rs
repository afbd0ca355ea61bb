//! What caches may keep: answers are for one reader and asked for again, and a tag saves sending what is known.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName, StatusCode};
use sync_wire::LogPosition;

/// Digits of a digest in a tag.
const TAG_DIGITS: usize = 16;

/// The answer is for one reader, and must be asked for again.
pub(super) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// The answer depends on who asks, and must be asked for again.
pub(super) fn private() -> [(HeaderName, HeaderValue); 2] {
    [(CACHE_CONTROL, PRIVATE), (VARY, HeaderValue::from_static("authorization"))]
}

/// The tags of a document's answer: a strong one for its plain bytes, and the weak one of its compressed forms. Equal
/// tags mean equal bytes; the position in it is for people.
pub(super) fn etags(position: &LogPosition, body: &[u8]) -> (HeaderValue, HeaderValue) {
    let digest = blake3::hash(body).to_hex();
    let strong = format!("\"{position}-{}\"", &digest[..TAG_DIGITS]);
    (in_header(&strong), in_header(&format!("W/{strong}")))
}

/// The tags of what everybody sees, as [`etags`]: of the bytes alone, so that they tell nothing of edits that do not
/// show.
pub(super) fn public_etags(body: &[u8]) -> (HeaderValue, HeaderValue) {
    let digest = blake3::hash(body).to_hex();
    let strong = format!("\"{}\"", &digest[..TAG_DIGITS]);
    (in_header(&strong), in_header(&format!("W/{strong}")))
}

/// An answer that everybody gets, kept by caches as long as it says; or that it is what the asker has.
pub(super) fn for_everybody(body: Vec<u8>, kept: HeaderValue, asked: &HeaderMap) -> Response {
    let (strong, weak) = public_etags(&body);
    let headers = [(CACHE_CONTROL, kept), (ETAG, weak)];
    if is_known(asked, &strong) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Makes the tag of an answer weak, if it has one: its bytes are sent in another form.
pub(super) fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    if let Some(weak) = tag.map(|tag| in_header(&format!("W/{tag}"))) {
        headers.insert(ETAG, weak);
    }
}

fn in_header(tag: &str) -> HeaderValue {
    HeaderValue::from_str(tag).unwrap_or_else(|_| unreachable!("hexadecimal digits, colons and quotes"))
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
    fn other_bytes_at_the_same_position_are_another_tag() {
        let at: LogPosition = "0011223344556677:5".parse().unwrap();
        let (strong, weak) = etags(&at, b"one");
        assert_eq!(weak, format!("W/{}", strong.to_str().unwrap()));
        assert_ne!(strong, etags(&at, b"two").0);
        let mut headers = HeaderMap::from_iter([(ETAG, strong)]);
        for _ in 0..2 {
            weaken(&mut headers);
            assert_eq!(headers[ETAG], weak);
        }
    }
}
