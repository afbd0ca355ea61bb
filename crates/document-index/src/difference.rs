//! What leads from one answer to the next.

use std::collections::HashMap;

use sync_wire::{DocumentId, SpaceId};

use crate::answer::Found;
use crate::live::Entry;

/// What changed in the answer to a query. Places are those in the new answer, ascending.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Difference {
    /// Documents that are no longer in it.
    pub removed: Vec<(SpaceId, DocumentId)>,
    /// Documents that are new in it.
    pub added: Vec<(usize, Found)>,
    /// Documents that stand elsewhere among those that stay, as they are now.
    pub moved: Vec<(usize, Found)>,
    /// Documents that stay where they were, as they are now.
    pub changed: Vec<(usize, Found)>,
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.moved.is_empty() && self.changed.is_empty()
    }

    /// Makes the answer before into the answer now: takes out what was removed or moved, puts in what was added or
    /// moved, the first place first, and replaces what changed.
    pub fn apply(&self, found: &mut Vec<Found>) {
        let leaves = |one: &Found| {
            let is_moved = |(_, moved): &(usize, Found)| (moved.space, moved.id) == (one.space, one.id);
            self.removed.contains(&(one.space, one.id)) || self.moved.iter().any(is_moved)
        };
        found.retain(|one| !leaves(one));
        let mut put: Vec<&(usize, Found)> = self.added.iter().chain(&self.moved).collect();
        put.sort_by_key(|(place, _)| *place);
        for (place, one) in put {
            found.insert((*place).min(found.len()), one.clone());
        }
        for (place, one) in &self.changed {
            if let Some(changed) = found.get_mut(*place) {
                *changed = one.clone();
            }
        }
    }

    /// From one answer to the next, both in the order of their places.
    #[must_use]
    pub fn between(before: &[Entry], after: &[Entry]) -> Self {
        let was: HashMap<u64, &Entry> = before.iter().map(|entry| (entry.row, entry)).collect();
        let is: HashMap<u64, &Entry> = after.iter().map(|entry| (entry.row, entry)).collect();
        let stays = |entry: &&Entry| was.contains_key(&entry.row) && is.contains_key(&entry.row);
        let row = |entry: &Entry| entry.row;
        let is_in_order = before.iter().filter(stays).map(row).eq(after.iter().filter(stays).map(row));
        let mut difference = Self::default();
        for entry in before.iter().filter(|entry| !is.contains_key(&entry.row)) {
            difference.removed.push((entry.found.space, entry.found.id));
        }
        for (place, entry) in after.iter().enumerate() {
            match was.get(&entry.row) {
                None => difference.added.push((place, entry.found.clone())),
                // Those whose key is as it was are in the same order among themselves.
                Some(old) if !is_in_order && old.seek.key != entry.seek.key => {
                    difference.moved.push((place, entry.found.clone()));
                }
                Some(old) if old.found != entry.found => difference.changed.push((place, entry.found.clone())),
                Some(_) => {}
            }
        }
        difference
    }
}
