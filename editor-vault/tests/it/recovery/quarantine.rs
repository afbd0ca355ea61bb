//! What people do with edits that were refused.

use editor_vault::{FateCode, QuarantineError, Quarantined, Refused, Vault};
use serde_json::{Value, json};

use super::{base, begun, put, refuse_first, settings, settle};
use crate::house::count;
use crate::inline::sight::Sight;
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

/// A vault of which the edit that `edit` makes was refused, and the edit.
fn refused(seed: u64, edit: impl FnOnce(&Vault)) -> (Sight, InlineRelay, Vault, Line, Quarantined) {
    let (sight, relay, vault, mut line) = begun(seed);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    edit(&vault);
    settle(&relay, &vault, &mut line);
    relay.judge(|_| Answer::Take);
    let mut found = vault.quarantine().list().unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let edit = found.remove(0);
    (sight, relay, vault, line, edit)
}

fn values(vault: &Vault, edit: &Quarantined) -> Vec<(String, Option<Value>, Option<Value>)> {
    match vault.quarantine().show(edit.id).unwrap() {
        Refused::Values(values) => values.into_iter().map(|one| (one.path, one.before, one.after)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_edit_is_shown_with_its_reason_and_with_what_it_changed() {
    let (_sight, _relay, vault, _line, edit) = refused(20, |vault| {
        put(vault, "first", 2);
        put(vault, "good", 3);
    });
    assert_eq!((edit.code, edit.culprit), (FateCode::DANGEROUS, edit.change));
    assert_eq!((edit.document, edit.unix_seconds), (settings(&vault).id(), Some(1_700_000_000)));
    assert!(edit.detail.contains("as the test wished") && edit.remedy.contains("discard"), "{edit:?}");
    assert_eq!(values(&vault, &edit), [("/base/first".to_owned(), Some(json!(1)), Some(json!(2)))]);
    assert_eq!(vault.quarantine().find(&edit.id.to_string()[..6]).unwrap(), edit);
    for wrong in ["", "abc", "no such"] {
        let error = vault.quarantine().find(wrong).unwrap_err();
        assert!(matches!(error, QuarantineError::NotQuarantined { .. }), "{error}");
    }
}

#[test]
fn a_resubmitted_edit_is_a_new_edit_of_the_document_as_it_is_now() {
    let (sight, relay, vault, mut line, edit) = refused(21, |vault| {
        let text = "/base/workbench.note";
        settings(vault).edit(|draft| draft.splice(text, 0, 0, "refused ")).unwrap();
        settings(vault).edit(|draft| draft.splice(text, 8, 0, "kept")).unwrap();
    });
    assert_eq!(base(&vault)["workbench.note"], "kept");
    vault.quarantine().resubmit(edit.id).unwrap();
    assert_eq!(base(&vault)["workbench.note"], "refused kept");
    assert!(vault.quarantine().list().unwrap().is_empty());
    let again = vault.quarantine().resubmit(edit.id).unwrap_err();
    assert_eq!(again.code(), "not_quarantined");
    settle(&relay, &vault, &mut line);
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut super::line(&desktop));
    assert_eq!(base(&desktop), base(&vault));
    settings(&vault).undo().unwrap();
    assert_eq!(base(&vault)["workbench.note"], "kept");
}

#[test]
fn a_refused_edit_can_be_copied_into_a_new_document() {
    let (_sight, relay, vault, mut line, edit) = refused(22, |vault| {
        let note = vault.create("note", Some("plan"), None).unwrap();
        note.edit(|draft| draft.replace_text("/body", "tea")).unwrap();
    });
    // The making of the note was refused: what is left of it has no name.
    let copy = vault.quarantine().copy(edit.id, Some("saved")).unwrap();
    assert_eq!(vault.find("saved").unwrap().id(), copy.id());
    settle(&relay, &vault, &mut line);
    assert_eq!(vault.quarantine().list().unwrap().len(), 1, "it stays until it is discarded");
}

#[test]
fn of_settings_the_copy_is_a_note_and_a_file_has_everything() {
    let (sight, _relay, vault, line, edit) = refused(23, |vault| put(vault, "bad", 2));
    let copy = vault.quarantine().copy(edit.id, None).unwrap();
    let text = copy.text("/body").unwrap().unwrap();
    assert!(text.contains("\"bad\": 2") && text.contains("\"first\": 1"), "{text}");
    let file = vault.path().join("refused.json");
    vault.quarantine().export(edit.id, &file).unwrap();
    let exported: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(exported["code"], "dangerous");
    assert_eq!(exported["refused"]["values"][0]["after"], 2);
    assert!(exported["bytes_hexadecimal"].as_str().unwrap().starts_with("856f4a83"), "an Automerge chunk");
    assert_eq!(vault.quarantine().export(edit.id, &file).unwrap_err().code(), "file", "nothing is overwritten");
    vault.quarantine().discard(edit.id).unwrap();
    assert!(vault.quarantine().list().unwrap().is_empty());
    assert!(vault.doctor().unwrap().is_empty());
    let vault_file = vault.file().to_path_buf();
    drop((line, copy, vault));
    assert_eq!(count(&vault_file, "SELECT count(*) FROM batches WHERE state = 6"), 1);
    assert_eq!(count(&vault_file, "SELECT count(*) FROM changes WHERE length(bytes) = 0"), 1);
    let vault = sight.open("laptop");
    assert_eq!(base(&vault), json!({"first": 1}));
}
