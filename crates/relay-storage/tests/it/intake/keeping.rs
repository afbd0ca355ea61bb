//! How the intake is kept: by whom it is settled, how much it holds, what a backup has of it, and what is done about
//! damage.

use std::sync::Arc;

use relay_storage::{CheckVerdict, IntakeLimits, Limits, Outcome, Project, Settled, Shell, WaitingBatch};
use rusqlite::Connection;
use sync_wire::{DocumentId, FateCode, Position};

use super::{OTHER, codes, team};
use crate::world::{Author, DOCUMENT, Pusher, Relay, appended_at, on_each_shell, position, wait};

/// For looks at a storage whose logs are empty.
fn no_document() -> Project {
    Arc::new(|_, _| panic!("nothing is in the log"))
}

#[test]
fn whoever_has_the_lease_settles_and_one_that_is_over_is_taken_over() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        let other = relay.second();
        assert!(other.waiting(ada.space, DOCUMENT).is_empty(), "whoever stored it has the lease");
        assert_eq!(wait(other.storage.waiting_documents(9)).unwrap(), []);
        let taken = relay.waiting(ada.space, DOCUMENT);
        let settle = |relay: &Relay, taken: &[WaitingBatch]| -> Option<Settled> {
            let checked = taken.iter().map(|batch| (batch.key, CheckVerdict::Passed)).collect();
            wait(relay.storage.settle_intake(ada.space, DOCUMENT, checked)).unwrap()
        };
        assert_eq!(settle(&other, &taken), None, "not without it");
        relay.pass(1);
        wait(relay.storage.renew_intake_leases(vec![(ada.space, DOCUMENT)])).unwrap();
        assert!(other.waiting(ada.space, DOCUMENT).is_empty(), "it was renewed");
        relay.pass(1);
        assert_eq!(wait(other.storage.waiting_documents(9)).unwrap(), [(ada.space, DOCUMENT)]);
        let theirs = other.waiting(ada.space, DOCUMENT);
        assert_eq!(theirs.len(), 1);
        assert_eq!(settle(&relay, &taken), None, "whoever lost it changes nothing");
        assert_eq!(appended_at(&settle(&other, &theirs).unwrap().batches[0].outcome).position, Position(1));
        // The first one had named a batch that is gone; a new one never has its name.
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(settle(&relay, &taken).unwrap().batches, []);
        assert_eq!(relay.how_many_wait(), 1);
        wait(other.storage.end_intake_leases()).unwrap();
        assert_eq!(other.waiting(ada.space, DOCUMENT).len(), 1);
    });
}

#[test]
fn what_has_no_room_is_parked_for_now_and_one_document_leaves_room_for_others() {
    let intake = IntakeLimits { space_batches_max: 10, account_batches_max: 8, ..IntakeLimits::default() };
    let relay = Relay::limited(Shell::Inline, Limits { intake, ..Limits::default() });
    let (ada, bob) = team(&relay);
    let full = |pusher: &Pusher, document: u8| {
        let change = [Author::new(&format!("{document} {}", pusher.account.name)).edit()];
        let outcome = relay.push(pusher.push(DocumentId([document; 16]), &[&change])).remove(0);
        assert!(outcome == Outcome::Stored || outcome.is_for_want_of_room(), "{outcome:?}");
        outcome != Outcome::Stored
    };
    let mut author = Author::new("one");
    relay.stored(&ada, DOCUMENT, &author.edits(2));
    let third = author.edits(1);
    assert!(relay.push(ada.push(DOCUMENT, &[&third]))[0].is_for_want_of_room(), "a quarter of the account's");
    assert_eq!((0..9).map(|document| full(&ada, document)).filter(|full| !full).count(), 6, "8 of the account");
    assert_eq!((10..19).map(|document| full(&bob, document)).filter(|full| !full).count(), 2, "10 of the space");
    // What gets its place makes room.
    relay.settle(ada.space, DOCUMENT, &[]);
    relay.stored(&ada, DOCUMENT, &third);
    assert_eq!(relay.findings(), [""; 0]);
}

#[test]
fn bytes_are_bounded_and_a_large_batch_has_room_where_nothing_waits() {
    let intake = IntakeLimits { account_bytes_max: 4096, ..IntakeLimits::default() };
    let relay = Relay::limited(Shell::Inline, Limits { intake, ..Limits::default() });
    let (ada, _) = team(&relay);
    let large = [Author::new("one").edit_of(1, 10_000)];
    relay.stored(&ada, DOCUMENT, &large);
    let small = [Author::new("two").edit()];
    assert!(relay.push(ada.push(OTHER, &[&small]))[0].is_for_want_of_room());
    relay.settle(ada.space, DOCUMENT, &[]);
    relay.stored(&ada, OTHER, &small);
}

#[test]
fn a_backup_has_no_intake_and_devices_push_again() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let changes = Author::new("one").edits(2);
        relay.stored(&ada, DOCUMENT, &changes[..1]);
        relay.settle(ada.space, DOCUMENT, &[]);
        relay.stored(&ada, DOCUMENT, &changes[1..]);
        let copy = relay.path.with_file_name("copy.sqlite");
        wait(relay.storage.backup(&copy)).unwrap();
        wait(relay.storage.close());
        for beside in ["relay.sqlite-wal", "relay.sqlite-shm"] {
            drop(std::fs::remove_file(relay.path.with_file_name(beside)));
        }
        std::fs::rename(&copy, &relay.path).unwrap();
        let relay = relay.reopened();
        assert_eq!((relay.how_many_wait(), relay.end(ada.space).position), (0, Position(1)));
        relay.stored(&ada, DOCUMENT, &changes[1..]);
        assert_eq!(position(&relay.settle(ada.space, DOCUMENT, &[])[0]), 2);
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_damaged_copy_is_noticed_and_pushed_again() {
    let relay = Relay::new(Shell::Inline);
    let (ada, bob) = team(&relay);
    let mut author = Author::new("one");
    let changes = author.edits(3);
    let friends = author.joined_by("two");
    relay.stored(&ada, DOCUMENT, &changes);
    relay.stored(&bob, OTHER, &[Author::new("two").edit()]);
    drop(friends);
    let file = Connection::open(&relay.path).unwrap();
    file.execute("UPDATE intake_changes SET bytes = zeroblob(50) WHERE change_key = 2", []).unwrap();
    let found = wait(relay.storage.verify(None, &no_document())).unwrap().findings;
    assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["intake_damaged"]);
    let outcomes = relay.settle(ada.space, DOCUMENT, &[]);
    assert_eq!(position(&outcomes[0]), 1);
    assert_eq!(codes(&outcomes[1..]), [FateCode::MISSING, FateCode::MISSING]);
    assert_eq!(relay.settle(ada.space, OTHER, &[]).len(), 1, "and nobody else");
    relay.stored(&ada, DOCUMENT, &changes[1..]);
    assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).max(), Some(4));
}

#[test]
fn wrong_counts_are_found_and_counted_again() {
    let relay = Relay::new(Shell::Inline);
    let (ada, _) = team(&relay);
    relay.stored(&ada, DOCUMENT, &Author::new("one").edits(2));
    for damage in [
        "UPDATE intake_documents SET batches = 7",
        "UPDATE intake_totals SET size = size + 1",
        "DELETE FROM intake_totals WHERE scope = 2",
        "INSERT INTO intake_totals VALUES (1, 99, 1, 1)",
        "INSERT INTO intake_changes VALUES (9, 9, 9, zeroblob(16), 1, zeroblob(32), 1, 1, x'00')",
    ] {
        Connection::open(&relay.path).unwrap().execute_batch(damage).unwrap();
        assert!(relay.findings().iter().all(|code| *code == "intake_counts_wrong"), "{damage}");
        assert!(!relay.findings().is_empty(), "{damage}");
        wait(relay.storage.rebuild(None, &no_document())).unwrap();
        assert_eq!(relay.findings(), [""; 0], "{damage}");
    }
    assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).len(), 2);
}

#[test]
fn outcomes_are_kept_for_an_hour() {
    let relay = Relay::new(Shell::Inline);
    let (ada, _) = team(&relay);
    let bad = Author::new("one").edit();
    relay.stored(&ada, DOCUMENT, std::slice::from_ref(&bad));
    relay.settle(ada.space, DOCUMENT, &[&bad]);
    assert_eq!(wait(relay.storage.sweep_intake_outcomes()).unwrap(), 0);
    assert_eq!(relay.told(&ada, &[&bad]).len(), 1);
    relay.pass(2);
    assert_eq!(wait(relay.storage.sweep_intake_outcomes()).unwrap(), 1);
    assert_eq!(relay.told(&ada, &[&bad]), []);
    assert_eq!(codes(&relay.push(ada.push(DOCUMENT, &[&[bad]]))), [FateCode::DANGEROUS], "its fate stays");
}
