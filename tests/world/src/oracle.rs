//! What a log means, naively: its changes in order, one by one, with nothing but plain document code. What a void
//! excludes never was.

use std::collections::{BTreeMap, BTreeSet};

use document::Document;
use serde_json::Value;
use sync_wire::log::EntryKind;
use sync_wire::{Blob, ChangeHash, DocumentId, Void};

use crate::check::SpaceLog;
use crate::failure::Failure;

/// What a document is.
#[derive(Debug, Clone, PartialEq)]
pub struct Meaning {
    /// Its heads, ascending.
    pub heads: Vec<ChangeHash>,
    /// All of its changes.
    pub hashes: BTreeSet<ChangeHash>,
    /// Its value in the stored form.
    pub value: Value,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// What the voids of a log exclude.
///
/// # Errors
/// [`Failure`] if one cannot be read.
pub fn excluded(log: &SpaceLog) -> Result<BTreeSet<(DocumentId, ChangeHash)>, Failure> {
    let mut excluded = BTreeSet::new();
    for record in log.records.iter().filter(|record| record.kind == EntryKind::Void) {
        let void = Void::decode(&record.bytes)
            .map_err(|error| Failure::new("the log can be read", format!("at {}: {error}", record.position)))?;
        excluded.extend(void.changes().map(|hash| (record.document, hash)));
    }
    Ok(excluded)
}

/// Every document of a log.
///
/// # Errors
/// [`Failure`] if a change of the log cannot be applied.
pub fn meanings(log: &SpaceLog) -> Result<BTreeMap<DocumentId, Meaning>, Failure> {
    let mut documents: BTreeMap<DocumentId, (Document, BTreeSet<ChangeHash>, bool)> = BTreeMap::new();
    let excluded = excluded(log)?;
    for record in log.records.iter().filter(|record| !excluded.contains(&(record.document, record.hash))) {
        let (document, hashes, is_deleted) =
            documents.entry(record.document).or_insert_with(|| (Document::new(None), BTreeSet::new(), false));
        if record.kind == EntryKind::Change {
            hashes.insert(record.hash);
        }
        match record.kind {
            EntryKind::Change => {
                let change = Blob::from(record.bytes.clone());
                document.apply(&[change]).map_err(|error| {
                    let place = format!("{} of document {}", record.position, record.document);
                    Failure::new("the log can be read", format!("the change at {place} does not apply: {error}"))
                })?;
            }
            EntryKind::Tombstone => *is_deleted = true,
            EntryKind::Restore => *is_deleted = false,
            EntryKind::Void => {}
            EntryKind::Erased => {
                return Failure::raise("the log can be read", format!("nobody writes {:?} here", record.kind));
            }
        }
    }
    let meaning = |(id, (document, hashes, is_deleted)): (DocumentId, (Document, BTreeSet<ChangeHash>, bool))| {
        let mut heads = document.heads();
        heads.sort();
        (id, Meaning { heads, hashes, value: document.value(), is_deleted })
    };
    Ok(documents.into_iter().map(meaning).collect())
}
