//! Says a parked lane in one go (PROTOCOL §5): what its edits come to is one batch, and the edits themselves go into
//! quarantine, to be looked at. Beside `recovery`, and like it one transaction that is a pure function of what the file
//! holds. Decision 0016 tells why, and what it costs.
//!
//! By itself only where a relay has no room, and only if less is left; by hand for any parked lane.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use document::{Change, Earlier, Seed, Squash};
use sync_wire::{BatchId, ChangeHash, FateCode};

use crate::document::Document;
use crate::error::{ReadError, StorageError};
use crate::recovery::{known_changes, reseal_tombstones};
use crate::storage::{BatchState, Member, ParkedLane, Refusal, Tx};
use crate::vault::{Inner, Vault};

/// What is left must be smaller by one part of this many, or a lane would be squashed again for every relay that has
/// no room for it either.
const WORTH_IT: usize = 8;
/// A lane that was looked at is looked at again when it has grown by one part of this many.
const GROWN: u64 = 8;

/// What [`Vault::squash`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SquashedLane {
    /// How many edits were said in one go.
    pub edits: usize,
    /// What they would have added to the log, in bytes.
    pub bytes_before: usize,
    /// What they add now; 0 if they came to nothing.
    pub bytes_after: usize,
}

/// Why a lane was not squashed. It is as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SquashError {
    /// Edits that were or may yet be accepted cannot be said anew: others would have them twice.
    #[error("no edits of this document are parked; only parked ones can be squashed, because others may have the rest")]
    NotParked,
    /// A shared space has some of the edits in its intake.
    #[error("the relay is checking {stored} of the edits; squash when `vault explain` shows none as stored")]
    Stored {
        /// How many.
        stored: usize,
    },
    /// Nothing would be gained.
    #[error("{edits} edits of {before} bytes would come to {after} bytes; nothing is gained, so they stay as they are")]
    NoGain {
        /// How many edits.
        edits: usize,
        /// Their bytes.
        before: usize,
        /// The bytes of what they come to.
        after: usize,
    },
    /// The edits cannot be put together.
    #[error("the edits cannot be squashed ({detail}); `vault quarantine` and `vault explain` show what is there")]
    Impossible {
        /// Why.
        detail: String,
    },
    /// The document or the vault could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SquashError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotParked => "not_parked",
            Self::Stored { .. } => "stored",
            Self::NoGain { .. } => "no_gain",
            Self::Impossible { .. } => "impossible",
            Self::Read(error) => error.code(),
        }
    }
}

impl From<StorageError> for SquashError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

/// Who wants a lane to be squashed, and so how much it must help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A person: if anything is gained.
    ByHand,
    /// The vault: if much is.
    ByItself,
}

impl Vault {
    /// Says the parked edits of a document in one go. The document reads as before, undo takes them back together, and
    /// each of them stays in quarantine as `squashed`, to be shown and exported.
    ///
    /// Where a relay has no room (`quota`, `size`) the vault does it by itself, when much is gained.
    ///
    /// # Errors
    /// [`SquashError`].
    pub fn squash(&self, document: &Document) -> Result<SquashedLane, SquashError> {
        let inner = self.live()?;
        let (space, id) = (document.space(), document.id());
        let now = inner.sources.unix_seconds();
        let lane = inner.storage.write(move |tx| {
            let row = tx.document(space, id)?.ok_or(SquashError::NotParked)?.row;
            squash(tx, row, Wish::ByHand, now)
        })?;
        inner.recovered();
        inner.take_in(space, id, None);
        Ok(lane)
    }
}

/// How long the lanes were that were looked at, by document.
#[derive(Debug, Default)]
pub(crate) struct Tried(HashMap<i64, u64>);

impl Tried {
    /// Whether a lane has grown enough to be looked at (again).
    fn is_due(&mut self, lane: &ParkedLane) -> bool {
        let due = self.0.get(&lane.document).is_none_or(|tried| lane.edits > *tried + tried / GROWN);
        if due {
            self.0.insert(lane.document, lane.edits);
        }
        due
    }
}

impl Inner {
    /// Squashes the lanes for which the relay has no room, where that helps. Those that stay as they are are looked at
    /// again when they have grown.
    pub(crate) fn squash_parked(self: &Arc<Self>, tried: &mut Tried) -> Result<(), StorageError> {
        let lanes = self.storage.read_at_once(|tx| tx.lanes_without_room())?;
        tried.0.retain(|document, _| lanes.iter().any(|lane| lane.document == *document));
        for lane in lanes.into_iter().filter(|lane| tried.is_due(lane)) {
            let (document, now) = (lane.document, self.sources.unix_seconds());
            let squashed = self.storage.write_remote(move |tx| squash(tx, document, Wish::ByItself, now).map(drop));
            match squashed {
                Ok(()) => {
                    tracing::info!(document.id = %lane.id, "Squashed {} parked edits of document {}", lane.edits, lane.id);
                    self.recovered();
                    self.take_in(lane.space, lane.id, None);
                }
                Err(SquashError::Read(ReadError::Storage(error))) => return Err(error),
                Err(error) => tracing::debug!(document.id = %lane.id, "Parked edits stay as they are: {error}"),
            }
        }
        Ok(())
    }
}

/// Replaces the edits of a lane by what they come to.
fn squash(tx: &Tx<'_>, document: i64, wish: Wish, unix_seconds: i64) -> Result<SquashedLane, SquashError> {
    let originals = parked(tx, document)?;
    let known = known_changes(tx, document)?.map_err(|detail| SquashError::Impossible { detail })?;
    let changes: Vec<Change> = originals.iter().map(|member| member.change.clone()).collect();
    let squashed = document::squash(&Squash { known: &known, originals: &changes, before: None });
    let squashed = squashed.map_err(|error| SquashError::Impossible { detail: error.to_string() })?;
    let (edits, before, after) =
        (changes.len(), changes.iter().map(|change| change.bytes.len()).sum::<usize>(), squashed.bytes());
    let most = match wish {
        Wish::ByHand => before.saturating_sub(1),
        Wish::ByItself => before - before / WORTH_IT,
    };
    if after > most {
        return Err(SquashError::NoGain { edits, before, after });
    }
    carry_out(tx, document, &originals, &squashed, unix_seconds)?;
    Ok(SquashedLane { edits, bytes_before: before, bytes_after: after })
}

/// The edits of a closed lane, from what closes it on. What is before that was answered, or will be. Seeds stay: they
/// are the same for everybody.
fn parked(tx: &Tx<'_>, document: i64) -> Result<Vec<Member>, SquashError> {
    let first = tx.first_parked(document)?.ok_or(SquashError::NotParked)?;
    let mut lane = tx.unsettled(document)?;
    lane.retain(|member| {
        let is_seed = Seed::is_seed_actor(&member.change.header.actor);
        !is_seed && member.batch.is_some_and(|batch| batch.row >= first)
    });
    let is_stored = |member: &&Member| member.batch.is_some_and(|batch| batch.state == BatchState::Stored);
    match lane.iter().filter(is_stored).count() {
        0 if lane.is_empty() => Err(SquashError::NotParked),
        0 => Ok(lane),
        stored => Err(SquashError::Stored { stored }),
    }
}

/// Deals with edits that were made on what was squashed meanwhile, and saved after it: they follow as what they change.
pub(crate) fn follow(tx: &Tx<'_>, document: i64, group: &ChangeHash, unix_seconds: i64) -> Result<(), StorageError> {
    let squashed = tx.blamed(document, group)?;
    let earlier: Vec<ChangeHash> = squashed.iter().map(|member| member.change.hash()).collect();
    let by: Vec<ChangeHash> = tx.squashed_into(document, group)?.into_iter().collect();
    let mut inside: HashSet<ChangeHash> = earlier.iter().copied().collect();
    let mut late = Vec::new();
    for member in tx.unsettled(document)? {
        if member.change.header.deps.iter().any(|dep| inside.contains(dep)) {
            inside.insert(member.change.hash());
            late.push(member);
        }
    }
    let known = match known_changes(tx, document)? {
        Ok(known) => known,
        Err(detail) => return Err(tx.unexpected(detail)),
    };
    let strays: Vec<Change> = squashed.iter().chain(&late).map(|member| member.change.clone()).collect();
    let originals: Vec<Change> = late.iter().map(|member| member.change.clone()).collect();
    let known = [known, strays].concat();
    let before = Some(Earlier { originals: &earlier, by: &by });
    let made = document::squash(&Squash { known: &known, originals: &originals, before }).unwrap_or_else(|error| {
        tracing::warn!(detail = %error, "An edit on what was squashed is quarantined: {error}");
        document::Squashed::default()
    });
    carry_out(tx, document, &late, &made, unix_seconds)
}

/// Stores what the edits come to, and takes them out of their document.
fn carry_out(
    tx: &Tx<'_>,
    document: i64,
    originals: &[Member],
    squashed: &document::Squashed,
    unix_seconds: i64,
) -> Result<(), StorageError> {
    let id = tx.document_id(document)?;
    let Some(first) = originals.first().map(|member| member.change.hash()) else { return Ok(()) };
    for member in originals {
        tx.exclude(member.row)?;
    }
    let rewritten = originals.iter().filter_map(|member| member.batch).map(|batch| batch.rewritten).max();
    let (mut by, mut last) = (None, None);
    for change in squashed.seeds.iter().chain(&squashed.changes) {
        let hash = change.hash();
        last = Some(hash);
        by = Some(match tx.excluded_batch(document, &hash)? {
            Some(batch) => batch, // made before, and gone since
            None => tx.add_replacement(document, BatchId::derived(id, &hash), change, rewritten.unwrap_or(0))?,
        });
    }
    let detail = match originals.len() {
        1 => "said anew, on top of what was squashed before it".to_owned(),
        edits => format!("one of {edits} edits that are said in one go"),
    };
    let refusal =
        Refusal { code: FateCode::SQUASHED, culprit: Some(&first), detail: &detail, unix_seconds: Some(unix_seconds) };
    for batch in originals.iter().filter_map(|member| member.batch) {
        tx.quarantine(batch.row, &refusal, by)?;
    }
    let gone: BTreeMap<ChangeHash, &Change> =
        originals.iter().map(|member| (member.change.hash(), &member.change)).collect();
    reseal_tombstones(tx, document, id, &gone, |_| last)?;
    tx.forget_actors()?;
    tx.drop_local_snapshot(document)?;
    tx.begin_generation(document)
}
