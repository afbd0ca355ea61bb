//! Edits of somebody who saw an earlier state, made here as if they had been written then.
//!
//! They are carried out at that state and then carried over to the heads of now, as unsealed edits are when changes of
//! others arrive: what a page replaced in a text stands beside what was typed since.

use automerge::AutoCommit;
use sync_wire::{Actor, Blob, ChangeHash};

use super::Document;
use super::history::known_heads;
use crate::draft::Draft;
use crate::error::{EditAtError, HistoryError, Violation};
use crate::intent::Intent;

impl Document {
    /// Makes `edits` by somebody who saw the document at `heads`, ascending. They are visible at once and unsealed, as
    /// those of [`Document::edit`].
    ///
    /// # Errors
    /// [`EditAtError`]; the document is as it was.
    ///
    /// # Panics
    /// As [`Document::edit`].
    ///
    /// # Example: what was typed since stays
    /// ```
    /// use document::{Document, EditAtError, Intent};
    /// use sync_wire::{Actor, ChangeHash};
    ///
    /// let (laptop, page) = (Actor([1; 16]), Actor([2; 16]));
    /// let text = |text: &str| Intent::ReplaceText { path: "/body".into(), text: text.into() };
    /// let mut note = Document::new(Some("note"));
    /// note.edit(laptop, |draft| draft.apply(text("one two")))?;
    /// note.seal(1)?;
    /// let seen = note.heads();
    /// note.edit(laptop, |draft| draft.apply(text("zero one two")))?;
    /// note.seal(2)?;
    ///
    /// note.edit_at(page, &seen, vec![text("one two three")])?;
    /// assert_eq!(note.text("/body").as_deref(), Some("zero one two three"));
    ///
    /// // A state that the document never had is nobody's.
    /// note.seal(3)?;
    /// let nowhere = note.edit_at(page, &[ChangeHash([9; 32])], vec![text("lost")]);
    /// assert!(matches!(nowhere, Err(EditAtError::History(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_at(&mut self, actor: Actor, heads: &[ChangeHash], edits: Vec<Intent>) -> Result<(), EditAtError> {
        let make = |draft: &mut Draft<'_>| edits.into_iter().try_for_each(|intent| draft.apply(intent));
        if self.has_unsealed() {
            return Err(HistoryError::Unsealed.into());
        }
        if heads == self.heads {
            return Ok(self.edit::<(), Violation>(actor, make)?);
        }
        self.check_editable()?;
        let (then, since) = self.look_back(|copy| part(copy, heads))??;
        let mut next = Self::of(then, self.type_name.clone());
        next.set_manual(self.manual().clone()); // what was open then is not written over either
        next.edit::<(), Violation>(actor, make)?;
        next.apply(&since)?;
        *self = next;
        Ok(())
    }
}

/// The document as it was at `heads`, and the changes that it has beside those.
fn part(copy: &mut AutoCommit, heads: &[ChangeHash]) -> Result<(AutoCommit, Vec<Blob>), HistoryError> {
    let known = known_heads(copy, heads)?;
    let then = if known.is_empty() {
        AutoCommit::new()
    } else {
        copy.fork_at(&known).map_err(|error| HistoryError::Unreadable(error.to_string()))?
    };
    let since = copy.get_changes(&known).iter().map(|change| change.raw_bytes().to_vec().into()).collect();
    Ok((then, since))
}
