//! Deletions, and what becomes of them: contested, held back, purged (PROTOCOL §7).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use editor_vault::{Decision, DocumentState, FateCode, ListFilter, Refused, Vault};
use sync_wire::log::EntryKind;
use sync_wire::{Content, Push};

use crate::house::{House, SOON, count};
use crate::inline::sight::Sight;
use crate::recovery::{line, settle};
use crate::relay::inline::{InlineRelay, Line};
use crate::relay::{Answer, Relay};
use crate::syncing::{connect, sync, until};

fn contest(push: &Push) -> Answer {
    match push.content {
        Content::Tombstone(_) => Answer::Park(FateCode::CONTESTED, 1),
        Content::Changes(_) | Content::Restore => Answer::Take,
    }
}

/// A vault with a note whose deletion the relay contests.
fn contested(house: &House) -> (Relay, Vault, editor_vault::Document) {
    let relay = Relay::start(&["alice"]);
    let vault = house.open("a");
    let note = vault.create("note", Some("loved"), None).unwrap();
    sync(&vault, &relay, "alice");
    relay.judge(contest);
    vault.delete(&note).unwrap();
    sync(&vault, &relay, "alice");
    (relay, vault, note)
}

fn sound(vault: &Vault) {
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn a_contested_deletion_leaves_the_document_and_lets_it_be_edited_and_synced() {
    let house = House::new();
    let (relay, vault, note) = contested(&house);
    let status = note.status().unwrap();
    assert!(!status.deleted);
    assert!(matches!(status.state, DocumentState::Parked { code: FateCode::CONTESTED, .. }), "{status:?}");
    let listed = vault.contested().unwrap();
    assert_eq!((listed.len(), listed[0].title.as_deref()), (1, Some("loved")));
    note.edit(|draft| draft.replace_text("/body", "still here")).unwrap();
    let before = relay.entries(vault.home()).len();
    sync(&vault, &relay, "alice");
    assert!(relay.entries(vault.home()).len() > before, "the question does not hold edits up");
    relay.set_limits_version(2);
    let asked = relay.pushes().len();
    sync(&vault, &relay, "alice");
    assert_eq!(relay.pushes().len(), asked, "other limits do not decide it");
    sound(&vault);
}

#[test]
fn a_person_keeps_a_document_whose_deletion_was_contested() {
    let house = House::new();
    let (relay, vault, note) = contested(&house);
    vault.decide(&note, Decision::Keep).unwrap();
    assert!(vault.contested().unwrap().is_empty());
    assert_eq!(vault.decide(&note, Decision::Keep).unwrap_err().code(), "not_contested");
    sync(&vault, &relay, "alice");
    let status = note.status().unwrap();
    assert_eq!((status.state, status.deleted, status.pending_batches), (DocumentState::Synced, false, 0));
    let kinds: Vec<_> = relay.entries(vault.home()).iter().map(|entry| entry.kind).collect();
    assert!(!kinds.contains(&EntryKind::Tombstone));
}

#[test]
fn a_person_deletes_it_anyway_as_it_is_by_then() {
    let house = House::new();
    let (relay, vault, note) = contested(&house);
    note.edit(|draft| draft.replace_text("/body", "more")).unwrap();
    relay.judge(|_| Answer::Take);
    vault.decide(&note, Decision::Delete).unwrap();
    assert!(vault.contested().unwrap().is_empty());
    sync(&vault, &relay, "alice");
    let status = note.status().unwrap();
    assert_eq!((status.state, status.deleted, status.pending_batches), (DocumentState::Synced, true, 0));
    let tombstones: Vec<_> =
        relay.entries(vault.home()).into_iter().filter(|entry| entry.kind == EntryKind::Tombstone).collect();
    assert_eq!(tombstones.len(), 1);
    sound(&vault);
}

#[test]
fn a_deletion_by_others_settles_a_contested_one() {
    let house = House::new();
    let (relay, vault, note) = contested(&house);
    relay.append_marker(vault.home(), note.id(), EntryKind::Tombstone, &[]);
    sync(&vault, &relay, "alice");
    assert!(vault.contested().unwrap().is_empty());
    assert!(note.status().unwrap().deleted);
}

/// A vault whose notes, `note 0` and so on, are at the relay.
fn with_notes(house: &House, relay: &Relay, notes: usize) -> Vault {
    let vault = house.open("a");
    for number in 0..notes {
        vault.create("note", Some(&format!("note {number}")), None).unwrap();
    }
    sync(&vault, relay, "alice");
    vault
}

fn delete(vault: &Vault, notes: std::ops::Range<usize>) {
    for number in notes {
        vault.delete(&vault.find(&format!("note {number}")).unwrap()).unwrap();
    }
}

fn tombstones(relay: &Relay, vault: &Vault) -> usize {
    relay.entries(vault.home()).iter().filter(|entry| entry.kind == EntryKind::Tombstone).count()
}

#[test]
fn very_many_deletions_are_held_back_and_can_be_undone() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 30);
    delete(&vault, 0..20);
    assert!(vault.brake().unwrap().is_empty(), "20 are never too many");
    delete(&vault, 20..25);
    assert_eq!(vault.brake().unwrap().len(), 5);
    sync(&vault, &relay, "alice");
    assert_eq!((tombstones(&relay, &vault), vault.list(&ListFilter::default()).unwrap().len()), (20, 5));
    assert_eq!(vault.undo_brake().unwrap(), 5);
    assert_eq!(vault.undo_brake().unwrap(), 0);
    sync(&vault, &relay, "alice");
    assert_eq!((tombstones(&relay, &vault), vault.list(&ListFilter::default()).unwrap().len()), (20, 10));
    vault.find("note 22").unwrap().edit(|draft| draft.replace_text("/body", "here again")).unwrap();
    sync(&vault, &relay, "alice");
    assert_eq!(vault.find("note 22").unwrap().status().unwrap().state, DocumentState::Synced);
    sound(&vault);
}

#[test]
fn deletions_that_were_held_back_go_when_a_person_releases_them_on_a_standing_connection() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 30);
    connect(&vault, &relay, "alice");
    delete(&vault, 0..25);
    vault.wait_until_settled(SOON).unwrap();
    assert_eq!(tombstones(&relay, &vault), 20);
    assert_eq!(vault.release_brake().unwrap(), 5);
    vault.wait_until_settled(SOON).unwrap();
    assert_eq!(tombstones(&relay, &vault), 25);
    assert!(vault.brake().unwrap().is_empty());
    delete(&vault, 25..28);
    vault.wait_until_settled(SOON).unwrap();
    assert_eq!(tombstones(&relay, &vault), 28, "counting has begun anew");
    vault.disconnect();
    sound(&vault);
}

#[test]
fn one_document_that_was_held_back_can_be_restored_by_itself() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 22);
    delete(&vault, 0..22);
    let last = vault.find_deleted("note 21").unwrap();
    vault.restore(&last).unwrap();
    sync(&vault, &relay, "alice");
    assert_eq!((tombstones(&relay, &vault), vault.brake().unwrap().len()), (20, 1));
    assert_eq!(last.status().unwrap().state, DocumentState::Synced);
}

#[test]
fn a_quarter_of_the_documents_and_what_no_relay_knows_are_not_held_back() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 100);
    delete(&vault, 0..25);
    assert!(vault.brake().unwrap().is_empty());
    delete(&vault, 25..26);
    assert_eq!(vault.brake().unwrap().len(), 1);
    let local = house.open("local");
    for number in 0..30 {
        local.delete(&local.create("note", Some(&number.to_string()), None).unwrap()).unwrap();
    }
    assert!(local.brake().unwrap().is_empty());
}

fn restore_points(vault: &Vault, prefix: &str) -> Vec<PathBuf> {
    let Ok(points) = std::fs::read_dir(vault.path().join("restore-points")) else { return Vec::new() };
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(prefix);
    points.map(|point| point.unwrap().path()).filter(|path| name(path)).collect()
}

#[test]
fn a_restore_point_is_made_before_very_many_deletions_of_others_are_taken_in() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 30);
    let notes = vault.list(&ListFilter::default()).unwrap();
    let erase = |from: usize, to: usize| {
        for info in &notes[from..to] {
            relay.append_marker(vault.home(), info.id, EntryKind::Tombstone, &[]);
        }
        sync(&vault, &relay, "alice");
    };
    erase(0, 15);
    assert_eq!(restore_points(&vault, "before-deletions"), Vec::<PathBuf>::new());
    erase(15, 25);
    let points = restore_points(&vault, "before-deletions");
    assert_eq!(points.len(), 1);
    assert_eq!(count(&points[0], "SELECT count(*) FROM documents WHERE deleted = 0"), 15, "as before them");
    erase(25, 29);
    assert_eq!(restore_points(&vault, "before-deletions").len(), 1, "one for the hour");
    assert_eq!(vault.list(&ListFilter::default()).unwrap().len(), 1, "they are taken in all the same");
}

#[test]
fn own_deletions_that_come_back_with_the_log_make_no_restore_point() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = with_notes(&house, &relay, 30);
    delete(&vault, 0..25);
    vault.release_brake().unwrap();
    sync(&vault, &relay, "alice");
    sync(&vault, &relay, "alice");
    assert_eq!(restore_points(&vault, "before-deletions"), Vec::<PathBuf>::new());
}

#[test]
fn a_purged_document_loses_its_bytes_here_and_what_was_never_sent_is_in_quarantine() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    let (note, other) = (vault.create("note", Some("old"), None).unwrap(), vault.create("note", None, None).unwrap());
    note.edit(|draft| draft.replace_text("/body", "secret")).unwrap();
    sync(&vault, &relay, "alice");
    relay.judge(|_| Answer::Park(FateCode::DELETED, 1));
    note.edit(|draft| draft.replace_text("/body", "late")).unwrap();
    sync(&vault, &relay, "alice");
    relay.append_marker(vault.home(), note.id(), EntryKind::Tombstone, &[]);
    sync(&vault, &relay, "alice");
    assert!(note.status().unwrap().deleted && !note.status().unwrap().purged);
    relay.clear_bytes(vault.home(), note.id());
    relay.append_marker(vault.home(), note.id(), EntryKind::Erased, &[]);
    sync(&vault, &relay, "alice");

    let status = note.status().unwrap();
    assert!(status.deleted && status.purged, "{status:?}");
    assert_eq!(vault.restore(&note).unwrap_err().code(), "gone");
    assert_eq!(note.edit(|draft| draft.replace_text("/body", "x")).unwrap_err().code(), "deleted");
    let quarantined = vault.quarantine().list().unwrap();
    assert_eq!((quarantined.len(), quarantined[0].code), (1, FateCode::GONE));
    assert!(matches!(vault.quarantine().show(quarantined[0].id).unwrap(), Refused::Unreadable { .. }));
    let export = house.path("late.json");
    vault.quarantine().export(quarantined[0].id, &export).unwrap();
    assert!(export.exists());
    assert!(other.value().is_ok());
    sound(&vault);
    vault.rebuild().unwrap();
    sound(&vault);
    sync(&vault, &relay, "alice");
    let file = vault.file().to_path_buf();
    drop((note, other, vault));
    let left = "SELECT count(*) FROM changes c JOIN documents d ON d.id = c.document WHERE d.deleted = 2
                AND length(c.bytes) > 0";
    assert_eq!(count(&file, left), 1, "only what is in quarantine");
}

#[test]
fn a_device_that_comes_after_the_purge_learns_that_the_document_is_gone() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    let note = vault.create("note", Some("old"), None).unwrap();
    sync(&vault, &relay, "alice");
    let behind = house.open("b");
    sync(&behind, &relay, "alice");
    note.edit(|draft| draft.replace_text("/body", "unseen")).unwrap();
    vault.delete(&note).unwrap();
    sync(&vault, &relay, "alice");
    relay.clear_bytes(vault.home(), note.id());
    relay.append_marker(vault.home(), note.id(), EntryKind::Erased, &[]);
    for name in ["b", "new"] {
        let vault = if name == "b" { behind.clone() } else { house.open(name) };
        sync(&vault, &relay, "alice");
        let status = vault.document(vault.home(), note.id()).unwrap().status().unwrap();
        assert!(status.purged && status.held.is_none(), "{name}: {status:?}");
        sound(&vault);
    }
}

#[test]
fn a_relay_cannot_purge_what_was_never_deleted() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    let note = vault.create("note", None, None).unwrap();
    note.edit(|draft| draft.replace_text("/body", "mine")).unwrap();
    sync(&vault, &relay, "alice");
    relay.append_marker(vault.home(), note.id(), EntryKind::Erased, &[]);
    sync(&vault, &relay, "alice");
    let status = note.status().unwrap();
    assert!(!status.purged && !status.deleted);
    assert!(status.held.unwrap().contains("never deleted"));
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("mine"), "nothing of it was dropped");
}

#[test]
fn a_lane_that_waits_for_missing_changes_goes_on_when_others_bring_them() {
    let (house, relay) = (House::new(), Relay::start(&["alice"]));
    let vault = house.open("a");
    let note = vault.create("note", Some("shared"), None).unwrap();
    sync(&vault, &relay, "alice");
    let other = house.open("b");
    sync(&other, &relay, "alice");
    let has_come = Arc::new(AtomicBool::new(false));
    let judge = has_come.clone();
    relay.judge(move |_| match judge.load(Ordering::SeqCst) {
        true => Answer::Take,
        false => Answer::Park(FateCode::MISSING, 0),
    });
    connect(&vault, &relay, "alice");
    note.edit(|draft| draft.replace_text("/body", "waits")).unwrap();
    until(&vault, || matches!(note.status().unwrap().state, DocumentState::Parked { code: FateCode::MISSING, .. }));
    has_come.store(true, Ordering::SeqCst);
    other.find("shared").unwrap().edit(|draft| draft.put("/title", "ours".into())).unwrap();
    sync(&other, &relay, "alice");
    until(&vault, || note.status().unwrap().pending_batches == 0);
    vault.disconnect();
}

/// The log of an account with a note that another device has deleted, of which the vault has yet to hear.
fn deleted_elsewhere(seed: u64) -> (Sight, InlineRelay, Vault, Line, editor_vault::Document) {
    let (sight, relay) = (Sight::new(seed), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut line = line(&vault);
    let note = vault.create("note", Some("shared"), None).unwrap();
    settle(&relay, &vault, &mut line);
    let heads = relay.document("alice", note.id()).0.heads();
    relay.append_marker("alice", note.id(), EntryKind::Tombstone, &heads);
    (sight, relay, vault, line, note)
}

#[test]
fn a_deletion_that_is_not_taken_because_others_deleted_first_leaves_the_document_deleted() {
    let contested: fn() -> Answer = || Answer::Park(FateCode::CONTESTED, 1);
    let refused: fn() -> Answer = || Answer::Refuse(FateCode::UNDECODABLE);
    for (seed, answer) in [(3, contested), (4, refused)] {
        let (_sight, relay, vault, mut line, note) = deleted_elsewhere(seed);
        vault.delete(&note).unwrap();
        relay.judge(|_| Answer::Park(FateCode::SCHEMA, 1));
        settle(&relay, &vault, &mut line);
        assert!(note.status().unwrap().deleted, "the log has said so while ours was waiting");
        relay.judge(move |_| answer());
        relay.state().limits_version = 2;
        let mut line = self::line(&vault);
        settle(&relay, &vault, &mut line);
        let status = note.status().unwrap();
        assert_eq!((status.deleted, status.pending_batches), (true, 0), "{status:?}");
        assert!(vault.contested().unwrap().is_empty(), "nothing is left to be decided");
        relay.purge("alice", note.id());
        settle(&relay, &vault, &mut line);
        let status = note.status().unwrap();
        assert!(status.purged && status.held.is_none(), "{status:?}");
        sound(&vault);
    }
}

#[test]
fn a_restoration_does_not_wait_for_the_edit_that_waits_for_it() {
    let (_sight, relay, vault, mut line, note) = deleted_elsewhere(1);
    let restored = Arc::new(AtomicBool::new(false));
    let judged = restored.clone();
    relay.judge(move |push| match push.content {
        Content::Restore => {
            judged.store(true, Ordering::SeqCst);
            Answer::Take
        }
        _ if judged.load(Ordering::SeqCst) => Answer::Take,
        _ => Answer::Park(FateCode::DELETED, 1),
    });
    note.edit(|draft| draft.replace_text("/body", "late")).unwrap();
    settle(&relay, &vault, &mut line);
    assert!(note.status().unwrap().deleted && !restored.load(Ordering::SeqCst));
    vault.restore(&note).unwrap();
    settle(&relay, &vault, &mut line);
    let status = note.status().unwrap();
    assert_eq!((status.deleted, status.pending_batches, status.state), (false, 0, DocumentState::Synced));
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("late"));
}

#[test]
fn ones_own_last_word_stands_until_the_log_has_it() {
    let (_sight, relay, vault, mut line, note) = deleted_elsewhere(2);
    vault.delete(&note).unwrap();
    vault.restore(&note).unwrap();
    relay.judge(|push| match push.content {
        Content::Restore => Answer::Park(FateCode::SCHEMA, 1),
        _ => Answer::Take,
    });
    settle(&relay, &vault, &mut line);
    assert!(!note.status().unwrap().deleted, "the restoration is on its way");
    relay.judge(|_| Answer::Take);
    relay.state().limits_version = 2;
    settle(&relay, &vault, &mut self::line(&vault));
    let status = note.status().unwrap();
    assert_eq!((status.deleted, status.state), (false, DocumentState::Synced));
}
