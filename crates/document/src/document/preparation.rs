//! Takes changes of others in while the document goes on being read and edited.
//!
//! To apply changes costs what the whole document costs, so it is done on a copy: [`Document::prepare`] makes it,
//! [`Preparation::apply`] takes its time, wherever the caller likes, and [`Document::adopt`] puts the copy in the
//! document's place. What was sealed meanwhile is handed to the copy first, which then has to catch up.

use std::collections::{BTreeSet, HashMap};

use automerge::AutoCommit;
use sync_wire::{Blob, ChangeHash};

use super::moves::{self, Moves};
use super::{Applied, Document};
use crate::admit;
use crate::error::ApplyError;

/// A copy of a document's sealed part that becomes the document.
#[derive(Clone)]
pub struct Preparation {
    next: AutoCommit,
    /// The heads of the document whose sealed part is in `next`, but for `own`.
    known: Vec<ChangeHash>,
    /// Changes of others that it has taken in.
    applied: Vec<Blob>,
    /// What the document sealed since.
    own: Vec<Blob>,
    /// Texts with unsealed edits, whose positions have to be known in `next`.
    wanted: BTreeSet<String>,
    /// Where their characters are in `next`; known once it has caught up.
    moves: HashMap<String, Moves>,
    spare: Option<Spare>,
}

/// A copy for the next preparation, so that the document need not be copied while somebody waits for it.
#[derive(Clone)]
pub struct Spare {
    copy: AutoCommit,
    /// What the document sealed that the copy lacks.
    own: Vec<Blob>,
}

/// What [`Document::adopt_caught_up`] leaves.
#[derive(Debug)]
pub struct Adopted {
    /// The document as it was, to be dropped where that may take its time.
    pub before: Document,
    /// The copy that the preparation kept, if it did.
    pub spare: Option<Spare>,
}

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spare").field("own", &self.own.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Preparation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (applied, own) = (self.applied.len(), self.own.len());
        f.debug_struct("Preparation").field("applied", &applied).field("own", &own).finish_non_exhaustive()
    }
}

impl Document {
    /// A copy to take changes in. Another one takes its place: only the newest can be adopted.
    ///
    /// # Errors
    /// [`ApplyError::Broken`].
    pub fn prepare(&mut self) -> Result<Preparation, ApplyError> {
        let next = self.sealed_part()?;
        self.sealed_since = Some(Vec::new());
        Ok(Preparation::of(next, self.heads.clone(), Vec::new()))
    }

    /// As [`Document::prepare`], from a copy that was kept when the document became what it is; takes no time. None, if
    /// the document took changes of others in since.
    pub fn prepare_again(&mut self, spare: Spare) -> Option<Preparation> {
        let Spare { copy, mut own } = spare;
        own.append(self.sealed_since.as_mut().filter(|_| !self.broken)?);
        Some(Preparation::of(copy, self.heads.clone(), own))
    }

    /// Becomes what was prepared; unsealed edits are carried over, as by [`Document::apply`]. Gives what was before,
    /// to be dropped where that may take its time.
    ///
    /// # Errors
    /// The preparation, if edits were sealed since it was made: it has to [catch up](Preparation::catch_up) first.
    /// None, if the document took changes of others in by another way, so that the preparation is of no use.
    pub fn adopt(&mut self, preparation: Preparation) -> Result<Self, Option<Box<Preparation>>> {
        let ready = self.ready(preparation)?;
        Ok(self.move_to(ready.next, &ready.applied))
    }

    /// As [`Document::adopt`], and takes no longer for a large text than for a small one: where the positions of
    /// unsealed edits went is found out by the preparation while it catches up.
    ///
    /// # Errors
    /// As [`Document::adopt`]; the preparation also if it does not know yet where unsealed edits went.
    pub fn adopt_caught_up(&mut self, preparation: Preparation) -> Result<Adopted, Option<Box<Preparation>>> {
        let mut ready = self.ready(preparation)?;
        let wanted = moves::texts(&self.pending);
        if !wanted.iter().all(|path| ready.moves.contains_key(path)) {
            ready.wanted.extend(wanted);
            return Err(Some(Box::new(ready)));
        }
        let intents = moves::carry(std::mem::take(&mut self.pending), &ready.moves);
        let before = self.become_sealed(ready.next, intents);
        self.sealed_since = ready.spare.is_some().then(Vec::new);
        Ok(Adopted { before, spare: ready.spare })
    }

    /// Whether [`Document::adopt_caught_up`] can carry all unsealed edits over. Sealed, they merge by themselves.
    #[must_use]
    pub fn can_carry_unsealed(&self) -> bool {
        !self.decides && moves::can_carry(&self.pending)
    }

    /// The preparation, if nothing was sealed since it was made.
    fn ready(&mut self, mut preparation: Preparation) -> Result<Preparation, Option<Box<Preparation>>> {
        let Some(sealed) = self.sealed_since.as_mut() else { return Err(None) };
        preparation.own.append(sealed);
        if !preparation.own.is_empty() {
            preparation.known.clone_from(&self.heads);
            return Err(Some(Box::new(preparation)));
        }
        let has_all = || self.heads.iter().all(|head| admit::contains(&preparation.next, head));
        if preparation.known != self.heads || self.broken || self.decides || !has_all() {
            return Err(None);
        }
        Ok(preparation)
    }
}

impl Preparation {
    fn of(next: AutoCommit, known: Vec<ChangeHash>, own: Vec<Blob>) -> Self {
        let (applied, wanted, moves) = (Vec::new(), BTreeSet::new(), HashMap::new());
        Self { next, known, applied, own, wanted, moves, spare: None }
    }

    /// Adds changes of others, as [`Document::apply`] does, and with them what the document sealed meanwhile. A copy
    /// that was kept before is dropped: it would lack them.
    ///
    /// # Errors
    /// [`ApplyError`]: it is of no use any more if they have their dependencies. [`Document::apply`] finds out whom to
    /// blame.
    pub fn apply(&mut self, changes: &[Blob]) -> Result<Applied, ApplyError> {
        let new = self.admit(&[&self.own, changes].concat())?;
        self.own.clear();
        self.applied.extend_from_slice(changes);
        if new > 0 {
            self.spare = None;
        }
        Ok(Applied { new })
    }

    /// Keeps a copy for the next preparation: to be called when more is coming, before this one is adopted.
    pub fn keep_spare(&mut self) {
        self.spare = Some(Spare { copy: self.next.clone(), own: Vec::new() });
    }

    /// Adds what the document sealed since this was made, and finds out where the texts moved that are being edited.
    ///
    /// # Errors
    /// [`ApplyError`]: it is of no use any more.
    pub fn catch_up(&mut self) -> Result<(), ApplyError> {
        let own = std::mem::take(&mut self.own);
        self.admit(&own)?;
        if let Some(spare) = &mut self.spare {
            spare.own.extend(own);
        }
        self.moves = moves::between(&mut self.next, &self.known, &self.wanted)?;
        Ok(())
    }

    /// Nothing is kept to begin anew from: to copy the document once more takes as long as to change it.
    fn admit(&mut self, changes: &[Blob]) -> Result<usize, ApplyError> {
        let fresh = admit::candidates(&self.next, changes)?;
        if !fresh.is_empty() {
            self.moves.clear();
            self.next = admit::admit(std::mem::take(&mut self.next), &fresh, || Err(ApplyError::Broken))?;
        }
        Ok(fresh.len())
    }
}
