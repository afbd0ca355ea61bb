//! One space as a device sees it: the cursor, a bootstrap beside it, and what is still to be sent.
//!
//! A slow device costs this struct and nothing else: what it has not been sent is read again when it may be sent.

use std::collections::BTreeSet;

use sync_wire::limits::DELIVER_BYTES_TARGET;
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, Bootstrap, Cursor, Deliver, DeviceId, Entry, Grant, LogPosition, Position, Resume};

use super::{BootstrapCursor, BootstrapPage, Effect, LogPage, Within};

/// Batches pushed on this connection and not yet delivered that are remembered. A forgotten one is delivered with its
/// bytes, which costs bandwidth and nothing else.
const OWN_BATCHES_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct Subscription {
    grant: Grant,
    /// Sent up to here.
    cursor: LogPosition,
    known_end: LogPosition,
    is_reading: bool,
    bootstrap: Option<BootstrapCursor>,
    is_reading_bootstrap: bool,
    /// Pushed on this very connection: delivered by hash only. A restored or cloned vault pushes nothing it lacks.
    own: BTreeSet<BatchId>,
}

impl Subscription {
    /// Continues from `cursor` if the grant says so, else begins with a bootstrap.
    pub(super) fn new(grant: Grant, cursor: Option<&Cursor>) -> Self {
        let epoch = grant.end.epoch;
        let (cursor, bootstrap) = match (grant.resume, cursor) {
            (Resume::Continue, Some(cursor)) => (cursor.at, cursor.bootstrap.map(|point| (point.at, point.after))),
            (Resume::Continue, None) => (LogPosition { epoch, position: Position::START }, None),
            (Resume::Bootstrap { at, .. }, _) => (LogPosition { epoch, position: at }, Some((at, None))),
            (Resume::From { at, .. }, _) => (LogPosition { epoch, position: at }, None),
            (Resume::Offer, _) => (grant.end, None), // there is no subscription until the offer is done
        };
        let bootstrap = bootstrap.filter(|(at, _)| *at > Position::START).map(|(at, after)| BootstrapCursor {
            at,
            after,
            within: Within::Start,
        });
        Self {
            known_end: grant.end,
            grant,
            cursor,
            is_reading: false,
            bootstrap,
            is_reading_bootstrap: false,
            own: BTreeSet::new(),
        }
    }

    /// The log ends at `end`, or did a moment ago. An end of another epoch is kept until a read has told whether it is
    /// true.
    pub(super) fn hint(&mut self, end: LogPosition) {
        if end.epoch == self.known_end.epoch {
            self.known_end.position = self.known_end.position.max(end.position);
        } else if end.epoch != self.cursor.epoch {
            self.known_end = end;
        }
    }

    /// Takes the grant as it is now; returns it if the device must be told.
    pub(super) fn regrant(&mut self, grant: Grant) -> Option<Grant> {
        let unchanged = (self.grant.role, self.grant.kind, &self.grant.name, self.grant.access_version)
            == (grant.role, grant.kind, &grant.name, grant.access_version);
        self.hint(grant.end);
        self.grant = Grant { resume: Resume::Continue, ..grant };
        (!unchanged).then(|| self.grant.clone())
    }

    /// The grant as it was told last.
    pub(super) fn grant(&self) -> Grant {
        self.grant.clone()
    }

    /// The version of the grants that was told last.
    pub(super) const fn access_version(&self) -> u64 {
        self.grant.access_version
    }

    /// Asks for what may be sent now, taking one credit per read.
    pub(super) fn next_reads(&mut self, credit: &mut u32, effects: &mut Vec<Effect>) {
        let space = self.grant.space;
        if let Some(from) = self.bootstrap
            && !self.is_reading_bootstrap
            && take(credit)
        {
            self.is_reading_bootstrap = true;
            effects.push(Effect::ReadBootstrap { space, from, bytes_target: DELIVER_BYTES_TARGET });
        }
        let is_behind = self.cursor.epoch != self.known_end.epoch || self.cursor.position < self.known_end.position;
        if is_behind && !self.is_reading && take(credit) {
            self.is_reading = true;
            effects.push(Effect::ReadLog { space, after: self.cursor, bytes_target: DELIVER_BYTES_TARGET });
        }
    }

    /// Remembers a batch that this connection brought, until it is delivered. From the push on, because somebody
    /// else's hint may have it read before the outcome of its append is here.
    pub(super) fn remember_own(&mut self, batch: BatchId) {
        if self.own.len() < OWN_BATCHES_MAX {
            self.own.insert(batch);
        }
    }

    /// A batch of its own is at this place: if that was delivered already, it will not come again.
    pub(super) fn own_is_at(&mut self, batch: BatchId, at: LogPosition) {
        if at.position <= self.cursor.position {
            self.own.remove(&batch);
        }
    }

    /// Whether a batch of its own is remembered and not delivered yet.
    pub(super) fn has_own(&self, batch: &BatchId) -> bool {
        self.own.contains(batch)
    }

    /// A batch of its own did not reach the log.
    pub(super) fn forget_own(&mut self, batch: &BatchId) {
        self.own.remove(batch);
    }

    /// Turns a read into the next delivery; `None` if there is nothing to send.
    pub(super) fn deliver(&mut self, device: DeviceId, page: LogPage) -> Option<Deliver> {
        if page.after != self.cursor {
            // The answer to a question from before the grant was taken and given again.
            return None;
        }
        self.is_reading = false;
        self.hint(LogPosition { epoch: page.after.epoch, position: page.log_end });
        if page.entries.is_empty() {
            // A hint ran ahead of what can be read; the next hint or poll asks again.
            self.known_end = self.cursor;
            return None;
        }
        let mut entries = page.entries;
        for entry in &mut entries {
            self.elide_own(device, entry);
        }
        let ended: BTreeSet<BatchId> = entries.iter().map(|entry| entry.batch).collect();
        self.own.retain(|batch| !ended.contains(batch));
        let deliver =
            Deliver { space: page.space, after: page.after, entries, chain: page.chain, receipt: page.receipt };
        self.cursor = deliver.end();
        assert!(self.cursor.position <= page.log_end, "a device cannot be ahead of its log");
        Some(deliver)
    }

    fn elide_own(&self, device: DeviceId, entry: &mut Entry) {
        // Planted: a device is believed to have whatever it ever pushed.
        let is_own = self.own.contains(&entry.batch) || planted::is(Bug::OwnEntriesWithoutBytes);
        if entry.device == device && is_own {
            entry.bytes = None;
        }
    }

    /// Turns a read into the next part of the bootstrap; `None` if none is under way.
    pub(super) fn bootstrap(&mut self, page: BootstrapPage) -> Option<Bootstrap> {
        let from = self.bootstrap?;
        self.is_reading_bootstrap = false;
        self.bootstrap = page.next;
        Some(Bootstrap {
            space: page.space,
            at: LogPosition { epoch: self.cursor.epoch, position: from.at },
            documents: page.documents,
            done: page.next.is_none(),
            receipt: page.receipt,
        })
    }
}

fn take(credit: &mut u32) -> bool {
    let is_left = *credit > 0;
    *credit -= u32::from(is_left);
    is_left
}
