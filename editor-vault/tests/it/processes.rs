//! Several processes on one vault. Two handles opened apart share nothing in memory, as two processes do.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use editor_vault::{Connection, Link, ReadError, Vault};

use crate::house::{House, SOON, TAB_SIZE, count};
use crate::relay::Relay;

const CHILD: &str = "VAULT_TEST_SYNCING_CHILD";
const RELAY: &str = "VAULT_TEST_RELAY";

fn connect(vault: &Vault, url: &str) {
    vault.connect(Connection::new(url).token("alice")).unwrap();
}

/// Waits for the status of the sync thread; fails if it does not come.
fn until_link(vault: &Vault, is_it: impl Fn(&Link) -> bool) {
    let end = std::time::Instant::now() + SOON;
    while !is_it(&vault.sync_status().link) {
        assert!(std::time::Instant::now() < end, "{:?}", vault.sync_status());
        thread::yield_now();
    }
}

fn is_waiting(link: &Link) -> bool {
    *link == Link::InLine
}

/// Not a test of its own: the child of two below. It syncs until it is killed.
#[test]
fn child_that_syncs_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let vault = Vault::open(path).unwrap();
    connect(&vault, &std::env::var(RELAY).unwrap());
    until_link(&vault, |link| *link == Link::Online);
    println!("it syncs");
    loop {
        thread::park();
    }
}

/// Another process that syncs the vault `v` of a house.
fn syncing(house: &House, relay: &Relay) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["processes::child_that_syncs_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, house.path("v"))
        .env(RELAY, &relay.url)
        .env("XDG_STATE_HOME", house.path("state"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("it syncs")));
    child
}

/// Whether somebody waits inside the kernel for the lock of a file.
fn is_waited_for(file: &std::path::Path) -> bool {
    let inode = format!(":{} ", std::fs::metadata(file).unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.contains(&inode))
}

#[test]
fn what_another_process_saves_is_sent_by_the_one_that_syncs() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let mut child = syncing(&house, &relay);
    let vault = house.open("v");
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let end = std::time::Instant::now() + SOON;
    while relay.entries(relay.personal("alice")).len() < 2 {
        assert!(std::time::Instant::now() < end, "nobody woke it");
        thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn when_the_process_that_syncs_is_killed_the_kernel_gives_the_next_one_its_turn() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let mut child = syncing(&house, &relay);
    let vault = house.open("v");
    connect(&vault, &relay.url);
    until_link(&vault, is_waiting);
    let lock = house.path("v").join("sync.lock");
    assert!(is_waited_for(&lock), "it does not look now and then");
    child.kill().unwrap();
    child.wait().unwrap();
    until_link(&vault, |link| *link == Link::Online);
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    vault.wait_until_settled(SOON).unwrap();
}

#[test]
fn whoever_waits_for_its_turn_can_be_stopped_and_holds_nobody_up() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let (first, second, third) = (house.open("v"), house.open("v"), house.open("v"));
    connect(&first, &relay.url);
    until_link(&first, |link| *link == Link::Online);
    for vault in [&second, &third] {
        connect(vault, &relay.url);
        until_link(vault, is_waiting);
    }
    second.disconnect();
    connect(&second, &relay.url);
    second.disconnect();
    drop(first);
    until_link(&third, |link| *link == Link::Online);
    assert_eq!(second.sync_status().link, Link::Off);
}

/// Neither locks nor threads survive a fork, so the child keeps its hands off.
#[test]
fn a_vault_that_was_opened_before_a_fork_answers_forked_in_the_child() {
    const FORKED: i32 = 77;
    let house = House::new();
    let vault = house.open("v");
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let theirs = settings.clone();
    let mut command = Command::new("true");
    let in_child = move || match theirs.get(TAB_SIZE) {
        Err(ReadError::Forked { .. }) => Err(std::io::Error::from_raw_os_error(FORKED)),
        _ => Ok(()),
    };
    #[expect(unsafe_code, reason = "there is no other way to run something between fork and exec")]
    // SAFETY: it compares process ids, and ends.
    let command = unsafe { command.pre_exec(in_child) };
    assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(FORKED));
    assert_eq!(settings.get(TAB_SIZE).unwrap(), Some(4.into()), "the parent goes on");
    settings.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
}

/// A newer minor version only adds what an older one can do without.
#[test]
fn an_older_release_writes_while_a_newer_one_of_the_same_major_has_the_vault_open() {
    let house = House::new();
    let newer = house.open("v");
    let theirs = newer.well_known("settings").unwrap();
    theirs.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let file = rusqlite::Connection::open(newer.file()).unwrap();
    file.pragma_update(None, "user_version", 1_999).unwrap();
    let older = house.open("v");
    let ours = older.well_known("settings").unwrap();
    ours.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    theirs.edit(|draft| draft.put("/base/editor.fontSize", 13.into())).unwrap();
    let value = ours.edit(|draft| Ok(draft.value())).unwrap();
    assert_eq!(value["base"], serde_json::json!({ "editor.tabSize": 2, "editor.fontSize": 13 }));
    let version: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 1_999, "an older release does not take it back");
}

#[test]
fn each_sees_what_the_other_saved_before_it_edits() {
    let house = House::new();
    let (a, b) = (house.open("v"), house.open("v"));
    let (ours, theirs) = (a.well_known("settings").unwrap(), b.well_known("settings").unwrap());
    ours.edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    assert_eq!(theirs.edit(|draft| Ok(draft.get(TAB_SIZE))).unwrap(), Some(4.into()));
    theirs.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    // The later save wins although the first process had an older memory.
    ours.edit(|draft| draft.put(TAB_SIZE, 8.into())).unwrap();
    assert_eq!(theirs.edit(|draft| Ok(draft.get(TAB_SIZE))).unwrap(), Some(8.into()));
}

#[test]
fn a_watch_hints_what_another_process_saved() {
    let house = House::new();
    let (a, b) = (house.open("v"), house.open("v"));
    let ours = a.well_known("settings").unwrap();
    assert_eq!(ours.get(TAB_SIZE).unwrap(), None);
    let watch = a.watch();
    b.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    assert_eq!(watch.next(SOON).unwrap().document, ours.id());
    assert_eq!(ours.get(TAB_SIZE).unwrap(), Some(4.into()));
}

#[test]
fn two_writers_never_use_one_name_and_lose_nothing() {
    let house = House::new();
    let vaults = [house.open("v"), house.open("v"), house.open("v")];
    thread::scope(|scope| {
        for (process, vault) in vaults.iter().enumerate() {
            scope.spawn(move || {
                let settings = vault.well_known("settings").unwrap();
                for number in 0..30 {
                    settings.edit(|draft| draft.put(&format!("/base/{process}-{number}"), number.into())).unwrap();
                }
            });
        }
    });
    let file = vaults[0].file().to_path_buf();
    drop(vaults);
    assert_eq!(count(&file, "SELECT count(DISTINCT actor) FROM changes"), 1 + 3);
    let vault = house.open("v");
    let value = vault.well_known("settings").unwrap().value().unwrap();
    assert_eq!(value["base"].as_object().unwrap().len(), 90);
}

#[test]
fn processes_that_come_one_after_the_other_share_a_name() {
    let house = House::new();
    for number in 0..5 {
        house.open("v").well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, number.into())).unwrap();
    }
    let file = house.path("v").join("vault.sqlite");
    assert_eq!(count(&file, "SELECT count(DISTINCT actor) FROM changes"), 1 + 1, "a root seed and one slot");
}

#[test]
fn a_document_made_by_another_process_can_be_opened() {
    let house = House::new();
    let (a, b) = (house.open("v"), house.open("v"));
    let note = a.create("note", Some("theirs"), None).unwrap();
    let found = b.find("theirs").unwrap();
    assert_eq!(found.id(), note.id());
    found.edit(|draft| draft.replace_text("/body", "x")).unwrap();
    assert_eq!(note.edit(|draft| Ok(draft.text("/body"))).unwrap().as_deref(), Some("x"));
}

/// A newer minor adds columns and tables while this build has the file open, and both go on with it.
#[test]
fn an_old_and_a_new_program_write_side_by_side_in_one_file() {
    let house = House::new();
    let (a, b) = (house.open("v"), house.open("v"));
    a.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let newer = rusqlite::Connection::open(a.file()).unwrap();
    newer.busy_timeout(SOON).unwrap();
    newer
        .execute_batch(
            "BEGIN IMMEDIATE; ALTER TABLE documents ADD COLUMN later TEXT;
             ALTER TABLE changes ADD COLUMN later INTEGER NOT NULL DEFAULT 7;
             CREATE TABLE later (document INTEGER PRIMARY KEY) STRICT; COMMIT;",
        )
        .unwrap();
    let version: u32 = newer.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", version + 1).unwrap();
    let note = b.create("note", Some("n"), None).unwrap();
    newer.execute("UPDATE documents SET later = 'kept'", []).unwrap();
    for (number, vault) in [&a, &b, &a, &b].into_iter().enumerate() {
        let settings = vault.well_known("settings").unwrap();
        settings.edit(|draft| draft.put(&format!("/base/{number}"), number.into())).unwrap();
    }
    note.edit(|draft| draft.replace_text("/body", "x")).unwrap();
    let late = house.open("v");
    assert_eq!(late.well_known("settings").unwrap().value().unwrap()["base"].as_object().unwrap().len(), 5);
    assert_eq!(late.verify().unwrap(), []);
    drop((late, note, a, b));
    let kept: i64 =
        newer.query_row("SELECT count(*) FROM documents WHERE later = 'kept'", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 2);
    let kept: u32 = newer.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, version + 1);
}
