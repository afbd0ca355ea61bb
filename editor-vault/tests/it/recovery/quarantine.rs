//! What people do with edits that were refused.

use document::{Change, resubmission_note};
use editor_vault::{Document, FateCode, QuarantineError, Quarantined, Refused, Vault, Violation};
use serde_json::{Value, json};
use sync_wire::{Actor, BatchId, ChangeHash, SpaceId};

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

/// What somebody writes elsewhere who says that it is this edit, made again.
fn said_again(document: &Document, path: &str, refused: ChangeHash) -> Change {
    let mut elsewhere = document.read(Clone::clone).unwrap();
    elsewhere.edit::<(), Violation>(Actor([0x57; 16]), |draft| draft.put(path, true.into())).unwrap();
    let note = resubmission_note(&refused);
    elsewhere.seal_with_note(1_700_000_001, &note).unwrap().unwrap().changes.remove(0)
}

#[test]
fn an_edit_that_its_account_has_made_again_elsewhere_leaves_the_quarantine() {
    let (sight, relay, vault, mut line, edit) = refused(24, |vault| put(vault, "bad", 2));
    let document = settings(&vault);
    relay.append("alice", document.id(), &said_again(&document, "/base/other", ChangeHash([7; 32])));
    settle(&relay, &vault, &mut line);
    assert_eq!(vault.quarantine().list().unwrap(), std::slice::from_ref(&edit), "that was another edit");
    relay.append("alice", document.id(), &said_again(&document, "/base/again", edit.change.unwrap()));
    settle(&relay, &vault, &mut line);
    assert!(vault.quarantine().list().unwrap().is_empty());
    assert_eq!(base(&vault), json!({"first": 1, "other": true, "again": true}), "it is not made again here");
    assert_eq!(vault.quarantine().resubmit(edit.id).unwrap_err().code(), "not_quarantined");
    assert!(vault.doctor().unwrap().is_empty());
    drop((line, document, vault));
    let vault = sight.open("laptop");
    assert!(vault.quarantine().list().unwrap().is_empty(), "nor is it back later");
}

/// A vault with a refused edit of a note in a space with other people.
struct Team {
    _sight: Sight,
    relay: InlineRelay,
    space: SpaceId,
    vault: Vault,
    line: Line,
    note: Document,
    edit: Quarantined,
}

impl Team {
    fn with_refused_edit(seed: u64) -> Self {
        let (sight, relay) = (Sight::new(seed), InlineRelay::new(&["alice"]));
        let space = relay.add_team("alice");
        let vault = sight.open("laptop");
        let mut line = super::line(&vault);
        settle(&relay, &vault, &mut line);
        let note = vault.create("note", Some("n"), Some(space)).unwrap();
        settle(&relay, &vault, &mut line);
        relay.judge(refuse_first(FateCode::DANGEROUS));
        note.edit(|draft| draft.put("/done", true.into())).unwrap();
        settle(&relay, &vault, &mut line);
        relay.judge(|_| Answer::Take);
        let edit = vault.quarantine().list().unwrap().remove(0);
        Self { _sight: sight, relay, space, vault, line, note, edit }
    }

    /// Somebody writes, in a batch of this name, and says that it is the refused edit.
    fn say_again(&mut self, batch: BatchId, path: &str) {
        let change = said_again(&self.note, path, self.edit.change.unwrap());
        self.relay.append_as(self.space, self.note.id(), batch, &change);
        settle(&self.relay, &self.vault, &mut self.line);
    }
}

#[test]
fn a_stranger_who_says_that_he_has_made_an_edit_again_takes_nothing_out_of_the_quarantine() {
    let mut team = Team::with_refused_edit(25);
    let (change, drawn) = (team.edit.change.unwrap(), BatchId([9; 16]));
    let of_another = BatchId::of_resubmission(drawn, BatchId([8; 16]), &change);
    for (batch, path) in [(drawn, "/one"), (of_another, "/two")] {
        team.say_again(batch, path);
        assert_eq!(team.vault.quarantine().list().unwrap(), [team.edit.clone()]);
    }
    let id = team.edit.id;
    team.say_again(BatchId::of_resubmission(drawn, id, &change), "/three");
    assert!(team.vault.quarantine().list().unwrap().is_empty(), "who names its batch knows the refused one");
    assert_eq!(team.note.get("/done").unwrap(), None, "it is not made again here");
}

#[test]
fn what_a_stranger_says_keeps_nobody_from_making_an_edit_again() {
    let mut team = Team::with_refused_edit(26);
    team.say_again(BatchId([9; 16]), "/one");
    team.vault.quarantine().resubmit(team.edit.id).unwrap();
    assert_eq!(team.note.get("/done").unwrap(), Some(true.into()));
    assert!(team.vault.quarantine().list().unwrap().is_empty());
    settle(&team.relay, &team.vault, &mut team.line);
    assert_eq!(team.note.status().unwrap().pending_batches, 0);
}
