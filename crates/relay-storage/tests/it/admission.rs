//! The rules of the log: PROTOCOL §1 and §2, each with the schedule that forced it.

use document::{Change, Seed};
use relay_storage::{BatchContent, HELD, Limits, Outcome, ParsedBatch, Shell};
use sync_wire::limits::{BATCH_CHANGES_MAX, CHANGE_BYTES_MAX, FRAME_BYTES_MAX};
use sync_wire::{Actor, BatchId, ChangeHash, DocumentId, FateCode, Position, Role, SpaceKind};

use crate::world::{
    Author, DOCUMENT, Draft, Pusher, Relay, appended_at, code, is_refused, on_each_shell, position, wait,
};

/// A relay, a pusher, and an author whose first three changes are in the log.
fn begun(relay: &Relay) -> (Pusher, Author) {
    let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
    relay.appended(&ada, DOCUMENT, &author.edits(3));
    (ada, author)
}

fn draft_after(author: &Author) -> Draft {
    Draft { deps: author.heads.clone(), ..Draft::new(author.actor, author.next_seq(), author.next_op()) }
}

/// Pushes a single change and gives its outcome.
fn push(relay: &Relay, pusher: &Pusher, draft: &Draft) -> Outcome {
    relay.append(pusher.push(DOCUMENT, &[&[draft.seal()]])).remove(0)
}

#[test]
fn a_second_change_of_the_same_actor_and_number_is_refused_as_equivocation() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let mut one = author.clone();
        relay.appended(&ada, DOCUMENT, &one.edits(1));
        let other = Draft { time: 5, ..draft_after(&author) }.seal();
        for relay in [relay.second(), relay] {
            let outcome = relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&other)])).remove(0);
            let Outcome::Refused { culprit, code: FateCode::EQUIVOCATION, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(culprit, Some(other.hash()));
        }
    });
}

#[test]
fn two_changes_of_one_number_in_one_batch_are_refused() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let pair = [draft_after(&author).seal(), Draft { time: 5, ..draft_after(&author) }.seal()];
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&pair]))[0]), FateCode::EQUIVOCATION);
        let twice = [pair[0].clone(), pair[0].clone()];
        assert!(is_refused(&relay.append(ada.push(DOCUMENT, &[&twice]))[0]));
        assert_eq!(relay.end(ada.space).position, Position(3));
    });
}

#[test]
fn an_actor_belongs_to_the_device_that_used_it_first() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let squatter = ada.on_device("desktop");
        let next = author.edits(1);
        assert_eq!(code(&relay.append(squatter.push(DOCUMENT, &[&next]))[0]), FateCode::DEVICE);
        // In another document of the space the actor is still that device's.
        let elsewhere = Draft::new(author.actor, 1, 1).seal();
        let outcome = relay.append(squatter.push(DocumentId([1; 16]), &[&[elsewhere]]));
        assert_eq!(code(&outcome[0]), FateCode::DEVICE);
        assert_eq!(relay.appended(&ada, DOCUMENT, &next).position, Position(4));
    });
}

#[test]
fn an_actor_belongs_to_the_account_that_used_it_first() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
        let (ada, bob) = (ada.in_space(&relay, space), bob.in_space(&relay, space));
        let mut author = Author::new("one");
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(code(&relay.append(bob.push(DOCUMENT, &[&author.edits(1)]))[0]), FateCode::DEVICE);
    });
}

#[test]
fn a_document_or_actor_squatted_in_another_space_does_not_matter() {
    on_each_shell(|relay| {
        let (ada, eve) = (relay.pusher("ada"), relay.pusher("eve"));
        let mut author = Author::new("one");
        let first = author.edits(2);
        // Eve learnt the ids and the bytes, and is first, in her own space.
        relay.appended(&eve, DOCUMENT, &first);
        relay.append(eve.tombstone(DOCUMENT, 1, &author.heads));
        assert_eq!(relay.appended(&ada, DOCUMENT, &first).position, Position(2));
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(3));
        let state = wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap();
        assert!(!state.deleted && state.entries == 3, "{state:?}");
    });
}

#[test]
fn missing_deps_are_needed_and_nothing_is_stored() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let missing = author.edits(1);
        let rest = author.edits(2);
        let need = Outcome::Need { hashes: vec![missing[0].hash()] };
        let outcomes = relay.append(ada.push(DOCUMENT, &[&rest[..1], &rest[1..]]));
        assert_eq!(outcomes, [need, Outcome::Skipped]);
        assert_eq!(relay.end(ada.space).position, Position(3));
        let all = relay.append(ada.push(DOCUMENT, &[&missing, &rest]));
        assert_eq!(position(&all[1]), 6);
    });
}

#[test]
fn a_change_may_rest_on_any_that_comes_before_it_in_its_batch() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let first = Draft::new(Actor([1; 16]), 1, 1).seal();
        let upon = |actor: u8| Draft { deps: vec![first.hash()], ..Draft::new(Actor([actor; 16]), 1, 2) }.seal();
        let all: Vec<_> = std::iter::once(first.clone()).chain((2..10).map(upon)).collect();
        assert_eq!(relay.appended(&ada, DOCUMENT, &all).position, Position(9));
    });
}

#[test]
fn deps_in_another_document_do_not_count() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let mut borrower = author.joined_by("two");
        let outcome = relay.append(ada.push(DocumentId([1; 16]), &[&borrower.edits(1)]));
        assert_eq!(outcome, [Outcome::Need { hashes: author.heads }]);
    });
}

#[test]
fn old_deps_are_found_after_a_restart_and_beyond_what_is_remembered() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let late = author.joined_by("two").edits(1);
        let unknown = Draft { deps: vec![ChangeHash([8; 32])], ..Draft::new(Author::new("x").actor, 1, 1) };
        relay.appended(&ada, DOCUMENT, &author.edits(600));
        let relay = relay.reopened();
        assert!(matches!(push(&relay, &ada, &unknown), Outcome::Need { .. }));
        assert_eq!(relay.appended(&ada, DOCUMENT, &late).position, Position(603));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn only_the_first_change_of_a_document_may_rest_on_nothing() {
    on_each_shell(|relay| {
        let (ada, _) = begun(&relay);
        assert!(is_refused(&push(&relay, &ada, &Draft::new(Author::new("two").actor, 1, 1))));
    });
}

#[test]
fn a_gap_in_the_numbers_of_an_actor_is_refused() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let gap = Draft { seq: author.next_seq() + 1, ..draft_after(&author) };
        assert!(is_refused(&push(&relay, &ada, &gap)));
        let not_from_one = Draft { actor: Author::new("two").actor, seq: 2, ..draft_after(&author) };
        assert!(is_refused(&push(&relay, &ada, &not_from_one)));
    });
}

#[test]
fn operations_begin_after_the_deps_and_at_most_one_after_the_document() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        for start_op in [1, author.next_op() - 1, author.next_op() + 1, 1 << 30] {
            assert!(is_refused(&push(&relay, &ada, &Draft { start_op, ..draft_after(&author) })), "{start_op}");
        }
        assert_eq!(position(&push(&relay, &ada, &Draft { ops: 10, ..draft_after(&author) })), 4);
    });
}

#[test]
fn a_change_without_operations_does_not_move_the_counter() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let merge = author.edit_of(0, 0);
        relay.appended(&ada, DOCUMENT, &[merge]);
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(5));
    });
}

#[test]
fn a_change_rests_on_the_one_before_it_of_its_own_actor() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        // Two branches from the third change: `one` goes on, and `two` beside it.
        let (mut one, mut two) = (author.clone(), author.joined_by("two"));
        let (ones, twos) = (one.edits(1), two.edits(1));
        relay.appended(&ada, DOCUMENT, &ones);
        relay.appended(&ada, DOCUMENT, &twos);
        let forgetful = Draft { deps: two.heads.clone(), ..Draft::new(one.actor, one.next_seq(), one.next_op()) };
        assert!(is_refused(&push(&relay, &ada, &forgetful)), "its previous change is no ancestor");
        // `two` merges both; then the previous change of `one` is an ancestor, though no direct dep.
        two.see(&ones[0]);
        relay.appended(&ada, DOCUMENT, &two.edits(1));
        let through = Draft { deps: two.heads.clone(), ..Draft::new(one.actor, one.next_seq(), two.next_op()) };
        assert_eq!(position(&push(&relay, &ada, &through)), 7);
    });
}

#[test]
fn two_thousand_ancestors_are_searched_for_an_actors_previous_change_and_more_are_left_to_the_check() {
    // Ada's first change, then so many of somebody else beside it, on which her second rests.
    let second_rests_on = |others: usize| {
        let relay = Relay::new(Shell::Inline);
        let ada = relay.pusher("ada");
        let mut author = Author::new("one");
        let mut other = author.joined_by("two");
        let root = other.edit();
        author.see(&root);
        relay.appended(&ada, DOCUMENT, &[root]);
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        for some in other.edits(others).chunks(2000) {
            relay.appended(&ada, DOCUMENT, some);
        }
        let (actor, seq, deps) = (author.actor, author.next_seq(), other.heads.clone());
        push(&relay, &ada, &Draft { deps, ..Draft::new(actor, seq, other.next_op()) })
    };
    // The root is one of those that are looked at.
    assert!(is_refused(&second_rests_on(2_047)));
    appended_at(&second_rests_on(2_048));
}

#[test]
fn a_batch_rests_on_at_most_2048_changes_of_the_log() {
    let relay = Relay::new(Shell::Inline);
    let ada = relay.pusher("ada");
    let mut author = Author::new("one");
    let edits = author.edits(1_100);
    relay.appended(&ada, DOCUMENT, &edits);
    let batch = |name: u8, sizes: &[usize]| {
        let change = |(at, size): (u8, &usize)| {
            let deps = edits.iter().rev().take(*size).map(Change::hash).collect();
            Draft { deps, ..Draft::new(sync_wire::Actor([at; 16]), 1, author.next_op()) }.seal()
        };
        let changes: Vec<Change> = (name..).zip(sizes).map(change).collect();
        relay.append(ada.push(DOCUMENT, &[&changes])).remove(0)
    };
    assert_eq!(code(&batch(10, &[1024, 1024, 1])), FateCode::SIZE);
    appended_at(&batch(20, &[1024, 1024]));
}

#[test]
fn all_changes_of_a_batch_share_what_is_searched_for_ancestors() {
    let relay = Relay::new(Shell::Inline);
    let ada = relay.pusher("ada");
    let (mut below, mut beside) = (Author::new("below"), Author::new("beside"));
    let root = below.edit();
    beside.see(&root);
    relay.appended(&ada, DOCUMENT, &[root]);
    relay.appended(&ada, DOCUMENT, &beside.edits(1));
    let mut other = below.joined_by("other");
    for some in other.edits(1_200).chunks(400) {
        relay.appended(&ada, DOCUMENT, some);
    }
    let on_top = |author: &Author| {
        Draft { deps: other.heads.clone(), ..Draft::new(author.actor, author.next_seq(), other.next_op()) }.seal()
    };
    let (found, not_found) = (on_top(&below), on_top(&beside));
    let alone = relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&not_found)]));
    assert!(is_refused(&alone[0]), "1,200 are searched through");
    // Refused for ever, so another one says the same beside the first.
    let not_found = Draft { time: 1, ..Draft::new(beside.actor, beside.next_seq(), other.next_op()) };
    let not_found = Draft { deps: other.heads.clone(), ..not_found }.seal();
    appended_at(&relay.append(ada.push(DOCUMENT, &[&[found, not_found]]))[0]);
}

#[test]
fn seeds_belong_to_nobody_and_never_double() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let desktop = ada.on_device("desktop");
        let root = Seed::Root { type_name: "settings".into() }.change();
        let at = relay.appended(&ada, DOCUMENT, std::slice::from_ref(&root));
        assert_eq!(relay.appended(&desktop, DOCUMENT, std::slice::from_ref(&root)), at);
        let text = Seed::Text { path: "/body".into() }.change();
        assert_eq!(relay.appended(&desktop, DOCUMENT, std::slice::from_ref(&text)).position, Position(2));
        // The same seed in another document is that document's own.
        assert_eq!(relay.appended(&desktop, DocumentId([1; 16]), &[text]).position, Position(3));
        let state = wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap();
        assert_eq!(state.type_name.as_deref(), Some("settings"));
        // Both devices go on from the seeds they have in common.
        let mut author = Author::new("one");
        author.see(&root);
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(4));
        let seed = Seed::Text { path: "/title".into() }.change();
        let outcome = relay.append(ada.push(DOCUMENT, &[&[seed.clone(), seed]])).remove(0);
        assert_eq!(code(&outcome), FateCode::UNDECODABLE, "twice in one batch: {outcome:?}");
        assert_eq!(relay.end(ada.space).position, Position(4));
    });
}

#[test]
fn a_document_has_at_most_1024_heads() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let seed = |at| Seed::Text { path: format!("/{at}") }.change();
        let seeds: Vec<_> = (0..1024).map(seed).collect();
        relay.appended(&ada, DOCUMENT, &seeds);
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&[seed(1024)]]))[0]), FateCode::HEADS);
        let mut author = Author::new("one");
        seeds.iter().for_each(|seed| author.see(seed));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(relay.appended(&ada, DOCUMENT, &[seed(1024)]).position, Position(1026));
    });
}

#[test]
fn a_batch_that_fits_no_delivery_is_parked() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let large: Vec<_> = (0..3).map(|_| author.edit_of(1, 400 << 10)).collect();
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&large]))[0]), FateCode::SIZE);
        assert_eq!(relay.appended(&ada, DOCUMENT, &large[..2]).position, Position(5));
    });
}

#[test]
fn a_batch_fills_a_delivery_to_the_last_byte_and_not_one_past_it() {
    let relay = Relay::new(Shell::Inline);
    let (ada, author) = begun(&relay);
    // A batch of two changes that comes to `size` with its envelope.
    let batch = |size: usize| {
        let mut author = author.clone();
        let first = author.edit_of(1, 600 << 10);
        let room = size - first.bytes.len() - 2 * 128;
        let empty = author.clone().edit_of(1, 300 << 10).bytes.len() - (300 << 10);
        [first, author.edit_of(1, room - empty)]
    };
    let most = FRAME_BYTES_MAX - 2048;
    let bytes = |batch: &[Change]| batch.iter().map(|change| change.bytes.len() + 128).sum::<usize>();
    assert_eq!((bytes(&batch(most)), bytes(&batch(most + 1))), (most, most + 1));
    assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&batch(most + 1)]))[0]), FateCode::SIZE);
    relay.appended(&ada, DOCUMENT, &batch(most));
}

#[test]
fn a_change_may_have_so_many_bytes_and_a_batch_so_many_changes_and_not_one_more() {
    let relay = Relay::new(Shell::Inline);
    let (ada, author) = begun(&relay);
    let of_value = |bytes: usize| Draft { value_bytes: bytes, ..draft_after(&author) };
    let beside_value = of_value(300 << 10).seal().bytes.len() - (300 << 10);
    let sized = |bytes: usize| of_value(bytes - beside_value);
    assert_eq!(sized(CHANGE_BYTES_MAX).seal().bytes.len(), CHANGE_BYTES_MAX);
    assert_eq!(code(&push(&relay, &ada, &sized(CHANGE_BYTES_MAX + 1))), FateCode::SIZE);
    let largest = sized(CHANGE_BYTES_MAX).seal();
    relay.appended(&ada, DOCUMENT, std::slice::from_ref(&largest));
    let mut author = author.joined_by("two");
    author.see(&largest);
    let edits = author.edits(BATCH_CHANGES_MAX + 1);
    assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&edits]))[0]), FateCode::SIZE);
    assert_eq!(position(&relay.append(ada.push(DOCUMENT, &[&edits[..BATCH_CHANGES_MAX]]))[0]), 516);
}

#[test]
fn an_empty_batch_and_one_that_did_not_parse_are_refused_in_their_turn() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        assert!(is_refused(&relay.append(ada.push(DOCUMENT, &[&[]]))[0]));
        let rejected = BatchContent::Rejected {
            culprit: None,
            code: FateCode::UNDECODABLE,
            detail: "garbage".into(),
            changes: Vec::new(),
        };
        let mut request = ada.push(DOCUMENT, &[&author.edits(1), &author.edits(1)]);
        request.batches.insert(1, ParsedBatch { id: BatchId([1; 16]), content: rejected });
        let outcomes = relay.append(request);
        assert_eq!(appended_at(&outcomes[0]).position, Position(4));
        assert_eq!(code(&outcomes[1]), FateCode::UNDECODABLE);
        assert_eq!(outcomes[2], Outcome::Skipped);
    });
}

#[test]
fn a_held_document_is_read_only_and_the_others_go_on() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        wait(relay.storage.hold(ada.space, DOCUMENT, "the check failed at 3")).unwrap();
        let next = author.edits(1);
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&next]))[0]), HELD);
        relay.appended(&ada, DocumentId([1; 16]), &Author::new("two").edits(1));
        assert!(wait(relay.storage.next_unchecked(10)).unwrap().iter().all(|state| state.document != DOCUMENT));
        wait(relay.storage.release(ada.space, DOCUMENT)).unwrap();
        assert_eq!(relay.appended(&ada, DOCUMENT, &next).position, Position(5));
    });
}

#[test]
fn a_document_that_reached_its_quota_parks_what_is_more() {
    let cases = [
        Limits { document_entries_max: 4, version: 9, ..Limits::default() },
        Limits { document_ops_max: 4, version: 9, ..Limits::default() },
        Limits { document_bytes_max: 400, version: 9, ..Limits::default() },
    ];
    for limits in cases {
        let relay = Relay::limited(Shell::Inline, limits);
        let (ada, author) = begun(&relay);
        assert_eq!(position(&push(&relay, &ada, &draft_after(&author))), 4, "at the limit");
        let mut author = author;
        let next = [author.edit(), author.edit_of(1, 300)];
        let outcome = relay.append(ada.push(DOCUMENT, &[&next])).remove(0);
        let Outcome::Parked { code: FateCode::QUOTA, judged_by: 9, .. } = outcome else { panic!("{outcome:?}") };
    }
}
