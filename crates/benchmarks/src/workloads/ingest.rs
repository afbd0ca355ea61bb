//! Four devices push prebuilt changes as fast as the relay takes them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use document::Document;
use futures_util::{SinkExt, StreamExt};
use sync_wire::limits::{PUSH_CREDIT, SUBPROTOCOL, WIRE_VERSION};
use sync_wire::{
    Actor, BatchId, Blob, Content, DeviceFrame, DeviceId, DocumentId, Hello, Push, RelayFrame, SpaceId, VersionRange,
    decode_relay_frame, encode_device_frame,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::Bench;
use crate::report::{Line, Times};

const DEVICES: u8 = 4;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let changes = bench.effort.pick(2_000, 20_000);
    let mut lines = Vec::new();
    for per_push in [1, 16] {
        let account = relay.account(&format!("ingest{per_push}"))?;
        let authors = (0..DEVICES).map(|device| Author::new(device, per_push, changes)).collect::<Result<Vec<_>>>()?;
        let url = format!("ws://{}/sync", relay.address());
        let (took, acks) = runtime.block_on(push_all(&url, &account.token, authors))?;
        lines.push(
            Line::new(format!("{DEVICES} devices, {per_push} change(s) a push"))
                .rate(usize::from(DEVICES) * changes, took, "durable changes")
                .times("ack", &acks),
        );
    }
    Ok(lines)
}

/// A device with everything that it will push.
struct Author {
    device: DeviceId,
    document: DocumentId,
    batches: Vec<Vec<Blob>>,
}

impl Author {
    fn new(number: u8, per_push: usize, changes: usize) -> Result<Self> {
        let id = [&[0xa0 + number][..], &(per_push as u8).to_be_bytes(), &[7; 14]].concat();
        let id: [u8; 16] = id.try_into().ok().context("sixteen bytes")?;
        let mut document = Document::new(None);
        let mut made = Vec::new();
        for change in 0..changes {
            document.edit(Actor(id), |draft| draft.put("/value", change.into()))?;
            let sealed = document.seal(0)?.context("an edit makes a change")?;
            made.extend(sealed.changes.into_iter().map(|change| change.bytes));
        }
        let batches = made.chunks(per_push).map(<[Blob]>::to_vec).collect();
        Ok(Self { device: DeviceId(id), document: DocumentId(id), batches })
    }
}

async fn push_all(url: &str, token: &str, authors: Vec<Author>) -> Result<(Duration, Times)> {
    let mut connections = Vec::new();
    for author in authors {
        connections.push((connect(url, token, author.device).await?, author));
    }
    let began = Instant::now();
    let tasks: Vec<_> =
        connections.into_iter().map(|((socket, space), author)| tokio::spawn(push(socket, space, author))).collect();
    let mut all = Times::new();
    for task in tasks {
        all.merge(&task.await??);
    }
    Ok((began.elapsed(), all))
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Connects as a device; returns the account's personal space.
async fn connect(url: &str, token: &str, device: DeviceId) -> Result<(Socket, SpaceId)> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse()?);
    request.headers_mut().insert("Sec-WebSocket-Protocol", SUBPROTOCOL.parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(request, None, true).await?;
    let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
    let hello = Hello { versions, device, agent: "bench".into(), cursors: Vec::new() };
    socket.send(Message::Binary(encode_device_frame(&DeviceFrame::Hello(hello)).into())).await?;
    loop {
        match next(&mut socket).await? {
            RelayFrame::Welcome(welcome) => {
                let space = welcome.grants.first().context("an account has a personal space")?.space;
                return Ok((socket, space));
            }
            RelayFrame::Goodbye(goodbye) => bail!("the relay said {goodbye:?}"),
            _ => {}
        }
    }
}

/// Pushes everything within the credit; returns how long each ack took.
async fn push(socket: Socket, space: SpaceId, author: Author) -> Result<Times> {
    let (mut out, mut incoming) = socket.split();
    let mut times = Times::new();
    let mut sent = std::collections::VecDeque::new();
    let mut batches = author.batches.iter().enumerate();
    let mut is_last = false;
    loop {
        while !is_last && sent.len() < PUSH_CREDIT as usize {
            let Some((number, changes)) = batches.next() else {
                is_last = true;
                break;
            };
            let mut batch = author.device.0;
            batch[8..].copy_from_slice(&(number as u64).to_be_bytes());
            let content = Content::Changes(changes.clone());
            let push = Push { space, document: author.document, lane: 0, batch: BatchId(batch), content };
            out.feed(Message::Binary(encode_device_frame(&DeviceFrame::Push(push)).into())).await?;
            sent.push_back(Instant::now());
        }
        out.flush().await?;
        if sent.is_empty() {
            return Ok(times);
        }
        match decode(incoming.next().await.context("the relay closed")??)? {
            Some(RelayFrame::Ack(_)) => times.add(sent.pop_front().context("an ack too many")?.elapsed()),
            // Not confirmed: a device that only writes takes no deliveries.
            Some(RelayFrame::Deliver(_) | RelayFrame::Bootstrap(_)) | None => {}
            Some(other) => bail!("the relay answered {other:?}"),
        }
    }
}

async fn next(socket: &mut Socket) -> Result<RelayFrame> {
    loop {
        if let Some(frame) = decode(socket.next().await.context("the relay closed")??)? {
            return Ok(frame);
        }
    }
}

fn decode(message: Message) -> Result<Option<RelayFrame>> {
    match message {
        Message::Binary(bytes) => Ok(decode_relay_frame(&bytes)?),
        Message::Close(reason) => bail!("the relay closed: {reason:?}"),
        _ => Ok(None),
    }
}
