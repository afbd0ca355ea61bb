//! Rows to a document: the newest sound snapshot, then everything after it that can be applied, as one batch.
//!
//! A relay's snapshot is loaded here for the first time. If that fails it is given up (see `storage/snapshots.rs`), and
//! the document cannot be read until its entries have come.
//!
//! Rows whose dependencies are not here yet (a bootstrap that is under way has yet to bring them) wait; a row that
//! cannot be applied safely makes the document *held*, with all that it can show, and others go on.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use document::{ApplyError, Change, Document, HeaderError, LoadError, Snapshot};
use sync_wire::{Blob, ChangeHash};

use super::{Loaded, State, keep};
use crate::error::{ReadError, StorageError};
use crate::storage::{ChangeRow, DocumentRow, Origin, SnapshotRow};
use crate::vault::Inner;

/// Changes after the snapshot from which a new one is worth its making.
const SNAPSHOT_AFTER_CHANGES: usize = 500;
/// Why a document cannot be read for now.
const COMES_AGAIN: &str = "its changes come again with the next connection to the relay";
/// Changes that are left out one by one before the rest is given up.
const CULPRITS_MAX: usize = 16;

/// Loads a document from the file.
pub(super) fn load(inner: &Arc<Inner>, loaded: &Loaded, state: &mut State) -> Result<(), ReadError> {
    let stored = inner.storage.read(|tx| tx.document(loaded.space, loaded.id))?;
    state.type_name =
        stored.as_ref().and_then(|row| row.type_name.clone()).or_else(|| inner.well_known_type(loaded.id));
    state.lineage = Arc::default();
    let Some(row) = &stored else {
        let type_name = state.type_name.clone();
        let missing = || ReadError::NotFound { space: loaded.space, document: loaded.id };
        state.document = Some(Document::new(Some(&type_name.ok_or_else(missing)?)));
        state.stored = None;
        state.held = None;
        state.generation = 0;
        return Ok(());
    };
    let (base, rows) = read_rows(inner, loaded, row, state.type_name.as_deref())?;
    let mut document = base.document;
    let corrected = base.origin.and_then(|origin| correct_type(inner, row, origin, &document));
    state.type_name = corrected.or_else(|| state.type_name.take());
    let taken = take_in(&mut document, rows, base.through, &|hash| has_no_fate(inner, row, hash));
    if taken.applied > SNAPSHOT_AFTER_CHANGES && taken.held.is_none() && taken.is_complete {
        keep::keep(inner, row, &document, taken.through);
    }
    finish(inner, loaded, row, &taken);
    state.generation = row.moved.generation;
    state.lineage.point.store(taken.through, Ordering::Release);
    state.document = Some(document);
    state.held = taken.held;
    state.stored = stored;
    Ok(())
}

/// Applies the rows that came after the state's point, as one batch.
pub(super) fn apply_new_rows(inner: &Inner, loaded: &Loaded, state: &mut State) -> Result<(), ReadError> {
    let (Some(document), Some(row)) = (state.document.as_mut(), state.stored.as_ref()) else { return Ok(()) };
    let after = state.lineage.point.load(Ordering::Acquire);
    let rows = inner.storage.read(|tx| tx.changes_after(row.row, after))?;
    let taken = take_in(document, rows, after, &|hash| has_no_fate(inner, row, hash));
    finish(inner, loaded, row, &taken);
    if taken.held.is_some() {
        state.held = taken.held;
    }
    state.lineage.point.fetch_max(taken.through, Ordering::AcqRel);
    Ok(())
}

struct Base {
    document: Document,
    /// Whose snapshot it was loaded from.
    origin: Option<Origin>,
    through: i64,
}

/// The first snapshot that loads, else an empty document; and the rows after it.
fn read_rows(
    inner: &Inner,
    loaded: &Loaded,
    row: &DocumentRow,
    type_name: Option<&str>,
) -> Result<(Base, Vec<ChangeRow>), ReadError> {
    let unreadable = |detail: String| ReadError::Unreadable { document: loaded.id, detail };
    let read = || -> Result<(Vec<SnapshotRow>, Vec<ChangeRow>), StorageError> {
        inner.storage.read_at_once(|tx| {
            let snapshots = tx.snapshots(row.row)?;
            // Without a snapshot, rows that were filled from one count too.
            let after = snapshots.first().map_or(i64::MIN, |first| first.through);
            Ok((snapshots, tx.changes_after(row.row, after)?))
        })
    };
    let (snapshots, rows) = read()?;
    let Some(first) = snapshots.first() else {
        return Ok((Base { document: Document::new(type_name), origin: None, through: 0 }, rows));
    };
    let (found, origin) = (row.row, first.origin);
    if first.is_given_up() {
        if !has_all_entries(inner, loaded)? {
            return Err(unreadable(COMES_AGAIN.to_owned()));
        }
    } else {
        match Document::load(&first.snapshot) {
            Ok(document) => {
                return Ok((Base { document, origin: Some(origin), through: first.through.max(0) }, rows));
            }
            Err(error) if !first.is_spare() => {
                inner.give_up_snapshot(found, &first.snapshot, &error)?;
                return Err(unreadable(format!("{error}: {COMES_AGAIN}")));
            }
            Err(error) => {
                tracing::warn!(document.id = %loaded.id, error = %error, "A snapshot does not load; replaying changes");
            }
        }
    }
    inner.storage.write::<_, StorageError>(move |tx| tx.drop_spare_snapshot(found, origin))?;
    read_rows(inner, loaded, row, type_name)
}

/// Whether the entries came that were asked for instead of snapshots.
fn has_all_entries(inner: &Inner, loaded: &Loaded) -> Result<bool, StorageError> {
    inner.storage.read_at_once(|tx| match tx.space(loaded.space)? {
        Some(space) if space.resuming.is_some_and(|resuming| resuming.bootstrap.is_none()) => {
            Ok(!tx.log_is_coming_again(&space)?)
        }
        _ => Ok(false),
    })
}

/// A relay's snapshot was only walked when it was stored; who forges one could name another type for the lists.
fn correct_type(inner: &Inner, row: &DocumentRow, origin: Origin, document: &Document) -> Option<String> {
    let found =
        document.type_name().filter(|found| origin == Origin::Relay && row.type_name.as_ref() != Some(found))?;
    let (document, kept) = (row.row, found.clone());
    inner.storage.submit::<_, StorageError>(move |tx| tx.correct_type(document, &kept), |_| ());
    Some(found)
}

impl Inner {
    /// The entries of the document are asked for instead.
    pub(crate) fn give_up_snapshot(
        &self,
        document: i64,
        snapshot: &Snapshot,
        error: &LoadError,
    ) -> Result<(), StorageError> {
        tracing::warn!(error = %error, "A snapshot of a relay does not load; its space is fetched again: {error}");
        let digest = snapshot.digest;
        self.storage.write(move |tx| tx.give_up_snapshot(document, &digest))
    }
}

struct Taken {
    /// Every row up to this one is in the document (or will never be).
    through: i64,
    applied: usize,
    /// Whether no row waits for another.
    is_complete: bool,
    held: Option<String>,
}

/// Whether a change is one of ours that the relay has yet to judge.
fn has_no_fate(inner: &Inner, row: &DocumentRow, hash: &ChangeHash) -> bool {
    let unsettled = inner.storage.read(|tx| tx.unsettled(row.row));
    unsettled.is_ok_and(|members| members.iter().any(|member| member.change.hash() == *hash))
}

/// Applies what can be applied, as one batch if nothing is wrong with it.
fn take_in(
    document: &mut Document,
    rows: Vec<ChangeRow>,
    after: i64,
    has_no_fate: &dyn Fn(&ChangeHash) -> bool,
) -> Taken {
    let last = rows.last().map_or(after, |row| row.row).max(after);
    let mut taken = Taken { through: last, applied: 0, is_complete: true, held: None };
    let mut excluded = HashSet::new();
    let parsed = parse(rows, &mut taken);
    for _ in 0..CULPRITS_MAX {
        let ready = ready(document, &parsed, &excluded);
        if let Some(first) = ready.first_waiting {
            taken.is_complete = false;
            taken.through = taken.through.min(first - 1);
        }
        if ready.changes.is_empty() {
            return taken;
        }
        match document.apply(&ready.changes) {
            Ok(_) => {
                taken.applied += ready.changes.len();
                return taken;
            }
            // A snapshot has another change under its name and number: the relay refuses it, and it is written anew.
            Err(ApplyError::Equivocation { hash, .. }) if has_no_fate(&hash) => {
                taken.is_complete = false;
                excluded.insert(hash);
            }
            Err(error) => {
                taken.held = Some(error.to_string());
                let Some(culprit) = error.culprit() else { return taken };
                excluded.insert(culprit);
            }
        }
    }
    taken
}

fn parse(rows: Vec<ChangeRow>, taken: &mut Taken) -> Vec<(i64, Change)> {
    let mut parsed = Vec::with_capacity(rows.len());
    for row in rows {
        match Change::parse(row.bytes) {
            Ok(change) => parsed.push((row.row, change)),
            Err(error) => taken.held = Some(unparsable(&error)),
        }
    }
    parsed
}

fn unparsable(error: &HeaderError) -> String {
    format!("a stored change is damaged: {error}")
}

struct Ready {
    /// In causal order.
    changes: Vec<Blob>,
    /// The first row that waits for another.
    first_waiting: Option<i64>,
}

/// What is not in the document and rests only on what is, or on each other. Rows mostly stand in causal order already,
/// so this ends after one or two rounds.
fn ready(document: &Document, rows: &[(i64, Change)], excluded: &HashSet<ChangeHash>) -> Ready {
    let is_new = |change: &Change| !excluded.contains(&change.header.hash) && !document.contains(&change.header.hash);
    let mut waiting: Vec<&(i64, Change)> = rows.iter().filter(|(_, change)| is_new(change)).collect();
    let (mut chosen, mut changes) = (HashSet::new(), Vec::new());
    loop {
        let before = waiting.len();
        waiting.retain(|(_, change)| {
            let is_here = |hash: &ChangeHash| chosen.contains(hash) || document.contains(hash);
            let is_ready = change.header.deps.iter().all(is_here);
            if is_ready && chosen.insert(change.header.hash) {
                changes.push(change.bytes.clone());
            }
            !is_ready
        });
        if waiting.is_empty() || waiting.len() == before {
            return Ready { changes, first_waiting: waiting.first().map(|(row, _)| *row) };
        }
    }
}

/// Writes down what was learnt: that the document is held.
fn finish(inner: &Inner, loaded: &Loaded, row: &DocumentRow, taken: &Taken) {
    let Some(reason) = taken.held.clone().filter(|_| row.held.is_none()) else { return };
    tracing::warn!(document.id = %loaded.id, reason = %reason, "Document {} is held", loaded.id);
    let (document, generation) = (row.row, row.moved.generation);
    inner.storage.submit::<_, StorageError>(
        move |tx| {
            // A repair may have come since.
            let is_unchanged = tx.generation(document)? == generation;
            if is_unchanged { tx.set_held(document, Some(&reason)) } else { Ok(()) }
        },
        |_| (),
    );
    inner.hint(loaded.space, loaded.id);
}
