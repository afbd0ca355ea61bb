//! Why a document is in the state it is in, as this device knows it: batches and their fates, lane, log, snapshots.
//!
//! Everything but the counts of conflicts comes from the file at one moment; no relay is asked.

mod words; // what a code means, and what to do about it

use std::fmt::Display;

use serde::{Serialize, Serializer};
use sync_wire::{BatchId, ChangeHash, DocumentId, SpaceId};

pub(crate) use self::words::Words;
use crate::document::Document;
use crate::error::{ReadError, StorageError};
use crate::status::DocumentStatus;
use crate::storage::{BatchState, DocumentRow, OpenBatch, SnapshotFacts, SpaceRow, Tx, VoidRow};
use crate::vault::Vault;

/// Batches that are listed one by one.
const LISTED_MAX: usize = 100;

/// All that the vault knows of where a document stands. Ids and positions are serialized as their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Its space.
    #[serde(serialize_with = "text")]
    pub space: SpaceId,
    /// Its id.
    #[serde(serialize_with = "text")]
    pub document: DocumentId,
    /// Its type, if it has one.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// What people call it, if that is known without loading it.
    pub title: Option<String>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Why it can only be read, if so.
    pub held: Option<String>,
    /// Whether some edits are in memory only.
    pub unsaved: bool,
    /// The least favourable state of its saved edits, as [`crate::DocumentState::name`] has it.
    pub state: &'static str,
    /// How many of its batches stand where.
    pub batches: BatchTotals,
    /// Batches that are not simply accepted, the oldest first, at most 100.
    pub open_batches: Vec<ExplainedBatch>,
    /// Whether its edits are being sent.
    pub lane: Lane,
    /// Fields with several values; none if it is deleted or cannot be put together.
    pub conflicts: Option<ConflictTotals>,
    /// Its changes on this device.
    pub changes: ChangeTotals,
    /// Where its space stands with the relay; none if no relay knows the space.
    pub relay: Option<RelayView>,
    /// Repairs of it that the log has, the oldest first.
    pub repairs: Vec<ExplainedRepair>,
    /// Its snapshots: derived, for quick loading.
    pub snapshots: Vec<ExplainedSnapshot>,
    /// Counts how often what was there before changed.
    pub generation: i64,
    /// All that in one or two sentences, with what to do.
    pub summary: String,
}

/// How many batches of a document stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct BatchTotals {
    /// Saved, not answered by the relay.
    pub pending: u64,
    /// Durable at the relay, without a place in the log.
    pub stored: u64,
    /// In the log.
    pub accepted: u64,
    /// Kept here until what decided changes.
    pub parked: u64,
    /// Refused, and kept here.
    pub quarantined: u64,
    /// Refused, and said by another batch, or nothing was left of it.
    pub replaced: u64,
    /// Thrown away by a person.
    pub discarded: u64,
}

/// A batch that is not simply accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedBatch {
    /// Its id.
    #[serde(serialize_with = "text")]
    pub batch: BatchId,
    /// `changes`, `tombstone` or `restore`.
    pub kind: &'static str,
    /// `pending`, `stored`, `parked`, `quarantined`, `replaced` or `discarded`.
    pub state: &'static str,
    /// The relay's word for the reason, if it gave one.
    pub code: Option<&'static str>,
    /// The relay's sentence.
    pub detail: Option<String>,
    /// The change to blame, if it was named.
    #[serde(serialize_with = "text_if_any")]
    pub culprit: Option<ChangeHash>,
    /// The hashes that it was sealed with.
    #[serde(serialize_with = "texts")]
    pub hashes: Vec<ChangeHash>,
    /// What that means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Whether a document's edits are being sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lane {
    /// `local`, `empty`, `open`, `closed` or `read_only`.
    pub state: &'static str,
    /// The parked batch that closes it.
    #[serde(serialize_with = "text_if_any")]
    pub closed_by: Option<BatchId>,
    /// Batches that will be sent, or would if it were open.
    pub waiting: u64,
}

/// Fields of a document that were written at once by several devices, and that nobody has written since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ConflictTotals {
    /// That wait for a person ([`Document::conflicts`]).
    pub open: u64,
    /// In which one of the values won by itself ([`Document::overruled`]).
    pub overruled: u64,
}

/// Changes of a document on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChangeTotals {
    /// Rows that are part of the document. A relay's snapshot may stand for more.
    pub rows: u64,
    /// Bytes of all rows.
    pub bytes: u64,
    /// Rows that were taken out of the document; their bytes stay.
    pub excluded: u64,
    /// Rows of which the place in the log is known.
    pub in_log: u64,
    /// Different authors among them.
    pub actors: u64,
}

/// Where a document's space stands with the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RelayView {
    /// Whether the account may read, and write; none if the grant was taken.
    pub role: Option<&'static str>,
    /// How far the log of the space has come here, as `epoch:position`.
    pub resume_point: Option<String>,
    /// Whether whole documents are still being fetched, and this one has its turn yet to come.
    pub awaits_bootstrap: bool,
    /// The last place in the log at which something of the document is known to be.
    pub last_position: Option<u64>,
    /// Where the relay put the last own batch that it accepted, as `epoch:position`.
    pub last_accepted: Option<String>,
}

/// What a repair has taken out of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedRepair {
    /// Its place in the log of the space.
    pub position: u64,
    /// The entry that says so.
    #[serde(serialize_with = "text")]
    pub void: ChangeHash,
    /// The changes at fault.
    #[serde(serialize_with = "texts")]
    pub excluded: Vec<ChangeHash>,
    /// How many other changes rested on them.
    pub dependents: u64,
    /// How many of those were written anew.
    pub written_anew: u64,
}

/// A snapshot of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedSnapshot {
    /// Who made it: `relay` or `vault`.
    pub origin: &'static str,
    /// What it is good for: `whole`, `filled` (every change has a row too) or `given_up` (it does not load).
    pub state: &'static str,
    /// How many changes it holds.
    pub changes: u64,
    /// Its size.
    pub bytes: u64,
}

impl Vault {
    /// Says why a document is in the state it is in. Loads it if it can, to count its conflicts.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] for a well-known document that nobody has edited yet; [`ReadError::Storage`].
    ///
    /// # Example
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("shopping"), None)?;
    /// let explanation = vault.explain(&note)?;
    /// assert_eq!((explanation.state, explanation.lane.state), ("saved", "local"));
    /// assert!(explanation.summary.contains("log in"), "{}", explanation.summary);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, document: &Document) -> Result<Explanation, ReadError> {
        let inner = self.live()?;
        let (space, id) = (document.space(), document.id());
        let unsaved = inner.shelf.get(space, id).is_some_and(|loaded| loaded.has_unsaved());
        let explained = inner.storage.read_at_once(|tx| explain(tx, space, id, unsaved))?;
        let mut explanation = explained.ok_or(ReadError::NotFound { space, document: id })?;
        explanation.conflicts = match document.conflict_totals() {
            Ok(totals) => Some(totals),
            Err(error @ ReadError::Storage(_)) => return Err(error),
            Err(_) => None,
        };
        explanation.summary = words::summary(&explanation);
        Ok(explanation)
    }
}

fn explain(tx: &Tx<'_>, space: SpaceId, id: DocumentId, unsaved: bool) -> Result<Option<Explanation>, StorageError> {
    let (Some(place), Some(row)) = (tx.space(space)?, tx.document(space, id)?) else { return Ok(None) };
    let status = DocumentStatus::of(tx, &row, place.kind.is_none(), unsaved)?;
    let [pending, stored, accepted, parked, quarantined, replaced, discarded] = tx.batch_totals(row.row)?;
    let batches = BatchTotals { pending, stored, accepted, parked, quarantined, replaced, discarded };
    let open_batches = tx.open_batches(row.row, LISTED_MAX)?;
    let lane = Lane::of(&place, &batches, &open_batches);
    let counts = tx.change_counts(row.row)?;
    let open_batches: Vec<_> = open_batches.into_iter().map(ExplainedBatch::from).collect();
    Ok(Some(Explanation {
        space: place.space,
        document: id,
        relay: RelayView::of(tx, &place, &row, id)?,
        repairs: tx.voids(row.row)?.into_iter().map(ExplainedRepair::from).collect(),
        snapshots: tx.snapshot_facts(row.row)?.iter().map(ExplainedSnapshot::from).collect(),
        generation: row.moved.generation,
        title: row.title.filter(|_| !row.title_is_stale),
        type_name: row.type_name,
        deleted: row.deleted,
        held: row.held,
        unsaved,
        state: status.state.name(),
        batches,
        open_batches,
        lane,
        conflicts: None,
        changes: ChangeTotals {
            rows: counts.rows,
            bytes: counts.bytes,
            excluded: counts.excluded,
            in_log: counts.placed,
            actors: counts.actors,
        },
        summary: String::new(),
    }))
}

impl Lane {
    fn of(space: &SpaceRow, batches: &BatchTotals, open: &[OpenBatch]) -> Self {
        let waiting = batches.pending + batches.stored + batches.parked;
        let closed_by = open.iter().find(|batch| batch.state == BatchState::Parked).map(|batch| batch.id);
        let state = match (space.kind, space.role) {
            (None, _) => "local",
            (Some(_), None) => "read_only",
            _ if closed_by.is_some() => "closed",
            _ if waiting == 0 => "empty",
            _ => "open",
        };
        Self { state, closed_by, waiting }
    }
}

impl RelayView {
    fn of(tx: &Tx<'_>, space: &SpaceRow, row: &DocumentRow, id: DocumentId) -> Result<Option<Self>, StorageError> {
        if space.kind.is_none() {
            return Ok(None);
        }
        let resuming = space.resuming;
        let bootstrap = resuming.and_then(|resuming| resuming.bootstrap);
        Ok(Some(Self {
            role: space.role.map(sync_wire::Role::name),
            resume_point: resuming.map(|resuming| resuming.at.to_string()),
            // Documents are fetched in the order of their ids.
            awaits_bootstrap: bootstrap.is_some_and(|point| point.after < Some(id)),
            last_position: tx.change_counts(row.row)?.last.map(|position| position.0),
            last_accepted: tx.last_accepted(row.row)?.map(|at| at.to_string()),
        }))
    }
}

impl From<VoidRow> for ExplainedRepair {
    fn from(row: VoidRow) -> Self {
        Self {
            position: row.position.0,
            void: row.hash,
            dependents: row.void.dependents.len() as u64,
            written_anew: row.void.replacements().count() as u64,
            excluded: row.void.excluded,
        }
    }
}

impl From<OpenBatch> for ExplainedBatch {
    fn from(batch: OpenBatch) -> Self {
        let Words { meaning, remedy } = Words::of(batch.state, batch.code);
        Self {
            batch: batch.id,
            kind: batch.kind,
            state: words::state(batch.state),
            code: batch.code.map(|code| code.name()),
            detail: batch.detail,
            culprit: batch.culprit,
            hashes: batch.hashes,
            meaning,
            remedy,
        }
    }
}

impl From<&SnapshotFacts> for ExplainedSnapshot {
    fn from(facts: &SnapshotFacts) -> Self {
        let state = match (facts.origin, facts.through) {
            ("relay", -1) => "filled",
            ("relay", ..-1) => "given_up",
            _ => "whole",
        };
        Self { origin: facts.origin, state, changes: facts.changes, bytes: facts.bytes }
    }
}

fn text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn texts<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

fn text_if_any<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
