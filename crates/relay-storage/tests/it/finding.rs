//! What documents are found by: taken in slice by slice, of one space alone, and gone with its document.

use document::{Change, Document};
use document_index::content_of;
use relay_storage::{FindDocuments, FoundBy, FoundSince, LookFrom, SliceLimits, StoreChecked, Stored};
use rusqlite::Connection;
use schemas::{Query, Registry};
use serde_json::Value;
use sync_wire::{Actor, DocumentId, Position, SpaceId};

use crate::verifying::project;
use crate::world::{Pusher, Relay, THREADS, on_each_shell, wait};

const ALL: SliceLimits = SliceLimits { documents: 1000, bytes: 1 << 20 };

/// A note, and what of it is in the log.
struct Note {
    id: DocumentId,
    document: Document,
    end: Position,
}

impl Note {
    fn new(number: u8) -> Self {
        let document = Document::new(Some("note"));
        Self { id: DocumentId([number; 16]), document, end: Position::START }
    }

    /// Appends an edit, which waits for its check.
    fn push(&mut self, relay: &Relay, pusher: &Pusher, name: &str, body: &str) {
        let edited = self.document.edit(Actor([self.id.0[0]; 16]), |draft| {
            draft.put("/name", name.into())?;
            draft.splice("/body", 0, 0, body)
        });
        edited.unwrap();
        let sealed = self.document.seal(0).unwrap().unwrap();
        let changes: Vec<Change> = sealed.seeds.into_iter().chain(sealed.changes).collect();
        self.end = relay.appended(pusher, self.id, &changes).position;
    }

    fn check(&self, relay: &Relay, space: SpaceId) {
        let state = wait(relay.storage.document(space, self.id)).unwrap().unwrap();
        let stored = wait(relay.storage.store_checked(StoreChecked {
            space,
            document: self.id,
            expected_checked: state.checked,
            new_checked: state.end.position,
            projection: Some(project()(self.id, &self.document)),
            snapshot: None,
        }));
        assert_eq!(stored.unwrap(), Stored::Done);
    }

    fn written(relay: &Relay, pusher: &Pusher, number: u8, name: &str, body: &str) -> Self {
        let mut note = Self::new(number);
        note.push(relay, pusher, name, body);
        note.check(relay, pusher.space);
        note
    }
}

fn by() -> FoundBy {
    let note = Registry::builtin().get("note").unwrap();
    FoundBy {
        type_name: "note".into(),
        indexes: note.indexes().iter().map(|field| field.index.clone()).collect(),
        title: note.title_index().map(|index| index.path.clone()),
    }
}

/// Takes in one slice: where it goes on, and how many documents there were.
fn slice(relay: &Relay, space: SpaceId, from: Option<LookFrom>, limits: SliceLimits) -> (Option<LookFrom>, usize) {
    let slice = wait(relay.storage.moved_documents(space, &by(), from, limits)).unwrap().unwrap();
    let next = slice.next;
    let contents: Vec<_> = slice
        .documents
        .iter()
        .map(|document| {
            let value: Option<Value> = document.json.as_deref().map(|json| serde_json::from_str(json).unwrap());
            let get = |path: &str| value.as_ref()?.pointer(path).cloned();
            let made = value.as_ref().map(|_| content_of(slice.shelf.title.as_deref(), &slice.shelf.declared, get));
            made.unwrap_or_default()
        })
        .collect();
    let count = contents.len();
    wait(relay.storage.take_in(slice, contents)).unwrap();
    (next, count)
}

/// Takes in all that moved; how many documents.
fn take_in(relay: &Relay, space: SpaceId) -> usize {
    if wait(relay.storage.shelf(space, &by())).unwrap().is_none() {
        return 0;
    }
    let (mut from, mut count) = (None, 0);
    loop {
        let (next, more) = slice(relay, space, from, ALL);
        count += more;
        if next.is_none() {
            return count;
        }
        from = next;
    }
}

fn query(query: &Query) -> schemas::Checked {
    query.check(Registry::builtin().get("note").unwrap()).unwrap()
}

fn find(relay: &Relay, spaces: &[SpaceId], asked: &Query) -> Vec<DocumentId> {
    let find = FindDocuments { spaces: spaces.to_vec(), query: query(asked), bytes_max: 1 << 20 };
    let page = wait(relay.storage.find_documents(find)).unwrap();
    page.documents.iter().map(|document| document.found.seek.id).collect()
}

fn verify(relay: &Relay) -> Vec<&'static str> {
    let verified = wait(relay.storage.verify(None, &project())).unwrap();
    verified.findings.iter().map(|finding| finding.code).collect()
}

fn rows(relay: &Relay) -> i64 {
    let file = Connection::open(&relay.path).unwrap();
    let sql = "SELECT (SELECT count(*) FROM indexed) + (SELECT count(*) FROM fields) + (SELECT count(*) FROM words)";
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn nothing_is_written_before_somebody_asks_and_then_what_moved_alone() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut one = Note::written(&relay, &ada, 1, "one", "milk");
        Note::written(&relay, &ada, 2, "two", "eggs");
        assert_eq!(rows(&relay), 0);
        assert_eq!(wait(relay.storage.shelves_behind(vec![ada.space], by())).unwrap(), [ada.space]);
        assert_eq!(take_in(&relay, ada.space), 2);
        assert_eq!(wait(relay.storage.shelves_behind(vec![ada.space], by())).unwrap(), []);
        assert_eq!(take_in(&relay, ada.space), 0);
        one.push(&relay, &ada, "first", "more ");
        assert_eq!(take_in(&relay, ada.space), 0, "it waits for its check");
        assert_eq!(find(&relay, &[ada.space], &Query::of("note")), [one.id, DocumentId([2; 16])]);
        one.check(&relay, ada.space);
        assert_eq!(take_in(&relay, ada.space), 1);
        assert_eq!(find(&relay, &[ada.space], &Query::of("note").matching("more")), [one.id]);
        assert_eq!(verify(&relay), [""; 0]);
    });
}

#[test]
fn slices_are_as_small_as_they_are_asked_for_and_what_moves_in_between_is_not_missed() {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let mut notes: Vec<Note> =
        (1..=9).map(|number| Note::written(&relay, &ada, number, &format!("note {number}"), "")).collect();
    let by_bytes = SliceLimits { documents: 1000, bytes: 1 };
    let by_documents = SliceLimits { documents: 2, bytes: 1 << 20 };
    for (limits, most) in [(by_bytes, 1), (by_documents, 2)] {
        assert!(wait(relay.storage.shelf(ada.space, &by())).unwrap().is_some());
        let (mut from, mut looks) = (None, 0);
        loop {
            let (next, count) = slice(&relay, ada.space, from, limits);
            assert!(count <= most, "{count}");
            if looks == 1 {
                // Before and behind the place of the look.
                for at in [0, 8] {
                    notes[at].push(&relay, &ada, "moved", "");
                    notes[at].check(&relay, ada.space);
                }
            }
            looks += 1;
            from = next;
            if from.is_none() {
                break;
            }
        }
        let moved = Query::of("note").where_("/name", schemas::Compare::Equal("moved".into()));
        assert_eq!(find(&relay, &[ada.space], &moved), [notes[0].id, notes[8].id]);
        assert_eq!(find(&relay, &[ada.space], &Query::of("note")).len(), 9);
        // And again, by the log.
        for note in &mut notes {
            note.push(&relay, &ada, "back", "");
            note.check(&relay, ada.space);
        }
    }
    assert_eq!(take_in(&relay, ada.space), 9);
    assert_eq!(verify(&relay), [""; 0]);
}

#[test]
fn a_page_ends_after_so_many_bytes_and_goes_on() {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    for number in 1..=3 {
        Note::written(&relay, &ada, number, &format!("{number}"), "");
    }
    take_in(&relay, ada.space);
    let one = r#"{"/name":"1"}"#.len();
    let (mut asked, mut seen) = (Query::of("note"), Vec::new());
    loop {
        let find = FindDocuments { spaces: vec![ada.space], query: query(&asked), bytes_max: one - 1 };
        let page = wait(relay.storage.find_documents(find)).unwrap();
        assert_eq!(page.documents.len(), 1, "what is within its bytes, and the document that goes beyond");
        seen.push(page.documents[0].found.seek.id.0[0]);
        if !page.has_more {
            break;
        }
        asked = asked.after(query(&Query::of("note")).cursor(page.documents[0].found.seek.clone()));
    }
    assert_eq!(seen, [1, 2, 3]);
    let find = FindDocuments { spaces: vec![ada.space], query: query(&Query::of("note")), bytes_max: one };
    assert_eq!(wait(relay.storage.find_documents(find)).unwrap().documents.len(), 2);
}

#[test]
fn what_was_held_is_taken_in_when_it_goes_on() {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let mut note = Note::written(&relay, &ada, 1, "one", "");
    note.push(&relay, &ada, "two", "");
    wait(relay.storage.hold(ada.space, note.id, "a test")).unwrap();
    Note::written(&relay, &ada, 2, "three", "");
    assert_eq!(take_in(&relay, ada.space), 2, "as it was checked last");
    wait(relay.storage.release(ada.space, note.id)).unwrap();
    note.check(&relay, ada.space);
    assert_eq!(take_in(&relay, ada.space), 1, "though the log has nothing new");
    let two = Query::of("note").where_("/name", schemas::Compare::Equal("two".into()));
    assert_eq!(find(&relay, &[ada.space], &two), [note.id]);
}

#[test]
fn nothing_of_a_document_outlives_it() {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let note = Note::written(&relay, &ada, 1, "one", "milk");
    assert_eq!(take_in(&relay, ada.space), 1);
    let backup = relay.backup();
    relay.append(ada.tombstone(note.id, 9, &note.document.heads()));
    assert_eq!(take_in(&relay, ada.space), 1);
    for asked in [Query::of("note"), Query::of("note").matching("milk")] {
        assert_eq!(find(&relay, &[ada.space], &asked), []);
        // In a backup it is there, and is found.
        assert_eq!(find(&backup, &[ada.space], &asked), [note.id]);
    }
    relay.pass(24 * 31);
    let keep = std::time::Duration::from_secs(24 * 3600 * 30);
    assert_eq!(wait(relay.storage.purge_deleted(keep, 10)).unwrap().len(), 1);
    assert_eq!(rows(&relay), 0);
    assert_eq!(take_in(&relay, ada.space), 1, "that it was erased is in the log");
    assert_eq!(verify(&relay), [""; 0]);
}

#[test]
fn words_of_other_spaces_are_other_words() {
    let relay = Relay::new(THREADS);
    let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
    let hers = Note::written(&relay, &ada, 1, "milk", "हिन्दी 文字 cafe\u{301}s ⓐb");
    let his = Note::written(&relay, &bob, 2, "milk", "milkshake");
    for space in [ada.space, bob.space] {
        assert_eq!(take_in(&relay, space), 1);
    }
    for (words, is_hers, is_his) in
        [("milk", true, true), ("mil*", true, true), ("\"文字\"", true, false), ("शब्द", false, false)]
    {
        let asked = Query::of("note").matching(words);
        assert_eq!(find(&relay, &[ada.space], &asked).contains(&hers.id), is_hers, "{words}");
        assert_eq!(find(&relay, &[bob.space], &asked).contains(&his.id), is_his, "{words}");
    }
    for words in ["हिन्दी", "文*", "cafés", "CAFES"] {
        assert_eq!(find(&relay, &[ada.space], &Query::of("note").matching(words)), [hers.id], "{words}");
    }
    // No word stands in the index without the mark of its shelf, so none is read for anybody else.
    let file = Connection::open(&relay.path).unwrap();
    file.execute_batch("CREATE VIRTUAL TABLE temp.terms USING fts5vocab (main, words, row)").unwrap();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let unmarked = count("SELECT count(*) FROM temp.terms WHERE term NOT GLOB '[12]x?*'");
    assert!(count("SELECT count(*) FROM temp.terms") > 8);
    assert_eq!(unmarked, 0);
}

#[test]
fn damage_is_found_and_a_rebuild_heals_it() {
    for sql in [
        "UPDATE indexed SET shown = '{}'",
        "DELETE FROM fields",
        "UPDATE fields SET value = x'0661'",
        "UPDATE words SET body = 'other'",
        "UPDATE shelves SET title = '/body'",
        "UPDATE indexed SET shelf = 77",
        "DELETE FROM indexed",
    ] {
        let relay = Relay::new(THREADS);
        let ada = relay.pusher("ada");
        let note = Note::written(&relay, &ada, 1, "one", "milk");
        take_in(&relay, ada.space);
        assert_eq!(verify(&relay), [""; 0], "{sql}");
        wait(relay.storage.close());
        Connection::open(&relay.path).unwrap().execute_batch(sql).unwrap();
        let relay = relay.second();
        assert_eq!(verify(&relay), ["index_wrong"], "{sql}");
        wait(relay.storage.rebuild(None, &project())).unwrap();
        assert_eq!(rows(&relay), 0, "{sql}");
        assert_eq!(take_in(&relay, ada.space), 1, "{sql}");
        assert_eq!(find(&relay, &[ada.space], &Query::of("note").matching("milk")), [note.id], "{sql}");
        assert_eq!(verify(&relay), [""; 0], "{sql}");
    }
}

#[test]
fn what_moved_since_a_turn_is_told_one_by_one_up_to_a_number() {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let note = Note::written(&relay, &ada, 1, "one", "");
    let asked = || query(&Query::of("note").where_("/name", schemas::Compare::StartsWith("o".into())));
    take_in(&relay, ada.space);
    let since = |turn: i64, max| wait(relay.storage.found_since(vec![(ada.space, turn)], asked(), max)).unwrap();
    let (FoundSince::Documents(all), turns) = since(0, 9) else { panic!("one is not many") };
    assert_eq!(all.iter().map(|(_, found)| found.as_ref().unwrap().found.seek.id).collect::<Vec<_>>(), [note.id]);
    let turn = turns[0].1;
    assert_eq!(since(turn, 9).0, FoundSince::Documents(Vec::new()));
    let mut others: Vec<Note> = (2..=4).map(|number| Note::written(&relay, &ada, number, "x", "")).collect();
    others[0].push(&relay, &ada, "other", "");
    others[0].check(&relay, ada.space);
    take_in(&relay, ada.space);
    let (FoundSince::Documents(moved), _) = since(turn, 3) else { panic!("three are not many") };
    assert_eq!(moved.iter().filter(|(_, found)| found.is_some()).count(), 1);
    assert_eq!(since(turn, 2).0, FoundSince::Many);
}
