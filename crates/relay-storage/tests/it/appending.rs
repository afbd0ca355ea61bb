//! Positions, chain, receipts, duplicates, durability.

use std::sync::Arc;

use relay_storage::{Limits, Outcome};
use sync_wire::log::EntryIdentity;
use sync_wire::{Chain, DocumentId, Position, Salt, SpaceId};

use crate::world::{Author, DOCUMENT, Draft, Relay, THREADS, appended_at, batch, on_each_shell, position, wait};

fn salt(relay: &Relay, space: SpaceId, account: sync_wire::AccountId) -> Salt {
    let grants = wait(relay.storage.grants_of(account)).unwrap();
    grants.into_iter().find(|grant| grant.space == space).unwrap().salt
}

#[test]
fn positions_are_dense_and_chain_and_receipts_verify() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let (mut one, mut two) = (Author::new("one"), Author::new("two"));
        let mut proofs = Vec::new();
        for round in 0..5 {
            let requests = vec![
                ada.push(DOCUMENT, &[&one.edits(round + 1), &one.edits(2)]),
                ada.push(DocumentId([1; 16]), &[&two.edits(1)]),
            ];
            for (_, outcome) in wait(relay.storage.append(requests)).unwrap().concat() {
                let Outcome::Appended { at, proof, .. } = outcome else { panic!("{outcome:?}") };
                proofs.push((at, proof.unwrap()));
            }
        }
        let page = relay.page(ada.space, relay.start(ada.space), usize::MAX >> 1);
        assert_eq!(page.log_end, Position(page.entries.len() as u64));
        let salt = salt(&relay, ada.space, ada.account.id);
        let mut chain = Chain::START;
        for (at, entry) in page.entries.iter().enumerate() {
            let (kind, document, hash) = (entry.kind, entry.document, entry.hash);
            let identity = EntryIdentity { kind, document, hash, device: entry.device, batch: entry.batch };
            chain = chain.extend(&identity.digest(&salt));
            if let Some((end, proof)) = proofs.iter().find(|(end, _)| end.position.0 == at as u64 + 1) {
                assert_eq!(proof.chain, chain);
                assert!(relay.keys.verifies(&proof.receipt, ada.space, end.epoch, end.position, &chain));
                assert!(!relay.keys.verifies(&proof.receipt, ada.space, end.epoch, end.position.next(), &chain));
            }
        }
        assert_eq!(page.chain, chain);
        let end = page.after.epoch;
        assert!(relay.keys.verifies(&page.receipt, ada.space, end, page.log_end, &chain));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_duplicate_push_changes_nothing_and_gives_the_same_place() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        let (first, second) = (author.edits(3), author.edits(2));
        let request = ada.push(DOCUMENT, &[&first, &second]);
        let before = relay.append(request.clone());
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        for _ in 0..2 {
            let again = relay.append(request.clone());
            for (again, before) in again.iter().zip(&before) {
                assert_eq!(*again, Outcome::Appended { at: appended_at(before), entries: 0, proof: None });
            }
        }
        assert_eq!(relay.end(ada.space).position, Position(6));
        // Another of the account's devices may bring the same bytes, under another batch.
        let regrouped = relay.append(ada.on_device("desktop").push(DOCUMENT, &[&[first, second].concat()]));
        assert_eq!(position(&regrouped[0]), 5);
        assert_eq!(relay.end(ada.space).position, Position(6));
    });
}

#[test]
fn what_a_batch_has_beyond_the_log_is_appended_and_the_rest_is_not_doubled() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let changes = Author::new("one").edits(4);
        relay.appended(&ada, DOCUMENT, &changes[..2]);
        assert_eq!(relay.appended(&ada, DOCUMENT, &changes).position, Position(4));
        assert_eq!(relay.page(ada.space, relay.start(ada.space), 1 << 20).entries.len(), 4);
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_half_bad_batch_appends_nothing_and_the_rest_of_its_request_is_skipped() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        let good = author.edits(2);
        let bad = Draft { deps: author.heads.clone(), ..Draft::new(author.actor, author.next_seq(), 99) }.seal();
        let mixed = [author.edits(1), vec![bad]].concat();
        let later = author.edits(1);
        let outcomes = relay.append(ada.push(DOCUMENT, &[&good, &mixed, &later]));
        assert_eq!(position(&outcomes[0]), 2);
        assert!(matches!(outcomes[1], Outcome::Refused { .. }), "{outcomes:?}");
        assert_eq!(outcomes[2], Outcome::Skipped);
        assert_eq!(relay.end(ada.space).position, Position(2));
        // The batch left no trace in memory either: its good half is still unknown, and appendable.
        assert_eq!(relay.appended(&ada, DOCUMENT, &mixed[..1]).position, Position(3));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn group_commit_isolates_requests() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let orphan =
            Draft { deps: vec![sync_wire::ChangeHash([8; 32])], ..Draft::new(Author::new("x").actor, 1, 5) }.seal();
        let requests = vec![
            ada.push(DocumentId([1; 16]), &[&Author::new("one").edits(1)]),
            ada.push(DocumentId([2; 16]), &[&[orphan]]),
            ada.push(DocumentId([3; 16]), &[&Author::new("three").edits(1)]),
        ];
        let outcomes = wait(relay.storage.append(requests)).unwrap().concat();
        assert_eq!(position(&outcomes[0].1), 1);
        assert!(matches!(outcomes[1].1, Outcome::Need { .. }));
        assert_eq!(position(&outcomes[2].1), 2);
        assert_eq!(wait(relay.storage.document(ada.space, DocumentId([2; 16]))).unwrap(), None);
    });
}

#[test]
fn concurrent_callers_share_commits_and_each_gets_its_own_answer() {
    let relay = Arc::new(Relay::new(THREADS));
    let ada = relay.pusher("ada");
    let threads: Vec<_> = (0..8_u8)
        .map(|id| {
            let (relay, ada) = (Arc::clone(&relay), ada.clone());
            std::thread::spawn(move || {
                let mut author = Author::new(&format!("author {id}"));
                for _ in 0..50 {
                    let changes = author.edits(2);
                    let before = batch(&changes).id;
                    let answered =
                        wait(relay.storage.append(vec![ada.push(DocumentId([id; 16]), &[&changes])])).unwrap();
                    assert_eq!(answered[0][0].0, before);
                    let last = appended_at(&answered[0][0].1).position;
                    let at = sync_wire::LogPosition { position: Position(last.0 - 2), ..relay.end(ada.space) };
                    let entries = relay.page(ada.space, at, 1).entries;
                    assert_eq!(entries[1].hash, changes[1].hash());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(relay.end(ada.space).position, Position(800));
    assert_eq!(relay.findings(), [""; 0]);
}

#[test]
fn a_restart_keeps_everything_and_the_log_goes_on() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        let first = author.edits(5);
        let at = relay.appended(&ada, DOCUMENT, &first);
        let page = relay.page(ada.space, relay.start(ada.space), 1 << 20);
        let relay = relay.reopened();
        assert_eq!(relay.end(ada.space), at);
        let again = relay.page(ada.space, relay.start(ada.space), 1 << 20);
        assert_eq!((again.entries, again.chain, again.receipt), (page.entries, page.chain, page.receipt));
        assert_eq!(relay.appended(&ada, DOCUMENT, &first), at, "known from the rows");
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(6));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_handle_that_was_closed_says_so() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        wait(relay.storage.close());
        let request = ada.push(DOCUMENT, &[&Author::new("one").edits(1)]);
        assert_eq!(wait(relay.storage.append(vec![request])).unwrap_err().code(), "storage_closed");
        assert_eq!(wait(relay.storage.end_of(ada.space)).unwrap_err().code(), "storage_closed");
    });
}

#[test]
fn another_process_may_append_and_this_one_notices() {
    on_each_shell(|relay| {
        let other = relay.second();
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let theirs = author.edits(2);
        other.appended(&ada, DOCUMENT, &theirs);
        assert_eq!(relay.appended(&ada, DOCUMENT, &theirs).position, Position(4), "a duplicate, not a gap");
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(5));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room() {
    for shell in [relay_storage::Shell::Inline, THREADS] {
        let tight = Limits { file_bytes_max: Some(512 << 10), ..Limits::default() };
        let relay = Relay::limited(shell, tight);
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let mut acknowledged = 0;
        let refused = loop {
            let changes = author.edits(100);
            match wait(relay.storage.append(vec![ada.push(DOCUMENT, &[&changes])])) {
                Ok(outcomes) => acknowledged = position(&outcomes[0][0].1),
                Err(error) => break (error, changes),
            }
        };
        assert_eq!(refused.0.code(), "storage_full", "{}", refused.0);
        assert!(acknowledged > 100);
        assert_eq!(relay.end(ada.space).position, Position(acknowledged));
        let full = wait(relay.storage.append(vec![ada.push(DOCUMENT, &[&refused.1])])).unwrap_err();
        assert_eq!(full.code(), "storage_full");
        let roomy = relay.second_with(Limits::default());
        wait(relay.storage.close());
        assert_eq!(roomy.appended(&ada, DOCUMENT, &refused.1).position, Position(acknowledged + 100));
        assert_eq!(roomy.findings(), [""; 0]);
    }
}

#[test]
fn frontiers_that_were_forgotten_for_want_of_memory_are_made_again() {
    let thrifty = Limits { frontier_bytes_max: 1, ..Limits::default() };
    let relay = Relay::limited(THREADS, thrifty);
    let ada = relay.pusher("ada");
    let mut authors: Vec<_> = (0..5).map(|id| Author::new(&format!("author {id}"))).collect();
    for _ in 0..4 {
        for (id, author) in authors.iter_mut().enumerate() {
            relay.appended(&ada, DocumentId([id as u8; 16]), &author.edits(3));
        }
    }
    assert_eq!(relay.end(ada.space).position, Position(60));
    assert_eq!(relay.findings(), [""; 0]);
}
