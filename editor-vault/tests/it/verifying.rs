//! The thorough look at a vault, derived data made again, and why a document is as it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use editor_vault::{OpenError, RemoteFileSystem, Sources, System, Vault, VaultOptions};

use crate::house::{House, TAB_SIZE};

/// A closed vault with a note of some edits, and settings.
fn furnished(house: &House) -> std::path::PathBuf {
    let vault = house.open("a");
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let note = vault.create("note", Some("diary"), None).unwrap();
    for number in 0..12 {
        note.edit(|draft| draft.put("/name", format!("day {number}").into())).unwrap();
    }
    note.edit(|draft| draft.put("/name", "diary".into())).unwrap();
    let file = vault.file().to_path_buf();
    drop((note, vault));
    file
}

fn damage(file: &Path, sql: &str) {
    rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

fn codes(vault: &Vault) -> Vec<&'static str> {
    vault.verify().unwrap().iter().map(|finding| finding.code).collect()
}

#[test]
fn a_sound_vault_verifies() {
    let house = House::new();
    furnished(&house);
    let vault = house.open("a");
    assert_eq!(vault.verify().unwrap(), []);
    vault.find("diary").unwrap().text("/body").unwrap();
    vault.flush().unwrap();
    assert_eq!(codes(&vault), [""; 0], "with what was loaded");
}

#[test]
fn every_kind_of_damage_is_found() {
    let newest = "(SELECT max(id) FROM changes)";
    let cases = [
        (format!("UPDATE changes SET bytes = zeroblob(length(bytes)) WHERE id = {newest}"), "damaged_change"),
        (format!("UPDATE changes SET hash = zeroblob(32) WHERE id = {newest}"), "damaged_change"),
        (format!("UPDATE changes SET seq = 7000 WHERE id = {newest}"), "seq_gap"),
        ("UPDATE batches SET hashes = zeroblob(32)".to_owned(), "batch_wrong"),
        ("UPDATE documents SET point = 0".to_owned(), "point_wrong"),
        ("UPDATE documents SET title = 'another', title_is_stale = 0 WHERE type = 'note'".to_owned(), "title_wrong"),
        (
            "PRAGMA foreign_keys = OFF;
             DELETE FROM changes WHERE id = (SELECT max(id) - 1 FROM changes)"
                .to_owned(),
            "seq_gap",
        ),
        ("UPDATE spaces SET epoch = zeroblob(8), position = 5, chain = zeroblob(32)".to_owned(), "resume_point_wrong"),
        (
            "INSERT INTO snapshots SELECT id, 2, 1, zeroblob(32), 1, zeroblob(32), x'00' FROM documents LIMIT 1"
                .to_owned(),
            "snapshot_wrong",
        ),
    ];
    for (sql, expected) in cases {
        let house = House::new();
        let file = furnished(&house);
        damage(&file, &sql);
        let found = codes(&house.open("a"));
        assert!(found.contains(&expected), "{sql}: {found:?}");
    }
}

#[test]
fn a_rebuild_heals_what_is_derived_and_keeps_every_change() {
    let house = House::new();
    let file = furnished(&house);
    damage(
        &file,
        "UPDATE documents SET point = 0, title = 'another', title_is_stale = 0;
         INSERT INTO snapshots SELECT id, 2, 1, zeroblob(32), 1, zeroblob(32), x'00' FROM documents LIMIT 1",
    );
    let vault = house.open("a");
    let before = changes(&file);
    let rebuilt = vault.rebuild().unwrap();
    assert_eq!((rebuilt.documents, rebuilt.snapshots_dropped), (2, 1));
    assert_eq!(codes(&vault), [""; 0]);
    assert_eq!(vault.find("diary").unwrap().get("/name").unwrap(), Some("diary".into()));
    drop(vault);
    assert_eq!(changes(&file), before);
}

fn changes(file: &Path) -> Vec<Vec<u8>> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut statement = connection.prepare("SELECT bytes FROM changes ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_explanation_says_in_plain_words_where_a_document_stands() {
    let house = House::new();
    let file = furnished(&house);
    let vault = house.open("a");
    let note = vault.find("diary").unwrap();
    let local = vault.explain(&note).unwrap();
    assert_eq!((local.state, local.lane.state), ("saved", "local"));
    assert!(local.batches.pending > 0 && local.changes.rows > 0, "{local:?}");
    assert!(local.summary.contains("log in"), "{}", local.summary);
    assert_eq!(serde_json::to_value(&local).unwrap()["document"], note.id().to_string());
    drop((note, vault));

    damage(
        &file,
        "UPDATE spaces SET kind = 1, role = 3, epoch = zeroblob(8), salt = zeroblob(32), chain = zeroblob(32);
         UPDATE batches SET state = 3, code = 34, judged_by = 1, detail = 'full' WHERE id = (SELECT max(id) FROM batches)",
    );
    let vault = house.open("a");
    let parked = vault.explain(&vault.find("diary").unwrap()).unwrap();
    assert_eq!((parked.state, parked.lane.state), ("parked", "closed"));
    assert!(parked.summary.contains("quota"), "{}", parked.summary);
    let batch = parked.open_batches.iter().find(|batch| batch.state == "parked").unwrap();
    assert_eq!((batch.code, batch.detail.as_deref()), (Some("quota"), Some("full")));
    assert_eq!(parked.lane.closed_by, Some(batch.batch));
    let settings = vault.explain(&vault.well_known("settings").unwrap()).unwrap();
    assert_eq!(settings.lane.state, "open", "the lane of another document");
    assert_eq!(vault.explain(&vault.well_known("keymap").unwrap()).unwrap_err().code(), "not_found");
}

/// The sources of an ordinary process, on a network disk.
#[derive(Debug, Default)]
struct OnNfs(System);

impl Sources for OnNfs {
    fn unix_milliseconds(&self) -> i64 {
        self.0.unix_milliseconds()
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
    fn boot_id(&self) -> Option<String> {
        self.0.boot_id()
    }
    fn state_dir(&self) -> Option<std::path::PathBuf> {
        None
    }
    fn remote_file_system(&self, _: &Path) -> Option<RemoteFileSystem> {
        Some(RemoteFileSystem::NFS)
    }
}

#[test]
fn on_a_network_file_system_there_is_no_write_ahead_log_and_one_program() {
    let house = House::new();
    let file = furnished(&house);
    let open = || VaultOptions::new(house.path("a")).sources(Arc::new(OnNfs::default())).open();
    let vault = open().unwrap();
    let note = vault.find("diary").unwrap();
    assert_eq!(note.get("/name").unwrap(), Some("diary".into()), "what was saved elsewhere is there");
    note.edit(|draft| draft.put("/name", "far away".into())).unwrap();
    assert!(!file.with_file_name("vault.sqlite-wal").exists() && !file.with_file_name("vault.sqlite-shm").exists());
    assert_eq!(vault.remote_file_system(), Some(RemoteFileSystem::NFS));
    let findings = vault.doctor().unwrap();
    assert!(findings.iter().any(|finding| finding.code == "network_file_system" && finding.detail.contains("NFS")));
    let refused = open().unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert_eq!(refused.code(), "in_use");
    assert!(refused.to_string().contains("NFS") && refused.to_string().contains("local disk"), "{refused}");
    drop((note, vault));
    assert_eq!(open().unwrap().find("far away").unwrap().get("/name").unwrap(), Some("far away".into()));
}

/// A process that ends, or a machine without power, in the middle of a commit leaves the journal that takes it back.
#[test]
fn what_a_commit_on_a_network_file_system_left_half_done_is_taken_back_when_the_vault_is_opened() {
    let house = House::new();
    let file = furnished(&house);
    let open = |name: &str| VaultOptions::new(house.path(name)).sources(Arc::new(OnNfs::default())).open();
    drop(open("a").unwrap());
    let before = std::fs::read(&file).unwrap();
    let connection = rusqlite::Connection::open(&file).unwrap();
    // With so small a cache what is not committed yet goes to the file.
    connection.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    connection.execute_batch("UPDATE changes SET bytes = randomblob(length(bytes)); DELETE FROM batches").unwrap();
    std::fs::create_dir(house.path("b")).unwrap();
    for name in ["vault.sqlite", "vault.sqlite-journal"] {
        std::fs::copy(file.with_file_name(name), house.path("b").join(name)).unwrap();
    }
    assert_ne!(std::fs::read(house.path("b").join("vault.sqlite")).unwrap(), before, "half done");
    let vault = open("b").unwrap();
    assert!(vault.find("diary").is_ok());
    assert_eq!(vault.verify().unwrap(), []);
}
