//! What a document was, and who made it so. Reading only: nothing here changes the document.
//!
//! A state is named by heads. Only the sealed part has a history; every read works on a copy behind the guard.

use automerge::AutoCommit;
use serde_json::Value;
use sync_wire::{Actor, ChangeHash};

use super::{Document, editable};
use crate::error::HistoryError;
use crate::flat::{self, Leaves, stored};
use crate::guard::guarded;
use crate::{Change, admit};

/// One change of a document's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// Its identity.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: Actor,
    /// Its number among the changes of its actor, from 1.
    pub seq: u64,
    /// When it was made, as its author says; the unit is the author's business.
    pub time: i64,
    /// A note; `seed TYPE PATH` for seeds.
    pub message: Option<String>,
    /// What it rests on, ascending.
    pub deps: Vec<ChangeHash>,
    /// How many operations it holds.
    pub ops: u64,
}

/// A leaf that differs between two states.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// JSON Pointer.
    pub path: String,
    /// What it held; none if it was not there.
    pub before: Option<Value>,
    /// What it holds; none if it is not there.
    pub after: Option<Value>,
}

/// Which change gave a leaf its present value. For a text, the last that edited it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// JSON Pointer.
    pub path: String,
    /// The change.
    pub hash: ChangeHash,
}

impl Document {
    /// The sealed changes, causes before effects, seeds included.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn history(&self) -> Result<Vec<PastChange>, HistoryError> {
        self.look_back(past_changes)?
    }

    /// The sealed changes with their bytes, causes before effects, seeds included. Each has the hash under which the
    /// document knows it, so its bytes are those that its author made.
    ///
    /// # Errors
    /// [`HistoryError::Broken`]; [`HistoryError::Unreadable`] if one of them does not pass our own parser.
    pub fn changes(&self) -> Result<Vec<Change>, HistoryError> {
        self.look_back(|copy| {
            copy.get_changes(&[])
                .iter()
                .map(|known| {
                    let hash = ChangeHash(known.hash().0);
                    let change = Change::parse(known.raw_bytes().to_vec().into());
                    let change = change.map_err(|error| HistoryError::Unreadable(format!("change {hash}: {error}")))?;
                    if change.hash() != hash {
                        let detail = format!("change {hash} would be handed out as {}", change.hash());
                        return Err(HistoryError::Unreadable(detail));
                    }
                    Ok(change)
                })
                .collect()
        })?
    }

    /// The whole document as nested JSON, as it was at `heads`; without any, the empty document.
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] if the document does not hold one of them; [`HistoryError::Broken`],
    /// [`HistoryError::Unreadable`].
    pub fn value_at(&self, heads: &[ChangeHash]) -> Result<Value, HistoryError> {
        let flat = self.flat;
        self.look_back(|copy| {
            let heads = known_heads(copy, heads)?;
            let all =
                if flat { Leaves::read(copy, Some(&heads)).visible().to_value() } else { nested_at(copy, &heads)? };
            Ok(editable::without(all))
        })?
    }

    /// The leaves that differ between two states, by path. Where objects nest freely, a list is one leaf.
    ///
    /// # Errors
    /// As [`Document::value_at`].
    pub fn difference(&self, before: &[ChangeHash], after: &[ChangeHash]) -> Result<Vec<Difference>, HistoryError> {
        let flat = self.flat;
        self.look_back(|copy| {
            let before = leaves_at(copy, before, flat)?;
            let after = leaves_at(copy, after, flat)?;
            Ok(differences(&before, &after))
        })?
    }

    /// For each leaf, the change that gave it its present value, by path.
    ///
    /// # Errors
    /// [`HistoryError::NotFlat`], [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn blame(&self) -> Result<Vec<Blame>, HistoryError> {
        if !self.flat {
            return Err(HistoryError::NotFlat);
        }
        self.look_back(|copy| {
            let visible = Leaves::read(copy, None).visible();
            let shown = stored(copy, None).filter(|(path, ..)| visible.0.contains_key(path));
            let blamed = shown.filter_map(|(path, _, operation)| {
                let hash = copy.hash_for_opid(&operation)?;
                Some(Blame { path, hash: ChangeHash(hash.0) })
            });
            Ok(blamed.collect())
        })?
    }

    /// Runs `look` on a copy of the sealed part.
    pub(super) fn look_back<T>(&self, look: impl FnOnce(&mut AutoCommit) -> T) -> Result<T, HistoryError> {
        let mut copy = self.sealed_part().map_err(|_| HistoryError::Broken)?;
        guarded(|| look(&mut copy)).map_err(HistoryError::Unreadable)
    }
}

pub(super) fn past_changes(copy: &mut AutoCommit) -> Result<Vec<PastChange>, HistoryError> {
    let past = copy.get_changes_meta(&[]).into_iter().map(|change| {
        let hash = ChangeHash(change.hash.0);
        let actor = Actor::from_slice(change.actor.to_bytes());
        let actor =
            actor.ok_or_else(|| HistoryError::Unreadable(format!("change {hash} has an actor of another length")))?;
        let mut deps: Vec<_> = change.deps.iter().map(|dep| ChangeHash(dep.0)).collect();
        deps.sort_unstable();
        let ops = (change.max_op + 1).saturating_sub(change.start_op);
        let message = change.message.map(std::borrow::Cow::into_owned).filter(|message| !message.is_empty());
        Ok(PastChange { hash, actor, seq: change.seq, time: change.timestamp, message, deps, ops })
    });
    past.collect()
}

/// Automerge takes unknown heads for none, so they are looked for first.
pub(super) fn known_heads(copy: &AutoCommit, heads: &[ChangeHash]) -> Result<Vec<automerge::ChangeHash>, HistoryError> {
    match heads.iter().find(|hash| !admit::contains(copy, hash)) {
        Some(hash) => Err(HistoryError::Unknown { hash: *hash }),
        None => Ok(heads.iter().map(admit::automerge_hash).collect()),
    }
}

fn nested_at(copy: &mut AutoCommit, heads: &[automerge::ChangeHash]) -> Result<Value, HistoryError> {
    let then = copy.fork_at(heads).map_err(|error| HistoryError::Unreadable(error.to_string()))?;
    Ok(flat::value(&then))
}

fn leaves_at(copy: &mut AutoCommit, heads: &[ChangeHash], flat: bool) -> Result<Leaves, HistoryError> {
    let heads = known_heads(copy, heads)?;
    if flat {
        return Ok(Leaves::read(copy, Some(&heads)).visible());
    }
    Ok(Leaves::of_nested(&nested_at(copy, &heads)?))
}

fn differences(before: &Leaves, after: &Leaves) -> Vec<Difference> {
    let paths: std::collections::BTreeSet<_> = before.0.keys().chain(after.0.keys()).collect();
    let differing = paths.into_iter().filter(|path| before.0.get(*path) != after.0.get(*path));
    let value = |leaves: &Leaves, path: &String| leaves.0.get(path).map(flat::Content::to_value);
    differing
        .map(|path| Difference { path: path.clone(), before: value(before, path), after: value(after, path) })
        .collect()
}
