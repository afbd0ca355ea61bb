//! What is in a vault, deleting, and hints.

use std::time::Duration;

use editor_vault::{EditError, ListFilter};

use crate::house::{House, SOON, TAB_SIZE};

#[test]
fn a_list_names_type_and_title() {
    let house = House::new();
    let vault = house.open("a");
    vault.create("note", Some("plan"), None).unwrap();
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, 4.into())).unwrap();
    let notes = vault.list(&ListFilter { type_name: Some("note".into()), ..ListFilter::default() }).unwrap();
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert_eq!(note.title.as_deref(), Some("plan"));
    assert_eq!(note.type_name.as_deref(), Some("note"));
    assert!(note.bytes > 0 && note.space == vault.home());
    assert_eq!(vault.list(&ListFilter::default()).unwrap().len(), 2);
}

#[test]
fn a_title_follows_its_document() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("old"), None).unwrap();
    note.edit(|draft| draft.put("/name", "new".into())).unwrap();
    assert_eq!(vault.find("new").unwrap().id(), note.id());
    let missing = vault.find("old").unwrap_err();
    assert_eq!(missing.code(), "not_found");
    // A large text is not looked at on every commit, only when somebody asks.
    note.edit(|draft| draft.replace_text("/body", &"x".repeat(300_000))).unwrap();
    note.edit(|draft| draft.put("/name", "newest".into())).unwrap();
    assert_eq!(vault.find("newest").unwrap().id(), note.id());
}

#[test]
fn two_documents_of_one_title_are_found_by_id_only() {
    let house = House::new();
    let vault = house.open("a");
    let first = vault.create("note", Some("same"), None).unwrap();
    vault.create("note", Some("same"), None).unwrap();
    let ambiguous = vault.find("same").unwrap_err();
    assert_eq!(ambiguous.code(), "ambiguous");
    assert!(ambiguous.to_string().contains(&first.id().to_string()));
    assert_eq!(vault.find(&first.id().to_string()).unwrap().id(), first.id());
}

#[test]
fn a_deleted_document_is_gone_until_it_is_restored() {
    let house = House::new();
    let vault = house.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    vault.delete(&note).unwrap();
    vault.delete(&note).unwrap();
    assert!(vault.list(&ListFilter::default()).unwrap().is_empty());
    assert_eq!(vault.list(&ListFilter { include_deleted: true, ..ListFilter::default() }).unwrap().len(), 1);
    assert!(note.status().unwrap().deleted);
    let refused = note.edit(|draft| draft.replace_text("/body", "x"));
    assert!(matches!(refused, Err(EditError::Deleted { .. })), "{refused:?}");
    vault.restore(&note).unwrap();
    note.edit(|draft| draft.replace_text("/body", "x")).unwrap();
    assert_eq!(vault.list(&ListFilter::default()).unwrap().len(), 1);
}

#[test]
fn what_is_always_there_is_neither_deleted_nor_created() {
    let house = House::new();
    let vault = house.open("a");
    let settings = vault.well_known("settings").unwrap();
    assert_eq!(vault.delete(&settings).unwrap_err().code(), "well_known");
    assert_eq!(vault.create("settings", None, None).unwrap_err().code(), "well_known");
    assert_eq!(vault.create("sandwich", None, None).unwrap_err().code(), "no_such_type");
    assert_eq!(vault.well_known("note").unwrap_err().code(), "no_such_type");
}

#[test]
fn a_watch_hints_once_for_many_edits_of_a_document() {
    let house = House::new();
    let vault = house.open("a");
    let watch = vault.watch();
    let settings = vault.well_known("settings").unwrap();
    for number in 0..50 {
        settings.edit(|draft| draft.put(TAB_SIZE, number.into())).unwrap();
    }
    let hint = watch.next(SOON).unwrap();
    assert_eq!((hint.space, hint.document), (vault.home(), settings.id()));
    assert_eq!(watch.next(Duration::ZERO), None);
}

#[test]
fn unknown_documents_and_spaces_are_named() {
    let house = House::new();
    let vault = house.open("a");
    let nowhere = editor_vault::SpaceId([9; 16]);
    let nothing = editor_vault::DocumentId([9; 16]);
    assert_eq!(vault.document(nowhere, nothing).unwrap_err().code(), "no_such_space");
    let missing = vault.document(vault.home(), nothing).unwrap_err();
    assert!(missing.to_string().contains(&nothing.to_string()), "{missing}");
    assert_eq!(missing.code(), "not_found");
}
