//! Vaults that meet through a relay.

use std::time::Duration;

use editor_vault::{Connection, DocumentState, FateCode, Link, ListFilter, SyncError, Vault};
use sha2::Digest;
use sync_wire::{Content, Push};

use crate::house::{House, SOON, TAB_SIZE, count};
use crate::relay::{Answer, Relay};

pub(crate) fn connect(vault: &Vault, relay: &Relay, token: &str) {
    vault.connect(Connection::new(&relay.url).token(token)).unwrap();
}

/// Connects, exchanges everything, disconnects.
pub(crate) fn sync(vault: &Vault, relay: &Relay, token: &str) {
    connect(vault, relay, token);
    vault.wait_until_settled(SOON).unwrap();
    vault.disconnect();
}

fn put(vault: &Vault, path: &str, value: i64) {
    vault.well_known("settings").unwrap().edit(|draft| draft.put(path, value.into())).unwrap();
}

fn settings(vault: &Vault) -> serde_json::Value {
    vault.well_known("settings").unwrap().value().unwrap()
}

/// Waits until `is_so`, looking again at every hint.
pub(crate) fn until(vault: &Vault, is_so: impl Fn() -> bool) {
    let watch = vault.watch();
    for _ in 0..200 {
        if is_so() {
            return;
        }
        watch.next(Duration::from_millis(100));
    }
    panic!("it never came to be so");
}

#[test]
fn offline_edits_of_two_devices_converge() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    put(&laptop, TAB_SIZE, 2);
    put(&desktop, "/base/files.eol", 7);
    let note = laptop.create("note", Some("plan"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", "tea")).unwrap();
    for vault in [&laptop, &desktop, &laptop] {
        sync(vault, &relay, "alice");
    }
    assert_eq!(settings(&laptop), settings(&desktop));
    assert_eq!(settings(&laptop), serde_json::json!({ "base": { "editor.tabSize": 2, "files.eol": 7 } }));
    let theirs = desktop.find("plan").unwrap();
    assert_eq!(theirs.text("/body").unwrap().as_deref(), Some("tea"));
    for vault in [&laptop, &desktop] {
        for info in vault.list(&ListFilter::default()).unwrap() {
            assert_eq!((info.status.state, info.status.pending_batches), (DocumentState::Synced, 0));
        }
        assert!(vault.verify().unwrap().is_empty());
    }
}

#[test]
fn edits_reach_a_connected_device_and_its_watchers() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    connect(&laptop, &relay, "alice");
    connect(&desktop, &relay, "alice");
    put(&laptop, TAB_SIZE, 2);
    let theirs = desktop.well_known("settings").unwrap();
    until(&desktop, || theirs.get(TAB_SIZE).unwrap() == Some(2.into()));
    theirs.edit_deferred(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let ours = laptop.well_known("settings").unwrap();
    until(&laptop, || ours.get(TAB_SIZE).unwrap() == Some(4.into()));
}

#[test]
fn typing_at_both_ends_merges_without_loss() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let note = laptop.create("note", Some("both"), None).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    let theirs = desktop.find("both").unwrap();
    connect(&laptop, &relay, "alice");
    connect(&desktop, &relay, "alice");
    std::thread::scope(|scope| {
        for (note, letter) in [(&note, "a"), (&theirs, "b")] {
            scope.spawn(move || {
                for _ in 0..2_000 {
                    note.edit_deferred(|draft| draft.splice("/body", 0, 0, letter)).unwrap();
                }
            });
        }
    });
    for vault in [&laptop, &desktop, &laptop, &desktop] {
        vault.wait_until_settled(SOON).unwrap();
    }
    until(&desktop, || note.text("/body").unwrap() == theirs.text("/body").unwrap());
    let text = note.text("/body").unwrap().unwrap();
    assert_eq!((text.matches('a').count(), text.matches('b').count()), (2_000, 2_000));
}

#[test]
fn a_deletion_reaches_the_other_device_and_so_does_its_restoring() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    let note = laptop.create("note", Some("old"), None).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    laptop.delete(&note).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert!(desktop.list(&ListFilter::default()).unwrap().is_empty());
    laptop.restore(&note).unwrap();
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    assert_eq!(desktop.find("old").unwrap().id(), note.id());
}

#[test]
fn what_a_relay_refuses_goes_into_quarantine_and_the_document_goes_on() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    put(&vault, "/base/first", 1);
    sync(&vault, &relay, "alice");
    relay.judge(|push| if is_seed(push) { Answer::Take } else { Answer::Refuse(FateCode::DANGEROUS) });
    put(&vault, "/base/second", 2);
    put(&vault, "/base/third", 3);
    let note = vault.create("note", Some("other"), None).unwrap();
    sync(&vault, &relay, "alice");
    assert_eq!(settings(&vault), serde_json::json!({ "base": { "first": 1 } }));
    let document = vault.well_known("settings").unwrap();
    let status = document.status().unwrap();
    assert!(matches!(status.state, DocumentState::Quarantined { code: FateCode::DANGEROUS, .. }), "{status:?}");
    assert!(matches!(note.status().unwrap().state, DocumentState::Quarantined { .. }));
    relay.judge(|_| Answer::Take);
    put(&vault, "/base/fourth", 4);
    sync(&vault, &relay, "alice");
    assert_eq!(settings(&vault), serde_json::json!({ "base": { "first": 1, "fourth": 4 } }));
    let desktop = house.open("b");
    sync(&desktop, &relay, "alice");
    assert_eq!(settings(&desktop), settings(&vault));
    let file = vault.file().to_path_buf();
    drop((note, document, vault));
    assert_eq!(
        count(&file, "SELECT count(*) FROM changes WHERE excluded = 1 AND length(bytes) > 0"),
        4,
        "kept for ever"
    );
    assert_eq!(count(&file, "SELECT count(*) FROM batches WHERE state = 4"), 3);
    assert_eq!(
        count(&file, "SELECT count(*) FROM batches WHERE state = 5"),
        1,
        "the third was refused when written anew"
    );
}

fn is_seed(push: &Push) -> bool {
    let Content::Changes(changes) = &push.content else { return false };
    document::Header::parse(&changes[0]).is_ok_and(|header| document::Seed::of(&header).is_some())
}

#[test]
fn a_parked_batch_closes_its_lane_until_the_limits_change() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    relay.judge(|push| if is_seed(push) { Answer::Take } else { Answer::Park(FateCode::SCHEMA, 1) });
    put(&vault, TAB_SIZE, 1);
    put(&vault, TAB_SIZE, 2);
    sync(&vault, &relay, "alice");
    let settings = vault.well_known("settings").unwrap();
    let status = settings.status().unwrap();
    assert!(matches!(status.state, DocumentState::Parked { code: FateCode::SCHEMA, .. }), "{status:?}");
    assert_eq!(status.pending_batches, 2);
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(2.into()), "parked edits stay in the document");
    relay.judge(|_| Answer::Take);
    let pushed = relay.pushes().len();
    sync(&vault, &relay, "alice");
    assert_eq!(relay.pushes().len(), pushed, "nothing is pushed again under the same limits");
    relay.set_limits_version(2);
    sync(&vault, &relay, "alice");
    assert_eq!(settings.status().unwrap().state, DocumentState::Synced);
}

#[test]
fn a_relay_that_lies_about_its_log_is_not_believed() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (laptop, desktop) = (house.open("laptop"), house.open("desktop"));
    put(&laptop, TAB_SIZE, 2);
    sync(&laptop, &relay, "alice");
    sync(&desktop, &relay, "alice");
    put(&laptop, TAB_SIZE, 4);
    sync(&laptop, &relay, "alice");
    relay.lie(true);
    connect(&desktop, &relay, "alice");
    let rejected = |link: &Link| matches!(link, Link::Waiting { detail, .. } if detail.contains("chain"));
    until(&desktop, || rejected(&desktop.sync_status().link));
    assert_eq!(settings(&desktop)["base"]["editor.tabSize"], 2, "nothing of it was stored");
    desktop.disconnect();
    relay.lie(false);
    sync(&desktop, &relay, "alice");
    assert_eq!(settings(&desktop)["base"]["editor.tabSize"], 4);
}

#[test]
fn a_cold_device_gets_snapshots_in_parts_and_the_tail_after_them() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let laptop = house.open("laptop");
    let note = laptop.create("note", Some("long"), None).unwrap();
    for number in 0..200 {
        note.edit(|draft| draft.splice("/body", number, 0, "x")).unwrap();
    }
    sync(&laptop, &relay, "alice");
    relay.make_snapshot(relay.personal("alice"), note.id());
    note.edit(|draft| draft.splice("/body", 0, 0, "tail")).unwrap();
    put(&laptop, TAB_SIZE, 2);
    sync(&laptop, &relay, "alice");
    let desktop = house.open("desktop");
    sync(&desktop, &relay, "alice");
    let theirs = desktop.find("long").unwrap();
    assert_eq!(theirs.text("/body").unwrap(), note.text("/body").unwrap());
    assert_eq!(settings(&desktop), settings(&laptop));
    theirs.edit(|draft| draft.splice("/body", 0, 4, "head")).unwrap();
    sync(&desktop, &relay, "alice");
    sync(&laptop, &relay, "alice");
    assert!(note.text("/body").unwrap().unwrap().starts_with("headx"));
    drop((theirs, desktop));
    let desktop = house.open("desktop");
    assert!(desktop.find("long").unwrap().text("/body").unwrap().unwrap().starts_with("headx"));
}

#[test]
fn a_change_that_cannot_be_applied_holds_its_document_and_no_other() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    put(&vault, TAB_SIZE, 2);
    let note = vault.create("note", Some("fine"), None).unwrap();
    sync(&vault, &relay, "alice");
    let space = relay.personal("alice");
    let id = vault.well_known("settings").unwrap().id();
    let head = relay.entries(space).iter().rfind(|entry| entry.document == id).unwrap().hash;
    relay.append(space, id, &dangling(head));
    note.edit(|draft| draft.replace_text("/body", "goes on")).unwrap();
    sync(&vault, &relay, "alice");
    let settings = vault.well_known("settings").unwrap();
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(2.into()), "what can be shown is shown");
    let refused = settings.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap_err();
    assert_eq!(refused.code(), "held", "{refused}");
    vault.flush().unwrap(); // that it is held is written down beside everything else
    assert!(settings.status().unwrap().held.is_some());
    assert_eq!(note.status().unwrap().state, DocumentState::Synced);
}

/// A change that passes every rule of its header and types into a text that is not in the document.
pub(crate) fn dangling(head: sync_wire::ChangeHash) -> document::Change {
    let mut made = document::Document::new(None);
    let mut type_a = || {
        let actor = sync_wire::Actor([3; 16]);
        made.edit::<_, document::Violation>(actor, |draft| draft.splice("/text", 0, 0, "a")).unwrap();
        made.seal(0).unwrap().unwrap().changes.pop().unwrap()
    };
    let first = type_a();
    let second = type_a();
    assert_eq!(second.header.deps, [first.header.hash]);
    let mut bytes = second.bytes.to_vec();
    let at = bytes.windows(32).position(|window| window == first.header.hash.0).unwrap();
    bytes[at..at + 32].copy_from_slice(&head.0);
    let hash = sha2::Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
    document::Change::parse(bytes.into()).unwrap()
}

#[test]
fn a_token_that_is_not_known_needs_a_person() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    put(&vault, TAB_SIZE, 2);
    connect(&vault, &relay, "mallory");
    let error = vault.wait_until_settled(SOON).unwrap_err();
    assert!(matches!(error, SyncError::Blocked { .. }), "{error:?}");
    assert_eq!(error.code(), "unauthenticated");
    assert!(error.to_string().contains("log in again"), "{error}");
    assert_eq!(settings(&vault)["base"]["editor.tabSize"], 2);
}

#[test]
fn a_relay_that_is_not_there_is_tried_again() {
    let house = House::new();
    let vault = house.open("a");
    assert!(matches!(vault.wait_until_settled(SOON), Err(SyncError::NotConnected)));
    vault.connect(Connection::new("http://127.0.0.1:9").token("t")).unwrap();
    let error = vault.wait_until_settled(Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, SyncError::Timeout { .. }), "{error:?}");
    vault.disconnect();
    assert_eq!(vault.sync_status().link, Link::Off);
}

#[test]
fn one_process_syncs_and_pushes_what_the_other_saves() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (editor, command) = (house.open("v"), house.open("v"));
    sync(&editor, &relay, "alice");
    connect(&editor, &relay, "alice");
    editor.wait_until_settled(SOON).unwrap();
    connect(&command, &relay, "alice");
    put(&command, TAB_SIZE, 2);
    let space = relay.personal("alice");
    until(&editor, || relay.entries(space).len() == 2);
    assert_eq!(settings(&editor)["base"]["editor.tabSize"], 2);
    assert_ne!(command.sync_status().link, Link::Online);
    editor.disconnect();
    command.wait_until_settled(SOON).unwrap();
}
