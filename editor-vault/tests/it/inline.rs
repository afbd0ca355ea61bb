//! A vault on the caller's thread: every commit is seen, nothing happens behind it, and two runs write the same bytes.

pub(crate) mod sight; // sources and an observer that a test controls

use std::path::Path;
use std::time::Duration;

use editor_vault::simulation::{Durable, InlineSync};
use editor_vault::{Connection, DocumentState, Link, Vault};
use sync_core::client::{Effect, Input};
use sync_wire::planted::{Bug, plant};

use self::sight::Sight;
use crate::house::{TAB_SIZE, count};
use crate::relay::inline::{InlineRelay, Line};

fn put(vault: &Vault, value: i64) {
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, value.into())).unwrap();
}

fn tab_size(vault: &Vault) -> Option<serde_json::Value> {
    vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap()
}

fn line(vault: &Vault) -> Line {
    Line::new(InlineSync::new(vault, &Connection::new("http://relay").token("alice")))
}

/// Talks until nothing is left to say, and runs what the vault's threads would have.
fn settle(relay: &InlineRelay, vault: &Vault, line: &mut Line) {
    let first = if line.sync().status().link == Link::Off { Input::Start } else { Input::Saved };
    relay.talk(line, "alice", first, &mut |_| ());
    while vault.run_due() > 0 {}
}

#[test]
fn an_edit_is_flushed_on_the_callers_thread_before_it_returns() {
    let sight = Sight::new(1);
    let vault = sight.open("a");
    assert_eq!(sight.commits(), [Durable::Flushed], "the tables of a new file");
    put(&vault, 4);
    assert!(sight.commits().ends_with(&[Durable::Flushed]));
    assert!(sight.all_on_this_thread());
    let before = sight.commits().len();
    drop(vault);
    let again = sight.open("a");
    assert_eq!(tab_size(&again), Some(4.into()));
    assert_eq!(sight.commits().len(), before, "closing and opening commit nothing");
}

#[test]
fn deferred_edits_are_sealed_when_they_are_due() {
    let sight = Sight::new(2);
    let vault = sight.open("a");
    let note = vault.create("note", Some("n"), None).unwrap();
    assert_eq!((vault.next_due(), vault.run_due()), (None, 0));
    let (_, first) = note.edit_deferred(|draft| draft.splice("/body", 0, 0, "a")).unwrap();
    let due = vault.next_due().unwrap();
    assert_eq!(vault.run_due(), 0, "not yet");
    sight.sources.set_time(due);
    assert_eq!(vault.run_due(), 1);
    assert!(first.is_saved());
    let (_, second) = note.edit_deferred(|draft| draft.splice("/body", 1, 0, "b")).unwrap();
    vault.flush().unwrap();
    assert!(second.is_saved());
    assert_eq!(note.text("/body").unwrap().as_deref(), Some("ab"));
    assert!(sight.all_on_this_thread());
}

#[test]
fn what_a_relay_sends_is_committed_and_flushed_later() {
    let (sight, relay) = (Sight::new(3), InlineRelay::new(&["alice"]));
    let (laptop, desktop) = (sight.open("laptop"), sight.open("desktop"));
    let (mut first, mut second) = (line(&laptop), line(&desktop));
    settle(&relay, &laptop, &mut first);
    settle(&relay, &desktop, &mut second);
    put(&laptop, 2);
    assert!(first.sync().has_unseen_saves() && !second.sync().has_unseen_saves());
    settle(&relay, &laptop, &mut first);
    assert!(!first.sync().has_unseen_saves());
    let before = sight.commits().len();
    settle(&relay, &desktop, &mut second);
    assert_eq!(tab_size(&desktop), Some(2.into()));
    assert!(sight.commits()[before..].iter().all(|durable| *durable == Durable::Later));
    let state = laptop.well_known("settings").unwrap().status().unwrap().state;
    assert_eq!((state, first.sync().status().is_settled()), (DocumentState::Synced, true));
    assert_eq!(laptop.sync_status(), *first.sync().status());
}

#[test]
fn snapshots_are_taken_apart_by_who_runs_what_is_due() {
    let (sight, relay) = (Sight::new(4), InlineRelay::new(&["alice"]));
    let laptop = sight.open("laptop");
    let note = laptop.create("note", Some("long"), None).unwrap();
    for _ in 0..600 {
        note.edit(|draft| draft.splice("/body", 0, 0, "x")).unwrap();
    }
    settle(&relay, &laptop, &mut line(&laptop));
    relay.state().make_snapshot(laptop.home(), note.id());
    let desktop = sight.open("desktop");
    let mut second = line(&desktop);
    relay.talk(&mut second, "alice", Input::Start, &mut |_| ());
    assert_eq!(desktop.find("long").unwrap().text("/body").unwrap().unwrap().len(), 600);
    assert!(desktop.next_due().is_some());
    let mut portions = 0;
    while desktop.run_due() > 0 {
        portions += 1;
    }
    assert!(portions >= 3, "600 changes in {portions} transactions of at most 256");
    assert_eq!(desktop.next_due(), None);
    let (laptop_file, desktop_file) = (laptop.file().to_path_buf(), desktop.file().to_path_buf());
    drop((note, laptop, second, desktop));
    let changes = |file: &Path| count(file, "SELECT count(*) FROM changes");
    assert_eq!(changes(&desktop_file), changes(&laptop_file));
}

/// Two devices, a login, edits of both kinds, a document each; gives every byte that was stored or sent.
fn story(sight: &Sight) -> Vec<Vec<u8>> {
    let relay = InlineRelay::new(&["alice"]);
    let (laptop, desktop) = (sight.open("laptop"), sight.open("desktop"));
    let (mut first, mut second) = (line(&laptop), line(&desktop));
    for round in 0..5 {
        for (vault, line) in [(&laptop, &mut first), (&desktop, &mut second)] {
            put(vault, round);
            for number in 0..4 {
                let note = vault.create("note", Some(&format!("{number}")), None).unwrap();
                note.edit_deferred(|draft| draft.splice("/body", 0, 0, "deferred")).unwrap();
            }
            sight.sources.advance(Duration::from_millis(7));
            vault.run_due();
            vault.flush().unwrap();
            settle(&relay, vault, line);
        }
    }
    settle(&relay, &laptop, &mut first);
    laptop.checkpoint().unwrap();
    let mut bytes: Vec<Vec<u8>> = first.wire.iter().chain(&second.wire).cloned().collect();
    for file in [laptop.file(), desktop.file()] {
        bytes.push(std::fs::read(file).unwrap());
        bytes.push(std::fs::read(sight::log_of(file)).unwrap_or_default());
    }
    bytes
}

#[test]
fn two_runs_of_one_story_store_and_send_the_same_bytes() {
    let [one, two] = [story(&Sight::new(5)), story(&Sight::new(5))];
    assert_eq!(one.len(), two.len());
    // SQLite salts its log from outside: what the log holds is compared by way of the file that it goes into.
    for (at, (one, two)) in one.iter().zip(&two).enumerate() {
        let is_log = sight::is_log(one);
        assert!(one == two || is_log && one.len() == two.len(), "piece {at} differs");
    }
    assert_ne!(one, story(&Sight::new(6)));
}

#[test]
fn nothing_moves_into_the_file_until_it_is_told() {
    let sight = Sight::new(7);
    let vault = sight.open("a");
    vault.checkpoint().unwrap();
    let (file, log) = (vault.file().to_path_buf(), sight::log_of(vault.file()));
    let before = std::fs::read(&file).unwrap();
    for number in 0..1500 {
        put(&vault, number);
    }
    drop(vault);
    assert!(std::fs::read(&file).unwrap() == before, "not even when it is closed");
    let vault = sight.open("a");
    assert_eq!(tab_size(&vault), Some(1499.into()));
    vault.checkpoint().unwrap();
    assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    assert!(std::fs::read(&file).unwrap() != before);
}

#[test]
fn a_device_may_end_at_any_effect_and_at_any_commit() {
    let relay = InlineRelay::new(&["alice"]);
    let sight = Sight::new(8);
    let laptop = sight.open("laptop");
    let mut first = line(&laptop);
    let desktop = sight.open("desktop");
    let (file, mut second, mut copies) = (desktop.file().to_path_buf(), line(&desktop), 0);
    for round in 0..6 {
        put(&laptop, round);
        settle(&relay, &laptop, &mut first);
        put(&desktop, 100 + round);
        let mut copy = |effect: &Effect| {
            if matches!(effect, Effect::CommitDelivery(_) | Effect::CommitBootstrap(_) | Effect::RecordFates(_)) {
                sight.copy(&file, &format!("copy-{copies}"));
                copies += 1;
            }
        };
        let begin = if round == 0 { Input::Start } else { Input::Saved };
        relay.talk(&mut second, "alice", begin, &mut copy);
    }
    settle(&relay, &laptop, &mut first);
    assert!(copies > 10, "{copies} ends");
    for copy in 0..copies {
        let vault = sight.open(&format!("copy-{copy}"));
        assert_eq!(vault.verify().unwrap(), []);
        settle(&relay, &vault, &mut line(&vault));
        assert_eq!(tab_size(&vault), tab_size(&laptop), "device that ended at effect {copy}");
    }
}

#[test]
fn a_power_cut_takes_nothing_that_was_flushed() {
    let relay = InlineRelay::new(&["alice"]);
    let sight = Sight::new(9);
    let (laptop, desktop) = (sight.open("laptop"), sight.open("desktop"));
    let (mut first, mut second) = (line(&laptop), line(&desktop));
    settle(&relay, &desktop, &mut second);
    for round in 0..4 {
        put(&laptop, round);
        settle(&relay, &laptop, &mut first);
        settle(&relay, &desktop, &mut second); // later
        let name = format!("cut-{round}");
        put(&desktop, 100 + round);
        let flushed = std::fs::metadata(sight::log_of(desktop.file())).unwrap().len();
        settle(&relay, &desktop, &mut second);
        let copy = sight.copy(desktop.file(), &name);
        std::fs::File::options().write(true).open(sight::log_of(&copy)).unwrap().set_len(flushed).unwrap();
        let cut = sight.open(&name);
        assert_eq!(tab_size(&cut), Some((100 + round).into()));
        settle(&relay, &cut, &mut line(&cut));
        assert_eq!(tab_size(&cut), tab_size(&desktop));
    }
}

#[test]
fn a_reconnect_with_nothing_new_commits_nothing() {
    let (sight, relay) = (Sight::new(12), InlineRelay::new(&["alice"]));
    let laptop = sight.open("laptop");
    put(&laptop, 1);
    settle(&relay, &laptop, &mut line(&laptop));
    let before = sight.commits().len();
    let mut again = line(&laptop);
    settle(&relay, &laptop, &mut again);
    assert!(again.sync().status().is_settled());
    assert_eq!((again.wire.len(), sight.commits().len()), (2, before), "Hello and Welcome, and nothing to write");
}

#[test]
fn a_delivery_reaches_documents_in_memory_and_loads_no_other() {
    let (sight, relay) = (Sight::new(13), InlineRelay::new(&["alice"]));
    let (laptop, desktop) = (sight.open("laptop"), sight.open("desktop"));
    let (mut first, mut second) = (line(&laptop), line(&desktop));
    let loaded = || editor_vault::doctest::memory(&desktop).1;
    for number in 0..3 {
        put(&laptop, number);
        settle(&relay, &laptop, &mut first);
        settle(&relay, &desktop, &mut second);
    }
    assert_eq!(loaded(), 0);
    assert_eq!((tab_size(&desktop), loaded()), (Some(2.into()), 1));
    let theirs = desktop.well_known("settings").unwrap();
    for number in 3..6 {
        let (_, ticket) = theirs.edit_deferred(|draft| draft.put("/base/files.eol", number.into())).unwrap();
        put(&laptop, number);
        settle(&relay, &laptop, &mut first);
        settle(&relay, &desktop, &mut second);
        assert_eq!((tab_size(&desktop), ticket.is_saved()), (Some(number.into()), false), "beside an unsealed edit");
        desktop.flush().unwrap();
        settle(&relay, &desktop, &mut second);
        settle(&relay, &laptop, &mut first);
    }
    assert_eq!(laptop.well_known("settings").unwrap().value().unwrap(), theirs.value().unwrap());
}

/// Two devices write before they meet and while they are connected, with a bug planted; gives what each shows for a
/// text to which all four edits were made.
fn meet(bug: Option<Bug>) -> [String; 2] {
    plant(bug);
    let (sight, relay) = (Sight::new(10), InlineRelay::new(&["alice"]));
    let vaults = [sight.open("laptop"), sight.open("desktop")];
    let path = "/base/workbench.note";
    let write = |letters: [&str; 2]| {
        for (vault, letter) in vaults.iter().zip(letters) {
            vault.well_known("settings").unwrap().edit(|draft| draft.splice(path, 0, 0, letter)).unwrap();
        }
    };
    write(["a", "b"]);
    let mut lines = vaults.each_ref().map(line);
    for at in [0, 1, 0] {
        settle(&relay, &vaults[at], &mut lines[at]);
    }
    write(["c", "d"]);
    for at in [0, 1] {
        settle(&relay, &vaults[at], &mut lines[at]);
    }
    for at in [0, 1] {
        settle(&relay, &vaults[at], &mut line(&vaults[at]));
    }
    plant(None);
    vaults.map(|vault| {
        let mut letters: Vec<char> =
            vault.well_known("settings").unwrap().text(path).unwrap().unwrap_or_default().chars().collect();
        letters.sort_unstable();
        letters.into_iter().collect()
    })
}

#[test]
fn planted_bugs_are_seen_by_who_compares_two_devices() {
    assert_eq!(meet(None), ["abcd", "abcd"]);
    for bug in [Bug::SeedNotDeterministic, Bug::OutboxForgottenAfterLogin, Bug::CursorMovedByAck] {
        let [one, two] = meet(Some(bug));
        assert!(one != "abcd" || two != "abcd", "{bug:?} went unseen: {one} and {two}");
    }
}

#[test]
fn a_resume_point_that_is_planted_outside_the_transaction_loses_what_came() {
    for bug in [None, Some(Bug::ResumePointOutsideTransaction)] {
        let (sight, relay) = (Sight::new(11), InlineRelay::new(&["alice"]));
        let (laptop, desktop) = (sight.open("laptop"), sight.open("desktop"));
        let (mut first, mut second) = (line(&laptop), line(&desktop));
        put(&laptop, 1);
        settle(&relay, &laptop, &mut first);
        settle(&relay, &desktop, &mut second);
        put(&laptop, 2);
        settle(&relay, &laptop, &mut first);
        plant(bug);
        sight.copy_at_each_commit(desktop.file());
        settle(&relay, &desktop, &mut second);
        plant(None);
        let mut is_lost = false;
        for copy in sight.copies() {
            let vault = sight.open(&copy);
            settle(&relay, &vault, &mut line(&vault));
            is_lost |= tab_size(&vault) != Some(2.into());
        }
        assert_eq!(is_lost, bug.is_some());
    }
}
