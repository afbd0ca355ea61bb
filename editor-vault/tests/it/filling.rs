//! Changes that came inside a snapshot of a relay get rows of their own.

use editor_vault::Vault;
use serde_json::Value;

use crate::house::{House, count};
use crate::relay::Relay;
use crate::syncing::sync;

const FILLED: &str = "SELECT count(*) FROM changes WHERE id < 0";

/// A laptop with a note of some edits, of which the relay has a snapshot and a tail after it.
fn prepare(house: &House, relay: &Relay, edits: usize) -> Vault {
    let laptop = house.open("laptop");
    let note = laptop.create("note", Some("long"), None).unwrap();
    for number in 0..edits {
        note.edit(|draft| draft.splice("/body", number, 0, "x")).unwrap();
    }
    sync(&laptop, relay, "alice");
    relay.make_snapshot(relay.personal("alice"), note.id());
    note.edit(|draft| draft.splice("/body", 0, 0, "tail")).unwrap();
    sync(&laptop, relay, "alice");
    laptop
}

fn value(vault: &Vault) -> Value {
    vault.find("long").unwrap().value().unwrap()
}

#[test]
fn a_cold_device_ends_up_with_every_change_of_the_log() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let laptop = prepare(&house, &relay, 600);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let file = desktop.file().to_path_buf();
    let before = value(&desktop);
    drop(desktop); // ends after the document that is being filled
    let entries = relay.entries(relay.personal("alice"));
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), i64::try_from(entries.len()).unwrap());
    assert_eq!(count(&file, FILLED), i64::try_from(entries.len()).unwrap() - 1, "the tail came as an entry");
    assert_eq!(count(&file, "SELECT count(*) FROM snapshots WHERE origin = 1 AND through = -1"), 1);
    let connection = rusqlite::Connection::open(&file).unwrap();
    let mut stored = connection.prepare("SELECT bytes FROM changes WHERE hash = ?1").unwrap();
    for entry in &entries {
        let bytes: Vec<u8> = stored.query_row([entry.hash.0], |row| row.get(0)).unwrap();
        assert_eq!(Some(&bytes[..]), entry.bytes.as_deref(), "byte for byte what was made");
    }
    drop(stored);
    drop(connection);
    let desktop = house.open("desktop");
    assert_eq!(value(&desktop), before);
    assert_eq!(desktop.verify().unwrap(), []);
    let note = desktop.find("long").unwrap();
    note.edit(|draft| draft.splice("/body", 0, 4, "head")).unwrap();
    assert_eq!(note.history().unwrap().len(), 603);
    for vault in [&desktop, &laptop] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(value(&desktop), value(&laptop));
    drop((note, desktop));
    assert_eq!(count(&file, FILLED), i64::try_from(entries.len()).unwrap() - 1, "nothing is filled twice");
}

/// Found by the simulated world: the next row after those got number 0, and a document in memory never read it.
#[test]
fn what_comes_after_nothing_but_filled_changes_reaches_a_document_in_memory() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let laptop = house.open("laptop");
    let note = laptop.create("note", Some("long"), None).unwrap();
    sync(&laptop, &relay, "alice");
    relay.make_snapshot(relay.personal("alice"), note.id());
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    drop(desktop); // ends after the document that is being filled
    let desktop = house.open("desktop");
    let (path, here) = ("/base/editor.tabSize", desktop.well_known("settings").unwrap());
    assert_eq!(here.get(path).unwrap(), None);
    laptop.well_known("settings").unwrap().edit(|draft| draft.put(path, 4.into())).unwrap();
    for vault in [&laptop, &desktop] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(here.get(path).unwrap(), Some(4.into()));
}

#[test]
fn a_filled_document_outlives_its_snapshot() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let laptop = prepare(&house, &relay, 20);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let file = desktop.file().to_path_buf();
    drop(desktop);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("UPDATE snapshots SET digest = zeroblob(32)", []).unwrap();
    drop(connection);
    let desktop = house.open("desktop");
    assert_eq!(value(&desktop), value(&laptop));
    let note = desktop.find("long").unwrap();
    note.edit(|draft| draft.splice("/body", 0, 0, "more ")).unwrap();
    drop((note, desktop));
    let desktop = house.open("desktop");
    assert!(value(&desktop)["body"].as_str().unwrap().starts_with("more tail"));
    assert_eq!(count(&file, "SELECT count(*) FROM snapshots"), 0);
}

#[test]
fn what_was_not_filled_is_filled_with_the_next_connection() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let _laptop = prepare(&house, &relay, 20);
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let file = desktop.file().to_path_buf();
    drop(desktop);
    let filled = count(&file, FILLED);
    // As after a crash: the newest part is there, the rest is not.
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("DELETE FROM changes WHERE id < -7", []).unwrap();
    connection.execute("UPDATE snapshots SET through = 0", []).unwrap();
    drop(connection);
    let desktop = house.open("desktop");
    let before = value(&desktop);
    sync(&desktop, &relay, "alice");
    drop(desktop);
    assert_eq!(count(&file, FILLED), filled);
    assert_eq!(count(&file, "SELECT count(*) FROM snapshots WHERE through = -1"), 1);
    assert_eq!(value(&house.open("desktop")), before);
}
