//! A document as somebody would explain it: what this device wrote, in order, and what others did; what it shows
//! follows from that. Nothing of the log, of heads or of bytes is known here.

pub(super) mod lane; // what becomes of what this device wrote
mod stacks; // taking back

use std::collections::BTreeMap;

use sync_wire::{ChangeHash, FateCode};

use super::step::Judgement;

/// What a document shows: this device writes other keys than others do.
pub(super) type Shown = BTreeMap<String, i64>;

/// A value of this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) key: String,
    /// Absent: the key goes.
    pub(super) value: Option<i64>,
}

/// Where a batch of this device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Pending,
    /// In the relay's intake; `is_placed`: it has a place by now, of which the device has not heard.
    Stored {
        is_placed: bool,
    },
    Parked {
        code: FateCode,
        judged_by: u64,
    },
    Accepted,
    Refused,
}

impl Fate {
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::Accepted | Self::Refused)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The making of the document, which is no edit to be taken back.
    Making,
    Edit,
    Deletion,
    Restoration,
}

impl Kind {
    pub(super) fn is_edit(self) -> bool {
        matches!(self, Self::Making | Self::Edit)
    }
}

/// What an edit says that it takes back: another batch, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    None,
    Undo(usize),
    Redo(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) puts: Vec<Put>,
    pub(super) note: Note,
    pub(super) fate: Fate,
    /// What it rested on went, so it was written anew: of what took away what is not there any more, nothing is left.
    pub(super) is_rewritten: bool,
    /// Its change, while that is what names it, and what its author saw after it.
    pub(super) version: Option<(ChangeHash, Shown)>,
}

#[derive(Debug, Default)]
pub(super) struct Naive {
    pub(super) is_made: bool,
    /// Its content is gone for good.
    pub(super) is_purged: bool,
    /// Everything that was saved, oldest first.
    pub(super) lane: Vec<Batch>,
    saved: usize,
    /// What was deferred and is not saved yet.
    pub(super) window: Vec<Put>,
    /// Something of others came while it was open, or what it rests on was written anew.
    pub(super) is_window_disturbed: bool,
    /// What is deferred comes first: until it is saved, the document goes on showing what it rests on, whatever was
    /// refused or said in one go meanwhile.
    pub(super) is_behind: bool,
    /// What others wrote, as far as it was received.
    pub(super) theirs: Shown,
    /// What others wrote.
    pub(super) theirs_in_log: Shown,
    /// Deletions (`true`) and restorations of the log that were not received yet, in its order.
    pub(super) marks_in_log: Vec<bool>,
    /// What the last of them that was received says.
    is_deleted_by_log: bool,
    /// Whether the relay takes it for deleted, by log and intake together.
    pub(super) is_deleted_at_relay: bool,
    /// The relay has purged it.
    pub(super) is_purged_at_relay: bool,
    pub(super) judgement: Option<Judgement>,
    /// How many edits were said in one go with others.
    pub(super) squashed: usize,
    /// How many edits were refused before it was purged.
    pub(super) refused_before_purge: usize,
}

impl Naive {
    pub(super) fn shown(&self) -> Shown {
        let mut shown = self.own();
        shown.extend(self.theirs.clone());
        shown
    }

    fn own(&self) -> Shown {
        let mut own = self.own_before(self.lane.len());
        apply(&mut own, &self.window);
        own
    }

    /// What it showed of its own before the batch at this place in the lane, without what was refused since.
    fn own_before(&self, at: usize) -> Shown {
        let mut own = Shown::new();
        let counts = |batch: &&Batch| batch.fate != Fate::Refused;
        self.lane[..at].iter().filter(counts).for_each(|batch| apply(&mut own, &batch.puts));
        own
    }

    /// Its own user's last word, while the log does not have it; else the log's.
    pub(super) fn is_deleted(&self) -> bool {
        let is_mark = |batch: &&Batch| batch.fate.is_open() && !batch.kind.is_edit();
        let own = self.lane.iter().rev().find(is_mark).map(|batch| batch.kind == Kind::Deletion);
        self.is_purged || own.unwrap_or(self.is_deleted_by_log)
    }

    pub(super) fn is_open(&self) -> bool {
        self.has(Fate::is_open)
    }

    pub(super) fn has(&self, is: impl Fn(Fate) -> bool) -> bool {
        self.lane.iter().any(|batch| is(batch.fate))
    }

    /// Whether other devices can know it.
    pub(super) fn is_in_log(&self) -> bool {
        let first = self.lane.iter().find(|batch| batch.kind == Kind::Making).map(|batch| batch.fate);
        matches!(first, Some(Fate::Accepted | Fate::Stored { is_placed: true }))
    }

    /// Whether something waits in the relay's intake.
    pub(super) fn is_stored(&self) -> bool {
        self.has(|fate| fate == Fate::Stored { is_placed: false })
    }

    pub(super) fn versions(&self) -> Vec<(ChangeHash, Shown)> {
        self.lane.iter().filter_map(|batch| batch.version.clone()).collect()
    }

    /// Something was saved that is no edit.
    pub(super) fn save(&mut self, kind: Kind) {
        self.push(kind, Vec::new(), Note::None);
    }

    /// What was deferred is saved, with what was put just now.
    pub(super) fn seal(&mut self, puts: Vec<Put>, hash: ChangeHash) {
        self.is_behind = false;
        let mut all = std::mem::take(&mut self.window);
        all.extend(puts);
        self.save_edit(all, Note::None, hash);
    }

    pub(super) fn save_edit(&mut self, puts: Vec<Put>, note: Note, hash: ChangeHash) {
        let is_named = !std::mem::take(&mut self.is_window_disturbed);
        self.push(Kind::Edit, puts, note);
        let version = is_named.then(|| (hash, self.shown()));
        self.lane.last_mut().unwrap().version = version;
    }

    fn push(&mut self, kind: Kind, puts: Vec<Put>, note: Note) {
        self.saved += 1;
        let (number, fate) = (self.saved, Fate::Pending);
        self.lane.push(Batch { number, kind, puts, note, fate, is_rewritten: false, version: None });
    }

    /// What is different in `then`, if nothing that others wrote is.
    pub(super) fn puts_to(&self, then: &Shown) -> Option<Vec<Put>> {
        let is_theirs = |(key, _): &(&String, &i64)| key.starts_with("theirs");
        if !then.iter().filter(is_theirs).eq(self.theirs.iter()) {
            return None;
        }
        let then: Shown = then.clone().into_iter().filter(|(key, _)| !key.starts_with("theirs")).collect();
        Some(difference(&self.own(), &then))
    }
}

fn apply(shown: &mut Shown, puts: &[Put]) {
    for put in puts {
        match put.value {
            Some(value) => shown.insert(put.key.clone(), value),
            None => shown.remove(&put.key),
        };
    }
}

/// What leads from one to the other.
fn difference(from: &Shown, to: &Shown) -> Vec<Put> {
    let mut keys: Vec<&String> = from.keys().chain(to.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| from.get(*key) != to.get(*key));
    changed.map(|key| Put { key: key.clone(), value: to.get(key).copied() }).collect()
}
