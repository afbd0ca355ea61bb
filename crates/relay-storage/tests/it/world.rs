//! A relay to talk to, and authors who write changes without Automerge.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use document::Change;
use relay_storage::{
    Account, AppendRequest, BatchContent, Check, Limits, LogPage, Outcome, ParsedBatch, ReceiptKeys, RoleRead, Shell,
    Storage, StorageOptions, StorageUrl,
};
use sha2::{Digest, Sha256};
use sync_wire::limits::BATCH_CHANGES_MAX;
use sync_wire::{Actor, BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode, LogPosition, Position, SpaceId};

pub(crate) const DOCUMENT: DocumentId = DocumentId([0xd0; 16]);
pub(crate) const THREADS: Shell = Shell::Threads { readers: 2 };

/// Drives a future of storage; with [`Shell::Inline`] it completes at once.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) struct Relay {
    pub(crate) storage: Storage,
    pub(crate) keys: ReceiptKeys,
    pub(crate) path: PathBuf,
    pub(crate) shell: Shell,
    limits: Limits,
    clock: Arc<AtomicI64>,
    _directory: Arc<tempfile::TempDir>,
}

/// Runs a check on a relay with threads and on one without.
pub(crate) fn on_each_shell(check: impl Fn(Relay)) {
    for shell in [Shell::Inline, THREADS] {
        check(Relay::new(shell));
    }
}

impl Relay {
    pub(crate) fn new(shell: Shell) -> Self {
        Self::limited(shell, Limits::default())
    }

    pub(crate) fn limited(shell: Shell, limits: Limits) -> Self {
        let directory = Arc::new(tempfile::Builder::new().prefix("relay storage ").tempdir().unwrap());
        let path = directory.path().join("relay.sqlite");
        let keys = ReceiptKeys::from_secret(7, [9; 32]);
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let storage = open(&path, &keys, shell, limits, &clock);
        Self { storage, keys, path, shell, limits, clock, _directory: directory }
    }

    /// A second handle on the same file, as another process has it.
    pub(crate) fn second(&self) -> Self {
        self.second_with(self.limits)
    }

    pub(crate) fn second_with(&self, limits: Limits) -> Self {
        let storage = open(&self.path, &self.keys, self.shell, limits, &self.clock);
        let (keys, path, clock) = (self.keys.clone(), self.path.clone(), Arc::clone(&self.clock));
        Self { storage, keys, path, shell: self.shell, limits, clock, _directory: Arc::clone(&self._directory) }
    }

    /// Another relay, on a backup of this one's file.
    pub(crate) fn backup(&self) -> Self {
        let path = self.path.with_file_name("backup.sqlite");
        wait(self.storage.backup(&path)).unwrap();
        let storage = open(&path, &self.keys, self.shell, self.limits, &self.clock);
        let (keys, clock) = (self.keys.clone(), Arc::clone(&self.clock));
        let (shell, limits) = (self.shell, self.limits);
        Self { storage, keys, path, shell, limits, clock, _directory: Arc::clone(&self._directory) }
    }

    /// Closes the file and opens it again, as after a restart: nothing in memory is left.
    pub(crate) fn reopened(self) -> Self {
        wait(self.storage.close());
        self.second()
    }

    /// Puts a backup in the place of the file.
    pub(crate) fn put_back(&self, backup: &Path) -> Self {
        wait(self.storage.close());
        for companion in ["relay.sqlite-wal", "relay.sqlite-shm"] {
            drop(std::fs::remove_file(self.path.with_file_name(companion)));
        }
        std::fs::copy(backup, &self.path).unwrap();
        self.second()
    }

    /// Lets the clock of the relay go on.
    pub(crate) fn pass(&self, hours: i64) {
        self.clock.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    }

    /// As [`Self::pass`], for less than an hour or for just so long.
    pub(crate) fn pass_for(&self, span: std::time::Duration) {
        self.clock.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn account(&self, name: &str) -> Account {
        wait(self.storage.create_account(name)).unwrap()
    }

    pub(crate) fn role(&self, account: &Account, space: SpaceId) -> RoleRead {
        wait(self.storage.role_of(account.id, space)).unwrap().unwrap()
    }

    /// A pusher with his personal space and a bound device.
    pub(crate) fn pusher(&self, name: &str) -> Pusher {
        let account = self.account(name);
        let device = device(name);
        wait(self.storage.bind_device(account.id, device, "test")).unwrap();
        let space = account.personal_space;
        let grant = self.role(&account, space);
        Pusher { account, device, space, grant }
    }

    pub(crate) fn append(&self, request: AppendRequest) -> Vec<Outcome> {
        let outcomes = wait(self.storage.append(vec![request])).unwrap().pop().unwrap();
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Pushes changes in as few batches as may be, and expects them to be appended.
    pub(crate) fn appended(&self, pusher: &Pusher, document: DocumentId, changes: &[Change]) -> LogPosition {
        let batches: Vec<&[Change]> = changes.chunks(BATCH_CHANGES_MAX).collect();
        appended_at(self.append(pusher.push(document, &batches)).last().unwrap())
    }

    pub(crate) fn page(&self, space: SpaceId, after: LogPosition, bytes_target: usize) -> LogPage {
        wait(self.storage.read_log(space, after, bytes_target)).unwrap()
    }

    pub(crate) fn start(&self, space: SpaceId) -> LogPosition {
        LogPosition { position: Position::START, ..self.end(space) }
    }

    pub(crate) fn end(&self, space: SpaceId) -> LogPosition {
        wait(self.storage.end_of(space)).unwrap().unwrap()
    }

    pub(crate) fn findings(&self) -> Vec<&'static str> {
        wait(self.storage.doctor()).unwrap().into_iter().map(|finding| finding.code).collect()
    }
}

fn open(path: &Path, keys: &ReceiptKeys, shell: Shell, limits: Limits, clock: &Arc<AtomicI64>) -> Storage {
    let clock = Arc::clone(clock);
    let mut options = StorageOptions::new(keys.clone());
    options.shell = shell;
    options.limits = limits;
    options.clock = Arc::new(move || clock.fetch_add(1, Ordering::Relaxed));
    Storage::open_blocking(&StorageUrl::Sqlite(path.to_owned()), options).unwrap()
}

pub(crate) fn device(name: &str) -> DeviceId {
    DeviceId(named(name))
}

fn named(name: &str) -> [u8; 16] {
    let mut bytes = [0x2a; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
    bytes
}

/// Who pushes where.
#[derive(Debug, Clone)]
pub(crate) struct Pusher {
    pub(crate) account: Account,
    pub(crate) device: DeviceId,
    pub(crate) space: SpaceId,
    pub(crate) grant: RoleRead,
}

impl Pusher {
    pub(crate) fn on_device(&self, name: &str) -> Self {
        Self { device: device(name), ..self.clone() }
    }

    pub(crate) fn in_space(&self, relay: &Relay, space: SpaceId) -> Self {
        Self { space, grant: relay.role(&self.account, space), ..self.clone() }
    }

    pub(crate) fn request(&self, document: DocumentId, batches: Vec<ParsedBatch>) -> AppendRequest {
        AppendRequest {
            space: self.space,
            document,
            account: self.account.id,
            device: self.device,
            grant: self.grant,
            made_by: relay_storage::MadeBy::Device,
            check: Check::Pending,
            batches,
        }
    }

    /// Batches of changes; the id of each is derived from its changes.
    pub(crate) fn push(&self, document: DocumentId, batches: &[&[Change]]) -> AppendRequest {
        self.request(document, batches.iter().map(|changes| batch(changes)).collect())
    }

    pub(crate) fn tombstone(&self, document: DocumentId, id: u8, heads: &[ChangeHash]) -> AppendRequest {
        let content = BatchContent::Tombstone { heads: heads.to_vec() };
        self.request(document, vec![ParsedBatch { id: BatchId([id; 16]), content }])
    }

    pub(crate) fn restore(&self, document: DocumentId, id: u8) -> AppendRequest {
        self.request(document, vec![ParsedBatch { id: BatchId([id; 16]), content: BatchContent::Restore }])
    }
}

pub(crate) fn batch(changes: &[Change]) -> ParsedBatch {
    let mut hasher = Sha256::new();
    changes.iter().for_each(|change| hasher.update(change.hash().0));
    let id = BatchId::from_slice(&hasher.finalize()[..16]).unwrap();
    ParsedBatch { id, content: BatchContent::Changes(changes.to_vec()) }
}

/// Somebody who edits one document: knows its heads, and makes the next change from them.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    pub(crate) actor: Actor,
    seq: u64,
    pub(crate) heads: Vec<ChangeHash>,
    max_op: u64,
    own: Option<ChangeHash>,
}

impl Author {
    pub(crate) fn new(name: &str) -> Self {
        Self { actor: Actor(named(name)), seq: 0, heads: Vec::new(), max_op: 0, own: None }
    }

    /// Another author who has seen what this one has.
    pub(crate) fn joined_by(&self, name: &str) -> Self {
        Self { heads: self.heads.clone(), max_op: self.max_op, ..Self::new(name) }
    }

    /// Sees somebody else's change.
    pub(crate) fn see(&mut self, change: &Change) {
        self.heads.retain(|head| !change.header.deps.contains(head));
        self.heads.push(change.hash());
        self.max_op = self.max_op.max(change.header.max_op());
    }

    pub(crate) fn edit(&mut self) -> Change {
        self.edit_of(1, 0)
    }

    pub(crate) fn edits(&mut self, count: usize) -> Vec<Change> {
        (0..count).map(|_| self.edit()).collect()
    }

    /// A change of `ops` operations, the first of which carries `value_bytes`.
    pub(crate) fn edit_of(&mut self, ops: u64, value_bytes: usize) -> Change {
        let mut deps = self.heads.clone();
        deps.extend(self.own.filter(|own| !self.heads.contains(own)));
        let change = Draft { deps, ops, value_bytes, ..Draft::new(self.actor, self.seq + 1, self.max_op + 1) }.seal();
        self.seq += 1;
        self.own = Some(change.hash());
        self.heads = vec![change.hash()];
        self.max_op = change.header.max_op();
        change
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    pub(crate) fn next_op(&self) -> u64 {
        self.max_op + 1
    }
}

/// A change as it is encoded; every field can be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) actor: Actor,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) ops: u64,
    pub(crate) deps: Vec<ChangeHash>,
    pub(crate) value_bytes: usize,
    pub(crate) time: u64,
}

impl Draft {
    pub(crate) fn new(actor: Actor, seq: u64, start_op: u64) -> Self {
        Self { actor, seq, start_op, ops: 1, deps: Vec::new(), value_bytes: 0, time: 0 }
    }

    pub(crate) fn seal(&self) -> Change {
        let mut deps = self.deps.clone();
        deps.sort();
        let mut data = Vec::new();
        uleb(&mut data, deps.len() as u64);
        deps.iter().for_each(|dep| data.extend(dep.0));
        uleb(&mut data, 16);
        data.extend(self.actor.0);
        [self.seq, self.start_op].into_iter().for_each(|number| uleb(&mut data, number));
        sleb(&mut data, self.time.cast_signed());
        data.extend([0, 0]); // no note, no other actors
        let (mut action, mut meta) = (Vec::new(), Vec::new());
        sleb(&mut action, self.ops.cast_signed());
        uleb(&mut action, 1);
        for (count, bytes) in [(1, self.value_bytes), (self.ops.saturating_sub(1), 0)] {
            if count > 0 {
                sleb(&mut meta, count.cast_signed());
                uleb(&mut meta, (bytes as u64) << 4 | 7);
            }
        }
        let columns: Vec<_> =
            [(0x42, action), (0x56, meta), (0x57, vec![0x61; self.value_bytes])].into_iter().collect();
        let columns: Vec<_> = columns.into_iter().filter(|(_, bytes)| self.ops > 0 && !bytes.is_empty()).collect();
        uleb(&mut data, columns.len() as u64);
        for (spec, bytes) in &columns {
            uleb(&mut data, *spec);
            uleb(&mut data, bytes.len() as u64);
        }
        columns.iter().for_each(|(_, bytes)| data.extend(bytes));
        Change::parse(Blob::from(chunk(&data))).unwrap()
    }
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut body = vec![1];
    uleb(&mut body, data.len() as u64);
    body.extend(data);
    let checksum = Sha256::digest(&body);
    [&[0x85, 0x6f, 0x4a, 0x83][..], &checksum[..4], &body].concat()
}

fn uleb(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn sleb(out: &mut Vec<u8>, mut number: i64) {
    while !(-64..64).contains(&number) {
        out.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    out.push(number as u8 & 0x7f);
}

pub(crate) fn appended_at(outcome: &Outcome) -> LogPosition {
    match outcome {
        Outcome::Appended { at, .. } => *at,
        other => panic!("not appended: {other:?}"),
    }
}

pub(crate) fn position(outcome: &Outcome) -> u64 {
    appended_at(outcome).position.0
}

/// The code of a batch that was parked or refused.
pub(crate) fn code(outcome: &Outcome) -> FateCode {
    match outcome {
        Outcome::Parked { code, .. } | Outcome::Refused { code, .. } => *code,
        other => panic!("neither parked nor refused: {other:?}"),
    }
}

pub(crate) fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { .. })
}
