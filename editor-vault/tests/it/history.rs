//! What documents were, who made them so, and taking back: here and on other devices, before and after a restart.

use editor_vault::{Document, ReadError, Vault, Version};
use serde_json::json;

use crate::house::{House, TAB_SIZE};
use crate::relay::Relay;
use crate::syncing::sync;

fn set(document: &Document, path: &str, value: serde_json::Value) {
    document.edit(|draft| draft.put(path, value)).unwrap();
}

fn note(vault: &Vault, body: &str) -> Document {
    let note = vault.create("note", Some("n"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", body)).unwrap();
    note
}

fn body(document: &Document) -> String {
    document.text("/body").unwrap().unwrap_or_default()
}

#[test]
fn every_device_is_named_in_the_history_of_every_device() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let ours = laptop.well_known("settings").unwrap();
    set(&ours, TAB_SIZE, 2.into());
    assert_eq!(ours.history().unwrap()[0].device, Some(laptop.device()), "before it was ever sent");
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    let theirs = desktop.well_known("settings").unwrap();
    set(&theirs, TAB_SIZE, 4.into());
    set(&theirs, "/base/files.eol", "\n".into());
    sync(&desktop, &relay, "alice");
    sync(&laptop, &relay, "alice");
    for settings in [&ours, &theirs] {
        let history = settings.history().unwrap();
        let devices: Vec<_> = history.iter().map(|revision| revision.device.unwrap()).collect();
        assert_eq!(devices, [laptop.device(), desktop.device(), desktop.device()]);
        assert!(history.iter().all(|revision| revision.unix_seconds > 1_700_000_000 && revision.note.is_none()));
        let blame = settings.blame().unwrap();
        let blamed: Vec<_> = blame.iter().map(|blame| (blame.path.as_str(), blame.revision.hash)).collect();
        assert_eq!(blamed, [(TAB_SIZE, history[1].hash), ("/base/files.eol", history[2].hash)]);
        let first = Version::of(history[0].hash);
        assert_eq!(settings.value_at(&first).unwrap(), json!({ "base": { "editor.tabSize": 2 } }));
        let differences = settings.diff(&first, &settings.version("~0").unwrap()).unwrap();
        assert_eq!(differences.len(), 2);
        assert_eq!((differences[0].before.clone(), differences[0].after.clone()), (Some(2.into()), Some(4.into())));
    }
}

#[test]
fn a_version_that_is_not_the_only_one_meant_is_refused() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    assert_eq!(settings.value_at(&settings.version("~0").unwrap()).unwrap(), json!({}));
    set(&settings, TAB_SIZE, 2.into());
    let hash = settings.history().unwrap()[0].hash.to_string();
    assert_eq!(settings.version(&hash[..4].to_uppercase()).unwrap(), settings.version("~0").unwrap());
    assert_eq!(settings.value_at(&settings.version("~1").unwrap()).unwrap(), json!({}));
    for wrong in ["", "abc", &hash[..3], "zzzz", "~", "~-1", "~2", "~99999999999999999999999", &format!("{hash}0")] {
        let refused = settings.version(wrong).unwrap_err();
        assert!(matches!(&refused, ReadError::NoSuchVersion { wanted, .. } if wanted == wrong), "{refused}");
    }
    let foreign = settings.version("~0").unwrap();
    assert_eq!(note(&vault, "x").value_at(&foreign).unwrap_err().code(), "no_such_version");
}

#[test]
fn undo_and_redo_go_on_after_a_restart() {
    let house = House::new();
    let id = {
        let vault = house.open("a");
        let note = note(&vault, "one");
        note.edit(|draft| draft.splice("/body", 3, 0, " two")).unwrap();
        note.edit(|draft| draft.splice("/body", 7, 0, " three")).unwrap();
        note.undo().unwrap();
        assert_eq!(body(&note), "one two");
        note.id()
    };
    let vault = house.open("a");
    assert_eq!(vault.last_edited().unwrap().unwrap().id(), id);
    let note = vault.document(vault.home(), id).unwrap();
    note.undo().unwrap();
    assert_eq!(body(&note), "one");
    note.undo().unwrap();
    assert_eq!(note.undo().unwrap_err().code(), "nothing_to_undo");
    assert_eq!(note.value().unwrap(), json!({ "name": "n", "body": "" }), "the making of the note stays");
    for expected in ["one", "one two", "one two three"] {
        note.redo().unwrap();
        assert_eq!(body(&note), expected);
    }
    assert_eq!(note.redo().unwrap_err().code(), "nothing_to_redo");
    note.undo().unwrap();
    note.edit(|draft| draft.splice("/body", 0, 0, "zero ")).unwrap();
    assert_eq!(note.redo().unwrap_err().code(), "nothing_to_redo", "something else was edited since");
    note.undo().unwrap();
    assert_eq!(body(&note), "one two");
}

#[test]
fn undo_spares_what_other_devices_did_meanwhile() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let ours = note(&laptop, "one two");
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    let theirs = desktop.find("n").unwrap();
    assert_eq!(theirs.undo().unwrap_err().code(), "nothing_to_undo", "it edited nothing");
    ours.edit(|draft| draft.splice("/body", 0, 3, "ONE").and_then(|()| draft.put("/x", 1.into()))).unwrap();
    theirs.edit(|draft| draft.splice("/body", 7, 0, " three").and_then(|()| draft.put("/y", 1.into()))).unwrap();
    for vault in [&laptop, &desktop, &laptop] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(body(&ours), "ONE two three");
    ours.undo().unwrap();
    assert_eq!(ours.value().unwrap(), json!({ "name": "n", "body": "one two three", "y": 1 }));
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(theirs.value().unwrap(), ours.value().unwrap());
    theirs.undo().unwrap();
    assert_eq!(body(&theirs), "one two", "the other device has a stack of its own");
}

#[test]
fn an_edit_of_which_nothing_is_left_is_passed_over() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let (ours, theirs) = (laptop.well_known("settings").unwrap(), desktop.well_known("settings").unwrap());
    set(&ours, "/base/a", 1.into());
    set(&ours, "/base/b", 1.into());
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    set(&theirs, "/base/b", 2.into());
    sync(&desktop, &relay, "alice");
    sync(&laptop, &relay, "alice");
    ours.undo().unwrap();
    assert_eq!(ours.value().unwrap(), json!({ "base": { "b": 2 } }));
}

#[test]
fn deferred_edits_are_undone_too() {
    let house = House::new();
    let vault = house.open("a");
    let note = note(&vault, "one");
    let ((), ticket) = note.edit_deferred(|draft| draft.splice("/body", 3, 0, " two")).unwrap();
    note.undo().unwrap();
    assert_eq!(body(&note), "one");
    assert!(ticket.is_saved());
}

#[test]
fn restoring_is_an_edit_that_says_so_and_can_be_undone() {
    let house = House::new();
    let vault = house.open("a");
    let note = note(&vault, "one");
    let then = note.version("~0").unwrap();
    note.edit(|draft| draft.replace_text("/body", "two").and_then(|()| draft.put("/name", "m".into()))).unwrap();
    assert!(note.restore(&then).unwrap());
    assert_eq!(note.value().unwrap(), json!({ "name": "n", "body": "one" }));
    assert_eq!(note.plain_at(&note.version("~1").unwrap()).unwrap(), json!({ "name": "m", "body": "two" }));
    assert!(!note.restore(&then).unwrap(), "it is so already");
    let history = note.history().unwrap();
    assert_eq!(history.len(), 4);
    let expected = format!("restore {}", history[1].hash);
    assert_eq!(history[3].note.as_deref(), Some(expected.as_str()));
    note.undo().unwrap();
    assert_eq!(note.value().unwrap(), json!({ "name": "m", "body": "two" }));
    vault.delete(&note).unwrap();
    assert_eq!(note.undo().unwrap_err().code(), "deleted");
    assert_eq!(note.history().unwrap().len(), 5, "a deleted document still has a history");
}
