//! Pages, cursors, bootstrap.

use std::collections::BTreeMap;

use relay_storage::{BootstrapCursor, CursorVerdict, NewSnapshot, StoreChecked, Stored, Within};
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::log::{EntryKind, Receipt};
use sync_wire::{
    Blob, Bootstrap, Chain, ChangeHash, Cursor, Deliver, DocumentId, Epoch, LogPosition, Position, RelayFrame, SpaceId,
    encode_relay_frame,
};

use crate::world::{Author, Pusher, Relay, on_each_shell, wait};

#[test]
fn pages_end_at_batch_ends_and_join_without_a_gap() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let ends: Vec<_> =
            [1, 3, 2, 7].map(|len| relay.appended(&ada, DocumentId([1; 16]), &author.edits(len)).position).to_vec();
        let mut after = relay.start(ada.space);
        let mut seen = Vec::new();
        while after != relay.end(ada.space) {
            let page = relay.page(ada.space, after, 1);
            after.position.0 += page.entries.len() as u64;
            assert!(ends.contains(&after.position) && page.log_end == ends[3]);
            assert!(relay.keys.verifies(&page.receipt, ada.space, after.epoch, after.position, &page.chain));
            seen.push(after.position);
        }
        assert_eq!(seen, ends);
        assert!(relay.page(ada.space, after, 1).entries.is_empty());
    });
}

#[test]
fn every_page_fits_one_frame() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        for _ in 0..3 {
            relay.appended(&ada, DocumentId([1; 16]), &[author.edit_of(1, 200 << 10)]);
            relay.appended(&ada, DocumentId([1; 16]), &[author.edit_of(1, 1000 << 10)]);
            relay.appended(&ada, DocumentId([1; 16]), &author.edits(4096));
        }
        let mut after = relay.start(ada.space);
        while after != relay.end(ada.space) {
            let page = relay.page(ada.space, after, 256 << 10);
            let deliver =
                Deliver { space: ada.space, after, entries: page.entries, chain: page.chain, receipt: page.receipt };
            after = deliver.end();
            assert!(encode_relay_frame(&RelayFrame::Deliver(deliver)).len() <= FRAME_BYTES_MAX);
        }
    });
}

#[test]
fn places_that_are_not_in_the_log_are_named() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let start = relay.start(ada.space);
        let code = |space, after| wait(relay.storage.read_log(space, after, 1)).unwrap_err().code();
        assert_eq!(code(SpaceId([9; 16]), start), "space_unknown");
        assert_eq!(code(ada.space, LogPosition { epoch: Epoch([9; 8]), ..start }), "epoch_changed");
        assert_eq!(code(ada.space, LogPosition { position: Position(1), ..start }), "position_beyond_end");
        assert_eq!(wait(relay.storage.ends(&[ada.space, SpaceId([9; 16])])).unwrap(), [(ada.space, start)]);
    });
}

#[test]
fn a_cursor_continues_only_where_epoch_chain_and_batch_end_agree() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let start = relay.start(ada.space);
        relay.appended(&ada, DocumentId([1; 16]), &author.edits(3));
        let page = relay.page(ada.space, start, 1);
        relay.appended(&ada, DocumentId([1; 16]), &author.edits(1));
        let at = |position| LogPosition { position: Position(position), ..start };
        let verdict =
            |space, at, chain| wait(relay.storage.verify_cursor(&Cursor { space, at, chain, bootstrap: None }));
        let space = ada.space;
        let cases = [
            (space, at(0), Chain::START, CursorVerdict::Continue),
            (space, at(3), page.chain, CursorVerdict::Continue),
            (space, at(3), Chain::START, CursorVerdict::Elsewhere),
            (space, at(2), page.chain, CursorVerdict::Elsewhere),
            (space, at(99), page.chain, CursorVerdict::Elsewhere),
            (space, LogPosition { epoch: Epoch([9; 8]), ..at(3) }, page.chain, CursorVerdict::Elsewhere),
            (SpaceId([9; 16]), at(0), Chain::START, CursorVerdict::Unknown),
        ];
        for (space, at, chain, expected) in cases {
            assert_eq!(verdict(space, at, chain).unwrap(), expected, "{at} {chain:?}");
        }
    });
}

/// What a device holds of a document after a bootstrap.
#[derive(Debug, Default, PartialEq, Clone)]
struct Held {
    snapshot: Vec<u8>,
    covers: u64,
    entries: Vec<(u64, ChangeHash, EntryKind)>,
    is_complete: bool,
}

/// Five documents (one deleted, one with a snapshot, one with both, one large), and one that begins after the end.
fn furnished(relay: &Relay) -> (Pusher, Position) {
    let ada = relay.pusher("ada");
    for id in [5_u8, 1, 4, 2, 3] {
        let mut author = Author::new(&format!("author {id}"));
        let document = DocumentId([id; 16]);
        relay.appended(&ada, document, &author.edits(3));
        if id % 2 == 0 {
            relay.append(ada.tombstone(document, id, &author.heads));
        }
        if id < 3 {
            store_snapshot(relay, &ada, document, id);
        }
        if id == 1 {
            relay.appended(&ada, document, &[author.edit_of(1, 3000), author.edit()]);
        }
    }
    let at = relay.end(ada.space).position;
    relay.appended(&ada, DocumentId([0; 16]), &Author::new("late").edits(1));
    (ada, at)
}

fn store_snapshot(relay: &Relay, ada: &Pusher, document: DocumentId, fill: u8) {
    let state = wait(relay.storage.document(ada.space, document)).unwrap().unwrap();
    let bytes = vec![fill; 2000];
    let digest = *blake3::hash(&bytes).as_bytes();
    let snapshot = NewSnapshot { heads: vec![ChangeHash([fill; 32])], changes: 3, digest, bytes: Blob::from(bytes) };
    let checked = StoreChecked {
        space: ada.space,
        document,
        expected_checked: state.checked,
        new_checked: state.end.position,
        projection: None,
        snapshot: Some(snapshot),
    };
    assert_eq!(wait(relay.storage.store_checked(checked)).unwrap(), Stored::Done);
}

/// Reads a bootstrap to its end, checking order and progress of every page.
fn bootstrap(relay: &Relay, space: SpaceId, at: Position, bytes_target: usize) -> BTreeMap<DocumentId, Held> {
    let mut held: BTreeMap<DocumentId, Held> = BTreeMap::new();
    let mut from = Some(BootstrapCursor { at, after: None, within: Within::Start });
    while let Some(cursor) = from {
        let page = wait(relay.storage.read_bootstrap(space, cursor, bytes_target)).unwrap();
        assert!(!page.documents.is_empty() || page.next.is_none(), "no progress at {cursor:?}");
        assert!(page.documents.windows(2).all(|pair| pair[0].document < pair[1].document));
        assert!(page.documents.iter().all(|part| Some(part.document) > cursor.after));
        for part in &page.documents {
            let document = held.entry(part.document).or_default();
            assert!(!document.is_complete, "sent twice");
            if let Some(snapshot) = &part.snapshot {
                assert_eq!(snapshot.offset, document.snapshot.len() as u64);
                document.snapshot.extend(&snapshot.bytes[..]);
                document.covers = snapshot.covers.0;
            }
            let sent = part.entries.iter().map(|sent| (sent.position.0, sent.entry.hash, sent.entry.kind));
            document.entries.extend(sent);
            document.is_complete = part.complete;
        }
        from = page.next;
    }
    held
}

#[test]
fn a_bootstrap_brings_every_document_ascending_whatever_the_size_of_its_pages() {
    on_each_shell(|relay| {
        let (ada, at) = furnished(&relay);
        let whole = bootstrap(&relay, ada.space, at, 1 << 20);
        assert_eq!(whole.keys().map(|id| id.0[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(whole.values().all(|held| held.is_complete));
        let held = |id: u8| &whole[&DocumentId([id; 16])];
        assert_eq!((held(1).snapshot.len(), held(1).entries.len()), (2000, 2), "snapshot and tail");
        assert_eq!(held(2).entries.len(), 1, "the tombstone goes with the snapshot that covers it");
        assert_eq!(held(2).entries[0].2, EntryKind::Tombstone);
        assert_eq!(held(3).entries.len(), 3);
        assert_eq!(held(4).entries.last().unwrap().2, EntryKind::Tombstone);
        for bytes_target in [1, 100, 1500, 5000] {
            assert_eq!(bootstrap(&relay, ada.space, at, bytes_target), whole, "{bytes_target}");
        }
    });
}

#[test]
fn a_bootstrap_resumes_at_every_byte_of_a_snapshot() {
    on_each_shell(|relay| {
        let (ada, at) = furnished(&relay);
        let document = DocumentId([1; 16]);
        let covers = wait(relay.storage.document(ada.space, document)).unwrap().unwrap().snapshot.unwrap().covers;
        for offset in 0..2000 {
            let from = BootstrapCursor { at, after: None, within: Within::Snapshot { covers, offset } };
            let page = wait(relay.storage.read_bootstrap(ada.space, from, 4000)).unwrap();
            let part = page.documents[0].snapshot.as_ref().unwrap();
            assert_eq!((part.offset, part.offset + part.bytes.len() as u64), (offset, 2000));
        }
    });
}

#[test]
fn a_snapshot_that_was_replaced_meanwhile_starts_over() {
    on_each_shell(|relay| {
        let (ada, at) = furnished(&relay);
        let document = DocumentId([3; 16]);
        store_snapshot(&relay, &ada, document, 3);
        let stale = Within::Snapshot { covers: Position(1), offset: 700 };
        let from = BootstrapCursor { at, after: Some(DocumentId([2; 16])), within: stale };
        let page = wait(relay.storage.read_bootstrap(ada.space, from, 1)).unwrap();
        assert_eq!(page.documents[0].snapshot.as_ref().unwrap().offset, 0);
    });
}

#[test]
fn a_snapshot_beyond_the_bootstrap_is_not_used() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let document = DocumentId([1; 16]);
        let at = relay.appended(&ada, document, &author.edits(2)).position;
        relay.appended(&ada, document, &author.edits(2));
        store_snapshot(&relay, &ada, document, 1);
        let held = bootstrap(&relay, ada.space, at, 1 << 20).remove(&document).unwrap();
        assert_eq!((held.snapshot.len(), held.entries.len(), held.is_complete), (0, 2, true));
    });
}

fn receipt_of_all(relay: &Relay, space: SpaceId) -> Receipt {
    let mut after = relay.start(space);
    loop {
        let page = relay.page(space, after, usize::MAX);
        after.position.0 += page.entries.len() as u64;
        if after == relay.end(space) {
            return page.receipt;
        }
    }
}

#[test]
fn every_page_of_a_bootstrap_fits_one_frame() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        for id in 1..5_u8 {
            let mut author = Author::new(&format!("author {id}"));
            for bytes in [900 << 10, 10, 700 << 10] {
                relay.appended(&ada, DocumentId([id; 16]), &[author.edit_of(1, bytes)]);
            }
        }
        let at = relay.end(ada.space);
        let mut from = Some(BootstrapCursor { at: at.position, after: None, within: Within::Start });
        while let Some(cursor) = from {
            let page = wait(relay.storage.read_bootstrap(ada.space, cursor, 256 << 10)).unwrap();
            let word = page.next.is_none().then(|| receipt_of_all(&relay, ada.space));
            assert_eq!(page.receipt, word, "the last page vouches for the log as the last delivery of it does");
            let (documents, done, receipt) = (page.documents, page.next.is_none(), page.receipt);
            let frame = Bootstrap { space: ada.space, at, documents, done, receipt };
            assert!(encode_relay_frame(&RelayFrame::Bootstrap(frame)).len() <= FRAME_BYTES_MAX);
            from = page.next;
        }
    });
}
