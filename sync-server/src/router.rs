//! How requests get to handlers: the router is built from the table of all routes, and the tests walk it.

mod table; // every route there is

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use http::Method;

use crate::api::front::Front;
use crate::api::guard::Guard;
use crate::api::openapi::Operation;
use crate::api::problem::{ApiError, Code};
use crate::api::website;
use crate::app::App;
use crate::metrics;
use crate::website::Website;
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
    /// Whoever has a token, or is signed in with a browser. What exactly he may see, the handler asks `access`.
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
    let router = router.fallback(page).method_not_allowed_fallback(no_method);
    Front::new(app.clone(), router, Guard::new(app, Access::Bearer, DOCUMENT))
}

/// No route takes it: it may be a page of the website, or nothing. It is counted either way.
async fn page(request: Request) -> Response {
    let (route, response) = match website::page(Website::embedded(), request.method(), request.uri(), request.headers())
    {
        Some(page) => ("website", page),
        None => {
            let nothing = ApiError::new(Code::RouteNotFound, "there is nothing at this path");
            ("none", nothing.into_response())
        }
    };
    metrics::answered(request.method(), route, response.status(), Duration::ZERO);
    response
}

/// Something is there that takes other methods.
async fn no_method(request: Request) -> ApiError {
    let path = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    metrics::answered(request.method(), path, Code::MethodNotAllowed.status(), Duration::ZERO);
    let methods = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str());
    let methods: Vec<&str> =
        methods.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect();
    ApiError::method(methods.join(", "))
}
