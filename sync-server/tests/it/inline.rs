//! The relay without threads: same seed, same bytes; what it acknowledged survives any crash; and every bug that can be
//! planted in it does the harm that its name says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use document::{Change, Document};
use relay_storage::{ReceiptKeys, StorageOptions};
use sync_core::session::Input;
use sync_core::time::Instant;
use sync_server::config::Config;
use sync_server::simulation::{InlineRelay, InlineSession, Step, now};
use sync_wire::planted::{Bug, plant};
use sync_wire::{
    Actor, BatchId, Blob, Chain, ChangeHash, Content, Cursor, Deliver, DeviceFrame, DeviceId, DocumentId, Hello,
    LogPosition, Position, Push, RelayFrame, SpaceId, SpaceKind, VersionRange, Welcome, encode_relay_frame,
};
use tempfile::TempDir;

const DOCUMENT: DocumentId = DocumentId([0xd0; 16]);
const AT: Instant = Instant(std::time::Duration::ZERO);

/// A relay in a directory of its own, with copies of its files as of each commit.
struct World {
    relay: InlineRelay,
    space: SpaceId,
    token: String,
    directory: TempDir,
    copies: Arc<Mutex<Vec<TempDir>>>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let copies = Arc::new(Mutex::new(Vec::new()));
        let mut options = options();
        options.on_commit = Some(Arc::new({
            let (from, copies) = (directory.path().to_owned(), Arc::clone(&copies));
            move || copies.lock().unwrap().push(copy(&from))
        }));
        let relay = InlineRelay::open(directory.path(), Config::default(), options).unwrap();
        let account = now(relay.storage().create_account("ada")).unwrap();
        let token = now(relay.storage().create_token(account.id, "test")).unwrap().secret;
        Self { relay, space: account.personal_space, token, directory, copies }
    }

    /// The relay as it is after a crash right after its last commit.
    fn crashed(&self) -> (InlineRelay, TempDir) {
        let directory = copy(self.copies.lock().unwrap().last().unwrap().path());
        (reopened(directory.path()), directory)
    }

    /// The relay as it is after a crash at this moment.
    fn crashed_now(&self) -> (InlineRelay, TempDir) {
        let directory = copy(self.directory.path());
        (reopened(directory.path()), directory)
    }

    fn device(&self, id: u8) -> Device {
        Device::on(&self.relay, &self.token, id, Vec::new())
    }
}

/// Clock and randomness count.
fn options() -> StorageOptions {
    let (clock, random) = (AtomicI64::new(1_700_000_000_000), AtomicU64::new(1));
    let mut options = StorageOptions::new(ReceiptKeys::from_secret(1, [7; 32]));
    options.clock = Arc::new(move || clock.fetch_add(1, Ordering::Relaxed));
    options.random = Arc::new(move |bytes| {
        let number = random.fetch_add(1, Ordering::Relaxed);
        bytes.iter_mut().zip(blake3::hash(&number.to_le_bytes()).as_bytes().iter().cycle()).for_each(|(b, h)| *b = *h);
    });
    options
}

fn reopened(directory: &Path) -> InlineRelay {
    InlineRelay::open(directory, Config::default(), options()).unwrap()
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for file in files(from) {
        std::fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}

/// The database and its write-ahead log; the index of the latter is derived.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| !path.to_string_lossy().ends_with("-shm")).collect();
    files.sort();
    files
}

/// A session, with all that it was sent.
struct Device {
    id: DeviceId,
    session: InlineSession,
    frames: Vec<RelayFrame>,
    is_open: bool,
}

impl Device {
    fn on(relay: &InlineRelay, token: &str, id: u8, cursors: Vec<Cursor>) -> Self {
        let session = relay.session(token, AT).unwrap();
        let mut device = Self { id: DeviceId([id; 16]), session, frames: Vec::new(), is_open: true };
        let versions = VersionRange { oldest: 1, newest: 1 };
        let hello = Hello { versions, device: device.id, agent: "test".into(), cursors, attempt: None };
        device.handle(Input::Frame(DeviceFrame::Hello(hello)));
        device
    }

    fn handle(&mut self, input: Input) {
        let Self { session, frames, is_open, .. } = self;
        session.handle(input, AT, &mut |step| match step {
            Step::Performing(_) => {}
            Step::Send(frame) => frames.push(frame),
            Step::Close(goodbye) => {
                frames.push(RelayFrame::Goodbye(goodbye));
                *is_open = false;
            }
        });
    }

    fn push(&mut self, space: SpaceId, batch: u8, changes: &[Blob]) {
        let (batch, content) = (BatchId([batch; 16]), Content::Changes(changes.to_vec()));
        self.handle(Input::Frame(DeviceFrame::Push(Push { space, document: DOCUMENT, lane: 0, batch, content })));
    }

    fn hear(&mut self) {
        for hint in self.session.heard() {
            self.handle(hint);
        }
    }

    fn welcome(&self) -> &Welcome {
        let mut found = self.frames.iter().filter_map(|frame| match frame {
            RelayFrame::Welcome(welcome) => Some(welcome),
            _ => None,
        });
        found.next().unwrap()
    }

    fn acked(&self, batch: u8) -> Option<LogPosition> {
        self.frames.iter().find_map(|frame| match frame {
            RelayFrame::Ack(ack) if ack.batch == BatchId([batch; 16]) => ack.at,
            _ => None,
        })
    }

    fn deliveries(&self) -> Vec<&Deliver> {
        let deliveries = self.frames.iter().filter_map(|frame| match frame {
            RelayFrame::Deliver(deliver) => Some(deliver),
            _ => None,
        });
        deliveries.collect()
    }

    fn delivered(&self) -> Vec<ChangeHash> {
        self.deliveries().iter().flat_map(|deliver| &deliver.entries).map(|entry| entry.hash).collect()
    }
}

/// Batches of edits of one document: the first makes it.
fn edits(count: u64) -> Vec<Vec<Blob>> {
    let mut document = Document::new(Some("settings"));
    let mut edit = |number: u64| {
        document.edit::<(), document::Violation>(Actor([9; 16]), |draft| draft.put("/zoom", number.into())).unwrap();
        let sealed = document.seal(1_700_000_000).unwrap().unwrap();
        sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect()
    };
    (0..count).map(&mut edit).collect()
}

/// How many entries the log has, and whether a new device gets all of them.
fn bootstrapped(relay: &InlineRelay, token: &str) -> (u64, u64) {
    let device = Device::on(relay, token, 0x77, Vec::new());
    let end = device.welcome().grants[0].end.position.0;
    let entries = device.frames.iter().filter_map(|frame| match frame {
        RelayFrame::Bootstrap(bootstrap) => {
            Some(bootstrap.documents.iter().map(|document| document.entries.len() as u64).sum::<u64>())
        }
        _ => None,
    });
    (end, entries.sum())
}

#[test]
fn a_pushed_batch_is_acknowledged_and_delivered_to_others() {
    let world = World::new();
    let (mut ada, mut grace) = (world.device(1), world.device(2));
    for (batch, changes) in (1..).zip(edits(3)) {
        ada.push(world.space, batch, &changes);
        assert!(ada.acked(batch).is_some());
    }
    assert_eq!(grace.delivered(), []);
    grace.hear();
    assert_eq!(grace.delivered().len() as u64, ada.acked(3).unwrap().position.0);
    let bytes = grace.deliveries().iter().flat_map(|deliver| &deliver.entries).all(|entry| entry.bytes.is_some());
    assert!(bytes);
    assert!(ada.is_open && grace.is_open);
}

/// What was remembered before the grant must not park the push: a session that was told of a grant is told no more, and
/// its batch would wait for good.
#[test]
fn a_push_right_after_a_grant_meets_the_grants_of_its_welcome() {
    let world = World::new();
    let (mut before, first) = (world.device(1), edits(1));
    before.push(world.space, 1, &first[0]);
    assert!(before.acked(1).is_some(), "the grants are remembered now");
    let storage = world.relay.storage();
    let ada = now(storage.account_named("ada")).unwrap().unwrap();
    let team = now(storage.create_space("crew", SpaceKind::Team, Some(ada.id))).unwrap();
    let mut after = world.device(2);
    assert!(after.welcome().grants.iter().any(|grant| grant.space == team));
    let mut note = Document::new(Some("note"));
    note.edit::<(), document::Violation>(Actor([8; 16]), |draft| draft.put("/name", "plan".into())).unwrap();
    let sealed = note.seal(1_700_000_000).unwrap().unwrap();
    let changes: Vec<Blob> = sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect();
    after.push(team, 2, &changes);
    let is_stored = |frame: &RelayFrame| matches!(frame, RelayFrame::Ack(ack) if ack.batch == BatchId([2; 16]));
    assert!(after.frames.iter().any(is_stored), "{:?}", after.frames.last());
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_the_commit() {
    let world = World::new();
    let mut ada = world.device(1);
    let mut pushed = 0;
    for (batch, changes) in (1..).zip(edits(5)) {
        ada.push(world.space, batch, &changes);
        pushed += changes.len() as u64;
        assert_eq!(ada.acked(batch).unwrap().position.0, pushed);
        let (relay, _directory) = world.crashed();
        assert_eq!(bootstrapped(&relay, &world.token), (pushed, pushed));
        assert_eq!(now(relay.storage().doctor()).unwrap(), []);
    }
}

#[test]
fn checks_happen_when_they_are_told_and_survive_a_crash() {
    let world = World::new();
    let mut ada = world.device(1);
    for (batch, changes) in (1..).zip(edits(3)) {
        ada.push(world.space, batch, &changes);
    }
    assert!(world.relay.projection(world.space, DOCUMENT).unwrap().is_none());
    let (relay, _directory) = world.crashed();
    for relay in [&world.relay, &relay] {
        assert!(relay.check_step());
        assert!(!relay.check_step());
        let projection = relay.projection(world.space, DOCUMENT).unwrap().unwrap();
        assert_eq!(projection.position, ada.acked(3).unwrap());
        assert!(projection.json.contains("\"zoom\":2"), "{}", projection.json);
    }
}

#[test]
fn a_push_that_waits_for_the_check_gets_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.check.unchecked_changes_max = 1;
    let relay = InlineRelay::open(directory.path(), config, options()).unwrap();
    let account = now(relay.storage().create_account("ada")).unwrap();
    let token = now(relay.storage().create_token(account.id, "test")).unwrap().secret;
    let mut ada = Device::on(&relay, &token, 1, Vec::new());
    for (batch, changes) in (1..).zip(edits(5)) {
        ada.push(account.personal_space, batch, &changes);
        assert!(ada.acked(batch).is_some());
    }
}

#[test]
fn a_revoked_token_ends_its_sessions_and_starts_none() {
    let world = World::new();
    let mut ada = world.device(1);
    let account = ada.welcome().account;
    let token = now(world.relay.storage().tokens(account)).unwrap().remove(0);
    now(world.relay.storage().revoke_token(relay_storage::TokenRef::Id(token.id))).unwrap();
    world.relay.access_changed();
    ada.hear();
    assert!(!ada.is_open);
    assert!(world.relay.session(&world.token, AT).is_err());
}

/// Everything that a run sends, and its file at the end.
fn run() -> (Vec<Vec<u8>>, Vec<u8>) {
    let world = World::new();
    let mut devices = [world.device(1), world.device(2), world.device(3)];
    for (batch, changes) in (1..).zip(edits(40)) {
        let at = usize::from(batch) % 7 % 3;
        devices[0].push(world.space, batch, &changes);
        devices[at].hear();
        if batch % 5 == 0 {
            assert!(world.relay.check_step());
        }
    }
    let frames = devices.iter().flat_map(|device| &device.frames).map(encode_relay_frame).collect();
    world.relay.storage().checkpoint().unwrap();
    let files = files(world.directory.path());
    assert!(files.iter().skip(1).all(|log| std::fs::metadata(log).unwrap().len() == 0));
    (frames, std::fs::read(&files[0]).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let ((frames, file), (other_frames, other_file)) = (run(), run());
    assert!(frames.len() > 40);
    assert_eq!(frames, other_frames);
    assert!(file == other_file);
}

#[test]
fn the_log_is_moved_into_the_file_only_when_that_is_told() {
    let world = World::new();
    let mut ada = world.device(1);
    let size = |world: &World| std::fs::metadata(&files(world.directory.path())[0]).unwrap().len();
    let before = size(&world);
    for (batch, changes) in (1..).zip(edits(200)) {
        ada.push(world.space, batch, &changes);
    }
    assert_eq!(size(&world), before);
    world.relay.storage().checkpoint().unwrap();
    assert!(size(&world) > before);
}

#[test]
fn planted_an_acknowledgement_before_the_commit_loses_a_batch() {
    let world = World::new();
    let mut ada = world.device(1);
    let changes = edits(1).remove(0);
    plant(Some(Bug::AckBeforeCommit));
    ada.push(world.space, 1, &changes);
    plant(None);
    assert!(ada.acked(1).is_some());
    assert_eq!(bootstrapped(&world.crashed_now().0, &world.token).0, 0, "acknowledged and gone");
    ada.push(world.space, 2, &changes);
    assert_eq!(bootstrapped(&world.crashed_now().0, &world.token).0, changes.len() as u64, "the next commit has it");
}

#[test]
fn planted_a_batch_in_pieces_leaves_half_of_it() {
    let world = World::new();
    let mut ada = world.device(1);
    let changes = edits(3).concat();
    plant(Some(Bug::BatchHalfAppended));
    ada.push(world.space, 1, &changes);
    plant(None);
    let whole = ada.acked(1).unwrap().position.0;
    let halves = std::mem::take(&mut *world.copies.lock().unwrap());
    let half = &halves[halves.len() - 2];
    let relay = reopened(half.path());
    assert!((1..whole).contains(&bootstrapped(&relay, &world.token).0));
}

#[test]
fn planted_duplicates_are_in_the_log_twice() {
    let world = World::new();
    let mut ada = world.device(1);
    let changes = edits(1).remove(0);
    ada.push(world.space, 1, &changes);
    plant(Some(Bug::DuplicateAppliedTwice));
    ada.push(world.space, 1, &changes);
    plant(None);
    assert_eq!(bootstrapped(&world.relay, &world.token).0, 2 * changes.len() as u64);
    ada.push(world.space, 1, &changes);
    assert_eq!(
        bootstrapped(&world.relay, &world.token).0,
        2 * changes.len() as u64,
        "without the bug once more is nothing"
    );
}

#[test]
fn planted_a_tail_with_a_gap_is_delivered_with_the_gap() {
    let world = World::new();
    let mut ada = world.device(1);
    let batches = edits(5);
    for (batch, changes) in (1..).zip(&batches) {
        ada.push(world.space, batch, changes);
    }
    // At the start of the log, which the tail does not reach.
    let grant = ada.welcome().grants[0].clone();
    let at = LogPosition { epoch: grant.end.epoch, position: Position::START };
    let cursor = Cursor { space: world.space, at, chain: Chain::START, bootstrap: None };
    let all: Vec<_> = batches.concat().into_iter().map(|bytes| Change::parse(bytes).unwrap().hash()).collect();
    let follow = |bug| {
        plant(bug);
        let mut device = Device::on(&world.relay, &world.token, 2, vec![cursor]);
        device.hear();
        plant(None);
        device.delivered()
    };
    assert_eq!(follow(None), all);
    assert_ne!(follow(Some(Bug::TailUsedWithGap)), all);
}
