//! What becomes of one operation when some that it may refer to are gone.

use std::collections::{BTreeSet, HashMap, HashSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ExpandedChange};
use sync_wire::ChangeHash;

/// Why a change is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Lost,
    Renamed,
    Later,
}

/// What became of the operations of replaced changes, by their old names.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    fates: HashMap<OpId, Fate>,
    /// What lost deletions had deleted, by place: the value comes back and must be overwritten by whoever saw none.
    undeleted: HashMap<Place, Vec<(ChangeHash, Vec<OpId>)>>,
}

/// A key of a map or an element of a sequence.
type Place = (ObjectId, Key);

#[derive(Debug)]
enum Fate {
    Moved(OpId),
    Lost {
        /// What it overwrote, by old names.
        pred: Vec<OpId>,
        /// After which element it stood, if it was one.
        after: Option<ElementId>,
    },
}

impl Rewriter {
    /// Takes in that all operations of a change are gone.
    pub(super) fn lose(&mut self, hash: ChangeHash, change: &ExpandedChange) {
        for (op, id) in named(change) {
            self.lose_one(hash, op, id);
        }
    }

    fn lose_one(&mut self, hash: ChangeHash, op: &Op, id: OpId) {
        let pred: Vec<OpId> = op.pred.iter().cloned().collect();
        if op.action == OpType::Delete {
            self.undeleted.entry((op.obj.clone(), op.key.clone())).or_default().push((hash, pred.clone()));
        }
        let after = op.key.as_element_id().filter(|_| op.insert);
        self.fates.insert(id, Fate::Lost { pred, after });
    }

    /// The operations of a change as they are without what is lost, to be written by `actor` from counter `start` on.
    pub(super) fn rewrite(
        &mut self,
        change: &ExpandedChange,
        actor: &ActorId,
        start: u64,
        lost_before: &HashSet<ChangeHash>,
    ) -> Vec<Op> {
        let mut kept: Vec<Op> = Vec::with_capacity(change.operations.len());
        let mut overwritten = HashSet::new();
        for (op, id) in named(change) {
            match self.rewrite_one(op, lost_before, &mut overwritten) {
                Some(new) => {
                    self.fates.insert(id, Fate::Moved(OpId(start + kept.len() as u64, actor.clone())));
                    kept.push(new);
                }
                None => {
                    let pred = op.pred.iter().cloned().collect();
                    let after = op.key.as_element_id().filter(|_| op.insert);
                    self.fates.insert(id, Fate::Lost { pred, after });
                }
            }
        }
        kept
    }

    fn rewrite_one(&self, op: &Op, lost_before: &HashSet<ChangeHash>, overwritten: &mut HashSet<Place>) -> Option<Op> {
        let obj = match &op.obj {
            ObjectId::Root => ObjectId::Root,
            ObjectId::Id(id) => ObjectId::Id(self.present(id)?),
        };
        let key = match &op.key {
            Key::Map(name) => Key::Map(name.clone()),
            Key::Seq(element) if op.insert => Key::Seq(self.nearest(element)),
            Key::Seq(ElementId::Head) => Key::head(),
            Key::Seq(ElementId::Id(id)) => Key::Seq(ElementId::Id(self.present(id)?)),
        };
        let pred = match op.action {
            // What was lost may have been the counter itself; a number in its place cannot be incremented.
            OpType::Increment(_) => op.pred.iter().filter_map(|id| self.present(id)).collect(),
            _ if op.insert => BTreeSet::new(),
            _ => self.overwrites(op, lost_before, overwritten),
        };
        if pred.is_empty() && matches!(op.action, OpType::Delete | OpType::Increment(_)) {
            return None;
        }
        let pred = pred.into_iter().collect::<Vec<_>>().into();
        Some(Op { action: op.action.clone(), obj, key, pred, insert: op.insert })
    }

    /// What leads from the new names to the old ones.
    pub(super) fn back(self) -> Self {
        let moved = |(old, fate)| if let Fate::Moved(new) = fate { Some((new, Fate::Moved(old))) } else { None };
        Self { fates: self.fates.into_iter().filter_map(moved).collect(), undeleted: HashMap::new() }
    }

    /// The new name of an operation; none if it is lost. Whatever is not replaced keeps its name.
    fn present(&self, id: &OpId) -> Option<OpId> {
        match self.fates.get(id) {
            Some(Fate::Moved(new)) => Some(new.clone()),
            Some(Fate::Lost { .. }) => None,
            None => Some(id.clone()),
        }
    }

    /// The element itself, or the one after which the lost one stood.
    fn nearest(&self, element: &ElementId) -> ElementId {
        let mut element = element;
        while let ElementId::Id(id) = element {
            match self.fates.get(id) {
                Some(Fate::Lost { after: Some(before), .. }) => element = before,
                Some(Fate::Moved(new)) => return ElementId::Id(new.clone()),
                Some(Fate::Lost { after: None, .. }) | None => return element.clone(),
            }
        }
        ElementId::Head
    }

    /// What a value or deletion overwrites: where that is lost, what the lost one had overwritten.
    fn overwrites(
        &self,
        op: &Op,
        lost_before: &HashSet<ChangeHash>,
        overwritten: &mut HashSet<Place>,
    ) -> BTreeSet<OpId> {
        let mut present = self.present_below(op.pred.iter().cloned().collect());
        let place = (op.obj.clone(), op.key.clone());
        if present.is_empty() && overwritten.insert(place.clone()) {
            let deletions = self.undeleted.get(&place).into_iter().flatten();
            let seen = deletions.filter(|(change, _)| lost_before.contains(change));
            present = self.present_below(seen.flat_map(|(_, pred)| pred.clone()).collect());
        }
        present
    }

    fn present_below(&self, mut ids: Vec<OpId>) -> BTreeSet<OpId> {
        let (mut present, mut seen) = (BTreeSet::new(), HashSet::new());
        while let Some(id) = ids.pop() {
            match self.fates.get(&id) {
                Some(Fate::Moved(new)) => drop(present.insert(new.clone())),
                Some(Fate::Lost { pred, .. }) if seen.insert(id.clone()) => ids.extend(pred.iter().cloned()),
                Some(Fate::Lost { .. }) => {}
                None => drop(present.insert(id)),
            }
        }
        present
    }
}

/// Operations with their names: an operation is named by its place after the start of its change.
fn named(change: &ExpandedChange) -> impl Iterator<Item = (&Op, OpId)> {
    let start = change.start_op.get();
    let name = move |index: usize| OpId(start + index as u64, change.actor_id.clone());
    change.operations.iter().enumerate().map(move |(index, op)| (op, name(index)))
}
