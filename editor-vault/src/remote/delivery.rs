//! A contiguous run of a log: verified against the chain, stored together with the new resume point.

use std::collections::BTreeSet;

use sync_wire::log::EntryIdentity;
use sync_wire::{Chain, Cursor, Deliver, Entry, LogPosition, Position, Salt};

use super::RemoteError;
use super::entries::{parse, store};
use crate::storage::SpaceRow;
use crate::vault::Inner;

impl Inner {
    /// Makes a delivery durable with its resume point, in one transaction, and lets loaded documents take it in.
    pub(crate) fn commit_remote(&self, deliver: &Deliver) -> Result<Cursor, RemoteError> {
        let space = self.storage.read(|tx| tx.space(deliver.space))?;
        let cursor = verify(space.as_ref(), deliver)?;
        let parsed = deliver.entries.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let touched: BTreeSet<_> = deliver.entries.iter().map(|entry| entry.document).collect();
        let expected = deliver.after;
        let is_rotated = self.storage.write_remote(move |tx| {
            let moved = || RemoteError::rejected("the resume point moved meanwhile");
            let space = tx.space(cursor.space)?.filter(|space| space.resuming.is_some_and(|now| now.at == expected));
            let space = space.ok_or_else(moved)?;
            let mut is_rotated = false;
            for (entry, at) in parsed.iter().zip(positions(expected)) {
                is_rotated |= store(entry, tx, &space, at)?;
            }
            tx.set_cursor(space.row, &Cursor { bootstrap: space.resuming.and_then(|now| now.bootstrap), ..cursor })?;
            Ok::<_, RemoteError>(is_rotated)
        })?;
        if is_rotated {
            self.actors.forget();
        }
        for document in touched {
            self.take_in(deliver.space, document);
        }
        let now = self.storage.read(|tx| tx.space(cursor.space))?.and_then(|space| space.cursor());
        Ok(now.unwrap_or(cursor))
    }
}

fn positions(after: LogPosition) -> impl Iterator<Item = LogPosition> {
    (after.position.0 + 1..).map(move |position| LogPosition { epoch: after.epoch, position: Position(position) })
}

/// Compares the delivery with where this vault stands: place, epoch and the digest of everything up to its end.
fn verify(space: Option<&SpaceRow>, deliver: &Deliver) -> Result<Cursor, RemoteError> {
    let known = space.and_then(|space| space.resuming);
    let known = known.ok_or_else(|| RemoteError::rejected(format!("space {} was not granted", deliver.space)))?;
    if known.at != deliver.after {
        let detail = format!("a delivery after {} came, but this vault stands at {}", deliver.after, known.at);
        return Err(RemoteError::Rejected(detail));
    }
    let chain = extend(known.chain, &known.salt, &deliver.entries);
    if chain != deliver.chain {
        let detail = format!("the chain at {} is {chain}, but the relay says {}", deliver.end(), deliver.chain);
        return Err(RemoteError::Rejected(detail));
    }
    Ok(Cursor { space: deliver.space, at: deliver.end(), chain, bootstrap: known.bootstrap })
}

fn extend(chain: Chain, salt: &Salt, entries: &[Entry]) -> Chain {
    entries.iter().fold(chain, |chain, entry| {
        let Entry { kind, document, hash, device, batch, .. } = *entry;
        chain.extend(&EntryIdentity { kind, document, hash, device, batch }.digest(salt))
    })
}
