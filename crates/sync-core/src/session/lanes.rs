//! Pushes, document by document: one append at a time per document, in order; after a batch that was not taken, the
//! rest of its lane is skipped until the device begins the lane anew (PROTOCOL §5).

use std::collections::{BTreeMap, VecDeque};

use sync_wire::{Ack, BatchId, Content, DeviceId, DocumentId, Need, Park, Push, Refuse, RelayFrame, Skipped, SpaceId};

use super::{Breach, Effect, Outcome, Pushed, check_push_credit};

/// Lanes that a device may leave stalled on one connection.
const STALLED_LANES_MAX: usize = 65_536;
/// Batches of one append, in bytes, unless one alone has more: enough to share what an append costs, and little enough
/// that others who write do not wait long.
const APPEND_BYTES_MAX: usize = 64 << 10;

/// The lanes of one connection. A lane that is idle and was never stalled is not kept.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<(SpaceId, DocumentId), Lane>,
    unanswered: usize,
    unanswered_bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    number: u32,
    is_stalled: bool,
    /// Batches that an append is under way for, with their sizes, in order.
    appending: Vec<usize>,
    /// Batches that came meanwhile; they are appended together, so many at once as an append may have.
    queue: VecDeque<Pushed>,
}

/// Bytes that count against the credit of a push.
pub(super) fn content_bytes(content: &Content) -> usize {
    match content {
        Content::Changes(changes) => changes.iter().map(|change| change.len()).sum(),
        Content::Tombstone(heads) => heads.len() * 32,
        Content::Restore => 0,
    }
}

impl Lanes {
    /// Takes the credit of a push.
    pub(super) fn count(&mut self, content: &Content) -> Result<(), Breach> {
        self.unanswered += 1;
        self.unanswered_bytes += content_bytes(content);
        check_push_credit(self.unanswered, self.unanswered_bytes)
    }

    /// Returns the credit of a push that was answered.
    pub(super) fn settle(&mut self, content: &Content) {
        self.release(content_bytes(content));
    }

    fn release(&mut self, bytes: usize) {
        self.unanswered -= 1;
        self.unanswered_bytes -= bytes;
    }

    /// Starts or queues the append of a counted push, or skips it.
    pub(super) fn push(&mut self, device: DeviceId, push: Push, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let Push { space, document, lane: number, batch, content } = push;
        let lane = self.lanes.entry((space, document)).or_default();
        if number > lane.number {
            if !lane.appending.is_empty() {
                return Err(Breach(format!(
                    "lane {number} of document {document} began before lane {} ended",
                    lane.number
                )));
            }
            lane.number = number;
            lane.is_stalled = false;
        }
        if number < lane.number || lane.is_stalled {
            self.release(content_bytes(&content));
            effects.push(skipped(space, document, batch));
            return Ok(());
        }
        lane.queue.push_back(Pushed { batch, content });
        if lane.appending.is_empty() {
            effects.push(lane.append(device, space, document));
        }
        if self.lanes.len() > STALLED_LANES_MAX {
            return Err(Breach(format!("more than {STALLED_LANES_MAX} lanes are stalled")));
        }
        Ok(())
    }

    /// Answers the batches of an append, and starts the next one or skips what waited.
    pub(super) fn answer(
        &mut self,
        device: DeviceId,
        space: SpaceId,
        document: DocumentId,
        outcomes: Vec<(BatchId, Outcome)>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.lanes.get_mut(&(space, document)) else { return };
        let sizes = std::mem::take(&mut lane.appending);
        assert_eq!(sizes.len(), outcomes.len(), "the shell answers every batch of an append");
        for (batch, outcome) in outcomes {
            lane.is_stalled |= !matches!(outcome, Outcome::Appended { .. } | Outcome::Stored);
            effects.push(Effect::Send(answer(space, document, batch, outcome)));
        }
        let mut released = sizes;
        if lane.is_stalled {
            for pushed in lane.queue.drain(..) {
                released.push(content_bytes(&pushed.content));
                effects.push(skipped(space, document, pushed.batch));
            }
        } else if !lane.queue.is_empty() {
            effects.push(lane.append(device, space, document));
        } else if lane.number == 0 {
            self.lanes.remove(&(space, document));
        }
        released.into_iter().for_each(|bytes| self.release(bytes));
    }
}

impl Lane {
    fn append(&mut self, device: DeviceId, space: SpaceId, document: DocumentId) -> Effect {
        let mut bytes = 0;
        for pushed in &self.queue {
            let size = content_bytes(&pushed.content);
            if bytes + size > APPEND_BYTES_MAX && !self.appending.is_empty() {
                break;
            }
            bytes += size;
            self.appending.push(size);
        }
        let batches = self.queue.drain(..self.appending.len()).collect();
        Effect::Append { space, document, device, batches }
    }
}

const fn skipped(space: SpaceId, document: DocumentId, batch: BatchId) -> Effect {
    Effect::Send(RelayFrame::Skipped(Skipped { space, document, batch }))
}

pub(super) fn answer(space: SpaceId, document: DocumentId, batch: BatchId, outcome: Outcome) -> RelayFrame {
    match outcome {
        Outcome::Appended { at, proof } => RelayFrame::Ack(Ack { space, document, batch, at: Some(at), proof }),
        Outcome::Stored => RelayFrame::Ack(Ack { space, document, batch, at: None, proof: None }),
        Outcome::Refused { culprit, code, detail } => {
            RelayFrame::Refuse(Refuse { space, document, batch, culprit, code, detail })
        }
        Outcome::Parked { code, judged_by, detail } => {
            RelayFrame::Park(Park { space, document, batch, code, judged_by, detail })
        }
        Outcome::Need { hashes } => RelayFrame::Need(Need { space, document, batch, hashes }),
        Outcome::Skipped => RelayFrame::Skipped(Skipped { space, document, batch }),
    }
}
