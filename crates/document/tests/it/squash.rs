//! Edits that are said in one go lead to the same document, whoever squashes them and whatever else he knows.

use document::{Change, Document, Draft, Earlier, Seed, Squash, SquashError, Squashed, Violation, squash};
use proptest::prelude::*;
use serde_json::json;
use sync_wire::Blob;

use crate::replica::Replica;

fn of(known: &[Change], originals: &[Change]) -> Result<Squashed, SquashError> {
    squash(&Squash { known, originals, before: None })
}

/// One edit of a device, as it is stored.
fn saved(device: &mut Replica, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> Vec<Change> {
    let sealed = device.edit(edit);
    sealed.seeds.into_iter().chain(sealed.changes).collect()
}

fn document_of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Document {
    let mut document = Document::new(None);
    document.apply(&changes.into_iter().map(|change| change.bytes.clone()).collect::<Vec<Blob>>()).unwrap();
    document
}

fn is_seed(change: &Change) -> bool {
    Seed::is_seed_actor(&change.header.actor)
}

/// A document that squashed, and what the originals made of it.
#[track_caller]
fn check(known: &[Change], originals: &[Change]) -> Squashed {
    let squashed = of(known, originals).unwrap();
    let seeds = originals.iter().filter(|change| is_seed(change));
    let mended = document_of(known.iter().chain(seeds).chain(&squashed.seeds).chain(&squashed.changes));
    assert_eq!(mended.value(), document_of(known.iter().chain(originals)).value());
    for change in &squashed.changes {
        assert_eq!((change.header.actor.0[0], change.header.time), (0x51, 0));
    }
    squashed
}

#[test]
fn a_paste_and_its_deletion_come_to_nothing() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.splice("/body", 0, 0, "kept"));
    let paste = saved(&mut laptop, |draft| draft.splice("/body", 4, 0, &"x".repeat(100_000)));
    let deletion = saved(&mut laptop, |draft| draft.splice("/body", 4, 100_000, ""));
    assert_eq!(check(&known, &[paste, deletion].concat()), Squashed::default());
}

#[test]
fn many_keystrokes_come_to_one_small_change() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.put("/name", json!("a note")));
    let typed: Vec<Change> =
        (0..300).flat_map(|at| saved(&mut laptop, |draft| draft.splice("/body", at, 0, "x"))).collect();
    let squashed = check(&known, &typed);
    assert_eq!(squashed.changes.len(), 1);
    let before: usize = typed.iter().map(|change| change.bytes.len()).sum();
    assert!(squashed.bytes() * 20 < before, "{} of {before}", squashed.bytes());
    assert_eq!(squashed.changes[0].header.seq, 1);
}

/// Two copies of a vault must make the same bytes, whatever releases they are of.
#[test]
fn the_bytes_of_a_squash_are_those_of_every_release() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.splice("/body", 0, 0, "kept"));
    let mut originals = saved(&mut laptop, |draft| draft.put("/name", json!("a name")));
    originals.extend(saved(&mut laptop, |draft| draft.splice("/body", 4, 0, " and more")));
    originals.extend(saved(&mut laptop, |draft| draft.increment("/count", 3)));
    let squashed = of(&known, &originals).unwrap();
    let hashes: Vec<String> = squashed.changes.iter().map(|change| change.hash().to_string()).collect();
    assert_eq!(hashes, ["426a873896e9a7bacb404d4bc64bdf8970683d80429630172ba4d336c16fe4d5"]);
}

#[test]
fn what_does_not_fit_one_change_becomes_several() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.put("/name", json!("a note")));
    let pastes: Vec<Change> =
        (0..3).flat_map(|_| saved(&mut laptop, |draft| draft.splice("/body", 0, 0, &"y".repeat(300_000)))).collect();
    assert!(check(&known, &pastes).changes.len() > 1);
}

#[test]
fn a_document_that_is_wholly_new_is_squashed_with_its_seeds_left_alone() {
    let mut laptop = Replica::new(1);
    let mut originals = saved(&mut laptop, |draft| draft.put("/name", json!("one")));
    originals.extend(saved(&mut laptop, |draft| draft.increment("/count", 3)));
    originals.extend(saved(&mut laptop, |draft| draft.put("/name", json!("two"))));
    let squashed = check(&[], &originals);
    assert_eq!((squashed.changes.len(), squashed.seeds.len()), (1, 0), "its seeds are there");
}

#[test]
fn nothing_to_squash_and_missing_ground_are_said() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.put("/name", json!("one")));
    let later = saved(&mut laptop, |draft| draft.put("/name", json!("two")));
    assert_eq!(of(&known, &[]).unwrap_err(), SquashError::Nothing);
    let seeds: Vec<Change> = known.iter().filter(|change| is_seed(change)).cloned().collect();
    assert_eq!(of(&known, &seeds).unwrap_err(), SquashError::Nothing);
    assert!(matches!(of(&[], &later).unwrap_err(), SquashError::Unknown { .. }));
}

#[test]
fn an_edit_that_was_made_on_what_was_squashed_meanwhile_follows_it() {
    let mut laptop = Replica::new(1);
    let known = saved(&mut laptop, |draft| draft.splice("/body", 0, 0, "kept"));
    let originals: Vec<Change> =
        ["a", "b", "c"].iter().flat_map(|text| saved(&mut laptop, |draft| draft.splice("/body", 4, 0, text))).collect();
    let squashed = of(&known, &originals).unwrap();
    let late = saved(&mut laptop, |draft| draft.splice("/body", 0, 1, "K"));
    let all = [known.clone(), originals.clone(), squashed.changes.clone()].concat();
    let (before, by): (Vec<_>, Vec<_>) =
        (originals.iter().map(Change::hash).collect(), squashed.changes.iter().map(Change::hash).collect());
    let earlier = Earlier { originals: &before, by: &by };
    let followed = squash(&Squash { known: &all, originals: &late, before: Some(earlier) }).unwrap();
    let mended = document_of(known.iter().chain(&squashed.changes).chain(&followed.changes));
    assert_eq!(mended.value(), json!({ "body": "Keptcba" }));
    assert_eq!(mended.value(), laptop.document.value());
}

/// What somebody does to a document.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Remove(u8),
    Insert(usize, u8),
    Delete(usize),
    Count(i8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        (0..3u8).prop_map(Step::Remove),
        (any::<usize>(), 1..4u8).prop_map(|(at, count)| Step::Insert(at, count)),
        any::<usize>().prop_map(Step::Delete),
        (1..9i8).prop_map(Step::Count),
    ]
}

/// Carries the steps out, each an edit of its own; those that change nothing are none.
fn take(device: &mut Replica, steps: &[Step]) -> Vec<Change> {
    let mut changes = Vec::new();
    for step in steps {
        let length = device.document.text("/body").unwrap_or_default().chars().count();
        let edited = device.document.edit(device.actor, |draft| match step {
            Step::Put(key, value) => draft.put(&format!("/k{key}"), json!(value)),
            Step::Remove(key) => draft.remove(&format!("/k{key}")),
            Step::Insert(at, count) => draft.splice("/body", at % (length + 1), 0, &"é".repeat((*count).into())),
            Step::Delete(at) if length > 0 => draft.splice("/body", at % length, 1, ""),
            Step::Delete(_) => Ok(()),
            Step::Count(by) => draft.increment("/n", i64::from(*by)),
        });
        edited.unwrap();
        let sealed = device.document.seal(1_700_000_000).unwrap();
        changes.extend(sealed.into_iter().flat_map(|sealed| sealed.seeds.into_iter().chain(sealed.changes)));
    }
    changes
}

fn forwards_and_backwards(changes: &[Change], by: usize) -> Vec<Change> {
    let mut turned: Vec<Change> = changes.iter().rev().cloned().collect();
    turned.rotate_left(by % changes.len().max(1));
    turned
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever was edited before, beside and after, and in which order its holder got it.
    #[test]
    fn every_holder_makes_the_same_bytes_and_nobody_sees_another_document(
        first in prop::collection::vec(step(), 1..6),
        beside in prop::collection::vec(step(), 0..6),
        lane in prop::collection::vec(step(), 1..12),
        turn in any::<usize>(),
    ) {
        let mut laptop = Replica::new(1);
        let known = take(&mut laptop, &first);
        let mut desktop = Replica::new(2);
        desktop.document.apply(&known.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>()).unwrap();
        let others = take(&mut desktop, &beside);
        let originals = take(&mut laptop, &lane);
        if originals.iter().all(is_seed) {
            return Ok(());
        }
        let squashed = check(&known, &originals);
        let more = [known, others.clone()].concat();
        let again = of(&forwards_and_backwards(&more, turn), &forwards_and_backwards(&originals, turn)).unwrap();
        prop_assert_eq!(&again, &squashed, "another holder, who knows more");
        // It merges as the originals do with what others did to other leaves; and it is valid wherever they are.
        let seeds = originals.iter().filter(|change| is_seed(change));
        let merged = document_of(more.iter().chain(seeds).chain(&squashed.seeds).chain(&squashed.changes));
        Document::load(&merged.snapshot().unwrap()).unwrap();
    }
}
