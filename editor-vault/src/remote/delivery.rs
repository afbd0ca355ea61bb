//! A contiguous run of a log: verified against the chain, stored together with the new resume point.

use std::collections::BTreeMap;
use std::sync::Arc;

use sync_wire::log::EntryIdentity;
use sync_wire::planted::{self, Bug};
use sync_wire::{Chain, Cursor, Deliver, DocumentId, Entry, LogPosition, Position, Salt, SpaceId};

use super::RemoteError;
use super::entries::{Parsed, Stored, Stores, parse, store};
use crate::loaded::{Announced, Arrival};
use crate::storage::{Resuming, SpaceRow, Tx};
use crate::vault::Inner;

/// A delivery whose entries' bytes are their hashes'.
struct Delivery {
    space: SpaceId,
    after: LogPosition,
    entries: Vec<Parsed>,
    /// As the relay says.
    chain: Chain,
}

/// What a delivery did to the vault.
struct Outcome {
    cursor: Cursor,
    /// Somebody else writes under a name of this vault.
    is_rotated: bool,
    arrivals: BTreeMap<DocumentId, Arrival>,
}

impl Inner {
    /// Makes a delivery durable with its resume point, in one transaction, and lets loaded documents take it in. It is
    /// compared with the vault in that transaction, and what it brought is handed on: nothing is read twice.
    pub(crate) fn commit_remote(self: &Arc<Self>, deliver: Deliver) -> Result<Cursor, RemoteError> {
        let Deliver { space, after, entries, chain, .. } = deliver;
        let entries = entries.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let delivery = Delivery { space, after, entries, chain };
        if planted::is(Bug::ResumePointOutsideTransaction) {
            return self.commit_remote_in_two(delivery);
        }
        let announced = self.announce(space, delivery.entries.iter().map(|parsed| parsed.entry.document));
        let outcome = self.storage.write_remote(move |tx| {
            let (found, known) = delivery.find(tx)?;
            let outcome = delivery.store(tx, &found, delivery.verify(&known)?)?;
            tx.set_cursor(found.row, &outcome.cursor)?;
            Ok::<_, RemoteError>(outcome)
        })?;
        Ok(self.arrived(outcome, &announced))
    }

    /// Planted: who ends between the two never asks for the entries again.
    fn commit_remote_in_two(self: &Arc<Self>, delivery: Delivery) -> Result<Cursor, RemoteError> {
        let (delivery, found, cursor) = self.storage.write_remote(move |tx| {
            let (found, known) = delivery.find(tx)?;
            let cursor = delivery.verify(&known)?;
            tx.set_cursor(found.row, &cursor)?;
            Ok::<_, RemoteError>((delivery, found, cursor))
        })?;
        let outcome = self.storage.write_remote(move |tx| delivery.store(tx, &found, cursor))?;
        Ok(self.arrived(outcome, &Announced::default()))
    }

    fn arrived(self: &Arc<Self>, outcome: Outcome, announced: &Announced) -> Cursor {
        let Outcome { cursor, is_rotated, arrivals } = outcome;
        if is_rotated {
            self.recovered();
        }
        for (document, arrival) in arrivals {
            match announced.get(document) {
                Some(loaded) => loaded.gather(self),
                None => self.take_in(cursor.space, document, Some(&arrival)),
            }
        }
        cursor
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

    fn end(&self) -> LogPosition {
        let position = Position(self.after.position.0 + self.entries.len() as u64);
        LogPosition { epoch: self.after.epoch, position }
    }

    fn store(&self, tx: &Tx<'_>, space: &SpaceRow, cursor: Cursor) -> Result<Outcome, RemoteError> {
        let mut outcome = Outcome { cursor, is_rotated: false, arrivals: BTreeMap::new() };
        for (parsed, at) in self.entries.iter().zip(positions(self.after)) {
            let stored = store(parsed, tx, space, at)?;
            outcome.is_rotated |= stored.effect == Stores::OwnName;
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
