//! A relay in a few lines, in memory: one log per space, every batch accepted unless a test says otherwise.
//!
//! It speaks the real protocol over a real socket, so that the vault's whole sync thread is under test. What real
//! relays must check is not its business.

pub(crate) mod inline; // without threads and sockets
mod log; // what a space has
mod session; // what a connection says

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::Digest as _;
use sync_wire::log::EntryKind;
use sync_wire::*;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use self::log::Space;
use self::session::{Session, serve};

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
    /// Who is where, with what it shows, and as whom the connection knows it.
    present: BTreeMap<(SpaceId, DocumentId, AccountId, DeviceId), Blob>,
    /// Every delivery claims another chain than it has.
    lies: bool,
}

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
            present: BTreeMap::new(),
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
        self.grow(space, |log| log.append(log::entry_of(document, change)));
    }

    /// Deletes a document as another device, or purges it as the relay.
    pub(crate) fn append_marker(&self, space: SpaceId, document: DocumentId, kind: EntryKind, heads: &[ChangeHash]) {
        self.grow(space, |log| log.append_marker(space, document, kind, heads));
    }

    /// Forgets the bytes of the changes of a document.
    pub(crate) fn clear_bytes(&self, space: SpaceId, document: DocumentId) {
        self.shared.state.lock().unwrap().spaces.get_mut(&space).unwrap().clear_bytes(document);
    }

    fn grow(&self, space: SpaceId, append: impl FnOnce(&mut Space)) {
        append(self.shared.state.lock().unwrap().spaces.get_mut(&space).unwrap());
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
