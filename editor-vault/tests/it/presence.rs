//! Who is in a document at the moment: shown, known, hinted, and gone with the connection.

use editor_vault::{Connection, Document, Link, PresenceError, Present, Vault};
use serde_json::{Value, json};

use crate::house::{House, SOON};
use crate::relay::Relay;
use crate::syncing::{connect, until};

fn online(house: &House, relay: &Relay, name: &str) -> Vault {
    let vault = house.open(name);
    connect(&vault, relay, "alice");
    vault.wait_until_settled(SOON).unwrap();
    vault
}

fn contents(document: &Document) -> Vec<Value> {
    document.presence().unwrap().into_iter().map(|present| present.content).collect()
}

/// Waits until exactly these are shown by others.
#[track_caller]
fn until_shown(document: &Document, contents_wanted: &[Value]) -> Vec<Present> {
    until(document.vault(), || contents(document) == contents_wanted);
    document.presence().unwrap()
}

#[test]
fn two_vaults_in_a_document_see_each_other_move_and_leave() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (online(&house, &relay, "laptop"), online(&house, &relay, "desktop"));
    let [ours, theirs] = [&laptop, &desktop].map(|vault| vault.well_known("settings").unwrap());
    let watch = desktop.watch();
    ours.show_presence(&json!({ "name": "Ada", "line": 3 })).unwrap();
    assert_eq!(theirs.presence().unwrap(), [], "whoever is not there is shown nobody");
    theirs.show_presence(&Value::Null).unwrap();
    let seen = until_shown(&theirs, &[json!({ "name": "Ada", "line": 3 })]);
    assert_eq!(seen[0].device, laptop.device());
    let hint = watch.next(SOON).expect("whoever watches the document is hinted");
    assert_eq!((hint.space, hint.document), (theirs.space(), theirs.id()));
    until_shown(&ours, &[Value::Null]);
    for line in 4..40 {
        ours.show_presence(&json!({ "line": line })).unwrap();
    }
    let moved = until_shown(&theirs, &[json!({ "line": 39 })]);
    assert_eq!(moved[0].since_unix_seconds, seen[0].since_unix_seconds);
    ours.hide_presence().unwrap();
    assert_eq!(ours.presence().unwrap(), []);
    until_shown(&theirs, &[]);
}

#[test]
fn presence_is_gone_with_its_connection_and_shown_anew_with_the_next() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (online(&house, &relay, "laptop"), online(&house, &relay, "desktop"));
    let [ours, theirs] = [&laptop, &desktop].map(|vault| vault.well_known("settings").unwrap());
    ours.show_presence(&json!(1)).unwrap();
    theirs.show_presence(&json!(2)).unwrap();
    until_shown(&theirs, &[json!(1)]);
    until_shown(&ours, &[json!(2)]);
    laptop.disconnect();
    assert_eq!(ours.presence().unwrap(), [], "offline nobody is known");
    until_shown(&theirs, &[]);
    ours.show_presence(&json!(3)).unwrap(); // and it may be said meanwhile
    connect(&laptop, &relay, "alice");
    until_shown(&theirs, &[json!(3)]);
    until_shown(&ours, &[json!(2)]);
    drop((ours, laptop));
    until_shown(&theirs, &[]);
}

#[test]
fn what_is_shown_before_the_first_login_is_shown_in_the_personal_space() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let desktop = online(&house, &relay, "desktop");
    let theirs = desktop.well_known("settings").unwrap();
    theirs.show_presence(&Value::Null).unwrap();
    let laptop = house.open("laptop");
    let ours = laptop.well_known("settings").unwrap();
    ours.show_presence(&json!("early")).unwrap();
    connect(&laptop, &relay, "alice");
    until_shown(&theirs, &[json!("early")]);
    until_shown(&ours, &[Value::Null]);
}

#[test]
fn presence_has_its_limits() {
    let house = House::new();
    let vault = house.open("v");
    let notes: Vec<Document> = (0..17).map(|_| vault.create("note", None, None).unwrap()).collect();
    let most = Value::String("x".repeat(1022));
    notes[..16].iter().for_each(|note| note.show_presence(&most).unwrap());
    let refused = notes[16].show_presence(&most).unwrap_err();
    assert_eq!(refused.code(), "too_many_documents");
    notes[0].hide_presence().unwrap();
    notes[16].show_presence(&most).unwrap();
    let refused = notes[16].show_presence(&Value::String("x".repeat(1023))).unwrap_err();
    assert!(matches!(refused, PresenceError::TooLarge { bytes: 1025 }), "{refused}");
}

#[test]
fn only_the_process_that_syncs_shows_and_knows_presence() {
    let house = House::new();
    let [syncs, waits] = [house.open("v"), house.open("v")];
    let nowhere = || Connection::new("http://127.0.0.1:9").token("alice");
    syncs.connect(nowhere()).unwrap();
    until(&syncs, || matches!(syncs.sync_status().link, Link::Waiting { .. }));
    waits.connect(nowhere()).unwrap();
    until(&waits, || waits.sync_status().link == Link::InLine);
    let [ours, theirs] = [&syncs, &waits].map(|vault| vault.well_known("settings").unwrap());
    ours.show_presence(&json!(1)).unwrap();
    let refused = [theirs.show_presence(&json!(1)), theirs.hide_presence(), theirs.presence().map(drop)];
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().code() == "another_process"));
}
