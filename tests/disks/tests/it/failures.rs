//! Flushes that fail, writes that are cut short, and what was written all the same.

use crash_images::vfs::Tape;
use editor_vault::{EditError, Unsaved, Vault};

fn handed_back(outcome: Result<(), EditError>) -> Unsaved {
    match outcome {
        Err(EditError::NotSaved { edit: Some(edit), .. }) => edit,
        other => panic!("not handed back: {other:?}"),
    }
}

/// Nobody can know whether it was saved: only looking tells.
#[test]
fn an_edit_whose_flush_failed_is_said_once_whether_or_not_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::watch(dir.path());
    let vault = Vault::open(dir.path()).unwrap();
    let note = vault.create("note", Some("n"), None).unwrap();
    note.edit(|draft| draft.splice("/body", 0, 0, "a")).unwrap();
    for letter in ["b", "c", "d"] {
        tape.fail_next_flush();
        let at = note.text("/body").unwrap().unwrap_or_default().len();
        let edit = handed_back(note.edit(|draft| draft.splice("/body", at, 0, letter)));
        vault.save_again(&edit).unwrap();
        vault.save_again(&edit).unwrap();
    }
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("abcd"));
    let id = note.id();
    drop((note, vault));
    let vault = Vault::open(dir.path()).unwrap();
    let note = vault.document(vault.home(), id).unwrap();
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("abcd"));
    note.edit(|draft| draft.splice("/body", 4, 0, "e")).unwrap();
    assert_eq!(vault.verify().unwrap(), []);
    drop(tape);
}

#[test]
fn an_edit_of_which_any_write_is_cut_short_is_handed_back_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let tape = Tape::watch(dir.path());
    let vault = Vault::open(dir.path()).unwrap();
    let note = vault.create("note", Some("n"), None).unwrap();
    let (mut said, mut cut) = (String::new(), 0);
    for number in 1.. {
        tape.cut_write_short(number);
        let (word, at) = (format!("{number} "), said.len());
        let outcome = note.edit(|draft| draft.splice("/body", at, 0, &word));
        said.push_str(&word);
        if !tape.has_cut() {
            outcome.unwrap(); // an edit takes fewer writes
            break;
        }
        // What was cut may be a checkpoint behind a commit that is on the disk already.
        if outcome.is_err() {
            cut += 1;
            vault.save_again(&handed_back(outcome)).unwrap();
        }
        assert_eq!(note.text("/body").unwrap().as_deref(), Some(said.as_str()));
    }
    assert!(cut > 1, "{cut} edits were cut short");
    tape.cut_write_short(0);
    let id = note.id();
    drop((note, vault));
    let vault = Vault::open(dir.path()).unwrap();
    let note = vault.document(vault.home(), id).unwrap();
    assert_eq!(note.text("/body").unwrap().as_deref(), Some(said.as_str()));
    assert_eq!(vault.verify().unwrap(), []);
}
