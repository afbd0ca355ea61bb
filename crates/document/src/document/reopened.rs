//! Conflicts that were closed without a decision: an older or foreign program wrote one value over several. The values
//! are in the history, and wait again until somebody resolves them.
//!
//! A resolution deletes what it closes and puts its value, in one change; a put over several values is none, and
//! neither is a deletion of some of them, which is what Automerge makes of a put of the value that is shown
//! (docs/decisions/0018-conflicts.md). So the operations of the changes tell, whoever made them.

use std::collections::{BTreeMap, HashMap, HashSet};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{AutoCommit, Change, ExpandedChange};
use serde_json::Value;
use sync_wire::{Actor, ChangeHash};

use super::{Alternative, Document};
use crate::flat::concurrent;
use crate::header::may_close_values;
use crate::intent::Intent;
use crate::manual::ManualFields;

/// Values that wait again, by path.
pub(super) type Reopened = BTreeMap<String, Vec<Alternative>>;

impl Document {
    /// The values of a manual field that were closed without a decision, the newest first. None any more once an
    /// unsealed edit resolves them.
    ///
    /// The first look after changes of others came in reads the whole history.
    pub(super) fn waiting_again(&self, path: &str) -> &[Alternative] {
        let is_resolved = |intent: &Intent| matches!(intent, Intent::Resolve { path: at, .. } if at == path);
        if self.pending.iter().any(is_resolved) {
            return &[];
        }
        self.reopened().get(path).map_or(&[], Vec::as_slice)
    }

    pub(super) fn reopened(&self) -> &Reopened {
        self.reopened.get_or_init(|| {
            if self.working.manual.is_empty() {
                return Reopened::new();
            }
            // Where the history cannot be read, what stands in the document is guarded all the same.
            self.look_back(|copy| find(copy, &self.working.manual)).unwrap_or_default()
        })
    }
}

fn find(copy: &mut AutoCommit, manual: &ManualFields) -> Reopened {
    let changes = copy.get_changes(&[]);
    // Mostly there is none, and nothing need be taken apart.
    if !changes.iter().any(|change| may_close_values(change.raw_bytes())) {
        return Reopened::new();
    }
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    for change in &changes {
        read(&change.decode(), hash_of(change), manual, &mut fields);
    }
    let deps: HashMap<_, _> = changes.iter().map(|change| (hash_of(change), deps_of(change))).collect();
    let waiting = fields.into_iter().map(|(path, field)| (path, field.waiting(&deps)));
    waiting.filter(|(_, values)| !values.is_empty()).collect()
}

fn hash_of(change: &Change) -> ChangeHash {
    ChangeHash(change.hash().0)
}

fn deps_of(change: &Change) -> Vec<ChangeHash> {
    change.deps().iter().map(|dep| ChangeHash(dep.0)).collect()
}

struct Closing {
    by: ChangeHash,
    below: Vec<OpId>,
    /// Whether it put a value of its own.
    puts: bool,
}

/// All that was ever written to one field.
#[derive(Default)]
struct Field {
    values: HashMap<OpId, Alternative>,
    /// Writes that are no resolutions, and closed something.
    closings: Vec<Closing>,
    resolutions: Vec<ChangeHash>,
    /// By which changes a value was closed.
    closed_by: HashMap<OpId, Vec<ChangeHash>>,
}

impl Field {
    /// What lies below writes that decided nothing, and that no resolution has seen.
    fn waiting(self, deps: &HashMap<ChangeHash, Vec<ChangeHash>>) -> Vec<Alternative> {
        let settled = ancestors(&self.resolutions, deps);
        let mut waiting: BTreeMap<(u64, Vec<u8>), &Alternative> = BTreeMap::new();
        for closing in self.closings.iter().filter(|closing| !settled.contains(&closing.by)) {
            let below: Vec<_> = closing.below.iter().filter_map(|id| Some((id, self.values.get(id)?))).collect();
            let left = if closing.puts { Vec::new() } else { self.left_by(closing, deps) };
            let mut seen = below.iter().map(|(_, one)| *one).chain(left);
            let Some(first) = seen.next() else { continue };
            if seen.any(|one| one.value != first.value) {
                waiting.extend(below.into_iter().map(|(id, one)| ((id.0, id.1.to_bytes().to_vec()), one)));
            }
        }
        waiting.into_values().rev().cloned().collect()
    }

    /// What still stood for the author of a deletion.
    fn left_by(&self, closing: &Closing, deps: &HashMap<ChangeHash, Vec<ChangeHash>>) -> Vec<&Alternative> {
        let known = ancestors(deps.get(&closing.by).map_or(&[], Vec::as_slice), deps);
        let is_closed = |id: &OpId| {
            let by = self.closed_by.get(id).into_iter().flatten();
            closing.below.contains(id) || by.into_iter().any(|change| known.contains(change))
        };
        let stood = self.values.iter().filter(|(id, one)| known.contains(&one.hash) && !is_closed(id));
        stood.map(|(_, one)| one).collect()
    }
}

fn ancestors(of: &[ChangeHash], deps: &HashMap<ChangeHash, Vec<ChangeHash>>) -> HashSet<ChangeHash> {
    let (mut found, mut left) = (HashSet::new(), of.to_vec());
    while let Some(hash) = left.pop() {
        if found.insert(hash) {
            left.extend(deps.get(&hash).into_iter().flatten());
        }
    }
    found
}

/// What one change did to each field.
#[derive(Default)]
struct Deed {
    own: HashSet<OpId>,
    below: Vec<OpId>,
    deletes: bool,
    puts: bool,
    resolves: bool,
}

fn read(change: &ExpandedChange, hash: ChangeHash, manual: &ManualFields, fields: &mut BTreeMap<String, Field>) {
    let Some(actor) = Actor::from_slice(change.actor_id.to_bytes()) else { return };
    let mut deeds: BTreeMap<&str, Deed> = BTreeMap::new();
    for (at, op) in (change.start_op.get()..).zip(&change.operations) {
        let Some(path) = path_of(op).filter(|path| manual.includes(path)) else { continue };
        let id = OpId(at, change.actor_id.clone());
        let deed = deeds.entry(path).or_default();
        deed.below.extend(op.pred.iter().filter(|pred| !deed.own.contains(*pred)).cloned());
        match &op.action {
            OpType::Delete => deed.deletes = true,
            OpType::Put(value) => {
                deed.puts = true;
                deed.resolves |= deed.deletes;
                let value = concurrent::register_of(value).unwrap_or(Value::Null);
                let field = fields.entry(path.to_owned()).or_default();
                field.values.insert(id.clone(), Alternative { value, hash, actor });
            }
            _ => {}
        }
        deed.own.insert(id);
    }
    for (path, deed) in deeds {
        let field = fields.entry(path.to_owned()).or_default();
        for id in &deed.below {
            field.closed_by.entry(id.clone()).or_default().push(hash);
        }
        if deed.resolves {
            field.resolutions.push(hash);
        } else if !deed.below.is_empty() {
            field.closings.push(Closing { by: hash, below: deed.below, puts: deed.puts });
        }
    }
}

fn path_of(op: &Op) -> Option<&str> {
    match (&op.obj, &op.key) {
        (ObjectId::Root, Key::Map(name)) => Some(name.as_str()),
        _ => None,
    }
}
