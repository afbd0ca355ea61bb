//! What a repair excludes counts for nothing any more, and everything else goes on.

use std::sync::Arc;

use document::{Change, Document, Seed, Violation, mend};
use relay_storage::{
    AppendVoidError, BootstrapCursor, Judgement, NewProjection, NewSnapshot, NewVoid, Outcome, Project,
    QuarantineQuery, RepairedDocument, StoreChecked, Stored, Voided, Within,
};
use rusqlite::Connection;
use sync_wire::limits::VOID_DEPENDENTS_MAX;
use sync_wire::log::EntryKind;
use sync_wire::{Actor, Blob, ChangeHash, Dependent, DocumentId, FateCode, LogPosition, Position, Run, Voucher};

use crate::world::{DOCUMENT, Draft, Pusher, Relay, code, on_each_shell, position, wait};

fn edit(document: &mut Document, actor: u8, path: &str, value: u64) -> Vec<Change> {
    let put = |draft: &mut document::Draft<'_>| draft.put(path, value.into());
    document.edit::<_, Violation>(Actor([actor; 16]), put).unwrap();
    let sealed = document.seal(0).unwrap().unwrap();
    sealed.seeds.into_iter().chain(sealed.changes).collect()
}

fn project() -> Project {
    Arc::new(|_, document: &Document| NewProjection {
        type_name: document.type_name(),
        title: None,
        heads: document.heads(),
        json: document.value().to_string(),
        judgement: Judgement::Unknown,
    })
}

/// A document with a checked beginning; then one change that is to go, one of another device upon it, one beside.
struct Held {
    relay: Relay,
    ada: Pusher,
    /// Of the device that wrote upon the change that is to go.
    other: Pusher,
    base: Document,
    bad: Change,
    upon: Change,
    /// What the devices see before the repair.
    seen: Document,
    checked: u64,
}

impl Held {
    fn new(relay: Relay) -> Self {
        let ada = relay.pusher("ada");
        let other = ada.on_device("other");
        wait(relay.storage.bind_device(ada.account.id, other.device, "test")).unwrap();
        let mut base = Document::new(Some("settings"));
        for change in edit(&mut base, 1, "/kept", 1) {
            relay.appended(&ada, DOCUMENT, &[change]);
        }
        let checked = relay.end(ada.space).position.0;
        let (mut seen, mut beside) = (base.clone(), base.clone());
        let bad = edit(&mut seen, 2, "/bad", 2).remove(0);
        relay.appended(&ada, DOCUMENT, std::slice::from_ref(&bad));
        let upon = edit(&mut seen, 3, "/upon", 3).remove(0);
        relay.appended(&other, DOCUMENT, std::slice::from_ref(&upon));
        let beside = edit(&mut beside, 4, "/beside", 4).remove(0);
        relay.appended(&ada, DOCUMENT, std::slice::from_ref(&beside));
        seen.apply(&[beside.bytes]).unwrap();
        let held = Self { relay, ada, other, base, bad, upon, seen, checked };
        held.check(0, checked, None);
        wait(held.relay.storage.hold(held.ada.space, DOCUMENT, "it fails")).unwrap();
        held
    }

    fn check(&self, from: u64, to: u64, document: Option<&Document>) {
        let snapshot = document.map(|document| document.snapshot().unwrap()).map(|snapshot| NewSnapshot {
            heads: snapshot.heads,
            changes: snapshot.changes,
            digest: snapshot.digest,
            bytes: snapshot.bytes,
        });
        let found = StoreChecked {
            space: self.ada.space,
            document: DOCUMENT,
            expected_checked: Position(from),
            new_checked: Position(to),
            projection: document.map(|document| project()(DOCUMENT, document)),
            snapshot,
        };
        assert_eq!(wait(self.relay.storage.store_checked(found)).unwrap(), Stored::Done);
    }

    fn void(&self) -> NewVoid {
        let changes = self.seen.changes().unwrap();
        let run: Vec<Change> = changes.into_iter().filter(|change| !self.base.contains(&change.hash())).collect();
        let known = self.base.changes().unwrap();
        let max_op = |hash: &ChangeHash| known.iter().find(|one| one.hash() == *hash).map(|one| one.header.max_op());
        let mended = mend(&[self.bad.hash()], &run, max_op);
        NewVoid {
            space: self.ada.space,
            document: DOCUMENT,
            void: mended.void,
            replacements: mended.replacements,
            reasons: vec!["it fails".to_owned()],
        }
    }

    fn repaired(relay: Relay) -> (Self, NewVoid) {
        let held = Self::new(relay);
        let void = held.void();
        let voided = wait(held.relay.storage.append_void(void.clone())).unwrap();
        assert_eq!((voided.entries, voided.at.position.0), (2, held.checked + 5));
        (held, void)
    }

    /// What the log makes of the document.
    fn folded(&self) -> Document {
        let end = Position(u64::MAX);
        let read = self.relay.storage.read_document(self.ada.space, DOCUMENT, Position::START, end, usize::MAX);
        let entries = wait(read).unwrap().entries;
        let bytes = entries.into_iter().filter(|one| one.entry.kind == EntryKind::Change);
        let mut document = Document::new(None);
        document.apply(&bytes.filter_map(|one| one.entry.bytes).collect::<Vec<Blob>>()).unwrap();
        document
    }

    fn findings(&self) -> Vec<String> {
        let found = wait(self.relay.storage.verify(None, &project())).unwrap().findings;
        found.into_iter().map(|finding| finding.detail).collect()
    }
}

#[test]
fn a_repaired_document_goes_on_without_the_change_and_with_what_replaces_its_dependents() {
    on_each_shell(|relay| {
        let (held, void) = Held::repaired(relay);
        let state = wait(held.relay.storage.document(held.ada.space, DOCUMENT)).unwrap().unwrap();
        assert_eq!((state.held, state.checked.0, state.snapshot), (None, held.checked, None));
        assert_eq!(held.folded().value().to_string(), r#"{"beside":4,"kept":1,"upon":3}"#);
        let page = held.relay.page(held.ada.space, held.relay.start(held.ada.space), usize::MAX);
        let last = page.entries.last().unwrap();
        assert_eq!((last.kind, last.hash), (EntryKind::Change, void.replacements[0].hash()));
        assert_eq!(last.device, held.other.device, "it belongs to whoever wrote what it replaces");
        let bad = page.entries.iter().find(|entry| entry.hash == held.bad.hash()).unwrap();
        assert_eq!(bad.bytes.as_ref(), Some(&held.bad.bytes), "its bytes stay in the log");
        assert_eq!(held.findings(), Vec::<String>::new());
        assert!(held.relay.findings().is_empty());
        let history = wait(held.relay.storage.document_history(held.ada.space, DOCUMENT, Position(99), 99)).unwrap();
        let excluded: Vec<_> = history.entries.iter().filter(|one| one.is_excluded).map(|one| one.hash).collect();
        assert_eq!(excluded, [held.upon.hash(), held.bad.hash()]);
    });
}

#[test]
fn a_push_that_rests_on_an_excluded_change_is_refused_with_it() {
    on_each_shell(|relay| {
        let (held, _) = Held::repaired(relay);
        let mut offline = held.seen.clone();
        for (actor, path) in [(5, "/more"), (6, "/most")] {
            let change = edit(&mut offline, actor, path, 5).remove(0);
            let outcome = held.relay.append(held.ada.push(DOCUMENT, &[&[change]])).remove(0);
            let Outcome::Refused { culprit, code, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!((culprit, code), (Some(held.bad.hash()), FateCode::WITH));
            offline = held.seen.clone();
        }
    });
}

#[test]
fn what_is_excluded_and_what_replaces_it_are_duplicates_when_they_are_pushed_again() {
    on_each_shell(|relay| {
        let (held, void) = Held::repaired(relay);
        let end = held.relay.end(held.ada.space);
        for (who, change) in [(&held.ada, &held.bad), (&held.other, &held.upon), (&held.other, &void.replacements[0])] {
            let outcome = held.relay.append(who.push(DOCUMENT, &[std::slice::from_ref(change)])).remove(0);
            assert!(matches!(outcome, Outcome::Appended { entries: 0, .. }), "{outcome:?}");
        }
        let again = wait(held.relay.storage.append_void(void.clone())).unwrap();
        assert_eq!(again, Voided { at: end, entries: 0 });
        assert_eq!(held.relay.end(held.ada.space), end);
        // The name of the replacement belongs to whoever wrote what it replaces.
        let mut device = held.folded();
        let put = |draft: &mut document::Draft<'_>| draft.put("/next", 9.into());
        device.edit::<_, Violation>(void.replacements[0].header.actor, put).unwrap();
        let next = device.seal(0).unwrap().unwrap().changes;
        assert_eq!(code(&held.relay.append(held.ada.push(DOCUMENT, &[&next]))[0]), FateCode::DEVICE);
        assert_eq!(position(&held.relay.append(held.other.push(DOCUMENT, &[&next]))[0]), end.position.0 + 1);
    });
}

fn numbered(number: u64) -> ChangeHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    ChangeHash(hash)
}

#[test]
fn only_what_is_unchecked_and_known_can_be_excluded() {
    on_each_shell(|relay| {
        let held = Held::new(relay);
        let refused = |void: NewVoid| wait(held.relay.storage.append_void(void)).unwrap_err();
        let mut of_checked = held.void();
        let checked = held.base.heads()[0];
        of_checked.void.excluded = vec![checked];
        assert_eq!(refused(of_checked), AppendVoidError::Checked { hash: checked });
        let mut forgotten = held.void();
        forgotten.void.dependents.clear();
        assert_eq!(refused(forgotten), AppendVoidError::Moved, "a dependent was forgotten");
        let mut torn = held.void();
        torn.replacements.clear();
        assert_eq!(refused(torn), AppendVoidError::Moved, "a replacement is neither here nor in the log");
        let mut wide = held.void();
        wide.void.dependents =
            (0..=VOID_DEPENDENTS_MAX as u64).map(|number| Dependent { change: numbered(number), by: None }).collect();
        assert!(matches!(refused(wide), AppendVoidError::TooLarge { dependents, .. } if dependents == 4_097));
        let unknown = NewVoid { document: DocumentId([9; 16]), ..held.void() };
        assert_eq!(refused(unknown).code(), "document_unknown");
        wait(held.relay.storage.append_void(held.void())).unwrap();
        let mut again = held.void();
        again.void.dependents.clear();
        assert_eq!(refused(again), AppendVoidError::Again { hash: held.bad.hash() });
        assert_eq!(held.findings(), Vec::<String>::new(), "nothing of it was written");
    });
}

/// What is excluded had brought heads together: a repair may leave more of them than a document may get.
#[test]
fn who_makes_no_more_heads_of_too_many_may_go_on() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let seed = |at: usize| Seed::Text { path: format!("/{at}") }.change();
        let seeds: Vec<Change> = (0..1024).map(seed).collect();
        relay.appended(&ada, DOCUMENT, &seeds);
        let mut document = Document::new(None);
        document.apply(&seeds.iter().map(|seed| seed.bytes.clone()).collect::<Vec<Blob>>()).unwrap();
        let bad = edit(&mut document, 2, "/bad", 2).remove(0);
        relay.appended(&ada, DOCUMENT, std::slice::from_ref(&bad));
        relay.appended(&ada, DOCUMENT, &[seed(1024)]);
        let mended = mend(&[bad.hash()], std::slice::from_ref(&bad), |_| Some(1));
        let (void, replacements, reasons) = (mended.void, mended.replacements, vec!["it fails".to_owned()]);
        wait(relay.storage.append_void(NewVoid { space: ada.space, document: DOCUMENT, void, replacements, reasons }))
            .unwrap();
        let upon = Draft { deps: vec![seeds[0].hash()], ..Draft::new(Actor([3; 16]), 1, 2) }.seal();
        assert_eq!(relay.appended(&ada, DOCUMENT, &[upon]).position, Position(1028));
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&[seed(1025)]]))[0]), FateCode::HEADS);
    });
}

#[test]
fn a_restart_knows_the_voids() {
    on_each_shell(|relay| {
        let (mut held, _) = Held::repaired(relay);
        held.relay = held.relay.reopened();
        let mut offline = held.seen.clone();
        let change = edit(&mut offline, 5, "/more", 5).remove(0);
        let outcome = held.relay.append(held.ada.push(DOCUMENT, &[&[change]])).remove(0);
        assert_eq!(code(&outcome), FateCode::WITH);
        let mut device = held.folded();
        let next = edit(&mut device, 6, "/next", 9).remove(0);
        assert_eq!(position(&held.relay.append(held.ada.push(DOCUMENT, &[&[next]]))[0]), held.checked + 6);
        assert_eq!(held.findings(), Vec::<String>::new());
        let tombstone = held.relay.append(held.ada.tombstone(DOCUMENT, 1, &device.heads())).remove(0);
        assert!(matches!(tombstone, Outcome::Appended { .. }), "its heads are those that are left: {tombstone:?}");
    });
}

#[test]
fn a_snapshot_names_the_voids_and_a_new_device_gets_them() {
    on_each_shell(|relay| {
        let (held, void) = Held::repaired(relay);
        let end = held.relay.end(held.ada.space).position;
        held.check(held.checked, end.0, Some(&held.folded()));
        assert_eq!(held.findings(), Vec::<String>::new());
        let from = BootstrapCursor { at: end, after: None, within: Within::Start };
        let page = wait(held.relay.storage.read_bootstrap(held.ada.space, from, usize::MAX)).unwrap();
        let document = &page.documents[0];
        let entry = &document.entries[0].entry;
        assert_eq!((entry.kind, entry.bytes.as_ref()), (EntryKind::Void, Some(&void.void.encode())));
        assert_eq!(document.snapshot.as_ref().unwrap().voids.as_deref(), Some(&[entry.hash][..]));
        assert_eq!(document.entries.len(), 1);
    });
}

#[test]
fn its_author_finds_an_excluded_change_in_his_quarantine() {
    on_each_shell(|relay| {
        let (held, _) = Held::repaired(relay);
        let query = QuarantineQuery { account: Some(held.ada.account.id), ..QuarantineQuery::default() };
        let page = wait(held.relay.storage.quarantine(query, 9)).unwrap();
        let found: Vec<_> = page.changes.iter().map(|item| (item.hash, item.code)).collect();
        assert_eq!(found, [(held.bad.hash(), FateCode::VOID)]);
        assert!(page.changes[0].detail.contains("it fails"), "{}", page.changes[0].detail);
    });
}

#[test]
fn the_overview_names_repaired_documents_the_newest_repair_first_and_one_that_does_not_read_without_a_number() {
    on_each_shell(|relay| {
        let (held, void) = Held::repaired(relay);
        let replacement = &void.replacements[0];
        let mended = mend(&[replacement.hash()], std::slice::from_ref(replacement), |_| None);
        let again = NewVoid { void: mended.void, replacements: mended.replacements, ..void.clone() };
        let second = wait(held.relay.storage.append_void(again)).unwrap().at;
        let first = LogPosition { position: Position(held.checked + 4), ..second };
        let overview = wait(held.relay.storage.overview()).unwrap();
        let named = |repair: &RepairedDocument| (repair.space, repair.document, repair.at, repair.excluded);
        let of = |at, excluded| (held.ada.space, DOCUMENT, at, Some(excluded));
        let shown: Vec<_> = overview.last_repairs.iter().map(named).collect();
        assert_eq!((overview.repairs, shown), (2, vec![of(second, 1), of(first, 2)]));
        assert_eq!((overview.held, overview.first_held), (0, vec![]), "it goes on");
        let voids = wait(held.relay.storage.voids(held.ada.space, DOCUMENT)).unwrap();
        assert_eq!(overview.last_repairs[1].repaired_at, voids[0].appended_at);

        wait(held.relay.storage.close());
        let file = Connection::open(&held.relay.path).unwrap();
        file.execute("UPDATE log SET bytes = x'00' WHERE kind = 2 AND hash = ?1", [voids[0].hash.0]).unwrap();
        drop(file);
        let damaged = wait(held.relay.second().storage.overview()).unwrap();
        assert_eq!(damaged.last_repairs.iter().map(|repair| repair.excluded).collect::<Vec<_>>(), [Some(1), None]);
    });
}

#[test]
fn a_void_that_a_relay_lost_is_taken_back_with_its_receipt_and_left_out_without() {
    on_each_shell(|relay| {
        let held = Held::new(relay);
        let backup = held.relay.path.with_file_name("backup.sqlite");
        wait(held.relay.storage.backup(&backup)).unwrap();
        let before = wait(held.relay.storage.space(held.ada.space)).unwrap().unwrap();
        wait(held.relay.storage.append_void(held.void())).unwrap();
        let (end, after) = (held.relay.end(held.ada.space), Position(held.checked + 3));
        let from = LogPosition { position: after, ..end };
        let page = held.relay.page(held.ada.space, from, usize::MAX);
        assert_eq!(page.entries.len(), 2);
        let voucher = Voucher { before: before.end_chain, chain: page.chain, receipt: page.receipt };
        let run = |voucher| Run { after, upto: end.position, epoch: end.epoch, entries: page.entries.clone(), voucher };
        for (voucher, entries) in [(None, 0), (Some(voucher), 2)] {
            wait(held.relay.storage.close());
            std::fs::copy(&backup, &held.relay.path).unwrap();
            for rest in ["relay.sqlite-wal", "relay.sqlite-shm"] {
                let _ = std::fs::remove_file(held.relay.path.with_file_name(rest));
            }
            let restored = held.relay.second();
            let take = restored.storage.take_run(held.ada.account.id, held.ada.space, run(voucher));
            let taken = wait(take).unwrap();
            assert_eq!(taken.entries, entries, "{:?}", taken.left_out);
            let state = wait(restored.storage.document(held.ada.space, DOCUMENT)).unwrap().unwrap();
            assert_eq!(state.held.is_none(), entries > 0);
            assert!(restored.findings().is_empty());
            wait(restored.storage.close());
        }
    });
}

#[test]
fn a_repaired_document_can_be_deleted_and_purged() {
    on_each_shell(|relay| {
        let (held, _) = Held::repaired(relay);
        let heads = held.folded().heads();
        held.relay.append(held.ada.tombstone(DOCUMENT, 1, &heads));
        held.relay.pass(24 * 31);
        let keep = std::time::Duration::from_secs(30 * 86_400);
        assert_eq!(wait(held.relay.storage.purge_deleted(keep, 9)).unwrap().len(), 1);
        assert_eq!(held.findings(), Vec::<String>::new());
        let voids = wait(held.relay.storage.voids(held.ada.space, DOCUMENT)).unwrap();
        assert_eq!(voids.len(), 1, "what was excluded is still known");
    });
}
