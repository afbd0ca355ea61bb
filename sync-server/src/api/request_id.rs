//! A name for each request: the client's own if it is sound, else a new one. In the answer, in problems, in the log.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HeaderName, HeaderValue};
use tracing::Instrument as _;

/// Where it stands in requests and answers.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ones are not a name any more.
const ID_BYTES_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The name of the request that this code is answering.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}

/// Names the request for all that is inside.
pub async fn identify(request: Request, next: Next) -> Response {
    let id = request.headers().get(X_REQUEST_ID).filter(|id| is_sound(id)).cloned().unwrap_or_else(fresh);
    let span = tracing::info_span!("request", request.id = id.to_str().unwrap_or_default());
    let mut response = CURRENT.scope(id.clone(), next.run(request)).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Whether it can stand in a log and a header as it is.
fn is_sound(id: &HeaderValue) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_sign)
}

fn fresh() -> HeaderValue {
    let id = format!("{:032x}", rand::random::<u128>());
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_names_without_signs_that_mean_something_are_taken() {
        let check = |id: &str| HeaderValue::from_str(id).is_ok_and(|id| is_sound(&id));
        assert!(check("a") && check("0af7651916cd43dd8448eb211c80319c") && check("A-b_c.9"));
        assert!(!check("") && !check("a b") && !check("a\"b") && !check(&"x".repeat(ID_BYTES_MAX + 1)));
        assert!(is_sound(&fresh()));
    }
}
