//! Opening, damage, versions, backup, doctor.

use std::path::Path;

use relay_storage::{Finding, OpenError, ReceiptKeys, Shell, Storage, StorageOptions, StorageUrl, system_random};
use rusqlite::Connection;
use sync_wire::{Position, SpaceKind};

use crate::verifying::project;
use crate::world::{Author, DOCUMENT, Relay, THREADS, on_each_shell, wait};

fn open(path: &Path) -> Result<Storage, OpenError> {
    let options = StorageOptions::new(ReceiptKeys::from_secret(7, [9; 32]));
    Storage::open_blocking(&StorageUrl::Sqlite(path.to_owned()), options)
}

/// Opens `path`, expects a refusal with this code that names the path, and the file as it was.
fn check_refused(path: &Path, code: &str) {
    let before = std::fs::read(path).ok();
    let error = open(path).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert_eq!(std::fs::read(path).ok(), before, "untouched");
}

/// A closed relay with something in it.
fn furnished() -> (Relay, std::path::PathBuf) {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    relay.appended(&ada, DOCUMENT, &Author::new("one").edits(300));
    wait(relay.storage.close());
    let path = relay.path.clone();
    (relay, path)
}

#[test]
fn a_file_of_a_newer_version_is_refused_untouched() {
    let (_relay, path) = furnished();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2 << 16).unwrap();
    check_refused(&path, "storage_too_new");
    // A newer minor version is readable by this build.
    Connection::open(&path).unwrap().pragma_update(None, "user_version", (1 << 16) + 999).unwrap();
    open(&path).unwrap();
}

#[test]
fn a_file_that_is_not_ours_is_refused_untouched() {
    let (_relay, path) = furnished();
    Connection::open(&path).unwrap().pragma_update(None, "application_id", 1234).unwrap();
    check_refused(&path, "storage_foreign");
    let plain = path.with_file_name("plain.sqlite");
    Connection::open(&plain).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    check_refused(&plain, "storage_foreign");
}

#[test]
fn a_file_that_is_no_database_or_damaged_is_refused_untouched() {
    let (_relay, path) = furnished();
    let whole = std::fs::read(&path).unwrap();
    let garbage: Vec<u8> = (0..8192_u32).map(|at| (at * 31 % 251) as u8).collect();
    for bytes in [&garbage[..], b"hello", &whole[..whole.len() / 2 + 100]] {
        let file = path.with_file_name("damaged.sqlite");
        std::fs::write(&file, bytes).unwrap();
        let before = std::fs::read(&file).unwrap();
        match open(&file) {
            Err(error) => assert_eq!(error.code(), "storage_corrupt", "{error}"),
            // A file that lost its tail opens: its head is sound. Doctor sees the rest.
            Ok(storage) => assert_ne!(wait(storage.doctor()).unwrap(), []),
        }
        if bytes.len() < 10_000 {
            assert_eq!(std::fs::read(&file).unwrap(), before, "untouched");
        }
    }
}

#[test]
fn a_place_that_cannot_hold_a_file_is_named() {
    let (_relay, path) = furnished();
    let missing = path.with_file_name("missing").join("relay.sqlite");
    check_refused(&missing, "storage_directory_missing");
    check_refused(&path.join("below a file"), "storage_not_accessible");
    check_refused(path.parent().unwrap(), "storage_not_accessible");
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_takes_no_files_is_named() {
    // Not even root may write there.
    check_refused(Path::new("/sys/relay.sqlite"), "storage_not_accessible");
}

#[cfg(unix)]
#[test]
fn the_file_is_for_the_relay_alone() {
    use std::os::unix::fs::PermissionsExt;
    let relay = Relay::new(THREADS);
    relay.account("ada");
    for entry in std::fs::read_dir(relay.path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn a_backup_is_whole_and_opens() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        relay.appended(&ada, DOCUMENT, &author.edits(50));
        let token = wait(relay.storage.create_token(ada.account.id, "laptop")).unwrap();
        let copy = relay.path.with_file_name("copy.sqlite");
        wait(relay.storage.backup(&copy)).unwrap();
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        let restored = open(&copy).unwrap();
        assert_eq!(wait(restored.end_of(ada.space)).unwrap().unwrap().position, Position(50));
        assert!(wait(restored.authenticate(&token.secret)).unwrap().is_some());
        assert!(wait(restored.doctor()).unwrap().is_empty());
        assert_eq!(wait(relay.storage.backup(&copy)).unwrap_err().code(), "backup_exists");
        let nowhere = relay.path.with_file_name("missing").join("copy.sqlite");
        assert_eq!(wait(relay.storage.backup(&nowhere)).unwrap_err().code(), "backup_io");
    });
}

#[test]
fn doctor_finds_what_was_changed_behind_the_relays_back() {
    let cases = [
        ("UPDATE log SET batch = zeroblob(16) WHERE log_key & 1023 = 5", "digest_wrong"),
        ("UPDATE log SET digest = zeroblob(32) WHERE log_key & 1023 = 5", "chain_wrong"),
        ("DELETE FROM log WHERE log_key & 1023 = 5", "position_missing"),
        ("DELETE FROM log WHERE log_key & 1023 = 300", "end_wrong"),
        ("UPDATE documents SET bytes = bytes + 1", "document_counts_wrong"),
        ("UPDATE documents SET checked_position = 999", "checked_beyond_end"),
    ];
    for (damage, expected) in cases {
        let (relay, path) = furnished();
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let found = relay.second().findings();
        assert!(found.contains(&expected), "{damage}: {found:?}");
    }
}

#[test]
fn whatever_page_is_damaged_every_look_lists_what_it_finds() {
    const PAGE: usize = 4096;
    let (_relay, path) = furnished();
    let whole = std::fs::read(&path).unwrap();
    let mut looked_at = 0;
    for page in 1..whole.len() / PAGE {
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..PAGE].fill(0x5a);
        let file = path.with_file_name(format!("damaged {page}.sqlite"));
        std::fs::write(&file, bytes).unwrap();
        // Of some pages a relay says as it starts that they are damaged.
        let Ok(storage) = open(&file) else { continue };
        looked_at += 1;
        let verified = wait(storage.verify(None, &project())).unwrap().findings;
        for found in [wait(storage.check_pages()), wait(storage.doctor()), Ok(verified)] {
            assert!(found.unwrap().iter().any(Finding::is_of_pages), "page {page}");
        }
        wait(storage.close());
    }
    assert!(looked_at > 10, "{looked_at}");
}

#[test]
fn damage_of_one_document_does_not_stop_the_others() {
    let (relay, path) = furnished();
    Connection::open(&path).unwrap().execute_batch("UPDATE documents SET frontier = x'ff'").unwrap();
    let relay = relay.second();
    let bob = relay.pusher("bob");
    let ada = wait(relay.storage.account_named("ada")).unwrap().unwrap();
    let grant = relay.role(&ada, ada.personal_space);
    let ada = crate::world::Pusher { space: ada.personal_space, account: ada, grant, ..bob.clone() };
    let requests =
        vec![ada.push(DOCUMENT, &[&Author::new("one").edits(1)]), bob.push(DOCUMENT, &[&Author::new("two").edits(1)])];
    let outcomes = wait(relay.storage.append(requests)).unwrap().concat();
    assert_eq!(crate::world::code(&outcomes[0].1), relay_storage::HELD);
    assert_eq!(crate::world::position(&outcomes[1].1), 1);
}

#[test]
fn a_frontier_that_was_not_stored_is_made_again_from_the_rows() {
    let (relay, path) = furnished();
    let rewind = "UPDATE documents SET frontier_position = 0,
                  frontier = CAST(x'01' || zeroblob(16) AS BLOB)";
    Connection::open(&path).unwrap().execute_batch(rewind).unwrap();
    let relay = relay.second();
    assert_eq!(relay.findings(), [""; 0]);
    let ada = wait(relay.storage.account_named("ada")).unwrap().unwrap();
    let grant = relay.role(&ada, ada.personal_space);
    let ada =
        crate::world::Pusher { device: crate::world::device("ada"), space: ada.personal_space, account: ada, grant };
    let mut author = Author::new("one");
    author.edits(300);
    assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(301));
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_moment_after() {
    let relay = Relay::new(Shell::Inline);
    let ada = relay.pusher("ada");
    let mut author = Author::new("one");
    for round in 0..6_u64 {
        let acknowledged = relay.appended(&ada, DOCUMENT, &author.edits(40)).position;
        // The files as a killed process leaves them: nothing was closed, the write-ahead log was not moved.
        let crashed = relay.path.with_file_name(format!("crashed {round}.sqlite"));
        for suffix in ["", "-wal"] {
            let with_suffix = |path: &Path| format!("{}{suffix}", path.display());
            std::fs::copy(with_suffix(&relay.path), with_suffix(&crashed)).unwrap();
        }
        let restarted = open(&crashed).unwrap();
        assert_eq!(wait(restarted.end_of(ada.space)).unwrap().unwrap().position, acknowledged);
        assert_eq!(wait(restarted.doctor()).unwrap(), []);
        let next = ada.push(DOCUMENT, &[&author.clone().edits(1)]);
        let outcomes = wait(restarted.append(vec![next])).unwrap().concat();
        assert_eq!(crate::world::position(&outcomes[0].1), acknowledged.0 + 1);
    }
}

#[test]
fn receipt_keys_are_made_once_and_read_ever_after() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("receipt-keys");
    let place = (sync_wire::SpaceId([1; 16]), sync_wire::Epoch([2; 8]), Position(3), sync_wire::Chain([4; 32]));
    let first = ReceiptKeys::load_or_create(&path, &system_random()).unwrap();
    let receipt = first.sign(place.0, place.1, place.2, &place.3);
    let second = ReceiptKeys::load_or_create(&path, &system_random()).unwrap();
    assert!(second.verifies(&receipt, place.0, place.1, place.2, &place.3));
    // A key that was put after it signs from now on; the old one goes on verifying.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}2 {}\n", "ab".repeat(32))).unwrap();
    let third = ReceiptKeys::load_or_create(&path, &system_random()).unwrap();
    assert!(third.verifies(&receipt, place.0, place.1, place.2, &place.3));
    assert_eq!(third.sign(place.0, place.1, place.2, &place.3).key, 2);
    std::fs::write(&path, "nonsense").unwrap();
    assert_eq!(ReceiptKeys::load_or_create(&path, &system_random()).unwrap_err().code(), "receipt_keys_malformed");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no drafts are left");
}

#[test]
fn the_same_calls_give_the_same_file_when_clock_and_randomness_are_the_same() {
    let ids = || {
        let directory = tempfile::tempdir().unwrap();
        let mut options = StorageOptions::new(ReceiptKeys::from_secret(7, [9; 32]));
        let counter = std::sync::atomic::AtomicU8::new(0);
        options.random = std::sync::Arc::new(move |bytes| {
            bytes.fill(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        });
        options.clock = std::sync::Arc::new(|| 1);
        let url = StorageUrl::Sqlite(directory.path().join("relay.sqlite"));
        let storage = Storage::open_blocking(&url, options).unwrap();
        let ada = wait(storage.create_account("ada")).unwrap();
        let space = wait(storage.create_space("team", SpaceKind::Team, Some(ada.id))).unwrap();
        (ada.clone(), space, wait(storage.create_token(ada.id, "")).unwrap().secret)
    };
    assert_eq!(ids(), ids());
}
