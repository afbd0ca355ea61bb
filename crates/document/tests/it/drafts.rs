//! Unsealed edits: visible at once, taken back as a whole, carried over to new heads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use document::{Document, Violation};
use serde_json::json;

use crate::forge::actor;
use crate::replica::{Replica, settle};

#[test]
fn an_edit_is_visible_at_once_and_unsealed() {
    let mut document = Document::new(Some("note"));
    let seen = document
        .edit(actor(1), |draft| {
            draft.splice("/body", 0, 0, "hello")?;
            draft.splice("/body", 5, 0, "!")?;
            Ok::<_, Violation>((draft.text("/body"), draft.get("/body"), draft.value()))
        })
        .unwrap();
    assert_eq!(seen, (Some("hello!".into()), Some(json!("hello!")), json!({"body": "hello!"})));
    assert!(document.has_unsealed());
    assert_eq!((document.heads(), document.max_op()), (vec![], 0), "heads speak of what is sealed");
    assert_eq!(document.type_name().as_deref(), Some("note"));
    let sealed = document.seal(7).unwrap().unwrap();
    assert!(!document.has_unsealed());
    assert_eq!(document.heads(), [sealed.changes[0].header.hash]);
    assert_eq!(sealed.changes[0].header.time, 7);
    assert!(sealed.seeds.iter().chain(&sealed.changes).all(|change| document.contains(&change.header.hash)));
    assert_eq!(document.seal(8).unwrap(), None, "nothing more to say");
}

#[test]
fn an_edit_that_fails_leaves_earlier_unsealed_edits_alone() {
    let mut document = Document::new(Some("note"));
    document.edit(actor(1), |draft| draft.put("/kept", json!(1))).unwrap();
    document.edit(actor(1), |draft| draft.splice("/body", 0, 0, "kept")).unwrap();
    let error: Violation = document
        .edit(actor(1), |draft| {
            draft.put("/kept", json!(2))?;
            draft.splice("/body", 0, 4, "gone")?;
            draft.splice("/other", 0, 0, "gone")?;
            draft.increment("/n", 1)?;
            draft.splice("/body", 99, 0, "x")
        })
        .unwrap_err();
    assert_eq!(error.code(), "out_of_range");
    assert_eq!(document.value(), json!({"kept": 1, "body": "kept"}));
    let sealed = document.seal(0).unwrap().unwrap();
    assert_eq!(sealed.seeds.len(), 2, "root and body; the failed edit's seeds are not made");
    assert_eq!(document.value(), json!({"kept": 1, "body": "kept"}));
}

#[test]
fn an_edit_that_panics_leaves_earlier_unsealed_edits_alone() {
    let mut document = Document::new(Some("note"));
    document.edit(actor(1), |draft| draft.splice("/body", 0, 0, "kept")).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _ = document.edit(actor(1), |draft| -> Result<(), Violation> {
            draft.splice("/body", 0, 0, "gone")?;
            draft.increment("/n", 1)?;
            panic!("the editor's own mistake")
        });
    }));
    assert!(panic.is_err(), "the panic reaches its author");
    assert_eq!(document.value(), json!({"body": "kept"}));
    document.edit(actor(1), |draft| draft.splice("/body", 4, 0, "!")).unwrap();
    document.seal(0).unwrap();
    assert_eq!(document.value(), json!({"body": "kept!"}));
    Document::load(&document.snapshot().unwrap()).unwrap();
}

#[test]
fn a_refused_step_may_be_ignored_and_the_edit_goes_on() {
    let mut document = Document::new(None);
    document
        .edit(actor(1), |draft| {
            draft.put("/a", json!("plain"))?;
            assert!(draft.splice("/a", 0, 0, "x").is_err());
            draft.put("/b", json!(2))
        })
        .unwrap();
    assert_eq!(document.value(), json!({"a": "plain", "b": 2}));
}

#[test]
fn an_edit_that_fails_first_makes_no_change_and_no_seed() {
    let mut document = Document::new(Some("note"));
    let failed: Result<(), Violation> = document.edit(actor(1), |draft| {
        draft.splice("/body", 0, 0, "x")?;
        draft.put("bad", json!(1))
    });
    assert!(failed.is_err());
    assert_eq!(document.seal(0).unwrap(), None);
    assert_eq!((document.heads(), document.value()), (vec![], json!({})));
}

#[test]
#[should_panic(expected = "seal them before editing")]
fn unsealed_edits_of_two_actors_do_not_mix() {
    let mut document = Document::new(None);
    document.edit(actor(1), |draft| draft.put("/a", json!(1))).unwrap();
    let _ = document.edit(actor(2), |draft| draft.put("/a", json!(2)));
}

#[test]
#[should_panic(expected = "reserved for seeds")]
fn an_actor_reserved_for_seeds_cannot_edit() {
    let mut reserved = actor(1);
    reserved.0[..2].copy_from_slice(b"SD");
    let _ = Document::new(None).edit(reserved, |draft| draft.put("/a", json!(1)));
}

#[test]
fn unsealed_edits_are_carried_over_what_others_did_meanwhile() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| {
        draft.splice("/body", 0, 0, "one two three")?;
        draft.put("/tabSize", json!(1))
    });
    let mut desktop = laptop.fork(2);
    // The laptop types at two places, unsealed; meanwhile the desktop deletes "one " and inserts at the end.
    laptop
        .document
        .edit(laptop.actor, |draft| {
            draft.splice("/body", 4, 3, "TWO")?;
            draft.splice("/body", 13, 0, "!")?;
            draft.put("/tabSize", json!(4))
        })
        .unwrap();
    desktop.edit(|draft| {
        draft.splice("/body", 0, 4, "")?;
        draft.splice("/body", 0, 0, ">> ")?;
        draft.put("/tabSize", json!(2))?;
        draft.put("/other", json!(true))
    });
    let news = desktop.log.clone();
    laptop.document.apply(&news).unwrap();
    assert_eq!(laptop.document.heads(), desktop.document.heads());
    assert_eq!(laptop.document.value(), json!({"body": ">> TWO three!", "tabSize": 4, "other": true}));
    laptop.log = news;
    laptop.edit(|_| Ok(()));
    let merged = settle(&mut laptop, &mut desktop);
    assert_eq!(merged, json!({"body": ">> TWO three!", "tabSize": 4, "other": true}), "saved last, so it wins");
}

#[test]
fn unsealed_text_survives_that_its_path_became_a_plain_string() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.splice("/body", 0, 0, "text"));
    let mut desktop = laptop.fork(2);
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 4, 0, "!")).unwrap();
    desktop.edit(|draft| draft.put_register("/body", json!("plain")));
    laptop.receive(&desktop.log.clone());
    assert!(laptop.document.has_unsealed());
    laptop.edit(|_| Ok(()));
    settle(&mut laptop, &mut desktop);
    assert!(laptop.document.text("/body").unwrap().contains('!'));
}

#[test]
fn the_same_seed_from_elsewhere_takes_the_place_of_an_unsealed_one() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 0, 0, "mine")).unwrap();
    desktop.edit(|draft| draft.splice("/body", 0, 0, "theirs"));
    laptop.receive(&desktop.log.clone());
    let sealed = laptop.edit(|_| Ok(()));
    assert!(sealed.seeds.is_empty(), "the document has them by now");
    let body = settle(&mut laptop, &mut desktop)["body"].as_str().unwrap().to_owned();
    assert!(body.contains("mine") && body.contains("theirs"), "{body}");
}

#[test]
fn documents_that_nest_are_read_and_refuse_edits() {
    use automerge::transaction::Transactable as _;
    let mut theirs = automerge::AutoCommit::new().with_actor(crate::forge::actor_id(5));
    let map = theirs.put_object(automerge::ROOT, "todo", automerge::ObjType::Map).unwrap();
    let list = theirs.put_object(&map, "items", automerge::ObjType::List).unwrap();
    theirs.insert(&list, 0, "first").unwrap();
    let text = theirs.insert_object(&list, 1, automerge::ObjType::Text).unwrap();
    theirs.splice_text(&text, 0, 0, "second").unwrap();
    theirs.put(&map, "n", automerge::ScalarValue::counter(3)).unwrap();
    theirs.put(&map, "nan", f64::NAN).unwrap();
    let changes: Vec<_> = theirs.get_changes(&[]).iter().map(|c| c.raw_bytes().to_vec().into()).collect();
    let mut document = Document::new(None);
    document.apply(&changes).unwrap();
    assert_eq!(document.value(), json!({"todo": {"items": ["first", "second"], "n": 3, "nan": null}}));
    assert_eq!(document.get("/todo/items/1"), Some(json!("second")));
    assert_eq!(document.get("/todo/items/x"), None);
    let refused = document.edit(actor(1), |draft| draft.put("/a", json!(1))).unwrap_err();
    assert_eq!(refused.code(), "not_flat");
}
