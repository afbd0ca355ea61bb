//! A refused change with everything that it rests on, and nothing else: what its author had. And what it says once
//! more, as an edit of the document as it is now.
//!
//! Vault and relay do the same here, so that it makes no difference on which side an edit is made again.

use std::collections::{HashMap, HashSet};

use sync_wire::{Actor, Blob, ChangeHash};

use crate::error::{ApplyError, HistoryError, Violation};
use crate::reauthor::{Excluded, ReauthorError, Reauthored, derived_actor, reauthor};
use crate::{Change, Difference, Document, Intent};

/// Who tries it out; nothing of that is ever sealed.
const NOBODY: Actor = Actor([0x51; Actor::LEN]);

/// A refused change and what its author had.
#[derive(Debug)]
pub struct Past {
    document: Document,
    change: Change,
    /// The change and all before it.
    changes: Vec<Change>,
}

/// A document with a past beside what it holds.
struct Beside {
    with: Document,
    /// What is to be said again, under the name that it has there.
    own: Change,
    /// What else the document did not have.
    others: Vec<ChangeHash>,
}

/// A change that cannot be put together with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PastError {
    /// It is none of those that are known.
    #[error("its bytes are not here any more")]
    Gone,
    /// Something before it is none of those that are known.
    #[error("it rests on change {hash}, which is not here")]
    Lacks {
        /// What is not here.
        hash: ChangeHash,
    },
    /// Together they are no document.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// A change that cannot be said again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgainError {
    /// The document cannot take it in beside what it holds, not even to try it out.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What it changed cannot be told.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The name under which it was said is another's, and it cannot be given another one.
    #[error(transparent)]
    Reauthor(#[from] ReauthorError),
    /// What else was lost cannot be left out of it.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl Past {
    /// Puts a change together with what it rests on, out of changes that are `known`; they may be more than that.
    ///
    /// # Errors
    /// [`PastError`].
    ///
    /// # Example: what a refused edit changed, and what of it cannot be told
    /// ```
    /// use document::{Document, Past, PastError};
    /// use sync_wire::Actor;
    ///
    /// # fn seal(document: &mut Document) -> Vec<document::Change> {
    /// #     let sealed = document.seal(1_700_000_000).unwrap().unwrap();
    /// #     sealed.seeds.into_iter().chain(sealed.changes).collect()
    /// # }
    /// let mut laptop = Document::new(Some("settings"));
    /// laptop.edit(Actor([1; 16]), |draft| draft.put("/tabSize", 4.into()))?;
    /// let kept = seal(&mut laptop);
    /// laptop.edit(Actor([1; 16]), |draft| draft.put("/tabSize", 2.into()))?;
    /// let refused = seal(&mut laptop).remove(0);
    ///
    /// let past = Past::of(refused.hash(), [kept.clone(), vec![refused.clone()]].concat())?;
    /// let changed = past.difference()?;
    /// assert_eq!((changed[0].before.clone(), changed[0].after.clone()), (Some(4.into()), Some(2.into())));
    ///
    /// assert_eq!(Past::of(refused.hash(), kept).unwrap_err(), PastError::Gone);
    /// assert!(matches!(Past::of(refused.hash(), [refused]).unwrap_err(), PastError::Lacks { .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(hash: ChangeHash, known: impl IntoIterator<Item = Change>) -> Result<Self, PastError> {
        let known: HashMap<ChangeHash, Change> = known.into_iter().map(|change| (change.hash(), change)).collect();
        let change = known.get(&hash).cloned().ok_or(PastError::Gone)?;
        let (mut changes, mut wanted, mut seen) = (Vec::new(), vec![hash], HashSet::new());
        while let Some(next) = wanted.pop() {
            if !seen.insert(next) {
                continue;
            }
            let found = known.get(&next).ok_or(PastError::Lacks { hash: next })?;
            wanted.extend(&found.header.deps);
            changes.push(found.clone());
        }
        let mut document = Document::new(None);
        document.apply(&bytes_of(&changes))?;
        Ok(Self { document, change, changes })
    }

    /// What its author had, with the change in it.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// The change itself.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// The leaves that it changed, from what its author saw to what its author made of it, by path.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn difference(&self) -> Result<Vec<Difference>, HistoryError> {
        self.document.difference(&self.change.header.deps, &[self.change.hash()])
    }

    /// The steps that lead from the document `now` to what it would be with the change, but without what else was
    /// lost. None of them, if it says the same already. `continued_by` is the change that goes on with what could be
    /// kept of this one, if any does: that is not said twice.
    ///
    /// # Errors
    /// [`AgainError`].
    pub fn again(&self, now: &Document, continued_by: Option<ChangeHash>) -> Result<Vec<Intent>, AgainError> {
        let heads = now.heads();
        let Beside { mut with, own, others: mut undone } = self.beside(now)?;
        if now.contains(&own.hash()) {
            return Ok(Vec::new());
        }
        undone.extend(continued_by.filter(|hash| now.contains(hash)));
        let taken_back = with.intents_undoing(&undone)?;
        with.edit::<_, Violation>(NOBODY, |draft| taken_back.into_iter().try_for_each(|intent| draft.apply(intent)))?;
        let changed = with.difference(&own.header.deps, &[own.hash()])?;
        let touched: HashSet<String> = changed.into_iter().map(|difference| difference.path).collect();
        let mut intents = with.intents_from(&heads)?;
        // What was lost beside it and is said anew elsewhere is none of its business.
        intents.retain(|intent| touched.contains(intent.path()));
        Ok(intents)
    }

    /// The document with the past in it. Where that has names and numbers which the document knows of other changes, it
    /// is written anew under other names.
    fn beside(&self, now: &Document) -> Result<Beside, AgainError> {
        let lost = |changes: &[Change], own: &Change| {
            let hashes = changes.iter().map(Change::hash);
            hashes.filter(|hash| *hash != own.hash() && !now.contains(hash)).collect::<Vec<_>>()
        };
        let mut with = now.clone();
        match with.apply(&bytes_of(&self.changes)) {
            Ok(_) => {
                let (own, others) = (self.change.clone(), lost(&self.changes, &self.change));
                return Ok(Beside { with, own, others });
            }
            Err(ApplyError::Equivocation { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let (changes, own) = self.renamed(now)?;
        with.apply(&bytes_of(&changes))?;
        let others = lost(&changes, &own);
        Ok(Beside { with, own, others })
    }

    /// What the document does not have of the past, under names that nothing else in it has; and the change itself.
    fn renamed(&self, now: &Document) -> Result<(Vec<Change>, Change), AgainError> {
        let taken: HashSet<(Actor, u64)> = now.history()?.into_iter().map(|one| (one.actor, one.seq)).collect();
        let lost = self.changes.iter().filter(|change| !now.contains(&change.hash())).cloned();
        let (named_alike, mut kept): (Vec<Change>, Vec<Change>) =
            lost.partition(|change| taken.contains(&(change.header.actor, change.header.seq)));
        let max_ops: HashMap<_, _> = self.changes.iter().map(|one| (one.hash(), one.header.max_op())).collect();
        let Reauthored { changes, replaced } =
            reauthor(Excluded::Renamed(&named_alike), &kept, |hash| max_ops.get(hash).copied())?;
        kept.retain(|change| !replaced.contains_key(&change.hash()));
        let by = replaced.get(&self.change.hash()).and_then(|replacement| replacement.by);
        let own = changes.iter().find(|change| Some(change.hash()) == by).unwrap_or(&self.change).clone();
        kept.extend(changes);
        Ok((kept, own))
    }

    /// The change of the document `now` that goes on with what could be kept of this one, if its author has said it
    /// anew ([`crate::reauthor`]) after `culprit` was refused; that may be the change itself. It is recognized by its
    /// actor, and among the changes of that one by what was copied: the time and the note.
    ///
    /// # Errors
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn continued_in(&self, now: &Document, culprit: ChangeHash) -> Result<Option<ChangeHash>, HistoryError> {
        let own = &self.change.header;
        let actor = derived_actor(&own.actor, &culprit);
        let mut said: Vec<_> = now.history()?;
        said.retain(|one| one.actor == actor && one.time == own.time && one.message == own.message);
        said.sort_unstable_by_key(|one| one.seq);
        // Of several within one second those before it come first.
        let is_before = |change: &&Change| {
            let header = &change.header;
            let is_like = (&header.actor, header.time, &header.message) == (&own.actor, own.time, &own.message);
            is_like && header.seq < own.seq && header.hash != culprit && !now.contains(&header.hash)
        };
        let before = self.changes.iter().filter(is_before).count();
        Ok(said.get(before).or(said.last()).map(|one| one.hash))
    }
}

/// The note of an edit that says a refused change again. It tells whoever comes later that this was done.
///
/// ```
/// let hash = sync_wire::ChangeHash([0xab; 32]);
/// let note = document::resubmission_note(&hash);
/// assert_eq!(document::resubmitted(&note), Some(hash));
/// assert_eq!(document::resubmitted("resubmit something"), None);
/// ```
#[must_use]
pub fn resubmission_note(hash: &ChangeHash) -> String {
    format!("{RESUBMIT}{hash}")
}

/// Which refused change an edit with this note says again, if it says that it does.
#[must_use]
pub fn resubmitted(note: &str) -> Option<ChangeHash> {
    note.strip_prefix(RESUBMIT)?.parse().ok()
}

/// How the note begins.
const RESUBMIT: &str = "resubmit ";

fn bytes_of(changes: &[Change]) -> Vec<Blob> {
    changes.iter().map(|change| change.bytes.clone()).collect()
}
