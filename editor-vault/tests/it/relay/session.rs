//! A connection to that relay: what a device says, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use sync_wire::log::Receipt;
use sync_wire::*;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::log::{EPOCH, SALT, Space};
use super::{Answer, Shared, State};

#[derive(Default)]
pub(super) struct Session {
    account: Option<AccountId>,
    device: Option<DeviceId>,
    /// How far each space was delivered.
    delivered: BTreeMap<SpaceId, u64>,
    own: Vec<BatchId>,
    skipping: BTreeMap<DocumentId, u32>,
    /// What it was told of others.
    told: BTreeMap<(SpaceId, DocumentId, AccountId, DeviceId), Blob>,
}

pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut session = Session::default();
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let authorize = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let token = header.and_then(|header| header.strip_prefix("Bearer ").map(str::to_owned)).unwrap_or_default();
        session.account = shared.state.lock().unwrap().accounts.get(&token).copied();
        if session.account.is_none() {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = tokio_tungstenite::tungstenite::http::StatusCode::UNAUTHORIZED;
            return Err(refused);
        }
        response.headers_mut().insert("sec-websocket-protocol", limits::SUBPROTOCOL.parse().unwrap());
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, authorize).await else { return };
    let mut grew = shared.grew.subscribe();
    while let Some(frames) = session.next(&shared, &mut socket, &mut grew).await {
        for frame in frames {
            let bytes = encode_relay_frame(&frame);
            if socket.send(Message::Binary(bytes.into())).await.is_err() {
                return session.leave(&shared);
            }
        }
    }
    session.leave(&shared);
}

impl Session {
    pub(super) fn of(account: AccountId) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    /// What is said next; nothing when the connection is over.
    async fn next(
        &mut self,
        shared: &Shared,
        socket: &mut WebSocketStream<TcpStream>,
        grew: &mut watch::Receiver<u64>,
    ) -> Option<Vec<RelayFrame>> {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = decode_device_frame(&bytes).unwrap().unwrap();
                    Some(self.on_frame(shared, frame))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Some(Vec::new()),
                _ => None,
            },
            _ = grew.changed() => {
                let state = shared.state.lock().unwrap();
                Some(self.deliver(&state).into_iter().chain(self.tell(&state)).collect())
            }
        }
    }

    pub(super) fn on_frame(&mut self, shared: &Shared, frame: DeviceFrame) -> Vec<RelayFrame> {
        let mut state = shared.state.lock().unwrap();
        match frame {
            DeviceFrame::Hello(hello) => self.greet(&state, &hello),
            DeviceFrame::Confirm(_) | DeviceFrame::Offer(_) => Vec::new(),
            DeviceFrame::Presence(ShowPresence { space, document, content }) => {
                let place = (space, document, self.account.unwrap(), self.device.unwrap());
                match content {
                    Some(content) => state.present.insert(place, content),
                    None => state.present.remove(&place),
                };
                drop(state);
                shared.grew.send_modify(|grown| *grown += 1);
                Vec::new()
            }
            DeviceFrame::Push(push) => {
                let answer = self.judge(&mut state, &push);
                drop(state);
                shared.grew.send_modify(|grown| *grown += 1);
                vec![answer]
            }
        }
    }

    fn greet(&mut self, state: &State, hello: &Hello) -> Vec<RelayFrame> {
        let account = self.account.unwrap();
        self.device = Some(hello.device);
        let mut grants = Vec::new();
        let mut frames = Vec::new();
        for (id, space) in state.spaces.iter().filter(|(_, space)| space.members.contains(&account)) {
            let known = hello.cursors.iter().find(|cursor| cursor.space == *id);
            let resume = match known {
                Some(cursor) if cursor.bootstrap.is_none() => Resume::Continue,
                _ => Resume::Bootstrap { at: space.end().position, chain: *space.chains.last().unwrap() },
            };
            let from = known.filter(|_| resume == Resume::Continue).map_or(space.end().position, |c| c.at.position);
            self.delivered.insert(*id, from.0);
            grants.push(Grant {
                space: *id,
                kind: space.kind,
                role: Role::Owner,
                name: "a space".into(),
                salt: SALT,
                access_version: 1,
                end: space.end(),
                resume,
            });
            if resume != Resume::Continue {
                frames.extend(bootstrap(*id, space));
            }
        }
        let welcome = Welcome { version: 1, account, grants, limits_version: state.limits_version };
        frames.insert(0, RelayFrame::Welcome(welcome));
        frames.extend(self.deliver(state));
        frames
    }

    fn judge(&mut self, state: &mut State, push: &Push) -> RelayFrame {
        let (space, document, batch) = (push.space, push.document, push.batch);
        state.pushes.push(push.clone());
        if self.skipping.get(&document).is_some_and(|lane| *lane >= push.lane) {
            return RelayFrame::Skipped(Skipped { space, document, batch });
        }
        let account = self.account.unwrap();
        if !state.spaces.get(&space).is_some_and(|space| space.members.contains(&account)) {
            self.skipping.insert(document, push.lane);
            let (code, detail) = (FateCode::NO_SUCH_SPACE, "no such space".to_owned());
            return RelayFrame::Refuse(Refuse { space, document, batch, culprit: None, code, detail });
        }
        if let Some(culprit) = state.spaces[&space].excluded_below(push) {
            self.skipping.insert(document, push.lane);
            let (code, detail) = (FateCode::WITH, "a repair has excluded what it rests on".to_owned());
            return RelayFrame::Refuse(Refuse { space, document, batch, culprit: Some(culprit), code, detail });
        }
        let answer = match (state.judge)(push) {
            Answer::Take if state.spaces[&space].has_another(push) => Answer::Refuse(FateCode::EQUIVOCATION),
            answer => answer,
        };
        match answer {
            Answer::Take => {
                let log = state.spaces.get_mut(&space).unwrap();
                log.take(space, self.device.unwrap(), push);
                self.own.push(batch);
                let receipt = Receipt { key: 0, mac: [0; 32] };
                let proof = Some(Proof { chain: *log.chains.last().unwrap(), receipt });
                RelayFrame::Ack(Ack { space, document, batch, at: Some(log.end()), proof })
            }
            Answer::Store => {
                if !state.stored.iter().any(|(_, stored)| stored.batch == batch) {
                    state.stored.push((self.device.unwrap(), push.clone()));
                }
                self.own.push(batch);
                RelayFrame::Ack(Ack { space, document, batch, at: None, proof: None })
            }
            Answer::Refuse(code) => {
                self.skipping.insert(document, push.lane);
                let detail = "as the test wished".to_owned();
                RelayFrame::Refuse(Refuse { space, document, batch, culprit: None, code, detail })
            }
            Answer::Park(code, judged_by) => {
                self.skipping.insert(document, push.lane);
                let detail = "as the test wished".to_owned();
                RelayFrame::Park(Park { space, document, batch, code, judged_by, detail })
            }
        }
    }

    /// Where the others are, in the documents that it is in, as far as that is news.
    fn tell(&mut self, state: &State) -> Vec<RelayFrame> {
        let Some(me) = self.account.zip(self.device) else { return Vec::new() };
        let is_here = |(space, document, account, device): (SpaceId, DocumentId, AccountId, DeviceId)| {
            (account, device) != me && state.present.contains_key(&(space, document, me.0, me.1))
        };
        let here: BTreeMap<_, _> =
            state.present.iter().filter(|(at, _)| is_here(**at)).map(|(at, it)| (*at, it.clone())).collect();
        let before = std::mem::replace(&mut self.told, here.clone());
        let frame = |((space, document, account, device), content)| {
            RelayFrame::Presence(Presence { space, document, account, device, content })
        };
        let gone = before.keys().filter(|at| !here.contains_key(at)).map(|at| (*at, None));
        let news = here.iter().filter(|(at, it)| before.get(at) != Some(it)).map(|(at, it)| (*at, Some(it.clone())));
        gone.chain(news).map(frame).collect()
    }

    fn leave(&self, shared: &Shared) {
        let device = self.device;
        shared.state.lock().unwrap().present.retain(|(_, _, _, other), _| Some(*other) != device);
        shared.grew.send_modify(|grown| *grown += 1);
    }

    pub(super) fn deliver(&mut self, state: &State) -> Vec<RelayFrame> {
        let mut frames = Vec::new();
        for (id, delivered) in &mut self.delivered {
            let space = &state.spaces[id];
            let from = usize::try_from(*delivered).unwrap();
            if from == space.entries.len() {
                continue;
            }
            let own = &self.own;
            let entries = space.entries[from..].iter().map(|entry| Entry {
                bytes: entry.bytes.clone().filter(|_| !own.contains(&entry.batch)),
                ..entry.clone()
            });
            frames.push(RelayFrame::Deliver(Deliver {
                space: *id,
                after: LogPosition { epoch: EPOCH, position: Position(*delivered) },
                entries: entries.collect(),
                chain: if state.lies { Chain([9; 32]) } else { *space.chains.last().unwrap() },
                receipt: Receipt { key: 0, mac: [0; 32] },
            }));
            *delivered = space.entries.len() as u64;
        }
        frames
    }
}

/// One frame per part: snapshots come in parts of a thousand bytes.
fn bootstrap(id: SpaceId, space: &Space) -> Vec<RelayFrame> {
    let mut by_document: BTreeMap<DocumentId, Vec<PositionedEntry>> = BTreeMap::new();
    for (at, entry) in space.entries.iter().enumerate() {
        let positioned = PositionedEntry { position: Position(at as u64 + 1), entry: entry.clone() };
        by_document.entry(entry.document).or_default().push(positioned);
    }
    let mut frames = Vec::new();
    let frame = |documents, done| {
        RelayFrame::Bootstrap(Bootstrap { space: id, at: space.end(), documents, done, receipt: None })
    };
    for (document, mut entries) in by_document {
        if let Some((covers, snapshot)) = space.snapshots.get(&document) {
            entries.retain(|entry| entry.position > *covers);
            for (number, part) in snapshot.bytes.chunks(1000).enumerate() {
                let part = SnapshotPart {
                    voids: None,
                    covers: *covers,
                    heads: snapshot.heads.clone(),
                    changes: snapshot.changes,
                    digest: snapshot.digest,
                    total_bytes: snapshot.bytes.len() as u64,
                    offset: number as u64 * 1000,
                    bytes: part.to_vec().into(),
                };
                let sent = BootstrapDocument { document, snapshot: Some(part), entries: Vec::new(), complete: false };
                frames.push(frame(vec![sent], false));
            }
        }
        frames.push(frame(vec![BootstrapDocument { document, snapshot: None, entries, complete: true }], false));
    }
    frames.push(frame(Vec::new(), true));
    if space.entries.is_empty() { Vec::new() } else { frames }
}
