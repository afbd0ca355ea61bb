//! Edits that a relay refuses, and vaults that were copied or restored: nothing lost, nothing doubled, nobody asked.

mod copies; // vaults that were put back or copied
mod quarantine; // what people do with what was refused

use std::cell::Cell;

use document::forge::poison::{Ground, Poison};
use document::forge::{self, Forged};
use document::{Change, PastChange};
use editor_vault::simulation::InlineSync;
use editor_vault::{Connection, Document, DocumentState, FateCode, Link, Vault};
use sync_core::client::Input;
use sync_wire::{Actor, ChangeHash, Content, Push};

use crate::house::count;
use crate::inline::sight::Sight;
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

pub(crate) fn line(vault: &Vault) -> Line {
    Line::new(InlineSync::new(vault, &Connection::new("http://relay").token("alice")))
}

/// Talks until nothing is left to say: what was written anew is sent as well.
pub(crate) fn settle(relay: &InlineRelay, vault: &Vault, line: &mut Line) {
    let mut input = if line.sync().status().link == Link::Off { Input::Start } else { Input::Saved };
    for _ in 0..20 {
        relay.talk(line, "alice", input, &mut |_| ());
        while vault.run_due() > 0 {}
        if !line.sync().has_unseen_saves() {
            return;
        }
        input = Input::Saved;
    }
    panic!("it never came to rest");
}

pub(crate) fn settings(vault: &Vault) -> Document {
    vault.well_known("settings").unwrap()
}

pub(crate) fn put(vault: &Vault, key: &str, value: i64) {
    settings(vault).edit(|draft| draft.put(&format!("/base/{key}"), value.into())).unwrap();
}

pub(crate) fn base(vault: &Vault) -> serde_json::Value {
    settings(vault).value().unwrap()["base"].clone()
}

const TEXT: &str = "/base/workbench.note";

fn write(vault: &Vault, letter: &str) {
    settings(vault).edit(|draft| draft.splice(TEXT, 0, 0, letter)).unwrap();
}

/// The letters of the text, in the order of the alphabet.
fn letters(vault: &Vault) -> String {
    let mut letters: Vec<char> = settings(vault).text(TEXT).unwrap().unwrap_or_default().chars().collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

pub(crate) fn is_seed(push: &Push) -> bool {
    let Content::Changes(changes) = &push.content else { return false };
    document::Header::parse(&changes[0]).is_ok_and(|header| document::Seed::of(&header).is_some())
}

/// A judge that refuses the first change that comes, seeds apart, and every other time that same one.
pub(crate) fn refuse_first(code: FateCode) -> impl Fn(&Push) -> Answer + Send + 'static {
    let refused = Cell::new(None);
    move |push| {
        if is_seed(push) {
            return Answer::Take;
        }
        let first = refused.take().unwrap_or_else(|| push.content.clone());
        let is_it = push.content == first;
        refused.set(Some(first));
        if is_it { Answer::Refuse(code) } else { Answer::Take }
    }
}

/// A connected vault with `first` in the log.
fn begun(seed: u64) -> (Sight, InlineRelay, Vault, Line) {
    let (sight, relay) = (Sight::new(seed), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut line = line(&vault);
    put(&vault, "first", 1);
    settle(&relay, &vault, &mut line);
    (sight, relay, vault, line)
}

/// Batches of a closed vault by state.
fn states(file: &std::path::Path) -> Vec<i64> {
    (0..=6).map(|state| count(file, &format!("SELECT count(*) FROM batches WHERE state = {state}"))).collect()
}

/// The last edit of the settings that is no seed.
fn newest(vault: &Vault) -> PastChange {
    let history = settings(vault).read(document::Document::history).unwrap().unwrap();
    history.into_iter().rfind(|one| one.message.is_none()).unwrap()
}

/// What devices wrote after the newest edit: a change of one device, one of another beside it, and one that brings both
/// together. With the hash of that, and the number of the next operation.
fn run_of_others(vault: &Vault) -> ([Change; 3], ChangeHash, u64) {
    let max_op = settings(vault).read(document::Document::max_op).unwrap();
    let on = [newest(vault).hash];
    let [one, two] = [7, 8].map(|actor| forged(Actor([actor; 16]), 1, max_op + 1, &on));
    let mut heads = [one.hash(), two.hash()];
    heads.sort_unstable();
    let merge = forged(Actor([7; 16]), 2, max_op + 2, &heads);
    let hash = merge.hash();
    ([one, two, merge], hash, max_op + 3)
}

fn forged(actor: Actor, seq: u64, op: u64, deps: &[ChangeHash]) -> Change {
    Change::parse(Forged::by(actor, seq, op, deps, vec![forge::put("/base/k", op)]).blob()).unwrap()
}

/// Of a long run of others' changes each is stored without a look at more than its row. A name of this vault, that only
/// a copy of it can have used, is noticed all the same.
#[test]
fn amid_a_run_of_others_changes_an_own_name_is_noticed() {
    let (_sight, relay, vault, mut line) = begun(33);
    let (id, copied) = (settings(&vault).id(), newest(&vault));
    let (others, merge, op) = run_of_others(&vault);
    let of_copy = forged(copied.actor, copied.seq + 1, op, &[merge]);
    let last = forged(Actor([7; 16]), 3, op + 1, &[of_copy.hash()]);
    others.iter().chain([&of_copy, &last]).for_each(|change| relay.append("alice", id, change));
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault), serde_json::json!({ "first": 1, "k": op + 1 }));
    put(&vault, "later", 2);
    assert_ne!(newest(&vault).actor, copied.actor, "the name is not used again");
    settle(&relay, &vault, &mut line);
    assert_eq!(relay.document("alice", id).0.value()["base"], base(&vault));
}

/// Nor is it missed that a run brings heads together, which an edit waits for.
#[test]
fn amid_a_run_of_others_changes_a_merge_opens_the_lane_that_waits_for_it() {
    let (_sight, relay, vault, mut line) = begun(34);
    let (others, ..) = run_of_others(&vault);
    relay.judge(|push| if is_seed(push) { Answer::Take } else { Answer::Park(FateCode::HEADS, 7) });
    put(&vault, "parked", 2);
    settle(&relay, &vault, &mut line);
    assert!(matches!(settings(&vault).status().unwrap().state, DocumentState::Parked { code: FateCode::HEADS, .. }));
    relay.judge(|_| Answer::Take);
    others.iter().for_each(|change| relay.append("alice", settings(&vault).id(), change));
    settle(&relay, &vault, &mut line);
    assert_eq!(settings(&vault).status().unwrap().state, DocumentState::Synced);
}

/// A spoiled document cannot be put together, so nothing can be tried on it; but only a name is lost.
#[test]
fn an_edit_that_loses_its_name_in_a_spoiled_document_keeps_its_content() {
    let (_sight, relay, vault, mut line) = begun(31);
    let (space, id) = (settings(&vault).space(), settings(&vault).id());
    let (heads, max_op) = settings(&vault).read(|document| (document.heads(), document.max_op())).unwrap();
    relay.judge(|_| Answer::Park(FateCode::HELD, 7));
    put(&vault, "late", 2);
    settle(&relay, &vault, &mut line);
    let ground = Ground { author: Actor([1; 16]), attacker: Actor([2; 16]), heads, max_op };
    let poison = Change::parse((Poison::of("F").make)(&ground).remove(0)).unwrap();
    relay.append("alice", id, &poison);
    settle(&relay, &vault, &mut line);
    assert!(settings(&vault).status().unwrap().held.is_some());
    drop(line);
    relay.judge(refuse_first(FateCode::EQUIVOCATION));
    let mut line = self::line(&vault);
    settle(&relay, &vault, &mut line);
    relay.state().void(space, id, &[poison.hash()]);
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault), serde_json::json!({"first": 1, "late": 2}));
    assert_eq!((settings(&vault).status().unwrap().pending_batches, vault.quarantine().list().unwrap().len()), (0, 0));
}

#[test]
fn a_deletion_that_was_taken_back_does_not_come_back_with_other_heads() {
    let (sight, relay, vault, mut line) = begun(32);
    let note = vault.create("note", Some("kept"), None).unwrap();
    settle(&relay, &vault, &mut line);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    note.edit(|draft| draft.put("/done", true.into())).unwrap();
    vault.delete(&note).unwrap();
    vault.restore(&note).unwrap();
    settle(&relay, &vault, &mut line);
    let status = note.status().unwrap();
    assert_eq!((status.deleted, status.pending_batches), (false, 0));
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert!(!desktop.find("kept").unwrap().status().unwrap().deleted);
}

#[test]
fn what_rests_on_a_refused_edit_is_kept_without_it() {
    let (sight, relay, vault, mut line) = begun(1);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&vault, "bad", 2);
    put(&vault, "good", 3);
    write(&vault, "a");
    let watch = vault.watch();
    settle(&relay, &vault, &mut line);
    assert!(watch.next(std::time::Duration::ZERO).is_some());
    assert_eq!(base(&vault), serde_json::json!({"first": 1, "good": 3, "workbench.note": "a"}));
    let status = settings(&vault).status().unwrap();
    assert!(matches!(status.state, DocumentState::Quarantined { code: FateCode::DANGEROUS, .. }), "{status:?}");
    assert_eq!(status.pending_batches, 0);
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert_eq!(base(&desktop), base(&vault));
    put(&vault, "bad", 4);
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault)["bad"], 4, "the document goes on");
    let file = vault.file().to_path_buf();
    drop((line, vault));
    let vault = sight.open("laptop");
    assert_eq!(base(&vault)["good"], 3);
    assert!(vault.doctor().unwrap().iter().all(|finding| finding.code == "quarantined"));
    drop(vault);
    assert_eq!(states(&file)[4..], [1, 2, 0]);
}

#[test]
fn undo_knows_edits_that_were_written_anew() {
    let (_sight, relay, vault, mut line) = begun(2);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&vault, "bad", 2);
    put(&vault, "good", 3);
    put(&vault, "better", 4);
    settings(&vault).undo().unwrap();
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault), serde_json::json!({"first": 1, "good": 3}));
    settings(&vault).undo().unwrap();
    assert_eq!(base(&vault), serde_json::json!({"first": 1}), "and not the one that was undone");
    settings(&vault).redo().unwrap();
    settings(&vault).redo().unwrap();
    assert_eq!(base(&vault), serde_json::json!({"first": 1, "good": 3, "better": 4}));
    settle(&relay, &vault, &mut line);
    assert_eq!(settings(&vault).status().unwrap().pending_batches, 0);
}

#[test]
fn a_deletion_names_what_was_written_anew() {
    let (sight, relay, vault, mut line) = begun(3);
    let note = vault.create("note", Some("n"), None).unwrap();
    settle(&relay, &vault, &mut line);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    note.edit(|draft| draft.splice("/body", 0, 0, "bad")).unwrap();
    note.edit(|draft| draft.put("/name", "m".into())).unwrap();
    vault.delete(&note).unwrap();
    settle(&relay, &vault, &mut line);
    let status = note.status().unwrap();
    assert!(status.deleted && status.pending_batches == 0, "{status:?}");
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    let theirs = desktop.document(note.space(), note.id()).unwrap();
    assert!(theirs.status().unwrap().deleted);
    assert_eq!(theirs.get("/name").unwrap(), Some("m".into()));
}

#[test]
fn an_edit_that_was_on_its_way_follows_what_it_rests_on() {
    let (_sight, relay, vault, mut line) = begun(4);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&vault, "bad", 2);
    write(&vault, "a");
    let document = settings(&vault);
    let (_, ticket) = document.edit_deferred(|draft| draft.splice(TEXT, 0, 0, "b")).unwrap();
    relay.talk(&mut line, "alice", Input::Saved, &mut |_| ());
    vault.flush().unwrap();
    assert!(ticket.is_saved());
    let (_, second) = document.edit_deferred(|draft| draft.splice(TEXT, 0, 0, "c")).unwrap();
    vault.flush().unwrap();
    assert!(second.is_saved());
    settle(&relay, &vault, &mut line);
    assert_eq!(letters(&vault), "abc");
    assert_eq!(base(&vault).get("bad"), None);
    assert_eq!(vault.quarantine().list().unwrap().len(), 1);
}

#[test]
fn a_new_device_keeps_what_rests_on_a_refused_edit_above_a_snapshot() {
    let (sight, relay, vault, _line) = begun(36);
    relay.state().make_snapshot(settings(&vault).space(), settings(&vault).id());
    let desktop = sight.open("desktop");
    let mut line = self::line(&desktop);
    settle(&relay, &desktop, &mut line);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&desktop, "bad", 2);
    put(&desktop, "good", 3);
    settle(&relay, &desktop, &mut line);
    assert_eq!(base(&desktop), serde_json::json!({ "first": 1, "good": 3 }));
    assert_eq!(desktop.quarantine().list().unwrap().len(), 1);
}

#[test]
fn of_a_purged_document_nothing_is_written_anew() {
    let (_sight, relay, vault, mut line) = begun(37);
    relay.judge(|_| Answer::Refuse(FateCode::GONE));
    for number in 0..3 {
        put(&vault, "again", number);
    }
    settle(&relay, &vault, &mut line);
    let quarantined = vault.quarantine().list().unwrap();
    let codes: Vec<_> = quarantined.iter().map(|edit| edit.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == FateCode::GONE).count(), 1, "{codes:?}");
    let with: Vec<_> = quarantined.iter().filter(|edit| edit.code == FateCode::WITH).collect();
    assert!(with.len() == 2 && with.iter().all(|edit| edit.detail.contains("it rests on change")), "{with:?}");
}

#[test]
fn a_device_may_end_at_any_commit_of_a_recovery() {
    let (sight, relay, vault, mut line) = begun(5);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&vault, "bad", 2);
    for letter in ["a", "b", "c"] {
        write(&vault, letter);
    }
    sight.copy_at_each_commit(vault.file());
    settle(&relay, &vault, &mut line);
    let copies = sight.copies();
    assert!(copies.len() >= 3, "{} ends", copies.len());
    let entries = relay.entries("alice");
    for copy in copies {
        let again = sight.open(&copy);
        settle(&relay, &again, &mut self::line(&again));
        assert_eq!((letters(&again), relay.entries("alice")), ("abc".into(), entries), "{copy}");
        assert_eq!(again.quarantine().list().unwrap().len(), 1, "{copy}");
        assert_eq!(settings(&again).status().unwrap().pending_batches, 0, "{copy}");
    }
}

#[test]
fn two_holders_of_the_same_edits_write_the_same_bytes() {
    let (sight, relay, vault, mut line) = begun(6);
    relay.judge(refuse_first(FateCode::DANGEROUS));
    put(&vault, "bad", 2);
    write(&vault, "a");
    sight.copy(vault.file(), "clone");
    let clone = sight.open("clone");
    write(&vault, "b");
    write(&clone, "c");
    let mut theirs = self::line(&clone);
    for _ in 0..2 {
        settle(&relay, &vault, &mut line);
        settle(&relay, &clone, &mut theirs);
    }
    assert_eq!((letters(&vault), letters(&clone)), ("abc".into(), "abc".into()));
    assert_eq!(base(&vault), base(&clone));
    for vault in [&vault, &clone] {
        assert_eq!(settings(vault).status().unwrap().pending_batches, 0);
        assert_eq!(vault.quarantine().list().unwrap().len(), 1, "the refused edit, and nothing with it");
    }
}

#[test]
fn edits_beyond_what_is_worth_writing_anew_are_quarantined_with_the_refused_one() {
    let (_sight, relay, vault, mut line) = begun(7);
    relay.judge(|push| if is_seed(push) { Answer::Take } else { Answer::Refuse(FateCode::DANGEROUS) });
    for number in 0..12 {
        put(&vault, "again", number);
    }
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault), serde_json::json!({"first": 1}));
    let codes: Vec<_> = vault.quarantine().list().unwrap().iter().map(|edit| edit.code).collect();
    let refused = codes.iter().filter(|code| **code == FateCode::DANGEROUS).count();
    let with = codes.iter().filter(|code| **code == FateCode::WITH).count();
    assert_eq!((refused, with), (9, 3));
    relay.judge(|_| Answer::Take);
    put(&vault, "again", 99);
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault)["again"], 99);
}
