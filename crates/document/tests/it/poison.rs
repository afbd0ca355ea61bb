//! The poison corpus: changes that make Automerge panic, or spoil a document silently. Each is refused with a code, and
//! the document is as it was and usable. The letters are those of the study that found them.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ObjType, ScalarValue};
use document::forge::poison::{CORPUS, Ground, ODD, Poison, over};
use document::{ApplyError, Document, limits};
use serde_json::json;
use sync_wire::{Blob, ChangeHash, FateCode};

use crate::forge::{Forged, actor, actor_id, hash, put};

/// The document that the corpus is made for, by device 1; device 2 attacks.
struct Victim {
    document: Document,
    ground: Ground,
}

fn victim() -> Victim {
    let (ground, base) = Ground::make(actor(1), actor(2));
    let mut document = Document::new(None);
    document.apply(&[base]).unwrap();
    assert_eq!((document.heads(), document.max_op()), (ground.heads.clone(), ground.max_op));
    Victim { document, ground }
}

/// Refused, with its code; unchanged and usable afterwards.
#[track_caller]
fn check(id: &str) -> ApplyError {
    let (poison, mut victim) = (Poison::of(id), victim());
    let changes = (poison.make)(&victim.ground);
    let before = (victim.document.heads(), victim.document.value());
    let checked = victim.document.check(&changes).unwrap_err();
    let error = victim.document.apply(&changes).unwrap_err();
    assert_eq!(error, checked);
    assert_eq!(error.code().name(), poison.code.name(), "{id}: {error}");
    assert_eq!((victim.document.heads(), victim.document.value()), before);
    let honest = Forged::new(3, 1, victim.ground.max_op + 1, &victim.ground.heads, vec![put("honest", 1)]).blob();
    victim.document.apply(&[honest]).unwrap();
    Document::load(&victim.document.snapshot().unwrap()).unwrap();
    error
}

#[test]
fn every_poison_is_refused_with_its_code() {
    for poison in CORPUS {
        check(poison.id);
    }
}

#[test]
fn what_is_odd_and_no_poison_leaves_a_document_that_is_well() {
    for odd in ODD {
        let mut victim = victim();
        let changes = (odd.make)(&victim.ground);
        match victim.document.apply(&changes) {
            Ok(applied) => assert_eq!(applied.new, 1, "{}", odd.id),
            Err(error) => assert_eq!(error.code(), odd.code, "{}: {error}", odd.id),
        }
        drop(victim.document.value());
        let (heads, next) = (victim.document.heads(), victim.document.max_op() + 1);
        victim.document.apply(&[Forged::new(3, 1, next, &heads, vec![put("honest", 1)]).blob()]).unwrap();
        assert_eq!(Document::load(&victim.document.snapshot().unwrap()).unwrap().heads(), victim.document.heads());
    }
}

#[test]
fn every_letter_of_the_study_is_here() {
    let all: std::collections::BTreeSet<&str> = CORPUS.iter().chain(ODD).map(|poison| poison.id).collect();
    let letters = "A A0 A2 B C C' C2 D E E2 E3 F F2 F3 F4 G G2 H I J J2 K KH KP L L2 L3 M N N0 O P P2 S T U V3 V4 W";
    for letter in letters.split(' ') {
        assert!(all.contains(letter), "{letter}");
    }
    assert_eq!(all.len(), CORPUS.len() + ODD.len(), "each has a letter of its own");
}

#[test]
fn a_honest_change_passes_the_same_door() {
    let mut victim = victim();
    let changes = victim.ground.attack(vec![put("x", 1)]);
    victim.document.check(&changes).unwrap();
    assert_eq!(victim.document.apply(&changes).unwrap().new, 1);
    assert_eq!(victim.document.apply(&changes).unwrap().new, 0, "known changes are left out");
    assert_eq!(victim.document.get("/x"), Some(json!(1)));
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let error = check("A");
    assert!(error.to_string().contains("number 5") && error.culprit().is_some(), "{error}");
    let error = check("A2");
    assert!(error.to_string().contains("does not rest on number 1"), "{error}");
    let error = check("W");
    assert!(error.to_string().contains("start at 3, but must follow 4"), "{error}");
    let error = check("E2");
    assert!(error.culprit().is_some(), "{error}");
    let error = check("K2");
    assert!(error.to_string().contains("deeper than 64"), "{error}");
    assert_eq!(check("M"), ApplyError::Missing { hashes: vec![ChangeHash([7; 32])] });
}

#[test]
fn a_honest_overwrite_with_its_predecessor_is_taken() {
    let mut victim = victim();
    let changes = victim.ground.attack(vec![over("k", OpType::Put(2.into()), victim.ground.key())]);
    victim.document.apply(&changes).unwrap();
    assert_eq!(victim.document.value()["k"], json!(2));
}

#[test]
fn two_changes_with_one_number_are_equivocation_and_name_the_second() {
    let mut victim = victim();
    let first = Forged::new(2, 1, 5, &victim.ground.heads, vec![put("x", 1)]).blob();
    let second = Forged::new(2, 1, 5, &victim.ground.heads, vec![put("x", 2)]).blob();
    let good = Forged::new(3, 1, 5, &victim.ground.heads, vec![put("g", 1)]).blob();
    victim.document.apply(&[first]).unwrap();
    let error = victim.document.apply(&[good.clone(), second.clone()]).unwrap_err(); // G, G2
    assert_eq!(error, ApplyError::Equivocation { hash: hash(&second), seq: 1 });
    assert_eq!(error.code(), FateCode::EQUIVOCATION);
    victim.document.apply(&[good]).unwrap();
}

#[test]
fn objects_nest_to_the_limit() {
    let mut victim = victim();
    victim.document.apply(&victim.ground.attack(victim.ground.nested(limits::OBJECT_DEPTH_MAX))).unwrap();
    assert!(victim.document.value().to_string().contains("{\"a\":{}}"));
}

#[test]
fn lists_nest_to_the_limit_and_no_deeper() {
    let refusal = |levels: usize| {
        let mut victim = victim();
        let next = victim.ground.max_op + 1;
        let make = |level: u64| match level {
            0 => Op { action: OpType::Make(ObjType::List), ..put("a", 0) },
            _ => Op {
                action: OpType::Make(ObjType::List),
                obj: ObjectId::Id(OpId::new(next + level - 1, &actor_id(2))),
                key: Key::head(),
                insert: true,
                ..put("", 0)
            },
        };
        victim.document.apply(&victim.ground.attack((0..levels as u64).map(make).collect())).err()
    };
    assert_eq!(refusal(limits::OBJECT_DEPTH_MAX), None);
    let error = refusal(limits::OBJECT_DEPTH_MAX + 1).unwrap().to_string();
    assert!(error.contains("deeper than 64"), "{error}");
}

#[test]
fn every_place_that_a_change_writes_at_is_looked_at() {
    let mut victim = victim();
    let mark = MarkData { name: "bold".into(), value: true.into(), expand: false };
    let letter = Key::Seq(ElementId::Id(OpId::new(2, &actor_id(1))));
    let wrong = victim.ground.in_text(OpType::MarkBegin(mark), letter, false);
    let error = victim.document.apply(&victim.ground.attack(vec![put("good", 1), wrong])).unwrap_err().to_string();
    assert!(error.contains("a mark of what is there"), "{error}");
}

#[test]
fn a_change_rests_on_the_one_before_it_of_its_actor() {
    let mut victim = victim();
    let change = |by: u8, seq: u64, start_op: u64, dep: ChangeHash| {
        let key = format!("{by}/{seq}");
        Forged::new(by, seq, start_op, &[dep], vec![put(&key, 1)]).blob()
    };
    let first = change(2, 1, 5, victim.ground.heads[0]);
    victim.document.apply(std::slice::from_ref(&first)).unwrap();
    let error = victim.document.apply(&[change(2, 3, 6, hash(&first))]).unwrap_err().to_string();
    assert!(error.contains("number 3 of its actor but does not rest on number 2"), "{error}");
    // On its predecessor through those of others: as many as are looked through, and one more.
    let mut others = vec![first];
    for seq in 1..limits::ANCESTORS_WALK_MAX as u64 {
        others.push(change(3, seq, 5 + seq, hash(others.last().unwrap())));
    }
    assert_eq!(victim.document.apply(&others).unwrap().new, limits::ANCESTORS_WALK_MAX - 1);
    let next = victim.document.max_op() + 1;
    victim.document.check(&[change(2, 2, next, hash(others.last().unwrap()))]).unwrap();
    let one_more = change(3, limits::ANCESTORS_WALK_MAX as u64, next, hash(others.last().unwrap()));
    let too_far = change(2, 2, next + 1, hash(&one_more));
    let error = victim.document.apply(&[one_more, too_far]).unwrap_err().to_string();
    assert!(error.contains("number 2 of its actor but does not rest on number 1"), "{error}");
}

#[test]
fn of_two_faults_the_first_is_named_with_its_own_rule() {
    let mut victim = victim();
    let first = (Poison::of("V5").make)(&victim.ground);
    let alone = victim.document.check(&first).unwrap_err();
    let bad = vec![over("zz", OpType::Put(2.into()), victim.ground.text())];
    let second = Forged::new(3, 1, 5, &victim.ground.heads, bad).blob();
    assert_eq!(victim.document.apply(&[first, vec![second]].concat()).unwrap_err(), alone);
}

#[test]
fn a_poison_among_honest_changes_takes_none_of_them_along() {
    for poison in CORPUS {
        let mut victim = victim();
        let good = Forged::new(3, 1, 5, &victim.ground.heads, vec![put("g", 1)]).blob();
        let mixed = [vec![good.clone()], (poison.make)(&victim.ground)].concat();
        victim.document.apply(&mixed).unwrap_err();
        assert_eq!(victim.document.apply(&[good]).unwrap().new, 1, "{}", poison.id);
    }
}

#[test]
fn a_change_may_start_so_far_beyond_its_document_and_no_farther() {
    let jumped = |by: u64| {
        let mut victim = victim();
        let start = victim.ground.max_op + 1 + by;
        let jumped = Forged::new(2, 1, start, &victim.ground.heads, vec![put("x", 1)]).blob();
        victim.document.apply(&[jumped]).map_err(|error| error.code())
    };
    jumped(limits::START_OP_SLACK).unwrap();
    assert_eq!(jumped(limits::START_OP_SLACK + 1).unwrap_err(), FateCode::DANGEROUS);
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
        (10..40).map(|n| Forged::new(n, 1, 5, &victim.ground.heads, vec![put("x", i64::from(n))]).blob()).collect();
    let bad = victim.ground.attack(vec![over("zz", OpType::Put(2.into()), victim.ground.text())]).remove(0);
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
    let jumped = Forged::new(2, 1, 1_000, &victim.ground.heads, vec![put("x", 1), put("y", 2)]).blob(); // S2
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
