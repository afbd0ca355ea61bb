//! Which checks are under way, in a file that a killed process leaves behind: a change may end the relay (an abort, a
//! stack, all memory), and must not do so for ever (PROTOCOL §2).
//!
//! Written without a flush, a microsecond for each run: what the system was given outlives the process. A loss of power
//! may lose attempts, which only means that they are counted anew. Nothing here is the truth; the file may be deleted
//! while the relay is stopped.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sync_wire::{AccountId, BatchId, ChangeHash, DeviceId, DocumentId, SpaceId};
use tracing::warn;

/// In the data directory.
const FILE_NAME: &str = "check.attempts";
/// Attempts that are remembered; a file with more is not ours.
const ATTEMPTS_MAX: usize = 65_536;

const CONTENT_BYTES: usize = 2 + 16 + 16 + 32 + 16 + 16 + 16;
const SUM_BYTES: usize = 16;
const SLOT_BYTES: usize = CONTENT_BYTES + SUM_BYTES;

const EMPTY: u8 = 0;
const LOG: u8 = 1;
const PUSH: u8 = 2;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// Entries of a log.
    Log { space: SpaceId, document: DocumentId },
    /// A push, before it gets a place in the log. Named by its first change.
    Push { space: SpaceId, document: DocumentId, hash: ChangeHash },
}

/// A run, and how often it was begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) thing: Thing,
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) batch: BatchId,
    pub(super) times: u8,
}

/// See the file's head. Without a file nothing is remembered.
#[derive(Debug, Default)]
pub(super) struct Attempts(Arc<Mutex<Option<Book>>>);

/// A run that is under way; over when dropped.
#[derive(Debug)]
pub(super) struct Underway {
    book: Arc<Mutex<Option<Book>>>,
    slot: Option<usize>,
}

#[derive(Debug)]
struct Book {
    file: File,
    slots: usize,
    free: Vec<usize>,
    /// What an earlier process left behind, by slot and times.
    left: HashMap<Thing, (usize, u8)>,
}

impl Attempts {
    /// Opens the file of a data directory, or makes it; what was under way when the last process ended.
    pub(super) fn open(&self, directory: &Path) -> io::Result<Vec<Attempt>> {
        let path = directory.join(FILE_NAME);
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        (&mut file).take((ATTEMPTS_MAX * SLOT_BYTES) as u64).read_to_end(&mut bytes)?;
        let mut book = Book { file, slots: bytes.len().div_ceil(SLOT_BYTES), free: Vec::new(), left: HashMap::new() };
        let mut found = Vec::new();
        for slot in 0..book.slots {
            let content = bytes.get(slot * SLOT_BYTES..).and_then(|rest| rest.first_chunk::<SLOT_BYTES>());
            match content.and_then(Attempt::decode) {
                Some(attempt) => {
                    book.left.insert(attempt.thing, (slot, attempt.times));
                    found.push(attempt);
                }
                None => book.free.push(slot),
            }
        }
        *lock(&self.0) = Some(book);
        Ok(found)
    }

    /// Whether a push to the document was under way when an earlier process ended.
    pub(super) fn is_suspect(&self, space: SpaceId, document: DocumentId) -> bool {
        let is_of = |thing: &Thing| matches!(thing, Thing::Push { .. }) && thing.is_of(space, document);
        lock(&self.0).as_ref().is_some_and(|book| !book.left.is_empty() && book.left.keys().any(is_of))
    }

    /// A run begins. Its times are added to those that are known.
    pub(super) fn begin(&self, attempt: Attempt) -> Underway {
        let slot = lock(&self.0).as_mut().and_then(|book| book.begin(attempt));
        Underway { book: Arc::clone(&self.0), slot }
    }

    /// Forgets what was left behind of a thing.
    pub(super) fn forget(&self, thing: &Thing) {
        if let Some(book) = lock(&self.0).as_mut()
            && let Some((slot, _)) = book.left.remove(thing)
        {
            book.end(slot);
        }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(slot) = self.slot
            && let Some(book) = lock(&self.book).as_mut()
        {
            book.end(slot);
        }
    }
}

fn lock(book: &Mutex<Option<Book>>) -> std::sync::MutexGuard<'_, Option<Book>> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Book {
    fn begin(&mut self, attempt: Attempt) -> Option<usize> {
        let (slot, before) = match self.left.remove(&attempt.thing) {
            Some((slot, before)) => (slot, before),
            None => (self.free_slot()?, 0),
        };
        let times = attempt.times.saturating_add(before);
        match self.write(slot, &Attempt { times, ..attempt }.encode()) {
            Ok(()) => Some(slot),
            Err(error) => {
                warn!("A check goes on without a note of it: {error}");
                self.free.push(slot);
                None
            }
        }
    }

    fn free_slot(&mut self) -> Option<usize> {
        self.free.pop().or_else(|| {
            let slot = self.slots;
            (slot < ATTEMPTS_MAX).then(|| {
                self.slots += 1;
                slot
            })
        })
    }

    fn end(&mut self, slot: usize) {
        // If it fails the attempt counts, and a second one may condemn: better than to end the relay for ever.
        if let Err(error) = self.write(slot, &[EMPTY]) {
            warn!("The end of a check could not be noted: {error}");
        }
        self.free.push(slot);
    }

    fn write(&mut self, slot: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start((slot * SLOT_BYTES) as u64))?;
        self.file.write_all(bytes)
    }
}

impl Thing {
    pub(super) const fn space(&self) -> SpaceId {
        match self {
            Self::Log { space, .. } | Self::Push { space, .. } => *space,
        }
    }

    pub(super) const fn document(&self) -> DocumentId {
        match self {
            Self::Log { document, .. } | Self::Push { document, .. } => *document,
        }
    }

    fn is_of(&self, space: SpaceId, document: DocumentId) -> bool {
        (self.space(), self.document()) == (space, document)
    }
}

impl Attempt {
    pub(super) const fn on_log(space: SpaceId, document: DocumentId) -> Self {
        let thing = Thing::Log { space, document };
        Self { thing, account: AccountId([0; 16]), device: DeviceId([0; 16]), batch: BatchId([0; 16]), times: 1 }
    }

    fn encode(&self) -> [u8; SLOT_BYTES] {
        let (kind, hash) = match self.thing {
            Thing::Log { .. } => (LOG, [0; 32]),
            Thing::Push { hash, .. } => (PUSH, hash.0),
        };
        let (space, document) = (self.thing.space().0, self.thing.document().0);
        let parts: [&[u8]; 7] =
            [&[kind, self.times], &space, &document, &hash, &self.account.0, &self.device.0, &self.batch.0];
        let mut slot = [0; SLOT_BYTES];
        let mut at = 0;
        for part in parts {
            slot[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let sum = blake3::hash(&slot[..at]);
        slot[at..].copy_from_slice(&sum.as_bytes()[..SUM_BYTES]);
        slot
    }

    /// `None` if the slot is empty, or torn.
    fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Self> {
        let (content, sum) = slot.split_at(CONTENT_BYTES);
        if blake3::hash(content).as_bytes()[..SUM_BYTES] != *sum {
            return None;
        }
        let (&[kind, times], mut rest) = content.split_first_chunk()?;
        let space = SpaceId(take(&mut rest)?);
        let document = DocumentId(take(&mut rest)?);
        let hash = ChangeHash(take(&mut rest)?);
        let thing = match kind {
            LOG => Thing::Log { space, document },
            PUSH => Thing::Push { space, document, hash },
            _ => return None,
        };
        let (account, device) = (AccountId(take(&mut rest)?), DeviceId(take(&mut rest)?));
        Some(Self { thing, account, device, batch: BatchId(take(&mut rest)?), times })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 16]);
    const DOCUMENT: DocumentId = DocumentId([2; 16]);

    fn push(hash: u8) -> Attempt {
        let thing = Thing::Push { space: SPACE, document: DOCUMENT, hash: ChangeHash([hash; 32]) };
        Attempt { thing, account: AccountId([3; 16]), device: DeviceId([4; 16]), batch: BatchId([5; 16]), times: 1 }
    }

    /// What the next process finds.
    fn left(directory: &Path) -> (Attempts, Vec<Attempt>) {
        let attempts = Attempts::default();
        let left = attempts.open(directory).unwrap();
        (attempts, left)
    }

    #[test]
    fn what_was_under_way_is_found_and_what_ended_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (attempts, none) = left(directory.path());
        assert_eq!(none, []);
        drop(attempts.begin(push(1)));
        std::mem::forget(attempts.begin(push(2)));
        drop(attempts.begin(Attempt::on_log(SPACE, DOCUMENT)));
        let (attempts, found) = left(directory.path());
        assert_eq!(found, [push(2)]);
        assert!(attempts.is_suspect(SPACE, DOCUMENT) && !attempts.is_suspect(SPACE, DocumentId([9; 16])));
    }

    #[test]
    fn attempts_are_counted_until_one_ends() {
        let directory = tempfile::tempdir().unwrap();
        for times in 1..4 {
            let (attempts, _) = left(directory.path());
            std::mem::forget(attempts.begin(push(1)));
            assert_eq!(left(directory.path()).1, [Attempt { times, ..push(1) }]);
        }
        let (attempts, _) = left(directory.path());
        drop(attempts.begin(push(1)));
        assert_eq!(left(directory.path()).1, []);
        assert!(!attempts.is_suspect(SPACE, DOCUMENT));
    }

    #[test]
    fn what_is_forgotten_leaves_room() {
        let directory = tempfile::tempdir().unwrap();
        let (attempts, _) = left(directory.path());
        std::mem::forget(attempts.begin(push(1)));
        let (attempts, _) = left(directory.path());
        attempts.forget(&push(1).thing);
        drop(attempts.begin(push(2)));
        assert_eq!(left(directory.path()).1, []);
        assert_eq!(std::fs::metadata(directory.path().join(FILE_NAME)).unwrap().len(), SLOT_BYTES as u64);
    }

    #[test]
    fn a_torn_or_foreign_file_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (attempts, _) = left(directory.path());
        std::mem::forget(attempts.begin(push(1)));
        let path = directory.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for bytes in [&whole[..SLOT_BYTES - 1], &[7; 1000], b""] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(left(directory.path()).1, []);
        }
    }
}
