//! A document put together from its rows alone, to compare with what is kept beside them.

use std::collections::HashSet;

use document::{Change, Document};
use sync_wire::{Blob, ChangeHash};

use crate::error::StorageError;
use crate::storage::{DocumentRow, Origin, SnapshotRow, Tx};

/// What the rows of a document give.
pub(super) struct Replayed {
    pub(super) document: Document,
    /// Rows of changes, by number.
    pub(super) rows: Vec<(i64, ChangeHash)>,
    /// What does not fit: a sentence each.
    pub(super) faults: Vec<(&'static str, String)>,
    pub(super) snapshots: Vec<SnapshotRow>,
}

/// Applies all rows of a document to what only a relay's snapshot holds.
pub(super) fn replay(tx: &Tx<'_>, row: &DocumentRow) -> Result<Replayed, StorageError> {
    let snapshots = tx.snapshots(row.row)?;
    let mut faults = Vec::new();
    // Changes of a relay's snapshot that have no rows are nowhere else.
    let needed = snapshots.iter().find(|stored| stored.origin == Origin::Relay && !stored.is_spare());
    let mut document = Document::new(row.type_name.as_deref());
    match needed.map(|stored| Document::load(&stored.snapshot)) {
        Some(Ok(loaded)) => document = loaded,
        // That it was given up is known; its entries come again.
        Some(Err(_)) if needed.is_some_and(SnapshotRow::is_given_up) => {}
        Some(Err(error)) => faults.push(("snapshot_wrong", format!("its relay's snapshot does not load: {error}"))),
        None => {}
    }
    let mut rows = Vec::new();
    let mut changes = Vec::new();
    for stored in tx.changes_after(row.row, i64::MIN)? {
        // What is not a change was reported by its hash.
        let Ok(change) = Change::parse(stored.bytes) else { continue };
        rows.push((stored.row, change.header.hash));
        changes.push(change);
    }
    let (ordered, waiting) = in_causal_order(&document, changes);
    if let Err(error) = document.apply(&ordered) {
        faults.push(("does_not_apply", format!("its changes cannot be put together: {error}")));
    }
    if waiting > 0 && needed.is_none() {
        faults.push(("rests_on_missing", format!("{waiting} of its changes rest on others that are not here")));
    }
    Ok(Replayed { document, rows, faults, snapshots })
}

/// What can be applied, in an order in which it can; and how many changes cannot, because others are missing.
fn in_causal_order(document: &Document, mut waiting: Vec<Change>) -> (Vec<Blob>, usize) {
    let (mut chosen, mut ordered) = (HashSet::new(), Vec::new());
    waiting.retain(|change| !document.contains(&change.header.hash));
    loop {
        let before = waiting.len();
        waiting.retain(|change| {
            let is_ready = change.header.deps.iter().all(|dep| chosen.contains(dep) || document.contains(dep));
            if is_ready && chosen.insert(change.header.hash) {
                ordered.push(change.bytes.clone());
            }
            !is_ready
        });
        if waiting.is_empty() || waiting.len() == before {
            return (ordered, waiting.len());
        }
    }
}
