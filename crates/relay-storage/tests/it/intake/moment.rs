//! What waits takes room of its account and its document, or deletes that, and may leave without coming into the log.
//! A batch against which nothing else stands waits for a moment: if it waited for a limit to move or for a restoration,
//! it waited for ever.

use document::{Change, Seed};
use relay_storage::{Limits, Outcome, Quota, Shell};
use sync_wire::{ChangeHash, FateCode};

use super::{OTHER, team};
use crate::world::{Author, DOCUMENT, Pusher, Relay, code, on_each_shell, position, wait};

/// What a limit has decided, which has to move first.
fn is_for_good(outcome: &Outcome, reason: FateCode) -> bool {
    code(outcome) == reason && !outcome.is_for_want_of_room()
}

/// Pushes a change that has no room because `waiting` does, and again once that has failed its check.
fn goes_on_without(relay: &Relay, ada: &Pusher, waiting: &Change, change: &Change) {
    let outcome = relay.push(ada.push(DOCUMENT, &[std::slice::from_ref(change)])).remove(0);
    assert!(outcome.is_for_want_of_room(), "{outcome:?}");
    relay.settle(ada.space, DOCUMENT, &[waiting]);
    relay.stored(ada, DOCUMENT, std::slice::from_ref(change));
}

#[test]
fn what_waits_takes_of_its_accounts_quota_what_the_log_would_take() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let [first, second, third] = ["one", "two", "three"].map(|name| [Author::new(name).edit()]);
        let bytes = first[0].bytes.len() as u64;
        wait(relay.storage.set_quota(ada.account.id, Quota::Bytes(bytes))).unwrap();
        relay.stored(&ada, DOCUMENT, &first);
        let push = |change: &[Change]| relay.push(ada.push(OTHER, &[change])).remove(0);
        assert!(push(&second).is_for_want_of_room());
        relay.settle(ada.space, DOCUMENT, &[&first[0]]);
        relay.stored(&ada, OTHER, &second);
        assert_eq!(position(&relay.settle(ada.space, OTHER, &[])[0]), 1, "to the last byte");
        assert!(is_for_good(&relay.push(ada.push(DOCUMENT, &[&third]))[0], FateCode::QUOTA), "the log has taken it");
    });
}

#[test]
fn what_waits_takes_of_its_documents_limits_what_the_log_would_take() {
    let bytes = 2 * Author::new("one").edit().bytes.len() as u64 + 40; // the second one names what it rests on
    for limits in [
        Limits { document_entries_max: 2, ..Limits::default() },
        Limits { document_ops_max: 2, ..Limits::default() },
        Limits { document_bytes_max: bytes, ..Limits::default() },
    ] {
        let relay = Relay::limited(Shell::Inline, limits.versioned());
        let (ada, _) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        relay.settle(ada.space, DOCUMENT, &[]);
        let [waiting, change, more] = ["two", "three", "four"].map(|name| author.joined_by(name).edit());
        relay.stored(&ada, DOCUMENT, std::slice::from_ref(&waiting));
        goes_on_without(&relay, &ada, &waiting, &change);
        assert_eq!(position(&relay.settle(ada.space, DOCUMENT, &[])[0]), 2, "{limits:?}");
        assert!(is_for_good(&relay.push(ada.push(DOCUMENT, &[&[more]]))[0], FateCode::QUOTA), "{limits:?}");
    }
}

#[test]
fn heads_that_wait_are_heads_for_a_moment() {
    let relay = Relay::limited(Shell::Inline, Limits::default().versioned());
    let (ada, _) = team(&relay);
    let seeds: Vec<Change> = (0..1023).map(|at| Seed::Text { path: format!("/{at}") }.change()).collect();
    relay.appended(&ada, DOCUMENT, &seeds);
    let upon_first = |name: &str| {
        let mut author = Author::new(name);
        author.see(&seeds[0]);
        author.edit()
    };
    let [instead, beside, change, more] = ["one", "two", "three", "four"].map(upon_first);
    relay.stored(&ada, DOCUMENT, &[instead, beside.clone()]);
    goes_on_without(&relay, &ada, &beside, &change);
    assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect::<Vec<_>>(), [1025]);
    assert!(is_for_good(&relay.push(ada.push(DOCUMENT, &[&[more]]))[0], FateCode::HEADS));
}

#[test]
fn a_deletion_that_waits_deletes_for_a_moment() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        relay.settle(ada.space, DOCUMENT, &[]);
        let [bad, change, more] = ["two", "three", "four"].map(|name| author.joined_by(name).edit());
        let delete = |id: u8, heads: &[ChangeHash]| relay.push(bob.tombstone(DOCUMENT, id, heads)).remove(0);
        relay.stored(&bob, DOCUMENT, std::slice::from_ref(&bad));
        assert_eq!(delete(1, &[bad.hash()]), Outcome::Stored);
        // It rests on what fails its check, and goes with that.
        goes_on_without(&relay, &ada, &bad, &change);
        relay.settle(ada.space, DOCUMENT, &[]);
        assert_eq!(delete(2, &[change.hash()]), Outcome::Stored);
        relay.settle(ada.space, DOCUMENT, &[]);
        assert!(is_for_good(&relay.push(ada.push(DOCUMENT, &[&[more]]))[0], FateCode::DELETED), "the log says so");
    });
}
