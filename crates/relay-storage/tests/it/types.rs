//! Published types: one version after the other, within their room, for good; and documents that follow them.

use relay_storage::{
    Judgement, NewProjection, NewType, PublishError, Publisher, RetypePage, Sharing, StoreChecked, Stored, TypeQuota,
};
use rusqlite::Connection;
use sync_wire::{DocumentId, Position};

use crate::verifying::project;
use crate::world::{Author, Pusher, Relay, THREADS, on_each_shell, wait};

const ROOM: TypeQuota =
    TypeQuota { namespace_types_max: 2, type_versions_max: 9, namespace_bytes_max: 100, types_max: 9 };

fn new(name: &str, version: u32, text: &str, by: Publisher) -> NewType {
    NewType { name: name.into(), version, text: text.into(), by }
}

fn publish(relay: &Relay, name: &str, version: u32, text: &str) -> Result<bool, PublishError> {
    let published = wait(relay.storage.publish_type(new(name, version, text, Publisher::Operator), ROOM));
    published.map(|(_, is_new)| is_new)
}

#[test]
fn a_version_stays_as_it_was_published_and_everybody_is_told_that_there_is_one() {
    on_each_shell(|relay| {
        let before = wait(relay.storage.types_version()).unwrap();
        assert_eq!(publish(&relay, "ext.acme.task", 1, "one"), Ok(true));
        assert_eq!(publish(&relay, "ext.acme.task", 1, "one"), Ok(false));
        assert_eq!(publish(&relay, "ext.acme.task", 1, "two").unwrap_err().code(), "type_version_taken");
        assert_eq!(publish(&relay, "ext.acme.task", 3, "three").unwrap_err().code(), "type_version_order");
        assert_eq!(publish(&relay, "note", 1, "one").unwrap_err().code(), "type_name_invalid");
        assert_eq!(wait(relay.storage.types_version()).unwrap(), before + 1, "only what is new is told");
        assert_eq!(publish(&relay, "ext.acme.task", 2, "two"), Ok(true));
        let relay = relay.reopened();
        let newest = wait(relay.storage.newest_types(None, 9)).unwrap();
        assert_eq!(newest.iter().map(|info| (info.version, info.bytes)).collect::<Vec<_>>(), [(2, 3)]);
        let first = wait(relay.storage.published_type("ext.acme.task", 1)).unwrap().unwrap();
        assert_eq!((first.text.as_str(), first.info.digest), ("one", *blake3::hash(b"one").as_bytes()));
        assert_eq!(wait(relay.storage.published_type("ext.acme.task", 3)).unwrap(), None);
    });
}

#[test]
fn the_grant_is_looked_at_in_the_transaction_that_publishes() {
    on_each_shell(|relay| {
        let ada = relay.account("ada").id;
        wait(relay.storage.grant_namespace("acme", ada, Sharing::Alone)).unwrap();
        let version = |version| new("ext.acme.task", version, "text", Publisher::Account(ada));
        let judged = wait(relay.storage.judge_type(version(1), ROOM));
        assert_eq!(judged, Ok(None), "it may");
        wait(relay.storage.revoke_namespace("acme", ada)).unwrap();
        let refused = wait(relay.storage.publish_type(version(1), ROOM)).unwrap_err();
        assert_eq!(refused.code(), "namespace_required", "{refused}");
        assert_eq!(wait(relay.storage.newest_types(None, 9)).unwrap(), []);
    });
}

#[test]
fn all_versions_of_a_namespace_share_its_room() {
    let relay = Relay::new(THREADS);
    assert_eq!(publish(&relay, "ext.acme.a", 1, &"é".repeat(25)), Ok(true), "bytes are counted, not letters");
    assert_eq!(publish(&relay, "ext.acme.b", 1, &"x".repeat(51)).unwrap_err().code(), "quota_exceeded");
    assert_eq!(publish(&relay, "ext.acme.b", 1, &"x".repeat(40)), Ok(true));
    assert_eq!(publish(&relay, "ext.acme.b", 2, &"x".repeat(11)).unwrap_err().code(), "quota_exceeded");
    assert_eq!(publish(&relay, "ext.acme.b", 2, &"x".repeat(10)), Ok(true));
    assert_eq!(publish(&relay, "ext.other.a", 1, &"x".repeat(100)), Ok(true), "others have their own");
    let full = publish(&relay, "ext.acme.c", 1, "").unwrap_err().to_string();
    assert!(full.contains("namespace \"acme\" has 2 types and may have 2"), "{full}");
}

/// Makes a checked document of a type.
fn checked(relay: &Relay, pusher: &Pusher, document: u8, type_name: &str) {
    let (id, mut author) = (DocumentId([document; 16]), Author::new("one"));
    let end = relay.appended(pusher, id, &author.edits(1)).position;
    let projection = NewProjection {
        type_name: Some(type_name.to_owned()),
        title: None,
        heads: author.heads.clone(),
        json: "{}".into(),
        judgement: Judgement::Unknown,
    };
    let found = StoreChecked {
        space: pusher.space,
        document: id,
        expected_checked: Position::START,
        new_checked: end,
        projection: Some(projection),
        snapshot: None,
    };
    assert_eq!(wait(relay.storage.store_checked(found)).unwrap(), Stored::Done);
}

fn next(relay: &Relay) -> Option<RetypePage> {
    wait(relay.storage.next_to_retype(2)).unwrap()
}

fn ids(page: &RetypePage) -> Vec<u8> {
    page.documents.iter().map(|(_, document)| document.0[0]).collect()
}

#[test]
fn documents_of_every_space_follow_a_version_page_by_page_and_none_twice() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        for document in [1, 2, 3] {
            checked(&relay, &ada, document, "ext.acme.task");
        }
        checked(&relay, &ada, 4, "note");
        checked(&relay, &bob, 5, "ext.acme.task");
        assert_eq!(next(&relay), None);
        publish(&relay, "ext.acme.task", 1, "one").unwrap();
        let first = next(&relay).unwrap();
        assert_eq!((ids(&first), first.version), (vec![1, 2], 1));
        assert_eq!(next(&relay), Some(first.clone()), "until it is done");
        wait(relay.storage.retyped(first)).unwrap();
        let relay = relay.reopened();
        let second = next(&relay).unwrap();
        assert_eq!(ids(&second), [3, 5], "an end in between repeats nothing that was noted");
        // A version that is published meanwhile begins anew.
        publish(&relay, "ext.acme.task", 2, "two").unwrap();
        wait(relay.storage.retyped(second)).unwrap();
        let mut done = Vec::new();
        while let Some(page) = next(&relay) {
            assert_eq!(page.version, 2);
            done.extend(ids(&page));
            wait(relay.storage.retyped(page)).unwrap();
        }
        assert_eq!(done, [1, 2, 3, 5]);
    });
}

#[test]
fn a_text_that_is_not_what_was_published_is_found() {
    let relay = Relay::new(THREADS);
    publish(&relay, "ext.acme.task", 1, "one").unwrap();
    let verified = || wait(relay.storage.verify(None, &project())).unwrap().findings;
    assert_eq!(verified(), []);
    Connection::open(&relay.path).unwrap().execute("UPDATE types SET text = 'two'", []).unwrap();
    let found = verified();
    assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["type_damaged"], "{found:?}");
    assert!(found[0].remedy().contains("restore a backup"));
}
