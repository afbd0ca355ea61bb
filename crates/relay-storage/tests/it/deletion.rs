//! Tombstones and restores: edits that a deletion did not know win (PROTOCOL §7).

use relay_storage::Outcome;
use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, FateCode};

use crate::world::{Author, DOCUMENT, code, is_refused, on_each_shell, position, wait};

#[test]
fn a_deletion_that_knows_every_edit_is_appended_and_deletes() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let heads = author.heads.clone();
        let tombstone = ada.tombstone(DOCUMENT, 1, &heads);
        assert_eq!(position(&relay.append(tombstone.clone())[0]), 3);
        let entry = relay.page(ada.space, relay.start(ada.space), 1 << 20).entries.remove(2);
        assert_eq!((entry.kind, entry.heads, entry.bytes), (EntryKind::Tombstone, Some(heads), None));
        assert!(wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap().deleted);
        let next = author.edits(1);
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&next]))[0]), FateCode::DELETED);
        let relay = relay.reopened();
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&next]))[0]), FateCode::DELETED);
        assert!(matches!(relay.append(tombstone)[0], Outcome::Appended { proof: None, .. }), "known");
        assert_eq!(relay.findings(), [""; 0]);
    });
}

#[test]
fn a_deletion_that_misses_an_edit_is_contested() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let seen = author.heads.clone();
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(code(&relay.append(ada.tombstone(DOCUMENT, 1, &seen))[0]), FateCode::CONTESTED);
        assert!(!wait(relay.storage.document(ada.space, DOCUMENT)).unwrap().unwrap().deleted);
        // More heads than the document's own do no harm: the author of the deletion saw them.
        let all = [seen, author.heads.clone()].concat();
        assert_eq!(position(&relay.append(ada.tombstone(DOCUMENT, 2, &all))[0]), 4);
    });
}

#[test]
fn a_deletion_that_names_unknown_heads_needs_them() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        let unknown = ChangeHash([8; 32]);
        let heads = [author.heads.clone(), vec![unknown]].concat();
        let outcome = relay.append(ada.tombstone(DOCUMENT, 1, &heads));
        assert_eq!(outcome, [Outcome::Need { hashes: vec![unknown] }]);
        assert!(is_refused(&relay.append(ada.tombstone(DOCUMENT, 2, &[]))[0]));
    });
}

#[test]
fn a_restored_document_takes_edits_again() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        let restored = relay.append(ada.restore(DOCUMENT, 2));
        assert_eq!(position(&restored[0]), 3);
        assert!(matches!(relay.append(ada.restore(DOCUMENT, 2))[0], Outcome::Appended { proof: None, .. }), "known");
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position.0, 4);
        assert!(is_refused(&relay.append(ada.restore(sync_wire::DocumentId([9; 16]), 3))[0]), "nothing to restore");
        assert_eq!(relay.findings(), [""; 0]);
    });
}
