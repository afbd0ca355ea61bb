//! A contiguous run of a log: verified against the chain, stored together with the new resume point.

use std::collections::BTreeMap;
use std::sync::Arc;

use sync_core::client::Lanes;
use sync_wire::log::{EntryIdentity, EntryKind, Receipt};
use sync_wire::planted::{self, Bug};
use sync_wire::{Chain, Cursor, Deliver, DeviceId, DocumentId, Entry, LogPosition, Position, Salt, SpaceId};

use super::RemoteError;
use super::entries::{Consequences, Parsed, Run, Stored, Stores, parse, store};
use super::offer::entry_bytes;
use crate::care::RestorePoint;
use crate::loaded::{Announced, Arrival};
use crate::storage::{CheckpointRow, Resuming, Side, SpaceRow, Tx};
use crate::vault::Inner;

/// A delivery whose entries' bytes are their hashes'.
struct Delivery {
    space: SpaceId,
    after: LogPosition,
    entries: Vec<Parsed>,
    /// As the relay says.
    chain: Chain,
    /// This one.
    device: DeviceId,
}

/// What a delivery did to the vault.
struct Outcome {
    cursor: Cursor,
    consequences: Consequences,
    arrivals: BTreeMap<DocumentId, Arrival>,
}

impl Inner {
    /// Makes a delivery durable with its resume point, in one transaction, and lets loaded documents take it in. It is
    /// compared with the vault in that transaction, and what it brought is handed on: nothing is read twice.
    pub(crate) fn commit_remote(self: &Arc<Self>, deliver: Deliver) -> Result<(Cursor, Lanes), RemoteError> {
        let Deliver { space, after, entries, chain, receipt } = deliver;
        let entries = entries.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let delivery = Delivery { space, after, entries, chain, device: self.device() };
        self.guard_deletions(&delivery)?;
        if planted::is(Bug::ResumePointOutsideTransaction) {
            return self.commit_remote_in_two(delivery);
        }
        let announced = self.announce(space, delivery.entries.iter().map(|parsed| parsed.entry.document));
        let now = self.sources.unix_seconds();
        let outcome = self.storage.write_remote(move |tx| {
            let (found, known) = delivery.find(tx)?;
            let mut outcome = delivery.store(tx, &found, delivery.verify(&known)?, now)?;
            tx.set_cursor(found.row, &outcome.cursor)?;
            let opened = delivery.checkpoint(tx, &found, &outcome.cursor, receipt)?;
            outcome.consequences.lanes = outcome.consequences.lanes.and(opened);
            Ok::<_, RemoteError>(outcome)
        })?;
        Ok(self.arrived(outcome, &announced))
    }

    /// Planted: who ends between the two never asks for the entries again.
    fn commit_remote_in_two(self: &Arc<Self>, delivery: Delivery) -> Result<(Cursor, Lanes), RemoteError> {
        let now = self.sources.unix_seconds();
        let (delivery, found, cursor) = self.storage.write_remote(move |tx| {
            let (found, known) = delivery.find(tx)?;
            let cursor = delivery.verify(&known)?;
            tx.set_cursor(found.row, &cursor)?;
            Ok::<_, RemoteError>((delivery, found, cursor))
        })?;
        let outcome = self.storage.write_remote(move |tx| delivery.store(tx, &found, cursor, now))?;
        Ok(self.arrived(outcome, &Announced::default()))
    }

    fn arrived(self: &Arc<Self>, outcome: Outcome, announced: &Announced) -> (Cursor, Lanes) {
        let Outcome { cursor, consequences: Consequences { is_rotated, lanes }, arrivals } = outcome;
        if is_rotated {
            self.recovered();
        }
        for (document, arrival) in arrivals {
            match announced.get(document) {
                Some(loaded) => loaded.gather(self),
                None => self.take_in(cursor.space, document, Some(&arrival)),
            }
        }
        (cursor, lanes)
    }

    /// Makes a restore point before so many deletions of others are taken in that somebody may have gone wild.
    fn guard_deletions(&self, delivery: &Delivery) -> Result<(), RemoteError> {
        let (deletions, now) = (delivery.deletions(), self.sources.unix_seconds());
        if deletions == 0 {
            return Ok(());
        }
        let is_first = self.storage.read(|tx| match tx.space(delivery.space)? {
            Some(space) => tx.would_be_too_many(Side::Elsewhere, &space, now, deletions),
            None => Ok(false),
        })?;
        if is_first {
            tracing::warn!(space.id = %delivery.space, deletions, "Very many documents are deleted at once");
            self.make_restore_point(RestorePoint::BeforeDeletions)?;
        }
        Ok(())
    }
}

impl Delivery {
    /// The space, and where this vault stands in its log.
    fn find(&self, tx: &Tx<'_>) -> Result<(SpaceRow, Resuming), RemoteError> {
        let found = tx.space(self.space)?.and_then(|space| space.resuming.map(|resuming| (space, resuming)));
        found.ok_or_else(|| RemoteError::rejected(format!("space {} was not granted", self.space)))
    }

    /// Compares it with where this vault stands: place, epoch and the digest of everything up to its end.
    fn verify(&self, known: &Resuming) -> Result<Cursor, RemoteError> {
        if known.at != self.after {
            let detail = format!("a delivery after {} came, but this vault stands at {}", self.after, known.at);
            return Err(RemoteError::Rejected(detail));
        }
        let chain = extend(known.chain, &known.salt, self.entries.iter().map(|parsed| &parsed.entry));
        let at = self.end();
        if chain != self.chain {
            let detail = format!("the chain at {at} is {chain}, but the relay says {}", self.chain);
            return Err(RemoteError::Rejected(detail));
        }
        Ok(Cursor { space: self.space, at, chain, bootstrap: known.bootstrap })
    }

    /// How many documents others delete with it.
    fn deletions(&self) -> u64 {
        let is_one = |entry: &Entry| entry.kind == EntryKind::Tombstone && entry.device != self.device;
        self.entries.iter().filter(|parsed| is_one(&parsed.entry)).count() as u64
    }

    /// Keeps its end with the receipt. What the relay acknowledged before it and did not deliver is not in its log: it
    /// is pushed again.
    fn checkpoint(
        &self,
        tx: &Tx<'_>,
        space: &SpaceRow,
        cursor: &Cursor,
        receipt: Receipt,
    ) -> Result<Lanes, RemoteError> {
        let mut opened = tx.reopen_up_to(space.row, cursor.at.position)?;
        if cursor.bootstrap.is_none() {
            let place = CheckpointRow { at: cursor.at, chain: cursor.chain, receipt };
            tx.add_checkpoint(space.row, &place, self.bytes(tx)?)?;
            opened += tx.stop_waiting_for_voids(space.row, cursor.at.position)?;
        }
        Ok(Lanes::opened(opened))
    }

    /// What its entries take in a frame, with their bytes.
    fn bytes(&self, tx: &Tx<'_>) -> Result<usize, RemoteError> {
        let mut bytes = 0;
        for Parsed { entry, change } in &self.entries {
            bytes += entry_bytes(entry); // with what a void says
            bytes += match change {
                Some(change) => change.bytes.len(),
                None if entry.kind == EntryKind::Change => tx.own_bytes(entry.batch)?, // it came by hash only
                None => 0,
            };
        }
        Ok(bytes)
    }

    fn end(&self) -> LogPosition {
        let position = Position(self.after.position.0 + self.entries.len() as u64);
        LogPosition { epoch: self.after.epoch, position }
    }

    fn store(&self, tx: &Tx<'_>, space: &SpaceRow, cursor: Cursor, now: i64) -> Result<Outcome, RemoteError> {
        let deletions = self.deletions();
        if deletions > 0 {
            tx.count_deletions(Side::Elsewhere, space, now, deletions)?;
        }
        let arrivals = BTreeMap::new();
        let mut outcome = Outcome { cursor, consequences: Consequences::default(), arrivals };
        let mut run = Run::default();
        for (parsed, at) in self.entries.iter().zip(positions(self.after)) {
            let stored = store(parsed, tx, space, at, &mut run)?;
            outcome.consequences.add(&stored);
            let arrival = outcome.arrivals.entry(parsed.entry.document);
            add(arrival.or_insert_with(|| Arrival::after(stored.place.moved)), &stored, parsed);
        }
        Ok(outcome)
    }
}

/// Adds an entry to what arrived for its document.
fn add(arrival: &mut Arrival, stored: &Stored, parsed: &Parsed) {
    match (stored.effect, &parsed.change) {
        (Stores::Nothing, _) => {}
        (Stores::Change { row }, Some(change)) if stored.place.is_typed => arrival.add(row, change.bytes.clone()),
        (Stores::Change { .. } | Stores::Other | Stores::OwnName, _) => arrival.is_plain = false,
    }
}

fn positions(after: LogPosition) -> impl Iterator<Item = LogPosition> {
    (after.position.0 + 1..).map(move |position| LogPosition { epoch: after.epoch, position: Position(position) })
}

fn extend<'e>(chain: Chain, salt: &Salt, entries: impl Iterator<Item = &'e Entry>) -> Chain {
    entries.fold(chain, |chain, entry| {
        let Entry { kind, document, hash, device, batch, .. } = *entry;
        chain.extend(&EntryIdentity { kind, document, hash, device, batch }.digest(salt))
    })
}
