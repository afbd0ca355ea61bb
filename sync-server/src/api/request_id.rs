//! A name for each request: the client's own if it is sound, else a new one. In the answer, in problems, in the log.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tracing::Instrument as _;

/// Where it stands in requests and answers.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ones are not a name any more.
const ID_BYTES_MAX: usize = 64;
const HEX: &[u8; 16] = b"0123456789abcdef";

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The name of the request that this code is answering.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}

/// The name of a request with these headers.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    headers.get(X_REQUEST_ID).filter(|id| is_sound(id)).cloned().unwrap_or_else(fresh)
}

/// Names the request for all that `answered` does. Its lines in the log have the name at level `debug`, where a reader
/// follows a request; what fails says it at every level.
pub(super) async fn name<T>(id: &HeaderValue, answered: impl Future<Output = T>) -> T {
    let span = tracing::debug_span!("request", request.id = id.to_str().unwrap_or_default());
    let named = CURRENT.scope(id.clone(), answered);
    if span.is_disabled() { named.await } else { named.instrument(span).await }
}

/// Whether it can stand in a log and a header as it is.
fn is_sound(id: &HeaderValue) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_sign)
}

fn fresh() -> HeaderValue {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(rand::random::<[u8; 16]>()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&digits).unwrap_or_else(|_| unreachable!("hexadecimal digits"))
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
