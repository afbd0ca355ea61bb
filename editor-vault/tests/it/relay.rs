//! A relay in a few lines, in memory: one log per space, every batch accepted unless a test says otherwise.
//!
//! It speaks the real protocol over a real socket, so that the vault's whole sync thread is under test. What real
//! relays must check is not its business.

pub(crate) mod inline; // without threads and sockets

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use futures_util::{SinkExt, StreamExt};
use sha2::Digest as _;
use sync_wire::log::{EntryIdentity, EntryKind, Receipt, marker_hash};
use sync_wire::*;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// What the relay says to a pushed batch instead of taking it.
pub(crate) enum Answer {
    Take,
    /// It is durable, and has no place yet.
    Store,
    Refuse(FateCode),
    Park(FateCode, u64),
}

type Judge = Box<dyn Fn(&Push) -> Answer + Send>;

pub(crate) struct Relay {
    pub(crate) url: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    grew: watch::Sender<u64>,
    stop: Notify,
}

pub(crate) struct State {
    /// By token.
    accounts: BTreeMap<String, AccountId>,
    spaces: BTreeMap<SpaceId, Space>,
    judge: Judge,
    pub(crate) limits_version: u64,
    pushes: Vec<Push>,
    /// What is durable and has no place yet.
    stored: Vec<(DeviceId, Push)>,
    /// Every delivery claims another chain than it has.
    lies: bool,
}

pub(crate) struct Space {
    members: Vec<AccountId>,
    kind: SpaceKind,
    entries: Vec<Entry>,
    chains: Vec<Chain>,
    snapshots: BTreeMap<DocumentId, (Position, document::Snapshot)>,
}

const SALT: Salt = Salt([7; 32]);
const EPOCH: Epoch = Epoch([1; 8]);

impl Shared {
    /// Every token is an account of its own with a personal space, unless two share a first letter.
    fn new(tokens: &[&str]) -> Self {
        let id = |token: &str, tag: u8| [[token.as_bytes()[0]; 15].as_slice(), &[tag]].concat().try_into().unwrap();
        let accounts: BTreeMap<_, _> =
            tokens.iter().map(|token| ((*token).to_owned(), AccountId(id(token, 1)))).collect();
        let personal = |token: &&str| (SpaceId(id(token, 2)), Space::new(SpaceKind::Personal, vec![accounts[*token]]));
        let spaces = tokens.iter().map(personal).collect();
        let state = State {
            accounts: accounts.clone(),
            spaces,
            judge: Box::new(|_| Answer::Take),
            limits_version: 1,
            pushes: Vec::new(),
            stored: Vec::new(),
            lies: false,
        };
        Self { state: Mutex::new(state), grew: watch::Sender::new(0), stop: Notify::new() }
    }

    fn account(&self, token: &str) -> AccountId {
        self.state.lock().unwrap().accounts[token]
    }
}

impl Relay {
    /// Every token is an account of its own with a personal space, unless two share a first letter.
    pub(crate) fn start(tokens: &[&str]) -> Self {
        let shared = Arc::new(Shared::new(tokens));
        let (tell, told) = std::sync::mpsc::channel();
        let served = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            tokio::spawn(serve(served.clone(), accepted.unwrap().0));
                        }
                        () = served.stop.notified() => return,
                    }
                }
            });
        });
        Self { url: format!("http://{}", told.recv().unwrap()), shared, thread: Some(thread) }
    }

    pub(crate) fn personal(&self, token: &str) -> SpaceId {
        let state = self.shared.state.lock().unwrap();
        let account = state.accounts[token];
        let is_it = |space: &Space| space.kind == SpaceKind::Personal && space.members.contains(&account);
        *state.spaces.iter().find(|(_, space)| is_it(space)).unwrap().0
    }

    /// Answers pushes from now on.
    pub(crate) fn judge(&self, judge: impl Fn(&Push) -> Answer + Send + 'static) {
        self.shared.state.lock().unwrap().judge = Box::new(judge);
    }

    pub(crate) fn set_limits_version(&self, version: u64) {
        self.shared.state.lock().unwrap().limits_version = version;
    }

    pub(crate) fn lie(&self, lies: bool) {
        self.shared.state.lock().unwrap().lies = lies;
    }

    pub(crate) fn pushes(&self) -> Vec<Push> {
        self.shared.state.lock().unwrap().pushes.clone()
    }

    pub(crate) fn entries(&self, space: SpaceId) -> Vec<Entry> {
        self.shared.state.lock().unwrap().spaces[&space].entries.clone()
    }

    /// A change of a device that no test opens.
    pub(crate) fn append(&self, space: SpaceId, document: DocumentId, change: &document::Change) {
        self.append_entry(space, entry_of(document, change));
    }

    /// Deletes a document as another device, or purges it as the relay.
    pub(crate) fn append_marker(&self, space: SpaceId, document: DocumentId, kind: EntryKind, heads: &[ChangeHash]) {
        let number = self.entries(space).len().to_le_bytes();
        let batch = BatchId([[number, number].concat().as_slice()].concat().try_into().unwrap());
        let hash = marker_hash(kind, space, document, batch, heads);
        let heads = (kind == EntryKind::Tombstone).then(|| heads.to_vec());
        self.append_entry(space, Entry { kind, document, hash, device: DeviceId([99; 16]), batch, bytes: None, heads });
    }

    /// Forgets the bytes of the changes of a document.
    pub(crate) fn clear_bytes(&self, space: SpaceId, document: DocumentId) {
        let mut state = self.shared.state.lock().unwrap();
        let entries = &mut state.spaces.get_mut(&space).unwrap().entries;
        entries.iter_mut().filter(|entry| entry.document == document).for_each(|entry| entry.bytes = None);
    }

    fn append_entry(&self, space: SpaceId, entry: Entry) {
        self.shared.state.lock().unwrap().spaces.get_mut(&space).unwrap().append(entry);
        self.shared.grew.send_modify(|grown| *grown += 1);
    }

    pub(crate) fn make_snapshot(&self, space: SpaceId, document: DocumentId) {
        self.shared.state.lock().unwrap().make_snapshot(space, document);
    }

    /// A snapshot gets another letter: digest, checksum, sizes and heads are right, and it does not load.
    pub(crate) fn spoil_snapshot(&self, space: SpaceId, document: DocumentId) {
        self.alter_snapshot(space, document, |snapshot| {
            let mut bytes = snapshot.bytes.to_vec();
            let letters = bytes.windows(4).position(|window| window == b"xxxx").unwrap();
            bytes[letters] = b'y';
            let hash = sha2::Sha256::digest(&bytes[8..]);
            bytes[4..8].copy_from_slice(&hash[..4]);
            snapshot.digest = blake3::hash(&bytes).into();
            snapshot.bytes = bytes.into();
        });
    }

    pub(crate) fn forge_digest(&self, space: SpaceId, document: DocumentId) {
        self.alter_snapshot(space, document, |snapshot| snapshot.digest = [0; 32]);
    }

    fn alter_snapshot(&self, space: SpaceId, document: DocumentId, alter: impl FnOnce(&mut document::Snapshot)) {
        let mut state = self.shared.state.lock().unwrap();
        let space = state.spaces.get_mut(&space).unwrap();
        alter(&mut space.snapshots.get_mut(&document).unwrap().1);
    }
}

impl State {
    /// Everything that is durable gets its place.
    pub(crate) fn take_stored(&mut self) {
        for (device, push) in std::mem::take(&mut self.stored) {
            self.spaces.get_mut(&push.space).unwrap().take(push.space, device, &push);
        }
    }

    /// These batches are not stored any more.
    pub(crate) fn forget_stored(&mut self, gone: &[Push]) {
        self.stored.retain(|(_, push)| gone.iter().all(|it| it.batch != push.batch));
    }

    /// What is durable and has no place yet.
    pub(crate) fn stored(&self) -> Vec<Push> {
        self.stored.iter().map(|(_, push)| push.clone()).collect()
    }

    /// What was pushed so far.
    pub(crate) fn pushed(&self) -> usize {
        self.pushes.len()
    }

    /// Repairs a document: excludes these changes, and appends what follows from that.
    pub(crate) fn void(&mut self, space: SpaceId, document: DocumentId, excluded: &[ChangeHash]) {
        let log = &self.spaces[&space];
        let of_it = |entry: &&Entry| entry.document == document && entry.kind == EntryKind::Change;
        let changes = log.entries.iter().filter(of_it).filter_map(|entry| entry.bytes.clone());
        let changes: Vec<_> = changes.map(|bytes| document::Change::parse(bytes).unwrap()).collect();
        let mended = document::mend(excluded, &changes, |_| None);
        self.append_void(space, document, &mended.void, &mended.replacements);
    }

    /// As a relay may say it, whether or not it follows from the log.
    pub(crate) fn append_void(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        void: &Void,
        replacements: &[document::Change],
    ) {
        let log = self.spaces.get_mut(&space).unwrap();
        let payload = void.encode();
        let batch = Void::batch(&payload, space, document);
        let hash = Void::hash(&payload, space, document, batch);
        let (kind, device) = (EntryKind::Void, DeviceId([0; 16]));
        log.append(Entry { kind, document, hash, device, batch, bytes: Some(payload), heads: None });
        for change in replacements {
            let of = void.dependents.iter().find(|dependent| dependent.by == Some(change.hash())).unwrap().change;
            let device = log.entries.iter().find(|entry| entry.hash == of).unwrap().device;
            let (kind, hash, bytes) = (EntryKind::Change, change.hash(), Some(change.bytes.clone()));
            log.append(Entry { kind, document, hash, device, batch, bytes, heads: None });
        }
    }

    /// The hashes of the changes of a document, in the order of the log.
    pub(crate) fn changes(&self, space: SpaceId, document: DocumentId) -> Vec<ChangeHash> {
        let of_it = |entry: &&Entry| entry.document == document && entry.kind == EntryKind::Change;
        self.spaces[&space].entries.iter().filter(of_it).map(|entry| entry.hash).collect()
    }

    /// New devices get this document as a snapshot of everything that is in the log now.
    pub(crate) fn make_snapshot(&mut self, space: SpaceId, document: DocumentId) {
        let space = self.spaces.get_mut(&space).unwrap();
        let counts = |entry: &&Entry| {
            entry.document == document && entry.kind == EntryKind::Change && space.culprit(&entry.hash).is_none()
        };
        let changes: Vec<Blob> = space.entries.iter().filter(counts).filter_map(|e| e.bytes.clone()).collect();
        let mut whole = document::Document::new(None);
        whole.apply(&changes).unwrap();
        let covers = Position(space.entries.len() as u64);
        space.snapshots.insert(document, (covers, whole.snapshot().unwrap()));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
        self.thread.take().map(JoinHandle::join);
    }
}

fn entry_of(document: DocumentId, change: &document::Change) -> Entry {
    Entry {
        kind: EntryKind::Change,
        document,
        hash: change.header.hash,
        device: DeviceId([99; 16]),
        batch: BatchId(change.header.hash.0[..16].try_into().unwrap()),
        bytes: Some(change.bytes.clone()),
        heads: None,
    }
}

impl Space {
    fn new(kind: SpaceKind, members: Vec<AccountId>) -> Self {
        Self { members, kind, entries: Vec::new(), chains: vec![Chain::START], snapshots: BTreeMap::new() }
    }

    fn append(&mut self, entry: Entry) {
        let Entry { kind, document, hash, device, batch, .. } = entry;
        let digest = EntryIdentity { kind, document, hash, device, batch }.digest(&SALT);
        self.chains.push(self.chains.last().unwrap().extend(&digest));
        self.entries.push(entry);
    }

    fn end(&self) -> LogPosition {
        LogPosition { epoch: EPOCH, position: Position(self.entries.len() as u64) }
    }

    /// The change at fault because of which a void excludes this one.
    fn culprit(&self, hash: &ChangeHash) -> Option<ChangeHash> {
        let voids = self.entries.iter().filter(|entry| entry.kind == EntryKind::Void);
        let mut voids = voids.map(|entry| Void::decode(entry.bytes.as_ref().unwrap()).unwrap());
        let void = voids.find(|void| void.changes().any(|change| change == *hash))?;
        Some(void.excluded[0])
    }

    /// The change at fault that something of a push rests on.
    fn excluded_below(&self, push: &Push) -> Option<ChangeHash> {
        let Content::Changes(changes) = &push.content else { return None };
        let deps =
            changes.iter().filter_map(|bytes| document::Header::parse(bytes).ok()).flat_map(|header| header.deps);
        deps.into_iter().find_map(|dep| self.culprit(&dep))
    }

    /// Whether the log has another change with the actor and number of one of these.
    fn has_another(&self, push: &Push) -> bool {
        let Content::Changes(changes) = &push.content else { return false };
        let name = |bytes: &Blob| document::Header::parse(bytes).map(|header| (header.actor, header.seq, header.hash));
        let new: Vec<_> = changes.iter().filter_map(|bytes| name(bytes).ok()).collect();
        let old = self.entries.iter().filter(|entry| entry.document == push.document);
        old.filter_map(|entry| name(entry.bytes.as_ref()?).ok())
            .any(|old| new.iter().any(|new| (new.0, new.1) == (old.0, old.1) && new.2 != old.2))
    }

    fn take(&mut self, id: SpaceId, device: DeviceId, push: &Push) {
        let entry = |kind, hash, bytes: Option<Blob>, heads| Entry {
            kind,
            document: push.document,
            hash,
            device,
            batch: push.batch,
            bytes,
            heads,
        };
        let marker = |kind, heads: &[ChangeHash]| marker_hash(kind, id, push.document, push.batch, heads);
        let new: Vec<Entry> = match &push.content {
            Content::Changes(changes) => changes
                .iter()
                .map(|bytes| {
                    entry(EntryKind::Change, document::Header::parse(bytes).unwrap().hash, Some(bytes.clone()), None)
                })
                .collect(),
            Content::Tombstone(heads) => {
                vec![entry(EntryKind::Tombstone, marker(EntryKind::Tombstone, heads), None, Some(heads.clone()))]
            }
            Content::Restore => vec![entry(EntryKind::Restore, marker(EntryKind::Restore, &[]), None, None)],
        };
        for entry in new {
            let known = |old: &Entry| old.document == entry.document && old.hash == entry.hash;
            if !self.entries.iter().any(known) {
                self.append(entry);
            }
        }
    }
}

#[derive(Default)]
struct Session {
    account: Option<AccountId>,
    device: Option<DeviceId>,
    /// How far each space was delivered.
    delivered: BTreeMap<SpaceId, u64>,
    own: Vec<BatchId>,
    skipping: BTreeMap<DocumentId, u32>,
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
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
    loop {
        let frames = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = decode_device_frame(&bytes).unwrap().unwrap();
                    session.on_frame(&shared, frame)
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                _ => return,
            },
            _ = grew.changed() => session.deliver(&shared.state.lock().unwrap()),
        };
        for frame in frames {
            let bytes = encode_relay_frame(&frame);
            if socket.send(Message::Binary(bytes.into())).await.is_err() {
                return;
            }
        }
    }
}

impl Session {
    fn of(account: AccountId) -> Self {
        Self { account: Some(account), ..Self::default() }
    }

    fn on_frame(&mut self, shared: &Shared, frame: DeviceFrame) -> Vec<RelayFrame> {
        let mut state = shared.state.lock().unwrap();
        match frame {
            DeviceFrame::Hello(hello) => self.greet(&state, &hello),
            DeviceFrame::Confirm(_) | DeviceFrame::Offer(_) => Vec::new(),
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

    fn deliver(&mut self, state: &State) -> Vec<RelayFrame> {
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
    let frame = |documents, done| RelayFrame::Bootstrap(Bootstrap { space: id, at: space.end(), documents, done });
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
