//! The schedules of PROTOCOL §1: what devices create apart from each other merges.

use document::{Seed, limits};
use serde_json::json;

use crate::replica::{Replica, settle};

#[test]
fn the_same_nested_object_created_on_both_offline_survives_both() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    laptop.edit(|draft| draft.put("/[rust]", json!({"tabSize": 4, "inner": {"a": 1}})));
    desktop.edit(|draft| draft.put("/[rust]", json!({"wordWrap": true, "inner": {"b": 2}})));
    let merged = settle(&mut laptop, &mut desktop);
    assert_eq!(merged, json!({"[rust]": {"tabSize": 4, "wordWrap": true, "inner": {"a": 1, "b": 2}}}));
}

#[test]
fn a_scalar_that_becomes_an_object_on_one_device_keeps_the_object() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.put("/quickSuggestions", json!(true)));
    let mut desktop = laptop.fork(2);
    laptop.edit(|draft| draft.put("/quickSuggestions", json!({"comments": "off"})));
    desktop.edit(|draft| draft.put("/quickSuggestions", json!(false)));
    let merged = settle(&mut laptop, &mut desktop);
    assert_eq!(merged, json!({"quickSuggestions": {"comments": "off"}}), "the object wins over the scalar beside it");
    laptop.edit(|draft| draft.put("/quickSuggestions", json!(true)));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"quickSuggestions": true}));
}

#[test]
fn a_text_created_on_both_devices_merges_through_its_seed() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    let left = laptop.edit(|draft| draft.splice("/body", 0, 0, "hello "));
    let right = desktop.edit(|draft| draft.splice("/body", 0, 0, "world"));
    assert_eq!(left.seeds, right.seeds, "both made the same seeds: root and text");
    assert_eq!(left.seeds.len(), 2);
    let merged = settle(&mut laptop, &mut desktop);
    let body = merged["body"].as_str().unwrap();
    assert!(body == "hello world" || body == "worldhello ", "{body:?}");
}

#[test]
fn a_counter_created_on_both_devices_merges_through_its_seed() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    laptop.edit(|draft| draft.increment("/n", 5));
    desktop.edit(|draft| draft.increment("/n", 7));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"n": 12}));
}

#[test]
fn an_edit_inside_a_text_survives_its_concurrent_removal() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.splice("/body", 0, 0, "hello"));
    let mut desktop = laptop.fork(2);
    laptop.edit(|draft| draft.remove("/body"));
    desktop.edit(|draft| draft.splice("/body", 5, 0, "!"));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"body": "hello!"}));
}

#[test]
fn an_edit_of_a_counter_survives_its_concurrent_removal() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.increment("/n", 1));
    let mut desktop = laptop.fork(2);
    laptop.edit(|draft| draft.remove("/n"));
    desktop.edit(|draft| draft.increment("/n", 2));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"n": 3}));
}

#[test]
fn removing_an_object_keeps_what_is_edited_inside_it_elsewhere() {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.put("/o", json!({"a": 1, "b": 2})));
    let mut desktop = laptop.fork(2);
    laptop.edit(|draft| draft.remove("/o"));
    desktop.edit(|draft| draft.put("/o/b", json!(3)));
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"o": {"b": 3}}));
}

#[test]
fn three_hundred_sibling_seeds_leave_every_change_with_bounded_dependencies() {
    let mut laptop = Replica::new(1);
    let sealed = laptop.edit(|draft| (0..300).try_for_each(|n| draft.splice(&format!("/t{n}"), 0, 0, "x")));
    assert_eq!(sealed.seeds.len(), 301, "one root and 300 texts");
    assert_eq!(sealed.changes.len(), 3);
    for change in &sealed.changes {
        assert!(change.header.deps.len() <= limits::SEED_GROUP_MAX + 1, "{}", change.header.deps.len());
    }
    assert!(sealed.seeds.iter().all(|seed| Seed::of(&seed.header).is_some()));
    let mut desktop = laptop.fork(2);
    assert_eq!(settle(&mut laptop, &mut desktop)["t299"], json!("x"));
    assert_eq!(laptop.document.heads().len(), 1);
}

#[test]
fn an_edit_after_seeds_of_others_joins_their_heads() {
    let (mut laptop, mut desktop) = (Replica::new(1), Replica::new(2));
    desktop.edit(|draft| draft.splice("/a", 0, 0, "x"));
    laptop.edit(|draft| draft.splice("/b", 0, 0, "y"));
    settle(&mut laptop, &mut desktop);
    let sealed = laptop.edit(|draft| draft.put("/c", json!(1)));
    assert!(sealed.seeds.is_empty());
    assert_eq!(laptop.document.heads(), [sealed.changes[0].header.hash]);
    assert_eq!(settle(&mut laptop, &mut desktop), json!({"a": "x", "b": "y", "c": 1}));
}
