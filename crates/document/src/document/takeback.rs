//! Taking back: the intents that bring an earlier state, or take back what single changes did.
//!
//! Both are new edits at the present heads, so what others did stays in the history and merges as any edit does.

mod text;

use std::collections::{BTreeSet, HashSet};

use automerge::{AutoCommit, PatchAction};
use sync_wire::ChangeHash;

use super::Document;
use super::history::{PastChange, known_heads, past_changes};
use crate::difference::{self, Splice};
use crate::error::HistoryError;
use crate::flat::{self, Content, Leaves, concurrent};
use crate::guard::guarded;
use crate::intent::Intent;
use crate::seed::Seed;

/// Splices of a text beyond which only its characters are compared: each costs a walk over the text.
const SPLICES_MAX: usize = 1000;

impl Document {
    /// The intents that make the document, unsealed edits included, equal to what it was at `heads`.
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] if the document does not hold one of them; [`HistoryError::NotFlat`];
    /// [`HistoryError::Broken`], [`HistoryError::Unreadable`].
    pub fn intents_to(&self, heads: &[ChangeHash]) -> Result<Vec<Intent>, HistoryError> {
        if !self.flat {
            return Err(HistoryError::NotFlat);
        }
        let wanted = self.look_back(|copy| {
            let heads = known_heads(copy, heads)?;
            Ok(Leaves::read(copy, Some(&heads)).visible())
        })??;
        let now = guarded(|| Leaves::read(&self.working.auto, None)).map_err(HistoryError::Unreadable)?;
        Ok(steps(&now, &wanted))
    }

    /// The intents that lead from what the document was at `heads` to what it is now, unsealed edits included. Where
    /// several values stood and one does now, that is a resolution, even if it is the one that was shown.
    ///
    /// # Errors
    /// As [`Document::intents_to`].
    pub fn intents_from(&self, heads: &[ChangeHash]) -> Result<Vec<Intent>, HistoryError> {
        if !self.flat {
            return Err(HistoryError::NotFlat);
        }
        let (before, open) = self.look_back(|copy| {
            let heads = known_heads(copy, heads)?;
            Ok((Leaves::read(copy, Some(&heads)), concurrent::open_at(copy, &heads)))
        })??;
        let now = guarded(|| Leaves::read(&self.working.auto, None)).map_err(HistoryError::Unreadable)?;
        let mut intents = steps(&before, &now.clone().visible());
        for (path, closes) in open {
            let stands = concurrent::values(&self.working.auto, &path);
            let Some(Content::Register(value)) = now.0.get(&path).filter(|_| !concurrent::differ(&stands)) else {
                continue;
            };
            intents.retain(|intent| intent.path() != path);
            intents.push(Intent::Resolve { path, value: value.clone(), closes });
        }
        Ok(intents)
    }

    /// The intents that take back what these changes did to leaves that nobody has changed since.
    ///
    /// In a text, the characters that they inserted go, as far as they are still there, and those that they deleted
    /// come back; what others wrote stays. A counter goes back by their steps. No intents: nothing is left of them.
    ///
    /// # Errors
    /// [`HistoryError::Unsealed`] if there are unsealed edits; else as [`Document::intents_to`].
    pub fn intents_undoing(&self, changes: &[ChangeHash]) -> Result<Vec<Intent>, HistoryError> {
        if !self.flat {
            return Err(HistoryError::NotFlat);
        }
        if self.has_unsealed() {
            return Err(HistoryError::Unsealed);
        }
        self.look_back(|copy| {
            known_heads(copy, changes)?;
            let runs = runs(past_changes(copy)?, changes);
            let now = Leaves::read(copy, None);
            let mut wanted = now.clone().visible();
            for run in runs.into_iter().rev() {
                run.take_back(copy, &mut wanted)?;
            }
            Ok(steps(&now, &wanted))
        })?
    }
}

/// Changes that follow each other directly, and the states around them.
struct Run {
    before: Vec<ChangeHash>,
    after: ChangeHash,
}

/// The changes in causal order; those that rest on nothing but the one before (and seeds) are taken back together.
fn runs(past: Vec<PastChange>, changes: &[ChangeHash]) -> Vec<Run> {
    let chosen: HashSet<_> = changes.iter().collect();
    let seeds: HashSet<_> =
        past.iter().filter(|change| Seed::is_seed_actor(&change.actor)).map(|change| change.hash).collect();
    let mut runs: Vec<Run> = Vec::new();
    for change in past.into_iter().filter(|change| chosen.contains(&change.hash) && !seeds.contains(&change.hash)) {
        let follows = |run: &Run| {
            change.deps.contains(&run.after) && change.deps.iter().all(|dep| *dep == run.after || seeds.contains(dep))
        };
        match runs.last_mut().filter(|run| follows(run)) {
            Some(run) => run.after = change.hash,
            None => runs.push(Run { before: change.deps, after: change.hash }),
        }
    }
    runs
}

impl Run {
    /// Takes the run back in what is wanted, leaf by leaf.
    fn take_back(&self, copy: &mut AutoCommit, wanted: &mut Leaves) -> Result<(), HistoryError> {
        let (from, to) = (known_heads(copy, &self.before)?, known_heads(copy, &[self.after])?);
        let before = Leaves::read(copy, Some(&from)).visible();
        let after = Leaves::read(copy, Some(&to)).visible();
        let paths: BTreeSet<_> = before.0.keys().chain(after.0.keys()).cloned().collect();
        let mut back: Vec<(String, Content)> = Vec::new();
        for path in paths.into_iter().filter(|path| before.0.get(path) != after.0.get(path)) {
            let leaf = Leaf { old: before.0.get(&path), new: after.0.get(&path), now: wanted.0.get(&path) };
            match leaf.take_back(|old, new, now| text_back(copy, &path, (&from, old), (&to, new), now)) {
                Taken::Spared => {}
                Taken::Back(Some(content)) if leaf.now.is_some() => drop(wanted.0.insert(path, content)),
                Taken::Back(Some(content)) => back.push((path, content)),
                Taken::Back(None) => drop(wanted.0.remove(&path)),
            }
        }
        // What comes back must not push aside what others have put in its place.
        for (path, content) in back {
            if !wanted.has_below(&path) && !wanted.has_above(&path) {
                wanted.0.insert(path, content);
            }
        }
        Ok(())
    }
}

/// A leaf before and after what is taken back, and as it is now.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    old: Option<&'a Content>,
    new: Option<&'a Content>,
    now: Option<&'a Content>,
}

/// What becomes of a leaf.
enum Taken {
    /// Somebody has changed it since: it stays.
    Spared,
    /// It shall hold this, or nothing.
    Back(Option<Content>),
}

impl Leaf<'_> {
    /// `text` takes back what led from one text to another, in a third.
    fn take_back(self, text: impl FnOnce(&str, &str, &str) -> String) -> Taken {
        match (self.old, self.new, self.now) {
            (Some(Content::Counter(old)), Some(Content::Counter(new)), Some(Content::Counter(now))) => {
                Taken::Back(Some(Content::Counter(now.saturating_add(old.saturating_sub(*new)))))
            }
            (None, Some(Content::Counter(new)), Some(Content::Counter(now))) if new != now => {
                Taken::Back(Some(Content::Counter(now.saturating_sub(*new))))
            }
            (None, Some(Content::Text(new)), Some(Content::Text(now))) => {
                let text = text("", new, now);
                Taken::Back((!text.is_empty()).then_some(Content::Text(text)))
            }
            (Some(Content::Text(old)), Some(Content::Text(new)), Some(Content::Text(now))) => {
                Taken::Back(Some(Content::Text(text(old, new, now))))
            }
            (Some(Content::Foreign), ..) | (_, Some(Content::Foreign), _) => Taken::Spared,
            (old, new, now) if new == now => Taken::Back(old.cloned()),
            _ => Taken::Spared,
        }
    }
}

type At<'a> = (&'a [automerge::ChangeHash], &'a str);

/// The text of `path` as it is `now`, without what was done to it between `from` and `to`.
fn text_back(copy: &mut AutoCommit, path: &str, from: At<'_>, to: At<'_>, now: &str) -> String {
    let heads = copy.get_heads();
    let own = splices(copy, path, from, to);
    let later = splices(copy, path, to, (&heads, now));
    text::take_back(from.1, &own, &later)
}

/// The splices between two states of a text, from Automerge, which knows the characters apart; if what it says does
/// not lead there, from the characters alone.
fn splices(copy: &mut AutoCommit, path: &str, from: At<'_>, to: At<'_>) -> Vec<Splice> {
    let known = flat::text_object(copy, path).and_then(|object| copy.diff_obj(&object, from.0, to.0, false).ok());
    let known = known.filter(|patches| patches.len() <= SPLICES_MAX);
    let known: Option<Vec<Splice>> = known.and_then(|patches| {
        let splice = |action| match action {
            PatchAction::SpliceText { index, value, .. } => {
                Some(Splice { at: index, delete: 0, insert: value.make_string() })
            }
            PatchAction::DeleteSeq { index, length } => {
                Some(Splice { at: index, delete: length, insert: String::new() })
            }
            _ => None,
        };
        patches.into_iter().map(|patch| splice(patch.action)).collect()
    });
    match known {
        Some(known) if text::leads_to(from.1, &known, to.1) => known,
        _ => difference::splices(from.1, to.1),
    }
}

/// The intents from what is stored `now` to what shall be seen: removals first, then a step per leaf.
fn steps(now: &Leaves, wanted: &Leaves) -> Vec<Intent> {
    let mut intents = Vec::new();
    for path in now.0.keys().filter(|path| !wanted.0.contains_key(*path)) {
        // A leaf that gives way to others below it is removed by them, or is hidden already.
        if !wanted.has_below(path) {
            intents.push(Intent::Remove { path: path.clone() });
        }
    }
    for (path, content) in &wanted.0 {
        let found = now.0.get(path).filter(|_| !now.has_below(path));
        if found != Some(content) {
            put(&mut intents, path, content, found, now);
        }
    }
    intents
}

fn put(intents: &mut Vec<Intent>, path: &str, content: &Content, found: Option<&Content>, now: &Leaves) {
    let is_taken = found.is_some() || now.0.contains_key(path) || now.has_below(path);
    let mut make_room = || intents.push(Intent::Remove { path: path.to_owned() });
    let path = path.to_owned();
    match (content, found) {
        (Content::Register(value), _) => intents.push(Intent::PutRegister { path, value: value.clone() }),
        (Content::Text(text), found) => {
            if is_taken && !matches!(found, Some(Content::Text(_))) {
                make_room();
            }
            intents.push(Intent::ReplaceText { path, text: text.clone() });
        }
        (Content::Counter(wanted), Some(Content::Counter(found))) => {
            intents.push(Intent::Increment { path, by: wanted.saturating_sub(*found) });
        }
        (Content::Counter(wanted), _) => {
            if is_taken {
                make_room();
            }
            intents.push(Intent::Increment { path, by: *wanted });
        }
        (Content::Foreign, _) => {}
    }
}
