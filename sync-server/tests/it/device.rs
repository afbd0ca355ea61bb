//! A raw client of `/sync`: frames in, frames out, nothing hidden.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sync_wire::limits::SUBPROTOCOL;
use sync_wire::{
    Ack, BatchId, Chain, Confirm, Cursor, Deliver, DeviceFrame, DeviceId, DocumentId, Goodbye, Hello, LogPosition,
    Position, Presence, Push, RelayFrame, Resume, ShowPresence, SpaceId, VersionRange, Welcome, decode_relay_frame,
    encode_device_frame,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::author::{Batch, fresh_id};

/// Longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Device {
    pub id: DeviceId,
    /// Which of its connections it says this is.
    pub attempt: Option<u64>,
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while another kind was waited for.
    early: Vec<RelayFrame>,
    /// Deliveries among them that are confirmed, by where they begin.
    confirmed: BTreeSet<(SpaceId, Position)>,
}

impl Device {
    /// Upgrades, and says nothing yet.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Self {
        Self::try_connect(address, token, SUBPROTOCOL).await.unwrap()
    }

    pub(crate) async fn try_connect(address: SocketAddr, token: &str, subprotocol: &str) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/sync").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().unwrap());
        let (socket, _) = connect_async(request).await?;
        Ok(Self { id: DeviceId(fresh_id()), attempt: None, socket, early: Vec::new(), confirmed: BTreeSet::new() })
    }

    /// A new device that is greeted; what it is new to has been bootstrapped.
    pub(crate) async fn online(address: SocketAddr, token: &str) -> (Self, Welcome) {
        let mut device = Self::connect(address, token).await;
        let welcome = device.hello(Vec::new()).await;
        (device, welcome)
    }

    pub(crate) async fn hello(&mut self, cursors: Vec<Cursor>) -> Welcome {
        self.send(&self.hello_frame(cursors)).await;
        match self.next().await {
            Some(RelayFrame::Welcome(welcome)) => welcome,
            other => panic!("expected Welcome, got {other:?}"),
        }
    }

    pub(crate) fn hello_frame(&self, cursors: Vec<Cursor>) -> DeviceFrame {
        let versions = VersionRange { oldest: 1, newest: 1 };
        DeviceFrame::Hello(Hello { versions, device: self.id, agent: "test".into(), cursors, attempt: self.attempt })
    }

    pub(crate) async fn send(&mut self, frame: &DeviceFrame) {
        self.socket.send(Message::Binary(encode_device_frame(frame).into())).await.unwrap();
    }

    pub(crate) async fn push(&mut self, space: SpaceId, document: DocumentId, batch: &Batch) {
        self.push_in_lane(space, document, 0, batch).await;
    }

    pub(crate) async fn push_in_lane(&mut self, space: SpaceId, document: DocumentId, lane: u32, batch: &Batch) {
        let content = batch.content.clone();
        self.send(&DeviceFrame::Push(Push { space, document, lane, batch: batch.id, content })).await;
    }

    /// Pushes in order and waits until all are in the log; the place of the last.
    pub(crate) async fn push_all(&mut self, space: SpaceId, document: DocumentId, batches: &[Batch]) -> LogPosition {
        for batch in batches {
            self.push(space, document, batch).await;
        }
        let mut last = None;
        for batch in batches {
            let fate = self.fate(batch.id).await;
            let RelayFrame::Ack(ack) = fate else { panic!("batch {} was not taken: {fate:?}", batch.id) };
            last = ack.at;
        }
        last.expect("what is in the log has a position")
    }

    /// What becomes of a batch in the end: if it was stored, its place in a delivery, or what comes unasked.
    pub(crate) async fn fate(&mut self, batch: BatchId) -> RelayFrame {
        match self.answer(batch).await {
            RelayFrame::Ack(ack) if ack.at.is_none() => self.outcome(ack).await,
            answer => answer,
        }
    }

    /// What becomes of a stored batch.
    pub(crate) async fn outcome(&mut self, stored: Ack) -> RelayFrame {
        let mut looked = 0;
        loop {
            while let Some(frame) = self.early.get(looked) {
                if let RelayFrame::Deliver(deliver) = frame {
                    let key = (deliver.space, deliver.after.position);
                    let epoch = deliver.after.epoch;
                    let place = deliver.entries.iter().rposition(|entry| entry.batch == stored.batch);
                    let position = Position(deliver.after.position.0 + place.map_or(0, |index| index as u64 + 1));
                    let confirm = Confirm { space: deliver.space, position: deliver.end().position, frames: 1 };
                    if self.confirmed.insert(key) {
                        self.send(&DeviceFrame::Confirm(confirm)).await;
                    }
                    if place.is_some() {
                        return RelayFrame::Ack(Ack { at: Some(LogPosition { position, epoch }), ..stored });
                    }
                } else if answered(frame) == Some(stored.batch) {
                    return self.early.remove(looked);
                }
                looked += 1;
            }
            let frame = self.receive().await.expect("the connection lasts until the batch has its fate");
            self.early.push(frame);
        }
    }

    /// The next frame; `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<RelayFrame> {
        if !self.early.is_empty() {
            return Some(self.early.remove(0));
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Option<RelayFrame> {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the relay says nothing");
            match received {
                Some(Ok(Message::Binary(bytes))) => return decode_relay_frame(&bytes).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(other)) => panic!("the relay sent {other:?}"),
            }
        }
    }

    /// The next frame that `pick` takes; others stay for later.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&RelayFrame) -> Option<T>) -> T {
        if let Some((index, found)) =
            self.early.iter().enumerate().find_map(|(index, frame)| Some((index, pick(frame)?)))
        {
            self.early.remove(index);
            return found;
        }
        loop {
            let Some(frame) = self.receive().await else {
                panic!("closed while waiting for {what}; early: {:?}", self.early)
            };
            match pick(&frame) {
                Some(found) => return found,
                None => self.early.push(frame),
            }
        }
    }

    pub(crate) async fn acked(&mut self, batch: BatchId) -> Ack {
        let answer = self.answer(batch).await;
        match answer {
            RelayFrame::Ack(ack) => ack,
            other => panic!("batch {batch} was not acknowledged: {other:?}"),
        }
    }

    /// Whatever the relay answers to a batch.
    pub(crate) async fn answer(&mut self, batch: BatchId) -> RelayFrame {
        self.until(&format!("the answer to {batch}"), |frame| (answered(frame) == Some(batch)).then(|| frame.clone()))
            .await
    }

    /// The next delivery of a space, confirmed.
    pub(crate) async fn delivered(&mut self, space: SpaceId) -> Deliver {
        let deliver = self
            .until("a delivery", |frame| match frame {
                RelayFrame::Deliver(deliver) if deliver.space == space => Some(deliver.clone()),
                _ => None,
            })
            .await;
        let position = deliver.end().position;
        if !self.confirmed.remove(&(space, deliver.after.position)) {
            self.send(&DeviceFrame::Confirm(Confirm { space, position, frames: 1 })).await;
        }
        deliver
    }

    /// Waits for a change of a grant; `None` if it was taken.
    pub(crate) async fn regranted(&mut self, space: SpaceId) -> Option<sync_wire::Grant> {
        self.until("a changed grant", |frame| match frame {
            RelayFrame::GrantChanged(changed) if changed.space == space => Some(changed.grant.clone()),
            _ => None,
        })
        .await
    }

    /// Is in a document from now on; without content, no longer.
    pub(crate) async fn show(&mut self, space: SpaceId, document: DocumentId, content: Option<&str>) {
        let content = content.map(|content| content.as_bytes().to_vec().into());
        self.send(&DeviceFrame::Presence(ShowPresence { space, document, content })).await;
    }

    /// The next that it is told of others: whose device, and what it shows.
    pub(crate) async fn told(&mut self) -> Presence {
        self.until("others in a document", |frame| match frame {
            RelayFrame::Presence(presence) => Some(presence.clone()),
            _ => None,
        })
        .await
    }

    /// What it has been told of others by now: whatever was on its way comes before the answer to a batch.
    pub(crate) async fn told_by(&mut self, space: SpaceId, document: DocumentId, batch: &Batch) -> Vec<Presence> {
        self.push(space, document, batch).await;
        let answer = self.answer(batch.id).await;
        assert!(matches!(answer, RelayFrame::Ack(_)), "{answer:?}");
        let (told, others): (Vec<_>, _) = std::mem::take(&mut self.early).into_iter().partition(is_presence);
        self.early = others;
        told.into_iter().map(presence_of).collect()
    }

    /// Waits until what it is judged by changes; what that is now.
    pub(crate) async fn limits_changed(&mut self) -> u64 {
        self.until("other limits", |frame| match frame {
            RelayFrame::LimitsChanged(changed) => Some(changed.limits_version),
            _ => None,
        })
        .await
    }

    /// Waits for the goodbye, and that nothing follows it.
    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        let goodbye = self
            .until("Goodbye", |frame| match frame {
                RelayFrame::Goodbye(goodbye) => Some(goodbye.clone()),
                _ => None,
            })
            .await;
        assert_eq!(self.receive().await, None, "nothing follows Goodbye");
        goodbye
    }
}

fn is_presence(frame: &RelayFrame) -> bool {
    matches!(frame, RelayFrame::Presence(_))
}

fn presence_of(frame: RelayFrame) -> Presence {
    let RelayFrame::Presence(presence) = frame else { panic!("it tells of nobody: {frame:?}") };
    presence
}

/// The batch that a frame answers, or tells the fate of.
fn answered(frame: &RelayFrame) -> Option<BatchId> {
    match frame {
        RelayFrame::Ack(ack) => Some(ack.batch),
        RelayFrame::Refuse(refuse) => Some(refuse.batch),
        RelayFrame::Park(park) => Some(park.batch),
        RelayFrame::Need(need) => Some(need.batch),
        RelayFrame::Skipped(skipped) => Some(skipped.batch),
        _ => None,
    }
}

/// Where a device stands that was told to begin at a place.
pub(crate) fn cursor(space: SpaceId, at: LogPosition, chain: Chain) -> Cursor {
    Cursor { space, at, chain, bootstrap: None }
}

/// The personal space of a welcome.
pub(crate) fn personal(welcome: &Welcome) -> &sync_wire::Grant {
    let personal = welcome.grants.iter().find(|grant| grant.kind == sync_wire::SpaceKind::Personal);
    personal.expect("every account has a personal space")
}

/// Where a device starts in a granted space.
pub(crate) fn start(grant: &sync_wire::Grant) -> Cursor {
    match grant.resume {
        Resume::Continue | Resume::Offer | Resume::From { .. } => panic!("a new device begins anew"),
        Resume::Bootstrap { at, chain } => {
            cursor(grant.space, LogPosition { epoch: grant.end.epoch, position: at }, chain)
        }
    }
}
