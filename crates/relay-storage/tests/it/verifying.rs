//! The thorough look, derived data made again, and why a document is as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use document::{Change, Document};
use relay_storage::{Judgement, NewProjection, NewSnapshot, OpenError, Project, Remote, StoreChecked, Stored};
use rusqlite::Connection;
use sync_wire::log::EntryKind;
use sync_wire::{Actor, DocumentId, Position};

use crate::world::{Author, DOCUMENT, Pusher, Relay, THREADS, device, wait};

const NOTE: DocumentId = DocumentId([0xe0; 16]);
const NAMES: u64 = 20;

pub(crate) fn project() -> Project {
    Arc::new(|_, document: &Document| {
        let value = document.value();
        let title = value["name"].as_str().map(str::to_owned);
        let (type_name, heads, json) = (document.type_name(), document.heads(), value.to_string());
        NewProjection { type_name, title, heads, json, judgement: Judgement::Unknown }
    })
}

/// A real document, renamed again and again; and its changes, in the order of its log.
fn note() -> (Document, Vec<Change>) {
    let (mut note, mut changes) = (Document::new(Some("note")), Vec::new());
    for number in 0..NAMES {
        note.edit(Actor([7; 16]), |draft| draft.put("/name", number.into())).unwrap();
        let sealed = note.seal(0).unwrap().unwrap();
        changes.extend(sealed.seeds);
        changes.extend(sealed.changes);
    }
    (note, changes)
}

/// A closed relay with a note that was checked, with projection and snapshot, and one that was not.
fn furnished() -> (Relay, Pusher, PathBuf) {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let (note, changes) = note();
    for change in &changes {
        relay.appended(&ada, NOTE, std::slice::from_ref(change));
    }
    let checked = Position(changes.len() as u64);
    let snapshot = note.snapshot().unwrap();
    let stored = wait(relay.storage.store_checked(StoreChecked {
        space: ada.space,
        document: NOTE,
        expected_checked: Position::START,
        new_checked: checked,
        projection: Some(project()(NOTE, &note)),
        snapshot: Some(NewSnapshot {
            heads: snapshot.heads,
            changes: snapshot.changes,
            digest: snapshot.digest,
            bytes: snapshot.bytes,
        }),
    }));
    assert_eq!(stored.unwrap(), Stored::Done);
    relay.appended(&ada, DOCUMENT, &Author::new("one").edits(5));
    wait(relay.storage.close());
    let path = relay.path.clone();
    (relay, ada, path)
}

fn damage(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn verify(relay: &Relay) -> Vec<&'static str> {
    let verified = wait(relay.storage.verify(None, &project())).unwrap();
    verified.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_sound_relay_verifies_and_all_of_it_was_looked_at() {
    let (relay, ada, _) = furnished();
    let relay = relay.second();
    let verified = wait(relay.storage.verify(None, &project())).unwrap();
    assert_eq!(verified.findings, []);
    let (_, changes) = note();
    assert_eq!((verified.documents, verified.entries), (2, changes.len() as u64 + 5));
    let other = wait(relay.storage.verify(Some(ada.space), &project())).unwrap();
    assert_eq!((other.spaces, other.entries), (1, verified.entries));
}

#[test]
fn every_kind_of_damage_is_found() {
    let cases = [
        // A change whose bytes, whose checksum, or whose row is not what was appended.
        (
            "UPDATE log SET bytes = CAST(substr(bytes, 1, 40) || x'ff' || substr(bytes, 42) AS BLOB) WHERE log_key & 1023 = 5",
            "entry_damaged",
        ),
        (
            "UPDATE log SET bytes = (SELECT bytes FROM log WHERE log_key & 1023 = 4) WHERE log_key & 1023 = 5",
            "hash_wrong",
        ),
        ("UPDATE log SET max_op = max_op + 1 WHERE log_key & 1023 = 5", "entry_fields_wrong"),
        // The log.
        ("UPDATE log SET batch = zeroblob(16) WHERE log_key & 1023 = 5", "digest_wrong"),
        ("UPDATE log SET chain = zeroblob(32) WHERE log_key & 1023 = 5", "chain_wrong"),
        ("UPDATE log SET chain = NULL WHERE log_key & 1023 = 5", "batch_torn"),
        ("DELETE FROM log WHERE log_key & 1023 = 5", "position_missing"),
        ("DELETE FROM log WHERE log_key & 1023 = 5", "seq_gap"),
        ("UPDATE spaces SET end_position = end_position - 1 WHERE end_position > 0", "end_wrong"),
        // What is derived.
        ("UPDATE documents SET frontier = x'ff'", "frontier_wrong"),
        (
            "UPDATE documents SET frontier = CAST(substr(frontier, 1, 17) || zeroblob(32) || substr(frontier, 50) AS BLOB)",
            "frontier_wrong",
        ),
        ("UPDATE documents SET ops = ops + 1", "document_counts_wrong"),
        ("UPDATE documents SET deleted = 1", "deletion_wrong"),
        ("UPDATE projections SET json = '{}'", "projection_wrong"),
        ("UPDATE projections SET title = 'another'", "projection_wrong"),
        ("UPDATE projections SET heads = zeroblob(32)", "projection_wrong"),
        ("UPDATE snapshots SET bytes = zeroblob(length(bytes))", "snapshot_wrong"),
        ("UPDATE snapshots SET changes = changes + 1", "snapshot_wrong"),
        ("UPDATE snapshots SET covers = covers - 1", "snapshot_wrong"),
        ("UPDATE documents SET checked_position = 999", "checked_beyond_end"),
    ];
    for (sql, expected) in cases {
        let (relay, _, path) = furnished();
        damage(&path, sql);
        let found = verify(&relay.second());
        assert!(found.contains(&expected), "{sql}: {found:?}");
    }
}

#[test]
fn a_rebuild_heals_what_is_derived_and_moves_no_checked_position() {
    let cases = [
        "UPDATE documents SET frontier = x'ff'",
        "UPDATE documents SET entries = 1, ops = 0, bytes = 0, deleted = 1, first_position = 0",
        "UPDATE projections SET json = '{}', heads = zeroblob(32), title = NULL",
        "UPDATE snapshots SET bytes = zeroblob(length(bytes))",
        "DELETE FROM snapshots; DELETE FROM projections",
    ];
    for sql in cases {
        let (relay, ada, path) = furnished();
        let before = wait(relay.second().storage.document(ada.space, NOTE)).unwrap().unwrap();
        damage(&path, sql);
        let relay = relay.second();
        let rebuilt = wait(relay.storage.rebuild(None, &project())).unwrap();
        assert_eq!((rebuilt.documents, rebuilt.projections, rebuilt.snapshots), (2, 1, 1), "{sql}");
        assert_eq!(verify(&relay), [""; 0], "{sql}");
        let after = wait(relay.storage.document(ada.space, NOTE)).unwrap().unwrap();
        assert_eq!((after.checked, after.entries, after.ops), (before.checked, before.entries, before.ops), "{sql}");
        let projection = wait(relay.storage.projection(ada.space, NOTE)).unwrap().unwrap();
        assert_eq!(projection.json, project()(NOTE, &note().0).json, "{sql}");
        // And the writer goes on from what was made again.
        let mut author = Author::new("one");
        author.edits(5);
        relay.appended(&ada, DOCUMENT, &author.edits(1));
    }
}

#[test]
fn a_document_whose_log_cannot_be_put_together_is_left_as_it_is() {
    let (relay, ada, path) = furnished();
    damage(&path, "UPDATE log SET bytes = zeroblob(length(bytes)) WHERE log_key & 1023 = 5");
    let relay = relay.second();
    let rebuilt = wait(relay.storage.rebuild(None, &project())).unwrap();
    assert_eq!(rebuilt.documents, 1, "the other one");
    assert_eq!(rebuilt.findings[0].code, "log_does_not_apply");
    assert!(wait(relay.storage.projection(ada.space, NOTE)).unwrap().is_some());
}

#[test]
fn an_explanation_says_where_a_document_stands_and_who_wrote_it() {
    let (relay, ada, _) = furnished();
    let relay = relay.second();
    let explained = wait(relay.storage.explain(ada.space, NOTE)).unwrap().unwrap();
    let (note, changes) = note();
    let count = changes.len() as u64;
    assert_eq!(explained.kinds, [(EntryKind::Change, count)]);
    assert_eq!((explained.unchecked, explained.first_unchecked), (0, None));
    assert_eq!(explained.tips.unwrap().heads, note.heads());
    assert_eq!(explained.projection.unwrap().position, Position(count));
    assert_eq!(explained.contributors.len(), 1);
    let wrote = &explained.contributors[0];
    assert_eq!((wrote.device, wrote.account.as_deref(), wrote.entries), (device("ada"), Some("ada"), count));

    let waiting = wait(relay.storage.explain(ada.space, DOCUMENT)).unwrap().unwrap();
    assert_eq!((waiting.unchecked, waiting.first_unchecked.unwrap().position), (5, Position(count + 1)));
    wait(relay.storage.hold(ada.space, DOCUMENT, "it bites")).unwrap();
    let held = wait(relay.storage.explain(ada.space, DOCUMENT)).unwrap().unwrap();
    assert_eq!(held.state.held.as_deref(), Some("it bites"));
    assert!(wait(relay.storage.explain(ada.space, DocumentId([1; 16]))).unwrap().is_none());
}

#[test]
fn a_damaged_frontier_is_said_and_the_rest_explained() {
    let (relay, ada, path) = furnished();
    damage(&path, "UPDATE documents SET frontier = x'ff'");
    let explained = wait(relay.second().storage.explain(ada.space, NOTE)).unwrap().unwrap();
    assert!(explained.tips.unwrap_err().contains("frontier"));
    assert!(explained.state.entries > 0);
}

#[test]
fn on_a_network_file_system_there_is_no_write_ahead_log_and_one_process() {
    let (relay, ada, path) = furnished();
    let open = || {
        let mut options = relay_storage::StorageOptions::new(relay.keys.clone());
        options.file_system = |_| Some(Remote::NFS);
        relay_storage::Storage::open_blocking(&relay_storage::StorageUrl::Sqlite(path.clone()), options)
    };
    let storage = open().unwrap();
    assert_eq!(storage.remote_file_system(), Some(Remote::NFS));
    // What was written with a write-ahead log elsewhere is there.
    assert!(wait(storage.end_of(ada.space)).unwrap().unwrap().position > Position(5));
    wait(storage.create_account("bob")).unwrap();
    assert!(!path.with_file_name("relay.sqlite-wal").exists() && !path.with_file_name("relay.sqlite-shm").exists());
    let refused = open().unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert_eq!(refused.code(), "storage_in_use");
    assert!(refused.to_string().contains("NFS") && refused.to_string().contains("local disk"), "{refused}");
    wait(storage.close());
    drop(storage);
    let again = open().unwrap();
    assert!(wait(again.account_named("bob")).unwrap().is_some());
}
