//! One entry of a log, into rows.

use document::{Change, Seed};
use sync_core::client::Lanes;
use sync_wire::log::{EntryKind, marker_hash};
use sync_wire::{Actor, DocumentId, Entry, FateCode, LogPosition, Void};

use super::{RemoteError, resubmitted};
use crate::recovery::{Because, TookVoid, recover, take_void};
use crate::storage::{BatchState, DocumentPlace, NewChange, Placed, Settled, SpaceRow, Tx};

/// Why a document can only be read whose changes come without bytes.
const PURGED_BEFORE: &str = "its content is purged at the relay";

/// An entry whose bytes are its hash's.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Without the bytes of a change.
    pub(super) entry: Entry,
    pub(super) change: Option<Change>,
}

/// What became of a stored entry.
pub(super) struct Stored {
    /// Where its document stood before.
    pub(super) place: DocumentPlace,
    pub(super) effect: Stores,
    pub(super) lanes: Lanes,
}

/// What an entry did to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stores {
    /// It was there, and has its place in the log now.
    Nothing,
    /// One change more, in this row.
    Change { row: i64 },
    /// More than that: whoever has the document in memory must look at the file.
    Other,
    /// As `Other`; and somebody else writes under a name of this vault.
    OwnName,
}

/// What entries mean for more than their documents.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Consequences {
    /// Somebody else writes under a name of this vault, and what had that name may have been written anew.
    pub(super) is_rotated: bool,
    pub(super) lanes: Lanes,
}

impl Consequences {
    pub(super) fn add(&mut self, stored: &Stored) {
        self.is_rotated |= stored.effect == Stores::OwnName;
        self.lanes = self.lanes.and(stored.lanes);
    }
}

/// What is known of a document while a run of plain changes of it is stored, within one transaction: each of them costs
/// little more than its row then. Whatever else comes ends the run.
#[derive(Debug, Default)]
pub(super) struct Run(Option<Known>);

#[derive(Debug)]
struct Known {
    document: DocumentId,
    /// Where it stood before its first entry.
    place: DocumentPlace,
    /// Of the last change; it is no name of this vault.
    actor: Actor,
    /// Whether lanes are open that waited for its heads to be brought together.
    has_merged: bool,
}

/// Parses an entry's change and compares its hash. Who wrote a change that does not parse is not asked: the relay must
/// not have let it in.
pub(super) fn parse(entry: Entry) -> Result<Parsed, RemoteError> {
    let change = match (entry.kind, &entry.bytes) {
        (EntryKind::Change, Some(bytes)) => {
            let parsed = Change::parse(bytes.clone());
            let change = parsed.map_err(|error| RemoteError::rejected(format!("change {}: {error}", entry.hash)))?;
            if change.header.hash != entry.hash {
                let detail = format!("bytes of change {} came as those of {}", change.header.hash, entry.hash);
                return Err(RemoteError::Rejected(detail));
            }
            Some(change)
        }
        _ => None,
    };
    let is_void = entry.kind == EntryKind::Void;
    let entry = Entry { bytes: entry.bytes.filter(|_| is_void), ..entry };
    Ok(Parsed { entry, change })
}

/// Stores an entry at its place, which is after that of the entry that `run` was given with before.
pub(super) fn store(
    parsed: &Parsed,
    tx: &Tx<'_>,
    space: &SpaceRow,
    at: LogPosition,
    run: &mut Run,
) -> Result<Stored, RemoteError> {
    let entry = &parsed.entry;
    let seed = parsed.change.as_ref().and_then(|change| Seed::of(&change.header));
    if let (Some(change), None) = (&parsed.change, &seed)
        && let Some(stored) = run.go_on(tx, space, (entry, change), at)?
    {
        return Ok(stored);
    }
    run.0 = None;
    let type_name = match &seed {
        Some(Seed::Root { type_name }) => Some(type_name.as_str()),
        _ => None,
    };
    let place = tx.ensure_document(space, entry.document, type_name)?;
    if entry.kind != EntryKind::Change {
        tx.add_marker(space.row, place.row, at.position, entry)?;
    }
    if place.is_purged {
        // Nothing of it is taken any more, and what was ours has its fate.
        return Ok(Stored { place, effect: Stores::Nothing, lanes: Lanes::Unchanged });
    }
    let (effect, lanes) = match &parsed.change {
        Some(change) => {
            let (effect, lanes, known) = place_change(tx, space, place, (entry, change), at)?;
            run.0 = known;
            (effect, lanes)
        }
        None => store_other(entry, tx, space, place.row, at)?,
    };
    Ok(Stored { place, effect, lanes })
}

impl Run {
    /// Stores one change more, if nothing else than its row is to be seen to. `None`: nothing was stored, and the run
    /// is over.
    fn go_on(
        &mut self,
        tx: &Tx<'_>,
        space: &SpaceRow,
        (entry, change): (&Entry, &Change),
        at: LogPosition,
    ) -> Result<Option<Stored>, RemoteError> {
        let Some(mut known) = self.0.take().filter(|known| known.document == entry.document) else { return Ok(None) };
        let (place, actor) = (known.place, change.header.actor);
        if actor != known.actor && tx.is_own_actor(&actor)? {
            return Ok(None);
        }
        known.actor = actor;
        let Placed::New(row) = tx.place(place.row, at_its_place(entry, change, at))? else { return Ok(None) };
        resubmitted::settle(tx, space, place.row, entry, change)?;
        let mut lanes = Lanes::Unchanged;
        if change.header.deps.len() > 1 && !known.has_merged {
            lanes = Lanes::opened(tx.unpark(place.row, FateCode::HEADS)?);
            known.has_merged = true;
        }
        self.0 = Some(known);
        Ok(Some(Stored { place, effect: Stores::Change { row }, lanes }))
    }
}

/// Stores an entry that brings no change with it.
fn store_other(
    entry: &Entry,
    tx: &Tx<'_>,
    space: &SpaceRow,
    document: i64,
    at: LogPosition,
) -> Result<(Stores, Lanes), RemoteError> {
    match entry.kind {
        EntryKind::Change => {
            let known = match tx.change_of_batch(document, entry.batch, &entry.hash)? {
                Some(row) => Some(row),
                None => tx.change_by_hash(document, &entry.hash)?,
            };
            let Some(row) = known else {
                // The relay has purged it; the entry that says so is still to come, and until then nobody may edit it.
                tx.set_held(document, Some(PURGED_BEFORE))?;
                return Ok((Stores::Other, Lanes::Unchanged));
            };
            Ok((Stores::Nothing, settle(tx, document, entry, row, at)?))
        }
        EntryKind::Tombstone | EntryKind::Restore => {
            let lanes = mark(tx, space, document, entry, at)?;
            Ok((Stores::Other, lanes))
        }
        EntryKind::Erased => {
            erase(tx, space, document, entry, at)?;
            Ok((Stores::Other, Lanes::Unchanged))
        }
        EntryKind::Void => void(tx, space, document, entry, at),
    }
}

/// What a repair excludes leaves the document, if that follows from what is here.
fn void(
    tx: &Tx<'_>,
    space: &SpaceRow,
    document: i64,
    entry: &Entry,
    at: LogPosition,
) -> Result<(Stores, Lanes), RemoteError> {
    let payload = entry.bytes.as_deref().unwrap_or_default();
    if Void::hash(payload, space.space, entry.document, entry.batch) != entry.hash {
        return Err(RemoteError::Rejected(format!("the void at {at} does not have its hash")));
    }
    let void = Void::decode(payload).map_err(|error| RemoteError::Rejected(format!("at {at}: {error}")))?;
    let is_found = tx.found_void(document, &entry.hash)?;
    match take_void(tx, document, &void, at)? {
        Ok(TookVoid::Nothing) => {
            let opened = tx.unpark(document, FateCode::HELD)? + usize::from(is_found);
            Ok((Stores::Other, Lanes::opened(opened)))
        }
        Ok(TookVoid::Rows) => {
            tx.set_held(document, None)?;
            tx.unpark(document, FateCode::WITH)?;
            Ok((Stores::OwnName, Lanes::opened(1)))
        }
        Err(detail) => {
            let reason = format!("the repair at {at}, void {}, is wrong: {detail}", entry.hash);
            tx.set_held(document, Some(&reason))?;
            // Another one may have been taken back for it, with what was written since.
            Ok((Stores::OwnName, Lanes::Unchanged))
        }
    }
}

/// What the log does without in a document, and what it did without when it had voids that it has lost since: what
/// those did stays until another one comes in their place.
fn voids(tx: &Tx<'_>, document: i64) -> Result<Vec<Void>, RemoteError> {
    let lost = tx.lost_voids(document)?.into_iter().filter(|lost| !lost.is_undone).map(|lost| lost.void);
    Ok(tx.voids(document)?.into_iter().map(|row| row.void).chain(lost).collect())
}

/// A change as the log has it.
fn at_its_place<'c>(entry: &Entry, change: &'c Change, at: LogPosition) -> NewChange<'c> {
    NewChange { change, position: Some(at.position), device: Some(entry.device), batch: entry.batch }
}

/// Stores a change, and says what the next one need not ask again.
fn place_change(
    tx: &Tx<'_>,
    space: &SpaceRow,
    place: DocumentPlace,
    (entry, change): (&Entry, &Change),
    at: LogPosition,
) -> Result<(Stores, Lanes, Option<Known>), RemoteError> {
    let (document, actor) = (place.row, change.header.actor);
    let new = at_its_place(entry, change, at);
    let voids = voids(tx, document)?;
    if voids.iter().any(|void| void.changes().any(|excluded| excluded == entry.hash)) {
        tx.keep_excluded(document, new, at.position, entry.device)?;
        return Ok((Stores::Nothing, Lanes::Unchanged, None));
    }
    match tx.place(document, new)? {
        Placed::Known(row) => Ok((Stores::Nothing, settle(tx, document, entry, row, at)?, None)),
        Placed::New(row) => {
            resubmitted::settle(tx, space, document, entry, change)?;
            let mut opened = tx.unpark(document, FateCode::MISSING)?;
            let has_merged = change.header.deps.len() > 1;
            if has_merged {
                opened += tx.unpark(document, FateCode::HEADS)?; // it has brought heads together
            }
            let lanes = Lanes::opened(opened);
            // Only a clone or an older copy of this vault can have written it.
            if tx.is_own_actor(&actor)? {
                tx.forget_actors()?;
                return Ok((Stores::OwnName, lanes, None));
            }
            let known = Known { document: entry.document, place, actor, has_merged };
            Ok((Stores::Change { row }, lanes, voids.is_empty().then_some(known)))
        }
        Placed::Taken { row, hash } => {
            // The log has decided between two changes of one name and number: ours gives way, and gets another name.
            let detail = format!("another change with its actor and number was accepted before it: {}", entry.hash);
            let because = Because { code: FateCode::EQUIVOCATION, detail: &detail, unix_seconds: None };
            if !recover(tx, document, row, &because)? {
                let detail = format!("change {} and change {hash} have one actor and number", entry.hash);
                return Err(RemoteError::Rejected(detail));
            }
            let (_, lanes, _) = place_change(tx, space, place, (entry, change), at)?;
            Ok((Stores::OwnName, lanes, None))
        }
    }
}

/// A change that was here has its place in the log now, and so have the batches that hold it: somebody else pushed it,
/// who had it as well. If it closed its lane, that is open. What waits for changes that the log lacked may have waited
/// for this one.
fn settle(tx: &Tx<'_>, document: i64, entry: &Entry, row: i64, at: LogPosition) -> Result<Lanes, RemoteError> {
    tx.set_position(row, at.position, entry.device, entry.batch)?;
    let opened = usize::from(tx.accept_change(row, at)? == Settled::WasParked);
    Ok(Lanes::opened(opened + tx.unpark(document, FateCode::MISSING)?))
}

/// What the log says of a document, unless its own user has another word on the way, which comes after it.
fn mark(tx: &Tx<'_>, space: &SpaceRow, document: i64, entry: &Entry, at: LogPosition) -> Result<Lanes, RemoteError> {
    compare_hash(space, entry, at)?;
    let deleted = entry.kind == EntryKind::Tombstone;
    let mut opened = if deleted {
        // It has happened: nothing is left to be decided.
        tx.discard_deletions(document, FateCode::CONTESTED)?;
        tx.discard_deletions(document, FateCode::BRAKE)?;
        0
    } else {
        tx.unpark(document, FateCode::DELETED)?
    };
    if let Some(own) = tx.batch(entry.batch)? {
        opened += usize::from(own.state == BatchState::Parked);
        tx.accept(own.row, at)?;
    }
    let own = tx.own_mark(document)?;
    tx.set_deleted(document, own.unwrap_or(deleted))?;
    Ok(Lanes::opened(opened))
}

/// The bytes go, if the log itself has said before that the document is deleted: nothing else may empty a vault.
fn erase(tx: &Tx<'_>, space: &SpaceRow, document: i64, entry: &Entry, at: LogPosition) -> Result<(), RemoteError> {
    compare_hash(space, entry, at)?;
    if !tx.is_deleted_in_log(document)? {
        tx.set_held(document, Some("the relay says that it is purged, and it was never deleted"))?;
        return Ok(());
    }
    tx.purge(document, at)?;
    Ok(())
}

fn compare_hash(space: &SpaceRow, entry: &Entry, at: LogPosition) -> Result<(), RemoteError> {
    let heads = entry.heads.as_deref().unwrap_or_default();
    if marker_hash(entry.kind, space.space, entry.document, entry.batch, heads) != entry.hash {
        let detail = format!("the {:?} entry at {at} does not have its hash", entry.kind);
        return Err(RemoteError::Rejected(detail));
    }
    Ok(())
}
