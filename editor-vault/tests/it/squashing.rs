//! Parked edits that are said in one go: the document reads as before, and nobody has anything twice.

use editor_vault::{DocumentState, FateCode, QuarantineError, Refused, SquashError, Vault};
use sync_core::client::Input;
use sync_wire::{Content, Push};

use crate::inline::sight::Sight;
use crate::recovery::{base, line, settings, settle};
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

const TEXT: &str = "/base/workbench.note";

/// A connected vault with `kept` in the log.
fn begun(seed: u64) -> (Sight, InlineRelay, Vault, Line) {
    let (sight, relay) = (Sight::new(seed), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut line = line(&vault);
    write(&vault, 0, "kept");
    settle(&relay, &vault, &mut line);
    (sight, relay, vault, line)
}

fn write(vault: &Vault, at: usize, text: &str) {
    settings(vault).edit(|draft| draft.splice(TEXT, at, 0, text)).unwrap();
}

fn cut(vault: &Vault, at: usize, count: usize) {
    settings(vault).edit(|draft| draft.splice(TEXT, at, count, "")).unwrap();
}

fn text(vault: &Vault) -> String {
    settings(vault).text(TEXT).unwrap().unwrap_or_default()
}

fn state(vault: &Vault) -> DocumentState {
    settings(vault).status().unwrap().state
}

fn bytes(push: &Push) -> usize {
    let Content::Changes(changes) = &push.content else { return 0 };
    changes.iter().map(|change| change.len()).sum()
}

/// Has no room for what is larger.
fn up_to(most: usize) -> impl Fn(&Push) -> Answer + Send + 'static {
    move |push| if bytes(push) > most { Answer::Park(FateCode::SIZE, 1) } else { Answer::Take }
}

/// Takes what was squashed and nothing else.
fn only_squashed(push: &Push) -> Answer {
    let Content::Changes(changes) = &push.content else { return Answer::Take };
    let actor = document::Header::parse(&changes[0]).unwrap().actor;
    if actor.0[0] == 0x51 { Answer::Take } else { Answer::Park(FateCode::QUOTA, 1) }
}

fn squashed(vault: &Vault) -> usize {
    let quarantine = vault.quarantine().list().unwrap();
    assert!(quarantine.iter().all(|edit| edit.code == FateCode::SQUASHED), "{quarantine:?}");
    quarantine.len()
}

fn noise(length: usize) -> String {
    (0..length).map(|at| char::from_u32(0x4e00 + (at * 7919 % 20_000) as u32).unwrap()).collect()
}

#[test]
fn a_paste_that_no_relay_takes_and_its_deletion_come_to_nothing() {
    let (sight, relay, vault, mut line) = begun(1);
    relay.judge(up_to(4_000));
    write(&vault, 4, &noise(5_000));
    settle(&relay, &vault, &mut line);
    assert!(matches!(state(&vault), DocumentState::Parked { code: FateCode::SIZE, .. }), "{:?}", state(&vault));
    assert_eq!(squashed(&vault), 0, "alone it is as large as before");
    cut(&vault, 4, 5_000);
    settle(&relay, &vault, &mut line);
    assert_eq!((text(&vault), state(&vault), squashed(&vault)), ("kept".into(), DocumentState::Synced, 2));
    write(&vault, 4, " and more");
    settle(&relay, &vault, &mut line);
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert_eq!((text(&vault), text(&desktop)), ("kept and more".into(), "kept and more".into()));
    assert!(vault.doctor().unwrap().is_empty(), "nothing waits for a person");
}

#[test]
fn a_lane_of_keystrokes_that_has_no_room_is_said_in_one_go_and_editing_goes_on() {
    let (sight, relay, vault, mut line) = begun(2);
    relay.judge(only_squashed);
    for at in 0..60 {
        write(&vault, 4 + at, "x");
    }
    settle(&relay, &vault, &mut line);
    let typed = format!("kept{}", "x".repeat(60));
    assert_eq!((text(&vault), state(&vault), squashed(&vault)), (typed.clone(), DocumentState::Synced, 60));
    relay.judge(|_| Answer::Take);
    write(&vault, 0, "now ");
    settle(&relay, &vault, &mut line);
    let file = vault.file().to_path_buf();
    drop((line, vault));
    let vault = sight.open("laptop");
    assert_eq!((text(&vault), vault.file()), (format!("now {typed}"), file.as_path()));
    assert!(vault.verify().unwrap().is_empty());
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert_eq!(base(&desktop), base(&vault));
}

#[test]
fn by_hand_a_lane_is_squashed_whatever_parked_it_if_anything_is_gained() {
    let (_sight, relay, vault, mut line) = begun(3);
    let error = vault.squash(&settings(&vault)).unwrap_err();
    assert!(matches!(error, SquashError::NotParked) && error.to_string().contains("only parked ones"), "{error}");
    relay.judge(|_| Answer::Park(FateCode::SCHEMA, 1));
    write(&vault, 4, "a");
    settle(&relay, &vault, &mut line);
    let error = vault.squash(&settings(&vault)).unwrap_err();
    assert!(matches!(error, SquashError::NoGain { edits: 1, .. }), "{error}");
    for letter in ["b", "c", "d"] {
        write(&vault, 4, letter);
    }
    settle(&relay, &vault, &mut line);
    assert_eq!(squashed(&vault), 0, "the vault by itself only makes room");
    let done = vault.squash(&settings(&vault)).unwrap();
    assert!(done.edits == 4 && done.bytes_after > 0 && done.bytes_after * 2 < done.bytes_before, "{done:?}");
    assert_eq!((text(&vault), squashed(&vault)), ("keptdcba".into(), 4));
    relay.judge(|_| Answer::Take);
    settle(&relay, &vault, &mut line);
    assert_eq!(state(&vault), DocumentState::Synced);
}

#[test]
fn what_was_squashed_can_be_looked_at_and_exported_and_is_not_said_again() {
    let (sight, relay, vault, mut line) = begun(4);
    relay.judge(only_squashed);
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    settle(&relay, &vault, &mut line);
    let edits = vault.quarantine().list().unwrap();
    let [first, ..] = &edits[..] else { panic!("{edits:?}") };
    let Refused::Values(values) = vault.quarantine().show(first.id).unwrap() else { panic!("it is readable") };
    assert_eq!((values[0].path.as_str(), values[0].after.clone()), (TEXT, Some("kepta".into())));
    assert!(first.continued_by.is_some() && first.remedy.contains("nothing needs to be done"), "{first:?}");
    let resubmitted = vault.quarantine().resubmit(first.id).unwrap_err();
    assert!(matches!(resubmitted, QuarantineError::Squashed { .. }), "{resubmitted}");
    assert_eq!(vault.quarantine().copy(first.id, None).unwrap_err().code(), "squashed");
    let file = sight.directory().join("exported.json");
    vault.quarantine().export(first.id, &file).unwrap();
    assert!(std::fs::read_to_string(file).unwrap().contains("squashed"));
    let explained = vault.explain(&settings(&vault)).unwrap();
    assert_eq!(explained.batches.quarantined, 3);
    assert!(explained.summary.contains("exchanged"), "{}", explained.summary);
}

#[test]
fn undo_takes_back_together_what_was_squashed_together() {
    let (_sight, relay, vault, mut line) = begun(5);
    relay.judge(only_squashed);
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    settings(&vault).undo().unwrap();
    settle(&relay, &vault, &mut line);
    assert_eq!(text(&vault), "keptba");
    relay.judge(|_| Answer::Take);
    settings(&vault).undo().unwrap();
    assert_eq!(text(&vault), "kept", "the squashed edits are one by now");
    settings(&vault).redo().unwrap();
    assert_eq!(text(&vault), "keptba");
    settle(&relay, &vault, &mut line);
    assert_eq!(state(&vault), DocumentState::Synced);
}

#[test]
fn two_holders_of_the_same_edits_squash_them_to_the_same_bytes() {
    let (sight, relay, vault, mut line) = begun(6);
    relay.judge(only_squashed);
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    sight.copy(vault.file(), "clone");
    let clone = sight.open("clone");
    settle(&relay, &vault, &mut line);
    let entries = relay.entries("alice");
    let mut theirs = self::line(&clone);
    settle(&relay, &clone, &mut theirs);
    assert_eq!(relay.entries("alice"), entries, "what the other one made was there already");
    for vault in [&vault, &clone] {
        assert_eq!((text(vault), squashed(vault), state(vault)), ("keptcba".into(), 3, DocumentState::Synced));
    }
    relay.judge(|_| Answer::Take);
    write(&vault, 0, "1");
    write(&clone, 7, "2");
    for _ in 0..2 {
        settle(&relay, &vault, &mut line);
        settle(&relay, &clone, &mut theirs);
    }
    assert_eq!((text(&vault), text(&clone)), ("1keptcba2".into(), "1keptcba2".into()));
}

#[test]
fn a_device_may_end_at_any_commit_of_a_squash() {
    let (sight, relay, vault, mut line) = begun(7);
    relay.judge(only_squashed);
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    sight.copy_at_each_commit(vault.file());
    settle(&relay, &vault, &mut line);
    let copies = sight.copies();
    assert!(copies.len() >= 3, "{} ends", copies.len());
    let entries = relay.entries("alice");
    for copy in copies {
        let again = sight.open(&copy);
        settle(&relay, &again, &mut self::line(&again));
        assert_eq!((text(&again), relay.entries("alice")), ("keptcba".into(), entries), "{copy}");
        assert_eq!((squashed(&again), state(&again)), (3, DocumentState::Synced), "{copy}");
        assert!(again.verify().unwrap().is_empty(), "{copy}");
    }
}

#[test]
fn an_edit_that_was_on_its_way_follows_what_was_squashed() {
    let (sight, relay, vault, mut line) = begun(8);
    relay.judge(only_squashed);
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    let document = settings(&vault);
    let (_, ticket) = document.edit_deferred(|draft| draft.splice(TEXT, 0, 1, "K")).unwrap();
    relay.talk(&mut line, "alice", Input::Saved, &mut |_| ());
    vault.flush().unwrap();
    assert!(ticket.is_saved());
    let (_, second) = document.edit_deferred(|draft| draft.splice(TEXT, 7, 0, "!")).unwrap();
    vault.flush().unwrap();
    assert!(second.is_saved());
    relay.judge(|_| Answer::Take);
    settle(&relay, &vault, &mut line);
    assert_eq!((text(&vault), state(&vault)), ("Keptcba!".into(), DocumentState::Synced));
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert_eq!(text(&desktop), "Keptcba!");
}

#[test]
fn a_deletion_behind_the_edits_names_what_they_came_to() {
    let (sight, relay, vault, mut line) = begun(9);
    let note = vault.create("note", Some("n"), None).unwrap();
    settle(&relay, &vault, &mut line);
    relay.judge(only_squashed);
    for at in 0..3 {
        note.edit(|draft| draft.splice("/body", at, 0, "x")).unwrap();
    }
    vault.delete(&note).unwrap();
    settle(&relay, &vault, &mut line);
    let status = note.status().unwrap();
    assert!(status.deleted && status.pending_batches == 0, "{status:?}");
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    let theirs = desktop.document(note.space(), note.id()).unwrap();
    assert!(theirs.status().unwrap().deleted);
    assert_eq!(theirs.text("/body").unwrap().as_deref(), Some("xxx"));
}

#[test]
fn a_relay_that_has_no_room_for_what_they_came_to_either_is_not_squashed_for_again() {
    let (_sight, relay, vault, mut line) = begun(10);
    relay.judge(|_| Answer::Park(FateCode::QUOTA, 1));
    for letter in ["a", "b", "c"] {
        write(&vault, 4, letter);
    }
    settle(&relay, &vault, &mut line);
    let quarantined = squashed(&vault);
    assert!(matches!(state(&vault), DocumentState::Parked { code: FateCode::QUOTA, .. }));
    settle(&relay, &vault, &mut line);
    assert_eq!(squashed(&vault), quarantined, "there is nothing more to gain");
    relay.judge(|_| Answer::Take);
    relay.state().limits_version = 2;
    let mut again = self::line(&vault);
    settle(&relay, &vault, &mut again);
    assert_eq!((text(&vault), state(&vault)), ("keptcba".into(), DocumentState::Synced));
}
