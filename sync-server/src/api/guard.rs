//! What a request to one route passes before its handler: credentials, bounds, a stopwatch, and a net under panics.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete_service, get_service, patch_service, post_service, put_service};
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::time::Instant;
use tower::Service;

use crate::accept::Asked;
use crate::access::{self, Caller, CallerError};
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::app::App;
use crate::metrics::Answered;
use crate::router::Access;

/// See the file's head.
#[derive(Debug)]
pub struct Guard {
    app: App,
    access: Access,
    /// `None` if nobody asks for numbers.
    answered: Option<Answered>,
}

impl Guard {
    /// For a route with this pattern.
    #[must_use]
    pub fn new(app: &App, access: Access, route: &'static str) -> Self {
        let is_measured = !app.config.server.metrics_listen.is_empty();
        Self { app: app.clone(), access, answered: is_measured.then(|| Answered::of(route)) }
    }

    /// `GET` and `HEAD`, answered by `handler` for whoever passes.
    pub fn get<H, T>(self, handler: H) -> MethodRouter
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = handler.with_state(self.app.clone());
        get_service(Guarded { guard: Arc::new(self), handler })
    }

    /// `POST`, answered by `handler` for whoever passes.
    pub fn post<H, T>(self, handler: H) -> MethodRouter
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = handler.with_state(self.app.clone());
        post_service(Guarded { guard: Arc::new(self), handler })
    }

    /// `PATCH`, answered by `handler` for whoever passes.
    pub fn patch<H, T>(self, handler: H) -> MethodRouter
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = handler.with_state(self.app.clone());
        patch_service(Guarded { guard: Arc::new(self), handler })
    }

    /// `PUT`, answered by `handler` for whoever passes.
    pub fn put<H, T>(self, handler: H) -> MethodRouter
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = handler.with_state(self.app.clone());
        put_service(Guarded { guard: Arc::new(self), handler })
    }

    /// `DELETE`, answered by `handler` for whoever passes.
    pub fn delete<H, T>(self, handler: H) -> MethodRouter
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let handler = handler.with_state(self.app.clone());
        delete_service(Guarded { guard: Arc::new(self), handler })
    }

    /// Answers at once, if memory knows who asks and `answer` has an answer for him. Whatever speaks against it is left
    /// to the whole way, which has the words for it.
    pub(super) fn at_once(&self, asked: &Asked, answer: impl FnOnce(&Caller) -> Option<Response>) -> Option<Response> {
        let began = self.answered.as_ref().map(|_| Instant::now());
        let caller = access::remembered_caller(&self.app, asked.method(), asked.headers())?;
        let is_short = content_length(asked.headers()) <= self.app.config.api.body_bytes_max;
        let _permit = self.app.requests.try_acquire().ok().filter(|_| is_short)?;
        let response = answer(&caller)?;
        if let (Some(answered), Some(began)) = (&self.answered, began) {
            answered.record(asked.method(), response.status(), began.elapsed());
        }
        Some(response)
    }

    async fn answer<S: Handles>(&self, handler: S, request: Request) -> Response {
        let Some(answered) = &self.answered else { return self.caught(handler, request).await };
        let (method, began) = (request.method().clone(), Instant::now());
        let response = self.caught(handler, request).await;
        answered.record(&method, response.status(), began.elapsed());
        response
    }

    async fn caught<S: Handles>(&self, handler: S, request: Request) -> Response {
        let admitted = AssertUnwindSafe(self.admit(handler, request)).catch_unwind();
        let answer = admitted.await.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    /// Credentials before anything that costs more.
    async fn admit<S: Handles>(&self, mut handler: S, mut request: Request) -> ApiResult<Response> {
        match self.access {
            Access::Public => return Ok(into_ok(handler.call(request).await)),
            Access::Anybody => return self.bound(handler, request).await,
            Access::Bearer => {}
        }
        let caller = access::caller(&self.app, request.method(), request.headers()).await;
        let caller = caller.map_err(|error| match error {
            CallerError::Missing | CallerError::Unknown | CallerError::SignedOut => {
                ApiError::new(Code::Unauthenticated, error.to_string())
            }
            CallerError::CrossSite(_) => ApiError::new(Code::CrossSite, error.to_string()),
            CallerError::Storage(error) => ApiError::unavailable(&error),
        })?;
        request.extensions_mut().insert(caller);
        self.bound(handler, request).await
    }

    /// Bounds what a request may cost: its body, its time, and how many there are at once.
    async fn bound<S: Handles>(&self, mut handler: S, request: Request) -> ApiResult<Response> {
        let limits = &self.app.config.api;
        if content_length(request.headers()) > limits.body_bytes_max {
            let detail = format!("at most {} bytes are taken", limits.body_bytes_max);
            return Err(ApiError::new(Code::BodyTooLarge, detail));
        }
        let Ok(_permit) = self.app.requests.try_acquire() else {
            let detail = "too many requests are being answered; try again";
            return Err(ApiError::new(Code::Overloaded, detail).retry_after(Duration::from_secs(1)));
        };
        let limit = Duration::from_secs(limits.request_seconds);
        let answer = tokio::time::timeout(limit, handler.call(request)).await;
        answer.map(into_ok).map_err(|_| ApiError::new(Code::RequestTimeout, format!("no answer within {limit:?}")))
    }
}

/// A handler with its state.
trait Handles: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {}

impl<S> Handles for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

#[derive(Debug, Clone)]
struct Guarded<S> {
    guard: Arc<Guard>,
    handler: S,
}

impl<S: Handles> Service<Request> for Guarded<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { guard, handler } = self.clone();
        Box::pin(async move { Ok(guard.answer(handler, request).await) })
    }
}

fn into_ok(answer: Result<Response, Infallible>) -> Response {
    let Ok(response) = answer;
    response
}

fn content_length(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ApiError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let cause = text.or_else(|| panic.downcast_ref::<&str>().copied());
    ApiError::internal(&cause.unwrap_or("a panic without words"))
}
