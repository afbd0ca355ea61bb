//! A relay and devices in memory, driven by hand. A change's bytes here are its hash followed by those it rests on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sync_core::client::{self, Client, Lanes, Link, OutboxBatch, Status, Verdict};
use sync_core::session::{self, Authorized, BootstrapCursor, BootstrapPage, LogPage, Outcome, Pushed, Session, Within};
use sync_core::time::Instant;
use sync_wire::log::{EntryIdentity, EntryKind, Receipt, marker_hash};
use sync_wire::*;

pub(crate) const SPACE: SpaceId = SpaceId([1; 16]);
const SALT: Salt = Salt([9; 32]);
const EPOCH: Epoch = Epoch([3; 8]);

pub(crate) fn document(n: u8) -> DocumentId {
    DocumentId([n; 16])
}

pub(crate) fn hash(n: u16) -> ChangeHash {
    let mut bytes = [0xcc; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ChangeHash(bytes)
}

pub(crate) fn change(n: u16, deps: &[u16]) -> Blob {
    std::iter::once(&n).chain(deps).flat_map(|n| hash(*n).0).collect::<Vec<u8>>().into()
}

fn hashes_of(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.chunks_exact(32).filter_map(ChangeHash::from_slice).collect()
}

/// The relay's storage: one log, and what a test wants it to dislike.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) log: Vec<Entry>,
    pub(crate) refuse: BTreeSet<ChangeHash>,
    /// Whether its documents are deleted.
    pub(crate) is_deleted: bool,
    /// Whether the account has no room left.
    pub(crate) is_full: bool,
    pub(crate) limits_version: u64,
    pub(crate) role: Option<Role>,
    pub(crate) access_version: u64,
    pub(crate) appends: usize,
    /// What waits for its check, if it checks before it appends.
    pub(crate) intake: Option<Vec<(DeviceId, DocumentId, Pushed)>>,
    /// Batches that left the intake otherwise than into the log.
    pub(crate) outcomes: BTreeMap<(DeviceId, BatchId), Outcome>,
    /// Whether the check is so quick that it is over before the push is answered.
    pub(crate) checks_at_once: bool,
    /// Whether the intake has no room.
    pub(crate) intake_is_full: bool,
}

impl Relay {
    pub(crate) fn with_editor() -> Self {
        Self { role: Some(Role::Editor), limits_version: 1, ..Self::default() }
    }

    pub(crate) fn end(&self) -> Position {
        Position(self.log.len() as u64)
    }

    fn chain(&self, at: Position) -> Chain {
        self.log[..at.0 as usize].iter().fold(Chain::START, |chain, entry| chain.extend(&digest(entry)))
    }

    pub(crate) fn append_change(&mut self, device: DeviceId, document: DocumentId, n: u16, deps: &[u16]) {
        let pushed = Pushed {
            batch: BatchId(hash(n).0[..16].try_into().unwrap()),
            content: Content::Changes(vec![change(n, deps)]),
        };
        assert!(matches!(self.judge(device, document, &pushed), Outcome::Appended { .. }));
    }

    /// Another account writes, whatever the grant of the devices here.
    pub(crate) fn append_change_as_owner(&mut self, device: DeviceId, document: DocumentId, n: u16) {
        let role = self.role.replace(Role::Editor);
        self.append_change(device, document, n, &[]);
        self.role = role;
    }

    /// Another device takes the deletion of a document back.
    pub(crate) fn append_restore(&mut self, device: DeviceId, document: DocumentId) {
        self.is_deleted = false;
        let (kind, batch) = (EntryKind::Restore, BatchId([0xee; 16]));
        let hash = marker_hash(kind, SPACE, document, batch, &[]);
        self.log.push(Entry { kind, document, hash, device, batch, bytes: None, heads: None });
    }

    fn judge(&mut self, device: DeviceId, document: DocumentId, pushed: &Pushed) -> Outcome {
        let Content::Changes(changes) = &pushed.content else { unreachable!("these tests push changes") };
        if self.role != Some(Role::Editor) {
            return Outcome::Parked { code: FateCode::GRANT, judged_by: self.access_version, detail: "viewer".into() };
        }
        if self.is_full {
            let (code, judged_by) = (FateCode::QUOTA, self.limits_version);
            return Outcome::Parked { code, judged_by, detail: "full".into() };
        }
        if self.is_deleted {
            return Outcome::Parked { code: FateCode::DELETED, judged_by: 1, detail: "deleted".into() };
        }
        if self.intake_is_full {
            return Outcome::Parked { code: FateCode::QUOTA, judged_by: 0, detail: "no room".into() };
        }
        let known: BTreeMap<ChangeHash, usize> = self
            .log
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.document == document)
            .map(|(at, entry)| (entry.hash, at + 1))
            .collect();
        let mut needed = Vec::new();
        let mut batch = BTreeSet::new();
        for bytes in changes {
            let hashes = hashes_of(bytes);
            if self.refuse.contains(&hashes[0]) && self.is_checked_when_pushed(hashes[0]) {
                let culprit = Some(hashes[0]);
                return Outcome::Refused { culprit, code: FateCode::DANGEROUS, detail: "planted".into() };
            }
            needed.extend(
                hashes[1..]
                    .iter()
                    .filter(|dep| !known.contains_key(dep) && !batch.contains(*dep) && !self.waits(document, dep)),
            );
            batch.insert(hashes[0]);
        }
        if !needed.is_empty() {
            return Outcome::Need { hashes: needed };
        }
        let position = |at: usize| LogPosition { epoch: EPOCH, position: Position(at as u64) };
        if let Some(at) = changes.iter().map(|bytes| known.get(&hashes_of(bytes)[0])).collect::<Option<Vec<_>>>() {
            return Outcome::Appended { at: position(*at.into_iter().max().unwrap()), proof: None };
        }
        if let Some(intake) = &mut self.intake {
            if !intake.iter().any(|(_, _, waiting)| waiting.batch == pushed.batch) {
                intake.push((device, document, pushed.clone()));
            }
            return Outcome::Stored;
        }
        self.append(device, document, pushed);
        Outcome::Appended { at: position(self.log.len()), proof: None }
    }

    fn append(&mut self, device: DeviceId, document: DocumentId, pushed: &Pushed) {
        let Content::Changes(changes) = &pushed.content else { unreachable!("these tests push changes") };
        self.appends += 1;
        for bytes in changes {
            let hash = hashes_of(bytes)[0];
            let (kind, batch, bytes) = (EntryKind::Change, pushed.batch, Some(bytes.clone()));
            self.log.push(Entry { kind, document, hash, device, batch, bytes, heads: None });
        }
    }

    /// Without an intake everything is; with one, what was refused before.
    fn is_checked_when_pushed(&self, hash: ChangeHash) -> bool {
        let is_it = |outcome: &Outcome| matches!(outcome, Outcome::Refused { culprit, .. } if *culprit == Some(hash));
        self.intake.is_none() || self.outcomes.values().any(is_it)
    }

    fn waits(&self, document: DocumentId, hash: &ChangeHash) -> bool {
        self.intake.iter().flatten().any(|(_, waiting_for, pushed)| {
            let Content::Changes(changes) = &pushed.content else { return false };
            *waiting_for == document && changes.iter().any(|bytes| hashes_of(bytes)[0] == *hash)
        })
    }

    /// Checks all that waits: each gets its place, or leaves with what it rests on.
    fn check_intake(&mut self) {
        for (device, document, pushed) in self.intake.as_mut().map(std::mem::take).into_iter().flatten() {
            let Content::Changes(changes) = &pushed.content else { continue };
            let hashes: Vec<ChangeHash> = changes.iter().flat_map(|bytes| hashes_of(bytes)).collect();
            let outcome = match hashes.iter().find(|hash| self.refuse.contains(*hash)) {
                Some(culprit) => {
                    Outcome::Refused { culprit: Some(*culprit), code: FateCode::DANGEROUS, detail: "planted".into() }
                }
                None if self.role != Some(Role::Editor) => {
                    Outcome::Parked { code: FateCode::GRANT, judged_by: self.access_version, detail: "viewer".into() }
                }
                None => {
                    self.append(device, document, &pushed);
                    continue;
                }
            };
            self.outcomes.insert((device, pushed.batch), outcome);
        }
    }

    fn grants(&self, cursors: &[Cursor]) -> Vec<Grant> {
        let Some(role) = self.role else { return Vec::new() };
        let end = LogPosition { epoch: EPOCH, position: self.end() };
        let knows = |cursor: &&Cursor| {
            cursor.at.epoch == EPOCH
                && cursor.at.position <= self.end()
                && self.chain(cursor.at.position) == cursor.chain
        };
        let resume = match cursors.iter().find(|cursor| cursor.space == SPACE).filter(knows) {
            Some(_) => Resume::Continue,
            None => Resume::Bootstrap { at: self.end(), chain: self.chain(self.end()) },
        };
        let access_version = self.access_version;
        vec![Grant {
            space: SPACE,
            kind: SpaceKind::Team,
            role,
            name: "team".into(),
            salt: SALT,
            access_version,
            end,
            resume,
        }]
    }

    /// Two entries a page, so that several are needed.
    fn read(&self, after: LogPosition) -> LogPage {
        let from = after.position.0 as usize;
        let mut to = (from + 2).min(self.log.len());
        while to < self.log.len() && self.log[to].batch == self.log[to - 1].batch {
            to += 1;
        }
        let end = Position(to as u64);
        let chain = self.chain(end);
        let receipt = Receipt::sign(1, &[7; 32], SPACE, EPOCH, end, &chain);
        LogPage { space: SPACE, after, entries: self.log[from..to].to_vec(), chain, receipt, log_end: self.end() }
    }

    /// One document a page.
    fn bootstrap(&self, from: BootstrapCursor) -> BootstrapPage {
        let covered = &self.log[..from.at.0 as usize];
        let mut documents: BTreeSet<DocumentId> = covered.iter().map(|entry| entry.document).collect();
        documents.retain(|document| Some(*document) > from.after);
        let Some(document) = documents.pop_first() else {
            return BootstrapPage { space: SPACE, documents: Vec::new(), next: None };
        };
        let entries = covered
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.document == document)
            .map(|(at, entry)| PositionedEntry { position: Position(at as u64 + 1), entry: entry.clone() })
            .collect();
        let next =
            (!documents.is_empty()).then_some(BootstrapCursor { after: Some(document), within: Within::Start, ..from });
        let document = BootstrapDocument { document, snapshot: None, entries, complete: true };
        BootstrapPage { space: SPACE, documents: vec![document], next }
    }
}

fn digest(entry: &Entry) -> [u8; 32] {
    let Entry { kind, document, hash, device, batch, .. } = *entry;
    EntryIdentity { kind, document, hash, device, batch }.digest(&SALT)
}

/// A device's storage.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(crate) device: DeviceId,
    pub(crate) outbox: Vec<OutboxBatch>,
    pub(crate) fates: BTreeMap<BatchId, Verdict>,
    pub(crate) changes: BTreeMap<ChangeHash, Blob>,
    pub(crate) cursor: Option<Cursor>,
    next_order: u64,
}

impl Vault {
    fn new(n: u8) -> Self {
        let (outbox, fates, changes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { device: DeviceId([n; 16]), outbox, fates, changes, cursor: None, next_order: 1 }
    }

    fn is_pending(&self, batch: &OutboxBatch) -> bool {
        let lane_is_closed = self.outbox.iter().any(|other| {
            other.document == batch.document && matches!(self.fates.get(&other.batch), Some(Verdict::Parked { .. }))
        });
        matches!(self.fates.get(&batch.batch), None | Some(Verdict::Stored)) && !lane_is_closed
    }

    fn commit(&mut self, entry: &Entry) -> Result<Lanes, String> {
        if entry.kind == EntryKind::Restore {
            return Ok(self.unpark(FateCode::DELETED));
        }
        match &entry.bytes {
            Some(bytes) => {
                let is_new = self.changes.insert(entry.hash, bytes.clone()).is_none();
                return Ok(if is_new { self.unpark(FateCode::MISSING) } else { Lanes::Unchanged });
            }
            None if self.changes.contains_key(&entry.hash) => {}
            None => return Err(format!("entry {} came without bytes and is not here", entry.hash)),
        }
        Ok(Lanes::Unchanged)
    }

    fn unpark(&mut self, wanted: FateCode) -> Lanes {
        let before = self.fates.len();
        self.fates.retain(|_, verdict| !matches!(verdict, Verdict::Parked { code, .. } if *code == wanted));
        Lanes::opened(before - self.fates.len())
    }
}

/// A device, its machine and its link to the relay.
pub(crate) struct Device {
    pub(crate) vault: Vault,
    client: Client,
    session: Option<Session>,
    to_relay: VecDeque<Vec<u8>>,
    to_device: VecDeque<Vec<u8>>,
    pub(crate) status: Status,
    follows: bool,
    /// Every frame that reached its other side, for tests that count.
    pub(crate) frames: Vec<&'static str>,
}

/// Everything, with one clock.
pub(crate) struct World {
    pub(crate) relay: Relay,
    pub(crate) devices: Vec<Device>,
    pub(crate) now: Instant,
    /// No connection can be opened while this is set.
    pub(crate) is_partitioned: bool,
}

impl World {
    pub(crate) fn new(devices: u8) -> Self {
        let device = |n: u8| {
            let vault = Vault::new(n + 100);
            let client = Client::new(vault.device, "test".into(), n.into());
            let (to_relay, to_device) = Default::default();
            let status = Status::default();
            Device { vault, client, session: None, to_relay, to_device, status, follows: false, frames: Vec::new() }
        };
        let devices = (0..devices).map(device).collect();
        Self { relay: Relay::with_editor(), devices, now: Instant::default(), is_partitioned: false }
    }

    /// Saves a batch of one change, numbered `n`.
    pub(crate) fn save(&mut self, device: usize, document: DocumentId, n: u16, deps: &[u16]) -> BatchId {
        self.save_batch(device, document, &[(n, deps)])
    }

    pub(crate) fn save_batch(&mut self, device: usize, document: DocumentId, changes: &[(u16, &[u16])]) -> BatchId {
        let vault = &mut self.devices[device].vault;
        let batch = BatchId([
            vault.device.0[0],
            changes[0].0 as u8,
            (changes[0].0 >> 8) as u8,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        let blobs: Vec<Blob> = changes.iter().map(|(n, deps)| change(*n, deps)).collect();
        for ((n, _), blob) in changes.iter().zip(&blobs) {
            vault.changes.insert(hash(*n), blob.clone());
        }
        let order = vault.next_order;
        vault.next_order += 1;
        vault.outbox.push(OutboxBatch { order, space: SPACE, document, batch, content: Content::Changes(blobs) });
        self.client_input(device, client::Input::Saved);
        batch
    }

    pub(crate) fn start(&mut self, device: usize) {
        self.client_input(device, client::Input::Start);
    }

    /// Breaks the link; what is in flight is lost.
    pub(crate) fn cut(&mut self, device: usize) {
        let it = &mut self.devices[device];
        if it.session.take().is_some() {
            it.to_relay.clear();
            it.to_device.clear();
            it.follows = false;
            self.client_input(device, client::Input::Closed { detail: "cut".into() });
        }
    }

    /// Delivers one frame towards the relay; false if none is in flight.
    pub(crate) fn step_up(&mut self, device: usize) -> bool {
        let Some(bytes) = self.devices[device].to_relay.pop_front() else { return false };
        let frame = decode_device_frame(&bytes).expect("what a machine sends decodes").expect("of a known kind");
        self.devices[device].frames.push(match frame {
            DeviceFrame::Hello(_) => "Hello",
            DeviceFrame::Push(_) => "Push",
            DeviceFrame::Confirm(_) => "Confirm",
            DeviceFrame::Offer(_) => "Offer",
        });
        self.session_input(device, session::Input::Frame(frame));
        true
    }

    /// Delivers one frame towards the device; false if none is in flight.
    pub(crate) fn step_down(&mut self, device: usize) -> bool {
        let Some(bytes) = self.devices[device].to_device.pop_front() else { return false };
        let frame = decode_relay_frame(&bytes).expect("what a machine sends decodes").expect("of a known kind");
        self.devices[device].frames.push(match frame {
            RelayFrame::Welcome(_) => "Welcome",
            RelayFrame::Deliver(_) => "Deliver",
            RelayFrame::Bootstrap(_) => "Bootstrap",
            RelayFrame::Ack(_) => "Ack",
            RelayFrame::Refuse(_) => "Refuse",
            RelayFrame::Park(_) => "Park",
            RelayFrame::Need(_) => "Need",
            RelayFrame::Skipped(_) => "Skipped",
            RelayFrame::GrantChanged(_) => "GrantChanged",
            RelayFrame::Goodbye(_) => "Goodbye",
            RelayFrame::Wanted(_) => "Wanted",
            RelayFrame::LimitsChanged(_) => "LimitsChanged",
        });
        self.client_input(device, client::Input::Frame(frame));
        true
    }

    /// Moves frames until none is in flight, then time if somebody waits for it. Panics if that never ends.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let devices = 0..self.devices.len();
            let moved = devices.fold(false, |moved, device| self.step_up(device) | self.step_down(device) | moved);
            if !moved && !self.wake_waiting() {
                return;
            }
        }
        panic!("frames move for ever");
    }

    /// Lets every device that waits try again.
    pub(crate) fn wake(&mut self) {
        while self.wake_waiting() {}
    }

    fn wake_waiting(&mut self) -> bool {
        if self.is_partitioned {
            return false;
        }
        let waits = |device: &Device| matches!(device.status.link, Link::Waiting { .. });
        let Some(device) = self.devices.iter().position(waits) else { return false };
        self.now = self.devices[device].client.next_timeout().expect("a waiting client has a timeout").max(self.now);
        self.client_input(device, client::Input::Timeout);
        true
    }

    /// The relay checks what waits, and hints everybody.
    pub(crate) fn check_intake(&mut self) {
        self.check_intake_silently();
        let (space, end) = (SPACE, self.relay.end());
        for device in (0..self.devices.len()).filter(|device| self.devices[*device].follows).collect::<Vec<_>>() {
            self.session_input(device, session::Input::Hint { space, end });
            self.session_input(device, session::Input::Settled { space });
        }
    }

    /// The relay checks what waits, and every hint is lost.
    pub(crate) fn check_intake_silently(&mut self) {
        self.relay.check_intake();
    }

    /// Time goes on until a device has something to do by itself.
    pub(crate) fn pass(&mut self, device: usize) {
        self.now = self.devices[device].client.next_timeout().expect("it waits for something").max(self.now);
        self.client_input(device, client::Input::Timeout);
    }

    pub(crate) fn poll(&mut self, device: usize) {
        self.now = self.now + Duration::from_secs(60);
        self.session_input(device, session::Input::Timeout);
    }

    pub(crate) fn access_changed(&mut self, device: usize) {
        self.relay.access_version += 1;
        self.session_input(device, session::Input::AccessChanged);
    }

    pub(crate) fn client_input(&mut self, device: usize, input: client::Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut effects = Vec::new();
            self.devices[device].client.handle(self.now, input, &mut effects);
            for effect in effects {
                inputs.extend(self.perform_client(device, effect));
            }
        }
    }

    fn perform_client(&mut self, device: usize, effect: client::Effect) -> Option<client::Input> {
        use client::{Effect, Input};
        let it = &mut self.devices[device];
        let vault = &mut it.vault;
        Some(match effect {
            Effect::Connect if self.is_partitioned => Input::ConnectFailed { retry: true, detail: "partition".into() },
            Effect::Connect => {
                it.session = Some(Session::new(self.now));
                Input::Connected
            }
            Effect::Disconnect => {
                it.session = None;
                it.follows = false;
                it.to_relay.clear();
                it.to_device.clear();
                return None;
            }
            Effect::Send(frame) => {
                it.to_relay.push_back(encode_device_frame(&frame));
                return None;
            }
            Effect::ReadCursors => Input::Cursors(vault.cursor.into_iter().collect()),
            Effect::ReadOutbox { after, count, .. } => {
                let mut batches: Vec<_> = vault
                    .outbox
                    .iter()
                    .filter(|batch| batch.order > after && vault.is_pending(batch))
                    .take(count as usize + 1)
                    .cloned()
                    .collect();
                let more = batches.len() > count as usize;
                batches.truncate(count as usize);
                Input::Outbox { batches, more }
            }
            Effect::ApplyGrants { grants, .. } => {
                match grants.first() {
                    Some(grant) => apply_grant(vault, grant),
                    None => vault.cursor = None,
                }
                Input::GrantsApplied(vault.cursor.into_iter().collect())
            }
            Effect::ApplyGrant { grant, .. } => {
                match &grant {
                    Some(grant) => apply_grant(vault, grant),
                    None => vault.cursor = None,
                }
                Input::GrantsApplied(vault.cursor.into_iter().collect())
            }
            Effect::ApplyLimits { .. } => {
                vault.unpark(FateCode::QUOTA);
                Input::GrantsApplied(vault.cursor.into_iter().collect())
            }
            Effect::CommitDelivery(deliver) => commit_delivery(vault, &deliver),
            Effect::CommitBootstrap(bootstrap) => commit_bootstrap(vault, &bootstrap),
            Effect::RecordFates(fates) => {
                vault.fates.extend(fates.into_iter().map(|fate| (fate.batch, fate.verdict)));
                return None;
            }
            Effect::Supply { space, document, hashes } => {
                let found: Option<Vec<Blob>> = hashes.iter().map(|hash| vault.changes.get(hash).cloned()).collect();
                let batches = found.into_iter().map(|blobs| OutboxBatch {
                    order: 0,
                    space,
                    document,
                    batch: BatchId(hashes[0].0[..16].try_into().unwrap()),
                    content: Content::Changes(blobs),
                });
                Input::Supplied { space, document, batches: batches.collect() }
            }
            Effect::ReadCheckpoints { .. } | Effect::ReadRun { .. } | Effect::NoteOffered { .. } => {
                unreachable!("this relay loses nothing")
            }
            Effect::Status(status) => {
                it.status = status;
                return None;
            }
        })
    }

    fn session_input(&mut self, device: usize, input: session::Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut effects = Vec::new();
            let Some(session) = &mut self.devices[device].session else { return };
            session.handle(self.now, input, &mut effects);
            for effect in effects {
                inputs.extend(self.perform_session(device, effect));
            }
        }
    }

    fn perform_session(&mut self, device: usize, effect: session::Effect) -> Vec<session::Input> {
        use session::{Effect, Input};
        let answer = match effect {
            Effect::Send(frame) => {
                self.devices[device].to_device.push_back(encode_relay_frame(&frame));
                return Vec::new();
            }
            Effect::Authorize { cursors, .. } => {
                let account = AccountId([5; 16]);
                let limits_version = self.relay.limits_version;
                Input::Authorized(Authorized { account, limits_version, grants: self.relay.grants(&cursors) })
            }
            Effect::Regrant { .. } => {
                Input::Regranted { grants: self.relay.grants(&[]), limits_version: self.relay.limits_version }
            }
            Effect::Append { space, document, device: pusher, batches } => {
                let mut failed = false;
                let outcomes = batches.iter().map(|pushed| {
                    let outcome = if failed { Outcome::Skipped } else { self.relay.judge(pusher, document, pushed) };
                    failed |= !matches!(outcome, Outcome::Appended { .. } | Outcome::Stored);
                    (pushed.batch, outcome)
                });
                let outcomes = outcomes.collect();
                let mut inputs = Vec::new();
                if self.relay.checks_at_once {
                    self.relay.check_intake();
                    inputs.push(Input::Settled { space });
                }
                self.hint_others(device);
                // Its own hint comes like any other's, after the answer.
                let hint = Input::Hint { space, end: self.relay.end() };
                inputs.extend([Input::Appended { space, document, outcomes }, hint]);
                return inputs;
            }
            Effect::ReadOutcomes { space, device, batches } => {
                let known = |(document, batch): (DocumentId, BatchId)| {
                    self.relay.outcomes.get(&(device, batch)).map(|outcome| (document, batch, outcome.clone()))
                };
                Input::Outcomes { space, outcomes: batches.into_iter().filter_map(known).collect() }
            }
            Effect::FindAncestor { .. } | Effect::TakeRun { .. } | Effect::EndOffer { .. } => {
                unreachable!("this relay loses nothing")
            }
            Effect::ReadLog { after, .. } => Input::Read(self.relay.read(after)),
            Effect::ReadBootstrap { from, .. } => Input::BootstrapRead(self.relay.bootstrap(from)),
            Effect::Follow { space } => {
                self.devices[device].follows = true;
                Input::Hint { space, end: self.relay.end() }
            }
            Effect::Unfollow { .. } => {
                self.devices[device].follows = false;
                return Vec::new();
            }
            Effect::Poll => Input::Hint { space: SPACE, end: self.relay.end() },
            Effect::Close(goodbye) => {
                let it = &mut self.devices[device];
                it.to_device.push_back(encode_relay_frame(&RelayFrame::Goodbye(goodbye)));
                it.session = None;
                return Vec::new();
            }
        };
        vec![answer]
    }

    fn hint_others(&mut self, but: usize) {
        let (end, space) = (self.relay.end(), SPACE);
        for device in (0..self.devices.len()).filter(|device| *device != but) {
            if self.devices[device].follows {
                self.session_input(device, session::Input::Hint { space, end });
            }
        }
    }

    /// Everything every device saved is in the log once, and everything in the log is on every device.
    pub(crate) fn check_converged(&self) {
        let logged: Vec<ChangeHash> = self.relay.log.iter().map(|entry| entry.hash).collect();
        let distinct: BTreeSet<ChangeHash> = logged.iter().copied().collect();
        assert_eq!(logged.len(), distinct.len(), "nothing is appended twice");
        for device in &self.devices {
            assert!(device.status.is_settled(), "settled: {:?}", device.status);
            let held: BTreeSet<ChangeHash> = device.vault.changes.keys().copied().collect();
            assert_eq!(held, distinct, "device {} holds what the log holds", device.vault.device);
        }
    }
}

fn apply_grant(vault: &mut Vault, grant: &Grant) {
    if let Resume::Bootstrap { at, chain } = grant.resume {
        let bootstrap = (at > Position::START).then_some(BootstrapPoint { at, after: None });
        let at = LogPosition { epoch: grant.end.epoch, position: at };
        vault.cursor = Some(Cursor { space: grant.space, at, chain, bootstrap });
    }
    let unparked = |verdict: &Verdict| match verdict {
        Verdict::Parked { judged_by, .. } => *judged_by == grant.access_version,
        _ => true,
    };
    vault.fates.retain(|_, verdict| unparked(verdict));
}

fn commit_delivery(vault: &mut Vault, deliver: &Deliver) -> client::Input {
    use client::Input;
    let Some(cursor) = vault.cursor.filter(|cursor| cursor.at == deliver.after) else {
        return Input::Rejected { detail: "not where I stand".into() };
    };
    let chain = deliver.entries.iter().fold(cursor.chain, |chain, entry| chain.extend(&digest(entry)));
    if chain != deliver.chain {
        return Input::Rejected { detail: "broken chain".into() };
    }
    let mut lanes = Lanes::Unchanged;
    for entry in &deliver.entries {
        match vault.commit(entry) {
            Ok(opened) => lanes = lanes.and(opened),
            Err(detail) => return Input::Rejected { detail },
        }
        let fate = vault.fates.entry(entry.batch).or_insert(Verdict::Stored);
        if *fate == Verdict::Stored {
            *fate = Verdict::Accepted { at: deliver.end() };
        }
    }
    let cursor = Cursor { at: deliver.end(), chain, ..cursor };
    vault.cursor = Some(cursor);
    Input::Committed { cursor, lanes }
}

fn commit_bootstrap(vault: &mut Vault, bootstrap: &Bootstrap) -> client::Input {
    use client::Input;
    let Some(mut cursor) = vault.cursor else { return Input::Rejected { detail: "no cursor".into() } };
    let mut lanes = Lanes::Unchanged;
    for document in &bootstrap.documents {
        for positioned in &document.entries {
            match vault.commit(&positioned.entry) {
                Ok(opened) => lanes = lanes.and(opened),
                Err(detail) => return Input::Rejected { detail },
            }
        }
        cursor.bootstrap = cursor.bootstrap.map(|point| BootstrapPoint { after: Some(document.document), ..point });
    }
    if bootstrap.done {
        cursor.bootstrap = None;
    }
    vault.cursor = Some(cursor);
    Input::Committed { cursor, lanes }
}
