//! The document as it is without a closure: what its replacements have to fit on.

use std::collections::{HashMap, HashSet};

use document::{Change, Document};
use sync_wire::{Actor, Blob, ChangeHash};

use crate::error::StorageError;
use crate::storage::{ChangeRow, Origin, Tx};

/// Every change of a document that is part of it, those inside the relay's snapshot included. An error of the second
/// kind says why they cannot be read.
pub(crate) fn known_changes(tx: &Tx<'_>, document: i64) -> Result<Result<Vec<Change>, String>, StorageError> {
    let (base, rows) = read(tx, document)?;
    Ok(base.and_then(|base| {
        let mut known = base.changes().map_err(|error| error.to_string())?;
        for row in rows {
            known.push(Change::parse(row.bytes).map_err(|error| error.to_string())?);
        }
        Ok(known)
    }))
}

/// The relay's snapshot as a document, an empty one without it; and the changes after it.
fn read(tx: &Tx<'_>, document: i64) -> Result<(Result<Document, String>, Vec<ChangeRow>), StorageError> {
    let snapshot =
        tx.snapshots(document)?.into_iter().find(|stored| stored.origin == Origin::Relay && !stored.is_given_up());
    let after = snapshot.as_ref().map_or(i64::MIN, |stored| stored.through);
    let rows = tx.changes_after(document, after)?;
    let base = match snapshot {
        Some(stored) => Document::load(&stored.snapshot).map_err(|error| error.to_string()),
        None => Ok(Document::new(None)),
    };
    Ok((base, rows))
}

/// What stays of a document.
pub(super) struct Ground {
    /// None, if it cannot be put together.
    document: Option<Document>,
    max_ops: HashMap<ChangeHash, u64>,
    /// Who has which number.
    numbers: HashMap<(Actor, u64), ChangeHash>,
}

impl Ground {
    /// Reads everything but `gone`. An error of the second kind says why the rest cannot be put together.
    pub(super) fn read(
        tx: &Tx<'_>,
        document: i64,
        gone: &HashSet<ChangeHash>,
    ) -> Result<Result<Self, String>, StorageError> {
        let (base, rows) = read(tx, document)?;
        let put_together = || -> Result<Self, String> {
            let mut base = base?;
            let (ground, ready) = Self::outlined(&base, rows, gone)?;
            base.apply(&ready).map_err(|error| error.to_string())?;
            Ok(Self { document: Some(base), ..ground })
        };
        Ok(put_together())
    }

    /// As [`Self::read`], or if it cannot be put together, what it has: nothing can be tried on that.
    pub(super) fn as_far_as_possible(
        tx: &Tx<'_>,
        document: i64,
        gone: &HashSet<ChangeHash>,
    ) -> Result<Result<Self, String>, StorageError> {
        match Self::read(tx, document, gone)? {
            Err(_) => Self::outline(tx, document, gone),
            ground => Ok(ground),
        }
    }

    /// As [`Self::read`], of a document that somebody spoiled: what it has is known, and nothing can be tried on it.
    pub(super) fn outline(
        tx: &Tx<'_>,
        document: i64,
        gone: &HashSet<ChangeHash>,
    ) -> Result<Result<Self, String>, StorageError> {
        let (base, rows) = read(tx, document)?;
        Ok(base.and_then(|base| Self::outlined(&base, rows, gone)).map(|(ground, _)| ground))
    }

    /// What there is, with the changes to be applied to `base`, in order.
    fn outlined(
        base: &Document,
        rows: Vec<ChangeRow>,
        gone: &HashSet<ChangeHash>,
    ) -> Result<(Self, Vec<Blob>), String> {
        let inside = base.changes().map_err(|error| error.to_string())?;
        let mut ground = Self { document: None, max_ops: HashMap::new(), numbers: HashMap::new() };
        inside.iter().for_each(|change| ground.note(change));
        let rows = rows.into_iter().map(|row| Change::parse(row.bytes).map_err(|error| error.to_string()));
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.retain(|change| !gone.contains(&change.hash()));
        let ready = ground.add(rows);
        Ok((ground, ready))
    }

    /// Adds what rests on what is there, and gives it; the rest waits for what is yet to come.
    fn add(&mut self, mut waiting: Vec<Change>) -> Vec<Blob> {
        let mut ready: Vec<Blob> = Vec::with_capacity(waiting.len());
        loop {
            let before = waiting.len();
            let mut left = Vec::new();
            for change in waiting {
                if change.header.deps.iter().all(|dep| self.max_ops.contains_key(dep)) {
                    self.note(&change);
                    ready.push(change.bytes);
                } else {
                    left.push(change);
                }
            }
            waiting = left;
            if waiting.is_empty() || waiting.len() == before {
                return ready;
            }
        }
    }

    fn note(&mut self, change: &Change) {
        self.max_ops.insert(change.hash(), change.header.max_op());
        self.numbers.insert((change.header.actor, change.header.seq), change.hash());
    }

    pub(super) fn max_op(&self, hash: &ChangeHash) -> Option<u64> {
        self.max_ops.get(hash).copied()
    }

    /// Whether another change has the actor and number of this one.
    pub(super) fn is_taken(&self, change: &Change) -> bool {
        let number = (change.header.actor, change.header.seq);
        self.numbers.get(&number).is_some_and(|hash| *hash != change.hash())
    }

    /// Whether anything can be tried on it.
    pub(super) fn can_check(&self) -> bool {
        self.document.is_some()
    }

    /// Whether the document can take these, behind the guard. Where nothing can be tried, that is not known: yes.
    pub(super) fn check(&self, changes: &[&Change]) -> Result<(), String> {
        self.check_naming(changes).map_err(|(detail, _)| detail)
    }

    /// As [`Self::check`], with the change to blame, if it is known.
    pub(super) fn check_naming(&self, changes: &[&Change]) -> Result<(), (String, Option<ChangeHash>)> {
        let Some(document) = &self.document else { return Ok(()) };
        let bytes: Vec<Blob> = changes.iter().map(|change| change.bytes.clone()).collect();
        document.check(&bytes).map_err(|error| (error.to_string(), error.culprit()))
    }
}
