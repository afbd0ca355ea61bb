//! The connection: TCP, TLS where asked for, WebSocket. Reading and writing are two tasks, so that a relay that does
//! not read cannot keep the vault from reading.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sync_wire::limits::{DEAD_AFTER, DELIVER_CREDIT, FRAME_BYTES_MAX, PING_INTERVAL, SUBPROTOCOL};
use sync_wire::{Confirm, DeviceFrame, RelayFrame, decode_relay_frame, encode_device_frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

use crate::error::ConnectError;

/// For name, TCP, TLS and upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Frames read ahead of the machine.
const FRAMES_AHEAD: usize = 16;
/// Read and write buffers of a connection, in bytes; tungstenite's own are 128 KiB.
const BUFFER_BYTES: usize = 4096;

/// How long a confirmation may wait for others. It returns credit and nothing else, of which there is enough meanwhile,
/// and to send one costs both sides nearly as much as a delivery.
const CONFIRM_WITHIN: Duration = Duration::from_millis(100);
/// Deliveries whose confirmation waits; the relay has credit for more than twice as many.
const CONFIRMS_HELD_MAX: u32 = DELIVER_CREDIT / 2 - 1;

/// Where and as whom to connect.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    pub(super) token: String,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether the same credentials may do later.
    pub(super) retry: bool,
    pub(super) detail: String,
}

/// What a connection brings.
#[derive(Debug)]
pub(super) enum Incoming {
    Frame(Box<RelayFrame>),
    Closed { detail: String },
}

/// An open connection. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Socket {
    incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::UnboundedSender<DeviceFrame>,
    reader: JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The writer ends by itself once it has written what it was given.
        self.reader.abort();
    }
}

impl Socket {
    /// Queues a frame. What may wait here is bounded by the credit of the protocol.
    pub(super) fn send(&self, frame: DeviceFrame) {
        // If the writer has ended, the reader's end says why.
        drop(self.outgoing.send(frame));
    }

    pub(super) async fn next(&mut self) -> Incoming {
        self.incoming.recv().await.unwrap_or_else(|| Incoming::Closed { detail: "the connection ended".into() })
    }
}

/// Trusts whom the platform trusts.
pub(super) fn platform_tls() -> Result<Arc<rustls::ClientConfig>, ConnectError> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let fault = |error: rustls::Error| ConnectError::Tls { detail: error.to_string() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(fault)?.with_platform_verifier().map_err(fault)?;
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Connects, upgrades and starts the two tasks.
pub(super) async fn connect(endpoint: Endpoint) -> Result<Socket, Failure> {
    let host = endpoint.url.host_str().unwrap_or_default().to_owned();
    let late = |_| Failure { retry: true, detail: format!("{host} did not answer within {CONNECT_TIMEOUT:?}") };
    timeout(CONNECT_TIMEOUT, open(&endpoint)).await.map_err(late)?
}

/// A stream to the relay, before anything is said on it.
pub(super) enum Reached {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn open(endpoint: &Endpoint) -> Result<Socket, Failure> {
    let request = request(endpoint)?;
    match reach(endpoint).await? {
        Reached::Plain(stream) => upgrade(request, stream).await,
        Reached::Tls(stream) => upgrade(request, *stream).await,
    }
}

/// Name, TCP and TLS.
pub(super) async fn reach(endpoint: &Endpoint) -> Result<Reached, Failure> {
    let url = &endpoint.url;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let unreachable = |error| Failure { retry: true, detail: format!("{host}:{port} cannot be reached: {error}") };
    let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let Some(tls) = &endpoint.tls else { return Ok(Reached::Plain(tcp)) };
    let invalid = |error| Failure { retry: false, detail: format!("{host} is not a name for TLS: {error}") };
    let name = rustls::pki_types::ServerName::try_from(host.clone()).map_err(invalid)?;
    let tls = TlsConnector::from(tls.clone()).connect(name, tcp).await.map_err(unreachable)?;
    Ok(Reached::Tls(Box::new(tls)))
}

fn request(endpoint: &Endpoint) -> Result<Request<()>, Failure> {
    let wrong = |detail: String| Failure { retry: false, detail };
    let mut request = endpoint.url.as_str().into_client_request().map_err(|error| wrong(error.to_string()))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", endpoint.token));
    let mut bearer = bearer.map_err(|_| wrong("the token cannot be sent in a header".into()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert("Authorization", bearer);
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

async fn upgrade<S>(request: Request<()>, stream: S) -> Result<Socket, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(refusal)?;
    let (sink, stream) = socket.split();
    let (frames, incoming) = mpsc::channel(FRAMES_AHEAD);
    let (outgoing, queue) = mpsc::unbounded_channel();
    let reader = tokio::spawn(read(stream, frames));
    tokio::spawn(write(sink, queue));
    Ok(Socket { incoming, outgoing, reader })
}

fn refusal(error: WsError) -> Failure {
    match error {
        WsError::Http(response) => {
            let status = response.status();
            let retry = !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            let detail = if retry {
                format!("the relay answered {status} instead of upgrading: is the URL that of a relay?")
            } else {
                format!("the relay answered {status}: the token is unknown, expired or revoked; log in again")
            };
            Failure { retry, detail }
        }
        error => Failure { retry: true, detail: format!("no relay answers there: {error}") },
    }
}

async fn read<S>(mut stream: SplitStream<WebSocketStream<S>>, frames: mpsc::Sender<Incoming>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let detail = loop {
        let message = match timeout(DEAD_AFTER, stream.next()).await {
            Err(_) => break format!("the relay was silent for {DEAD_AFTER:?}"),
            Ok(None) => break "the relay closed the connection".to_owned(),
            Ok(Some(Err(error))) => break format!("the connection broke: {error}"),
            Ok(Some(Ok(message))) => message,
        };
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Close(_) => break "the relay closed the connection".to_owned(),
            Message::Text(_) => break "the relay sent text; frames are binary".to_owned(),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        match decode_relay_frame(&bytes) {
            Ok(Some(frame)) => {
                if frames.send(Incoming::Frame(Box::new(frame))).await.is_err() {
                    return;
                }
            }
            Ok(None) => {} // a kind of the future
            Err(error) => break format!("the relay sent something that is no frame: {error}"),
        }
    };
    drop(frames.send(Incoming::Closed { detail }).await);
}

async fn write<S>(mut sink: SplitSink<WebSocketStream<S>, Message>, mut queue: mpsc::UnboundedReceiver<DeviceFrame>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let written = match timeout(PING_INTERVAL, queue.recv()).await {
            Ok(Some(DeviceFrame::Confirm(first))) => {
                let (confirm, next) = gather_confirms(first, &mut queue).await;
                write_all(&mut sink, [Some(DeviceFrame::Confirm(confirm)), next], &mut queue).await
            }
            Ok(Some(frame)) => write_all(&mut sink, [Some(frame), None], &mut queue).await,
            Ok(None) => {
                drop(sink.close().await);
                return;
            }
            Err(_) => sink.send(Message::Ping(Vec::new().into())).await,
        };
        if written.is_err() {
            return; // the reader says why
        }
    }
}

/// Waits a little for more confirmations of the same space; ends with the first frame that is another.
async fn gather_confirms(
    mut confirm: Confirm,
    queue: &mut mpsc::UnboundedReceiver<DeviceFrame>,
) -> (Confirm, Option<DeviceFrame>) {
    let until = Instant::now() + CONFIRM_WITHIN;
    while confirm.frames < CONFIRMS_HELD_MAX {
        match timeout_at(until, queue.recv()).await {
            Ok(Some(DeviceFrame::Confirm(later))) if later.space == confirm.space => {
                confirm = Confirm { frames: confirm.frames + later.frames, ..later };
            }
            Ok(next) => return (confirm, next),
            Err(_) => break,
        }
    }
    (confirm, None)
}

/// Writes what is there, then flushes once.
async fn write_all<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    first: [Option<DeviceFrame>; 2],
    queue: &mut mpsc::UnboundedReceiver<DeviceFrame>,
) -> Result<(), WsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let there = std::iter::from_fn(|| queue.try_recv().ok());
    for frame in first.into_iter().flatten().chain(there) {
        sink.feed(Message::Binary(encode_device_frame(&frame).into())).await?;
    }
    sink.flush().await
}

#[cfg(test)]
mod tests {
    use sync_wire::{Position, SpaceId};

    use super::*;

    fn confirm(space: u8, position: u64) -> DeviceFrame {
        DeviceFrame::Confirm(Confirm { space: SpaceId([space; 16]), position: Position(position), frames: 1 })
    }

    fn gathered(queued: Vec<DeviceFrame>) -> (Confirm, Option<DeviceFrame>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, mut queue) = mpsc::unbounded_channel();
        queued.into_iter().for_each(|frame| sender.send(frame).unwrap());
        let first = Confirm { space: SpaceId([1; 16]), position: Position(1), frames: 1 };
        runtime.block_on(gather_confirms(first, &mut queue))
    }

    #[test]
    fn confirmations_of_a_space_leave_as_one_and_give_all_credit_back() {
        let (one, next) = gathered(vec![confirm(1, 2)]);
        assert_eq!((one.position, one.frames, next), (Position(2), 2, None));
        let (many, next) = gathered((2..9).map(|position| confirm(1, position)).collect());
        assert_eq!((many.position, many.frames, next), (Position(3), CONFIRMS_HELD_MAX, None));
    }

    #[test]
    fn a_confirmation_waits_for_nothing_behind_which_something_else_leaves() {
        let (one, next) = gathered(vec![confirm(2, 7), confirm(1, 2)]);
        assert_eq!((one.position, one.frames, next), (Position(1), 1, Some(confirm(2, 7))));
    }
}
