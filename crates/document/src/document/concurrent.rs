//! Fields with several values: those that wait for a person, and those of which one won by itself.

use automerge::ObjId;
use serde_json::Value;
use sync_wire::{Actor, ChangeHash};

use super::Document;
use crate::error::HistoryError;
use crate::flat::concurrent::{self, Written};
use crate::guard::guarded;

/// A leaf with several values that are not the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrent {
    /// JSON Pointer.
    pub path: String,
    /// At least two: the one that is shown first, the others from the newest to the oldest.
    pub values: Vec<Alternative>,
}

/// One of the values of a leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The value. Null in a manual field means that it was removed.
    pub value: Value,
    /// The change that wrote it; of an object made of leaves, the one that wrote the newest of them.
    pub hash: ChangeHash,
    /// Under whose name.
    pub actor: Actor,
}

impl Document {
    /// All values that the leaf at `path` has: the one that is shown first, the others from the newest to the oldest,
    /// the same on every device. One for a leaf that nobody wrote concurrently; none where no leaf is, and in documents
    /// that nest objects as their authors like.
    ///
    /// Devices may have written the same value: then it is listed for each of them.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn alternatives(&self, path: &str) -> Result<Vec<Alternative>, HistoryError> {
        self.look(|document| document.named(&concurrent::values(&document.working.auto, path)))
    }

    /// The conflicts: manual fields with values that are not the same, by path. Values that a program wrote over
    /// without deciding about them are among them, after those that stand. Costs a walk over the leaves, and after
    /// changes of others came in one over the history.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn conflicts(&self) -> Result<Vec<Concurrent>, HistoryError> {
        if self.working.manual.is_empty() {
            return Ok(Vec::new());
        }
        let mut conflicts = self.concurrent(true)?;
        for path in self.reopened().keys() {
            let again = self.waiting_again(path);
            let at = conflicts.binary_search_by(|conflict| conflict.path.cmp(path));
            match at {
                _ if again.is_empty() => {}
                Ok(at) => conflicts[at].values.extend_from_slice(again),
                Err(at) => {
                    let values = [self.alternatives(path)?, again.to_vec()].concat();
                    conflicts.insert(at, Concurrent { path: path.clone(), values });
                }
            }
        }
        Ok(conflicts)
    }

    /// The other fields with values that are not the same, by path: the first one won, nobody need do anything. Costs a
    /// walk over the leaves.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn overruled(&self) -> Result<Vec<Concurrent>, HistoryError> {
        self.concurrent(false)
    }

    fn concurrent(&self, manual: bool) -> Result<Vec<Concurrent>, HistoryError> {
        self.look(|document| {
            let auto = &document.working.auto;
            let paths = concurrent::paths(auto).into_iter();
            let of_kind = paths.filter(|path| document.working.manual.includes(path) == manual);
            let found = of_kind.filter_map(|path| {
                let values = concurrent::values(auto, &path);
                let values = concurrent::differ(&values).then(|| document.named(&values))?;
                Some(Concurrent { path, values })
            });
            found.collect()
        })
    }

    /// What is unsealed has no name yet; it has no other value beside it either.
    fn named(&self, values: &[Written]) -> Vec<Alternative> {
        let named = values.iter().filter_map(|written| {
            let ObjId::Id(_, actor, _) = &written.operation else { return None };
            let (value, hash) = (written.value.clone(), self.working.author_of(written)?);
            Some(Alternative { value, hash, actor: Actor::from_slice(actor.to_bytes())? })
        });
        named.collect()
    }

    fn look<T: Default>(&self, look: impl FnOnce(&Self) -> T) -> Result<T, HistoryError> {
        if self.broken {
            return Err(HistoryError::Broken);
        }
        if !self.flat {
            return Ok(T::default());
        }
        guarded(|| look(self)).map_err(HistoryError::Unreadable)
    }
}
