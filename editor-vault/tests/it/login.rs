//! From a local space to an account: nothing moves, nothing doubles, nobody else's space is touched.

use editor_vault::{Connection, ListFilter, SyncError};

use crate::house::{House, SOON, TAB_SIZE, count};
use crate::relay::Relay;
use crate::syncing::{connect, sync};

#[test]
fn offline_work_moves_into_the_account_and_old_handles_go_on() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    let local = vault.home();
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    let note = vault.create("note", Some("before"), None).unwrap();
    note.edit_deferred(|draft| draft.splice("/body", 0, 0, "typed")).unwrap();
    sync(&vault, &relay, "alice");
    let personal = relay.personal("alice");
    assert_eq!((vault.home(), vault.resolve(local)), (personal, personal));
    assert_eq!((note.space(), settings.space()), (personal, personal));
    note.edit(|draft| draft.splice("/body", 5, 0, " more")).unwrap();
    let through_alias = vault.document(local, note.id()).unwrap();
    assert_eq!(through_alias.text("/body").unwrap().as_deref(), Some("typed more"));
    assert_eq!(vault.list(&ListFilter { space: Some(local), ..ListFilter::default() }).unwrap().len(), 2);
    sync(&vault, &relay, "alice");
    let file = vault.file().to_path_buf();
    drop((settings, note, through_alias, vault));
    let pushed = relay.entries(personal).len();
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), i64::try_from(pushed).unwrap());
    assert_eq!(count(&file, "SELECT count(DISTINCT actor) FROM changes WHERE seq > 1"), 1, "one name before and after");
}

#[test]
fn bytes_stay_as_they_were() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    let before = house.path("before.sqlite");
    vault.backup(&before).unwrap();
    sync(&vault, &relay, "alice");
    let after = house.path("after.sqlite");
    vault.backup(&after).unwrap();
    let digest = "SELECT sum(length(bytes) * id) + count(DISTINCT hash) FROM changes";
    assert_eq!(count(&before, digest), count(&after, digest));
}

#[test]
fn a_restore_point_is_made_before_the_first_login() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    sync(&vault, &relay, "alice");
    let points: Vec<_> = std::fs::read_dir(house.path("a").join("restore-points")).unwrap().collect();
    assert_eq!(points.len(), 1);
    let point = points[0].as_ref().unwrap().path();
    assert_eq!(count(&point, "SELECT count(*) FROM changes"), 2);
    assert_eq!(count(&point, "SELECT count(*) FROM spaces WHERE kind IS NULL"), 1, "as before the login");
    let empty = house.open("b");
    sync(&empty, &relay, "alice");
    assert!(!house.path("b").join("restore-points").exists(), "there was nothing to lose");
}

#[test]
fn a_restore_point_is_made_before_a_vault_joins_an_account_that_has_documents() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let first = house.open("a");
    first.create("note", Some("in the account"), None).unwrap();
    sync(&first, &relay, "alice");
    let second = house.open("b");
    second.create("note", Some("in the vault"), None).unwrap();
    second.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    sync(&second, &relay, "alice");
    assert_eq!(second.list(&ListFilter::default()).unwrap().len(), 3);
    let points: Vec<_> = std::fs::read_dir(house.path("b").join("restore-points")).unwrap().collect();
    assert_eq!(points.len(), 1);
    let point = points[0].as_ref().unwrap().path();
    assert_eq!(count(&point, "SELECT count(*) FROM documents"), 2, "as before the two were joined");
}

#[test]
fn seeds_that_two_devices_made_alike_are_one_change() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    for name in ["a", "b"] {
        let vault = house.open(name);
        vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
        sync(&vault, &relay, "alice");
    }
    let vault = house.open("a");
    sync(&vault, &relay, "alice");
    let personal = relay.personal("alice");
    assert_eq!(relay.entries(personal).len(), 3, "one root seed and two changes");
    let file = vault.file().to_path_buf();
    drop(vault);
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), 3);
    assert_eq!(count(&house.path("b").join("vault.sqlite"), "SELECT count(*) FROM batches WHERE state <> 2"), 0);
}

#[test]
fn another_account_is_refused_and_nothing_is_pushed_to_it() {
    let (house, relay) = (House::new(), Relay::start(&["alice", "bob"]));
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    sync(&vault, &relay, "alice");
    settings.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let pushed = relay.pushes().len();
    connect(&vault, &relay, "bob");
    let error = vault.wait_until_settled(SOON).unwrap_err();
    assert!(matches!(&error, SyncError::Blocked { detail, .. } if detail.contains("another vault")), "{error}");
    vault.disconnect();
    assert_eq!(relay.pushes().len(), pushed);
    assert!(relay.entries(relay.personal("bob")).is_empty());
    assert_eq!(vault.home(), relay.personal("alice"));
    sync(&vault, &relay, "alice");
    assert_eq!(settings.status().unwrap().pending_batches, 0, "its own account goes on");
}

#[test]
fn credentials_are_kept_beside_the_vault_and_forgotten_on_wish() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    assert_eq!(vault.login_stored().unwrap(), None);
    assert_eq!(vault.connect_stored().unwrap_err().code(), "not_logged_in");
    vault.set_login(&relay.url, "alice").unwrap();
    assert!(!format!("{:?}", vault.login_stored().unwrap()).contains("alice"));
    vault.connect_stored().unwrap();
    vault.wait_until_settled(SOON).unwrap();
    vault.clear_login().unwrap();
    vault.clear_login().unwrap();
    assert_eq!(vault.login_stored().unwrap(), None);
    assert_eq!(vault.set_login("relay", "t").unwrap_err().code(), "relay_url");
    assert_eq!(vault.set_login("https://relay", "a b").unwrap_err().code(), "token");
    assert!(vault.connect(Connection::new("ftp://relay").token("t")).is_err());
}

#[test]
fn another_process_learns_of_the_login() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (editor, command) = (house.open("v"), house.open("v"));
    let local = editor.home();
    let settings = editor.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    sync(&command, &relay, "alice");
    // Even before it has noticed, its edits go where they belong.
    settings.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    sync(&command, &relay, "alice");
    assert_eq!(relay.entries(relay.personal("alice")).len(), 3);
    let watch = editor.watch();
    for _ in 0..100 {
        if editor.home() != local {
            break;
        }
        watch.next(std::time::Duration::from_millis(100));
    }
    assert_eq!(settings.space(), relay.personal("alice"));
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(4.into()));
}
