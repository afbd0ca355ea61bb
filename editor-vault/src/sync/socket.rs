//! The connection: a WebSocket on what [`super::reach`] finds. Reading and writing are two tasks, so that a relay that
//! does not read cannot keep the vault from reading. The one that reads also sees to it that silence has an end
//! ([`super::pulse`]).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sync_wire::limits::{DELIVER_CREDIT, FRAME_BYTES_MAX, SUBPROTOCOL};
use sync_wire::{Confirm, DeviceFrame, RelayFrame, decode_relay_frame, encode_device_frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::carrier::{Carrier, Heart};
use super::patience::Patience;
use super::pulse::{Due, Pulse};
use super::reach::{Endpoint, Failure, Reached, dial, secure};

/// For name, TCP, TLS and upgrade together: a relay to which thousands come back at once has to be waited for. What is
/// not even reached is given up sooner ([`Patience::reach_within`]).
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
    heart: Arc<Heart>,
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

    /// What this connection has taught of the link.
    pub(super) fn patience(&self) -> Patience {
        self.heart.pulse().patience()
    }
}

/// Connects, upgrades and starts the two tasks.
pub(super) async fn connect(endpoint: Endpoint, patience: Patience) -> Result<Socket, Failure> {
    let late = |_| {
        let host = endpoint.host();
        Failure::unreached(format!("{host} did not answer within {CONNECT_TIMEOUT:?}"))
    };
    timeout(CONNECT_TIMEOUT, open(&endpoint, patience)).await.map_err(late)?
}

async fn open(endpoint: &Endpoint, patience: Patience) -> Result<Socket, Failure> {
    let request = request(endpoint)?;
    let tcp = dial(endpoint, patience.reach_within(Instant::now())).await?;
    let heart = Arc::new(Heart::new(patience));
    match secure(endpoint, Carrier::new(tcp, Arc::clone(&heart))).await? {
        Reached::Plain(stream) => upgrade(request, stream, heart).await,
        Reached::Tls(stream) => upgrade(request, *stream, heart).await,
    }
}

fn request(endpoint: &Endpoint) -> Result<Request<()>, Failure> {
    let wrong = |error: WsError| Failure::denied(error.to_string());
    let mut request = endpoint.url.as_str().into_client_request().map_err(wrong)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", endpoint.token));
    let mut bearer = bearer.map_err(|_| Failure::denied("the token cannot be sent in a header".into()))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert("Authorization", bearer);
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

async fn upgrade<S>(request: Request<()>, stream: S, heart: Arc<Heart>) -> Result<Socket, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(refusal)?;
    heart.pulse().opened(Instant::now());
    let (sink, stream) = socket.split();
    let (frames, incoming) = mpsc::channel(FRAMES_AHEAD);
    let (outgoing, queue) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(Writer { sink, heart: Arc::clone(&heart) }, queue)).abort_handle();
    let reader = tokio::spawn(read(stream, frames, Arc::clone(&heart), writer));
    Ok(Socket { incoming, outgoing, reader, heart })
}

fn refusal(error: WsError) -> Failure {
    match error {
        WsError::Http(response) => {
            let status = response.status();
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                let detail = "the token is unknown, expired or revoked; log in again";
                return Failure::denied(format!("the relay answered {status}: {detail}"));
            }
            let detail = "instead of upgrading: is the URL that of a relay?";
            Failure::turned_away(format!("the relay answered {status} {detail}"))
        }
        error => Failure::unreached(format!("no relay answers there: {error}")),
    }
}

async fn read<S>(
    mut stream: SplitStream<WebSocketStream<S>>,
    frames: mpsc::Sender<Incoming>,
    heart: Arc<Heart>,
    writer: AbortHandle,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let detail = loop {
        let due_at = heart.pulse().due_at();
        let message = tokio::select! {
            // What has come counts before the clock does: this thread may have been busy for seconds.
            biased;
            message = stream.next() => message,
            () = heart.sooner.notified() => continue,
            () = sleep_until(due_at) => {
                let due = heart.pulse().take_due(Instant::now());
                match due {
                    None => {}
                    Some(Due::Ping) => heart.ping.notify_one(),
                    Some(Due::GiveUp) => {
                        writer.abort(); // nobody takes what it has
                        break "the relay was silent for too long".to_owned();
                    }
                }
                continue;
            }
        };
        let bytes = match message {
            None => break "the relay closed the connection".to_owned(),
            Some(Err(error)) => break format!("the connection broke: {error}"),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(_))) => break "the relay closed the connection".to_owned(),
            Some(Ok(Message::Text(_))) => break "the relay sent text; frames are binary".to_owned(),
            Some(Ok(Message::Pong(_))) => {
                heart.pulse().answered(Instant::now());
                continue;
            }
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
        };
        match decode_relay_frame(&bytes) {
            Ok(Some(frame)) => {
                let note = match frame {
                    RelayFrame::Ack(_) => Pulse::acknowledged,
                    RelayFrame::Deliver(_) => Pulse::delivered,
                    _ => Pulse::heard,
                };
                if frames.send(Incoming::Frame(Box::new(frame))).await.is_err() {
                    return;
                }
                let (now, mut pulse) = (Instant::now(), heart.pulse());
                pulse.heard(now); // if the machine had no room, it was we who did not listen
                note(&mut pulse, now);
            }
            Ok(None) => {} // a kind of the future
            Err(error) => break format!("the relay sent something that is no frame: {error}"),
        }
    };
    drop(frames.send(Incoming::Closed { detail }).await);
}

/// The half that writes.
struct Writer<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    heart: Arc<Heart>,
}

async fn write<S>(mut writer: Writer<S>, mut queue: mpsc::UnboundedReceiver<DeviceFrame>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let heart = Arc::clone(&writer.heart);
    loop {
        let next = tokio::select! {
            next = queue.recv() => next,
            () = heart.ping.notified() => {
                if writer.sink.send(Message::Ping(Bytes::new())).await.is_err() {
                    return; // the reader says why
                }
                continue;
            }
        };
        let first = match next {
            Some(DeviceFrame::Confirm(first)) => {
                let (confirm, next) = gather_confirms(first, &mut queue).await;
                [Some(DeviceFrame::Confirm(confirm)), next]
            }
            Some(frame) => [Some(frame), None],
            None => {
                drop(writer.sink.close().await);
                return;
            }
        };
        if writer.write_all(first, &mut queue).await.is_err() {
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

impl<S> Writer<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    /// Writes what is there, then flushes once.
    async fn write_all(
        &mut self,
        first: [Option<DeviceFrame>; 2],
        queue: &mut mpsc::UnboundedReceiver<DeviceFrame>,
    ) -> Result<(), WsError> {
        let there = std::iter::from_fn(|| queue.try_recv().ok());
        for frame in first.into_iter().flatten().chain(there) {
            let bytes = encode_device_frame(&frame);
            self.heart.sent(|pulse| {
                let now = Instant::now();
                match frame {
                    DeviceFrame::Push(_) => pulse.pushed(now, bytes.len()),
                    _ => pulse.sent(now, bytes.len()),
                }
            });
            self.sink.feed(Message::Binary(bytes.into())).await?;
        }
        self.sink.flush().await
    }
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
