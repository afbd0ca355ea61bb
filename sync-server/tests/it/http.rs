//! A raw HTTP client: one request per connection, nothing hidden.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The code of a problem; everything that is no success must have one.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string());
        problem["code"].as_str().expect("a problem has a code").to_owned()
    }
}

/// Sends a request with these headers and reads the whole answer.
pub(crate) async fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    parse(&bytes)
}

/// `GET` with a token.
pub(crate) async fn get(address: SocketAddr, token: &str, path: &str) -> Answer {
    request(address, "GET", path, &[("authorization", &format!("Bearer {token}"))]).await
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let (status, headers) = parse_head(head);
    let is_chunked = headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked");
    let bytes = if is_chunked { unchunked(&answer[end + 4..]) } else { answer[end + 4..].to_vec() };
    Answer { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
}

fn parse_head(head: &str) -> (u16, HashMap<String, String>) {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let mut headers: HashMap<String, String> = HashMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let values = headers.entry(name.to_lowercase()).or_default();
        *values = if values.is_empty() { value.to_owned() } else { format!("{values}, {value}") };
    }
    (status, headers)
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let len = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        bytes.extend_from_slice(&body[end + 2..end + 2 + len]);
        body = &body[end + 2 + len + 2..];
    }
    bytes
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(crate) struct Hints {
    lines: Lines<BufReader<TcpStream>>,
}

/// Longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

impl Hints {
    /// Begins a stream; the answer if it is refused.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut head = format!("GET {path} HTTP/1.1\r\nhost: relay\r\naccept-encoding: gzip, br\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let mut head = String::new();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            head += &format!("{line}\n");
        }
        let (status, headers) = parse_head(&head);
        if status != 200 {
            return Err(status);
        }
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers.get("content-encoding"), None, "a hint must leave at once");
        Ok(Self { lines })
    }

    /// The next hint, as (space, position); `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        let (kind, id, data) = self.event().await?;
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        assert_eq!((kind.as_str(), id), ("hint", Some(text("position"))));
        Some((text("space"), text("position")))
    }

    /// The next event of any kind: that, its id and its data.
    pub(crate) async fn event(&mut self) -> Option<(String, Option<String>, serde_json::Value)> {
        let (mut id, mut kind) = (None, None);
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("no event comes");
            let line = line.ok()??;
            if let Some(value) = line.strip_prefix("id: ") {
                id = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("event: ") {
                kind = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("data: ") {
                return Some((kind.expect("an event has a kind"), id, serde_json::from_str(value).unwrap()));
            }
        }
    }
}

/// Sends a request with a body.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let length = body.as_ref().len().to_string();
    send_raw(address, method, path, &[headers, &[("content-length", &length)]].concat(), body).await
}

/// As [`send`]; nothing if the relay ends before it has answered.
pub(crate) async fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    bytes.windows(4).any(|window| window == b"\r\n\r\n").then(|| parse(&bytes))
}

/// Sends a request with these headers alone, and these bytes behind them.
pub(crate) async fn send_raw(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    // A relay that has answered need not read the rest.
    let _ = stream.write_all(body.as_ref()).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    parse(&bytes)
}
