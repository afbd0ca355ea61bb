//! The poison corpus: changes that make Automerge panic, or spoil a document silently. Each is refused with a code, and
//! the document is as it was and usable. The letters are those of the study that found them.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ObjType, ScalarValue};
use document::{ApplyError, Document, limits};
use serde_json::json;
use sync_wire::{Blob, ChangeHash, FateCode};

use crate::forge::{Data, Forged, actor, actor_id, hash, put};

/// A document of device 1 with a text and a key; its changes; its heads; the newest counter; the text's operation.
struct Victim {
    document: Document,
    heads: Vec<ChangeHash>,
    max_op: u64,
    text: OpId,
    key: OpId,
}

fn victim() -> Victim {
    let mut make = Op { obj: ObjectId::Root, ..put("t", 0) };
    make.action = OpType::Make(ObjType::Text);
    let text = OpId::new(1, &actor_id(1));
    let letter = |after: Key| Op {
        action: OpType::Put("h".into()),
        obj: ObjectId::Id(text.clone()),
        key: after,
        pred: vec![].into(),
        insert: true,
    };
    let second = Key::Seq(ElementId::Id(OpId::new(2, &actor_id(1))));
    let base = Forged::new(1, 1, 1, &[], vec![make, letter(Key::head()), letter(second), put("k", 1)]).blob();
    let mut document = Document::new(None);
    document.apply(&[base]).unwrap();
    let (heads, max_op) = (document.heads(), document.max_op());
    assert_eq!(max_op, 4);
    Victim { document, heads, max_op, text, key: OpId::new(4, &actor_id(1)) }
}

impl Victim {
    /// The attacker's first change, on top of the document.
    fn attack(&self, ops: Vec<Op>) -> Vec<Blob> {
        vec![Forged::new(2, 1, self.max_op + 1, &self.heads, ops).blob()]
    }

    fn in_text(&self, action: OpType, key: Key, insert: bool) -> Op {
        Op { action, obj: ObjectId::Id(self.text.clone()), key, pred: vec![].into(), insert }
    }
}

fn over(key: &str, action: OpType, pred: OpId) -> Op {
    Op { action, pred: vec![pred].into(), ..put(key, 2) }
}

/// Refused, with this code; unchanged and usable afterwards.
#[track_caller]
fn check(make: impl FnOnce(&Victim) -> Vec<Blob>, code: FateCode) -> ApplyError {
    let mut victim = victim();
    let changes = make(&victim);
    let before = (victim.document.heads(), victim.document.value());
    let checked = victim.document.check(&changes).unwrap_err();
    let error = victim.document.apply(&changes).unwrap_err();
    assert_eq!(error, checked);
    assert_eq!(error.code().name(), code.name(), "{error}");
    assert_eq!((victim.document.heads(), victim.document.value()), before);
    let honest = Forged::new(3, 1, victim.max_op + 1, &victim.heads, vec![put("honest", 1)]).blob();
    victim.document.apply(&[honest]).unwrap();
    Document::load(&victim.document.snapshot().unwrap()).unwrap();
    error
}

const OUTSIDE: u64 = 9_999;

#[test]
fn a_honest_change_passes_the_same_door() {
    let mut victim = victim();
    let changes = victim.attack(vec![put("x", 1)]);
    victim.document.check(&changes).unwrap();
    assert_eq!(victim.document.apply(&changes).unwrap().new, 1);
    assert_eq!(victim.document.apply(&changes).unwrap().new, 0, "known changes are left out");
    assert_eq!(victim.document.get("/x"), Some(json!(1)));
}

#[test]
fn a_gap_in_sequence_numbers_is_refused() {
    let error = check(|v| vec![Forged::new(2, 5, 100, &v.heads, vec![put("x", 1)]).blob()], FateCode::DANGEROUS);
    assert!(error.to_string().contains("number 5") && error.culprit().is_some(), "{error}"); // A
}

#[test]
fn a_second_change_that_does_not_rest_on_the_first_is_refused() {
    let changes = |v: &Victim| {
        let first = Forged::new(2, 1, 5, &v.heads, vec![put("x", 1)]).blob();
        vec![first, Forged::new(2, 2, 6, &v.heads, vec![put("y", 1)]).blob()]
    };
    let error = check(changes, FateCode::DANGEROUS); // A2
    assert!(error.to_string().contains("does not rest on number 1"), "{error}");
}

#[test]
fn operation_counters_that_repeat_or_fall_back_are_refused() {
    let repeated = |v: &Victim| {
        let first = Forged::new(2, 1, 100, &v.heads, vec![put("x", 1)]).blob();
        let deps = [hash(&first)];
        vec![first, Forged::new(2, 2, 100, &deps, vec![put("y", 2)]).blob()]
    };
    check(repeated, FateCode::DANGEROUS); // B
    let low = |v: &Victim| vec![Forged::new(2, 1, 3, &v.heads, vec![put("x", 1), put("y", 1)]).blob()];
    let error = check(low, FateCode::DANGEROUS); // W
    assert!(error.to_string().contains("start at 3, but must follow 4"), "{error}");
    check(|v| vec![Forged::new(2, 1, 1, &v.heads, vec![]).blob()], FateCode::DANGEROUS); // O
    check(|v| vec![Forged::new(2, 1, 1000, &v.heads, vec![]).blob()], FateCode::DANGEROUS); // O4
}

#[test]
fn counters_that_would_exhaust_the_numbers_are_refused() {
    for start in [u64::from(u32::MAX), u64::from(u32::MAX) - 2, limits::OP_COUNTER_MAX + 1] {
        check(|v| vec![Forged::new(2, 1, start, &v.heads, vec![put("x", 1)]).blob()], FateCode::UNDECODABLE); // C, C2
    }
    check(
        |v| vec![Forged::new(2, 1, 6 + v.max_op + limits::START_OP_SLACK, &v.heads, vec![put("x", 1)]).blob()],
        FateCode::DANGEROUS,
    );
}

#[test]
fn an_element_or_object_that_is_not_there_is_refused() {
    let missing = OpId::new(OUTSIDE, &actor_id(1));
    let after = Key::Seq(ElementId::Id(missing.clone()));
    check(|v| v.attack(vec![v.in_text(OpType::Put("q".into()), after, true)]), FateCode::DANGEROUS); // D
    check(|v| v.attack(vec![Op { obj: ObjectId::Id(missing), ..put("x", 1) }]), FateCode::DANGEROUS); // E
}

#[test]
fn keys_of_the_wrong_kind_are_refused() {
    let on_text = |v: &Victim| v.attack(vec![v.in_text(OpType::Put(1.into()), Key::Map("x".into()), false)]);
    check(on_text, FateCode::DANGEROUS); // E3
    let on_map = || Op { key: Key::head(), insert: true, ..put("", 1) };
    let error = check(|v| v.attack(vec![on_map()]), FateCode::DANGEROUS); // E2: debug builds of Automerge panic
    assert!(error.culprit().is_some(), "{error}");
}

#[test]
fn predecessors_that_are_not_there_or_elsewhere_are_refused() {
    let missing = || OpId::new(OUTSIDE, &actor_id(1));
    check(|v| v.attack(vec![over("k", OpType::Put(2.into()), missing())]), FateCode::DANGEROUS); // F
    check(|v| v.attack(vec![over("k", OpType::Delete, missing())]), FateCode::DANGEROUS); // F2
    check(|v| v.attack(vec![over("zz", OpType::Put(2.into()), v.text.clone())]), FateCode::DANGEROUS); // F3
    check(|v| v.attack(vec![over("zz", OpType::Delete, v.text.clone())]), FateCode::DANGEROUS); // F4
}

#[test]
fn a_honest_overwrite_with_its_predecessor_is_taken() {
    let mut victim = victim();
    let changes = victim.attack(vec![over("k", OpType::Put(2.into()), victim.key.clone())]);
    victim.document.apply(&changes).unwrap();
    assert_eq!(victim.document.value()["k"], json!(2));
}

#[test]
fn two_changes_with_one_number_are_equivocation_and_name_the_second() {
    let mut victim = victim();
    let first = Forged::new(2, 1, 5, &victim.heads, vec![put("x", 1)]).blob();
    let second = Forged::new(2, 1, 5, &victim.heads, vec![put("x", 2)]).blob();
    let good = Forged::new(3, 1, 5, &victim.heads, vec![put("g", 1)]).blob();
    victim.document.apply(&[first]).unwrap();
    let error = victim.document.apply(&[good.clone(), second.clone()]).unwrap_err(); // G, G2
    assert_eq!(error, ApplyError::Equivocation { hash: hash(&second), seq: 1 });
    assert_eq!(error.code(), FateCode::EQUIVOCATION);
    victim.document.apply(&[good]).unwrap();
}

#[test]
fn bytes_that_break_a_rule_are_refused_before_automerge_sees_them() {
    let flipped = |v: &Victim| {
        let mut bytes = v.attack(vec![put("x", 1)])[0].to_vec();
        bytes[4] ^= 0xff;
        vec![bytes.into()]
    };
    check(flipped, FateCode::UNDECODABLE); // H
    check(|_| vec![Data::run_of(1_000_000).chunk().into()], FateCode::UNDECODABLE); // J
    for length in [0, 1 << 20] {
        let forged = |v: &Victim| {
            let mut forged = Forged::new(2, 1, 5, &v.heads, vec![put("x", 1)]);
            forged.actor = vec![1; length];
            vec![forged.blob()]
        };
        check(forged, FateCode::UNDECODABLE); // N, N0
    }
    let bomb = |_: &Victim| {
        let mut bomb = Data::run_of(1);
        bomb.extra = vec![0; limits::CHANGE_INFLATED_BYTES_MAX + 1];
        let data = bomb.encode();
        vec![crate::forge::deflated(&crate::forge::chunk(1, &data), &data).into()]
    };
    check(bomb, FateCode::UNDECODABLE); // I
}

#[test]
fn changes_that_rest_on_what_nobody_has_never_enter() {
    let orphan = Forged::new(2, 1, 100, &[ChangeHash([7; 32])], vec![put("x", 1)]).blob(); // M
    let error = check(|v| [v.attack(vec![put("y", 1)]), vec![orphan]].concat(), FateCode::MISSING);
    assert_eq!(error, ApplyError::Missing { hashes: vec![ChangeHash([7; 32])] });
}

#[test]
fn a_lone_end_of_a_mark_is_refused() {
    check(|v| v.attack(vec![v.in_text(OpType::MarkEnd(false), Key::head(), true)]), FateCode::DANGEROUS); // V4
}

#[test]
fn objects_nest_to_the_limit_and_no_deeper() {
    let nest = |levels: usize| {
        let mut ops = Vec::new();
        for level in 0..levels as u64 {
            let obj = if level == 0 { ObjectId::Root } else { ObjectId::Id(OpId::new(4 + level, &actor_id(2))) };
            ops.push(Op { action: OpType::Make(ObjType::Map), obj, ..put("a", 0) });
        }
        ops
    };
    let mut victim = victim();
    victim.document.apply(&victim.attack(nest(limits::OBJECT_DEPTH_MAX))).unwrap();
    assert!(victim.document.value().to_string().contains("{\"a\":{}}"));
    let error = check(|v| v.attack(nest(limits::OBJECT_DEPTH_MAX + 1)), FateCode::DANGEROUS);
    assert!(error.to_string().contains("deeper than 64"), "{error}");
    check(|v| v.attack(nest(5_000)), FateCode::DANGEROUS); // K
}

#[test]
fn heads_are_bounded() {
    let heads = |count: u16| -> Vec<Blob> {
        (0..count)
            .map(|n| {
                let mut forged = Forged::new(0, 1, 1, &[], vec![put("x", i64::from(n))]);
                forged.actor[14..].copy_from_slice(&(n + 1).to_be_bytes());
                forged.blob()
            })
            .collect()
    };
    Document::new(None).apply(&heads(1024)).unwrap();
    let error = Document::new(None).apply(&heads(1025)).unwrap_err();
    assert_eq!(error, ApplyError::TooManyHeads { heads: 1025, limit: limits::HEADS_MAX });
    assert_eq!(error.code(), FateCode::HEADS);
}

#[test]
fn the_culprit_is_found_among_good_neighbours() {
    let mut victim = victim();
    let mut changes: Vec<Blob> =
        (10..40).map(|n| Forged::new(n, 1, 5, &victim.heads, vec![put("x", i64::from(n))]).blob()).collect();
    let bad = victim.attack(vec![over("zz", OpType::Put(2.into()), victim.text.clone())]).remove(0);
    changes.insert(17, bad.clone());
    let error = victim.document.apply(&changes).unwrap_err();
    assert_eq!(error.culprit(), Some(hash(&bad)), "{error}");
    changes.remove(17);
    assert_eq!(victim.document.apply(&changes).unwrap().new, 30);
}

#[test]
fn a_batch_may_come_in_any_order_and_with_repetitions() {
    let mut author = Document::new(Some("note"));
    let mut changes = Vec::new();
    for n in 0..40 {
        author.edit(actor(1), |draft| draft.splice("/body", n, 0, "x")).unwrap();
        let sealed = author.seal(0).unwrap().unwrap();
        changes.extend(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes));
    }
    changes.reverse();
    changes.extend(changes.clone());
    let mut reader = Document::new(None);
    assert_eq!(reader.apply(&changes).unwrap().new, 42);
    assert_eq!((reader.heads(), reader.value()), (author.heads(), author.value()));
    let odd: Vec<_> = changes.iter().take(42).step_by(2).cloned().collect();
    assert!(matches!(Document::new(None).apply(&odd), Err(ApplyError::Missing { .. })));
}

#[test]
fn a_change_may_start_a_little_beyond_what_it_rests_on_and_snapshots_still_load() {
    let mut victim = victim();
    let jumped = Forged::new(2, 1, 1_000, &victim.heads, vec![put("x", 1), put("y", 2)]).blob(); // S2
    match victim.document.apply(&[jumped]) {
        Ok(_) => drop(Document::load(&victim.document.snapshot().unwrap()).unwrap()),
        Err(error) => panic!("{error}"),
    }
    let time = Forged {
        message: Some("m".into()),
        ..Forged::new(3, 1, 1_002, &victim.document.heads(), vec![put("z", ScalarValue::F64(f64::NAN))])
    };
    victim.document.apply(&[time.blob()]).unwrap(); // V3
    assert_eq!(victim.document.value()["z"], json!(null));
    Document::load(&victim.document.snapshot().unwrap()).unwrap();
}
