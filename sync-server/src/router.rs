//! How requests get to handlers: the router is built from the table of all routes, and the tests walk it.

mod table; // every route there is

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::routing::MethodRouter;
use http::Method;

use crate::api::front::Front;
use crate::api::guard::Guard;
use crate::api::openapi::Operation;
use crate::api::problem::{ApiError, Code};
use crate::app::App;
use crate::metrics;
use table::DOCUMENT;
pub use table::ROUTES;

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
    handler: fn(Guard) -> MethodRouter,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; the route says nothing about anybody.
    Public,
    /// Anybody, token or not, and he is told what was published. Bounded like what needs a token.
    Anybody,
    /// Whoever has a token. What exactly he may see, the handler asks `access`.
    Bearer,
}

/// Builds the whole interface from [`ROUTES`].
#[must_use]
pub fn front(app: &App) -> Front {
    let mut router = Router::new();
    for route in ROUTES {
        let guard = Guard::new(app, route.access, route.path);
        router = router.route(route.path, (route.handler)(guard));
    }
    let nothing = |request: Request| refused(request, Code::RouteNotFound, "there is nothing at this path");
    let router = router.fallback(nothing).method_not_allowed_fallback(no_method);
    Front::new(app.clone(), router, Guard::new(app, Access::Bearer, DOCUMENT))
}

/// No route takes it; it is counted nevertheless.
async fn refused(request: Request, code: Code, detail: &'static str) -> ApiError {
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    metrics::answered(request.method(), path, code.status(), Duration::ZERO);
    ApiError::new(code, detail)
}

/// As [`refused`], where something is that takes other methods.
async fn no_method(request: Request) -> ApiError {
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    metrics::answered(request.method(), path, Code::MethodNotAllowed.status(), Duration::ZERO);
    let methods = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str());
    let methods: Vec<&str> =
        methods.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect();
    ApiError::method(methods.join(", "))
}
