//! Snapshots that are stored when they came and loaded when somebody reads, and what becomes of those that do not load.

use editor_vault::{Document, ListFilter, Vault};
use serde_json::Value;

use crate::house::{House, SOON, count};
use crate::relay::Relay;
use crate::syncing::{connect, sync, until};

const GIVEN_UP: &str = "SELECT count(*) FROM snapshots WHERE origin = 1 AND through = -2";

/// A laptop, and its note of some edits, of which the relay has a snapshot.
fn prepare(house: &House, relay: &Relay) -> (Vault, Document) {
    let laptop = house.open("laptop");
    laptop.create("note", Some("another"), None).unwrap();
    let note = laptop.create("note", Some("long"), None).unwrap();
    for number in 0..20 {
        note.edit(|draft| draft.splice("/body", number, 0, "x")).unwrap();
    }
    sync(&laptop, relay, "alice");
    relay.make_snapshot(relay.personal("alice"), note.id());
    (laptop, note)
}

fn theirs(vault: &Vault, relay: &Relay, note: &Document) -> Document {
    vault.document(relay.personal("alice"), note.id()).unwrap()
}

fn notes(vault: &Vault) -> usize {
    vault.list(&ListFilter { type_name: Some("note".into()), ..ListFilter::default() }).unwrap().len()
}

fn body(document: &Document) -> Option<Value> {
    document.get("/body").ok().flatten()
}

#[test]
fn a_document_is_listed_by_its_type_before_anybody_loads_it() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (_laptop, note) = prepare(&house, &relay);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let file = desktop.file().to_path_buf();
    assert_eq!(count(&file, "SELECT count(*) FROM documents WHERE type = 'note'"), 2);
    assert_eq!(notes(&desktop), 2);
    assert_eq!(desktop.find("long").unwrap().id(), note.id());
}

#[test]
fn a_vault_that_ends_before_anybody_read_a_document_still_has_it() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (_laptop, note) = prepare(&house, &relay);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    drop(desktop);
    let desktop = house.open("desktop");
    assert_eq!(theirs(&desktop, &relay, &note).value().unwrap(), note.value().unwrap());
}

#[test]
fn what_comes_for_a_document_that_nobody_loaded_is_in_it_when_it_is_read() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, note) = prepare(&house, &relay);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    note.edit(|draft| draft.splice("/body", 0, 0, "tail ")).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(theirs(&desktop, &relay, &note).value().unwrap(), note.value().unwrap());
    theirs(&desktop, &relay, &note).edit(|draft| draft.splice("/body", 0, 4, "head")).unwrap();
    for vault in [&desktop, &laptop] {
        sync(vault, &relay, "alice");
    }
    assert!(note.text("/body").unwrap().unwrap().starts_with("head x"));
}

#[test]
fn a_snapshot_that_does_not_load_is_found_by_its_reader_and_its_entries_come_instead() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, note) = prepare(&house, &relay);
    relay.spoil_snapshot(relay.personal("alice"), note.id());
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let file = desktop.file().to_path_buf();
    assert_eq!(notes(&desktop), 2, "it looks sound until it is loaded");
    let read = theirs(&desktop, &relay, &note).value().unwrap_err();
    assert_eq!(read.code(), "unreadable");
    assert!(read.to_string().contains("next connection"), "{read}");
    theirs(&desktop, &relay, &note).edit(|draft| draft.splice("/body", 0, 0, "lost? ")).unwrap_err();
    assert_eq!(count(&file, GIVEN_UP), 1);
    assert_eq!(desktop.find("another").unwrap().value().unwrap()["name"], "another", "others are as they were");
    drop(desktop);
    let desktop = house.open("desktop");
    assert_eq!(theirs(&desktop, &relay, &note).value().unwrap_err().code(), "unreadable", "and after a restart");

    note.edit(|draft| draft.splice("/body", 0, 0, "tail ")).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(theirs(&desktop, &relay, &note).value().unwrap(), note.value().unwrap());
    assert_eq!((count(&file, GIVEN_UP), notes(&desktop)), (0, 2));
    assert!(desktop.doctor().unwrap().is_empty());
    theirs(&desktop, &relay, &note).edit(|draft| draft.splice("/body", 0, 4, "head")).unwrap();
    for vault in [&desktop, &laptop] {
        sync(vault, &relay, "alice");
    }
    assert!(note.text("/body").unwrap().unwrap().starts_with("head x"));
    let entries = relay.entries(relay.personal("alice")).len();
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), i64::try_from(entries).unwrap(), "every change, once");
}

#[test]
fn two_snapshots_that_do_not_load_are_whole_only_when_all_their_entries_are_here() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, note) = prepare(&house, &relay);
    let other = laptop.create("note", Some("other"), None).unwrap();
    other.edit(|draft| draft.replace_text("/body", "xxxxxxxx")).unwrap();
    sync(&laptop, &relay, "alice");
    relay.make_snapshot(relay.personal("alice"), other.id());
    for document in [&note, &other] {
        relay.spoil_snapshot(relay.personal("alice"), document.id());
    }
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    for document in [&note, &other] {
        assert_eq!(theirs(&desktop, &relay, document).value().unwrap_err().code(), "unreadable");
    }
    sync(&desktop, &relay, "alice");
    for document in [&note, &other] {
        assert_eq!(theirs(&desktop, &relay, document).value().unwrap(), document.value().unwrap());
    }
}

#[test]
fn a_delivery_for_a_snapshot_that_did_not_load_makes_the_vault_begin_again() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, note) = prepare(&house, &relay);
    relay.spoil_snapshot(relay.personal("alice"), note.id());
    let desktop = house.open("desktop");
    connect(&desktop, &relay, "alice");
    desktop.wait_until_settled(SOON).unwrap();
    let here = theirs(&desktop, &relay, &note);
    here.value().unwrap_err();
    note.edit(|draft| draft.splice("/body", 0, 0, "tail ")).unwrap();
    sync(&laptop, &relay, "alice");
    until(&desktop, || body(&here) == body(&note));
    assert_eq!(here.value().unwrap(), note.value().unwrap());
}

#[test]
fn a_snapshot_that_is_refused_when_it_comes_is_fetched_as_entries() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (_laptop, note) = prepare(&house, &relay);
    relay.forge_digest(relay.personal("alice"), note.id());
    let desktop = house.open("desktop");
    connect(&desktop, &relay, "alice");
    let here = || desktop.document(relay.personal("alice"), note.id());
    until(&desktop, || here().is_ok_and(|here| body(&here) == body(&note)));
    desktop.wait_until_settled(SOON).unwrap();
    assert_eq!(notes(&desktop), 2);
    assert_eq!(count(desktop.file(), "SELECT count(*) FROM snapshots WHERE origin = 1"), 0);
}
