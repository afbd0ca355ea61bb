//! What a document was is never lost, and taking back spares what others did.

use document::{Document, Draft, HistoryError, Violation, limits};
use serde_json::{Value, json};
use sync_wire::ChangeHash;

use crate::forge::{Forged, actor, put};
use crate::replica::{Replica, settle};

/// Edits, and gives the hash of the change.
fn change(replica: &mut Replica, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> ChangeHash {
    replica.edit(edit).changes.last().expect("the edit changes something").hash()
}

fn undo(replica: &mut Replica, hash: ChangeHash) -> Value {
    let intents = replica.document.intents_undoing(&[hash]).unwrap();
    replica.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    replica.document.value()
}

#[test]
fn the_history_lists_every_change_after_what_it_rests_on() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    change(&mut laptop, |draft| draft.splice("/body", 0, 0, "hello"));
    change(&mut desktop, |draft| draft.put("/name", json!("n")));
    settle(&mut laptop, &mut desktop);
    laptop.document.edit(actor(1), |draft| draft.put("/name", json!("m"))).unwrap();
    let last = laptop.document.seal_with_note(7, "a note").unwrap().unwrap().changes.remove(0);
    let history = laptop.document.history().unwrap();
    let changes = laptop.document.changes().unwrap();
    assert_eq!(history.len(), 5, "root and text seeds, three changes");
    for (at, past) in history.iter().enumerate() {
        let earlier = &history[..at];
        assert!(past.deps.iter().all(|dep| earlier.iter().any(|change| change.hash == *dep)));
        let header = &changes[at].header;
        assert_eq!((past.hash, past.actor, past.seq, past.ops), (header.hash, header.actor, header.seq, header.ops));
        assert_eq!((past.time, &past.message, &past.deps), (header.time, &header.message, &header.deps));
    }
    let newest = history.last().unwrap();
    assert_eq!((newest.hash, newest.time, newest.message.as_deref()), (last.hash(), 7, Some("a note")));
    let long = "n".repeat(limits::MESSAGE_BYTES_MAX + 1);
    laptop.document.edit(actor(1), |draft| draft.put("/name", json!("o"))).unwrap();
    assert!(laptop.document.seal_with_note(7, &long).is_err());
    assert!(laptop.document.seal_with_note(7, &long[1..]).unwrap().is_some());
}

#[test]
fn changes_out_of_a_snapshot_are_the_bytes_that_were_made() {
    let mut laptop = Replica::new(1);
    for number in 0..20 {
        change(&mut laptop, |draft| {
            draft.splice("/body", 0, 0, &"long enough to be deflated ".repeat(20))?;
            draft.put(&format!("/k{number}"), json!([number]))
        });
    }
    let loaded = Document::load(&laptop.document.snapshot().unwrap()).unwrap();
    let returned: Vec<_> = loaded.changes().unwrap().into_iter().map(|change| change.bytes).collect();
    assert_eq!(returned.len(), laptop.log.len());
    assert!(laptop.log.iter().all(|bytes| returned.contains(bytes)));
}

#[test]
fn every_state_can_be_seen_and_compared() {
    let mut laptop = Replica::new(1);
    let first = change(&mut laptop, |draft| {
        draft.put("/o", json!({"a": 1, "b": [true]}))?;
        draft.increment("/n", 2)?;
        draft.splice("/body", 0, 0, "one")
    });
    let second = change(&mut laptop, |draft| {
        draft.put("/o", json!("gone"))?;
        draft.increment("/n", 3)?;
        draft.splice("/body", 3, 0, " two")
    });
    let then = json!({"o": {"a": 1, "b": [true]}, "n": 2, "body": "one"});
    assert_eq!(laptop.document.value_at(&[first]).unwrap(), then);
    assert_eq!(laptop.document.value_at(&[second]).unwrap(), laptop.document.value());
    assert_eq!(laptop.document.value_at(&[]).unwrap(), json!({}));
    let differences = laptop.document.difference(&[first], &[second]).unwrap();
    let shown: Vec<_> = differences.iter().map(|d| (d.path.as_str(), d.before.clone(), d.after.clone())).collect();
    let expected = [
        ("/body", Some(json!("one")), Some(json!("one two"))),
        ("/n", Some(json!(2)), Some(json!(5))),
        ("/o", None, Some(json!("gone"))),
        ("/o/a", Some(json!(1)), None),
        ("/o/b", Some(json!([true])), None),
    ];
    assert_eq!(shown, expected);
    let unknown = ChangeHash([9; 32]);
    assert_eq!(laptop.document.value_at(&[unknown]), Err(HistoryError::Unknown { hash: unknown }));
    assert!(laptop.document.difference(&[first], &[unknown]).is_err());
    assert!(laptop.document.intents_undoing(&[unknown]).is_err());
}

#[test]
fn the_blame_names_the_change_that_gave_a_leaf_its_value() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    let first = change(&mut laptop, |draft| draft.put("/a", json!(1)).and_then(|()| draft.splice("/t", 0, 0, "x")));
    settle(&mut laptop, &mut desktop);
    let second = change(&mut desktop, |draft| draft.splice("/t", 1, 0, "y").and_then(|()| draft.increment("/n", 1)));
    settle(&mut laptop, &mut desktop);
    laptop.document.edit(actor(1), |draft| draft.put("/a", json!("unsealed"))).unwrap();
    let blame = laptop.document.blame().unwrap();
    let shown: Vec<_> = blame.iter().map(|blame| (blame.path.as_str(), blame.hash)).collect();
    assert_eq!(shown, [("/a", first), ("/n", second), ("/t", second)]);
}

#[test]
fn restoring_brings_every_kind_of_leaf_back_whatever_took_its_place() {
    let states = [
        json!({}),
        json!({"r": 1, "o": {"x": {"y": [1]}}}),
        json!({"r": {"deep": {"er": null}}, "o": 2.5, "n": "s"}),
        json!({"r": [1, {"a": {}}], "body": "a string", "e": {}}),
    ];
    let mut laptop = Replica::new(1);
    let mut versions = Vec::new();
    for state in &states[1..] {
        versions.push((change(&mut laptop, |draft| draft.put("", state.clone())), state.clone()));
    }
    let text = change(&mut laptop, |draft| {
        draft.put("", json!({}))?;
        draft.splice("/body", 0, 0, "a text")?;
        draft.increment("/n", 5)
    });
    versions.push((text, json!({"body": "a text", "n": 5})));
    let more = change(&mut laptop, |draft| draft.splice("/body", 2, 4, "TEXT").and_then(|()| draft.increment("/n", 2)));
    versions.push((more, json!({"body": "a TEXT", "n": 7})));
    for (from, _) in versions.clone() {
        for (to, expected) in &versions {
            for target in [from, *to] {
                let intents = laptop.document.intents_to(&[target]).unwrap();
                if !intents.is_empty() {
                    laptop.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
                }
            }
            assert_eq!(&laptop.document.value(), expected);
            assert_eq!(laptop.document.intents_to(&[*to]).unwrap(), []);
        }
    }
    let mut desktop = laptop.fork(2);
    settle(&mut laptop, &mut desktop);
}

#[test]
fn restoring_hides_nothing_that_a_merge_left_beside() {
    let mut laptop = Replica::new(1);
    let scalar = change(&mut laptop, |draft| draft.put("/q", json!(true)));
    let mut desktop = laptop.fork(2);
    change(&mut laptop, |draft| draft.put("/q", json!({"x": 1})));
    change(&mut desktop, |draft| draft.put("/q", json!(false)));
    let empty = change(&mut Replica::new(3), |draft| draft.put("/z", json!(1)));
    settle(&mut laptop, &mut desktop);
    assert!(laptop.document.value_at(&[empty]).is_err(), "it is of another document");
    let intents = laptop.document.intents_to(&[]).unwrap();
    laptop.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    assert_eq!(laptop.document.value(), json!({}), "the hidden scalar goes too");
    let intents = laptop.document.intents_to(&[scalar]).unwrap();
    laptop.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    assert_eq!(laptop.document.value(), json!({"q": true}));
}

#[test]
fn undoing_takes_back_leaves_that_nobody_changed_since() {
    let mut laptop = Replica::new(1);
    change(&mut laptop, |draft| draft.put("", json!({"a": 1, "b": 1, "o": {"x": 1}})));
    let mut desktop = laptop.fork(2);
    let target = change(&mut laptop, |draft| draft.put("", json!({"a": 2, "b": 2, "o": 3, "new": 4})));
    settle(&mut laptop, &mut desktop);
    change(&mut desktop, |draft| draft.put("/b", json!("theirs")));
    settle(&mut laptop, &mut desktop);
    assert_eq!(undo(&mut laptop, target), json!({"a": 1, "b": "theirs", "o": {"x": 1}}));
    assert_eq!(laptop.document.intents_undoing(&[target]).unwrap(), [], "nothing is left of it");
    settle(&mut laptop, &mut desktop);
}

#[test]
fn undoing_a_text_edit_spares_what_others_wrote() {
    let mut laptop = Replica::new(1);
    change(&mut laptop, |draft| draft.splice("/body", 0, 0, "one two three"));
    let mut desktop = laptop.fork(2);
    let target = change(&mut laptop, |draft| {
        draft.splice("/body", 4, 4, "")?;
        draft.splice("/body", 0, 0, "zero ")
    });
    change(&mut desktop, |draft| draft.splice("/body", 13, 0, " four"));
    settle(&mut laptop, &mut desktop);
    change(&mut desktop, |draft| draft.splice("/body", 2, 0, "XX"));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"body": "zeXXro one three four"}));
    assert_eq!(undo(&mut laptop, target), json!({"body": "XXone two three four"}));
    let undone = laptop.document.heads()[0];
    assert_eq!(undo(&mut laptop, undone), json!({"body": "zeXXro one three four"}));
    settle(&mut laptop, &mut desktop);
}

#[test]
fn undoing_goes_back_by_the_steps_of_a_counter_and_leaves_those_of_others() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    let first = change(&mut laptop, |draft| draft.increment("/n", 5));
    settle(&mut laptop, &mut desktop);
    let second = change(&mut laptop, |draft| draft.increment("/n", 10));
    change(&mut desktop, |draft| draft.increment("/n", 100));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"n": 115}));
    assert_eq!(undo(&mut laptop, second), json!({"n": 105}));
    assert_eq!(undo(&mut laptop, first), json!({"n": 100}));
}

#[test]
fn undoing_does_not_push_aside_what_others_put_in_its_place() {
    let mut laptop = Replica::new(1);
    change(&mut laptop, |draft| draft.put("/o", json!(1)));
    let mut desktop = laptop.fork(2);
    let target = change(&mut laptop, |draft| draft.put("/o", json!({"mine": 1})));
    settle(&mut laptop, &mut desktop);
    change(&mut desktop, |draft| draft.put("/o/theirs", json!(2)));
    settle(&mut laptop, &mut desktop);
    assert_eq!(undo(&mut laptop, target), json!({"o": {"theirs": 2}}));
}

#[test]
fn several_changes_are_taken_back_at_once_or_apart() {
    let mut laptop = Replica::new(1);
    change(&mut laptop, |draft| draft.splice("/body", 0, 0, "abc"));
    let first = change(&mut laptop, |draft| draft.splice("/body", 0, 0, "12").and_then(|()| draft.put("/a", json!(1))));
    change(&mut laptop, |draft| draft.splice("/body", 5, 0, "xyz"));
    let second = change(&mut laptop, |draft| draft.splice("/body", 2, 1, "").and_then(|()| draft.put("/a", json!(2))));
    let third = change(&mut laptop, |draft| draft.splice("/body", 0, 0, "0").and_then(|()| draft.remove("/a")));
    assert_eq!(laptop.document.value(), json!({"body": "012bcxyz"}));
    let intents = laptop.document.intents_undoing(&[third, first, second]).unwrap();
    laptop.edit(|draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    assert_eq!(laptop.document.value(), json!({"body": "abcxyz"}));
}

#[test]
fn unsealed_edits_stand_in_the_way_of_undoing_and_not_of_restoring() {
    let mut laptop = Replica::new(1);
    let first = change(&mut laptop, |draft| draft.put("/a", json!(1)));
    laptop.document.edit(actor(1), |draft| draft.put("/a", json!(2))).unwrap();
    assert_eq!(laptop.document.intents_undoing(&[first]), Err(HistoryError::Unsealed));
    let intents = laptop.document.intents_to(&[first]).unwrap();
    laptop.document.edit(actor(1), |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent))).unwrap();
    assert_eq!(laptop.document.value(), json!({"a": 1}));
}

#[test]
fn documents_that_nest_freely_are_shown_and_not_taken_back() {
    let first = Forged::new(1, 1, 1, &[], vec![put("title", "a")]).blob();
    let hash = document::Header::parse(&first).unwrap().hash;
    let second = Forged::new(1, 2, 2, &[hash], vec![put("other", "b")]).blob();
    let mut document = Document::new(None);
    document.apply(&[first, second]).unwrap();
    assert_eq!(document.value_at(&[hash]).unwrap(), json!({"title": "a"}));
    let differences = document.difference(&[hash], &document.heads()).unwrap();
    assert_eq!((differences.len(), differences[0].path.as_str()), (1, "/other"));
    assert_eq!(document.intents_to(&[hash]), Err(HistoryError::NotFlat));
    assert_eq!(document.blame(), Err(HistoryError::NotFlat));
}
