//! What stays loaded, and that leaving memory changes nothing.

use crate::house::House;

#[test]
fn documents_that_left_memory_come_back_equal() {
    let house = House::new();
    let vault = house.options("a").cache_bytes(200_000).open().unwrap();
    let text = |number: usize| format!("{number} ").repeat(2_000);
    let notes: Vec<_> = (0..100)
        .map(|number| {
            let note = vault.create("note", Some(&format!("note {number}")), None).unwrap();
            note.edit(|draft| draft.replace_text("/body", &text(number))).unwrap();
            note
        })
        .collect();
    for round in 0..2 {
        for (number, note) in notes.iter().enumerate() {
            assert_eq!(note.text("/body").unwrap(), Some(text(number)), "note {number}, round {round}");
        }
    }
    let (bytes, documents) = editor_vault::doctest::memory(&vault);
    assert!(documents < 100 && bytes < 4_000_000, "{documents} documents, {bytes} bytes");
}

#[test]
fn opening_loads_no_document() {
    let house = House::new();
    {
        let vault = house.open("a");
        for number in 0..10 {
            vault.create("note", Some(&format!("note {number}")), None).unwrap();
        }
    }
    let vault = house.open("a");
    assert_eq!(vault.list(&editor_vault::ListFilter::default()).unwrap().len(), 10);
    assert_eq!(editor_vault::doctest::memory(&vault).1, 0, "listing loads nothing whose title is known");
}

#[test]
fn unsaved_edits_keep_their_document_in_memory() {
    let house = House::new();
    let vault = house.options("a").cache_bytes(1).open().unwrap();
    let notes: Vec<_> = (0..200).map(|number| vault.create("note", Some(&number.to_string()), None).unwrap()).collect();
    for note in &notes {
        note.edit_deferred(|draft| draft.splice("/body", 0, 0, "x")).unwrap();
    }
    for note in &notes {
        assert_eq!(note.text("/body").unwrap().as_deref(), Some("x"));
    }
    vault.flush().unwrap();
}

#[test]
fn a_long_history_loads_from_a_snapshot_and_is_the_same() {
    let house = House::new();
    let id = {
        let vault = house.open("a");
        let note = vault.create("note", Some("n"), None).unwrap();
        for number in 0..600 {
            note.edit(|draft| draft.splice("/body", number, 0, "x")).unwrap();
        }
        note.id()
    };
    let open = || {
        let vault = house.open("a");
        let note = vault.document(vault.home(), id).unwrap();
        (note.text("/body").unwrap().unwrap().len(), vault)
    };
    let (first, vault) = open();
    let file = vault.file().to_path_buf();
    drop(vault);
    assert_eq!(crate::house::count(&file, "SELECT count(*) FROM snapshots"), 1);
    let (second, vault) = open();
    assert_eq!((first, second), (600, 600));
    let note = vault.document(vault.home(), id).unwrap();
    note.edit(|draft| draft.splice("/body", 0, 1, "")).unwrap();
    assert_eq!(note.text("/body").unwrap().unwrap().len(), 599);
}
