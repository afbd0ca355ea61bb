//! What is pushed, lane by lane. The outbox is on disk; here is only what is unanswered on this connection.
//!
//! After an answer that is not `Ack`, the relay skips the rest of that document's lane. When all of it is answered, the
//! lane begins anew with the next number, from the first batch that has no fate (PROTOCOL §5).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sync_wire::limits::{PUSH_CREDIT, PUSH_CREDIT_BYTES};
use sync_wire::{
    Ack, BatchId, ChangeHash, Deliver, DeviceFrame, DocumentId, FateCode, Grant, Need, Park, Push, Refuse, Resume,
    Skipped, SpaceId,
};

use super::{Effect, Fate, OutboxBatch, Verdict};
use crate::time::Instant;

/// How long a lane rests for which the relay had no room.
const ROOM_DELAY: Duration = Duration::from_secs(5);

type LaneKey = (SpaceId, DocumentId);

#[derive(Debug, Default)]
pub(super) struct Outbound {
    unanswered: BTreeMap<BatchId, Unanswered>,
    unanswered_bytes: usize,
    /// Batches that the relay has in its intake, as it said on this connection: what becomes of them comes unasked, and
    /// they are not pushed again before the next one.
    stored: BTreeMap<BatchId, SpaceId>,
    /// Lanes that rest, with the time at which they begin anew.
    resting: BTreeMap<LaneKey, Instant>,
    /// Lanes with something unanswered, or with a number.
    lanes: BTreeMap<LaneKey, Lane>,
    /// Everything saved up to this order was looked at.
    looked_at: u64,
    is_reading: bool,
    /// Where to look again once the read under way is answered: a lane began anew meanwhile.
    rewind_to: Option<u64>,
    /// Whether there may be batches after `looked_at`.
    has_more: bool,
    /// Why the relay had no room for what was pushed last.
    no_room: Option<String>,
}

#[derive(Debug)]
struct Unanswered {
    lane: LaneKey,
    order: u64,
    bytes: usize,
    /// It came with the log before it was answered.
    is_delivered: bool,
}

#[derive(Debug, Default)]
struct Lane {
    number: u32,
    unanswered: u32,
    stalled: Option<Stall>,
    /// Batches for which the relay has already needed something: it is not asked for twice.
    supplied: BTreeSet<BatchId>,
}

/// A lane that waits for the rest of its answers, or for needed changes.
#[derive(Debug, Default)]
struct Stall {
    /// The first batch that has to be looked at again.
    rewind_to: Option<u64>,
    needs: Option<(BatchId, Vec<ChangeHash>)>,
    is_supplying: bool,
    /// The relay had no room.
    rests_until: Option<Instant>,
}

impl Stall {
    fn rewind(&mut self, order: u64) {
        self.rewind_to = Some(self.rewind_to.map_or(order, |first| first.min(order)));
    }
}

impl Outbound {
    /// Whether every batch of an open lane has a fate, as far as was looked.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
            && self.stored.is_empty()
            && !self.is_reading
            && !self.has_more
            && self.lanes.values().all(|lane| lane.stalled.is_none())
    }

    /// What the relay says while it has no room, until it decides about a push again.
    pub(super) fn no_room(&self) -> Option<&str> {
        self.no_room.as_deref()
    }

    pub(super) fn saved(&mut self, effects: &mut Vec<Effect>) {
        if self.is_reading {
            self.has_more = true;
        } else {
            self.read_on(effects);
        }
    }

    /// Looks again at everything saved after `order`.
    pub(super) fn rewind(&mut self, order: u64, effects: &mut Vec<Effect>) {
        if self.is_reading {
            self.rewind_to = Some(self.rewind_to.map_or(order, |first| first.min(order)));
        } else {
            self.looked_at = self.looked_at.min(order);
            self.read_on(effects);
        }
    }

    /// Reads as much of the outbox as the credit allows.
    pub(super) fn read_on(&mut self, effects: &mut Vec<Effect>) {
        let count = self.credit();
        if count == 0 {
            self.has_more = true; // as far as we know; answers bring credit
            return;
        }
        self.is_reading = true;
        self.has_more = false; // until the answer, or something saved meanwhile, says otherwise
        effects.push(Effect::ReadOutbox {
            after: self.looked_at,
            // What is unanswered may be read again and is passed over.
            count: PUSH_CREDIT + (self.unanswered.len() + self.stored.len()) as u32,
            bytes_target: PUSH_CREDIT_BYTES,
        });
    }

    pub(super) fn on_outbox(&mut self, batches: Vec<OutboxBatch>, more: bool, effects: &mut Vec<Effect>) {
        self.is_reading = false;
        self.has_more |= more;
        for batch in batches {
            if self.unanswered.contains_key(&batch.batch) || self.stored.contains_key(&batch.batch) {
                self.looked_at = batch.order;
            } else if let Some(stall) = self.stall_of((batch.space, batch.document)) {
                stall.rewind(batch.order);
                self.looked_at = batch.order;
            } else if self.credit() > 0 {
                self.looked_at = batch.order;
                self.push(batch, effects);
            } else {
                self.has_more = true;
                break;
            }
        }
        if let Some(order) = self.rewind_to.take() {
            self.looked_at = self.looked_at.min(order);
            self.has_more = true;
        }
        self.read_if_due(effects);
    }

    pub(super) fn on_ack(&mut self, ack: &Ack, effects: &mut Vec<Effect>) {
        let verdict = match ack.at {
            Some(at) => Verdict::Accepted { at },
            None => Verdict::Stored,
        };
        if ack.at.is_none() && self.unanswered.get(&ack.batch).is_some_and(|unanswered| !unanswered.is_delivered) {
            self.stored.insert(ack.batch, ack.space);
        }
        self.settle(ack.batch, Some(verdict), effects);
    }

    pub(super) fn on_refuse(&mut self, refuse: Refuse, effects: &mut Vec<Effect>) {
        let Refuse { space, document, batch, culprit, code, detail } = refuse;
        let verdict = Verdict::Refused { culprit, code, detail };
        if self.stored.remove(&batch).is_some() {
            effects.push(Effect::RecordFates(vec![Fate { space, document, batch, verdict }]));
            return;
        }
        self.stall(batch);
        self.settle(batch, Some(verdict), effects);
    }

    pub(super) fn on_park(&mut self, now: Instant, park: Park, effects: &mut Vec<Effect>) {
        let Park { space, document, batch, code, judged_by, detail } = park;
        let is_stored = self.stored.remove(&batch).is_some();
        // Nothing stands against it: the relay has no room for anything at the moment.
        if !is_stored && code == FateCode::QUOTA && judged_by == 0 {
            let order = self.stall(batch);
            if let Some((stall, order)) = self.stall_of((space, document)).zip(order) {
                stall.rewind(order);
                stall.rests_until = Some(now + ROOM_DELAY);
            }
            self.no_room = Some(detail);
            return self.settle(batch, None, effects);
        }
        let verdict = Verdict::Parked { code, judged_by, detail };
        if is_stored {
            effects.push(Effect::RecordFates(vec![Fate { space, document, batch, verdict }]));
            return;
        }
        self.stall(batch);
        self.settle(batch, Some(verdict), effects);
    }

    /// What was stored has its place, if it is among what comes.
    pub(super) fn on_delivered(&mut self, deliver: &Deliver) {
        if self.stored.is_empty() && self.unanswered.is_empty() {
            return;
        }
        for entry in &deliver.entries {
            self.stored.remove(&entry.batch);
            if let Some(unanswered) = self.unanswered.get_mut(&entry.batch) {
                unanswered.is_delivered = true;
            }
        }
    }

    /// A grant that was taken, or is given anew: nothing more is heard of what was stored before.
    pub(super) fn on_grant_changed(&mut self, space: SpaceId, grant: Option<&Grant>) {
        if grant.is_none_or(|grant| grant.resume != Resume::Continue) {
            self.stored.retain(|_, stored_in| *stored_in != space);
        }
    }

    /// When a lane has rested.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resting.values().min().copied()
    }

    /// Begins the lanes anew that have rested.
    pub(super) fn on_timeout(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let rested: Vec<LaneKey> =
            self.resting.iter().filter(|(_, until)| **until <= now).map(|(key, _)| *key).collect();
        for key in rested {
            self.resting.remove(&key);
            self.begin_lane(key, effects);
        }
    }

    pub(super) fn on_skipped(&mut self, skipped: &Skipped, effects: &mut Vec<Effect>) {
        if let Some(order) = self.stall(skipped.batch) {
            self.stall_of((skipped.space, skipped.document)).into_iter().for_each(|stall| stall.rewind(order));
        }
        self.settle(skipped.batch, None, effects);
    }

    /// The relay lacks changes that the batch rests on: they go first. A batch whose needs were supplied once and that
    /// still needs something cannot be helped.
    pub(super) fn on_need(&mut self, need: Need, effects: &mut Vec<Effect>) {
        let Some(order) = self.stall(need.batch) else { return };
        let key = (need.space, need.document);
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        if lane.supplied.insert(need.batch) {
            if let Some(stall) = &mut lane.stalled {
                stall.rewind(order);
                stall.needs = Some((need.batch, need.hashes));
            }
            self.settle(need.batch, None, effects);
        } else {
            self.settle(need.batch, Some(missing(&need.hashes)), effects);
        }
    }

    /// Pushes what the relay needed, then the lane from where it stalled.
    pub(super) fn on_supplied(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        batches: Vec<OutboxBatch>,
        effects: &mut Vec<Effect>,
    ) {
        let key = (space, document);
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(stall) = lane.stalled.take_if(|stall| stall.is_supplying) else { return };
        if batches.is_empty()
            && let Some((batch, hashes)) = stall.needs
        {
            let fate = Fate { space, document, batch, verdict: missing(&hashes) };
            effects.push(Effect::RecordFates(vec![fate]));
        }
        // These few may exceed the credit that we allow ourselves by a little; the relay's is the same number, so
        // they are only as many as it leaves.
        let room = self.credit() as usize;
        for batch in batches.into_iter().take(room) {
            if !self.unanswered.contains_key(&batch.batch) {
                self.push(batch, effects);
            }
        }
        self.rewind(stall.rewind_to.map_or(self.looked_at, |order| order - 1), effects);
    }

    fn credit(&self) -> u32 {
        if self.unanswered_bytes >= PUSH_CREDIT_BYTES {
            return 0;
        }
        PUSH_CREDIT - (self.unanswered.len() as u32).min(PUSH_CREDIT)
    }

    fn stall_of(&mut self, key: LaneKey) -> Option<&mut Stall> {
        self.lanes.get_mut(&key)?.stalled.as_mut()
    }

    fn push(&mut self, batch: OutboxBatch, effects: &mut Vec<Effect>) {
        let bytes = batch.payload_bytes();
        let key = (batch.space, batch.document);
        let lane = self.lanes.entry(key).or_default();
        lane.unanswered += 1;
        self.unanswered.insert(batch.batch, Unanswered { lane: key, order: batch.order, bytes, is_delivered: false });
        self.unanswered_bytes += bytes;
        effects.push(Effect::Send(DeviceFrame::Push(Push {
            space: batch.space,
            document: batch.document,
            lane: lane.number,
            batch: batch.batch,
            content: batch.content,
        })));
    }

    /// Marks the lane of an unanswered batch as stalled; returns the batch's order.
    fn stall(&mut self, batch: BatchId) -> Option<u64> {
        let unanswered = self.unanswered.get(&batch)?;
        let lane = self.lanes.get_mut(&unanswered.lane)?;
        lane.stalled.get_or_insert_default();
        Some(unanswered.order)
    }

    /// Takes a batch off the unanswered ones and goes on with its lane when it was the last.
    fn settle(&mut self, batch: BatchId, verdict: Option<Verdict>, effects: &mut Vec<Effect>) {
        let Some(Unanswered { lane: key, bytes, .. }) = self.unanswered.remove(&batch) else { return };
        self.unanswered_bytes -= bytes;
        let (space, document) = key;
        if let Some(verdict) = verdict {
            self.no_room = None;
            effects.push(Effect::RecordFates(vec![Fate { space, document, batch, verdict }]));
        }
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.unanswered -= 1;
            if lane.unanswered == 0 {
                self.end_lane(key, effects);
            }
        }
        self.read_if_due(effects);
    }

    /// Everything of the lane is answered: forget it, begin it anew, or fetch what it needs.
    fn end_lane(&mut self, key: LaneKey, effects: &mut Vec<Effect>) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(stall) = &mut lane.stalled else {
            if lane.number == 0 {
                self.lanes.remove(&key);
            }
            return;
        };
        lane.number += 1;
        match stall.rests_until {
            Some(until) => {
                self.resting.insert(key, until);
            }
            None => self.begin_lane(key, effects),
        }
    }

    fn begin_lane(&mut self, key: LaneKey, effects: &mut Vec<Effect>) {
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        let Some(stall) = &mut lane.stalled else { return };
        if let Some((_, hashes)) = &stall.needs {
            stall.is_supplying = true;
            effects.push(Effect::Supply { space: key.0, document: key.1, hashes: hashes.clone() });
            return;
        }
        let rewind_to = stall.rewind_to;
        lane.stalled = None;
        if let Some(order) = rewind_to {
            self.rewind(order - 1, effects);
        }
    }

    /// Reads on when enough credit came back to make a read worth it.
    fn read_if_due(&mut self, effects: &mut Vec<Effect>) {
        if self.has_more && !self.is_reading && self.credit() >= PUSH_CREDIT / 2 {
            self.read_on(effects);
        }
    }
}

fn missing(hashes: &[ChangeHash]) -> Verdict {
    let first = hashes.first().map_or_else(String::new, ChangeHash::to_string);
    let detail = format!("the relay lacks {} changes that it rests on, among them {first}", hashes.len());
    Verdict::Parked { code: FateCode::MISSING, judged_by: 0, detail }
}
