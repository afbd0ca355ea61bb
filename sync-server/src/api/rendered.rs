//! A document's answer, ready to be sent: its bytes, its tag, and its compressed forms once somebody wanted them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, VARY};
use http::{HeaderMap, StatusCode};
use relay_storage::Projection;
use schemas::Registry;
use serde::Serialize;
use serde_json::value::RawValue;
use sync_wire::LogPosition;
use tokio::sync::OnceCell;

use crate::api::caching;
use crate::api::encoding::{self, COMPRESSED_BYTES_MIN, Encoding};
use crate::projection::hidden_field;

/// What an answer takes beside its bytes, roughly.
const BESIDE_BYTES: usize = 512;
/// Headers that an answer gets on its way out, with those from here.
const HEADERS: usize = 8;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Rendered {
    position: LogPosition,
    etag: HeaderValue,
    /// The tag of every compressed form.
    weak_etag: HeaderValue,
    body: Bytes,
    /// In the order of [`Encoding::ALL`]; `None` inside for a form that is not smaller.
    encoded: [OnceCell<Option<Bytes>>; Encoding::ALL.len()],
}

#[derive(Serialize)]
struct DocumentJson<'a> {
    space: String,
    id: String,
    r#type: Option<&'a str>,
    title: Option<&'a str>,
    position: String,
    heads: Vec<String>,
    held: Option<&'a str>,
    value: &'a RawValue,
}

impl Rendered {
    /// # Errors
    /// The stored JSON is none.
    pub(super) fn of(types: &Registry, found: &Projection) -> Result<Self, serde_json::Error> {
        let value = shown(types, found.type_name.as_deref(), &found.json)?;
        let body = serde_json::to_vec(&DocumentJson {
            space: found.space.to_string(),
            id: found.document.to_string(),
            r#type: found.type_name.as_deref(),
            title: found.title.as_deref(),
            position: found.position.to_string(),
            heads: found.heads.iter().map(ToString::to_string).collect(),
            held: found.held.as_deref(),
            value: serde_json::from_str(&value)?,
        })?;
        let (etag, weak_etag) = caching::etags(&found.position, &body);
        Ok(Self { position: found.position, etag, weak_etag, body: body.into(), encoded: Default::default() })
    }

    /// Up to where the document's entries are in it.
    pub(super) const fn position(&self) -> LogPosition {
        self.position
    }

    /// The plain bytes.
    pub(super) const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Bytes of memory, at most. No compressed form is larger than the plain one.
    pub(super) fn bytes_max(&self) -> usize {
        BESIDE_BYTES + self.body.len() * (1 + Encoding::ALL.len())
    }

    /// The answer to a request with these headers.
    pub(super) async fn answer(&self, asked: &HeaderMap) -> Response {
        if let Some(encoding) = self.wanted(asked) {
            let body = self.body.clone();
            self.encoded[encoding as usize].get_or_init(|| encoding::compress(encoding, body)).await;
        }
        self.answer_at_once(asked).unwrap_or_else(|| self.found(None, &self.body))
    }

    /// As [`Rendered::answer`], if nobody needs to wait for a compressed form.
    pub(super) fn answer_at_once(&self, asked: &HeaderMap) -> Option<Response> {
        let encoding = self.wanted(asked);
        if caching::is_known(asked, &self.etag) {
            let mut response = self.head(encoding, Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(response);
        }
        let Some(encoding) = encoding else { return Some(self.found(None, &self.body)) };
        Some(match self.encoded[encoding as usize].get()? {
            Some(body) => self.found(Some(encoding), body),
            None => self.found(None, &self.body),
        })
    }

    fn wanted(&self, asked: &HeaderMap) -> Option<Encoding> {
        if self.body.len() < COMPRESSED_BYTES_MIN { None } else { Encoding::accepted(asked) }
    }

    fn found(&self, encoding: Option<Encoding>, body: &Bytes) -> Response {
        let mut response = self.head(encoding, Body::from(body.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, encoding.header());
        }
        response
    }

    /// What an answer with this encoding has in common with one that has no body.
    fn head(&self, encoding: Option<Encoding>, body: Body) -> Response {
        let etag = if encoding.is_some() { &self.weak_etag } else { &self.etag };
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CACHE_CONTROL, caching::PRIVATE);
        headers.insert(VARY, HeaderValue::from_static("authorization, accept-encoding"));
        headers.insert(ETAG, etag.clone());
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response
    }
}

/// The value as people and programs write it, without what is for nobody here.
fn shown<'j>(types: &Registry, type_name: Option<&str>, json: &'j str) -> Result<Cow<'j, str>, serde_json::Error> {
    let known = type_name.and_then(|name| types.get(name));
    match known.filter(|known| !known.is_stored_plain()) {
        Some(known) => {
            let mut plain = known.plain(&serde_json::from_str(json)?);
            if let (Some(hidden), Some(fields)) = (hidden_field(type_name), plain.as_object_mut()) {
                fields.remove(hidden);
            }
            Ok(plain.to_string().into())
        }
        None => without_hidden(type_name, json),
    }
}

fn without_hidden<'j>(type_name: Option<&str>, json: &'j str) -> Result<Cow<'j, str>, serde_json::Error> {
    let Some(hidden) = hidden_field(type_name).filter(|_| json.starts_with('{')) else {
        return Ok(json.into());
    };
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    match fields.remove(hidden) {
        Some(_) => Ok(serde_json::to_string(&fields)?.into()),
        None => Ok(json.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT_ENCODING;

    fn projection(type_name: Option<&str>, json: &str) -> Projection {
        Projection {
            space: sync_wire::SpaceId([1; 16]),
            document: sync_wire::DocumentId([2; 16]),
            type_name: type_name.map(str::to_owned),
            title: None,
            heads: Vec::new(),
            position: "0011223344556677:5".parse().unwrap(),
            json: json.to_owned(),
            deleted: false,
            held: None,
        }
    }

    #[test]
    fn the_layout_of_settings_and_keymaps_is_left_out_and_of_nothing_else() {
        let json = r#"{"base":{"a\"b":1.50},"layout":{"base":{"members":{}}}}"#;
        assert_eq!(shown(Registry::builtin(), Some("settings"), json).unwrap(), r#"{"base":{"a\"b":1.50}}"#);
        assert_eq!(shown(Registry::builtin(), Some("keymap"), json).unwrap(), r#"{"base":{"a\"b":1.5}}"#);
        assert_eq!(shown(Registry::builtin(), Some("note"), json).unwrap(), json);
        assert_eq!(shown(Registry::builtin(), None, json).unwrap(), json);
        assert_eq!(shown(Registry::builtin(), Some("settings"), "null").unwrap(), "null");
    }

    #[test]
    fn a_list_is_shown_in_its_order_as_it_is_written() {
        let json = r#"{"bindings":{"x":{"order":"b","key":"2"},"y":{"order":"a","key":"1"}},"layout":{"file":{}}}"#;
        assert_eq!(
            shown(Registry::builtin(), Some("keymap"), json).unwrap(),
            r#"{"bindings":[{"key":"1"},{"key":"2"}]}"#
        );
    }

    #[test]
    fn whatever_shows_in_the_answer_shows_in_its_tag() {
        let tag = |projection: Projection| Rendered::of(Registry::builtin(), &projection).unwrap().etag;
        let plain = projection(Some("note"), "{}");
        let held = Projection { held: Some("broken".into()), ..plain.clone() };
        let titled = Projection { title: Some("a title".into()), ..plain.clone() };
        let tags = [tag(plain.clone()), tag(held), tag(titled), tag(projection(Some("note"), "{\"a\":1}"))];
        for (index, one) in tags.iter().enumerate() {
            assert!(!tags[index + 1..].contains(one), "{tags:?}");
        }
        assert_eq!(tag(plain.clone()), tag(plain));
    }

    #[tokio::test]
    async fn a_compressed_form_is_made_once_and_counted() {
        let long = format!("{{\"name\":\"{}\"}}", "again and ".repeat(500));
        let rendered = Rendered::of(Registry::builtin(), &projection(Some("note"), &long)).unwrap();
        let mut asked = HeaderMap::new();
        asked.insert(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert!(rendered.answer_at_once(&asked).is_none(), "somebody has to compress it first");
        let first = rendered.answer(&asked).await;
        let second = rendered.answer_at_once(&asked).unwrap();
        assert_eq!(first.headers(), second.headers());
        assert_eq!(first.headers()[CONTENT_ENCODING], "br");
        let form = rendered.encoded[Encoding::Brotli as usize].get().unwrap().as_ref().unwrap();
        assert!(rendered.bytes_max() > rendered.body.len() + Encoding::ALL.len() * form.len());
    }
}
