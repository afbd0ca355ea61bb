//! A refused change with everything that it rests on, and nothing else: what its author had.

use std::collections::{HashMap, HashSet};

use document::{Change, Document};
use sync_wire::{Blob, ChangeHash};

use super::{Quarantine, QuarantineError};
use crate::error::ReadError;
use crate::storage::{Origin, QuarantineRow};

/// What the author of a change had.
pub(super) struct Past {
    pub(super) document: Document,
    pub(super) change: Change,
    /// The change and all before it.
    pub(super) changes: Vec<Change>,
}

impl Quarantine<'_> {
    /// An error of the second kind says why it cannot be put together.
    pub(super) fn past(&self, row: &QuarantineRow, hash: ChangeHash) -> Result<Result<Past, String>, QuarantineError> {
        let document = row.document_row;
        let read = self.vault.live()?.storage.read_at_once(|tx| Ok((tx.all_bytes(document)?, tx.snapshots(document)?)));
        let (mut known, snapshots) = read.map_err(ReadError::from)?;
        for stored in snapshots.iter().filter(|stored| stored.origin == Origin::Relay) {
            // One that does not load is missed below, where something rests on it.
            let inside = Document::load(&stored.snapshot).ok().and_then(|document| document.changes().ok());
            known.extend(inside.unwrap_or_default());
        }
        Ok(put_together(known, hash))
    }
}

fn put_together(known: Vec<Change>, hash: ChangeHash) -> Result<Past, String> {
    let known: HashMap<ChangeHash, Change> = known.into_iter().map(|change| (change.hash(), change)).collect();
    let change = known.get(&hash).cloned().ok_or("its bytes are not here any more")?;
    let (mut changes, mut wanted, mut seen) = (Vec::new(), vec![hash], HashSet::new());
    while let Some(next) = wanted.pop() {
        if !seen.insert(next) {
            continue;
        }
        let found = known.get(&next).ok_or_else(|| format!("it rests on change {next}, which is not here"))?;
        wanted.extend(&found.header.deps);
        changes.push(found.clone());
    }
    let bytes: Vec<Blob> = changes.iter().map(|change| change.bytes.clone()).collect();
    let mut document = Document::new(None);
    document.apply(&bytes).map_err(|error| error.to_string())?;
    Ok(Past { document, change, changes })
}
