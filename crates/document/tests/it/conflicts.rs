//! What was written concurrently to a field about which a person decides stays until somebody decided (PROTOCOL §7).

mod model; // random devices

use document::{Alternative, ApplyError, Document, Intent, ManualFields};
use serde_json::{Value, json};
use sync_wire::ChangeHash;

use crate::forge::actor;
use crate::replica::{Replica, settle};

const TRUST: &str = "/trust";

fn manual() -> ManualFields {
    ManualFields::of("note", |path| path == TRUST || path == "/group/level")
}

fn replica(number: u8) -> Replica {
    let mut replica = Replica::new(number);
    replica.document.set_manual(manual());
    replica
}

fn fork(of: &Replica, number: u8) -> Replica {
    let mut fork = of.fork(number);
    fork.document.set_manual(manual());
    fork
}

/// Replicas that have each written a value to the field, and one after the other exchanged everything.
fn contested(values: &[Value]) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for (number, value) in (1..).zip(values) {
        let mut one = replica(number);
        one.edit(|draft| draft.put(TRUST, value.clone()));
        replicas.push(one);
    }
    share(&mut replicas);
    replicas
}

fn share(replicas: &mut [Replica]) {
    let all: Vec<_> = replicas.iter().flat_map(|one| one.log.clone()).collect();
    replicas.iter_mut().for_each(|one| one.receive(&all));
}

fn open(replica: &Replica) -> Vec<Value> {
    replica.document.alternatives(TRUST).unwrap().into_iter().map(|one| one.value).collect()
}

fn hashes(replica: &Replica, path: &str) -> Vec<ChangeHash> {
    replica.document.alternatives(path).unwrap().into_iter().map(|one| one.hash).collect()
}

fn resolve(replica: &mut Replica, value: Value) -> ChangeHash {
    let closes = hashes(replica, TRUST);
    replica.edit(|draft| draft.resolve(TRUST, value, &closes)).changes[0].hash()
}

#[track_caller]
fn check_refused(replica: &mut Replica, intent: Intent, code: &str, part: &str) {
    let before = (replica.document.value(), replica.document.unsealed().len());
    let tried = format!("{intent:?}");
    let refused = replica.document.edit(replica.actor, |draft| draft.apply(intent)).unwrap_err();
    assert_eq!(refused.code(), code, "{tried}: {refused}");
    assert!(refused.to_string().contains(part), "{refused}");
    assert_eq!((replica.document.value(), replica.document.unsealed().len()), before, "{tried}");
}

#[test]
fn every_value_is_listed_with_its_change_on_every_device() {
    let replicas = contested(&[json!("full"), json!({ "level": 2 }), json!([1, 2])]);
    let listed = replicas[0].document.conflicts().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].path, TRUST);
    let wrote = |alternative: &Alternative| {
        let number = usize::from(alternative.actor.0[0]) - 1;
        let own = replicas[number].document.history().unwrap();
        own.iter().any(|change| change.hash == alternative.hash && change.actor == replicas[number].actor)
    };
    assert!(listed[0].values.iter().all(wrote), "{listed:?}");
    let shown = replicas[0].document.get(TRUST).unwrap();
    assert_eq!(listed[0].values[0].value, shown, "what is shown comes first");
    for replica in &replicas {
        assert_eq!(replica.document.conflicts().unwrap(), listed);
        assert!(replica.document.overruled().unwrap().is_empty());
    }
    let loaded = Document::load(&replicas[1].document.snapshot().unwrap()).unwrap();
    assert_eq!(loaded.alternatives(TRUST).unwrap(), listed[0].values);
    assert!(loaded.conflicts().unwrap().is_empty(), "nobody told it which fields are manual");
    assert_eq!(loaded.overruled().unwrap(), listed, "so one won by itself");
}

#[test]
fn a_resolution_settles_the_conflict_everywhere() {
    for decided in [json!("full"), json!("none"), json!("some"), json!({ "level": 2 }), Value::Null] {
        let mut replicas = contested(&[json!("full"), json!("none")]);
        resolve(&mut replicas[1], decided.clone());
        share(&mut replicas);
        for replica in &replicas {
            assert_eq!(open(replica), std::slice::from_ref(&decided));
            assert!(replica.document.conflicts().unwrap().is_empty(), "{decided}");
            assert_eq!(replica.document.get(TRUST), Some(decided.clone()));
        }
        // Settled, it is written like any field.
        replicas[0].edit(|draft| draft.put(TRUST, json!("later")));
        assert_eq!(open(&replicas[0]), [json!("later")]);
    }
}

#[test]
fn a_resolution_closes_exactly_what_it_saw() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let mut third = replica(3);
    third.edit(|draft| draft.put(TRUST, json!("c")));
    replicas.push(third);
    let first = resolve(&mut replicas[0], json!("a"));
    share(&mut replicas);
    for replica in &mut replicas {
        let mut values = open(replica);
        values.sort_by_key(Value::to_string);
        assert_eq!(values, [json!("a"), json!("c")], "what came concurrently stays open");
        assert!(hashes(replica, TRUST).contains(&first));
    }
    // Again, with both in view.
    resolve(&mut replicas[2], json!("c"));
    share(&mut replicas);
    assert!(replicas.iter().all(|replica| open(replica) == [json!("c")]));
}

#[test]
fn two_resolutions_that_disagree_are_a_conflict_and_two_that_agree_are_none() {
    for (theirs, conflicts) in [("a", 0), ("b", 1)] {
        let mut replicas = contested(&[json!("a"), json!("b")]);
        resolve(&mut replicas[0], json!("a"));
        resolve(&mut replicas[1], json!(theirs));
        share(&mut replicas);
        for replica in &mut replicas {
            assert_eq!(replica.document.alternatives(TRUST).unwrap().len(), 2);
            assert_eq!(replica.document.conflicts().unwrap().len(), conflicts);
        }
    }
}

#[test]
fn the_same_value_from_two_devices_is_no_conflict() {
    let mut replicas = contested(&[json!("a"), json!("a")]);
    assert_eq!(open(&replicas[0]).len(), 2);
    assert!(replicas[0].document.conflicts().unwrap().is_empty());
    replicas[0].edit(|draft| draft.put(TRUST, json!("b")));
    assert_eq!(open(&replicas[0]), [json!("b")]);
}

#[test]
fn without_a_resolution_nothing_is_written_over_open_values() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let mut one = replicas.remove(0);
    let shown = one.document.get(TRUST).unwrap();
    let put = |value: Value| Intent::Put { path: TRUST.into(), value };
    check_refused(&mut one, put(json!("c")), "conflict_open", "2 values were written here concurrently");
    check_refused(&mut one, put(json!({ "a": 1 })), "conflict_open", "naming the values that it closes");
    let register = Intent::PutRegister { path: TRUST.into(), value: json!("c") };
    check_refused(&mut one, register, "conflict_open", TRUST);
    for path in ["", TRUST] {
        check_refused(&mut one, Intent::Remove { path: path.into() }, "conflict_open", TRUST);
    }
    let whole = |value: Value| Intent::Put { path: String::new(), value };
    check_refused(&mut one, whole(json!({ "name": "n" })), "conflict_open", TRUST);
    check_refused(&mut one, whole(json!({ "name": "n", "trust": "c" })), "conflict_open", TRUST);
    // What gives it no other value is no decision: the rest of the document is written as ever.
    one.edit(|draft| {
        draft.put("/name", json!("m"))?;
        draft.put("", json!({ "name": "n", "trust": shown }))
    });
    assert_eq!(one.document.get("/name"), Some(json!("n")));
    assert_eq!(one.document.conflicts().unwrap().len(), 1);
}

#[test]
fn a_resolution_of_what_is_not_there_is_refused() {
    let mut replicas = contested(&[json!("a"), json!("b"), json!("c")]);
    let mut one = replicas.remove(0);
    let seen = hashes(&one, TRUST);
    let resolve =
        |closes: &[ChangeHash]| Intent::Resolve { path: TRUST.into(), value: json!("a"), closes: closes.to_vec() };
    check_refused(&mut one, resolve(&seen[1..]), "conflict_moved", &seen[0].to_string());
    check_refused(&mut one, resolve(&[]), "conflict_moved", "the 3 that are open now");
    let mut unknown = seen.clone();
    unknown.push(ChangeHash([7; 32]));
    check_refused(&mut one, resolve(&unknown), "conflict_moved", "look at them and resolve again");
    let mut reversed = seen.clone();
    reversed.reverse();
    one.edit(|draft| draft.apply(resolve(&reversed)));
    check_refused(&mut one, resolve(&seen), "no_conflict", "one value stands");
    let nowhere = Intent::Resolve { path: "/nowhere".into(), value: json!(1), closes: Vec::new() };
    check_refused(&mut one, nowhere, "no_conflict", "/nowhere");
}

#[test]
fn a_removal_is_null_and_so_a_conflict_with_what_was_written_meanwhile() {
    for path in [TRUST, ""] {
        let mut laptop = replica(1);
        laptop.edit(|draft| draft.put("", json!({ "trust": "full", "name": "n" })));
        let mut desktop = fork(&laptop, 2);
        laptop.edit(|draft| draft.remove(path));
        assert_eq!(laptop.document.get(TRUST), Some(Value::Null), "{path:?}");
        desktop.edit(|draft| draft.put(TRUST, json!("none")));
        settle(&mut laptop, &mut desktop);
        let mut values = open(&laptop);
        values.sort_by_key(Value::is_null);
        assert_eq!(values, [json!("none"), Value::Null], "{path:?}");
        resolve(&mut desktop, Value::Null);
        settle(&mut laptop, &mut desktop);
        assert_eq!(open(&laptop), [Value::Null]);
    }
}

#[test]
fn to_remove_what_is_shown_as_removed_closes_nothing() {
    let mut laptop = replica(2);
    laptop.edit(|draft| draft.put("", json!({ "trust": "full", "name": "n" })));
    let mut desktop = fork(&laptop, 1);
    laptop.edit(|draft| draft.remove(TRUST));
    desktop.edit(|draft| draft.put(TRUST, json!("none")));
    settle(&mut laptop, &mut desktop);
    assert_eq!(laptop.document.get(TRUST), Some(Value::Null), "the removal is shown");
    laptop.edit(|draft| {
        draft.remove(TRUST)?;
        draft.put("", json!({ "name": "m" }))?;
        draft.put(TRUST, Value::Null)
    });
    assert_eq!(laptop.document.conflicts().unwrap()[0].values.len(), 2);
}

#[test]
fn removing_what_is_not_there_writes_nothing() {
    let mut one = replica(1);
    one.document.edit(one.actor, |draft| draft.remove(TRUST)).unwrap();
    assert!(one.document.seal(1).unwrap().is_none());
    one.edit(|draft| draft.put("/name", json!("n")));
    one.edit(|draft| draft.put("", json!({ "group": { "level": 1 }, "name": "n" })));
    one.edit(|draft| draft.put("", json!({ "name": "n" })));
    assert_eq!(one.document.value(), json!({ "group": { "level": null }, "name": "n" }));
    one.document.edit(one.actor, |draft| draft.remove("/group")).unwrap();
    assert!(one.document.seal(1).unwrap().is_none(), "it is removed already");
}

#[test]
fn a_manual_field_is_one_register_and_is_put_as_a_whole() {
    let mut one = replica(1);
    one.edit(|draft| draft.put("", json!({ "trust": { "a": 1 }, "group": { "level": { "b": 2 }, "x": 3 } })));
    assert_eq!(one.document.blame().unwrap().len(), 3, "an object in a manual field is one leaf");
    let at = |path: &str, value: Value| Intent::Put { path: path.into(), value };
    check_refused(&mut one, at("/trust/a", json!(2)), "wrong_kind", "put it there as a whole");
    check_refused(&mut one, at("/group", json!(5)), "wrong_kind", "/group/level stays");
    check_refused(&mut one, at("", json!({ "group": 5 })), "wrong_kind", "/group/level stays");
    let register = |path: &str, value: Value| Intent::PutRegister { path: path.into(), value };
    check_refused(&mut one, register("/group", json!({ "level": 1 })), "wrong_kind", "/group/level stays");
    let text = Intent::ReplaceText { path: TRUST.into(), text: "t".into() };
    check_refused(&mut one, text, "wrong_kind", "no text and no counter");
    check_refused(&mut one, Intent::Increment { path: TRUST.into(), by: 1 }, "wrong_kind", "no text");
    check_refused(&mut one, Intent::Increment { path: "/group".into(), by: 1 }, "wrong_kind", "/group/level stays");
    one.edit(|draft| draft.put("/group", json!({})));
    assert_eq!(one.document.value(), json!({ "group": { "level": null }, "trust": { "a": 1 } }));
}

#[test]
fn what_lies_below_a_value_after_a_merge_is_the_other_value() {
    let (mut older, mut newer) = (Replica::new(1), replica(2));
    older.edit(|draft| draft.put(TRUST, json!({ "level": 2 }))); // it does not know that the field is one value
    newer.edit(|draft| draft.put(TRUST, json!("full")));
    settle(&mut older, &mut newer);
    let listed = newer.document.conflicts().unwrap();
    let values: Vec<_> = listed[0].values.iter().map(|one| one.value.clone()).collect();
    assert_eq!(values, [json!({ "level": 2 }), json!("full")], "the object is shown");
    resolve(&mut newer, json!("full"));
    settle(&mut older, &mut newer);
    assert_eq!(older.document.value(), json!({ "trust": "full" }));
    assert!(older.document.overruled().unwrap().is_empty());
}

#[test]
fn values_that_lost_by_themselves_are_listed_too() {
    let (mut laptop, mut desktop) = (replica(1), replica(2));
    laptop.edit(|draft| {
        draft.put("/size", json!(2))?;
        draft.put("/quick", json!({ "comments": "off" }))?;
        draft.put("/same", json!(1))?;
        draft.splice("/body", 0, 0, "hello")?;
        draft.increment("/n", 1)
    });
    desktop.edit(|draft| {
        draft.put("/size", json!(4))?;
        draft.put("/quick", json!(false))?;
        draft.put("/same", json!(1))?;
        draft.splice("/body", 0, 0, "world")?;
        draft.increment("/n", 1)
    });
    settle(&mut laptop, &mut desktop);
    let listed = laptop.document.overruled().unwrap();
    assert_eq!(listed, desktop.document.overruled().unwrap());
    let paths: Vec<_> = listed.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["/quick", "/size"], "texts, counters and equal values merged");
    let values = |at: usize| listed[at].values.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(0), [json!({ "comments": "off" }), json!(false)]);
    assert_eq!(Some(values(1)[0].clone()), laptop.document.get("/size"));
    assert!(laptop.document.conflicts().unwrap().is_empty());
}

#[test]
fn an_undone_resolution_gives_back_what_was_shown_and_is_settled() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let shown = replicas[0].document.get(TRUST).unwrap();
    let resolved = resolve(&mut replicas[0], json!("c"));
    let intents = replicas[0].document.intents_undoing(&[resolved]).unwrap();
    replicas[0].edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    share(&mut replicas);
    assert!(replicas.iter().all(|replica| open(replica) == [shown.clone()]));
    // Its author agreed with what was shown: there is nothing to give back.
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let resolved = resolve(&mut replicas[0], shown);
    assert!(replicas[0].document.intents_undoing(&[resolved]).unwrap().is_empty());
}

#[test]
fn an_undo_that_would_overwrite_open_values_is_refused() {
    let mut laptop = replica(1);
    laptop.edit(|draft| draft.put(TRUST, json!("first")));
    let mut desktop = fork(&laptop, 2);
    let theirs = desktop.edit(|draft| draft.put(TRUST, json!("theirs"))).changes[0].hash();
    let ours = laptop.edit(|draft| draft.put(TRUST, json!("ours"))).changes[0].hash();
    settle(&mut laptop, &mut desktop);
    let shown = if laptop.document.get(TRUST) == Some(json!("ours")) { ours } else { theirs };
    let intents = laptop.document.intents_undoing(&[shown]).unwrap();
    check_refused(&mut laptop, intents[0].clone(), "conflict_open", TRUST);
}

#[test]
fn a_decision_is_sealed_before_changes_of_others_come_in() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let mut third = replica(3);
    third.edit(|draft| draft.put(TRUST, json!("c")));
    let one = &mut replicas[0];
    let closes = hashes(one, TRUST);
    one.document.edit(one.actor, |draft| draft.resolve(TRUST, json!("a"), &closes)).unwrap();
    assert!(one.document.has_unsealed_decision());
    assert_eq!(one.document.apply(&third.log), Err(ApplyError::Undecided));
    assert!(!one.document.can_carry_unsealed());
    let preparation = one.document.prepare().unwrap();
    assert!(one.document.adopt(preparation).is_err());
    let sealed = one.document.seal(1).unwrap().unwrap();
    assert!(!one.document.has_unsealed_decision());
    one.document.apply(&third.log).unwrap();
    assert_eq!(one.document.conflicts().unwrap()[0].values.len(), 2);
    // Made again where another value has come, it would close what nobody weighed.
    let mut late = replica(9);
    late.receive(&replicas[1].log.clone());
    late.receive(&third.log);
    let refused = late.document.edit_again(actor(9), &sealed.edits).unwrap_err();
    assert_eq!(refused.code(), "conflict_moved");
    assert!(late.document.unsealed().is_empty());
    let mut late = replica(9);
    late.receive(&replicas[1].log.clone());
    late.document.edit_again(actor(9), &sealed.edits).unwrap();
    assert!(late.document.has_unsealed_decision());
    assert!(late.document.conflicts().unwrap().is_empty());
}

#[test]
fn what_an_older_program_wrote_over_waits_again() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let over = replicas[0].document.alternatives(TRUST).unwrap();
    let mut older = Replica::new(8);
    older.receive(&replicas[0].log.clone());
    let written = older.edit(|draft| draft.put(TRUST, json!("older"))).changes[0].hash();
    replicas.push(older);
    share(&mut replicas);
    let conflicts = replicas[0].document.conflicts().unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].values[0].hash, written, "what stands comes first");
    assert_eq!(conflicts[0].values[1..], over, "then what lies below, as it was listed before");
    assert_eq!(replicas[1].document.conflicts().unwrap(), conflicts);
    let put = Intent::Put { path: TRUST.into(), value: json!("c") };
    check_refused(&mut replicas[0], put, "conflict_open", "3 values");
    let resolve = |closes: Vec<ChangeHash>| Intent::Resolve { path: TRUST.into(), value: json!("b"), closes };
    check_refused(&mut replicas[0], resolve(vec![written]), "conflict_moved", &over[1].hash.to_string());
    let all: Vec<_> = conflicts[0].values.iter().map(|one| one.hash).collect();
    replicas[0].edit(|draft| {
        draft.apply(resolve(all))?;
        draft.put(TRUST, json!("later")) // decided is decided
    });
    share(&mut replicas);
    for replica in &replicas[..2] {
        assert!(replica.document.conflicts().unwrap().is_empty());
        let mut loaded = Document::load(&replica.document.snapshot().unwrap()).unwrap();
        loaded.set_manual(manual());
        assert!(loaded.conflicts().unwrap().is_empty());
    }
    replicas[1].edit(|draft| draft.put(TRUST, json!("later still")));
}

#[test]
fn what_an_older_program_confirmed_or_deleted_waits_again() {
    for is_confirmed in [true, false] {
        let mut replicas = contested(&[json!("a"), json!("b")]);
        let over = replicas[0].document.alternatives(TRUST).unwrap();
        let mut older = Replica::new(8);
        older.receive(&replicas[0].log.clone());
        older.edit(|draft| if is_confirmed { draft.put(TRUST, over[0].value.clone()) } else { draft.remove(TRUST) });
        replicas.push(older);
        share(&mut replicas);
        assert_eq!(replicas[0].document.alternatives(TRUST).unwrap().len(), usize::from(is_confirmed));
        assert_eq!(replicas[0].document.conflicts().unwrap()[0].values, over, "nobody has weighed them");
        let put = Intent::Put { path: TRUST.into(), value: json!("c") };
        check_refused(&mut replicas[0], put, "conflict_open", "2 values");
        let all: Vec<_> = over.iter().map(|one| one.hash).collect();
        replicas[1].edit(|draft| draft.resolve(TRUST, over[0].value.clone(), &all));
        share(&mut replicas);
        assert!(replicas[0].document.conflicts().unwrap().is_empty());
        assert_eq!(replicas[0].document.get(TRUST), Some(over[0].value.clone()));
    }
}

#[test]
fn a_resolution_that_did_not_see_an_overwrite_does_not_settle_it() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let mut older = Replica::new(8);
    older.receive(&replicas[0].log.clone());
    older.edit(|draft| draft.put(TRUST, json!("older")));
    older.edit(|draft| draft.put(TRUST, json!("older still")));
    resolve(&mut replicas[1], json!("b"));
    replicas.push(older);
    share(&mut replicas);
    let conflict = replicas[0].document.conflicts().unwrap().remove(0);
    let mut values: Vec<_> = conflict.values.iter().map(|one| one.value.clone()).collect();
    values.sort_by_key(Value::to_string);
    assert_eq!(values, [json!("a"), json!("b"), json!("b"), json!("older still")]);
    let all: Vec<_> = conflict.values.iter().map(|one| one.hash).collect();
    replicas[0].edit(|draft| draft.resolve(TRUST, json!("b"), &all));
    share(&mut replicas);
    assert!(replicas[1].document.conflicts().unwrap().is_empty());
}

#[test]
fn to_write_over_equal_values_leaves_nothing_to_decide() {
    let mut replicas = contested(&[json!("a"), json!("a")]);
    replicas[0].edit(|draft| draft.put(TRUST, json!("b")));
    share(&mut replicas);
    assert!(replicas.iter().all(|replica| replica.document.conflicts().unwrap().is_empty()));
}

#[test]
fn a_squash_says_a_decision_as_one() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let known: Vec<_> = replicas[0].log.iter().map(|bytes| document::Change::parse(bytes.clone()).unwrap()).collect();
    let shown = replicas[0].document.get(TRUST).unwrap();
    let closes = hashes(&replicas[0], TRUST);
    let mut originals = replicas[0].edit(|draft| draft.put("/name", json!("n"))).changes;
    originals.extend(replicas[0].edit(|draft| draft.resolve(TRUST, shown.clone(), &closes)).changes);
    let squashed = document::squash(&document::Squash { known: &known, originals: &originals, before: None }).unwrap();
    let one = &mut replicas[1];
    one.receive(&squashed.changes.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>());
    assert!(one.document.conflicts().unwrap().is_empty());
    assert_eq!(one.document.value(), json!({ "name": "n", "trust": shown }));
}

#[test]
fn rules_go_on_after_everything_that_makes_a_document_anew() {
    let mut replicas = contested(&[json!("a"), json!("b")]);
    let put = || Intent::Put { path: TRUST.into(), value: json!("c") };
    let one = &mut replicas[0];
    check_refused(one, put(), "conflict_open", TRUST); // a refused edit rolls the document back
    one.edit(|draft| draft.splice("/body", 0, 0, "needs a seed"));
    check_refused(one, put(), "conflict_open", TRUST);
    let mut other = fork(&replicas[1], 7);
    other.edit(|draft| draft.put("/name", json!("n")));
    let one = &mut replicas[0];
    let mut preparation = one.document.prepare().unwrap();
    preparation.apply(&other.log).unwrap();
    preparation.catch_up().unwrap();
    one.document.adopt_caught_up(preparation).unwrap();
    check_refused(one, put(), "conflict_open", TRUST);
    let mut copy = Replica { document: one.document.clone(), actor: one.actor, log: Vec::new() };
    check_refused(&mut copy, put(), "conflict_open", TRUST);
}
