//! How much an account may have in logs, and what becomes of what is more.

use std::time::Duration;

use relay_storage::{Limits, Outcome, Quota, Shell, Usage};
use sync_wire::{DocumentId, FateCode, Role, SpaceKind};

use crate::verifying::project;
use crate::world::{Author, DOCUMENT, Pusher, Relay, on_each_shell, position, wait};

const OTHER: DocumentId = DocumentId([0xd1; 16]);

fn usage(relay: &Relay, pusher: &Pusher) -> Usage {
    wait(relay.storage.usage(pusher.account.id)).unwrap()
}

fn give(relay: &Relay, pusher: &Pusher, quota: Quota) {
    wait(relay.storage.set_quota(pusher.account.id, quota)).unwrap();
}

fn judged_by(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Parked { code: FateCode::QUOTA, judged_by, .. } => *judged_by,
        other => panic!("not parked for want of room: {other:?}"),
    }
}

#[test]
fn an_account_fills_its_quota_to_the_last_byte_and_not_one_past_it() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let (first, second) = (author.edit(), author.edit());
        let bytes = [&first, &second].map(|change| change.bytes.len() as u64);
        give(&relay, &ada, Quota::Bytes(bytes[0] + bytes[1] - 1));
        let outcomes = relay.append(ada.push(DOCUMENT, &[&[first], std::slice::from_ref(&second)]));
        assert_eq!(position(&outcomes[0]), 1);
        judged_by(&outcomes[1]);
        assert_eq!(usage(&relay, &ada).bytes, bytes[0], "nothing of what was parked counts");
        give(&relay, &ada, Quota::Bytes(bytes[0] + bytes[1]));
        assert_eq!(position(&relay.append(ada.push(DOCUMENT, &[&[second]]))[0]), 2);
        let relay = relay.reopened();
        assert_eq!(usage(&relay, &ada), Usage { bytes: bytes[0] + bytes[1], quota: Some(bytes[0] + bytes[1]) });
    });
}

#[test]
fn a_quota_is_of_the_account_whatever_the_document_and_of_nobody_else() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        let first = Author::new("one").edits(1);
        give(&relay, &ada, Quota::Bytes(first[0].bytes.len() as u64));
        relay.appended(&ada, DOCUMENT, &first);
        assert_eq!(position(&relay.append(ada.push(DOCUMENT, &[&first]))[0]), 1, "what is there needs no room");
        let parked = relay.append(ada.push(OTHER, &[&Author::new("two").edits(1)]));
        judged_by(&parked[0]);
        relay.appended(&bob, DOCUMENT, &Author::new("bob").edits(3));
    });
}

#[test]
fn what_was_parked_for_want_of_room_is_judged_anew_when_the_quota_is_raised() {
    on_each_shell(|relay| {
        let (ada, change) = (relay.pusher("ada"), Author::new("one").edits(1));
        give(&relay, &ada, Quota::Bytes(1));
        let before = judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]);
        assert_eq!(judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]), before, "nothing has changed");
        let version = wait(relay.storage.access_version()).unwrap();
        // A command of an administrator, in another process.
        give(&relay.second(), &ada, Quota::Default);
        assert_ne!(wait(relay.storage.access_version()).unwrap(), version, "sessions look");
        relay.appended(&ada, DOCUMENT, &change);
        give(&relay, &ada, Quota::Bytes(1));
        assert_ne!(judged_by(&relay.append(ada.push(OTHER, &[&Author::new("two").edits(1)]))[0]), before);
    });
}

/// A device keeps the version under which something was parked. If a relay counted on from its backup, what is decided
/// anew could have the version of what was forgotten, and the device would never ask.
#[test]
fn a_relay_that_is_put_back_to_a_backup_counts_no_version_again() {
    on_each_shell(|relay| {
        let (ada, bob, change) = (relay.pusher("ada"), relay.pusher("bob"), Author::new("one").edits(1));
        let team = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        let backup = relay.backup();
        let [before, after] = [&relay, &backup].map(|relay| {
            give(relay, &ada, Quota::Bytes(1));
            wait(relay.storage.grant(team, bob.account.id, Role::Viewer)).unwrap();
            let limits = judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]);
            (limits, relay.role(&bob.account, team).access_version)
        });
        assert!(before.0 != after.0 && before.1 != after.1, "{before:?} {after:?}");
    });
}

#[test]
fn what_is_parked_is_judged_anew_by_a_relay_that_starts() {
    on_each_shell(|relay| {
        let (ada, change) = (relay.pusher("ada"), Author::new("one").edits(1));
        give(&relay, &ada, Quota::Bytes(1));
        let before = judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]);
        wait(relay.storage.judge_parked_anew()).unwrap();
        assert_ne!(judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]), before);
    });
}

#[test]
fn other_limits_have_another_version_and_the_same_ones_have_the_same() {
    let limits = Limits::default().versioned();
    assert_eq!(limits, Limits::default().versioned());
    let larger = Limits { document_bytes_max: limits.document_bytes_max + 1, ..limits }.versioned();
    assert_ne!(limits.version, larger.version);
    assert!(limits.version > 0 && i64::try_from(limits.version).is_ok());
}

#[test]
fn who_is_at_the_limit_may_delete_and_has_the_room_again_after_the_purge() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let changes = author.edits(3);
        relay.appended(&ada, DOCUMENT, &changes);
        let full = usage(&relay, &ada).bytes;
        give(&relay, &ada, Quota::Bytes(full));
        let parked = judged_by(&relay.append(ada.push(OTHER, &[&Author::new("two").edits(1)]))[0]);
        assert_eq!(position(&relay.append(ada.tombstone(DOCUMENT, 1, &author.heads))[0]), 4);
        assert_eq!(usage(&relay, &ada).bytes, full, "it may still be restored");
        relay.pass(30 * 24);
        wait(relay.storage.purge_deleted(Duration::from_hours(30 * 24), 100)).unwrap();
        assert_eq!(usage(&relay, &ada).bytes, 0);
        relay.appended(&ada, OTHER, &Author::new("two").edits(1));
        give(&relay, &ada, Quota::Bytes(0));
        assert_ne!(judged_by(&relay.append(ada.push(DocumentId([2; 16]), &[&Author::new("3").edits(1)]))[0]), parked);
    });
}

/// An older release appends without counting.
#[test]
fn a_wrong_count_is_found_and_counted_anew() {
    let relay = Relay::new(Shell::Inline);
    let ada = relay.pusher("ada");
    relay.appended(&ada, DOCUMENT, &Author::new("one").edits(3));
    let right = usage(&relay, &ada);
    wait(relay.storage.close());
    let file = rusqlite::Connection::open(&relay.path).unwrap();
    file.execute("UPDATE account_usage SET bytes = 1", []).unwrap();
    drop(file);
    let relay = relay.second();
    let verified = wait(relay.storage.verify(None, &project())).unwrap();
    let findings: Vec<_> = verified.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(findings, ["usage_wrong"]);
    wait(relay.storage.rebuild(None, &project())).unwrap();
    assert_eq!(usage(&relay, &ada), right);
    assert!(wait(relay.storage.verify(None, &project())).unwrap().findings.is_empty());
}

#[test]
fn the_configured_quota_is_for_whoever_has_none_of_his_own() {
    let relay = Relay::limited(Shell::Inline, Limits { account_bytes_max: 10, ..Limits::default() });
    let (ada, change) = (relay.pusher("ada"), Author::new("one").edits(1));
    judged_by(&relay.append(ada.push(DOCUMENT, &[&change]))[0]);
    give(&relay, &ada, Quota::Bytes(10_000));
    relay.appended(&ada, DOCUMENT, &change);
}

#[test]
fn an_account_that_is_not_there_has_no_quota() {
    let relay = Relay::new(Shell::Inline);
    let nobody = sync_wire::AccountId([9; 16]);
    assert_eq!(wait(relay.storage.usage(nobody)).unwrap_err().code(), "account_unknown");
    assert_eq!(wait(relay.storage.set_quota(nobody, Quota::Default)).unwrap_err().code(), "account_unknown");
}
