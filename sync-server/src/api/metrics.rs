//! `/metrics`, on a listener of its own: whoever reaches that needs no token.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::api::problem::{ApiError, Code};
use crate::app::App;
use crate::metrics;

/// The whole router of that listener.
pub fn router(app: &App, handle: PrometheusHandle) -> Router {
    let router = Router::new().route("/metrics", get(render));
    let router = router.fallback(|| async { ApiError::new(Code::RouteNotFound, "there is only /metrics here") });
    router.with_state((app.clone(), handle))
}

async fn render(State((app, handle)): State<(App, PrometheusHandle)>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, content_type)], metrics::render(&app, &handle)).into_response()
}
