//! Turns unsealed edits into changes: the seeds they need, and as few changes as size allows.
//!
//! Ordinary edits are the open transaction of the working copy, which is committed as it is. Edits that need seeds or
//! exceed one change are replayed from the sealed part, in groups.

use std::collections::{HashSet, VecDeque};

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, ReadDoc as _};
use serde_json::Value;
use sync_wire::limits::AUTHORED_CHANGE_BYTES_MAX;

use super::{Document, automerge_change};
use crate::admit;
use crate::difference::{self, Splice};
use crate::error::SealError;
use crate::guard::{caught, guarded};
use crate::intent::Intent;
use crate::limits::{MESSAGE_BYTES_MAX, OPS_MAX, SEED_GROUP_MAX};
use crate::seed::Seed;
use crate::working::Working;
use crate::{Change, flat, pointer};

/// What [`Document::seal`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// Seeds that the changes need and the document did not have. Each is a batch of its own, pushed before the
    /// changes; none depends on anything.
    pub seeds: Vec<Change>,
    /// Our own changes, in order, each at most `AUTHORED_CHANGE_BYTES_MAX`.
    pub changes: Vec<Change>,
    /// The edits that they are made of, in order: who could not store the changes can make them again.
    pub edits: Vec<Intent>,
}

/// Estimated bytes at which a change is considered full. Estimates are high; this leaves room for dependencies.
const CHANGE_BUDGET: usize = AUTHORED_CHANGE_BYTES_MAX - (128 << 10);
/// What one operation adds to a change besides its content, at most: counters and actors of key and predecessor.
const OP_BYTES: usize = 12;
/// Inserted characters come in runs, which share their columns.
const RUN_CHARACTER_BYTES: usize = 4;
/// What an intent adds besides path, content and operations.
const INTENT_BYTES: usize = 64;
/// Characters per part of a text that does not fit one change; also the code points deleted at once.
const PART_CHARACTERS: usize = 30_000;

impl Document {
    /// Makes changes of all unsealed edits, with the given time. `None` if there is nothing to say.
    ///
    /// The same sealed part, edits, actor and time give the same bytes.
    ///
    /// # Errors
    /// [`SealError`]; nothing was sealed.
    pub fn seal(&mut self, time: i64) -> Result<Option<Sealed>, SealError> {
        self.seal_as(&Stamp { time, note: None })
    }

    /// As [`Document::seal`]; every change gets `note` as its message.
    ///
    /// # Errors
    /// As [`Document::seal`]; also if the note exceeds [`crate::limits::MESSAGE_BYTES_MAX`].
    pub fn seal_with_note(&mut self, time: i64, note: &str) -> Result<Option<Sealed>, SealError> {
        let (bytes, limit) = (note.len(), MESSAGE_BYTES_MAX);
        if bytes > limit {
            return Err(SealError::NoteTooLong { bytes, limit });
        }
        self.seal_as(&Stamp { time, note: Some(note.to_owned()) })
    }

    fn seal_as(&mut self, stamp: &Stamp) -> Result<Option<Sealed>, SealError> {
        if self.broken {
            return Err(SealError::Broken);
        }
        if self.pending.is_empty() && self.base.is_none() {
            return Ok(None);
        }
        let mut sealed = if self.base.is_none() && self.fits_one_change() {
            self.seal_transaction(stamp)?
        } else {
            self.seal_in_groups(stamp)?
        };
        if sealed.changes.is_empty() {
            // Edits that come to nothing need no seeds either.
            self.rewind(0, 0);
            return Ok(None);
        }
        sealed.edits = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        // Our own edits reopen nothing; what was open may be decided.
        if std::mem::take(&mut self.decides) && self.reopened.get().is_some_and(|reopened| !reopened.is_empty()) {
            self.reopened.take();
        }
        if let Some(since) = &mut self.sealed_since {
            since.extend(sealed.seeds.iter().chain(&sealed.changes).map(|change| change.bytes.clone()));
        }
        Ok(Some(sealed))
    }

    fn fits_one_change(&self) -> bool {
        let ops = self.working.auto.pending_ops();
        let content = self.pending_bytes + self.working.deleted_key_bytes;
        ops as u64 <= OPS_MAX && ops * OP_BYTES + content <= CHANGE_BUDGET
    }

    fn seal_transaction(&mut self, stamp: &Stamp) -> Result<Sealed, SealError> {
        let committed = caught(|| commit(&mut self.working, stamp));
        // An estimate that was too low, or a panic: what was committed cannot be taken back here.
        let Ok(Ok(committed)) = committed else {
            self.broken = true;
            return Err(committed.map_or(SealError::Broken, |result| result.err().unwrap_or(SealError::Broken)));
        };
        let changes: Vec<_> = committed.into_iter().collect();
        if let Some(change) = changes.last() {
            self.heads = vec![change.header.hash];
            self.max_op = self.max_op.max(change.header.max_op());
        }
        Ok(Sealed { seeds: Vec::new(), changes, edits: Vec::new() })
    }

    fn seal_in_groups(&mut self, stamp: &Stamp) -> Result<Sealed, SealError> {
        let base = self.sealed_part().map_err(|_| SealError::Broken)?;
        let mut groups = Groups {
            working: Working::new(base, self.working.manual.clone()),
            queue: self.pending.iter().cloned().collect(),
            stamp: stamp.clone(),
            sealed: Sealed { seeds: Vec::new(), changes: Vec::new(), edits: Vec::new() },
        };
        if let Some(author) = self.author {
            groups.working.auto.set_actor(ActorId::from(author.0));
        }
        let missing_root = (!self.pending.is_empty())
            .then(|| self.type_name.clone().filter(|_| flat::type_name(&groups.working.auto).is_none()))
            .flatten()
            .map(|type_name| Seed::Root { type_name });
        // On a panic or an error the groups' copy is dropped and everything is as it was.
        guarded(|| groups.run(missing_root)).unwrap_or(Err(SealError::Broken))?;
        if groups.sealed.changes.is_empty() {
            return Ok(groups.sealed);
        }
        self.working = groups.working;
        self.view.changed();
        self.base = None;
        self.heads = admit::heads(&mut self.working.auto);
        self.max_op = admit::max_op(&mut self.working.auto);
        Ok(groups.sealed)
    }
}

/// What a change says besides its operations.
#[derive(Debug, Clone)]
struct Stamp {
    time: i64,
    note: Option<String>,
}

/// Commits what is open. `None` if that is nothing.
fn commit(working: &mut Working, stamp: &Stamp) -> Result<Option<Change>, SealError> {
    let mut options = CommitOptions::default().with_time(stamp.time);
    if let Some(note) = &stamp.note {
        options.set_message(note.clone());
    }
    let hash = working.auto.commit_with(options);
    working.transaction_ended();
    let Some(change) = hash.and_then(|hash| working.auto.get_change_by_hash(&hash)) else {
        return Ok(None);
    };
    let change = Change::parse(change.raw_bytes().to_vec().into())?;
    let (bytes, limit) = (change.bytes.len(), AUTHORED_CHANGE_BYTES_MAX);
    if bytes > limit { Err(SealError::TooLarge { bytes, limit }) } else { Ok(Some(change)) }
}

/// Replays intents from the sealed part, a change at a time.
struct Groups {
    working: Working,
    queue: VecDeque<Intent>,
    stamp: Stamp,
    sealed: Sealed,
}

impl Groups {
    fn run(&mut self, missing_root: Option<Seed>) -> Result<(), SealError> {
        let mut seeds: Vec<_> = missing_root.into_iter().collect();
        while !self.queue.is_empty() {
            let group = self.next_group(&mut seeds);
            self.plant(&std::mem::take(&mut seeds));
            self.seal_group(group)?;
        }
        Ok(())
    }

    /// One change of `group`; if estimates were wrong and it is too large, of its first half.
    fn seal_group(&mut self, mut group: Vec<Intent>) -> Result<(), SealError> {
        loop {
            let before = self.working.clone();
            for intent in &group {
                self.working.perform(intent)?;
            }
            match commit(&mut self.working, &self.stamp) {
                Err(SealError::TooLarge { .. } | SealError::Header(_)) if group.len() > 1 => {
                    self.working = before;
                    let rest = group.split_off(group.len() / 2);
                    rest.into_iter().rev().for_each(|intent| self.queue.push_front(intent));
                }
                committed => {
                    self.sealed.changes.extend(committed?);
                    return Ok(());
                }
            }
        }
    }

    /// Takes intents until a change is full or has seeds enough; an intent too large for one change is replaced by its
    /// parts.
    fn next_group(&mut self, seeds: &mut Vec<Seed>) -> Vec<Intent> {
        let mut known: HashSet<Seed> = seeds.iter().cloned().collect();
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(intent) = self.queue.pop_front() {
            let cost = self.cost(&intent);
            if group.is_empty() && cost > CHANGE_BUDGET {
                let parts = self.parts(&intent);
                if parts.len() > 1 {
                    parts.into_iter().rev().for_each(|part| self.queue.push_front(part));
                    continue;
                }
            }
            let seed = self.working.missing_seed(&intent).filter(|seed| !known.contains(seed));
            let full = bytes + cost > CHANGE_BUDGET || known.len() + usize::from(seed.is_some()) > SEED_GROUP_MAX;
            if full && !group.is_empty() {
                self.queue.push_front(intent);
                break;
            }
            if let Some(seed) = seed {
                known.insert(seed.clone());
                seeds.push(seed);
            }
            bytes += cost;
            group.push(intent);
        }
        group
    }

    fn plant(&mut self, seeds: &[Seed]) {
        let changes: Vec<_> = seeds.iter().map(Seed::change).collect();
        let planted = self.working.auto.apply_changes(changes.iter().map(automerge_change).collect::<Vec<_>>());
        assert!(planted.is_ok(), "a seed cannot be planted: {planted:?}");
        self.sealed.seeds.extend(changes);
    }

    /// About how many bytes `intent` adds to a change, rather too many.
    fn cost(&self, intent: &Intent) -> usize {
        let ops = match intent {
            Intent::Splice { delete, insert, .. } => delete * OP_BYTES + insert.chars().count() * RUN_CHARACTER_BYTES,
            Intent::ReplaceText { path, text } => self.replace_cost(path, text),
            Intent::Put { path, value: Value::String(text) }
                if flat::leaf_kind(&self.working.auto, path) == flat::Leaf::Text =>
            {
                self.replace_cost(path, text)
            }
            Intent::Put { path, .. }
            | Intent::PutRegister { path, .. }
            | Intent::Remove { path }
            | Intent::Resolve { path, .. } => {
                let below = flat::keys_below(&self.working.auto, path);
                below.iter().map(|key| key.len() + 2 * OP_BYTES).sum()
            }
            Intent::Increment { .. } => 0,
        };
        own_bytes(intent) + ops
    }

    fn replace_cost(&self, path: &str, text: &str) -> usize {
        let old = flat::text_object(&self.working.auto, path).map_or(0, |object| self.working.auto.length(object));
        old * OP_BYTES + text.chars().count() * (OP_BYTES + RUN_CHARACTER_BYTES)
    }

    /// Smaller intents that together do what `intent` does.
    fn parts(&self, intent: &Intent) -> Vec<Intent> {
        match intent {
            Intent::Splice { path, at, delete, insert } => splice_parts(path, *at, *delete, insert),
            Intent::ReplaceText { path, text } | Intent::Put { path, value: Value::String(text) } => {
                let old = flat::text(&self.working.auto, path).unwrap_or_default();
                let Splice { at, delete, insert } = difference::middle(&old, text);
                splice_parts(path, at, delete, &insert)
            }
            Intent::Put { path, value: Value::Object(map) } => {
                let mut parts = self.removals(path, Some(map));
                parts.extend(map.iter().map(|(key, value)| {
                    let mut path = path.clone();
                    pointer::push(&mut path, key);
                    Intent::Put { path, value: value.clone() }
                }));
                parts
            }
            Intent::Put { path, .. } | Intent::PutRegister { path, .. } => {
                let mut parts = self.removals(path, None);
                parts.push(intent.clone());
                parts
            }
            Intent::Remove { path } => {
                let mut parts = self.removals(path, None);
                parts.push(intent.clone());
                parts
            }
            Intent::Increment { .. } | Intent::Resolve { .. } => vec![intent.clone()],
        }
    }

    /// Removes each leaf below `path` that is not under one of the keys kept.
    fn removals(&self, path: &str, keep: Option<&serde_json::Map<String, Value>>) -> Vec<Intent> {
        let kept = |leaf: &str| {
            let key = pointer::keys(&leaf[path.len()..]).next();
            keep.zip(key).is_some_and(|(keep, key)| keep.contains_key(key.as_ref()))
        };
        let below = flat::keys_below(&self.working.auto, path);
        below.into_iter().filter(|leaf| !kept(leaf)).map(|path| Intent::Remove { path }).collect()
    }
}

/// Deletes first, then inserts, in parts that each fit a change.
fn splice_parts(path: &str, at: usize, delete: usize, insert: &str) -> Vec<Intent> {
    let splice =
        |at, delete, insert: &str| Intent::Splice { path: path.to_owned(), at, delete, insert: insert.to_owned() };
    let mut parts = Vec::new();
    let mut left = delete;
    while left > 0 {
        let count = left.min(PART_CHARACTERS);
        parts.push(splice(at, count, ""));
        left -= count;
    }
    let (mut position, mut rest) = (at, insert);
    while !rest.is_empty() {
        let end = rest.char_indices().nth(PART_CHARACTERS).map_or(rest.len(), |(end, _)| end);
        let (part, after) = rest.split_at(end);
        parts.push(splice(position, 0, part));
        position += part.chars().count();
        rest = after;
    }
    parts
}

/// Bytes that an intent adds to a change apart from its operations: path and content.
pub(super) fn own_bytes(intent: &Intent) -> usize {
    let content = match intent {
        Intent::Splice { insert: text, .. } | Intent::ReplaceText { text, .. } => text.len(),
        Intent::Put { path, value } | Intent::PutRegister { path, value } | Intent::Resolve { path, value, .. } => {
            value_bytes(path.len(), value)
        }
        Intent::Remove { .. } | Intent::Increment { .. } => 0,
    };
    INTENT_BYTES + 2 * intent.path().len() + content
}

fn value_bytes(path_bytes: usize, value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(_) => 10,
        Value::String(text) => text.len(),
        Value::Array(_) => flat::canonical_json(value).len(),
        // Either leaves, each with its whole path, or one register with its keys.
        Value::Object(map) => map
            .iter()
            .map(|(key, inner)| {
                let path_bytes = path_bytes + key.len() + 1;
                4 * OP_BYTES + path_bytes + key.len() + value_bytes(path_bytes, inner)
            })
            .sum(),
    }
}
