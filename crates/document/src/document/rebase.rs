//! Carries unsealed edits over to heads that their author has not seen.
//!
//! Registers are intents: "tabSize is 4" stays true at any heads. Positions in a text are not, so the effect of text
//! edits is computed where they were made, merged, and expressed again at the new heads.

use std::collections::{BTreeMap, HashSet};

use automerge::{AutoCommit, PatchAction, ReadDoc as _};
use sync_wire::Blob;

use super::Document;
use crate::flat::{self, Leaf};
use crate::guard::guarded;
use crate::intent::Intent;
use crate::{admit, canonical};

/// The unsealed edits of `document` as they should be replayed on `next`, which is its sealed part with `changes`.
///
/// If anything stands in the way (a text was removed, Automerge objects), the edits stay as they are and their
/// positions are clamped when they are replayed.
pub(super) fn carry_over(document: &mut Document, next: &mut AutoCommit, changes: &[Blob]) -> Vec<Intent> {
    let pending = std::mem::take(&mut document.pending);
    let paths = text_paths(&pending);
    if paths.is_empty() {
        return pending;
    }
    let splices = guarded(|| merged_splices(&document.working.auto, next, changes, &paths)).ok().flatten();
    match splices {
        Some(splices) => substitute(pending, splices),
        None => pending,
    }
}

/// Paths that only text edits touch. Where the same edits also put or remove, order matters and nothing is moved.
pub(super) fn text_paths(pending: &[Intent]) -> HashSet<String> {
    let is_text = |intent: &&Intent| matches!(intent, Intent::Splice { .. } | Intent::ReplaceText { .. });
    let related = |left: &str, right: &str| {
        let under = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        under(left, right) || under(right, left)
    };
    let others: Vec<_> = pending.iter().filter(|intent| !is_text(intent)).map(Intent::path).collect();
    let texts = pending.iter().filter(is_text).map(Intent::path);
    texts.filter(|path| !others.iter().any(|other| related(path, other))).map(str::to_owned).collect()
}

/// For each text, the splices that lead from `next` to the merge of `next` with the edits.
fn merged_splices(
    edited: &AutoCommit,
    next: &mut AutoCommit,
    changes: &[Blob],
    paths: &HashSet<String>,
) -> Option<BTreeMap<String, Vec<Intent>>> {
    let mut merged = edited.clone();
    merged.commit();
    let changes: Option<Vec<_>> =
        changes.iter().map(|bytes| automerge::Change::from_bytes(canonical(bytes).ok()?.into_owned()).ok()).collect();
    let known = |change: &automerge::Change| admit::contains(edited, &sync_wire::ChangeHash(change.hash().0));
    merged.apply_changes(changes?.into_iter().filter(|change| !known(change)).collect::<Vec<_>>()).ok()?;
    let (before, after) = (next.get_heads(), merged.get_heads());
    let mut splices = BTreeMap::new();
    for path in paths {
        if flat::leaf_kind(next, path) != Leaf::Text {
            continue;
        }
        let object = flat::text_object(&merged, path)?;
        let patches = merged.diff_obj(&object, &before, &after, false).ok()?;
        let steps: Option<Vec<_>> = patches.into_iter().map(|patch| splice_of(path, patch.action)).collect();
        let steps = steps?;
        // Trust, but verify: the steps must lead to the merged text.
        let wanted = merged.text(&object).ok()?;
        if !leads_to(&flat::text(next, path)?, &steps, &wanted) {
            return None;
        }
        splices.insert(path.clone(), steps);
    }
    Some(splices)
}

fn splice_of(path: &str, action: PatchAction) -> Option<Intent> {
    let (at, delete, insert) = match action {
        PatchAction::SpliceText { index, value, .. } => (index, 0, value.make_string()),
        PatchAction::DeleteSeq { index, length } => (index, length, String::new()),
        _ => return None,
    };
    Some(Intent::Splice { path: path.to_owned(), at, delete, insert })
}

fn leads_to(from: &str, steps: &[Intent], to: &str) -> bool {
    let mut text: Vec<char> = from.chars().collect();
    for step in steps {
        if let Intent::Splice { at, delete, insert, .. } = step {
            if at + delete > text.len() {
                return false;
            }
            text.splice(*at..at + delete, insert.chars());
        }
    }
    text.into_iter().eq(to.chars())
}

/// Puts each text's splices where its first edit stood.
pub(super) fn substitute(pending: Vec<Intent>, mut splices: BTreeMap<String, Vec<Intent>>) -> Vec<Intent> {
    let moved: HashSet<String> = splices.keys().cloned().collect();
    let mut carried = Vec::with_capacity(pending.len());
    for intent in pending {
        if moved.contains(intent.path()) {
            carried.extend(splices.remove(intent.path()).unwrap_or_default());
        } else {
            carried.push(intent);
        }
    }
    carried
}
