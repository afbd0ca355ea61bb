//! What a relay sent goes into a loaded document as it went into the file, if nothing else came between.

use std::sync::atomic::Ordering;

use sync_wire::Blob;

use super::{Loaded, State};
use crate::storage::Moved;

/// What one transaction stored of a document.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where the document stood before.
    from: Moved,
    /// The last row.
    to: i64,
    changes: Vec<Blob>,
    /// Whether the changes are all that moved in the file.
    pub(crate) is_plain: bool,
}

impl Arrival {
    pub(crate) fn after(from: Moved) -> Self {
        Self { from, to: from.point, changes: Vec::new(), is_plain: true }
    }

    pub(crate) fn add(&mut self, row: i64, change: Blob) {
        self.to = row;
        self.changes.push(change);
    }
}

impl Loaded {
    /// Adds what was stored, if all that the file had before is in memory. `false`: look at the file, which tells more.
    pub(crate) fn add_arrived(&self, state: &mut State, arrival: &Arrival) -> bool {
        let (Some(document), Some(stored)) = (state.document.as_mut(), state.stored.as_mut()) else { return false };
        let is_current = arrival.is_plain
            && !self.stale.load(Ordering::Acquire)
            && !state.lineage.is_broken()
            && state.held.is_none()
            && state.generation == arrival.from.generation
            && state.lineage.point.load(Ordering::Acquire) == arrival.from.point;
        // A change that waits for another, or that cannot be applied, is found again in the file and dealt with there.
        if !is_current || !arrival.changes.is_empty() && document.apply(&arrival.changes).is_err() {
            return false;
        }
        state.lineage.advance(arrival.from.point, arrival.to);
        if !arrival.changes.is_empty() {
            stored.moved.point = stored.moved.point.max(arrival.to);
            stored.title_is_stale = true;
            stored.bytes += arrival.changes.iter().map(|change| change.len() as u64).sum::<u64>();
            self.weigh(state);
        }
        true
    }
}
