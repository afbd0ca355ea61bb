//! Edits that returned are on disk, whatever happens next.

use std::thread;

use editor_vault::{DocumentState, EditError};
use serde_json::json;

use crate::house::{House, TAB_SIZE, count};

#[test]
fn edits_survive_reopening() {
    let house = House::new();
    let id = {
        let vault = house.open("a");
        vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
        let note = vault.create("note", Some("plan"), None).unwrap();
        note.edit(|draft| draft.replace_text("/body", "tea")).unwrap();
        note.id()
    };
    let vault = house.open("a");
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
    let note = vault.document(vault.home(), id).unwrap();
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("tea"));
    assert_eq!(note.get("/name").unwrap(), Some("plan".into()));
    assert_eq!(note.type_name().unwrap().as_deref(), Some("note"));
}

#[test]
fn an_edit_that_returned_is_there_although_the_vault_was_never_closed() {
    let house = House::new();
    let vault = house.open("a");
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    std::mem::forget(vault);
    let again = house.open("a");
    assert_eq!(again.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
}

#[test]
fn one_edit_is_one_change_and_its_seeds_and_each_is_a_batch() {
    let house = House::new();
    let vault = house.open("a");
    let file = vault.file().to_path_buf();
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 4.into()).and_then(|()| draft.put("/base/a", 1.into()))).unwrap();
    settings.edit(|draft| draft.put(TAB_SIZE, 2.into())).unwrap();
    drop((settings, vault));
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), 3, "a root seed and two changes");
    assert_eq!(count(&file, "SELECT count(*) FROM batches WHERE state = 0"), 3);
    assert_eq!(
        count(&file, "SELECT count(*) FROM batches b JOIN changes c ON c.id = b.change AND c.hash = b.hashes"),
        3
    );
}

#[test]
fn an_edit_that_changes_nothing_stores_nothing() {
    let house = House::new();
    let vault = house.open("a");
    let file = vault.file().to_path_buf();
    let settings = vault.well_known("settings").unwrap();
    assert_eq!(settings.edit(|draft| Ok(draft.get(TAB_SIZE))).unwrap(), None);
    drop((settings, vault));
    assert_eq!(count(&file, "SELECT count(*) FROM changes"), 0);
}

#[test]
fn a_refused_edit_leaves_nothing_behind_but_earlier_deferred_ones() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    let (_, ticket) = settings.edit_deferred(|draft| draft.put("/base/a", 1.into())).unwrap();
    let refused = settings.edit(|draft| {
        draft.put("/base/b", 2.into())?;
        draft.put("no pointer", 3.into())
    });
    assert!(matches!(refused, Err(EditError::Violation(_))), "{refused:?}");
    ticket.wait().unwrap();
    assert_eq!(settings.value().unwrap(), json!({ "base": { "a": 1 } }));
}

#[test]
fn many_threads_save_together_and_nothing_is_lost() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let settings = settings.clone();
            scope.spawn(move || {
                for number in 0..20 {
                    settings.edit(|draft| draft.put(&format!("/base/{thread}-{number}"), number.into())).unwrap();
                }
            });
        }
    });
    drop((settings, vault));
    let vault = house.open("a");
    let value = vault.well_known("settings").unwrap().value().unwrap();
    assert_eq!(value["base"].as_object().unwrap().len(), 160);
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn a_document_is_unsaved_then_saved() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let status = note.status().unwrap();
    assert_eq!((status.unsaved, status.state.clone()), (false, DocumentState::Saved));
    assert!(status.pending_batches > 0, "nobody has answered yet");
    let (during, ticket) =
        note.edit_deferred(|draft| draft.splice("/body", 0, 0, "x")).map(|((), t)| (note.status(), t)).unwrap();
    assert!(during.unwrap().unsaved || ticket.is_saved());
    ticket.wait().unwrap();
    assert!(ticket.is_saved());
    assert!(!note.status().unwrap().unsaved);
}

#[test]
fn a_plan_makes_the_document_equal_to_what_was_wanted() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    let plan = note.plan(&json!({ "name": "m", "body": "text" })).unwrap();
    note.apply(plan).unwrap();
    assert_eq!(note.plain().unwrap(), json!({ "name": "m", "body": "text" }));
    let refused = note.plan(&json!({ "name": 7, "body": "text" })).unwrap_err();
    assert_eq!(refused.code(), "violations");
}

#[test]
fn a_backup_is_a_vault_with_everything_in_it() {
    let house = House::new();
    let vault = house.open("a");
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let copy = house.path("copy");
    std::fs::create_dir(&copy).unwrap();
    vault.backup(&copy.join("vault.sqlite")).unwrap();
    let again = vault.backup(&copy.join("vault.sqlite")).unwrap_err();
    assert_eq!(again.code(), "io", "a backup never overwrites: {again}");
    let restored = house.open("copy");
    assert_eq!(restored.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
    assert_eq!(restored.home(), vault.home());
}

#[test]
fn a_restored_copy_writes_under_another_name() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put("/base/before", 1.into())).unwrap();
    let copy = house.path("copy");
    std::fs::create_dir(&copy).unwrap();
    vault.backup(&copy.join("vault.sqlite")).unwrap();
    settings.edit(|draft| draft.put("/base/original", 1.into())).unwrap();
    let restored = house.open("copy");
    restored.well_known("settings").unwrap().edit(|draft| draft.put("/base/copy", 1.into())).unwrap();
    drop((settings, vault, restored));
    let last = "SELECT hex(actor) = (SELECT hex(actor) FROM changes WHERE seq = 1 AND id = 2) FROM changes ORDER BY id DESC LIMIT 1";
    assert_eq!(count(&house.path("a").join("vault.sqlite"), last), 1, "the original goes on under its name");
    assert_eq!(count(&copy.join("vault.sqlite"), last), 0);
}
