//! Carries unsealed edits of texts over to new heads without merging them: where the characters went is found out
//! beforehand, so that the moment in which everybody waits costs what the edits cost, not what the text does.
//!
//! [`super::rebase`] merges, which needs a copy of the document and time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use automerge::{AutoCommit, PatchAction};
use sync_wire::ChangeHash;

use super::rebase::{substitute, text_paths};
use crate::admit::automerge_hash;
use crate::error::ApplyError;
use crate::flat::{self, Leaf};
use crate::guard::guarded;
use crate::intent::Intent;

/// Longer than any text.
const WITHOUT_END: usize = usize::MAX / 4;

/// A stretch of a text, seen from an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Characters of the older text, in its order.
    Old { at: usize, length: usize },
    /// What was inserted since.
    New { text: String, length: usize },
}

impl Piece {
    fn new(text: &str) -> Self {
        Self::New { text: text.to_owned(), length: text.chars().count() }
    }

    fn length(&self) -> usize {
        match self {
            Self::Old { length, .. } | Self::New { length, .. } => *length,
        }
    }

    /// The first `at` characters, and the others.
    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Self::Old { at: start, length } => {
                (Self::Old { at: start, length: at }, Self::Old { at: start + at, length: length - at })
            }
            Self::New { text, length } => {
                let bytes = text.char_indices().nth(at).map_or(text.len(), |(index, _)| index);
                let (head, tail) = text.split_at(bytes);
                (
                    Self::New { text: head.to_owned(), length: at },
                    Self::New { text: tail.to_owned(), length: length - at },
                )
            }
        }
    }
}

/// What became of a text: its characters, and those that came between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moves(Vec<Piece>);

impl Moves {
    fn none() -> Self {
        Self(vec![Piece::Old { at: 0, length: WITHOUT_END }])
    }

    fn splice(&mut self, at: usize, delete: usize, insert: &str) {
        let begin = self.cut(at);
        let end = self.cut(at + delete);
        let new = (!insert.is_empty()).then(|| Piece::new(insert));
        self.0.splice(begin..end, new);
    }

    /// The index of the piece that begins at this place.
    fn cut(&mut self, mut at: usize) -> usize {
        for index in 0..self.0.len() {
            let length = self.0[index].length();
            if at == 0 {
                return index;
            }
            if at < length {
                let (head, tail) = self.0[index].clone().split(at);
                self.0.splice(index..=index, [head, tail]);
                return index + 1;
            }
            at -= length;
        }
        self.0.len()
    }

    /// Where old characters are now: their first, how many, and the place of the first. Ascending.
    fn kept(&self) -> Vec<(usize, usize, usize)> {
        let mut place = 0;
        let mut kept = Vec::new();
        for piece in &self.0 {
            if let Piece::Old { at, length } = piece {
                kept.push((*at, *length, place));
            }
            place += piece.length();
        }
        kept
    }
}

/// The texts whose unsealed edits have positions.
pub(super) fn texts(pending: &[Intent]) -> BTreeSet<String> {
    text_paths(pending).into_iter().collect()
}

/// Whether [`carry`] can express these edits.
pub(super) fn can_carry(pending: &[Intent]) -> bool {
    !pending.iter().any(|intent| matches!(intent, Intent::ReplaceText { .. }))
}

/// What became of texts since `before`.
pub(super) fn between(
    document: &mut AutoCommit,
    before: &[ChangeHash],
    paths: &BTreeSet<String>,
) -> Result<HashMap<String, Moves>, ApplyError> {
    let before: Vec<_> = before.iter().map(automerge_hash).collect();
    let compared = guarded(|| {
        let after = document.get_heads();
        paths.iter().map(|path| (path.clone(), of_text(document, path, &before, &after))).collect()
    });
    compared.map_err(|_| ApplyError::Broken)
}

/// If it is no text any more, positions stay as they are and are clamped.
fn of_text(
    document: &mut AutoCommit,
    path: &str,
    before: &[automerge::ChangeHash],
    after: &[automerge::ChangeHash],
) -> Moves {
    let mut moves = Moves::none();
    let object = flat::text_object(document, path).filter(|_| flat::leaf_kind(document, path) == Leaf::Text);
    let patches = object.and_then(|object| document.diff_obj(&object, before, after, false).ok());
    for patch in patches.unwrap_or_default() {
        match patch.action {
            PatchAction::SpliceText { index, value, .. } => moves.splice(index, 0, &value.make_string()),
            PatchAction::DeleteSeq { index, length } => moves.splice(index, length, ""),
            _ => {}
        }
    }
    moves
}

/// The edits as they should be replayed where the texts have moved so.
pub(super) fn carry(pending: Vec<Intent>, moves: &HashMap<String, Moves>) -> Vec<Intent> {
    let mut edited: BTreeMap<String, Moves> = BTreeMap::new();
    for path in texts(&pending) {
        let mut own = Moves::none();
        for intent in pending.iter().filter(|intent| intent.path() == path) {
            if let Intent::Splice { at, delete, insert, .. } = intent {
                own.splice(*at, *delete, insert);
            }
        }
        edited.insert(path, own);
    }
    let splices = edited.into_iter().filter_map(|(path, own)| {
        let steps = steps(&path, &own, &moves.get(&path)?.kept());
        Some((path, steps))
    });
    let splices = splices.collect();
    substitute(pending, splices)
}

/// What was done to a text, where its characters are now. From behind, so that no step moves another.
fn steps(path: &str, own: &Moves, kept: &[(usize, usize, usize)]) -> Vec<Intent> {
    let splice = |at, delete, insert: &str| {
        let (path, insert) = (path.to_owned(), insert.to_owned());
        Intent::Splice { path, at, delete, insert }
    };
    let (mut steps, mut next) = (Vec::new(), 0);
    for piece in &own.0 {
        match piece {
            Piece::New { text, .. } => steps.push(splice(behind(kept, next), 0, text)),
            Piece::Old { at, length } => {
                let deleted = kept.iter().filter_map(|(first, count, place)| {
                    let (from, to) = (next.max(*first), (*at).min(first + count));
                    (from < to).then(|| splice(place + (from - first), to - from, ""))
                });
                steps.extend(deleted);
                next = at + length;
            }
        }
    }
    steps.reverse();
    steps
}

/// The place behind the last old character before this one.
fn behind(kept: &[(usize, usize, usize)], old: usize) -> usize {
    let last = kept.iter().rev().find(|(first, count, _)| *first < old && *count > 0);
    last.map_or(0, |(first, count, place)| place + (old - first).min(*count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, theirs: &[(usize, usize, &str)], ours: &[(usize, usize, &str)], expected: &str) {
        let mut moves = Moves::none();
        let mut merged: Vec<char> = text.chars().collect();
        for (at, delete, insert) in theirs {
            moves.splice(*at, *delete, insert);
            merged.splice(*at..at + delete, insert.chars());
        }
        let path = || "/body".to_owned();
        let intent = |(at, delete, insert): &(usize, usize, &str)| Intent::Splice {
            path: path(),
            at: *at,
            delete: *delete,
            insert: (*insert).to_owned(),
        };
        let carried = carry(ours.iter().map(intent).collect(), &HashMap::from([(path(), moves)]));
        for step in carried {
            let Intent::Splice { at, delete, insert, .. } = step else { panic!("a splice stays one") };
            merged.splice(at..at + delete, insert.chars());
        }
        assert_eq!(merged.into_iter().collect::<String>(), expected);
    }

    #[test]
    fn edits_go_where_their_characters_went() {
        check("some text", &[(0, 0, "here is ")], &[(5, 4, "words")], "here is some words");
        check("some text", &[(9, 0, "!")], &[(0, 0, "a"), (1, 0, "b")], "absome text!");
        check("some text", &[(4, 0, "where")], &[(4, 1, ""), (4, 0, "-")], "some-wheretext");
        check("ökö", &[(0, 1, "Ö"), (3, 0, "!")], &[(1, 1, "ł"), (3, 0, "?")], "łÖö?!");
    }

    #[test]
    fn edits_of_what_others_deleted_stay_near() {
        check("some text", &[(0, 5, "")], &[(2, 0, "xx")], "xxtext");
        check("some text", &[(2, 4, "")], &[(1, 7, "")], "st");
        check("some text", &[(4, 5, "")], &[(9, 0, "!")], "some!");
        check("", &[(0, 0, "theirs")], &[(0, 0, "o"), (1, 0, "urs")], "ourstheirs");
    }
}
