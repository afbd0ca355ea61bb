//! What fails the check is found and goes; what rested on it is written anew; everybody finds the same.

use document::forge::poison::{CORPUS, Ground, Poison};
use document::{Change, Document, Mended, RepairError, mend, repair};
use proptest::prelude::*;
use sync_wire::{Actor, Blob, ChangeHash};

use crate::forge::{Forged, actor, put};
use crate::replica::Replica;

/// Those of the corpus that only the check finds: they pass the header's and the log's rules.
const FOUND_BY_THE_CHECK: [&str; 11] = ["D", "E", "E2", "E3", "F", "F2", "F3", "F4", "K", "K2", "V4"];

fn parsed(bytes: Blob) -> Change {
    Change::parse(bytes).unwrap()
}

fn document_of(changes: &[Blob]) -> Document {
    let mut document = Document::new(None);
    document.apply(changes).expect("what is left of a repaired document passes the check");
    document
}

/// What is left of a run.
fn rest(run: &[Change], mended: &Mended) -> Vec<Blob> {
    let gone: Vec<ChangeHash> = mended.void.changes().collect();
    let stays = run.iter().filter(|change| !gone.contains(&change.hash()));
    stays.chain(&mended.replacements).map(|change| change.bytes.clone()).collect()
}

/// An honest edit before the poison, one beside it, and one on top that touches nothing of it.
fn poisoned(poison: &Poison) -> (Blob, Vec<Change>, ChangeHash, ChangeHash) {
    let (ground, base) = Ground::make(actor(1), actor(9));
    let bad = parsed((poison.make)(&ground).pop().unwrap());
    let start = ground.max_op + 1;
    let beside = parsed(Forged::by(actor(3), 1, start, &ground.heads, vec![put("beside", 3)]).blob());
    let upon = Forged::by(actor(2), 1, bad.header.max_op() + 1, &[bad.hash()], vec![put("upon", 2)]);
    let upon = parsed(upon.blob());
    let (culprit, honest) = (bad.hash(), upon.hash());
    (base, vec![beside, bad, upon], culprit, honest)
}

#[test]
fn poison_is_found_and_the_edit_upon_it_is_written_anew() {
    for id in FOUND_BY_THE_CHECK {
        let poison = Poison::of(id);
        let (base, run, culprit, honest) = poisoned(&poison);
        let ground = document_of(std::slice::from_ref(&base));
        let found = repair(&ground, &run, &[]).unwrap();
        let mended = found.mended.unwrap_or_else(|| panic!("poison {id} passes the check"));
        assert_eq!(mended.void.excluded, [culprit], "poison {id}");
        assert_eq!(mended.void.dependents[0].change, honest, "poison {id}");
        assert_eq!(mended.lost, [0], "poison {id}: {:?}", found.reasons);
        let all = [vec![base], rest(&run, &mended)].concat();
        let value = document_of(&all).value();
        assert_eq!((&value["beside"], &value["upon"]), (&3.into(), &2.into()), "poison {id}");
    }
    assert!(FOUND_BY_THE_CHECK.iter().all(|id| CORPUS.iter().any(|poison| poison.id == *id)));
}

#[test]
fn a_sound_document_needs_no_repair_and_what_was_checked_cannot_be_named() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.put("/a", 1.into()));
    let base = laptop.document.clone();
    let checked = laptop.log.clone();
    laptop.edit(|draft| draft.put("/b", 2.into()));
    let run: Vec<Change> = laptop.log[checked.len()..].iter().cloned().map(parsed).collect();
    assert_eq!(repair(&base, &run, &[]).unwrap().mended, None);
    let hash = parsed(checked[0].clone()).hash();
    assert_eq!(repair(&base, &run, &[hash]), Err(RepairError::NotUnchecked { hash }));
    let named = repair(&base, &run, &[run[0].hash()]).unwrap().mended.unwrap();
    assert_eq!(named.void.excluded, [run[0].hash()]);
}

#[test]
fn an_edit_that_overwrites_what_never_was_goes_with_it() {
    let (ground, base) = Ground::make(actor(1), actor(9));
    let bad = parsed((Poison::of("F").make)(&ground).remove(0));
    // It takes the poison's value for what is there, as anybody would who could see it.
    let seen = automerge::legacy::OpId::new(bad.header.max_op(), &automerge::ActorId::from(actor(9).0));
    let over = document::forge::poison::over("k", automerge::legacy::OpType::Put(7.into()), seen);
    let upon = parsed(Forged::by(actor(2), 1, bad.header.max_op() + 1, &[bad.hash()], vec![over]).blob());
    let run = [bad.clone(), upon.clone()];
    let mended = repair(&document_of(&[base]), &run, &[]).unwrap().mended.unwrap();
    assert_eq!(mended.void.excluded, [bad.hash(), upon.hash()], "its replacement would be as wrong");
}

#[test]
fn several_culprits_go_in_one_repair() {
    let (ground, base) = Ground::make(actor(1), actor(9));
    let other = Ground { attacker: Actor([8; 16]), ..ground.clone() };
    let run: Vec<Change> = [(Poison::of("D"), &ground), (Poison::of("E"), &other)]
        .into_iter()
        .map(|(poison, ground)| parsed((poison.make)(ground).remove(0)))
        .collect();
    let found = repair(&document_of(&[base]), &run, &[]).unwrap();
    assert_eq!(found.mended.unwrap().void.excluded, [run[0].hash(), run[1].hash()]);
    assert_eq!(found.reasons.len(), 2);
}

/// Edits of two devices that see each other now and then, in the order in which the relay got them.
fn run_of(steps: &[(bool, bool, u8)]) -> (Document, Vec<Change>) {
    let mut left = Replica::new(1);
    left.edit(|draft| draft.put("/base", 0.into()));
    let base = left.document.clone();
    let mut right = left.fork(2);
    let before = left.log.len();
    let mut log = left.log.clone();
    for (number, (is_left, sees, key)) in steps.iter().enumerate() {
        let device = if *is_left { &mut left } else { &mut right };
        if *sees {
            device.receive(&log);
        }
        device.edit(|draft| draft.put(&format!("/k{}", key % 4), number.into()));
        log.extend(device.log.iter().filter(|change| !log.contains(change)).cloned().collect::<Vec<_>>());
    }
    (base, log[before..].iter().cloned().map(parsed).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_is_named_goes_and_everybody_mends_alike(
        steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<u8>()), 1..24),
        named in any::<prop::sample::Index>(),
    ) {
        let (base, run) = run_of(&steps);
        let excluded = [run[named.index(run.len())].hash()];
        let mended = repair(&base, &run, &excluded).unwrap().mended.unwrap();
        let known = base.changes().unwrap();
        let max_op = |hash: &ChangeHash| known.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op());
        // A device recomputes it from what the void excludes; whether it has more in its log does not matter.
        prop_assert_eq!(&mend(&mended.void.excluded, &run, max_op), &mended);
        let more = [&known[..], &run[..]].concat();
        prop_assert_eq!(&mend(&mended.void.excluded, &more, |_| None), &mended);
        // What is left is sound, rests on nothing that is gone, and nothing more has to go.
        let left: Vec<Change> = rest(&run, &mended).into_iter().map(parsed).collect();
        let gone: Vec<ChangeHash> = mended.void.changes().collect();
        prop_assert!(left.iter().all(|change| change.header.deps.iter().all(|dep| !gone.contains(dep))));
        prop_assert_eq!(repair(&base, &left, &[]).unwrap().mended, None);
        // Every edit but the excluded one is still said.
        prop_assert!(mended.void.dependents.iter().all(|dependent| dependent.by.is_some()));
    }
}
