//! Checked positions, snapshots, projections.

use relay_storage::{Check, Deleted, Judgement, ListProjections, NewProjection, NewSnapshot, StoreChecked, Stored};
use sync_wire::{Blob, ChangeHash, DocumentId, Position, SpaceId};

use crate::world::{Author, DOCUMENT, Pusher, Relay, on_each_shell, wait};

fn checked(space: SpaceId, document: DocumentId, from: u64, to: u64) -> StoreChecked {
    let (expected_checked, new_checked) = (Position(from), Position(to));
    StoreChecked { space, document, expected_checked, new_checked, projection: None, snapshot: None }
}

fn projection(type_name: &str, title: &str) -> Option<NewProjection> {
    let json = format!("{{\"name\":{title:?}}}");
    let (type_name, title) = (Some(type_name.to_owned()), Some(title.to_owned()));
    Some(NewProjection { type_name, title, heads: vec![ChangeHash([1; 32])], json, judgement: Judgement::Unknown })
}

fn state(relay: &Relay, ada: &Pusher, document: DocumentId) -> relay_storage::DocumentState {
    wait(relay.storage.document(ada.space, document)).unwrap().unwrap()
}

#[test]
fn what_was_appended_unchecked_waits_for_its_check() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(3));
        let waiting = wait(relay.storage.next_unchecked(10)).unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!((waiting[0].checked, waiting[0].end.position), (Position(0), Position(3)));
        let done = wait(relay.storage.store_checked(checked(ada.space, DOCUMENT, 0, 3))).unwrap();
        assert_eq!(done, Stored::Done);
        assert!(wait(relay.storage.next_unchecked(10)).unwrap().is_empty());
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        assert_eq!(state(&relay, &ada, DOCUMENT).checked, Position(3), "an append does not move it");
        assert_eq!(wait(relay.storage.next_unchecked(10)).unwrap()[0].checked, Position(3));
    });
}

#[test]
fn what_was_checked_before_the_append_does_not_wait() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let done = |changes: &[document::Change]| {
            let request = ada.push(DOCUMENT, &[changes]);
            relay.append(relay_storage::AppendRequest { check: Check::Done, ..request })
        };
        done(&author.edits(3));
        assert_eq!(state(&relay, &ada, DOCUMENT).checked, Position(3));
        assert!(wait(relay.storage.next_unchecked(10)).unwrap().is_empty());
        // Behind something that waits, the checked position waits too: it never passes what was not checked.
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        done(&author.edits(1));
        assert_eq!(state(&relay, &ada, DOCUMENT).checked, Position(3));
    });
}

#[test]
fn a_check_that_lost_the_race_stores_nothing() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(3));
        wait(relay.storage.store_checked(checked(ada.space, DOCUMENT, 0, 2))).unwrap();
        let late = StoreChecked { projection: projection("note", "late"), ..checked(ada.space, DOCUMENT, 0, 3) };
        assert_eq!(wait(relay.storage.store_checked(late)).unwrap(), Stored::Moved { checked: Position(2) });
        assert_eq!(wait(relay.storage.projection(ada.space, DOCUMENT)).unwrap(), None);
        let beyond = wait(relay.storage.store_checked(checked(ada.space, DOCUMENT, 2, 4))).unwrap_err();
        assert_eq!(beyond.code(), "position_beyond_end");
        let back = wait(relay.storage.store_checked(checked(ada.space, DOCUMENT, 2, 1)));
        assert!(back.is_err(), "the checked position only grows");
        let nowhere = wait(relay.storage.store_checked(checked(ada.space, DocumentId([9; 16]), 0, 1))).unwrap_err();
        assert_eq!(nowhere.code(), "document_unknown");
    });
}

#[test]
fn a_document_is_read_page_by_page() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        let mut noise = Author::new("two");
        let mut hashes = Vec::new();
        for _ in 0..5 {
            let changes = author.edits(2);
            hashes.extend(changes.iter().map(|change| change.hash()));
            relay.appended(&ada, DOCUMENT, &changes);
            relay.appended(&ada, DocumentId([1; 16]), &noise.edits(1));
        }
        let mut read = Vec::new();
        let mut after = Some(Position::START);
        while let Some(from) = after {
            let page = wait(relay.storage.read_document(ada.space, DOCUMENT, from, Position(13), 200)).unwrap();
            read.extend(page.entries.iter().map(|entry| entry.entry.hash));
            after = page.next;
        }
        assert_eq!(read, hashes[..9]);
    });
}

#[test]
fn a_snapshot_is_kept_with_what_it_covers_and_damage_makes_it_vanish() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(9));
        relay.appended(&ada, DOCUMENT, &[author.edit_of(1, 2000)]);
        assert!(state(&relay, &ada, DOCUMENT).snapshot_is_due());
        let bytes = Blob::from(vec![5; 3000]);
        let digest = *blake3::hash(&bytes).as_bytes();
        let snapshot = NewSnapshot { heads: author.heads.clone(), changes: 9, digest, bytes: bytes.clone() };
        let good = StoreChecked { snapshot: Some(snapshot.clone()), ..checked(ada.space, DOCUMENT, 0, 9) };
        assert_eq!(wait(relay.storage.store_checked(good)).unwrap(), Stored::Done);
        let stored = wait(relay.storage.load_snapshot(ada.space, DOCUMENT)).unwrap().unwrap();
        assert_eq!((stored.covers, stored.bytes, stored.heads), (Position(9), bytes, author.heads.clone()));
        let after = state(&relay, &ada, DOCUMENT);
        assert_eq!((after.tail_entries, after.snapshot_is_due()), (1, false));
        assert!(after.tail_bytes > 2000 && after.tail_bytes < 2200, "{after:?}");
        assert!(!after.snapshot_is_due_when_quiet(), "the tail is small beside the snapshot");
        let bad = NewSnapshot { digest: [0; 32], ..snapshot };
        let bad = StoreChecked { snapshot: Some(bad), ..checked(ada.space, DOCUMENT, 9, 10) };
        wait(relay.storage.store_checked(bad)).unwrap();
        assert_eq!(wait(relay.storage.load_snapshot(ada.space, DOCUMENT)).unwrap(), None);
    });
}

#[test]
fn projections_are_listed_by_space_and_type_with_a_seek_cursor() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        for pusher in [&ada, &bob] {
            for id in 1..=6_u8 {
                let document = DocumentId([id; 16]);
                let at = relay.appended(pusher, document, &Author::new(&format!("author {id}")).edits(1)).position.0;
                let type_name = if id % 2 == 0 { "note" } else { "settings" };
                let projection = projection(type_name, &format!("title {id}"));
                let found = StoreChecked { projection, ..checked(pusher.space, document, 0, at) };
                assert_eq!(wait(relay.storage.store_checked(found)).unwrap(), Stored::Done);
            }
        }
        let list = |spaces: &[SpaceId], type_name: Option<&str>, limit| {
            let (spaces, type_name) = (spaces.to_vec(), type_name.map(str::to_owned));
            let mut ask =
                ListProjections { spaces, type_name, deleted: Deleted::Hide, changed_after: None, after: None, limit };
            let mut found = Vec::new();
            loop {
                let page = wait(relay.storage.list_projections(&ask)).unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.into_iter().map(|item| (item.space, item.document.0[0])));
                match page.next {
                    Some(next) => ask.after = Some(next),
                    None => return found,
                }
            }
        };
        let mut both = [ada.space, bob.space];
        both.sort();
        for limit in [1, 4, 100] {
            let all = list(&both, None, limit);
            assert_eq!(all.len(), 12);
            assert!(all.is_sorted(), "{all:?}");
            assert_eq!(list(&[ada.space], Some("note"), limit), [2, 4, 6].map(|id| (ada.space, id)));
            assert!(list(&[], None, limit).is_empty());
        }
    });
}

#[test]
fn a_projection_says_where_it_stands_and_whether_its_document_is_deleted() {
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("one"));
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let found = StoreChecked { projection: projection("note", "a title"), ..checked(ada.space, DOCUMENT, 0, 2) };
        wait(relay.storage.store_checked(found)).unwrap();
        relay.append(ada.tombstone(DOCUMENT, 1, &author.heads));
        let stored = wait(relay.storage.projection(ada.space, DOCUMENT)).unwrap().unwrap();
        assert_eq!((stored.position.position, stored.deleted), (Position(2), true));
        assert_eq!((stored.type_name.as_deref(), stored.title.as_deref()), (Some("note"), Some("a title")));
        let list = |deleted| {
            let spaces = vec![ada.space];
            let ask = ListProjections { spaces, type_name: None, deleted, changed_after: None, after: None, limit: 10 };
            wait(relay.storage.list_projections(&ask)).unwrap().items.len()
        };
        assert_eq!((list(Deleted::Hide), list(Deleted::Include)), (0, 1));
    });
}

#[test]
fn a_log_is_checked_through_to_the_first_entry_that_waits() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let through = || wait(relay.storage.checked_through(ada.space)).unwrap().unwrap().position;
        assert_eq!(through(), Position(0));
        let [one, two] = [DocumentId([1; 16]), DocumentId([2; 16])];
        let (mut author_one, mut author_two) = (Author::new("one"), Author::new("two"));
        relay.appended(&ada, one, &author_one.edits(2));
        relay.appended(&ada, two, &author_two.edits(3));
        relay.appended(&ada, one, &author_one.edits(1));
        assert_eq!(through(), Position(0));
        wait(relay.storage.store_checked(checked(ada.space, two, 0, 5))).unwrap();
        assert_eq!(through(), Position(0), "the first entry waits, whatever was checked after it");
        wait(relay.storage.store_checked(checked(ada.space, one, 0, 2))).unwrap();
        assert_eq!(through(), Position(5), "only the last entry waits");
        wait(relay.storage.hold(ada.space, one, "poison")).unwrap();
        assert_eq!(through(), Position(6), "nobody waits for a held document");
        wait(relay.storage.release(ada.space, one)).unwrap();
        wait(relay.storage.store_checked(checked(ada.space, one, 2, 6))).unwrap();
        assert_eq!(through(), Position(6));
        assert_eq!(wait(relay.storage.checked_through(SpaceId([9; 16]))).unwrap(), None);
    });
}

#[test]
fn a_history_is_read_newest_first_and_page_by_page() {
    on_each_shell(|relay| {
        let (ada, mut author, mut noise) = (relay.pusher("ada"), Author::new("one"), Author::new("two"));
        let mut hashes = Vec::new();
        for _ in 0..5 {
            let changes = author.edits(2);
            hashes.extend(changes.iter().map(|change| change.hash()));
            relay.appended(&ada, DOCUMENT, &changes);
            relay.appended(&ada, DocumentId([1; 16]), &noise.edits(1));
        }
        hashes.reverse();
        let mut read = Vec::new();
        let mut before = Some(Position(u64::MAX));
        while let Some(from) = before {
            let page = wait(relay.storage.document_history(ada.space, DOCUMENT, from, 3)).unwrap();
            assert!(page.entries.len() <= 3 && page.entries.iter().all(|entry| entry.position < from));
            assert!(page.entries.iter().all(|entry| entry.appended_at > 0 && entry.bytes > 0));
            read.extend(page.entries.iter().map(|entry| entry.hash));
            before = page.next;
        }
        assert_eq!(read, hashes);
        let nowhere = wait(relay.storage.document_history(ada.space, DocumentId([9; 16]), Position(9), 3));
        assert_eq!(nowhere.unwrap_err().code(), "document_unknown");
    });
}

#[test]
fn a_list_can_be_of_what_changed_after_a_position() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        for id in 1..=4_u8 {
            let document = DocumentId([id; 16]);
            let at = relay.appended(&ada, document, &Author::new(&format!("author {id}")).edits(1)).position.0;
            let found = StoreChecked { projection: projection("note", "a"), ..checked(ada.space, document, 0, at) };
            wait(relay.storage.store_checked(found)).unwrap();
        }
        let listed = |changed_after| {
            let spaces = vec![ada.space];
            let ask = ListProjections {
                spaces,
                type_name: None,
                deleted: Deleted::Hide,
                changed_after,
                after: None,
                limit: 9,
            };
            let list = wait(relay.storage.list_projections(&ask)).unwrap();
            list.items.iter().map(|item| item.position.position.0).collect::<Vec<_>>()
        };
        assert_eq!(listed(None), [1, 2, 3, 4]);
        assert_eq!(listed(Some(Position(0))), [1, 2, 3, 4]);
        assert_eq!(listed(Some(Position(2))), [3, 4]);
        assert_eq!(listed(Some(Position(u64::MAX))), [0_u64; 0]);
    });
}
