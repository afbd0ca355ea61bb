//! Every route there is, as data: the router is built from this table, and the tests walk it.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::header::{CONTENT_LENGTH, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Method};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::access::{self, CallerError};
use crate::api::problem::{ApiError, Code};
use crate::api::{documents, health};
use crate::app::App;
use crate::relay::socket;

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// How.
    pub method: Method,
    /// Where, in the router's pattern.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
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
    Route { method: Method::GET, path: "/healthz", access: Access::Public, handler: || get(health::alive) },
    Route { method: Method::GET, path: "/readyz", access: Access::Public, handler: || get(health::ready) },
    Route { method: Method::GET, path: "/sync", access: Access::Bearer, handler: || get(socket::upgrade) },
    Route { method: Method::GET, path: "/api/v1/documents", access: Access::Bearer, handler: || get(documents::list) },
    Route {
        method: Method::GET,
        path: "/api/v1/spaces/{space}/documents/{document}",
        access: Access::Bearer,
        handler: || get(documents::get),
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
    router
        .fallback(|| async { ApiError::new(Code::RouteNotFound, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async { ApiError::new(Code::MethodNotAllowed, "this path takes GET only") })
        .layer(CatchPanicLayer::custom(on_panic))
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .with_state(app.clone())
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
