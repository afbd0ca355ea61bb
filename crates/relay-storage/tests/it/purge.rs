//! What is left of a document some time after its deletion (PROTOCOL §7, §9).

use std::time::Duration;

use relay_storage::{BootstrapCursor, Judgement, NewProjection, Outcome, StoreChecked, Within};
use sync_wire::log::EntryKind;
use sync_wire::{DocumentId, FateCode, Position};

use crate::world::{Author, DOCUMENT, Relay, code, on_each_shell, position, wait};

const KEPT: Duration = Duration::from_hours(30 * 24);
const OTHER: DocumentId = DocumentId([0xd1; 16]);

fn purge(relay: &Relay) -> Vec<u64> {
    let purged = wait(relay.storage.purge_deleted(KEPT, 100)).unwrap();
    purged.iter().map(|purged| purged.at.position.0).collect()
}

#[test]
fn a_deletion_that_has_stood_for_thirty_days_is_purged_and_its_hashes_and_chain_stay() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        relay.appended(&ada, OTHER, &Author::new("two").edits(1));
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        let before = relay.page(ada.space, relay.start(ada.space), 1 << 20);
        relay.pass(30 * 24 - 1);
        assert_eq!(purge(&relay), [0; 0], "an hour too early");
        relay.pass(1);
        assert_eq!(purge(&relay), [5]);
        assert_eq!(purge(&relay), [0; 0], "once");
        let after = relay.page(ada.space, relay.start(ada.space), 1 << 20);
        let hashes = |page: &relay_storage::LogPage| page.entries.iter().map(|entry| entry.hash).collect::<Vec<_>>();
        assert_eq!(hashes(&after)[..4], hashes(&before));
        let bytes: Vec<_> = after.entries.iter().map(|entry| entry.bytes.is_some()).collect();
        assert_eq!(bytes, [false, false, true, false, false], "the other document has its bytes");
        assert_eq!(after.entries[4].kind, EntryKind::Erased);
        assert_eq!(relay.findings(), [""; 0]);
        let relay = relay.reopened();
        assert_eq!(relay.findings(), [""; 0]);
        let state = wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap();
        assert!(state.deleted && state.is_checked() && state.bytes == 0, "{state:?}");
    });
}

#[test]
fn what_is_pushed_to_a_purged_document_is_refused_as_gone_and_what_it_had_is_known() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let known = author.edits(2);
        relay.appended(&ada, DOCUMENT, &known);
        let tombstone = ada.tombstone(DOCUMENT, 1, &author.heads);
        relay.append(tombstone.clone());
        relay.pass(30 * 24);
        assert_eq!(purge(&relay), [4]);
        let check = |relay: &Relay, late: &document::Change| {
            assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[std::slice::from_ref(late)]))[0]), FateCode::GONE);
            assert_eq!(code(&relay.append(ada.restore(DOCUMENT, 2))[0]), FateCode::GONE);
            assert_eq!(code(&relay.append(ada.tombstone(DOCUMENT, 3, &author_heads(late)))[0]), FateCode::GONE);
            assert_eq!(position(&relay.append(ada.push(DOCUMENT, &[&known]))[0]), 2);
            assert!(matches!(relay.append(tombstone.clone())[0], Outcome::Appended { proof: None, .. }));
        };
        let late = author.edit();
        check(&relay, &late);
        check(&relay.reopened(), &late);
    });
}

fn author_heads(change: &document::Change) -> Vec<sync_wire::ChangeHash> {
    vec![change.header.hash]
}

#[test]
fn a_document_that_was_restored_is_not_purged() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        relay.append(ada.restore(DOCUMENT, 2));
        relay.pass(31 * 24);
        assert_eq!(purge(&relay), [0; 0]);
        relay.append(ada.tombstone(DOCUMENT, 3, &author.heads));
        relay.pass(29 * 24);
        assert_eq!(purge(&relay), [0; 0], "the last deletion counts");
        relay.pass(24);
        assert_eq!(purge(&relay), [5]);
    });
}

#[test]
fn nothing_that_is_derived_of_a_purged_document_is_kept_or_made_again() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(1200));
        let judgement = Judgement::Public { rules: "1.1".into(), json: "{}".into() };
        let (heads, json) = (author.heads.clone(), "{}".into());
        let projection = NewProjection { type_name: None, title: None, heads, json, judgement };
        let stored = relay.storage.store_checked(StoreChecked {
            space: ada.space,
            document: DOCUMENT,
            expected_checked: Position::START,
            new_checked: Position(1200),
            projection: Some(projection),
            snapshot: None,
        });
        wait(stored).unwrap();
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        relay.pass(30 * 24);
        assert_eq!(purge(&relay), [1202]);
        assert!(wait(relay.storage.projection(ada.space, DOCUMENT)).unwrap().is_none());
        assert!(wait(relay.storage.publication(ada.space, DOCUMENT)).unwrap().is_none());
        assert!(wait(relay.storage.next_unchecked(10)).unwrap().is_empty());
        assert_eq!(relay.findings(), [""; 0], "every slice was cleared");
        let project: relay_storage::Project = std::sync::Arc::new(|_, document| NewProjection {
            type_name: None,
            title: None,
            heads: document.heads(),
            json: document.value().to_string(),
            judgement: Judgement::Unknown,
        });
        let verified = wait(relay.storage.verify(None, &project)).unwrap();
        assert_eq!(verified.findings, []);
        wait(relay.storage.rebuild(None, &project)).unwrap();
        assert_eq!(wait(relay.storage.verify(None, &project)).unwrap().findings, []);
        assert!(wait(relay.storage.projection(ada.space, DOCUMENT)).unwrap().is_none());
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&author.edits(1)]))[0]), FateCode::GONE);
    });
}

#[test]
fn a_new_device_gets_only_the_markers_of_a_purged_document() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(3));
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        relay.pass(30 * 24);
        purge(&relay);
        let from = BootstrapCursor { at: Position(5), after: None, within: Within::Start };
        let page = wait(relay.storage.read_bootstrap(ada.space, from, 1 << 20)).unwrap();
        let kinds: Vec<_> = page.documents[0].entries.iter().map(|positioned| positioned.entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Tombstone, EntryKind::Erased]);
        assert!(page.documents[0].complete && page.next.is_none());
    });
}
