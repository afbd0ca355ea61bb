//! A device that speaks the wire and keeps nothing: it pushes what was written before, as fast as it is answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use document::{Document, Draft, Violation};
use futures_util::{FutureExt, SinkExt, StreamExt};
use sync_wire::limits::{PUSH_CREDIT, SUBPROTOCOL, WIRE_VERSION};
use sync_wire::{
    Actor, BatchId, Blob, Content, Cursor, DeviceFrame, DeviceId, DocumentId, Grant, Hello, LogPosition, Push,
    RelayFrame, SpaceId, SpaceKind, VersionRange, Welcome, decode_relay_frame, encode_device_frame,
};
use system_tests::Relay;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::report::Times;

/// What a relay frame of kind `Ack` begins with: a list of two, then the kind.
const ACK: [u8; 2] = [0x82, 19];
/// Small, so that thousands of idle devices fit into the memory of the load.
const BUFFER_BYTES: usize = 4 << 10;

/// Who logs in, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) device: DeviceId,
    pub(crate) token: String,
    pub(crate) cursors: Vec<Cursor>,
}

impl Login {
    /// A device that has nothing yet.
    pub(crate) fn new(device: DeviceId, token: &str) -> Self {
        Self { device, token: token.to_owned(), cursors: Vec::new() }
    }
}

/// A connected device.
#[derive(Debug)]
pub(crate) struct Device {
    socket: WebSocketStream<TcpStream>,
    id: DeviceId,
    /// Of the account's personal space.
    pub(crate) grant: Grant,
    /// Bytes of `Hello` and of `Welcome`.
    pub(crate) greeting: [usize; 2],
}

/// What became of a push of many frames.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// How long each ack took; in a full pipeline that is the credit divided by the rate.
    pub(crate) acks: Times,
    /// Where the last batch is.
    pub(crate) end: LogPosition,
}

impl Device {
    /// Connects, says `Hello`, and waits for `Welcome`.
    pub(crate) async fn connect(relay: &Relay, login: Login) -> Result<Self> {
        Self::connect_at(relay.address(), login).await
    }

    /// As [`Self::connect`], for whoever does not hold the relay.
    pub(crate) async fn connect_at(relay: SocketAddr, login: Login) -> Result<Self> {
        Self::connect_on(TcpStream::connect(relay).await?, relay, login).await
    }

    /// As [`Self::connect`], on a connection that is there.
    pub(crate) async fn connect_on(stream: TcpStream, relay: SocketAddr, login: Login) -> Result<Self> {
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{relay}/sync").into_client_request()?;
        request.headers_mut().insert("Authorization", format!("Bearer {}", login.token).parse()?);
        request.headers_mut().insert("Sec-WebSocket-Protocol", SUBPROTOCOL.parse()?);
        let buffers = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
        let (mut socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(buffers)).await?;
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello =
            Hello { versions, device: login.device, agent: "bench".into(), cursors: login.cursors, attempt: None };
        let hello = encode_device_frame(&DeviceFrame::Hello(hello));
        let hello_bytes = hello.len();
        socket.send(Message::Binary(hello.into())).await?;
        loop {
            let Message::Binary(bytes) = socket.next().await.context("the relay closed")?? else { continue };
            match decode_relay_frame(&bytes)? {
                Some(RelayFrame::Welcome(Welcome { mut grants, .. })) => {
                    let personal = grants.iter().position(|grant| grant.kind == SpaceKind::Personal);
                    let grant = grants.swap_remove(personal.context("an account has a personal space")?);
                    return Ok(Self { socket, id: login.device, grant, greeting: [hello_bytes, bytes.len()] });
                }
                Some(RelayFrame::Goodbye(goodbye)) => bail!("the relay said {goodbye:?}"),
                _ => {}
            }
        }
    }

    pub(crate) fn space(&self) -> SpaceId {
        self.grant.space
    }

    /// Pushes, one batch a frame; encoded before, so that the load costs little beside the relay.
    pub(crate) fn frames(&self, written: &[Written]) -> Vec<Bytes> {
        let batches = written.iter().flat_map(|one| one.batches.iter().map(|changes| (one.document, changes)));
        batches.zip(0..).map(|((document, changes), number)| self.frame(document, number, changes.clone())).collect()
    }

    /// A push of one batch, which no other of this device and document may have the number of.
    pub(crate) fn frame(&self, document: DocumentId, number: u32, changes: Vec<Blob>) -> Bytes {
        let mut batch = self.id.0;
        batch[8..12].copy_from_slice(&document.0[..4]);
        batch[12..].copy_from_slice(&number.to_be_bytes());
        let content = Content::Changes(changes);
        let push = Push { space: self.space(), document, lane: 0, batch: BatchId(batch), content };
        encode_device_frame(&DeviceFrame::Push(push)).into()
    }

    /// Pushes everything within the credit, and waits for the last ack.
    pub(crate) async fn push(&mut self, frames: &[Bytes]) -> Result<Pushed> {
        let (mut acks, mut sent) = (Times::new(), VecDeque::new());
        let mut last: Option<Bytes> = None;
        let mut frames = frames.iter();
        loop {
            while sent.len() < PUSH_CREDIT as usize {
                let Some(frame) = frames.next() else { break };
                self.socket.feed(Message::Binary(frame.clone())).await?;
                sent.push_back(Instant::now());
            }
            self.socket.flush().await?;
            if sent.is_empty() {
                let last = last.context("nothing was pushed")?;
                let Some(RelayFrame::Ack(ack)) = decode_relay_frame(&last)? else { bail!("the last ack is none") };
                return Ok(Pushed { acks, end: ack.at.context("the last ack names no position")? });
            }
            // All that is there already, so that one flush answers many acks.
            let mut next = self.socket.next().await;
            loop {
                if let Some(ack) = ack(next.context("the relay closed")??)? {
                    acks.add(sent.pop_front().context("an ack too many")?.elapsed());
                    last = Some(ack);
                }
                match self.socket.next().now_or_never() {
                    Some(more) => next = more,
                    None => break,
                }
            }
        }
    }

    /// Pushes one frame every `pause`, and waits for the acks at the end.
    pub(crate) async fn push_slowly(&mut self, frames: &[Bytes], pause: Duration) -> Result<()> {
        let mut every = tokio::time::interval(pause);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let mut open = 0_usize;
        for frame in frames {
            every.tick().await;
            self.socket.send(Message::Binary(frame.clone())).await?;
            open += 1;
            while let Some(next) = self.socket.next().now_or_never() {
                open -= usize::from(ack(next.context("the relay closed")??)?.is_some());
            }
            // A relay closes on who pushes beyond the credit.
            while open >= PUSH_CREDIT as usize {
                let next = self.socket.next().await.context("the relay closed")??;
                open -= usize::from(ack(next)?.is_some());
            }
        }
        while open > 0 {
            let next = self.socket.next().await.context("the relay closed")??;
            open -= usize::from(ack(next)?.is_some());
        }
        Ok(())
    }

    /// Sends a frame as it is.
    pub(crate) async fn send(&mut self, frame: Bytes) -> Result<()> {
        Ok(self.socket.send(Message::Binary(frame)).await?)
    }

    /// The next frame of a kind that is known here; `None` if the relay has closed.
    pub(crate) async fn next(&mut self) -> Result<Option<RelayFrame>> {
        loop {
            match self.socket.next().await.transpose()? {
                Some(Message::Binary(bytes)) => {
                    if let Some(frame) = decode_relay_frame(&bytes)? {
                        return Ok(Some(frame));
                    }
                }
                Some(Message::Close(_)) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    /// Ends the connection.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.socket.close(None).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }
}

/// The bytes of an ack; told by its kind, because reading each would cost the load as much as the relay.
fn ack(message: Message) -> Result<Option<Bytes>> {
    match message {
        Message::Binary(bytes) if bytes.starts_with(&ACK) => Ok(Some(bytes)),
        Message::Binary(bytes) => match decode_relay_frame(&bytes)? {
            // Not confirmed: a device that only writes takes no deliveries.
            Some(RelayFrame::Deliver(_) | RelayFrame::Bootstrap(_)) | None => Ok(None),
            Some(other) => bail!("the relay answered {other:?}"),
        },
        Message::Close(reason) => bail!("the relay closed: {reason:?}"),
        _ => Ok(None),
    }
}

/// Batches of one document, to be pushed in this order.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) document: DocumentId,
    pub(crate) batches: Vec<Vec<Blob>>,
}

impl Written {
    pub(crate) fn changes(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }

    /// Mean bytes of a change.
    pub(crate) fn bytes_each(&self) -> usize {
        self.batches.iter().flatten().map(|change| change.len()).sum::<usize>() / self.changes().max(1)
    }
}

/// Somebody who writes into a document.
#[derive(Clone)]
pub(crate) struct Author {
    pub(crate) document: Document,
    actor: Actor,
    /// Seeds first, each a batch of its own, then what was written since.
    seeds: Vec<Blob>,
    changes: Vec<Blob>,
}

impl Author {
    pub(crate) fn new(document: Document, actor: [u8; 16]) -> Self {
        Self { document, actor: Actor(actor), seeds: Vec::new(), changes: Vec::new() }
    }

    /// One edit, one change.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> Result<()> {
        self.document.edit(self.actor, edit)?;
        let sealed = self.document.seal(0)?.context("an edit makes a change")?;
        self.seeds.extend(sealed.seeds.into_iter().map(|seed| seed.bytes));
        self.changes.extend(sealed.changes.into_iter().map(|change| change.bytes));
        Ok(())
    }

    /// What was written since the last time, in batches of `per_push`.
    pub(crate) fn take(&mut self, document: DocumentId, per_push: usize) -> Written {
        let seeds = std::mem::take(&mut self.seeds).into_iter().map(|seed| vec![seed]);
        let changes = std::mem::take(&mut self.changes);
        Written { document, batches: seeds.chain(changes.chunks(per_push).map(<[Blob]>::to_vec)).collect() }
    }
}

/// Sixteen bytes that differ for each pair of numbers; never those of a seed.
pub(crate) fn id(kind: u8, number: usize) -> [u8; 16] {
    let mut id = [kind; 16];
    id[1..9].copy_from_slice(&(number as u64).to_be_bytes());
    id[0] = 0xa0;
    // Spread, as random ids are: neighbours must not share pages of an index.
    id[1] ^= (number as u8).wrapping_mul(0x9d);
    id
}
