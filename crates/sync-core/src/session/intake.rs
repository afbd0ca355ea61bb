//! Batches of this device that wait in the intake: what becomes of them is told unasked, and costs no credit.
//!
//! Those that get into the log are delivered like any other entry. Of the others the session hears a hint, and reads
//! what there is to say. One that is forgotten here is pushed again after the next `Hello`.

use std::collections::{BTreeMap, BTreeSet};

use sync_wire::{BatchId, DeviceId, DocumentId, Entry, RelayFrame, SpaceId};

use super::lanes::answer;
use super::late::JudgedBy;
use super::{Effect, Outcome};

/// Batches that are remembered.
const STORED_MAX: usize = 65_536;

/// What became of batches of documents.
pub(super) type Outcomes = Vec<(DocumentId, BatchId, Outcome)>;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Intake {
    device: DeviceId,
    spaces: BTreeMap<SpaceId, Stored>,
    count: usize,
}

/// What was stored of one space.
#[derive(Debug, Default)]
struct Stored {
    batches: BTreeSet<(DocumentId, BatchId)>,
    is_reading: bool,
    /// Something was decided since the last question.
    is_due: bool,
}

impl Intake {
    pub(super) const fn of(device: DeviceId) -> Self {
        Self { device, spaces: BTreeMap::new(), count: 0 }
    }

    /// A batch was stored for this device.
    pub(super) fn stored(&mut self, space: SpaceId, document: DocumentId, batch: BatchId, effects: &mut Vec<Effect>) {
        if self.count >= STORED_MAX {
            return;
        }
        let stored = self.spaces.entry(space).or_default();
        self.count += usize::from(stored.batches.insert((document, batch)));
        // The hint may have been quicker than the answer of the push.
        if stored.is_due {
            stored.read(space, self.device, effects);
        }
    }

    /// Entries are on their way to the device.
    pub(super) fn delivered(&mut self, space: SpaceId, entries: &[Entry]) {
        let Some(stored) = self.spaces.get_mut(&space) else { return };
        for entry in entries {
            self.count -= usize::from(stored.batches.remove(&(entry.document, entry.batch)));
        }
    }

    /// Batches of a space were decided on, by whoever.
    pub(super) fn hinted(&mut self, space: SpaceId, effects: &mut Vec<Effect>) {
        let stored = self.spaces.entry(space).or_default();
        stored.is_due = true;
        if !stored.batches.is_empty() {
            stored.read(space, self.device, effects);
        }
    }

    /// Heals lost hints.
    pub(super) fn poll(&mut self, effects: &mut Vec<Effect>) {
        for (space, stored) in &mut self.spaces {
            if !stored.batches.is_empty() {
                stored.read(*space, self.device, effects);
            }
        }
    }

    /// Tells the device what became of batches that will not be delivered; gives what those were judged by that are
    /// parked.
    pub(super) fn decided(&mut self, space: SpaceId, outcomes: Outcomes, effects: &mut Vec<Effect>) -> Vec<JudgedBy> {
        let mut parked = Vec::new();
        let Some(stored) = self.spaces.get_mut(&space) else { return parked };
        stored.is_reading = false;
        for (document, batch, outcome) in outcomes {
            if stored.batches.remove(&(document, batch)) {
                self.count -= 1;
                let frame = answer(space, document, batch, outcome);
                if let RelayFrame::Park(park) = &frame {
                    parked.extend(JudgedBy::of(park));
                }
                effects.push(Effect::Send(frame));
            }
        }
        if stored.is_due && !stored.batches.is_empty() {
            stored.read(space, self.device, effects);
        }
        parked
    }

    /// The device may not read the space any more.
    pub(super) fn forget(&mut self, space: SpaceId) {
        self.count -= self.spaces.remove(&space).map_or(0, |stored| stored.batches.len());
    }
}

impl Stored {
    fn read(&mut self, space: SpaceId, device: DeviceId, effects: &mut Vec<Effect>) {
        if self.is_reading {
            self.is_due = true;
            return;
        }
        (self.is_reading, self.is_due) = (true, false);
        effects.push(Effect::ReadOutcomes { space, device, batches: self.batches.iter().copied().collect() });
    }
}
