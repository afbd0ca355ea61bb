//! A document as somebody would explain it: what this device wrote, in order, and what others did; what it shows
//! follows from that. Nothing of the log, of heads or of bytes is known here.

use std::collections::BTreeMap;

use sync_wire::ChangeHash;

use super::step::Judgement;

/// What a document shows: this device writes other keys than others do.
pub(super) type Shown = BTreeMap<String, i64>;

/// A value of this device: what was there before, and what is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) before: Option<i64>,
    pub(super) after: Option<i64>,
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
        judged_by: u64,
    },
    Accepted,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The making of the document, which is no edit to be taken back.
    Making,
    Edit,
    /// A deletion, or its end.
    Mark,
}

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) kind: Kind,
    pub(super) puts: Vec<Put>,
    pub(super) fate: Fate,
    /// Its change, while that is what names it, and what its author saw after it.
    pub(super) version: Option<(ChangeHash, Shown)>,
}

#[derive(Debug, Default)]
pub(super) struct Naive {
    pub(super) is_made: bool,
    pub(super) is_deleted: bool,
    /// Everything that was saved, oldest first.
    pub(super) lane: Vec<Batch>,
    /// What was deferred and is not saved yet.
    pub(super) window: Vec<Put>,
    /// Something of others came while it was open.
    pub(super) is_window_disturbed: bool,
    /// Something was refused while it was open. What is deferred comes first: until it is saved, the document goes on
    /// showing what it rests on.
    pub(super) is_behind: bool,
    /// What others wrote, as far as it was received.
    pub(super) theirs: Shown,
    /// What others wrote.
    pub(super) theirs_in_log: Shown,
    pub(super) judgement: Option<Judgement>,
    undo: Vec<Vec<Put>>,
    redo: Vec<Vec<Put>>,
    /// Something was refused and what came after it was written anew: what can be undone is another question then.
    pub(super) is_rewritten: bool,
}

impl Naive {
    pub(super) fn shown(&self) -> Shown {
        let mut shown = self.own();
        shown.extend(self.theirs.clone());
        shown
    }

    fn own(&self) -> Shown {
        let mut own = Shown::new();
        let counts = |batch: &&Batch| batch.fate != Fate::Refused;
        let saved = self.lane.iter().filter(counts).flat_map(|batch| &batch.puts);
        for put in saved.chain(&self.window) {
            match put.after {
                Some(value) => own.insert(put.key.clone(), value),
                None => own.remove(&put.key),
            };
        }
        own
    }

    pub(super) fn put(&self, key: String, after: Option<i64>) -> Put {
        Put { before: self.own().get(&key).copied(), key, after }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.lane.iter().all(|batch| matches!(batch.fate, Fate::Accepted | Fate::Refused))
    }

    pub(super) fn has(&self, is: impl Fn(Fate) -> bool) -> bool {
        self.lane.iter().any(|batch| is(batch.fate))
    }

    pub(super) fn versions(&self) -> Vec<(ChangeHash, Shown)> {
        self.lane.iter().filter_map(|batch| batch.version.clone()).collect()
    }

    /// Something was saved that is no edit.
    pub(super) fn save(&mut self, kind: Kind, version: Option<ChangeHash>) {
        let version = version.map(|hash| (hash, self.shown()));
        self.lane.push(Batch { kind, puts: Vec::new(), fate: Fate::Pending, version });
    }

    /// What was deferred is saved, with what was put just now.
    pub(super) fn seal(&mut self, puts: Vec<Put>, hash: ChangeHash) {
        self.is_behind = false;
        let mut all = std::mem::take(&mut self.window);
        all.extend(puts);
        self.undo.push(all.clone());
        self.redo.clear();
        self.save_edit(all, hash);
    }

    fn save_edit(&mut self, puts: Vec<Put>, hash: ChangeHash) {
        let is_named = !std::mem::take(&mut self.is_window_disturbed);
        self.lane.push(Batch { kind: Kind::Edit, puts, fate: Fate::Pending, version: None });
        let version = is_named.then(|| (hash, self.shown()));
        self.lane.last_mut().unwrap().version = version;
    }

    pub(super) fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub(super) fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    pub(super) fn undo(&mut self, hash: ChangeHash) {
        let taken_back = reversed(&self.undo.pop().unwrap());
        self.redo.push(taken_back.clone());
        self.save_edit(taken_back, hash);
    }

    pub(super) fn redo(&mut self, hash: ChangeHash) {
        let taken_back = reversed(&self.redo.pop().unwrap());
        self.undo.push(taken_back.clone());
        self.save_edit(taken_back, hash);
    }

    /// What is different in `then`, if nothing that others wrote is.
    pub(super) fn puts_to(&self, then: &Shown) -> Option<Vec<Put>> {
        let is_theirs = |(key, _): &(&String, &i64)| key.starts_with("theirs");
        if !then.iter().filter(is_theirs).eq(self.theirs.iter()) {
            return None;
        }
        let own = self.own();
        let mut keys: Vec<&String> = own.keys().chain(then.keys().filter(|key| !key.starts_with("theirs"))).collect();
        keys.sort_unstable();
        keys.dedup();
        let changed = keys.into_iter().filter(|key| own.get(*key) != then.get(*key));
        Some(changed.map(|key| self.put(key.clone(), then.get(key).copied())).collect())
    }

    /// Everything is said between device and relay; `version` is that of the relay's limits.
    pub(super) fn sync(&mut self, is_new_connection: bool, version: u64) {
        self.is_window_disturbed |= !self.window.is_empty() && self.theirs != self.theirs_in_log;
        self.theirs = self.theirs_in_log.clone();
        let mut refused = None;
        for (at, batch) in self.lane.iter_mut().enumerate() {
            if refused.is_some() && batch.fate == Fate::Pending {
                batch.version = None; // written anew
            }
            match batch.fate {
                Fate::Accepted | Fate::Refused => continue,
                Fate::Stored { is_placed: true } => batch.fate = Fate::Accepted,
                Fate::Stored { is_placed: false } => {}
                Fate::Parked { judged_by } if !is_new_connection || judged_by == version => return,
                Fate::Pending | Fate::Parked { .. } => match self.judgement.unwrap_or(Judgement::Take) {
                    Judgement::RefuseNext if batch.kind == Kind::Edit => {
                        (batch.fate, batch.version, refused) = (Fate::Refused, None, Some(at));
                        self.judgement = Some(Judgement::Take);
                        self.is_rewritten = true;
                        self.is_behind = !self.window.is_empty();
                        self.is_window_disturbed |= self.is_behind;
                    }
                    Judgement::Take | Judgement::RefuseNext => batch.fate = Fate::Accepted,
                    Judgement::Store => batch.fate = Fate::Stored { is_placed: false },
                    Judgement::Park => {
                        batch.fate = Fate::Parked { judged_by: version };
                        return;
                    }
                },
            }
        }
    }

    /// The process ended: nothing is left of what was deferred.
    pub(super) fn crash(&mut self) {
        self.window.clear();
        (self.is_window_disturbed, self.is_behind) = (false, false);
    }

    /// What the relay has stored gets its place.
    pub(super) fn place(&mut self) {
        for batch in &mut self.lane {
            if matches!(batch.fate, Fate::Stored { .. }) {
                batch.fate = Fate::Stored { is_placed: true };
            }
        }
    }
}

fn reversed(puts: &[Put]) -> Vec<Put> {
    let back = |put: &Put| Put { key: put.key.clone(), before: put.after, after: put.before };
    puts.iter().rev().map(back).collect()
}
