//! Deferred edits are visible at once, durable soon, and never in the way.

use std::time::Duration;

use crate::house::{House, count};

#[test]
fn a_deferred_edit_is_visible_at_once_and_durable_after_waiting() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let (_, ticket) = note.edit_deferred(|draft| draft.splice("/body", 0, 0, "hello")).unwrap();
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("hello"));
    ticket.wait().unwrap();
    let id = note.id();
    std::mem::forget((note, vault));
    let again = house.open("a");
    assert_eq!(again.document(again.home(), id).unwrap().text("/body").unwrap().as_deref(), Some("hello"));
}

#[test]
fn deferred_edits_are_saved_without_anybody_waiting() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let watch = vault.watch();
    note.edit_deferred(|draft| draft.splice("/body", 0, 0, "hello")).unwrap();
    watch.next(Duration::from_secs(20)).expect("a hint comes when it is saved");
    assert!(!note.status().unwrap().unsaved);
}

#[test]
fn dropping_the_vault_saves_what_was_deferred() {
    let house = House::new();
    let id = {
        let vault = house.open("a");
        let note = vault.create("note", Some("n"), None).unwrap();
        note.edit_deferred(|draft| draft.splice("/body", 0, 0, "hello")).unwrap();
        note.id()
    };
    let again = house.open("a");
    assert_eq!(again.document(again.home(), id).unwrap().text("/body").unwrap().as_deref(), Some("hello"));
}

#[test]
fn typing_becomes_few_changes() {
    let house = House::new();
    let vault = house.open("a");
    let file = vault.file().to_path_buf();
    let note = vault.create("note", Some("n"), None).unwrap();
    for at in 0..20_000 {
        note.edit_deferred(|draft| draft.splice("/body", at, 0, "x")).unwrap();
    }
    vault.flush().unwrap();
    assert_eq!(note.text("/body").unwrap().unwrap().len(), 20_000);
    let id = note.id();
    drop((note, vault));
    let changes = count(&file, "SELECT count(*) FROM changes");
    assert!(changes < 2_000, "{changes} changes for 20,000 edits");
    let again = house.open("a");
    assert_eq!(again.document(again.home(), id).unwrap().text("/body").unwrap().unwrap().len(), 20_000);
}

#[test]
fn a_waiting_edit_takes_deferred_ones_with_it() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let (_, ticket) = note.edit_deferred(|draft| draft.splice("/body", 0, 0, "a")).unwrap();
    note.edit(|draft| draft.splice("/body", 1, 0, "b")).unwrap();
    assert!(ticket.is_saved(), "what came before is saved when what came after is");
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("ab"));
}
