//! One request of the relay's HTTP interface and its answer: for what a person asks of a relay beside the exchange of
//! edits.
//!
//! In the words of HTTP/1.0, whose answers end with the connection, so that nothing has to be known of chunks.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::reach::{Endpoint, Failure, Reached, dial, secure};

/// The relay tries a repair as long as a request may take there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// For name and TCP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// What a relay answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
}

/// Asks something of a path of the relay, with a body of JSON or none.
pub(super) async fn ask(endpoint: &Endpoint, method: &'static str, path: &str, body: &str) -> Result<Answer, Failure> {
    let late = |_| Failure::unreached(format!("the relay did not answer within {ANSWER_TIMEOUT:?}"));
    timeout(ANSWER_TIMEOUT, exchange(endpoint, method, path, body)).await.map_err(late)?
}

async fn exchange(endpoint: &Endpoint, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
    let host = endpoint.url.host_str().unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: {host}\r\nauthorization: Bearer {}\r\naccept: application/json\r\n\
         {kind}content-length: {}\r\n\r\n{body}",
        endpoint.token,
        body.len()
    );
    let broken = |error: std::io::Error| Failure::unreached(format!("the connection broke: {error}"));
    let mut bytes = Vec::new();
    match secure(endpoint, dial(endpoint, CONNECT_TIMEOUT).await?).await? {
        Reached::Plain(mut stream) => {
            stream.write_all(head.as_bytes()).await.map_err(broken)?;
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await.map_err(broken)?;
        }
        Reached::Tls(mut stream) => {
            stream.write_all(head.as_bytes()).await.map_err(broken)?;
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await.map_err(broken)?;
        }
    }
    parse(&bytes).ok_or_else(|| Failure::turned_away("what answers there is no relay".to_owned()))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_slice(&answer[end + 4..]).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_json() {
        let answer = parse(b"HTTP/1.0 409 Conflict\r\na: b\r\n\r\n{\"code\":\"x\"}").unwrap();
        assert_eq!((answer.status, answer.body["code"].as_str()), (409, Some("x")));
        for other in [&b"HTTP/1.1 200 OK\r\n\r\n<html>"[..], b"SSH-2.0", b"", b"HTTP/1.1 200 OK\r\n"] {
            assert!(parse(other).is_none());
        }
    }
}
