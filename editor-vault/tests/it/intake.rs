//! Edits that a relay has stored and not checked: safe, visible as such, never called synced.

use editor_vault::{DocumentState, FateCode, Vault};
use sync_core::client::Input;
use sync_wire::{Content, GrantChanged, Park, Push, Refuse, RelayFrame};

use crate::house::House;
use crate::recovery::{base, line, put, settings, settle};
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

/// A relay that stores everything but seeds, whose check is their parsing.
fn relay() -> InlineRelay {
    let relay = InlineRelay::new(&["alice"]);
    relay.judge(|push| if is_seed(push) { Answer::Take } else { Answer::Store });
    relay
}

fn is_seed(push: &Push) -> bool {
    let Content::Changes(changes) = &push.content else { return false };
    let is_seed = |bytes| document::Header::parse(bytes).is_ok_and(|it| document::Seed::is_seed_actor(&it.actor));
    changes.iter().all(|bytes| is_seed(bytes))
}

/// A vault with two edits of its settings, the second on top of the first, both stored.
fn begun(house: &House, relay: &InlineRelay) -> (Vault, Line) {
    let vault = house.open("laptop");
    let mut line = line(&vault);
    put(&vault, "one", 1);
    put(&vault, "two", 2);
    settle(relay, &vault, &mut line);
    (vault, line)
}

fn state(vault: &Vault) -> (DocumentState, u64) {
    let status = settings(vault).status().unwrap();
    (status.state, status.stored_batches)
}

fn refuse(push: &Push) -> RelayFrame {
    let Push { space, document, batch, .. } = *push;
    let (code, detail) = (FateCode::DANGEROUS, "its check failed".to_owned());
    RelayFrame::Refuse(Refuse { space, document, batch, culprit: None, code, detail })
}

fn park(push: &Push, code: FateCode) -> RelayFrame {
    let Push { space, document, batch, .. } = *push;
    RelayFrame::Park(Park { space, document, batch, code, judged_by: 7, detail: "not now".to_owned() })
}

#[test]
fn a_stored_edit_is_called_stored_until_it_has_its_place() {
    let (house, relay) = (House::new(), relay());
    let (vault, mut line) = begun(&house, &relay);
    assert_eq!(state(&vault), (DocumentState::Stored, 2));
    assert!(!line.sync().status().is_settled(), "something is still to come");
    let explained = vault.explain(&settings(&vault)).unwrap();
    assert_eq!((explained.state, explained.batches.stored, explained.open_batches[0].state), ("stored", 2, "stored"));
    assert!(explained.summary.contains("yet to check"), "{}", explained.summary);
    put(&vault, "three", 3);
    assert_eq!(state(&vault), (DocumentState::Saved, 2), "the least of them is said");
    settle(&relay, &vault, &mut line);
    relay.state().take_stored();
    settle(&relay, &vault, &mut line);
    assert_eq!(state(&vault), (DocumentState::Synced, 0));
    assert!(line.sync().status().is_settled());
}

#[test]
fn a_stored_edit_is_kept_and_pushed_again_after_every_hello() {
    let (house, relay) = (House::new(), relay());
    let (vault, first) = begun(&house, &relay);
    let pushed = relay.state().pushed();
    drop((vault, first));
    let vault = house.open("laptop");
    assert_eq!(state(&vault), (DocumentState::Stored, 2));
    let mut line = line(&vault);
    settle(&relay, &vault, &mut line);
    assert_eq!(relay.state().pushed(), pushed + 2);
    assert_eq!(relay.state().stored().len(), 2, "and stored once");
    relay.state().take_stored();
    settle(&relay, &vault, &mut line);
    assert_eq!(state(&vault), (DocumentState::Synced, 0));
}

#[test]
fn a_stored_edit_that_is_refused_leaves_its_document_and_what_rests_on_it_is_written_anew() {
    let (house, relay) = (House::new(), relay());
    let (vault, mut line) = begun(&house, &relay);
    let stored = relay.state().stored();
    relay.talk(&mut line, "alice", Input::Frame(refuse(&stored[0])), &mut |_| ());
    relay.talk(&mut line, "alice", Input::Frame(refuse(&stored[1])), &mut |_| ()); // it went with the first
    settle(&relay, &vault, &mut line);
    assert_eq!(base(&vault), serde_json::json!({ "two": 2 }));
    assert_eq!(vault.quarantine().list().unwrap().len(), 1, "the second is said again");
    // What was refused is not in the intake any more.
    relay.state().forget_stored(&stored);
    relay.state().take_stored();
    settle(&relay, &vault, &mut line);
    let explained = vault.explain(&settings(&vault)).unwrap();
    assert_eq!((explained.batches.stored, explained.batches.replaced, explained.batches.quarantined), (0, 1, 1));
    assert!(line.sync().status().is_settled());
}

#[test]
fn a_stored_edit_that_is_parked_closes_its_lane_and_what_is_behind_it_counts_as_saved() {
    let (house, relay) = (House::new(), relay());
    let (vault, mut line) = begun(&house, &relay);
    let stored = relay.state().stored();
    relay.talk(&mut line, "alice", Input::Frame(park(&stored[0], FateCode::HELD)), &mut |_| ());
    let status = settings(&vault).status().unwrap();
    assert!(matches!(status.state, DocumentState::Parked { code: FateCode::HELD, .. }), "{status:?}");
    assert_eq!((status.pending_batches, status.stored_batches), (2, 0), "nothing is called stored that may not be");
    assert_eq!(base(&vault), serde_json::json!({ "one": 1, "two": 2 }), "all of it is here");
    // It has its place all the same: what comes with the log counts.
    relay.state().take_stored();
    settle(&relay, &vault, &mut line);
    assert_eq!(state(&vault), (DocumentState::Synced, 0));
}

#[test]
fn what_was_stored_in_a_space_that_is_taken_counts_as_saved() {
    let (house, relay) = (House::new(), relay());
    let (vault, mut line) = begun(&house, &relay);
    let space = vault.home();
    let taken = RelayFrame::GrantChanged(GrantChanged { space, grant: None });
    relay.talk(&mut line, "alice", Input::Frame(taken), &mut |_| ());
    assert_eq!(state(&vault), (DocumentState::Saved, 0));
    assert_eq!(base(&vault), serde_json::json!({ "one": 1, "two": 2 }));
}
