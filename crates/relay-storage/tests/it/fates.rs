//! What became of refused changes: kept, repeated, and no burden to anybody else.

use relay_storage::{
    BatchContent, Condemned, Limits, Outcome, ParsedBatch, QuarantineQuery, RefusedChange, Shell, readable_hash,
};
use rusqlite::Connection;
use sync_wire::{BatchId, Blob, ChangeHash, DocumentId, FateCode, Position, Role, SpaceKind};

use crate::world::{Author, DOCUMENT, Draft, Pusher, Relay, THREADS, code, is_refused, on_each_shell, wait};

/// A relay, a pusher, and an author whose first three changes are in the log.
fn begun(relay: &Relay) -> (Pusher, Author) {
    let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
    relay.appended(&ada, DOCUMENT, &author.edits(3));
    (ada, author)
}

/// A change that no state of the document makes acceptable: its operations begin far beyond its end.
fn bad(author: &Author) -> Draft {
    Draft { deps: author.heads.clone(), ..Draft::new(author.actor, author.next_seq(), author.next_op() + 100) }
}

/// A change on top of another one.
fn after(change: &document::Change) -> document::Change {
    let header = &change.header;
    Draft { deps: vec![header.hash], ..Draft::new(header.actor, header.seq + 1, header.max_op() + 1) }.seal()
}

fn refused(relay: &Relay) -> Vec<RefusedChange> {
    wait(relay.storage.quarantine(QuarantineQuery::default(), 1000)).unwrap().changes
}

/// What is kept of a refused change, whosever it is.
fn kept_bytes(relay: &Relay, hash: ChangeHash) -> Option<Blob> {
    let query = QuarantineQuery { hash: Some(hash), ..QuarantineQuery::default() };
    wait(relay.storage.refused_change(query)).unwrap().and_then(|kept| kept.bytes)
}

fn refusal(outcome: &Outcome) -> (Option<ChangeHash>, FateCode, String) {
    match outcome {
        Outcome::Refused { culprit, code, detail } => (*culprit, *code, detail.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_refused_change_gets_the_same_refusal_again_after_a_restart_and_a_lost_answer() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let change = bad(&author).seal();
        let push = || ada.push(DOCUMENT, &[std::slice::from_ref(&change)]);
        let first = relay.append(push());
        assert_eq!(refusal(&first[0]).0, Some(change.hash()));
        assert_eq!(relay.append(push()), first);
        // By now the rules would take it: the document has grown so far.
        relay.appended(&ada, DOCUMENT, &[author.edit_of(200, 0)]);
        assert_eq!(relay.append(push()), first);
        let relay = relay.reopened();
        assert_eq!(relay.append(push()), first);
        assert_eq!(refused(&relay).len(), 1);
    });
}

#[test]
fn a_fate_comes_before_the_grant() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
        let bob = bob.in_space(&relay, space);
        let mut author = Author::new("one");
        relay.appended(&bob, DOCUMENT, &author.edits(1));
        let push = bob.push(DOCUMENT, &[&[bad(&author).seal()]]);
        let first = relay.append(push.clone());
        wait(relay.storage.grant(space, bob.account.id, Role::Viewer)).unwrap();
        assert_eq!(relay.append(push), first);
        assert_eq!(code(&relay.append(bob.push(DOCUMENT, &[&author.edits(1)]))[0]), FateCode::GRANT);
    });
}

#[test]
fn what_rests_on_a_refused_change_is_refused_with_it_and_not_asked_for() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let culprit = bad(&author).seal();
        let child = after(&culprit);
        let grandchild = after(&child);
        relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&culprit)]));
        for change in [&child, &grandchild, &child] {
            let outcome = relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(change)])).remove(0);
            let (named, code, _) = refusal(&outcome);
            assert_eq!((named, code), (Some(culprit.hash()), FateCode::WITH));
        }
        let deletion = relay.append(ada.tombstone(DOCUMENT, 9, &[grandchild.hash()])).remove(0);
        assert_eq!(refusal(&deletion).1, FateCode::WITH);
        let relay = relay.reopened();
        let outcome = relay.append(ada.push(DOCUMENT, &[&[after(&grandchild)]])).remove(0);
        assert_eq!(refusal(&outcome).0, Some(culprit.hash()));
        // Another device never had the refused change: it is asked for it.
        let other = Draft { deps: vec![culprit.hash()], ..Draft::new(Author::new("two").actor, 1, 500) }.seal();
        let outcome = relay.append(ada.on_device("desktop").push(DOCUMENT, &[&[other]])).remove(0);
        assert_eq!(outcome, Outcome::Need { hashes: vec![culprit.hash()] });
    });
}

#[test]
fn the_companions_of_a_refused_change_go_with_it_and_may_come_again_without_it() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let mut friend = author.joined_by("two");
        let (good, culprit) = (friend.edit(), bad(&author).seal());
        let dependant = after(&culprit);
        let batch = [good.clone(), culprit.clone(), dependant.clone()];
        assert_eq!(refusal(&relay.append(ada.push(DOCUMENT, &[&batch]))[0]).0, Some(culprit.hash()));
        let mut kept: Vec<_> = refused(&relay)
            .into_iter()
            .map(|change| (change.hash, change.code, change.culprit, change.is_final, change.bytes.is_some()))
            .collect();
        kept.reverse();
        let blame = Some(culprit.hash());
        let wanted = [
            (good.hash(), FateCode::WITH, blame, false, true),
            (culprit.hash(), FateCode::DANGEROUS, None, true, true),
            (dependant.hash(), FateCode::WITH, blame, true, true),
        ];
        assert_eq!(kept, wanted);
        relay.appended(&ada, DOCUMENT, std::slice::from_ref(&good));
        assert!(refused(&relay).iter().all(|change| change.hash != good.hash()));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_change_that_came_twice_in_one_batch_is_no_culprit() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let changes = author.edits(7);
        let with = |more: &[usize]| -> Vec<document::Change> {
            (0..7).chain(more.iter().copied()).map(|index| changes[index].clone()).collect()
        };
        for more in [&[6][..], &[5], &[0], &[0, 3]] {
            let outcome = relay.append(ada.push(DOCUMENT, &[&with(more)])).remove(0);
            let Outcome::Refused { culprit: None, code, detail } = outcome else { panic!("{more:?}: {outcome:?}") };
            assert_eq!(code, FateCode::UNDECODABLE);
            assert!(detail.contains("is twice in one batch"), "{detail}");
        }
        assert_eq!(refused(&relay), []);
        assert_eq!(relay.appended(&ada, DOCUMENT, &changes).position, Position(10));
    });
}

#[test]
fn honest_documents_have_no_fates_and_parked_batches_neither() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        relay.append(ada.push(DOCUMENT, &[&[bad(&author).seal()]]));
        let other = DocumentId([1; 16]);
        relay.appended(&ada, other, &Author::new("two").edits(3));
        let next = author.edits(1);
        assert_eq!(code(&relay.append(ada.on_device("desktop").push(DOCUMENT, &[&next]))[0]), FateCode::DEVICE);
        assert_eq!(relay.appended(&ada, DOCUMENT, &next).position, Position(7));
        let documents: Vec<_> = refused(&relay).into_iter().map(|change| change.document).collect();
        assert_eq!(documents, [DOCUMENT]);
    });
}

#[test]
fn the_first_change_of_a_document_may_be_refused_and_is_remembered() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let change = Draft::new(Author::new("one").actor, 1, 50).seal();
        let push = ada.push(DOCUMENT, &[std::slice::from_ref(&change)]);
        let first = relay.append(push.clone());
        assert!(is_refused(&first[0]));
        let relay = relay.reopened();
        assert_eq!(relay.append(push), first);
        let mut author = Author::new("two");
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        assert_eq!(relay.append(ada.push(DOCUMENT, &[&[change]])), first);
    });
}

#[test]
fn bytes_that_do_not_parse_are_kept_by_their_hash_if_that_can_be_read() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let bytes = bad(&author).seal().bytes;
        let hash = readable_hash(&bytes).unwrap();
        let mut torn = bytes.to_vec();
        *torn.last_mut().unwrap() ^= 1;
        assert_eq!(readable_hash(&torn), None);
        let push = |code: FateCode, detail: &str, bytes: &Blob| {
            let (culprit, detail, changes) = (Some(hash), detail.into(), vec![bytes.clone()]);
            let content = BatchContent::Rejected { culprit, code, detail, changes };
            relay.append(ada.request(DOCUMENT, vec![ParsedBatch { id: BatchId([4; 16]), content }]))
        };
        let first = push(FateCode::UNDECODABLE, "a rule of before", &bytes);
        let kept = refused(&relay).remove(0);
        assert_eq!((kept.hash, kept.code), (hash, FateCode::UNDECODABLE));
        assert_eq!(kept_bytes(&relay, hash).as_deref(), Some(&bytes[..]));
        // Another version may say something else of it, or parse it: the answer stays.
        assert_eq!(push(FateCode::UNDECODABLE, "a rule of today", &bytes), first);
        let change = document::Change::parse(bytes).unwrap();
        assert_eq!(relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&change)])), first);
        // What goes with it has an answer of its own.
        assert_eq!(code(&push(FateCode::WITH, "it rests on that", &after(&change).bytes)[0]), FateCode::WITH);
    });
}

#[test]
fn a_condemned_change_is_refused_unseen() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        let change = author.edit();
        let condemned = Condemned {
            space: ada.space,
            document: DOCUMENT,
            hash: change.hash(),
            account: ada.account.id,
            device: ada.device,
            batch: BatchId([3; 16]),
            detail: "its check ended the relay twice".into(),
        };
        for _ in 0..2 {
            wait(relay.storage.condemn(condemned.clone())).unwrap();
        }
        let hashes = vec![ChangeHash([1; 32]), change.hash()];
        let (state, found) = wait(relay.storage.document_and_refused(ada.space, DOCUMENT, ada.device, hashes)).unwrap();
        assert_eq!((state.unwrap().entries, found), (3, vec![change.hash()]));
        let outcome = relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&change)])).remove(0);
        assert_eq!(refusal(&outcome), (Some(change.hash()), FateCode::DANGEROUS, condemned.detail));
    });
}

#[test]
fn bytes_go_after_thirty_days_and_fates_stay() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let push = ada.push(DOCUMENT, &[&[bad(&author).seal()]]);
        let first = relay.append(push.clone());
        relay.pass(29 * 24);
        assert_eq!(wait(relay.storage.sweep_refused()).unwrap(), 0);
        assert!(refused(&relay)[0].bytes.is_some());
        relay.pass(24);
        let before = relay.storage.commits();
        assert_eq!(wait(relay.storage.sweep_refused()).unwrap(), 1);
        assert_eq!(wait(relay.storage.sweep_refused()).unwrap(), 0);
        assert_eq!(relay.storage.commits(), before + 1, "a sweep that finds nothing is no commit");
        assert_eq!(refused(&relay)[0].bytes, None);
        assert_eq!(relay.append(push), first);
    });
}

#[test]
fn what_its_account_discards_is_listed_no_more_and_refused_as_before() {
    on_each_shell(|relay| {
        let ((ada, author), eve) = (begun(&relay), relay.pusher("eve"));
        let change = bad(&author).seal();
        let (hash, push) = (change.hash(), ada.push(DOCUMENT, &[&[change]]));
        let first = relay.append(push.clone());
        let discard = |account, hash| wait(relay.storage.discard_refused(ada.space, account, hash)).unwrap();
        assert!(!discard(eve.account.id, hash), "it is not hers");
        assert!(kept_bytes(&relay, hash).is_some());
        assert!(discard(ada.account.id, hash));
        assert!(discard(ada.account.id, hash), "it is gone, as was wanted");
        assert!(!discard(eve.account.id, hash) && !discard(ada.account.id, ChangeHash([9; 32])));
        let mine = QuarantineQuery { account: Some(ada.account.id), ..QuarantineQuery::default() };
        assert_eq!(wait(relay.storage.quarantine(mine, 9)).unwrap().changes, []);
        assert_eq!(kept_bytes(&relay, hash), None);
        assert_eq!(wait(relay.storage.refused_past(ada.space, ada.account.id, hash)).unwrap(), None);
        let for_operators = refused(&relay).remove(0);
        assert_eq!((for_operators.hash, for_operators.account, for_operators.bytes), (hash, None, None));
        assert_eq!(relay.append(push.clone()), first);
        let relay = relay.reopened();
        assert_eq!(relay.append(push), first);
        assert_eq!(wait(relay.storage.quarantine(mine, 9)).unwrap().changes, []);
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn what_was_discarded_makes_room_for_others() {
    let limits = Limits { refused_changes_max: 2, ..Limits::default() };
    let relay = Relay::limited(Shell::Inline, limits);
    let (ada, author) = begun(&relay);
    let changes: Vec<_> = (0..3).map(|time| Draft { time, ..bad(&author) }.seal()).collect();
    for change in &changes[..2] {
        relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(change)]));
    }
    assert!(wait(relay.storage.discard_refused(ada.space, ada.account.id, changes[0].hash())).unwrap());
    relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&changes[2])]));
    let kept: Vec<_> = changes.iter().map(|change| kept_bytes(&relay, change.hash()).is_some()).collect();
    assert_eq!(kept, [false, true, true]);
}

#[test]
fn a_refused_change_is_read_with_what_it_rests_on_that_was_refused_as_well() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let culprit = bad(&author).seal();
        let child = after(&culprit);
        let grandchild = after(&child);
        let batch = [culprit.clone(), child.clone(), grandchild.clone()];
        assert!(is_refused(&relay.append(ada.push(DOCUMENT, &[&batch]))[0]));
        let read = |hash| wait(relay.storage.refused_past(ada.space, ada.account.id, hash)).unwrap().unwrap();
        let past = read(grandchild.hash());
        assert_eq!((past.kept.change.hash, past.is_whole), (grandchild.hash(), true));
        let before: Vec<_> = past.before.iter().map(|kept| (kept.change.hash, kept.change.code)).collect();
        assert_eq!(before, [(culprit.hash(), FateCode::DANGEROUS), (child.hash(), FateCode::WITH)]);
        assert_eq!(past.before[1].bytes.as_ref(), Some(&child.bytes));
        assert_eq!(read(culprit.hash()).before, []);
    });
}

#[test]
fn sixty_four_refused_changes_are_read_below_one_and_not_one_more() {
    let relay = Relay::new(Shell::Inline);
    let (ada, author) = begun(&relay);
    let mut chain = vec![bad(&author).seal()];
    for _ in 0..65 {
        chain.push(after(chain.last().unwrap()));
    }
    for change in &chain {
        assert!(is_refused(&relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(change)]))[0]));
    }
    for (at, is_whole) in [(64, true), (65, false)] {
        let past = relay.storage.refused_past(ada.space, ada.account.id, chain[at].hash());
        let past = wait(past).unwrap().unwrap();
        assert_eq!((past.before.len(), past.is_whole), (64, is_whole));
    }
}

#[test]
fn a_change_that_ends_the_relay_when_it_is_looked_at_loses_its_bytes_and_keeps_its_verdict() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let change = bad(&author).seal();
        let (hash, push) = (change.hash(), ada.push(DOCUMENT, &[&[change]]));
        let first = relay.append(push.clone());
        let kept = refused(&relay).remove(0);
        let (space, document, device, batch) = (kept.space, kept.document, kept.device, kept.batch);
        let (account, detail) = (ada.account.id, "it ended the relay".to_owned());
        wait(relay.storage.condemn(Condemned { space, document, hash, account, device, batch, detail })).unwrap();
        assert_eq!(refused(&relay), [RefusedChange { bytes: None, ..kept }]);
        assert_eq!(relay.append(push), first);
    });
}

#[test]
fn an_account_keeps_the_newest_refused_bytes_within_its_limits() {
    let limits = Limits { refused_changes_max: 8, ..Limits::default() };
    let relay = Relay::limited(Shell::Inline, limits);
    let (ada, author) = begun(&relay);
    let eve = relay.pusher("eve");
    relay.append(eve.push(DOCUMENT, &[&[Draft::new(Author::new("x").actor, 1, 7).seal()]]));
    let flood = |count: std::ops::Range<u64>| {
        for time in count {
            relay.append(ada.push(DOCUMENT, &[&[Draft { time, ..bad(&author) }.seal()]]));
        }
    };
    flood(0..9);
    let with_bytes = || refused(&relay).iter().filter(|change| change.bytes.is_some()).count();
    assert_eq!((refused(&relay).len(), with_bytes()), (10, 8), "seven of the flood, and another account's");
    flood(9..30);
    assert!(refused(&relay)[0].bytes.is_some(), "the newest is there");
    assert!(with_bytes() <= 9);
    let relay = relay.reopened();
    relay.append(ada.push(DOCUMENT, &[&[Draft { time: 99, ..bad(&author) }.seal()]]));
    assert!(refused(&relay).iter().filter(|change| change.bytes.is_some()).count() <= 9);
}

#[test]
fn refused_changes_are_listed_by_space_account_and_page_and_counted_of_each_account() {
    let relay = Relay::new(THREADS);
    let (ada, author) = begun(&relay);
    let eve = relay.pusher("eve");
    for time in 0..5 {
        relay.append(ada.push(DOCUMENT, &[&[Draft { time, ..bad(&author) }.seal()]]));
    }
    relay.append(eve.push(DOCUMENT, &[&[Draft::new(Author::new("x").actor, 1, 7).seal()]]));
    let list = |query, limit| wait(relay.storage.quarantine(query, limit)).unwrap();
    let mine = QuarantineQuery { account: Some(ada.account.id), space: Some(ada.space), ..QuarantineQuery::default() };
    let page = list(mine, 3);
    assert_eq!(page.changes.len(), 3);
    let rest = list(QuarantineQuery { before: page.next, ..mine }, 3);
    assert_eq!((rest.changes.len(), rest.next), (2, None));
    assert!(page.changes[2].key > rest.changes[0].key);
    let eves = list(QuarantineQuery { account: Some(eve.account.id), ..QuarantineQuery::default() }, 9).changes;
    assert_eq!(eves.iter().map(|change| change.account.as_deref()).collect::<Vec<_>>(), [Some("eve")]);
    let one = QuarantineQuery { hash: Some(eves[0].hash), ..QuarantineQuery::default() };
    assert_eq!(list(one, 9).changes, eves);
    let elsewhere = QuarantineQuery { document: Some(DocumentId([1; 16])), ..QuarantineQuery::default() };
    assert_eq!(list(elsewhere, 9).changes, []);
    let overview = wait(relay.storage.overview()).unwrap();
    let counted = overview.largest_quarantines.iter().map(|one| (one.account.as_str(), one.changes));
    assert_eq!(counted.collect::<Vec<_>>(), [("ada", 5), ("eve", 1)], "the most first");
    let bytes: u64 = overview.largest_quarantines.iter().map(|one| one.bytes).sum();
    assert_eq!((overview.refused_changes, overview.refused_bytes, overview.quarantines), (6, bytes, 2));
}

#[test]
fn a_file_of_the_first_version_opens_and_gains_what_it_lacks() {
    on_each_shell(|relay| {
        let (ada, mut author) = begun(&relay);
        wait(relay.storage.close());
        let file = Connection::open(&relay.path).unwrap();
        let older = "DROP TABLE fates; DROP TABLE refused; DROP TABLE account_usage; DROP TABLE intake_documents;
                     DROP TABLE intake_batches; DROP TABLE intake_changes; DROP TABLE intake_totals;
                     DROP TABLE intake_outcomes; DROP TABLE website_devices; DROP TABLE keyed_requests;
                     DROP TABLE publications; DROP TABLE open_conflicts; DROP TABLE indexes;
                     DROP TABLE shelves; DROP TABLE indexed; DROP TABLE fields; DROP TABLE words;
                     DROP TABLE namespaces; DROP TABLE types; DROP TABLE retyping; DROP TABLE handles;
                     DROP TABLE sign_in_links; DROP TABLE web_sessions; DROP TABLE operators;
                     DROP INDEX documents_held; DROP INDEX log_voids;
                     DELETE FROM meta WHERE name IN ('limits_moved', 'types_version');
                     PRAGMA user_version = 65536;";
        file.execute_batch(older).unwrap();
        drop(file);
        let relay = relay.second();
        assert!(wait(relay.storage.usage(ada.account.id)).unwrap().bytes > 0, "what is there is counted");
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        let first = relay.append(ada.push(DOCUMENT, &[&[bad(&author).seal()]]));
        assert!(is_refused(&first[0]));
        assert_eq!(refused(&relay).len(), 1);
        assert_eq!(relay.findings(), [""; 0]);
        let version: i32 =
            Connection::open(&relay.path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, 65547);
    });
}

#[test]
fn nothing_is_kept_of_what_another_device_may_not_push() {
    on_each_shell(|relay| {
        let (ada, author) = begun(&relay);
        let early = bad(&author).seal();
        relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(&early)]));
        let outcome = relay.append(ada.on_device("desktop").push(DOCUMENT, &[&[early]])).remove(0);
        assert_eq!(code(&outcome), FateCode::DEVICE);
        assert_eq!(refused(&relay).len(), 1);
    });
}
