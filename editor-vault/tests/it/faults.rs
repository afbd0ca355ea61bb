//! What is broken outside: each a coded error with value, rule and remedy, and nothing lost.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use editor_vault::{EditError, OpenError, Unsaved, Vault};

use crate::house::{House, TAB_SIZE, count};

fn with_settings(house: &House, name: &str) -> std::path::PathBuf {
    let vault = house.open(name);
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    vault.file().to_path_buf()
}

fn refusal(house: &House, name: &str) -> OpenError {
    house.options(name).open().unwrap_err()
}

#[test]
fn a_newer_vault_is_refused_untouched() {
    let house = House::new();
    let file = with_settings(&house, "a");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 2_000).unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let error = refusal(&house, "a");
    assert!(matches!(error, OpenError::TooNew { found: 2, supported: 1, .. }), "{error}");
    assert!(error.to_string().contains("install a newer release"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

/// So it can be opened and read where nothing can be written.
#[test]
fn a_vault_that_is_opened_and_read_is_not_written() {
    let house = House::new();
    let file = with_settings(&house, "a");
    drop(house.open("a")); // the first opening may have something to do
    let before = std::fs::read(&file).unwrap();
    let vault = house.open("a");
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
    let log = std::fs::metadata(file.with_file_name("vault.sqlite-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "nothing is on its way into the file");
    drop(vault);
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_newer_minor_version_is_opened() {
    let house = House::new();
    let file = with_settings(&house, "a");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 1_007).unwrap();
    drop(connection);
    assert_eq!(house.open("a").well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    let house = House::new();
    let file = with_settings(&house, "a");
    let garbage = vec![0x5a; 40_960];
    std::fs::write(&file, &garbage).unwrap();
    let error = refusal(&house, "a");
    assert_eq!(error.code(), "corrupt", "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), garbage);
}

#[test]
fn a_truncated_vault_is_refused_or_reported() {
    let house = House::new();
    let file = with_settings(&house, "a");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    match house.options("a").open() {
        Err(error) => assert_eq!(error.code(), "corrupt", "{error}"),
        Ok(vault) => assert!(vault.doctor().map_or(true, |findings| !findings.is_empty())),
    }
}

#[test]
fn the_file_of_another_program_is_refused_untouched() {
    let house = House::new();
    std::fs::create_dir(house.path("a")).unwrap();
    let file = house.path("a").join("vault.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x); PRAGMA application_id = 77").unwrap();
    drop(connection);
    let error = refusal(&house, "a");
    assert!(matches!(error, OpenError::NotAVault { found: 77, .. }), "{error}");
    assert_eq!(count(&file, "SELECT count(*) FROM sqlite_schema"), 1);
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let house = House::new();
    std::fs::write(house.path("a"), "mine").unwrap();
    assert_eq!(refusal(&house, "a").code(), "not_a_directory");
    assert_eq!(std::fs::read_to_string(house.path("a")).unwrap(), "mine");
}

#[test]
fn a_path_that_cannot_be_made_is_refused() {
    let error = Vault::open("/proc/no/vault").unwrap_err();
    assert_eq!(error.code(), "create_directory", "{error}");
    assert!(error.to_string().contains("/proc/no/vault"), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    // Even root cannot make files there, so this holds whoever runs it.
    let error = Vault::open("/proc").unwrap_err();
    assert!(matches!(&error, OpenError::ReadOnly { path } if path.as_os_str() == "/proc"), "{error:?}");
    assert!(error.to_string().contains("change its permissions"), "{error}");
}

#[test]
fn a_path_with_spaces_is_a_path() {
    let house = House::new();
    with_settings(&house, "my vault ü");
    assert!(house.path("my vault ü").join("vault.sqlite").exists());
}

#[test]
fn a_vault_is_readable_by_its_owner_only() {
    let house = House::new();
    let file = with_settings(&house, "a");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&house.path("a")), 0o700);
    assert_eq!(mode(&file), 0o600);
    let vault = house.open("a");
    vault.set_login("https://relay.example.com", "t0ken").unwrap();
    assert_eq!(mode(&house.path("a").join("credentials")), 0o600);
}

#[test]
fn without_a_place_for_state_every_process_writes_under_its_own_name() {
    let house = House::without_state();
    for number in 0..3 {
        house.open("a").well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, number.into())).unwrap();
    }
    let file = house.path("a").join("vault.sqlite");
    assert_eq!(count(&file, "SELECT count(DISTINCT actor) FROM changes"), 1 + 3, "a root seed and three processes");
}

#[test]
fn a_full_disk_fails_the_edit_and_loses_nothing() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", "kept")).unwrap();
    editor_vault::doctest::fill_disk(&vault).unwrap();
    let large = incompressible(60_000);
    let failed = note.edit(|draft| draft.replace_text("/body", &large)).unwrap_err();
    assert_eq!(failed.code(), "disk_full", "{failed}");
    let edit = handed_back(Err(failed));
    assert_eq!((edit.document(), edit.intents().len()), (note.id(), 1));
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("kept"), "as it was saved last");
    editor_vault::doctest::fill_disk(&vault).unwrap();
    let (_, ticket) = note.edit_deferred(|draft| draft.replace_text("/body", &large)).unwrap();
    assert_eq!(ticket.wait().unwrap_err().code(), "disk_full");
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("kept"));
    editor_vault::doctest::fill_disk(&vault).unwrap();
    assert_eq!(vault.save_again(&edit).unwrap_err().code(), "disk_full");
    editor_vault::doctest::free_disk(&vault).unwrap();
    vault.save_again(&edit).unwrap();
    let id = note.id();
    drop((note, vault));
    let vault = house.open("a");
    assert_eq!(vault.document(vault.home(), id).unwrap().text("/body").unwrap(), Some(large));
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn what_a_full_disk_did_not_take_is_saved_again_in_its_order_and_once() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    note.edit(|draft| draft.replace_text("/body", "a")).unwrap();
    editor_vault::doctest::fill_disk(&vault).unwrap();
    let large = incompressible(60_000);
    // Two steps that would have been one change, and an edit that came after them.
    let typed = note.edit_deferred(|draft| {
        draft.splice("/body", 1, 0, &large)?;
        draft.splice("/body", 60_001, 0, "end")
    });
    let (_, ticket) = typed.unwrap();
    let first = handed_back(ticket.wait());
    assert_eq!(first.intents().len(), 2);
    editor_vault::doctest::fill_disk(&vault).unwrap(); // which is forgotten with the connection that failed
    let second = handed_back(note.edit(|draft| draft.put("/banner", large.as_str().into())));
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("a"), "as it was saved last");
    editor_vault::doctest::free_disk(&vault).unwrap();
    for edit in [&first, &second, &second, &first] {
        vault.save_again(edit).unwrap();
    }
    assert_eq!(note.text("/body").unwrap(), Some(format!("a{large}end")));
    assert_eq!(note.get("/banner").unwrap(), Some(large.into()));
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn a_document_that_a_full_disk_did_not_take_is_made_when_its_first_edit_is_saved_again() {
    let house = House::new();
    let vault = house.open("a");
    editor_vault::doctest::fill_disk(&vault).unwrap();
    let title = incompressible(40_000);
    let edit = handed_back(vault.create("note", Some(&title), None).map(drop));
    assert_eq!(vault.document(edit.space(), edit.document()).unwrap_err().code(), "not_found");
    editor_vault::doctest::free_disk(&vault).unwrap();
    vault.save_again(&edit).unwrap();
    let note = vault.document(edit.space(), edit.document()).unwrap();
    assert_eq!((note.type_name().unwrap().as_deref(), note.get("/name").unwrap()), (Some("note"), Some(title.into())));
}

fn handed_back(outcome: Result<(), EditError>) -> Unsaved {
    match outcome {
        Err(EditError::NotSaved { edit: Some(edit), .. }) => edit,
        other => panic!("not handed back: {other:?}"),
    }
}

fn incompressible(bytes: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_damaged_change_is_found_by_verify_and_holds_only_its_document() {
    let house = House::new();
    let (good, bad) = {
        let vault = house.open("a");
        let good = vault.create("note", Some("good"), None).unwrap();
        let bad = vault.create("note", Some("bad"), None).unwrap();
        bad.edit(|draft| draft.replace_text("/body", "x")).unwrap();
        (good.id(), bad.id())
    };
    let connection = rusqlite::Connection::open(house.path("a").join("vault.sqlite")).unwrap();
    let damage = "UPDATE changes SET bytes = zeroblob(length(bytes)) WHERE id = (SELECT max(id) FROM changes)";
    connection.execute(damage, []).unwrap();
    drop(connection);
    let vault = house.open("a");
    let findings = vault.verify().unwrap();
    assert!(findings.iter().any(|finding| finding.code == "damaged_change"), "{findings:?}");
    let good = vault.document(vault.home(), good).unwrap();
    good.edit(|draft| draft.replace_text("/body", "y")).unwrap();
    let bad = vault.document(vault.home(), bad).unwrap();
    assert_eq!(bad.get("/name").unwrap(), Some("bad".into()), "what can be shown is shown");
    assert_eq!(bad.edit(|draft| draft.replace_text("/body", "z")).unwrap_err().code(), "held");
    vault.flush().unwrap();
    assert!(bad.status().unwrap().held.is_some());
}
