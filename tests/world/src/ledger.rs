//! What was promised to somebody: kept apart from the machines, and never forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{
    Ack, BatchId, Chain, ChangeHash, Content, DeviceId, DocumentId, Entry, LogPosition, Park, Position, Push, Refuse,
    RelayFrame, SpaceId,
};

use crate::failure::Failure;

/// A batch as a device pushed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The document.
    pub document: DocumentId,
    /// Its entries, by hash.
    pub hashes: Vec<ChangeHash>,
}

/// A batch of which a device was told that it is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Where its last entry was said to be.
    pub at: LogPosition,
    /// The chain there, if it was said.
    pub chain: Option<Chain>,
}

/// An entry that a device was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The document.
    pub document: DocumentId,
    /// Its hash.
    pub hash: ChangeHash,
    /// Its batch.
    pub batch: BatchId,
}

/// Whether somebody was told that an edit is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Yes.
    Acknowledged,
    /// No: the device ended meanwhile.
    Unknown,
}

/// What was added to a counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// By edits that were acknowledged.
    pub certain: i64,
    /// By edits during which the device ended: each may be there or not.
    pub possible: i64,
}

/// An addition to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// On which device.
    pub device: usize,
    /// Of which account.
    pub account: usize,
    /// To which counter.
    pub path: String,
    /// How much.
    pub by: i64,
    /// The change that says so.
    pub change: ChangeHash,
}

/// What somebody wanted of an extension: it is wanted once, and when it is wanted no more, that stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The change that says so, if its device heard of it.
    pub wanted_by: Option<ChangeHash>,
    /// Whether anybody tried to take it back.
    pub is_withdrawn: bool,
    /// The changes that did, of which devices heard.
    pub withdrawn_by: Vec<ChangeHash>,
}

/// Every promise.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By device: changes whose saving was acknowledged to its user.
    pub saved: Vec<BTreeMap<ChangeHash, DocumentId>>,
    /// What devices sent, by batch.
    pub pushed: BTreeMap<(SpaceId, BatchId), Pushed>,
    /// What devices were told that it is in the log.
    pub acked: BTreeMap<(SpaceId, BatchId), Acked>,
    /// What devices were told that it is in the intake, and nothing else since, by batch.
    pub stored: BTreeMap<(SpaceId, BatchId), DocumentId>,
    /// What devices were given, by place.
    pub delivered: BTreeMap<(SpaceId, Position), Delivered>,
    /// What was added to each account's counters.
    pub counts: BTreeMap<(usize, String), Count>,
    /// Those of which the device that made them knows.
    pub increments: Vec<Increment>,
    /// Those of which the device that made them was put back to before: they count if they are in a log.
    pub forgotten: Vec<Increment>,
    /// What each account wanted of extensions, by their ids.
    pub wishes: BTreeMap<(usize, String), Wish>,
    /// Accounts whose users took something back: what their counters mean is then for the machines to say.
    pub undone: BTreeSet<usize>,
    /// Changes that the relay had acknowledged or delivered, and lost when it was put back to an earlier copy.
    pub owed: BTreeSet<(SpaceId, DocumentId, ChangeHash)>,
    /// How often that happened.
    pub relay_restores: u32,
    /// A device that promises nothing, and to which nothing is promised.
    pub hostile: Option<DeviceId>,
    /// Whether the relay was put back to before it knew that device. In a team's space it takes back nothing then of
    /// what that one wrote until it connects, and it gives nothing back itself.
    pub hostile_was_unknown: bool,
}

impl Ledger {
    /// For so many devices, and a hostile one.
    #[must_use]
    pub fn new(devices: usize, hostile: DeviceId) -> Self {
        Self { saved: vec![BTreeMap::new(); devices], hostile: Some(hostile), ..Self::default() }
    }

    /// A device sends a batch. Sealed is sealed: sent again it must be the same.
    ///
    /// # Errors
    /// If it is another one under the same id.
    pub fn push(&mut self, push: &Push) -> Result<(), Failure> {
        let Push { space, document, batch, .. } = *push;
        let marker = |kind, heads: &[ChangeHash]| vec![marker_hash(kind, space, document, batch, heads)];
        let hashes = match &push.content {
            Content::Changes(changes) => changes.iter().map(|bytes| hash_of(bytes)).collect::<Result<_, _>>()?,
            Content::Tombstone(heads) => marker(EntryKind::Tombstone, heads),
            Content::Restore => marker(EntryKind::Restore, &[]),
        };
        let pushed = Pushed { document, hashes };
        match self.pushed.insert((space, batch), pushed.clone()) {
            Some(before) if before != pushed => {
                Failure::raise("a batch is sealed", format!("batch {batch} was {before:?} and is now {pushed:?}"))
            }
            _ => Ok(()),
        }
    }

    /// Somebody added to a counter.
    pub fn count(&mut self, account: usize, path: &str, by: i64, certainty: Certainty) {
        let count = self.counts.entry((account, path.to_owned())).or_default();
        match certainty {
            Certainty::Acknowledged => count.certain += by,
            Certainty::Unknown => count.possible += by,
        }
    }

    /// Somebody added to a counter, and this change says so.
    pub fn increment(&mut self, increment: Increment) {
        // Two copies of one machine that do the same in the same second make the same change, which counts once.
        if self.increments.iter().any(|known| known.change == increment.change) {
            return;
        }
        self.count(increment.account, &increment.path, increment.by, Certainty::Acknowledged);
        self.increments.push(increment);
    }

    /// One device more has what this one has.
    pub fn clone_device(&mut self, device: usize) {
        self.saved.push(self.saved[device].clone());
    }

    /// A device was put back to when it had only these changes. What it forgot may be in a log, or with a copy of it.
    pub fn restore_device(&mut self, device: usize, kept: &BTreeSet<ChangeHash>) {
        self.saved[device].retain(|hash, _| kept.contains(hash));
        let is_kept = |it: &Increment| it.device != device || kept.contains(&it.change);
        let (known, forgotten) = std::mem::take(&mut self.increments).into_iter().partition(is_kept);
        self.increments = known;
        for increment in forgotten {
            let Increment { account, path, by, .. } = &increment;
            let count = self.counts.entry((*account, path.clone())).or_default();
            (count.certain, count.possible) = (count.certain - by, count.possible + by);
            self.forgotten.push(increment);
        }
    }

    /// The relay was put back to when its logs ended here and it knew these devices: what it had said of later places
    /// it owes.
    pub fn restore_relay(&mut self, ends: &BTreeMap<SpaceId, Position>, devices: &BTreeSet<DeviceId>) {
        self.relay_restores += 1;
        self.hostile_was_unknown |= self.hostile.is_some_and(|hostile| !devices.contains(&hostile));
        // What was stored is on its devices, and they push it again.
        self.stored.clear();
        let end = |space: &SpaceId| ends.get(space).copied().unwrap_or(Position::START);
        let (acked, lost_acks) = std::mem::take(&mut self.acked)
            .into_iter()
            .partition(|((space, _), acked)| acked.at.position <= end(space));
        self.acked = acked;
        let (delivered, lost) =
            std::mem::take(&mut self.delivered).into_iter().partition(|((space, at), _)| *at <= end(space));
        self.delivered = delivered;
        for (key, acked) in lost_acks {
            self.owe_batch(key, acked.document);
        }
        self.owed.extend(lost.into_iter().map(|((space, _), it): (_, Delivered)| (space, it.document, it.hash)));
    }

    fn owe_batch(&mut self, (space, batch): (SpaceId, BatchId), document: DocumentId) {
        let hashes = self.pushed.get(&(space, batch)).map(|pushed| pushed.hashes.clone()).unwrap_or_default();
        self.owed.extend(hashes.into_iter().map(|hash| (space, document, hash)));
    }

    /// A frame of a relay's life that was lost meanwhile reached a device.
    pub fn hear_of_lost_life(&mut self, frame: &RelayFrame) {
        match frame {
            // Without a place it was only stored.
            RelayFrame::Ack(ack) if ack.at.is_some() => self.owe_batch((ack.space, ack.batch), ack.document),
            RelayFrame::Deliver(deliver) => {
                self.owed.extend(deliver.entries.iter().map(|entry| (deliver.space, entry.document, entry.hash)));
            }
            _ => {}
        }
    }

    /// What a counter has to be, given which changes are in a log.
    #[must_use]
    pub fn counted(&self, account: usize, path: &str, is_in_log: impl Fn(&ChangeHash) -> bool) -> Count {
        let mut count = self.counts.get(&(account, path.to_owned())).copied().unwrap_or_default();
        let of_it = self.forgotten.iter().filter(|it| (it.account, it.path.as_str()) == (account, path));
        for increment in of_it.filter(|it| is_in_log(&it.change)) {
            (count.certain, count.possible) = (count.certain + increment.by, count.possible - increment.by);
        }
        count
    }

    /// A frame reached a device.
    ///
    /// # Errors
    /// If it contradicts what the relay said before.
    pub fn hear(&mut self, frame: &RelayFrame) -> Result<(), Failure> {
        match frame {
            RelayFrame::Ack(Ack { space, document, batch, at: Some(at), proof }) => {
                let acked =
                    Acked { space: *space, document: *document, at: *at, chain: proof.map(|proof| proof.chain) };
                self.acked.insert((*space, *batch), acked);
                Ok(())
            }
            RelayFrame::Ack(Ack { space, document, batch, at: None, .. }) => {
                self.stored.insert((*space, *batch), *document);
                Ok(())
            }
            RelayFrame::Refuse(Refuse { space, batch, .. }) | RelayFrame::Park(Park { space, batch, .. }) => {
                self.stored.remove(&(*space, *batch));
                Ok(())
            }
            RelayFrame::Deliver(deliver) => {
                let places = (deliver.after.position.0 + 1..).map(Position);
                places.zip(&deliver.entries).try_for_each(|(at, entry)| self.deliver(deliver.space, at, entry))
            }
            RelayFrame::Bootstrap(bootstrap) => {
                let entries = bootstrap.documents.iter().flat_map(|document| &document.entries);
                entries.into_iter().try_for_each(|it| self.deliver(bootstrap.space, it.position, &it.entry))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, space: SpaceId, at: Position, entry: &Entry) -> Result<(), Failure> {
        let delivered = Delivered { document: entry.document, hash: entry.hash, batch: entry.batch };
        match self.delivered.insert((space, at), delivered) {
            Some(before) if before != delivered => {
                let detail = format!("at {at} of space {space} was {before:?} and is now {delivered:?}");
                Failure::raise("the log does not change", detail)
            }
            _ => Ok(()),
        }
    }
}

fn hash_of(bytes: &[u8]) -> Result<ChangeHash, Failure> {
    let header = document::Header::parse(bytes);
    header
        .map(|header| header.hash)
        .map_err(|error| Failure::new("a device pushes changes", format!("what was pushed is none: {error}")))
}
