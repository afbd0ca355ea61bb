//! What every request passes on its way in and every answer on its way out: a name, compression, headers that all have.
//!
//! One service around the router, not a stack of layers: each layer of a router costs a boxed call for every request.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::header::{HeaderName, HeaderValue};
use http_body::Body as _;
use tower::Service as _;

use crate::accept::{Answer, Asked};
use crate::api::encoding::{self, COMPRESSED_BYTES_MIN, Encoding};
use crate::api::guard::Guard;
use crate::api::request_id;
use crate::api::{caching, documents};
use crate::app::App;

/// The whole HTTP interface, as the accept loop calls it.
#[derive(Debug)]
pub struct Front {
    app: App,
    router: Router,
    /// Of the one route that is answered before the router is asked.
    document: Guard,
}

impl Front {
    /// Around a router. `document` is what guards the route of one document.
    #[must_use]
    pub const fn new(app: App, router: Router, document: Guard) -> Self {
        Self { app, router, document }
    }

    async fn ask_router(&self, request: Asked, id: &HeaderValue) -> Response {
        let accepted = Encoding::accepted(request.headers());
        let Ok(response) = request_id::name(id, self.router.clone().call(request)).await;
        encode(response, accepted).await
    }
}

impl Answer for Front {
    type Body = Body;

    async fn answer(&self, request: Asked) -> Response {
        let id = request_id::of(request.headers());
        // Most requests read what was read a moment ago. They pass the same checks, and cost half.
        let mut response = match documents::at_once(&self.app, &self.document, &request) {
            Some(response) => response,
            None => Box::pin(self.ask_router(request, &id)).await,
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(request_id::X_REQUEST_ID, id);
        response
    }
}

/// Compresses text that is worth it and not compressed yet, and nothing else: hints must leave at once.
async fn encode(mut response: Response, accepted: Option<Encoding>) -> Response {
    if !is_worth_it(&response) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    match accepted {
        // Boxed: most answers do not come here, and their future is the smaller for it.
        Some(encoding) => Box::pin(compress(response, encoding)).await,
        None => response,
    }
}

async fn compress(response: Response, encoding: Encoding) -> Response {
    let (mut parts, body) = response.into_parts();
    // Complete already, as its exact size says.
    let Ok(plain) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let body = match encoding::compress(encoding, plain.clone()).await {
        Some(compressed) => {
            parts.headers.insert(CONTENT_ENCODING, encoding.header());
            parts.headers.remove(CONTENT_LENGTH);
            caching::weaken(&mut parts.headers);
            compressed
        }
        None => plain,
    };
    Response::from_parts(parts, body.into())
}

fn is_worth_it(response: &Response) -> bool {
    let is_long = response.body().size_hint().exact().is_some_and(|bytes| bytes >= COMPRESSED_BYTES_MIN as u64);
    is_long
        && response.headers().get(CONTENT_TYPE).is_some_and(is_text)
        && !has_decided(response.headers(), &ACCEPT_ENCODING)
}

/// What the interface says, and what the website is made of.
fn is_text(kind: &HeaderValue) -> bool {
    let Ok(kind) = kind.to_str() else { return false };
    let kind = kind.split(';').next().unwrap_or_default();
    kind.ends_with("json") || matches!(kind, "text/html" | "text/css" | "text/javascript" | "image/svg+xml")
}

/// Whether the handler has looked at what the client accepts.
fn has_decided(headers: &HeaderMap, by: &HeaderName) -> bool {
    headers.get(VARY).and_then(|names| names.to_str().ok()).is_some_and(|names| names.contains(by.as_str()))
}
