//! Every route there is, as data: the router is built from this table, and the tests walk it.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Extensions, HeaderMap, Method, StatusCode, Version};
use tokio::time::Instant;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::access::{self, CallerError};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::{ApiError, Code};
use crate::api::{caching, documents, events, health, history, openapi, request_id};
use crate::app::App;
use crate::metrics;
use crate::relay::socket;

/// Smaller bodies fit the same packet either way.
const COMPRESSED_BYTES_MIN: u16 = 1024;
/// Of brotli, gzip and zstd alike: most of the gain for little of the time.
const COMPRESSION_LEVEL: i32 = 4;

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// How.
    pub method: Method,
    /// Where, in the router's pattern.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
    /// What it is for.
    pub operation: &'static Operation,
    handler: fn() -> MethodRouter<App>,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the route says nothing about anybody.
    Public,
    /// Whoever has a token. What exactly he may see, the handler asks `access`.
    Bearer,
}

/// The table.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/healthz",
        access: Access::Public,
        handler: || get(health::alive),
        operation: &Operation {
            id: "alive",
            summary: "Whether the process is alive.",
            query: &[],
            answer: Answer::Json("Health"),
            problems: &[],
        },
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        access: Access::Public,
        handler: || get(health::ready),
        operation: &Operation {
            id: "ready",
            summary: "Whether the relay can do its work.",
            query: &[],
            answer: Answer::Json("Health"),
            problems: &[Code::Unavailable],
        },
    },
    Route {
        method: Method::GET,
        path: "/sync",
        access: Access::Bearer,
        handler: || get(socket::upgrade),
        operation: &Operation {
            id: "sync",
            summary: "The session of a device; the protocol is described in docs/protocol.md.",
            query: &[],
            answer: Answer::Socket,
            problems: &[Code::UpgradeRequired],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/openapi.json",
        access: Access::Public,
        handler: || get(openapi::get),
        operation: &Operation {
            id: "describe",
            summary: "This description.",
            query: &[],
            answer: Answer::Description,
            problems: &[],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/documents",
        access: Access::Bearer,
        handler: || get(documents::list),
        operation: &Operation {
            id: "listDocuments",
            summary: "The documents of every readable space, or of one, page by page.",
            query: &["space", "type", "deleted", "updated_after", "limit", "cursor"],
            answer: Answer::Json("DocumentList"),
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::EpochChanged],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/spaces/{space}/documents/{document}",
        access: Access::Bearer,
        handler: || get(documents::get),
        operation: &Operation {
            id: "getDocument",
            summary: "The merged state of a document: as it is, once it contains a position, or as it was there.",
            query: &["after", "at"],
            answer: Answer::Tagged("Document"),
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::DocumentDeleted,
                Code::EpochChanged,
                Code::ProjectionBehind,
                Code::VersionTooLarge,
            ],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/spaces/{space}/documents/{document}/history",
        access: Access::Bearer,
        handler: || get(history::list),
        operation: &Operation {
            id: "getHistory",
            summary: "The entries of a document, newest first, page by page.",
            query: &["limit", "cursor"],
            answer: Answer::Json("History"),
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::DocumentNotFound, Code::EpochChanged],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/events",
        access: Access::Bearer,
        handler: || get(events::stream),
        operation: &Operation {
            id: "followSpaces",
            summary: "Hints that the merged state of a space has advanced.",
            query: &["space", "after"],
            answer: Answer::Hints,
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound],
        },
    },
];

/// Builds the router from [`ROUTES`].
pub fn router(app: &App) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let handler = (route.handler)();
        let handler = match route.access {
            Access::Public => handler,
            // From the outside in: credentials before anything that costs more.
            Access::Bearer => handler
                .layer(from_fn_with_state(app.clone(), bound))
                .layer(from_fn_with_state(app.clone(), require_bearer)),
        };
        router = router.route(route.path, handler);
    }
    let router = router
        .fallback(|| async { ApiError::new(Code::RouteNotFound, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(Code::MethodNotAllowed, "this path takes GET and HEAD only")
        })
        .layer(CatchPanicLayer::custom(on_panic));
    let is_measured = !app.config.server.metrics_listen.is_empty();
    let router = if is_measured { router.layer(from_fn(measure)) } else { router };
    // From the inside out.
    router
        .layer(compression())
        .layer(from_fn(caching::weaken_encoded))
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .layer(from_fn(request_id::identify))
        .with_state(app.clone())
}

/// Compresses JSON that is worth it, and nothing else: hints must leave at once.
fn compression() -> CompressionLayer<impl Predicate> {
    let is_json = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        content_type == "application/json" || content_type == "application/problem+json"
    };
    let worth_it = SizeAbove::new(COMPRESSED_BYTES_MIN).and(is_json);
    CompressionLayer::new().quality(CompressionLevel::Precise(COMPRESSION_LEVEL)).compress_when(worth_it)
}

/// Counts requests by the pattern of their route.
async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, began) = (request.method().clone(), Instant::now());
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    metrics::answered(&method, route, response.status(), began.elapsed());
    response
}

/// Lets nobody in without a token, and tells the handler whose it is.
async fn require_bearer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match access::caller(&app, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error @ (CallerError::Missing | CallerError::Unknown)) => {
            ApiError::new(Code::Unauthenticated, error.to_string()).into_response()
        }
        Err(CallerError::Storage(error)) => ApiError::unavailable(&error).into_response(),
    }
}

/// Bounds what a request may cost: its body, its time, and how many there are at once.
async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    let body_bytes_max = app.config.api.body_bytes_max;
    if content_length(request.headers()) > body_bytes_max {
        let detail = format!("at most {body_bytes_max} bytes are taken");
        return ApiError::new(Code::BodyTooLarge, detail).into_response();
    }
    let Ok(_permit) = app.requests.try_acquire() else {
        let detail = "too many requests are being answered; try again";
        return ApiError::new(Code::Overloaded, detail).retry_after(Duration::from_secs(1)).into_response();
    };
    let limit = Duration::from_secs(app.config.api.request_seconds);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(Code::RequestTimeout, format!("no answer within {limit:?}")).into_response(),
    }
}

fn content_length(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn on_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let cause = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned();
    ApiError::internal(&cause).into_response()
}
