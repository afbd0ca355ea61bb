//! The intake of spaces with other people: durable, judged with the log, settled document by document (PROTOCOL §2).

mod keeping; // leases, room, counts, backups and damage
mod moment; // what waits takes room, for a moment

use std::time::Duration;

use document::{Change, Seed};
use relay_storage::{
    AppendRequest, BatchContent, Check, CheckVerdict, Outcome, ParsedBatch, QuarantineQuery, Shell, WaitingBatch,
};
use sync_wire::log::EntryKind;
use sync_wire::{BatchId, DocumentId, FateCode, Position, Role, SpaceId, SpaceKind};

use crate::world::{Author, DOCUMENT, Draft, Pusher, Relay, batch, code, is_refused, on_each_shell, position, wait};

const ALL: usize = 1 << 30;
const OTHER: DocumentId = DocumentId([0xd1; 16]);

/// A team of two.
fn team(relay: &Relay) -> (Pusher, Pusher) {
    let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
    let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
    wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
    (ada.in_space(relay, space), bob.in_space(relay, space))
}

fn before(request: AppendRequest) -> AppendRequest {
    AppendRequest { check: Check::Before, ..request }
}

impl Relay {
    fn push(&self, request: AppendRequest) -> Vec<Outcome> {
        self.append(before(request))
    }

    /// Pushes each change as a batch of its own, and expects each to be stored.
    fn stored(&self, pusher: &Pusher, document: DocumentId, changes: &[Change]) {
        for change in changes {
            let outcome = self.push(pusher.push(document, &[std::slice::from_ref(change)]));
            assert_eq!(outcome, [Outcome::Stored]);
        }
    }

    fn waiting(&self, space: SpaceId, document: DocumentId) -> Vec<WaitingBatch> {
        wait(self.storage.take_intake(space, document, ALL)).unwrap()
    }

    /// Settles all that waits of a document; what is among `bad` has failed its check.
    fn settle(&self, space: SpaceId, document: DocumentId, bad: &[&Change]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let waiting = self.waiting(space, document);
            if waiting.is_empty() {
                return outcomes;
            }
            let checked = waiting.iter().map(|batch| (batch.key, verdict(batch, bad))).collect();
            let settled = wait(self.storage.settle_intake(space, document, checked)).unwrap().expect("our lease");
            outcomes.extend(settled.batches.into_iter().map(|settled| settled.outcome));
        }
    }

    fn how_many_wait(&self) -> u64 {
        wait(self.storage.intake_totals()).unwrap().batches
    }

    fn told(&self, pusher: &Pusher, changes: &[&Change]) -> Vec<Outcome> {
        let batches = changes.iter().map(|change| (DOCUMENT, batch(std::slice::from_ref(change)).id)).collect();
        let told = wait(self.storage.intake_outcomes(pusher.space, pusher.device, batches)).unwrap();
        told.into_iter().map(|(_, _, outcome)| outcome).collect()
    }
}

fn verdict(waiting: &WaitingBatch, bad: &[&Change]) -> CheckVerdict {
    let BatchContent::Changes(changes) = &waiting.batch.content else { return CheckVerdict::Passed };
    match changes.iter().find(|change| bad.contains(change)) {
        None => CheckVerdict::Passed,
        Some(culprit) => CheckVerdict::Failed {
            culprit: Some(culprit.hash()),
            code: FateCode::DANGEROUS,
            detail: "cannot be applied".to_owned(),
        },
    }
}

fn codes(outcomes: &[Outcome]) -> Vec<FateCode> {
    outcomes.iter().map(code).collect()
}

fn after(change: &Change) -> Change {
    let header = &change.header;
    Draft { deps: vec![header.hash], ..Draft::new(header.actor, header.seq + 1, header.max_op() + 1) }.seal()
}

#[test]
fn a_stored_batch_is_durable_and_has_no_place_before_it_is_settled() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let changes = Author::new("one").edits(3);
        relay.stored(&ada, DOCUMENT, &changes);
        assert_eq!(relay.end(ada.space).position, Position::START);
        assert_eq!(wait(relay.storage.document(ada.space, DOCUMENT)).unwrap(), None);
        let relay = relay.reopened();
        wait(relay.storage.end_intake_leases()).unwrap();
        assert_eq!(relay.how_many_wait(), 3);
        // A repeated push is answered as the first, and stores nothing.
        relay.stored(&ada, DOCUMENT, &changes);
        assert_eq!(relay.how_many_wait(), 3);
        let places: Vec<u64> = relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect();
        assert_eq!(places, [1, 2, 3]);
        // Now it gets its fate: the place.
        let again = relay.push(ada.push(DOCUMENT, &[&changes[..1]]));
        assert!(matches!(again[0], Outcome::Appended { entries: 0, proof: None, .. }), "{again:?}");
        assert_eq!((relay.how_many_wait(), position(&again[0])), (0, 1));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn one_document_that_waits_delays_no_other() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        relay.stored(&ada, DOCUMENT, &Author::new("one").edits(2));
        relay.stored(&bob, OTHER, &Author::new("two").edits(2));
        let places: Vec<u64> = relay.settle(ada.space, OTHER, &[]).iter().map(position).collect();
        assert_eq!((places, relay.how_many_wait()), (vec![1, 2], 2));
    });
}

#[test]
fn the_rules_read_intake_and_log_together() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        relay.settle(ada.space, DOCUMENT, &[]);
        // What rests on a batch that waits may be pushed, by everybody who has it.
        relay.stored(&ada, DOCUMENT, &author.edits(2));
        let mut friend = author.joined_by("two");
        let (friends, next) = (friend.edit(), author.edit());
        relay.stored(&bob, DOCUMENT, std::slice::from_ref(&friends));
        relay.stored(&ada, DOCUMENT, std::slice::from_ref(&next));

        let deps = author.heads.clone();
        let (actor, seq, op) = (author.actor, author.next_seq(), author.next_op());
        let push = |draft: Draft| relay.push(ada.push(DOCUMENT, &[&[draft.seal()]])).remove(0);
        let unknown = sync_wire::ChangeHash([8; 32]);
        let orphan = Draft { deps: vec![unknown], ..Draft::new(actor, seq, op) };
        assert_eq!(push(orphan), Outcome::Need { hashes: vec![unknown] });
        let other = Draft { deps: vec![friends.hash()], time: 7, ..Draft::new(actor, seq - 1, op - 1) };
        assert_eq!(code(&push(other)), FateCode::EQUIVOCATION, "a number that waits is taken");
        let far = Draft { deps: deps.clone(), ..Draft::new(actor, seq, op + 1) };
        assert_eq!(code(&push(far)), FateCode::DANGEROUS, "beyond all operations that wait");
        let early = Draft { deps: deps.clone(), ..Draft::new(actor, seq, op - 1) };
        assert_eq!(code(&push(early)), FateCode::DANGEROUS, "not after those it rests on");
        let gap = Draft { deps: deps.clone(), ..Draft::new(actor, seq + 1, op) };
        assert_eq!(code(&push(gap)), FateCode::DANGEROUS, "a number is left out");
        let apart = Draft { deps: vec![friends.hash()], ..Draft::new(actor, seq, op) };
        assert_eq!(code(&push(apart)), FateCode::DANGEROUS, "not after its actor's own change that waits");
        let foreign = Draft { deps, ..Draft::new(friend.actor, 2, op) };
        assert_eq!(code(&push(foreign)), FateCode::DEVICE, "an actor is bound by what waits");
        assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).max(), Some(5));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn what_rests_on_a_failed_batch_leaves_with_it_and_the_rest_goes_on() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        let mut friend = author.joined_by("two");
        let culprit = author.edit();
        let (child, grandchild) = (author.edit(), author.edit());
        let honest = friend.edit();
        let deletion = ada.tombstone(DOCUMENT, 9, &[grandchild.hash(), honest.hash()]);
        relay.stored(&ada, DOCUMENT, &[culprit.clone(), child.clone(), grandchild.clone()]);
        relay.stored(&bob, DOCUMENT, std::slice::from_ref(&honest));
        assert_eq!(relay.push(deletion), [Outcome::Stored]);
        let waiting = relay.waiting(ada.space, DOCUMENT);
        let checked = waiting.iter().map(|batch| (batch.key, verdict(batch, &[&culprit]))).collect();
        let settled = wait(relay.storage.settle_intake(ada.space, DOCUMENT, checked)).unwrap().unwrap();
        let outcomes: Vec<Outcome> = settled.batches.into_iter().map(|settled| settled.outcome).collect();
        assert_eq!(position(&outcomes[0]), 1);
        assert_eq!(codes(&outcomes[1..]), [FateCode::DANGEROUS, FateCode::WITH, FateCode::WITH, FateCode::WITH]);
        for outcome in &outcomes[1..] {
            assert!(matches!(outcome, Outcome::Refused { culprit: Some(it), .. } if *it == culprit.hash()));
        }
        // Its own check rested on what is gone: it is checked again.
        assert_eq!(settled.waiting, 1);
        assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect::<Vec<_>>(), [2]);
        let kept = wait(relay.storage.quarantine(QuarantineQuery::default(), 100)).unwrap().changes;
        assert!(kept.len() == 3 && kept.iter().all(|kept| kept.is_final && kept.bytes.is_some()), "{kept:?}");
        // The device is told, and a repeated push gets its fate.
        let told = relay.told(&ada, &[&culprit, &child, &grandchild]);
        assert_eq!(codes(&told), [FateCode::DANGEROUS, FateCode::WITH, FateCode::WITH]);
        assert_eq!(codes(&relay.push(ada.push(DOCUMENT, &[std::slice::from_ref(&culprit)]))), [FateCode::DANGEROUS]);
        assert_eq!(codes(&relay.push(ada.push(DOCUMENT, &[&[after(&grandchild)]]))), [FateCode::WITH]);
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn the_same_change_of_two_devices_waits_once_and_each_gets_its_fate() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let desktop = ada.on_device("desktop");
        let mut author = Author::new("one");
        let (good, bad) = (author.edit(), author.edit());
        for pusher in [&ada, &desktop, &ada, &desktop] {
            relay.stored(pusher, DOCUMENT, &[good.clone(), bad.clone()]);
        }
        assert_eq!(relay.how_many_wait(), 4);
        let outcomes = relay.settle(ada.space, DOCUMENT, &[&bad]);
        let places: Vec<u64> = outcomes.iter().filter(|it| !is_refused(it)).map(position).collect();
        assert_eq!((places, relay.end(ada.space).position), (vec![1, 1], Position(1)));
        for pusher in [&ada, &desktop] {
            assert_eq!(codes(&relay.told(pusher, &[&bad])), [FateCode::DANGEROUS]);
            assert_eq!(codes(&relay.push(pusher.push(DOCUMENT, &[std::slice::from_ref(&bad)]))), [FateCode::DANGEROUS]);
        }
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_batch_with_a_change_that_waits_in_another_stands_and_falls_with_that() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let first = Author::new("one").edits(1);
        relay.stored(&ada, DOCUMENT, &first);
        let mut friend = Author::new("one").joined_by("two");
        friend.see(&first[0]);
        let both = [first[0].clone(), friend.edit()];
        assert_eq!(relay.push(ada.push(DOCUMENT, &[&both])), [Outcome::Stored]);
        let outcomes = relay.settle(ada.space, DOCUMENT, &[&first[0]]);
        assert_eq!(codes(&outcomes), [FateCode::DANGEROUS, FateCode::DANGEROUS]);
        assert_eq!(relay.end(ada.space).position, Position::START);
    });
}

#[test]
fn what_is_settled_is_judged_by_the_log_as_it_is_then() {
    type Meanwhile = fn(&Relay, &Pusher, &Pusher);
    let cases: [(&str, Meanwhile, FateCode); 3] = [
        (
            "the grant is taken",
            |relay, ada, bob| {
                wait(relay.storage.grant(ada.space, bob.account.id, Role::Viewer)).unwrap();
            },
            FateCode::GRANT,
        ),
        (
            "the device is revoked",
            |relay, _, bob| {
                assert!(wait(relay.storage.revoke_device(bob.device)).unwrap());
            },
            FateCode::DEVICE,
        ),
        (
            "the document is held",
            |relay, ada, _| {
                wait(relay.storage.hold(ada.space, DOCUMENT, "it is damaged")).unwrap();
            },
            FateCode::HELD,
        ),
    ];
    for (what, meanwhile, expected) in cases {
        on_each_shell(|relay| {
            let (ada, bob) = team(&relay);
            let mut author = Author::new("one");
            relay.stored(&ada, DOCUMENT, &author.edits(1));
            relay.settle(ada.space, DOCUMENT, &[]);
            let mut friend = author.joined_by("two");
            let edits = friend.edits(2);
            relay.stored(&bob, DOCUMENT, &edits);
            meanwhile(&relay, &ada, &bob);
            assert_eq!(codes(&relay.settle(ada.space, DOCUMENT, &[])), [expected, expected], "{what}");
            assert_eq!(codes(&relay.told(&bob, &[&edits[0], &edits[1]])), [expected, expected], "{what}");
            assert_eq!((relay.how_many_wait(), relay.findings()), (0, Vec::new()), "{what}");
            // What was parked is no fate for ever: pushed again it is judged anew, and its old outcome is forgotten.
            let again = relay.push(bob.push(DOCUMENT, &[&edits[..1]]));
            assert_eq!(codes(&again), [expected], "{what}");
        });
    }
}

/// The vault of a revoked device goes on as another one, and pushes what was stored again.
#[test]
fn what_waits_of_a_revoked_device_is_its_heirs_to_answer_for() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        let mut author = Author::new("one");
        let edits = author.edits(2);
        relay.stored(&bob, DOCUMENT, &edits);
        assert!(wait(relay.storage.revoke_device(bob.device)).unwrap());
        let (thief, heir) = (bob.on_device("thief"), bob.on_device("heir"));
        wait(relay.storage.bind_device(bob.account.id, thief.device, "test")).unwrap();
        assert!(wait(relay.storage.revoke_device(thief.device)).unwrap());
        assert_eq!(code(&relay.push(thief.push(DOCUMENT, &[&edits]))[0]), FateCode::DEVICE);
        let whose = || relay.waiting(ada.space, DOCUMENT).iter().map(|waiting| waiting.device).collect::<Vec<_>>();
        assert_eq!(whose(), [bob.device; 2], "whoever may not write answers for nothing");
        relay.stored(&heir, DOCUMENT, &edits);
        assert_eq!(whose(), [heir.device; 2]);
        relay.stored(&heir, DOCUMENT, &author.edits(1));
        assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((relay.how_many_wait(), relay.findings()), (0, Vec::new()));
    });
}

#[test]
fn what_waits_of_a_purged_document_is_gone() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        relay.settle(ada.space, DOCUMENT, &[]);
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        relay.pass(30 * 24);
        assert_eq!(relay.push(ada.restore(DOCUMENT, 2)), [Outcome::Stored]);
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(wait(relay.storage.purge_deleted(Duration::from_hours(30 * 24), 10)).unwrap().len(), 1);
        assert_eq!(codes(&relay.settle(ada.space, DOCUMENT, &[])), [FateCode::GONE, FateCode::GONE]);
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn deletions_and_restorations_keep_their_order_with_what_waits() {
    on_each_shell(|relay| {
        let (ada, bob) = team(&relay);
        let mut author = Author::new("one");
        relay.stored(&ada, DOCUMENT, &author.edits(2));
        let friends = author.joined_by("two").edit();
        // A deletion that does not know what waits is contested, one that does is stored behind it.
        let seen = [author.edit()];
        relay.stored(&ada, DOCUMENT, &seen);
        assert_eq!(codes(&relay.push(bob.tombstone(DOCUMENT, 1, &friends.header.deps))), [FateCode::CONTESTED]);
        let deletion = ada.tombstone(DOCUMENT, 2, &author.heads);
        for _ in 0..2 {
            assert_eq!(relay.push(deletion.clone()), [Outcome::Stored]);
        }
        let late = relay.push(bob.push(DOCUMENT, &[std::slice::from_ref(&friends)]));
        assert!(late[0].is_for_want_of_room(), "{late:?}");
        assert_eq!(relay.push(ada.restore(DOCUMENT, 3)), [Outcome::Stored]);
        relay.stored(&bob, DOCUMENT, &[friends]);
        relay.settle(ada.space, DOCUMENT, &[]);
        let kinds: Vec<EntryKind> =
            relay.page(ada.space, relay.start(ada.space), ALL).entries.iter().map(|entry| entry.kind).collect();
        use EntryKind::{Change, Restore, Tombstone};
        assert_eq!(kinds, [Change, Change, Change, Tombstone, Restore, Change]);
        assert!(!wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap().deleted);
    });
}

#[test]
fn what_got_its_place_between_check_and_settling_is_told_of() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let root = Seed::Root { type_name: "settings".into() }.change();
        relay.push(ada.push(DOCUMENT, &[std::slice::from_ref(&root)]));
        let mut author = Author::new("one");
        author.see(&root);
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        let checked: Vec<_> =
            relay.waiting(ada.space, DOCUMENT).iter().map(|batch| (batch.key, CheckVerdict::Passed)).collect();
        let seed = [Seed::Text { path: "/body".into() }.change()];
        assert_eq!(position(&relay.push(ada.push(DOCUMENT, &[&seed]))[0]), 2, "a seed waits for no check");
        let settled = wait(relay.storage.settle_intake(ada.space, DOCUMENT, checked)).unwrap().unwrap();
        assert_eq!((settled.before, position(&settled.batches[0].outcome)), (Position(2), 3));
    });
}

#[test]
fn a_batch_of_seeds_gets_its_place_at_once() {
    on_each_shell(|relay| {
        let (ada, _) = team(&relay);
        let root = Seed::Root { type_name: "settings".into() }.change();
        let outcome = relay.push(ada.push(DOCUMENT, &[std::slice::from_ref(&root)]));
        assert_eq!(position(&outcome[0]), 1);
        let mut author = Author::new("one");
        author.see(&root);
        relay.stored(&ada, DOCUMENT, &author.edits(1));
        let text = Seed::Text { path: "/body".into() }.change();
        let more = [[text].to_vec(), author.edits(1)];
        let outcomes = relay.push(ada.push(DOCUMENT, &[&more[0], &more[1]]));
        assert!(matches!(outcomes[..], [Outcome::Appended { .. }, Outcome::Stored]), "{outcomes:?}");
        assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect::<Vec<_>>(), [3, 4]);
    });
}

#[test]
fn what_did_not_apply_and_breaks_no_rule_is_not_appended() {
    let relay = Relay::new(Shell::Inline);
    let (ada, _) = team(&relay);
    relay.stored(&ada, DOCUMENT, &Author::new("one").edits(1));
    let key = relay.waiting(ada.space, DOCUMENT)[0].key;
    let settled = wait(relay.storage.settle_intake(ada.space, DOCUMENT, vec![(key, CheckVerdict::Unfit)]));
    assert_eq!(code(&settled.unwrap().unwrap().batches[0].outcome), FateCode::MISSING);
    assert_eq!(relay.end(ada.space).position, Position::START);
}

/// Whoever edits at random: some of what waits is bad, some is settled now and some later, sometimes all is forgotten.
#[test]
fn whatever_comes_in_comes_out_once_and_in_order() {
    for seed in 0..20_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = move |most: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % most
        };
        let relay = Relay::new(Shell::Inline);
        let (ada, bob) = team(&relay);
        let mut authors = [Author::new("one"), Author::new("two")];
        let (mut pushed, mut bad, mut refused, mut appended) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..60 {
            let who = below(2) as usize;
            if below(4) > 0 {
                let change = authors[who].edit();
                let is_bad = below(8) == 0;
                let outcome = relay.push([&ada, &bob][who].push(DOCUMENT, &[std::slice::from_ref(&change)])).remove(0);
                match outcome {
                    Outcome::Stored => pushed.push(change.hash()),
                    // The first change of a document has no deps, and each after it must have some.
                    Outcome::Refused { .. } => authors[who] = Author::new(&format!("{who}{}", pushed.len())),
                    other => panic!("seed {seed}: {other:?}"),
                }
                bad.extend(is_bad.then_some(change));
            } else {
                let bad: Vec<&Change> = bad.iter().collect();
                for outcome in relay.settle(ada.space, DOCUMENT, &bad) {
                    if is_refused(&outcome) { refused += 1 } else { appended += 1 }
                }
            }
        }
        let bad: Vec<&Change> = bad.iter().collect();
        for outcome in relay.settle(ada.space, DOCUMENT, &bad) {
            if is_refused(&outcome) { refused += 1 } else { appended += 1 }
        }
        assert_eq!((refused + appended, relay.how_many_wait()), (pushed.len() as u64, 0), "seed {seed}");
        let log = relay.page(ada.space, relay.start(ada.space), ALL).entries;
        assert_eq!(log.len() as u64, appended, "seed {seed}");
        let order: Vec<usize> =
            log.iter().map(|entry| pushed.iter().position(|hash| *hash == entry.hash).unwrap()).collect();
        assert!(order.is_sorted(), "seed {seed}: {order:?}");
        assert!(log.iter().all(|entry| bad.iter().all(|bad| bad.hash() != entry.hash)), "seed {seed}");
        assert_eq!(relay.findings(), [""; 0], "seed {seed}");
    }
}

#[test]
fn one_batch_id_may_be_used_twice_and_each_is_judged_by_what_it_holds() {
    let relay = Relay::new(Shell::Inline);
    let (ada, _) = team(&relay);
    let mut author = Author::new("one");
    let id = BatchId([5; 16]);
    for _ in 0..2 {
        let content = BatchContent::Changes(author.edits(1));
        assert_eq!(relay.push(ada.request(DOCUMENT, vec![ParsedBatch { id, content }])), [Outcome::Stored]);
    }
    assert_eq!(relay.settle(ada.space, DOCUMENT, &[]).iter().map(position).collect::<Vec<_>>(), [1, 2]);
}
