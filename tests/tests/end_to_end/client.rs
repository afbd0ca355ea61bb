//! A device that pushes as fast as the relay takes it, and writes down every batch that was acknowledged. It outlives
//! the relay: what has no answer yet is pushed again to the next one.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use document::Document;
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Ack, Actor, BatchId, Blob, Content, Cursor, DeviceFrame, DeviceId, DocumentId, Grant, Hello, LogPosition, Push,
    RelayFrame, VersionRange, decode_relay_frame, encode_device_frame,
};

use crate::socket::{binary, next_binary, upgrade};

/// Pushes without an answer.
const WINDOW: usize = 24;
/// Documents of one device.
const DOCUMENTS: u8 = 3;

/// A batch that the relay said to be durable.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) batch: BatchId,
    pub(crate) document: DocumentId,
    pub(crate) changes: Vec<Blob>,
    /// The place of its last change.
    pub(crate) at: LogPosition,
}

/// Everything that was acknowledged, by whomever.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: Mutex<Vec<Acknowledged>>,
    pub(crate) count: AtomicU64,
}

/// A connection whose greetings are done.
pub(crate) struct Connection {
    socket: TcpStream,
    reader: std::io::BufReader<TcpStream>,
    /// The personal space.
    pub(crate) grant: Grant,
}

impl Connection {
    /// Greets the relay with these cursors.
    pub(crate) fn open(relay: SocketAddr, token: &str, device: DeviceId, cursors: Vec<Cursor>) -> Result<Self> {
        let (head, mut socket) = upgrade(relay, token)?;
        ensure!(head.starts_with("HTTP/1.1 101"), "the upgrade was answered {head}");
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello = DeviceFrame::Hello(Hello { versions, device, agent: "ledger".to_owned(), cursors, attempt: None });
        socket.write_all(&binary(&encode_device_frame(&hello)))?;
        let mut reader = std::io::BufReader::new(socket.try_clone()?);
        let Some(RelayFrame::Welcome(welcome)) = receive(&mut reader)? else { bail!("the relay did not say Welcome") };
        let grant = welcome.grants.into_iter().next().context("every account has a personal space")?;
        Ok(Self { socket, reader, grant })
    }

    pub(crate) fn send(&mut self, frame: &DeviceFrame) -> Result<()> {
        Ok(self.socket.write_all(&binary(&encode_device_frame(frame)))?)
    }

    /// The next frame; an error when the connection has ended.
    pub(crate) fn receive(&mut self) -> Result<RelayFrame> {
        receive(&mut self.reader)?.context("the relay closed")
    }
}

fn receive(reader: &mut impl std::io::Read) -> Result<Option<RelayFrame>> {
    loop {
        let Some(bytes) = next_binary(reader)? else { return Ok(None) };
        if let Some(frame) = decode_relay_frame(&bytes)? {
            return Ok(Some(frame));
        }
    }
}

/// A device with documents of its own.
pub(crate) struct Client {
    device: DeviceId,
    token: String,
    authors: Vec<Author>,
    unanswered: VecDeque<(BatchId, DocumentId, Vec<Blob>)>,
    batches: u64,
}

struct Author {
    id: [u8; 16],
    document: Document,
    edits: u64,
}

/// How a life of the relay ended for a client.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The connection broke, as it must when the relay is killed.
    Broken,
    /// The relay answered what it must not.
    Wrong(anyhow::Error),
}

impl Client {
    /// Client `number` of relay `place`; the account's token.
    pub(crate) fn new(place: u64, number: u8, token: &str) -> Self {
        let id = |document: u8| {
            let mut id = [number; 16];
            id[..8].copy_from_slice(&place.to_be_bytes());
            id[15] = document;
            id
        };
        let author = |document| Author { id: id(document), document: Document::new(None), edits: 0 };
        Self {
            device: DeviceId(id(0)),
            token: token.to_owned(),
            authors: (1..=DOCUMENTS).map(author).collect(),
            unanswered: VecDeque::new(),
            batches: 0,
        }
    }

    /// Pushes until the relay dies.
    pub(crate) fn push_until_the_end(&mut self, relay: SocketAddr, ledger: &Ledger) -> Ended {
        let Ok(mut connection) = Connection::open(relay, &self.token, self.device, Vec::new()) else {
            return Ended::Broken;
        };
        // Everything without an answer goes first, in its order.
        let mut sent = 0;
        loop {
            while sent < WINDOW {
                if sent == self.unanswered.len() {
                    match self.write() {
                        Ok(batch) => self.unanswered.push_back(batch),
                        Err(error) => return Ended::Wrong(error),
                    }
                }
                let (batch, document, changes) = self.unanswered[sent].clone();
                let content = Content::Changes(changes);
                let push = Push { space: connection.grant.space, document, lane: 0, batch, content };
                if connection.send(&DeviceFrame::Push(push)).is_err() {
                    return Ended::Broken;
                }
                sent += 1;
            }
            match connection.receive() {
                Ok(RelayFrame::Ack(ack)) => match self.answered(&ack, ledger) {
                    Ok(()) => sent -= 1,
                    Err(error) => return Ended::Wrong(error),
                },
                // Not confirmed: a device that only writes takes few deliveries.
                Ok(RelayFrame::Deliver(_) | RelayFrame::Bootstrap(_)) => {}
                Ok(other) => return Ended::Wrong(anyhow::anyhow!("a push was answered {other:?}")),
                Err(_) => return Ended::Broken,
            }
        }
    }

    fn answered(&mut self, ack: &Ack, ledger: &Ledger) -> Result<()> {
        let found = self.unanswered.iter().position(|(batch, ..)| *batch == ack.batch);
        let (batch, document, changes) =
            found.and_then(|at| self.unanswered.remove(at)).context("an ack for nothing")?;
        let at = ack.at.context("a personal space has no intake")?;
        ledger.acknowledged.lock().expect("nobody panics with it").push(Acknowledged { batch, document, changes, at });
        ledger.count.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// One batch of one to four changes.
    fn write(&mut self) -> Result<(BatchId, DocumentId, Vec<Blob>)> {
        let number = self.batches;
        self.batches += 1;
        let len = self.authors.len() as u64;
        let author = &mut self.authors[usize::try_from(number % len)?];
        let mut changes = Vec::new();
        for _ in 0..=number / len % 4 {
            author.edits += 1;
            let path = format!("/k{}", author.edits % 50);
            let value = author.edits;
            author.document.edit(Actor(author.id), |draft| draft.put(&path, value.into()))?;
            let sealed = author.document.seal(0)?.context("an edit makes a change")?;
            changes.extend(sealed.changes.into_iter().map(|change| change.bytes));
        }
        let mut batch = self.device.0;
        batch[8..].copy_from_slice(&(number + (u64::from(self.device.0[8]) << 48)).to_be_bytes());
        Ok((BatchId(batch), DocumentId(author.id), changes))
    }
}
