//! A relay and devices in memory, driven by hand. A change's bytes here are its hash followed by those it rests on.

mod relay; // what the relay keeps
mod vault; // what a device keeps

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use sync_core::client::{self, Client, Link, OutboxBatch, Status};
use sync_core::session::{self, Authorized, Outcome, Session};
use sync_core::time::Instant;
use sync_wire::*;

pub(crate) use self::relay::Relay;
pub(crate) use self::vault::Vault;
use self::vault::{apply_grant, commit_bootstrap, commit_delivery};

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
            DeviceFrame::Presence(_) => "Presence",
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
            RelayFrame::Presence(_) => "Presence",
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
        let (space, end) = (SPACE, self.relay.log_end());
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
        use client::{Effect, Input, Obstacle};
        let it = &mut self.devices[device];
        let vault = &mut it.vault;
        Some(match effect {
            Effect::Connect if self.is_partitioned => {
                Input::ConnectFailed { obstacle: Obstacle::Unreached, detail: "partition".into() }
            }
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
            Effect::ReadCursors => Input::Cursors { cursors: vault.cursor.into_iter().collect(), clock: 0 },
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
            Effect::ApplyLimits { limits_version } => {
                vault.apply_limits(limits_version);
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
            Effect::Present(_) => return None,
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
                let hint = Input::Hint { space, end: self.relay.log_end() };
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
                Input::Hint { space, end: self.relay.log_end() }
            }
            Effect::Unfollow { .. } => {
                self.devices[device].follows = false;
                return Vec::new();
            }
            Effect::Show { .. } => return Vec::new(),
            Effect::Poll => Input::Hint { space: SPACE, end: self.relay.log_end() },
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
        let (end, space) = (self.relay.log_end(), SPACE);
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
