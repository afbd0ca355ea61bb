//! Edits that come after a refused one are kept without it, and everybody who mends the document mends it alike.

use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ObjType, ScalarValue};
use document::{Change, Document, Excluded, ReauthorError, Reauthored, Seed, reauthor, retrace};
use proptest::prelude::*;
use serde_json::{Value, json};
use sync_wire::{Blob, ChangeHash};

use crate::forge::{Forged, actor_id, put};
use crate::replica::Replica;

/// Re-authors against what `all` says of counters.
fn mend(excluded: Excluded<'_>, later: &[Change], all: &[Change]) -> Result<Reauthored, ReauthorError> {
    reauthor(excluded, later, |hash| all.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op()))
}

fn document_of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Document {
    let mut document = Document::new(None);
    let changes: Vec<Blob> = changes.into_iter().map(|change| change.bytes.clone()).collect();
    document.apply(&changes).expect("replacements rest on what stays and pass the check");
    document
}

fn parsed(forged: Forged) -> Change {
    Change::parse(forged.blob()).unwrap()
}

/// A step of a device, with what it means apart from all others.
#[derive(Debug, Clone)]
enum Step {
    /// Of a key, to the number of the step: putting an equal value again would be no edit.
    Put(u8),
    Remove(u8),
    Insert(usize, u8),
    Delete(usize),
    Increment(i8),
    /// Of another key than scalars: what a refused scalar had replaced below it comes back as an automatic conflict.
    PutObject(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4u8).prop_map(Step::Put),
        (0..4u8).prop_map(Step::Remove),
        (any::<usize>(), 1..4u8).prop_map(|(at, count)| Step::Insert(at, count)),
        any::<usize>().prop_map(Step::Delete),
        (1..9i8).prop_map(Step::Increment),
        (0..4u8).prop_map(Step::PutObject),
    ]
}

/// What a lane of edits says, edit by edit, so that one can be left out.
#[derive(Default)]
struct Meaning {
    registers: Vec<(usize, String, Option<Value>)>,
    inserted: Vec<(usize, char)>,
    deleted: Vec<(usize, char)>,
    increments: Vec<(usize, i64)>,
}

impl Meaning {
    fn forget(&mut self, edit: usize) {
        self.registers.retain(|(of, ..)| *of != edit);
    }

    fn without(&self, left_out: usize) -> (BTreeMap<String, Value>, BTreeSet<char>, i64) {
        let mut registers = BTreeMap::new();
        for (_, key, value) in self.registers.iter().filter(|(edit, ..)| *edit != left_out) {
            match value {
                Some(value) => drop(registers.insert(key.clone(), value.clone())),
                None => drop(registers.remove(key)),
            }
        }
        let gone: BTreeSet<char> = self.deleted.iter().filter(|(edit, _)| *edit != left_out).map(|(_, c)| *c).collect();
        let there = self.inserted.iter().filter(|(edit, _)| *edit != left_out).map(|(_, c)| *c);
        let increments = self.increments.iter().filter(|(edit, _)| *edit != left_out).map(|(_, by)| by).sum();
        (registers, there.filter(|c| !gone.contains(c)).collect(), increments)
    }
}

/// A device that carries out steps one by one; the changes of each, and what they mean.
fn lane(steps: &[Step]) -> (Vec<Vec<Change>>, Meaning) {
    go_on(&mut Replica::new(1), steps)
}

/// The same of a device that has something.
fn go_on(device: &mut Replica, steps: &[Step]) -> (Vec<Vec<Change>>, Meaning) {
    let (mut edits, mut meaning) = (Vec::new(), Meaning::default());
    let mut fresh = (0x4e00..0x9000).filter_map(char::from_u32);
    for (edit, step) in steps.iter().enumerate() {
        let text: Vec<char> = device.document.text("/body").unwrap_or_default().chars().collect();
        device
            .document
            .edit(device.actor, |draft| match step {
                Step::Put(key) => {
                    meaning.registers.push((edit, format!("k{key}"), Some(json!(edit))));
                    draft.put(&format!("/k{key}"), json!(edit))
                }
                Step::PutObject(key) => {
                    meaning.registers.push((edit, format!("o{key}"), Some(json!({ "in": edit }))));
                    draft.put(&format!("/o{key}"), json!({ "in": edit }))
                }
                Step::Remove(key) => {
                    meaning.registers.push((edit, format!("k{key}"), None));
                    draft.remove(&format!("/k{key}"))
                }
                Step::Insert(at, count) => {
                    let chars: String = fresh.by_ref().take(usize::from(*count)).collect();
                    meaning.inserted.extend(chars.chars().map(|c| (edit, c)));
                    draft.splice("/body", at % (text.len() + 1), 0, &chars)
                }
                Step::Delete(at) if !text.is_empty() => {
                    let at = at % text.len();
                    meaning.deleted.push((edit, text[at]));
                    draft.splice("/body", at, 1, "")
                }
                Step::Delete(_) => Ok(()),
                Step::Increment(by) => {
                    meaning.increments.push((edit, i64::from(*by)));
                    draft.increment("/n", i64::from(*by))
                }
            })
            .unwrap();
        let sealed = device.document.seal(1_700_000_000).unwrap();
        if sealed.is_none() {
            meaning.forget(edit); // it changed nothing: removing what is not there, for one
        }
        edits.push(sealed.map(|sealed| sealed.seeds.into_iter().chain(sealed.changes).collect()).unwrap_or_default());
    }
    (edits, meaning)
}

fn is_seed(change: &Change) -> bool {
    Seed::of(&change.header).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_lane_without_one_refused_edit_says_what_all_the_others_said(
        steps in prop::collection::vec(step(), 2..24),
        culprit in any::<prop::sample::Index>(),
        order in any::<u64>(),
    ) {
        let (edits, meaning) = lane(&steps);
        let culprit = culprit.index(steps.len());
        let all: Vec<Change> = edits.concat();
        let lost: Vec<Change> = edits[culprit].iter().filter(|change| !is_seed(change)).cloned().collect();
        prop_assume!(!lost.is_empty());
        let mut later: Vec<Change> =
            edits[culprit + 1..].concat().into_iter().filter(|change| !is_seed(change)).collect();
        let kept = all.iter().filter(|change| !lost.contains(change) && !later.contains(change));
        let mended = mend(Excluded::Lost(&lost), &later, &all).unwrap();

        let document = document_of(kept.chain(&mended.changes));
        let (registers, chars, sum) = meaning.without(culprit);
        let value = document.value();
        for key in ["k0", "k1", "k2", "k3", "o0", "o1", "o2", "o3"] {
            prop_assert_eq!(value.get(key), registers.get(key), "{}: {} instead of {:?}", key, value, registers);
        }
        let body = value.get("body").and_then(Value::as_str).unwrap_or_default();
        prop_assert_eq!(body.chars().collect::<BTreeSet<char>>(), chars);
        prop_assert_eq!(value.get("n").and_then(Value::as_i64).unwrap_or(0), sum);

        // Any order, any amount of knowledge: the same bytes.
        let cut = later.len() / 2;
        let beginning = mend(Excluded::Lost(&lost), &later[..cut], &all).unwrap();
        prop_assert_eq!(&beginning.changes[..], &mended.changes[..beginning.changes.len()]);
        let turn = (order as usize) % later.len().max(1);
        later.rotate_left(turn);
        prop_assert_eq!(mend(Excluded::Lost(&lost), &later, &all).unwrap(), mended);
    }

    #[test]
    fn a_renamed_branch_says_exactly_what_it_said(
        steps in prop::collection::vec(step(), 2..24),
        fork in any::<prop::sample::Index>(),
    ) {
        let (edits, _) = lane(&steps);
        let all: Vec<Change> = edits.concat();
        let branch: Vec<Change> = edits[fork.index(edits.len())..].concat();
        let branch: Vec<Change> = branch.into_iter().filter(|change| !is_seed(change)).collect();
        prop_assume!(!branch.is_empty());
        let mended = mend(Excluded::Renamed(&branch), &[], &all).unwrap();
        prop_assert_eq!(mended.changes.len(), branch.len());
        prop_assert!(mended.replaced.values().all(|replacement| replacement.lost == 0));
        let renamed = document_of(all.iter().filter(|change| !branch.contains(change)).chain(&mended.changes));
        prop_assert_eq!(renamed.value(), document_of(&all).value());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// There and back and there again: whatever was written on replacements says the same on the originals.
    #[test]
    fn what_was_written_on_replacements_can_be_written_on_their_originals(
        steps in prop::collection::vec(step(), 2..16),
        more in prop::collection::vec(step(), 1..8),
        culprit in any::<prop::sample::Index>(),
    ) {
        let edits = lane(&steps).0;
        let culprit = culprit.index(steps.len());
        let all: Vec<Change> = edits.concat();
        let lost: Vec<Change> = edits[culprit].iter().filter(|change| !is_seed(change)).cloned().collect();
        prop_assume!(!lost.is_empty());
        let later = edits[culprit + 1..].concat();
        let originals: Vec<Change> = later.into_iter().filter(|change| !is_seed(change)).collect();
        let kept: Vec<Change> =
            all.iter().filter(|change| !lost.contains(change) && !originals.contains(change)).cloned().collect();
        let mended = mend(Excluded::Lost(&lost), &originals, &all).unwrap();
        let mut device = Replica::new(2);
        let known = kept.iter().chain(&mended.changes).map(|change| change.bytes.clone());
        device.receive(&known.collect::<Vec<_>>());
        let more: Vec<Change> = go_on(&mut device, &more).0.concat();

        let everything = [&all[..], &mended.changes, &more].concat();
        let max_op = |hash: &ChangeHash| {
            everything.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op())
        };
        let back = retrace(&lost, &originals, &more, max_op).unwrap();
        prop_assert!(back.replaced.values().all(|replacement| replacement.lost == 0), "{:?}", back.replaced);
        let stays = more.iter().filter(|change| !back.replaced.contains_key(&change.hash()));
        let before = [all, stays.cloned().collect(), back.changes].concat();
        document_of(&before);

        let on_the_originals: Vec<Change> =
            before.iter().filter(|one| !lost.contains(one) && !kept.contains(one)).cloned().collect();
        let again = mend(Excluded::Lost(&lost), &on_the_originals, &before).unwrap();
        let rest = on_the_originals.iter().filter(|change| !again.replaced.contains_key(&change.hash()));
        let document = document_of(kept.iter().chain(rest).chain(&again.changes));
        prop_assert_eq!(document.value(), device.document.value());
    }
}

#[test]
fn two_devices_that_mend_the_same_document_do_not_double_it() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.splice("/body", 0, 0, "one "));
    let mut desktop = laptop.fork(2);
    let refused = laptop.edit(|draft| draft.splice("/body", 4, 0, "two "));
    desktop.receive(&[refused.changes[0].bytes.clone()]);
    let above = desktop.edit(|draft| draft.splice("/body", 8, 0, "three"));
    let beside = laptop.edit(|draft| draft.put("/k", json!(1)));
    let all: Vec<Change> = laptop.log.iter().chain(&desktop.log).map(|b| Change::parse(b.clone()).unwrap()).collect();

    let knows_one = mend(Excluded::Lost(&refused.changes), &above.changes, &all).unwrap();
    let both = [above.changes.clone(), beside.changes].concat();
    let knows_two = mend(Excluded::Lost(&refused.changes), &both, &all).unwrap();
    assert!(knows_one.changes.iter().all(|change| knows_two.changes.contains(change)));

    let kept = all.iter().filter(|change| change.header.seq == 1 || is_seed(change));
    let kept: Vec<&Change> =
        kept.filter(|change| !both.contains(change) && !refused.changes.contains(change)).collect();
    let mut document = document_of(kept.into_iter().chain(&knows_one.changes));
    document.apply(&knows_two.changes.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>()).unwrap();
    assert_eq!(document.value(), json!({ "body": "one three", "k": 1 }));
}

#[test]
fn changes_that_rest_on_nothing_excluded_are_left_alone() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.put("/a", json!(1)));
    let mut desktop = laptop.fork(2);
    let refused = laptop.edit(|draft| draft.put("/a", json!(2)));
    let beside = desktop.edit(|draft| draft.put("/b", json!(3)));
    let all: Vec<Change> = laptop.log.iter().chain(&desktop.log).map(|b| Change::parse(b.clone()).unwrap()).collect();
    let mended = mend(Excluded::Lost(&refused.changes), &beside.changes, &all).unwrap();
    assert!(mended.changes.is_empty());
    assert_eq!(mended.replaced.keys().copied().collect::<Vec<_>>(), [refused.changes[0].hash()]);
}

/// An object that the lost change made takes along what others put into it; the same edit's other operations stay.
#[test]
fn operations_inside_a_lost_object_are_lost_with_it() {
    let make = Op {
        action: OpType::Make(ObjType::List),
        obj: ObjectId::Root,
        key: Key::Map("list".into()),
        pred: Vec::new().into(),
        insert: false,
    };
    let inside = |key: Key, insert: bool| Op {
        action: OpType::Put(7.into()),
        obj: ObjectId::Id(OpId(2, actor_id(1))),
        key,
        pred: Vec::new().into(),
        insert,
    };
    let base = parsed(Forged::new(1, 1, 1, &[], vec![put("a", 1)]));
    let lost = parsed(Forged::new(1, 2, 2, &[base.hash()], vec![make]));
    let element = Key::Seq(ElementId::Id(OpId(3, actor_id(2))));
    let ops = vec![inside(Key::head(), true), inside(element, true), put("b", 2)];
    let later = parsed(Forged::new(2, 1, 3, &[lost.hash()], ops));
    let all = [base.clone(), lost.clone(), later.clone()];
    let mended = mend(Excluded::Lost(&[lost]), std::slice::from_ref(&later), &all).unwrap();
    let replacement = mended.replaced[&later.hash()];
    assert_eq!((replacement.lost, replacement.moot), (2, 0));
    assert_eq!(document_of([&base].into_iter().chain(&mended.changes)).value(), json!({ "a": 1, "b": 2 }));
    assert_eq!(mended.changes[0].header.deps, [base.hash()]);
}

/// Nobody misses a deletion of what is not there.
#[test]
fn taking_away_what_is_lost_is_moot() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.splice("/text", 0, 0, "kept "));
    let refused = laptop.edit(|draft| draft.splice("/text", 5, 0, "lost"));
    let later = laptop.edit(|draft| draft.splice("/text", 4, 5, "!"));
    let all: Vec<Change> = laptop.log.iter().map(|bytes| Change::parse(bytes.clone()).unwrap()).collect();
    let mended = mend(Excluded::Lost(&refused.changes), &later.changes, &all).unwrap();
    let replacement = mended.replaced[&later.changes[0].hash()];
    assert_eq!((replacement.lost, replacement.moot), (4, 4), "the space before it was there");
    assert!(replacement.by.is_some());
}

/// In a list, where a letter or value stands is named by the operation that made it.
fn in_list(action: OpType, key: Key, insert: bool) -> Op {
    let obj = ObjectId::Id(OpId(1, actor_id(1)));
    Op { action, obj, key, pred: Vec::new().into(), insert }
}

/// A list of one value, 1, and what a later change says that was made on top of a lost one.
fn one_in_a_list(lost: Op, later: Op) -> (Value, Option<Op>) {
    let make = Op { action: OpType::Make(ObjType::List), ..put("list", 0) };
    let base = parsed(Forged::new(1, 1, 1, &[], vec![make, in_list(OpType::Put(1.into()), Key::head(), true)]));
    let lost = parsed(Forged::new(2, 1, 3, &[base.hash()], vec![lost]));
    let later = parsed(Forged::new(3, 1, 4, &[lost.hash()], vec![later]));
    let all = [base.clone(), lost.clone(), later.clone()];
    let mended = mend(Excluded::Lost(&[lost]), &[later], &all).unwrap();
    let replacement = mended
        .changes
        .first()
        .map(|change| automerge::Change::from_bytes(change.bytes.to_vec()).unwrap().decode().operations.remove(0));
    (document_of([&base].into_iter().chain(&mended.changes)).value()["list"].take(), replacement)
}

#[test]
fn what_is_put_in_the_place_of_a_lost_element_is_lost_with_it() {
    let one = || ElementId::Id(OpId(2, actor_id(1)));
    let lost = OpId(3, actor_id(2));
    let insert = in_list(OpType::Put(2.into()), Key::Seq(one()), true);
    let put = in_list(OpType::Put(3.into()), Key::Seq(ElementId::Id(lost.clone())), false);
    let (list, replacement) = one_in_a_list(insert, Op { pred: vec![lost].into(), ..put });
    assert_eq!((list, replacement), (json!([1]), None), "and does not come to stand where its neighbour is");
}

#[test]
fn an_insertion_overwrites_nothing_where_a_deletion_was_lost() {
    let one = OpId(2, actor_id(1));
    let at_one = || Key::Seq(ElementId::Id(one.clone()));
    let delete = Op { pred: vec![one.clone()].into(), ..in_list(OpType::Delete, at_one(), false) };
    let (list, replacement) = one_in_a_list(delete, in_list(OpType::Put(2.into()), at_one(), true));
    assert_eq!((list, replacement.unwrap().pred.len()), (json!([1, 2]), 0));
}

#[test]
fn a_number_that_a_lost_counter_had_replaced_is_not_incremented() {
    let base = parsed(Forged::new(1, 1, 1, &[], vec![put("n", 5)]));
    let over = |action: OpType, pred: OpId| Op { action, pred: vec![pred].into(), ..put("n", 0) };
    let counter = over(OpType::Put(ScalarValue::counter(0)), OpId(1, actor_id(1)));
    let lost = parsed(Forged::new(2, 1, 2, &[base.hash()], vec![counter]));
    let increment = over(OpType::Increment(3), OpId(2, actor_id(2)));
    let later = parsed(Forged::new(3, 1, 3, &[lost.hash()], vec![increment, put("k", 1)]));
    let all = [base.clone(), lost.clone(), later.clone()];
    let mended = mend(Excluded::Lost(&[lost]), std::slice::from_ref(&later), &all).unwrap();
    assert_eq!(mended.replaced[&later.hash()].lost, 1);
    assert_eq!(document_of([&base].into_iter().chain(&mended.changes)).value(), json!({ "n": 5, "k": 1 }));
}

#[test]
fn a_change_that_is_lost_whole_has_no_replacement_and_an_empty_one_has() {
    let base = parsed(Forged::new(1, 1, 1, &[], vec![put("a", 1)]));
    let lost = parsed(Forged::new(1, 2, 2, &[base.hash()], vec![put("b", 2)]));
    let undo = Op { action: OpType::Delete, pred: vec![OpId(2, actor_id(1))].into(), ..put("b", 0) };
    let moot = parsed(Forged::new(2, 1, 3, &[lost.hash()], vec![undo]));
    let empty = parsed(Forged::new(3, 1, 4, &[moot.hash()], vec![]));
    let later = [moot.clone(), empty.clone()];
    let all = [base.clone(), lost.clone(), moot.clone(), empty.clone()];
    let mended = mend(Excluded::Lost(&[lost]), &later, &all).unwrap();
    assert_eq!(mended.replaced[&moot.hash()].by, None);
    let [instead] = &mended.changes[..] else { panic!("{} replacements", mended.changes.len()) };
    assert_eq!(mended.replaced[&empty.hash()].by, Some(instead.hash()));
    assert_eq!((instead.header.ops, instead.header.deps.clone()), (0, vec![base.hash()]));
}

#[test]
fn a_value_that_replaced_a_refused_one_replaces_what_that_had_replaced() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.put("/a", json!("old")));
    let refused = laptop.edit(|draft| draft.remove("/a"));
    let later = laptop.edit(|draft| draft.put("/a", json!("new")));
    let all: Vec<Change> = laptop.log.iter().map(|bytes| Change::parse(bytes.clone()).unwrap()).collect();
    let mended = mend(Excluded::Lost(&refused.changes), &later.changes, &all).unwrap();
    let replacement = automerge::Change::from_bytes(mended.changes[0].bytes.to_vec()).unwrap().decode();
    let preds: Vec<usize> = replacement.operations.iter().map(|op| op.pred.len()).collect();
    assert_eq!(preds, [1], "it overwrites the value that the refused removal had taken away: no conflict remains");
}

#[test]
fn what_is_missing_or_not_named_is_said() {
    let mut laptop = Replica::new(1);
    let refused = laptop.edit(|draft| draft.put("/a", json!(1)));
    assert_eq!(mend(Excluded::Lost(&[]), &refused.changes, &[]), Err(ReauthorError::Nothing));
    let unknown: ChangeHash = refused.seeds[0].hash();
    assert_eq!(mend(Excluded::Lost(&refused.changes), &[], &[]), Err(ReauthorError::Unknown { hash: unknown }));
}

/// Other bytes would double every text that two releases mend.
#[test]
fn replacements_are_the_same_bytes_in_every_release() {
    let base = parsed(Forged::new(1, 1, 1, &[], vec![put("a", 1)]));
    let lost = parsed(Forged::new(1, 2, 2, &[base.hash()], vec![put("b", 2)]));
    let later = parsed(Forged::new(1, 3, 3, &[lost.hash()], vec![put("c", 3)]));
    let mended = mend(Excluded::Lost(&[lost]), &[later], std::slice::from_ref(&base)).unwrap();
    let header = &mended.changes[0].header;
    assert_eq!((header.seq, header.start_op, header.deps.clone()), (1, 2, vec![base.hash()]));
    assert_eq!(header.actor.0[0], 0x52);
    assert_eq!(header.hash.to_string(), "5d2cf3061c4d5a8760809b2a64ab9d39fcabc9ffef91d112ae062dd13d3befa2");
}
