//! Whatever parks an edit: it stays in its document, its lane waits and no other, a person is told why and what to do,
//! and it goes on when what decided has changed. What a deletion, a restoration or missing changes decide is in
//! `deleting`.

use editor_vault::{Document, DocumentState, FateCode, Vault};
use sync_core::client::Input;

use crate::inline::sight::Sight;
use crate::recovery::{line, put, settings, settle};
use crate::relay::Answer;
use crate::relay::inline::InlineRelay;

/// What made the relay judge otherwise.
enum Then {
    /// Its limits, or what it holds.
    Limits,
    /// The grants of the space.
    Grants,
}

fn state(vault: &Vault) -> DocumentState {
    settings(vault).status().unwrap().state
}

#[track_caller]
fn check(code: FateCode, then: &Then, remedy: &str) {
    let (sight, relay) = (Sight::new(u64::from(code.0)), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut ours = line(&vault);
    put(&vault, "first", 1);
    settle(&relay, &vault, &mut ours);
    // Of grants: judged by another version than the relay has now, which is 1.
    let judged_by = if matches!(then, Then::Grants) { 7 } else { 1 };
    let document = settings(&vault).id();
    relay.judge(move |push| if push.document == document { Answer::Park(code, judged_by) } else { Answer::Take });
    put(&vault, "second", 2);
    let note = vault.create("note", Some("elsewhere"), None).unwrap();
    settle(&relay, &vault, &mut ours);

    let name = code.name();
    assert!(matches!(state(&vault), DocumentState::Parked { code: found, .. } if found == code), "{name}");
    assert_eq!(settings(&vault).get("/base/second").unwrap(), Some(2.into()), "{name}: it stays in the document");
    assert_eq!(note.status().unwrap().state, DocumentState::Synced, "{name}: no other lane waits");
    let explained = vault.explain(&settings(&vault)).unwrap();
    let waiting = &explained.open_batches[0];
    assert_eq!((waiting.state, waiting.code), ("parked", Some(name)), "{name}");
    assert!(waiting.remedy.contains(remedy), "{name}: {}", waiting.remedy);
    assert!(explained.summary.contains(remedy), "{name}: {}", explained.summary);
    let findings = vault.doctor().unwrap();
    assert!(findings.iter().any(|finding| finding.code == "parked" && finding.detail.contains(name)), "{name}");

    let pushed = ours.wire.len();
    settle(&relay, &vault, &mut ours);
    assert_eq!(ours.wire.len(), pushed, "{name}: it is not pushed again while nothing has changed");
    relay.judge(|_| Answer::Take);
    if matches!(then, Then::Limits) {
        relay.state().limits_version = 2;
    }
    settle(&relay, &vault, &mut line(&vault));
    assert_eq!(state(&vault), DocumentState::Synced, "{name}");
}

#[test]
fn every_reason_to_park_is_told_with_its_remedy_and_goes_away_with_what_decided() {
    check(FateCode::QUOTA, &Then::Limits, "have the quota raised");
    check(FateCode::SIZE, &Then::Limits, "make the document smaller");
    check(FateCode::SCHEMA, &Then::Limits, "wait until the relay is upgraded");
    check(FateCode::DEVICE, &Then::Limits, "log in again on this device");
    check(FateCode::HELD, &Then::Limits, "its owner lets it go on with `vault repair`");
    check(FateCode::HEADS, &Then::Limits, "sync, then edit once");
    check(FateCode::GRANT, &Then::Grants, "ask an owner of the space");
    check(FateCode::NO_SUCH_SPACE, &Then::Grants, "ask to be let in again");
}

/// A reason of a newer relay: what it is called is not known here, and it waits like any other.
#[test]
fn a_reason_that_this_release_does_not_know_parks_too() {
    check(FateCode(60), &Then::Limits, "install a newer release");
}

/// Two edits of a document are parked; then a copy of the vault, which has the first of them alone, brings that.
#[track_caller]
fn check_brought(first: fn(&Vault, &Document), second: fn(&Vault, &Document)) {
    let (sight, relay) = (Sight::new(1), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut ours = line(&vault);
    let note = vault.create("note", Some("shared"), None).unwrap();
    settle(&relay, &vault, &mut ours);
    relay.judge(|_| Answer::Park(FateCode::SCHEMA, 1));
    first(&vault, &note);
    sight.copy(vault.file(), "copy");
    second(&vault, &note);
    settle(&relay, &vault, &mut ours);
    assert_eq!(note.status().unwrap().pending_batches, 2);

    relay.judge(|_| Answer::Take);
    let copy = sight.open("copy");
    settle(&relay, &copy, &mut line(&copy));
    // Nobody saves anything meanwhile, which would have the vault look at all that waits.
    relay.talk(&mut ours, "alice", Input::Timeout, &mut |_| ());
    let status = note.status().unwrap();
    assert_eq!((status.state, status.pending_batches), (DocumentState::Synced, 0));
    settle(&relay, &copy, &mut line(&copy));
    let theirs = copy.document(copy.home(), note.id()).unwrap();
    assert_eq!((theirs.value().unwrap(), status.deleted), (note.value().unwrap(), theirs.status().unwrap().deleted));
}

/// Seed 3952 of the simulation: what was behind it stayed on the device until its next edit or connection.
#[test]
fn a_lane_goes_on_when_another_holder_brings_what_closed_it() {
    check_brought(
        |_, note| note.edit(|draft| draft.put("/title", "one".into())).unwrap(),
        |_, note| note.edit(|draft| draft.put("/title", "two".into())).unwrap(),
    );
    check_brought(|vault, note| vault.delete(note).unwrap(), |vault, note| vault.restore(note).unwrap());
}
