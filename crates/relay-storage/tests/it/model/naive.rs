//! A space as a few lists that are looked through from the beginning for every question: slow, and plainly what the
//! protocol says. Nothing is remembered that follows from something else.

mod judge; // a batch comes, and is written or not
pub(super) mod offer; // entries come back
mod settle; // batches leave the intake, repairs, and purges

use std::collections::{BTreeMap, BTreeSet, HashMap};

use document::Change;
use sync_wire::log::EntryKind;
use sync_wire::{AccountId, Actor, BatchId, ChangeHash, DeviceId, DocumentId, Epoch, FateCode, SpaceId, Void};

pub(super) use self::offer::Offered;

/// What a relay says to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    At { position: u64, entries: usize },
    Stored,
    Refused { code: FateCode, culprit: Option<ChangeHash> },
    Parked(FateCode),
    Need(Vec<ChangeHash>),
    Skipped,
}

/// Who pushes, and what stands against it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushing {
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    pub(super) objection: Option<FateCode>,
    /// Bytes that the account may still add; absent where somebody vouches for it: it was in a log once, so neither
    /// room nor that its document is held matters.
    pub(super) room: Option<u64>,
}

impl Pushing {
    /// The relay said once that its log had this, from this very device.
    fn is_vouched(&self) -> bool {
        self.room.is_none()
    }
}

/// By which rules a batch is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Into the log.
    Log,
    /// Into the intake, by log and intake together.
    Intake,
    /// As into the log, and nowhere in the end.
    Nowhere,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) document: DocumentId,
    pub(super) hash: ChangeHash,
    pub(super) account: Option<AccountId>,
    pub(super) device: DeviceId,
    pub(super) batch: BatchId,
    pub(super) is_batch_end: bool,
    pub(super) change: Option<Change>,
    pub(super) void: Option<Void>,
    /// Of a tombstone.
    pub(super) heads: Vec<ChangeHash>,
}

/// What the digest of an entry covers.
pub(super) type Identity = (EntryKind, DocumentId, ChangeHash, DeviceId, BatchId);

impl Entry {
    pub(super) fn identity(&self) -> Identity {
        (self.kind, self.document, self.hash, self.device, self.batch)
    }

    fn is(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

/// A batch in the intake.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waits {
    pub(super) document: DocumentId,
    pub(super) batch: BatchId,
    pub(super) account: AccountId,
    pub(super) device: DeviceId,
    kind: EntryKind,
    /// Of a tombstone its heads, else its changes that another batch has brought before.
    named: Vec<ChangeHash>,
    pub(super) changes: Vec<Change>,
}

/// A refusal that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) code: FateCode,
    pub(super) culprit: Option<ChangeHash>,
    pub(super) is_final: bool,
}

pub(super) type FateKey = (DocumentId, ChangeHash, DeviceId);

#[derive(Debug, Clone)]
pub(super) struct Space {
    pub(super) id: SpaceId,
    pub(super) epoch: Epoch,
    pub(super) entries: Vec<Entry>,
    pub(super) waiting: Vec<Waits>,
    pub(super) fates: BTreeMap<FateKey, Kept>,
    /// What became of batches that left the intake otherwise than into the log.
    pub(super) told: BTreeMap<(DocumentId, BatchId, DeviceId), Answer>,
    pub(super) held: BTreeSet<DocumentId>,
    /// Their content is gone for good.
    pub(super) purged: BTreeSet<DocumentId>,
    pub(super) checked: BTreeMap<DocumentId, u64>,
    owners: BTreeMap<Actor, Option<(AccountId, DeviceId)>>,
}

impl Answer {
    /// What a person would call it.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::At { entries: 0, .. } => "known".to_owned(),
            Self::At { .. } => "appended".to_owned(),
            Self::Stored => "stored".to_owned(),
            Self::Refused { code, .. } | Self::Parked(code) => code.name().to_owned(),
            Self::Need(_) => "missing changes".to_owned(),
            Self::Skipped => "skipped".to_owned(),
        }
    }
}

impl Space {
    pub(super) fn empty(id: SpaceId, epoch: Epoch) -> Self {
        Self {
            id,
            epoch,
            entries: Vec::new(),
            waiting: Vec::new(),
            fates: BTreeMap::new(),
            told: BTreeMap::new(),
            held: BTreeSet::new(),
            purged: BTreeSet::new(),
            checked: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    pub(super) fn end(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entries of a document with their positions.
    pub(super) fn of(&self, document: DocumentId) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        let placed = self.entries.iter().enumerate().map(|(at, entry)| (at as u64 + 1, entry));
        placed.filter(move |(_, entry)| entry.document == document)
    }

    pub(super) fn log_changes(&self, document: DocumentId) -> impl DoubleEndedIterator<Item = &Change> {
        self.of(document).filter_map(|(_, entry)| entry.change.as_ref())
    }

    fn waits(&self, document: DocumentId, way: Way) -> impl DoubleEndedIterator<Item = &Waits> {
        self.waiting.iter().filter(move |waits| way == Way::Intake && waits.document == document)
    }

    /// The changes of log and, if it counts, intake.
    pub(super) fn changes(&self, document: DocumentId, way: Way) -> impl DoubleEndedIterator<Item = &Change> {
        self.log_changes(document).chain(self.waits(document, way).flat_map(|waits| &waits.changes))
    }

    fn find(&self, document: DocumentId, way: Way, hash: &ChangeHash) -> Option<&Change> {
        self.changes(document, way).find(|change| change.hash() == *hash)
    }

    fn place(&self, document: DocumentId, hash: &ChangeHash) -> Option<u64> {
        self.of(document).find(|(_, entry)| entry.hash == *hash).map(|(at, _)| at)
    }

    /// Every change that the log does without, with the one at fault.
    pub(super) fn without(&self, document: DocumentId) -> HashMap<ChangeHash, ChangeHash> {
        let mut without = HashMap::new();
        for void in self.of(document).filter_map(|(_, entry)| entry.void.as_ref()) {
            without.extend(void.changes().map(|hash| (hash, void.excluded[0])));
            without.extend(void.excluded.iter().map(|hash| (*hash, *hash)));
        }
        without
    }

    pub(super) fn heads(&self, document: DocumentId, way: Way) -> BTreeSet<ChangeHash> {
        let without = self.without(document);
        let counts = |change: &&Change| !without.contains_key(&change.hash());
        let mut heads = BTreeSet::new();
        for change in self.changes(document, way).filter(counts) {
            heads.retain(|head| !change.header.deps.contains(head));
            heads.insert(change.hash());
        }
        heads
    }

    pub(super) fn max_op(&self, document: DocumentId, way: Way) -> u64 {
        let without = self.without(document);
        let counts = |change: &&Change| !without.contains_key(&change.hash());
        self.changes(document, way).filter(counts).map(|change| change.header.max_op()).max().unwrap_or(0)
    }

    pub(super) fn last_of(&self, document: DocumentId, way: Way, actor: Actor) -> Option<&Change> {
        self.changes(document, way).filter(|change| change.header.actor == actor).max_by_key(|change| change.header.seq)
    }

    pub(super) fn is_deleted(&self, document: DocumentId, way: Way) -> bool {
        let marks = |kind: &EntryKind| matches!(kind, EntryKind::Tombstone | EntryKind::Restore);
        let ahead = self.waits(document, way).rev().map(|waits| waits.kind).find(marks);
        let last = ahead.or_else(|| self.of(document).rev().map(|(_, entry)| entry.kind).find(marks));
        last == Some(EntryKind::Tombstone)
    }

    pub(super) fn bytes_of(&self, account: AccountId) -> u64 {
        let is_there = |entry: &&Entry| !self.purged.contains(&entry.document);
        let own = self.entries.iter().filter(is_there).filter(|entry| entry.account == Some(account));
        own.filter_map(|entry| entry.change.as_ref()).map(|change| change.bytes.len() as u64).sum()
    }

    pub(super) fn waiting_of(&self, account: AccountId) -> u64 {
        let size = |waits: &Waits| {
            let bytes: usize = waits.changes.iter().map(|change| change.bytes.len()).sum();
            (bytes + waits.named.len() * ChangeHash::LEN + 256) as u64
        };
        self.waiting.iter().filter(|waits| waits.account == account).map(size).sum()
    }

    fn known(&self, position: u64) -> Answer {
        Answer::At { position, entries: 0 }
    }

    fn has_stored(&self, document: DocumentId, way: Way, batch: BatchId, device: DeviceId) -> bool {
        self.waits(document, way).any(|waits| (waits.batch, waits.device) == (batch, device))
    }
}
