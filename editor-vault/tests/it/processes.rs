//! Several processes on one vault. Two handles opened apart share nothing in memory, as two processes do.

use std::thread;

use crate::house::{House, SOON, TAB_SIZE, count};

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
