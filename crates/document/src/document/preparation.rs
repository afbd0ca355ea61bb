//! Takes changes of others in while the document goes on being read and edited.
//!
//! To apply changes costs what the whole document costs, so it is done on a copy: [`Document::prepare`] makes it,
//! [`Preparation::apply`] takes its time, wherever the caller likes, and [`Document::adopt`] puts the copy in the
//! document's place. What was sealed meanwhile is handed to the copy first, which then has to catch up.

use automerge::AutoCommit;
use sync_wire::{Blob, ChangeHash};

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
        Ok(Preparation { next, known: self.heads.clone(), applied: Vec::new(), own: Vec::new() })
    }

    /// Becomes what was prepared; unsealed edits are carried over, as by [`Document::apply`]. Gives what was before,
    /// to be dropped where that may take its time.
    ///
    /// # Errors
    /// The preparation, if edits were sealed since it was made: it has to [catch up](Preparation::catch_up) first.
    /// None, if the document took changes of others in by another way, so that the preparation is of no use.
    pub fn adopt(&mut self, mut preparation: Preparation) -> Result<Self, Option<Box<Preparation>>> {
        let Some(sealed) = self.sealed_since.as_mut() else { return Err(None) };
        preparation.own.append(sealed);
        if !preparation.own.is_empty() {
            preparation.known.clone_from(&self.heads);
            return Err(Some(Box::new(preparation)));
        }
        if preparation.known != self.heads || self.broken {
            return Err(None);
        }
        Ok(self.move_to(preparation.next, &preparation.applied))
    }
}

impl Preparation {
    /// Adds changes of others, as [`Document::apply`] does.
    ///
    /// # Errors
    /// [`ApplyError`]; it is as it was.
    pub fn apply(&mut self, changes: &[Blob]) -> Result<Applied, ApplyError> {
        let new = self.admit(changes)?;
        self.applied.extend_from_slice(changes);
        Ok(Applied { new })
    }

    /// Adds what the document sealed since this was made.
    ///
    /// # Errors
    /// [`ApplyError`]: it is of no use any more.
    pub fn catch_up(&mut self) -> Result<(), ApplyError> {
        let own = std::mem::take(&mut self.own);
        self.admit(&own).map(drop)
    }

    fn admit(&mut self, changes: &[Blob]) -> Result<usize, ApplyError> {
        let fresh = admit::candidates(&self.next, changes)?;
        if !fresh.is_empty() {
            self.next = admit::admit(self.next.clone(), &fresh, || Ok(self.next.clone()))?;
        }
        Ok(fresh.len())
    }
}
