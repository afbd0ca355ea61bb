//! Undo, redo and restore: new edits that say in their note what they take back, so that nothing else need be kept.
//!
//! The stacks of a document are read off this vault's own changes every time, and so outlive the process.

use std::collections::{HashMap, HashSet};

use document::{PastChange, Seed};
use sync_wire::ChangeHash;

use super::{Document, draft};
use crate::Intent;
use crate::commit::As;
use crate::document::Version;
use crate::error::{EditError, ReadError};
use crate::loaded::{Look, Window};
use crate::storage::Tx;
use crate::vault::Vault;

/// Changes that are looked at for something that can still be taken back.
const TRIED_MAX: usize = 64;
/// Heads that a note names.
const HEADS_NAMED: usize = 8;

/// Which stack is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Undo,
    Redo,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Redo => "redo",
        }
    }
}

/// An edit to be made, and what it says of itself.
pub(crate) struct Noted<R> {
    pub(crate) intents: Vec<Intent>,
    pub(crate) note: String,
    pub(crate) result: R,
}

impl Vault {
    /// The document that was edited last in this vault and is not deleted.
    ///
    /// # Errors
    /// [`ReadError::Storage`], [`ReadError::Forked`].
    pub fn last_edited(&self) -> Result<Option<Document>, ReadError> {
        let found = self.live()?.storage.read(|tx| tx.last_edited())?;
        Ok(found.map(|(space, id)| Document::new(self.clone(), space, id)))
    }
}

impl Document {
    /// Takes back the newest change made in this vault that is not taken back yet; what others changed since stays.
    ///
    /// A new edit, saved when this returns. Gives the change that was taken back. The making of a document is not
    /// undone, and a change of which nothing is left is passed over.
    ///
    /// # Errors
    /// [`EditError::NothingToUndo`]; else as [`Self::edit`].
    pub fn undo(&self) -> Result<ChangeHash, EditError> {
        self.take_back(Direction::Undo)
    }

    /// Takes back the newest [`Self::undo`] after which nothing else was edited here. Gives the undo that was taken
    /// back.
    ///
    /// # Errors
    /// [`EditError::NothingToRedo`]; else as [`Self::edit`].
    pub fn redo(&self) -> Result<ChangeHash, EditError> {
        self.take_back(Direction::Redo)
    }

    /// Makes the document equal to what it was at a version. A new edit, saved when this returns; it can be undone.
    /// `false` if there was nothing to change.
    ///
    /// # Errors
    /// [`ReadError::NoSuchVersion`] (in [`EditError::Read`]) if the version is of another document; else as
    /// [`Self::edit`].
    pub fn restore(&self, version: &Version) -> Result<bool, EditError> {
        let names: Vec<_> = version.heads.iter().take(HEADS_NAMED).map(ToString::to_string).collect();
        let note = format!("restore {}", names.join(" ")).trim_end().to_owned();
        self.edit_noted(|document, _| {
            let intents = document.intents_to(&version.heads).map_err(|error| self.unreadable(error))?;
            Ok(Noted { result: !intents.is_empty(), intents, note })
        })
    }

    fn take_back(&self, direction: Direction) -> Result<ChangeHash, EditError> {
        self.edit_noted(|document, own| {
            let past = document.history().map_err(|error| self.unreadable(error))?;
            let is_well_known = self.vault.inner().well_known_type(self.id).is_some();
            let beginning = if is_well_known { Beginning::Edit } else { Beginning::Making };
            let stacks = Stacks::of(&past, own, beginning);
            let stack = match direction {
                Direction::Undo => stacks.undo,
                Direction::Redo => stacks.redo,
            };
            for target in stack.into_iter().rev().take(TRIED_MAX) {
                let intents = document.intents_undoing(&[target]).map_err(|error| self.unreadable(error))?;
                if !intents.is_empty() {
                    return Ok(Noted { intents, note: format!("{} {target}", direction.word()), result: target });
                }
            }
            let document = self.id;
            Err(match direction {
                Direction::Undo => EditError::NothingToUndo { document },
                Direction::Redo => EditError::NothingToRedo { document },
            })
        })
    }

    /// Makes an edit of its own, apart from deferred ones, with a note. `plan` gets the changes of this vault, oldest
    /// first.
    pub(crate) fn edit_noted<R>(
        &self,
        plan: impl FnOnce(&::document::Document, &Own) -> Result<Noted<R>, EditError>,
    ) -> Result<R, EditError> {
        let (inner, loaded) = self.place()?;
        let deferred = loaded.lock().window.as_ref().map(|window| window.ticket.clone());
        if let Some(ticket) = deferred {
            ticket.wait()?; // so that it is among the changes of this vault
        }
        let (result, ticket) = {
            let mut state = loaded.lock();
            loaded.current(inner, &mut state, Look::File)?;
            state.check_editable(self.id)?;
            if let Some(Window { ticket, writing }) = state.window.take() {
                inner.commit_local(&loaded, &mut state, writing, ticket);
            }
            let (rows, replaced) = match &state.stored {
                Some(stored) => {
                    let read = |tx: &Tx<'_>| Ok((tx.attributions(stored.row)?, tx.replacements(stored.row)?));
                    inner.storage.read(read)?
                }
                None => Default::default(),
            };
            let changes = rows.into_iter().filter(|row| row.is_own).map(|row| row.hash).collect();
            let own = Own { changes, replaced: replaced.into_iter().collect() };
            let Noted { intents, note, result } = plan(loaded.current(inner, &mut state, Look::Memory)?, &own)?;
            draft(inner, &loaded, &mut state, |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)))?;
            let Some(Window { ticket, writing }) = state.window.take() else { return Ok(result) };
            inner.commit_as(&loaded, &mut state, writing, ticket.clone(), As::Noted(&note));
            (result, ticket)
        };
        ticket.wait()?;
        Ok(result)
    }
}

/// What the first change of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// An edit like any other: the document was always there.
    Edit,
    /// The making of the document.
    Making,
}

/// The changes of this vault.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Oldest first.
    changes: Vec<ChangeHash>,
    /// Which goes on with which: notes name changes as they were when the note was made.
    replaced: HashMap<ChangeHash, ChangeHash>,
}

impl Own {
    /// The change that says now what this one said.
    fn now(&self, mut hash: ChangeHash) -> ChangeHash {
        // A replacement is made after what it replaces, so this ends.
        while let Some(by) = self.replaced.get(&hash) {
            hash = *by;
        }
        hash
    }
}

/// What can be undone and redone, the next one last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stacks {
    undo: Vec<ChangeHash>,
    redo: Vec<ChangeHash>,
}

impl Stacks {
    fn of(past: &[PastChange], own: &Own, beginning: Beginning) -> Self {
        let seeds: HashSet<_> =
            past.iter().filter(|change| Seed::is_seed_actor(&change.actor)).map(|change| change.hash).collect();
        let is_making =
            |change: &PastChange| beginning == Beginning::Making && change.deps.iter().all(|dep| seeds.contains(dep));
        let by_hash: HashMap<_, _> = past.iter().map(|change| (change.hash, change)).collect();
        let mut stacks = Self::default();
        let shown =
            own.changes.iter().filter_map(|hash| by_hash.get(hash)).filter(|change| !seeds.contains(&change.hash));
        for change in shown.filter(|change| !is_making(change)) {
            stacks.add(change, own);
        }
        stacks
    }

    fn add(&mut self, change: &PastChange, own: &Own) {
        let note = change.message.as_deref().and_then(|note| note.split_once(' '));
        match note.and_then(|(word, target)| Some((word, own.now(target.parse().ok()?)))) {
            Some(("undo", target)) => {
                self.undo.retain(|hash| *hash != target);
                self.redo.push(change.hash);
            }
            Some(("redo", target)) => {
                self.redo.retain(|hash| *hash != target);
                self.undo.push(change.hash);
            }
            _ => {
                self.redo.clear();
                self.undo.push(change.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_wire::Actor;

    use super::*;

    fn hash(number: u8) -> ChangeHash {
        ChangeHash([number; 32])
    }

    /// Changes 1, 2, … of one author, each with its note; what can be undone and redone then.
    #[track_caller]
    fn check(notes: &[&str], beginning: Beginning, undo: &[u8], redo: &[u8]) {
        let change = |(at, note): (usize, &&str)| {
            let number = u8::try_from(at).unwrap() + 1;
            let message = note.split_once(' ').map(|(word, of)| format!("{word} {}", hash(of.parse().unwrap())));
            let deps = if at == 0 { Vec::new() } else { vec![hash(number - 1)] };
            PastChange { hash: hash(number), actor: Actor([1; 16]), seq: number.into(), time: 0, message, deps, ops: 1 }
        };
        let past: Vec<_> = notes.iter().enumerate().map(change).collect();
        let own = Own { changes: past.iter().map(|change| change.hash).collect(), replaced: HashMap::new() };
        let hashes = |numbers: &[u8]| numbers.iter().copied().map(hash).collect();
        let expected = Stacks { undo: hashes(undo), redo: hashes(redo) };
        assert_eq!(Stacks::of(&past, &own, beginning), expected, "{notes:?}");
    }

    #[test]
    fn the_stacks_follow_from_the_notes() {
        check(&[], Beginning::Edit, &[], &[]);
        check(&["", "", ""], Beginning::Edit, &[1, 2, 3], &[]);
        check(&["", "", ""], Beginning::Making, &[2, 3], &[]);
        check(&["", "", "undo 2"], Beginning::Edit, &[1], &[3]);
        check(&["", "", "undo 2", "undo 1"], Beginning::Edit, &[], &[3, 4]);
        check(&["", "", "undo 2", "undo 1", "redo 4"], Beginning::Edit, &[5], &[3]);
        check(&["", "", "undo 2", "redo 3", "undo 4"], Beginning::Edit, &[1], &[5]);
        check(&["", "", "undo 2", ""], Beginning::Edit, &[1, 4], &[]);
        check(&["", "restore 1"], Beginning::Edit, &[1, 2], &[]);
    }
}
