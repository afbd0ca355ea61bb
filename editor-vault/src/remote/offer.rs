//! Giving back what a relay has lost: the places that this vault knows, then the entries between them.
//!
//! A run goes from one kept place to the next, whose receipt proves it to the relay. Where an entry is missing here
//! (its document came whole, in a snapshot), what there is of the run goes without a receipt.

use sync_wire::limits::{CHECKPOINTS_MAX, FRAME_BYTES_MAX};
use sync_wire::log::EntryIdentity;
use sync_wire::{Chain, Checkpoint, Entry, Epoch, Position, Run, SpaceId, Voucher};

use super::RemoteError;
use crate::error::StorageError;
use crate::storage::{CheckpointRow, EntryPlace, Resuming, SpaceRow, Tx};
use crate::vault::Inner;

/// What the entries of a run may take in a frame.
const RUN_BYTES_MAX: usize = FRAME_BYTES_MAX - 2048;
/// What an entry takes beside its bytes and heads.
const ENTRY_OVERHEAD_BYTES: usize = 128;
/// What a hash in a list takes.
const HASH_BYTES: usize = 34;

/// Roughly what an entry takes in a frame.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    let bytes = entry.bytes.as_ref().map_or(0, |bytes| bytes.len());
    bytes + entry.heads.as_ref().map_or(0, |heads| heads.len() * HASH_BYTES) + ENTRY_OVERHEAD_BYTES
}

/// A space that is being offered: where its entries are.
#[derive(Debug)]
pub(crate) struct Offering {
    space: SpaceId,
    resuming: Resuming,
    checkpoints: Vec<CheckpointRow>,
    places: Vec<EntryPlace>,
}

/// A run to be: from where to where, and what its ends are known by.
struct Stretch {
    after: Position,
    upto: Position,
    epoch: Epoch,
    before: Option<Chain>,
    end: Option<CheckpointRow>,
}

impl Inner {
    /// The places of a log that this vault has everything up to, its resume point among them.
    pub(crate) fn checkpoints(&self, space: SpaceId) -> Result<Vec<Checkpoint>, RemoteError> {
        let found = self.storage.read(|tx| {
            let Some((row, resuming)) = standing(tx, space)? else { return Ok(Vec::new()) };
            let mut places: Vec<Checkpoint> = tx
                .checkpoints(row.row)?
                .iter()
                .map(|checkpoint| Checkpoint { position: checkpoint.at.position, chain: checkpoint.chain })
                .collect();
            let last = places.last().map_or(Position::START, |last| last.position);
            if resuming.bootstrap.is_none() && resuming.at.position > last {
                places.push(Checkpoint { position: resuming.at.position, chain: resuming.chain });
            }
            Ok(places)
        })?;
        let spare = found.len().saturating_sub(CHECKPOINTS_MAX);
        Ok(found[spare..].to_vec())
    }

    /// The next run after a place; none if this vault has nothing after it. `offering` remembers what was looked up.
    pub(crate) fn run(
        &self,
        space: SpaceId,
        after: Position,
        offering: &mut Option<Offering>,
    ) -> Result<Option<Run>, RemoteError> {
        let found = match offering.take().filter(|found| found.space == space) {
            Some(found) => Some(found),
            None => self.storage.read(|tx| Offering::find(tx, space, after))?,
        };
        let Some(found) = found else { return Ok(None) };
        let run = self.storage.read(|tx| found.run(tx, after))?;
        *offering = Some(found);
        Ok(run)
    }

    /// Says once what was given back.
    pub(crate) fn note_offered(&self, space: SpaceId, taken: u64) {
        if taken > 0 {
            tracing::warn!(space.id = %space, taken, "The relay was restored; {taken} entries were given back to it");
        }
    }
}

fn standing(tx: &Tx<'_>, space: SpaceId) -> Result<Option<(SpaceRow, Resuming)>, StorageError> {
    Ok(tx.space(space)?.and_then(|row| row.resuming.map(|resuming| (row, resuming))))
}

impl Offering {
    fn find(tx: &Tx<'_>, space: SpaceId, after: Position) -> Result<Option<Self>, StorageError> {
        let Some((row, resuming)) = standing(tx, space)? else { return Ok(None) };
        let (checkpoints, places) = (tx.checkpoints(row.row)?, tx.entry_places(row.row, after)?);
        Ok(Some(Self { space, resuming, checkpoints, places }))
    }

    /// The first stretch after a place of which something is here.
    fn run(&self, tx: &Tx<'_>, after: Position) -> Result<Option<Run>, StorageError> {
        let mut after = after;
        while after < self.resuming.at.position {
            let stretch = self.stretch(after);
            let run = self.read(tx, &stretch)?;
            if !run.entries.is_empty() {
                return Ok(Some(run));
            }
            after = stretch.upto;
        }
        Ok(None)
    }

    fn stretch(&self, after: Position) -> Stretch {
        let before = match self.checkpoints.iter().find(|checkpoint| checkpoint.at.position == after) {
            Some(checkpoint) => Some(checkpoint.chain),
            None => (after == Position::START).then_some(Chain::START),
        };
        match self.checkpoints.iter().find(|checkpoint| checkpoint.at.position > after) {
            Some(end) => Stretch { after, upto: end.at.position, epoch: end.at.epoch, before, end: Some(*end) },
            None => {
                let at = self.resuming.at;
                Stretch { after, upto: at.position, epoch: at.epoch, before, end: None }
            }
        }
    }

    /// Reads what is here of a stretch, as far as it fits a frame.
    fn read(&self, tx: &Tx<'_>, stretch: &Stretch) -> Result<Run, StorageError> {
        let Stretch { after, mut upto, epoch, before, end } = *stretch;
        let first = self.places.partition_point(|place| place.position <= after);
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, after);
        let mut is_whole = true;
        for place in self.places[first..].iter().take_while(|place| place.position <= upto) {
            is_whole &= place.position == last.next();
            let Some(entry) = tx.entry_at(place)? else {
                is_whole = false;
                continue;
            };
            bytes += entry_bytes(&entry);
            if bytes > RUN_BYTES_MAX && !entries.is_empty() {
                upto = last;
                break;
            }
            last = place.position;
            entries.push(entry);
        }
        let is_whole = is_whole && last == stretch.upto;
        let voucher = match (before, end) {
            (Some(before), Some(end)) if is_whole && self.leads_to(before, &entries, &end) => {
                Some(Voucher { before, chain: end.chain, receipt: end.receipt })
            }
            _ => None,
        };
        Ok(Run { after, upto, epoch, entries, voucher })
    }

    fn leads_to(&self, before: Chain, entries: &[Entry], end: &CheckpointRow) -> bool {
        let extend = |chain: Chain, entry: &Entry| {
            let Entry { kind, document, hash, device, batch, .. } = *entry;
            chain.extend(&EntryIdentity { kind, document, hash, device, batch }.digest(&self.resuming.salt))
        };
        entries.iter().fold(before, extend) == end.chain
    }
}
