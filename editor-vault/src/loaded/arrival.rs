//! What a relay sent goes into a loaded document as it went into the file, if nothing else came between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use document::{Document, Preparation};
use sync_wire::Blob;

use super::{Loaded, State, Window};
use crate::storage::Moved;
use crate::vault::Inner;

/// How often a copy catches up with edits that were made meanwhile before the document waits for it.
const ROUNDS_MAX: usize = 4;
/// Documents beyond this have no unsealed edits carried over.
const CARRY_BYTES_MAX: usize = 1 << 20;

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
    ///
    /// Others read and edit meanwhile: a copy takes the changes in, and what was edited since, and takes the document's
    /// place.
    pub(crate) fn add_arrived(self: &Arc<Self>, inner: &Arc<Inner>, arrival: &Arrival) -> bool {
        let preparation = {
            let mut state = self.lock();
            if !self.precedes(&state, arrival) {
                return false;
            }
            if arrival.changes.is_empty() {
                self.advance_past(&mut state, arrival);
                return true;
            }
            let Some(Ok(preparation)) = state.document.as_mut().map(Document::prepare) else { return false };
            state.arriving = Some(arrival.to);
            preparation
        };
        let is_done = self.add_by(inner, arrival, preparation);
        self.lock().arriving = None;
        is_done
    }

    fn add_by(self: &Arc<Self>, inner: &Arc<Inner>, arrival: &Arrival, mut preparation: Preparation) -> bool {
        // A change that waits for another, or that cannot be applied, is found again in the file and dealt with there.
        let mut is_applied = preparation.apply(&arrival.changes).is_ok();
        for _ in 0..ROUNDS_MAX {
            if !is_applied {
                return false;
            }
            let mut state = self.lock();
            match self.adopt(inner, &mut state, arrival, preparation) {
                Ok(replaced) => {
                    drop(state);
                    drop(replaced); // takes its time
                    return true;
                }
                Err(Some(behind)) => preparation = *behind,
                Err(None) => return false,
            }
            drop(state);
            is_applied = preparation.catch_up().is_ok();
        }
        false
    }

    /// Puts the copy in the document's place, if nothing was edited since; else gives it back, to catch up.
    fn adopt(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        state: &mut State,
        arrival: &Arrival,
        preparation: Preparation,
    ) -> Result<Document, Option<Box<Preparation>>> {
        if !self.precedes(state, arrival) {
            return Err(None);
        }
        // To carry unsealed edits of a text over costs as much as to apply changes. Sealed, they merge.
        if self.bytes.load(Ordering::Acquire) > CARRY_BYTES_MAX
            && let Some(Window { ticket, writing }) = state.window.take()
        {
            inner.commit_local(self, state, writing, ticket);
        }
        let document = state.document.as_mut().ok_or(None)?;
        let replaced = document.adopt(preparation)?;
        self.advance_past(state, arrival);
        Ok(replaced)
    }

    /// Whether the document in memory is what the file had before the arrival.
    fn precedes(&self, state: &State, arrival: &Arrival) -> bool {
        arrival.is_plain
            && state.document.is_some()
            && state.stored.is_some()
            && !self.stale.load(Ordering::Acquire)
            && !state.lineage.is_broken()
            && state.held.is_none()
            && state.generation == arrival.from.generation
            && state.lineage.point.load(Ordering::Acquire) == arrival.from.point
    }

    fn advance_past(&self, state: &mut State, arrival: &Arrival) {
        state.lineage.advance(arrival.from.point, arrival.to);
        let Some(stored) = state.stored.as_mut().filter(|_| !arrival.changes.is_empty()) else { return };
        stored.moved.point = stored.moved.point.max(arrival.to);
        stored.title_is_stale = true;
        stored.bytes += arrival.changes.iter().map(|change| change.len() as u64).sum::<u64>();
        self.weigh(state);
    }
}
