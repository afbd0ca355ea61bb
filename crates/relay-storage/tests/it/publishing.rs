//! What everybody may see: moved with the checked position, and never forgotten because a later state was refused.

use std::path::Path;
use std::sync::Arc;

use document::{Change, Document};
use relay_storage::{Judgement, NewProjection, Project, PublicationState, StoreChecked, Stored};
use rusqlite::Connection;
use sync_wire::{Actor, DocumentId, Position};

use crate::world::{Author, DOCUMENT, Pusher, Relay, THREADS, on_each_shell, wait};

const NOTE: DocumentId = DocumentId([0xe0; 16]);

fn public(json: &str) -> Judgement {
    Judgement::Public { rules: "1.1".into(), json: json.into() }
}

fn refused(violations: &str) -> Judgement {
    Judgement::Refused { rules: "1.1".into(), violations: violations.into() }
}

/// A document of some entries, and the results of checks that follow each other.
struct Stand {
    relay: Relay,
    ada: Pusher,
    author: Author,
    checked: u64,
}

impl Stand {
    fn new(relay: Relay) -> Self {
        let (ada, author) = (relay.pusher("ada"), Author::new("one"));
        Self { relay, ada, author, checked: 0 }
    }

    /// Appends an entry, and stores what its check says.
    fn judged(&mut self, judgement: Judgement) {
        let end = self.relay.appended(&self.ada, DOCUMENT, &self.author.edits(1)).position.0;
        assert_eq!(self.store(self.checked, end, judgement), Stored::Done);
        self.checked = end;
    }

    fn store(&self, from: u64, to: u64, judgement: Judgement) -> Stored {
        let (type_name, heads) = (Some("review".to_owned()), self.author.heads.clone());
        let projection = NewProjection { type_name, title: None, heads, json: "{}".into(), judgement };
        let found = StoreChecked {
            space: self.ada.space,
            document: DOCUMENT,
            expected_checked: Position(from),
            new_checked: Position(to),
            projection: Some(projection),
            snapshot: None,
        };
        wait(self.relay.storage.store_checked(found)).unwrap()
    }

    fn state(&self) -> Option<PublicationState> {
        wait(self.relay.storage.publication(self.ada.space, DOCUMENT)).unwrap()
    }

    /// What is published and from where, and what keeps the newest state from it.
    #[track_caller]
    fn shows(&self, published: Option<(&str, u64)>, violations: Option<&str>) {
        let state = self.state().expect("it was judged");
        let found = state.published.as_ref().map(|found| (found.json.as_str(), found.position.position.0));
        assert_eq!((found, state.violations.as_deref()), (published, violations));
        assert_eq!((state.judged.position.0, state.rules.as_str()), (self.checked, "1.1"));
    }
}

#[test]
fn what_passes_is_published_and_what_is_refused_changes_nothing_of_it() {
    on_each_shell(|relay| {
        let mut stand = Stand::new(relay);
        assert!(stand.state().is_none());
        stand.judged(refused("[0]"));
        stand.shows(None, Some("[0]"));
        stand.judged(public("1"));
        stand.shows(Some(("1", 2)), None);
        let heads = stand.author.heads.clone();
        stand.judged(refused("[2]"));
        stand.shows(Some(("1", 2)), Some("[2]"));
        let published = stand.state().unwrap().published.unwrap();
        assert_eq!((published.heads, published.type_name.as_deref()), (heads, Some("review")));
        stand.judged(public("3"));
        stand.shows(Some(("3", 4)), None);
        stand.judged(Judgement::Private);
        assert!(stand.state().is_none());
        stand.judged(public("5"));
        stand.shows(Some(("5", 6)), None);
    });
}

#[test]
fn a_relay_that_does_not_know_the_type_leaves_it_published() {
    on_each_shell(|relay| {
        let mut stand = Stand::new(relay);
        stand.judged(public("1"));
        let before = stand.state();
        stand.judged(Judgement::Unknown);
        assert_eq!(stand.state(), before);
    });
}

#[test]
fn a_check_that_lost_the_race_publishes_nothing() {
    on_each_shell(|relay| {
        let mut stand = Stand::new(relay);
        stand.judged(public("1"));
        stand.judged(public("2"));
        let moved = stand.store(1, 2, public("late"));
        assert_eq!(moved, Stored::Moved { checked: Position(2) });
        stand.shows(Some(("2", 2)), None);
        assert_eq!(stand.store(2, 2, public("again")), Stored::Done);
        stand.shows(Some(("again", 2)), None);
    });
}

#[test]
fn it_is_there_after_a_restart_and_in_a_backup() {
    let mut stand = Stand::new(Relay::new(THREADS));
    stand.judged(public("1"));
    stand.judged(refused("[2]"));
    stand.relay = stand.relay.backup();
    stand.shows(Some(("1", 1)), Some("[2]"));
    stand.relay = stand.relay.reopened();
    stand.shows(Some(("1", 1)), Some("[2]"));
}

#[test]
fn a_deletion_is_said_at_once_and_a_restore_too() {
    on_each_shell(|relay| {
        let mut stand = Stand::new(relay);
        stand.judged(public("1"));
        stand.relay.append(stand.ada.tombstone(DOCUMENT, 1, &stand.author.heads));
        assert!(stand.state().unwrap().deleted, "before its check");
        stand.relay.append(stand.ada.restore(DOCUMENT, 2));
        assert!(!stand.state().unwrap().deleted);
    });
}

/// Even numbers may be shown, odd ones not.
fn project() -> Project {
    Arc::new(|_, document: &Document| {
        let value = document.value();
        let number = value["name"].as_u64();
        let judgement = match number {
            Some(number) if number % 2 == 0 => public(&number.to_string()),
            Some(_) => refused("[\"odd\"]"),
            None => Judgement::Unknown,
        };
        let (type_name, heads, json) = (document.type_name(), document.heads(), value.to_string());
        NewProjection { type_name, title: None, heads, json, judgement }
    })
}

/// A closed relay with a note that was renamed and checked again and again, and where each check began.
fn renamed(numbers: u64) -> (Relay, Pusher, Vec<u64>) {
    let relay = Relay::new(THREADS);
    let ada = relay.pusher("ada");
    let (mut note, mut checked) = (Document::new(Some("note")), vec![0]);
    for number in 0..numbers {
        note.edit(Actor([7; 16]), |draft| draft.put("/name", number.into())).unwrap();
        let sealed = note.seal(0).unwrap().unwrap();
        let changes: Vec<Change> = sealed.seeds.into_iter().chain(sealed.changes).collect();
        let mut end = Position::START;
        for change in &changes {
            end = relay.appended(&ada, NOTE, std::slice::from_ref(change)).position;
        }
        let found = StoreChecked {
            space: ada.space,
            document: NOTE,
            expected_checked: Position(*checked.last().unwrap()),
            new_checked: end,
            projection: Some(project()(NOTE, &note)),
            snapshot: None,
        };
        assert_eq!(wait(relay.storage.store_checked(found)).unwrap(), Stored::Done);
        checked.push(end.0);
    }
    wait(relay.storage.close());
    (relay, ada, checked)
}

fn damage(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn verify(relay: &Relay) -> Vec<&'static str> {
    let verified = wait(relay.storage.verify(None, &project())).unwrap();
    verified.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_rebuild_remembers_what_was_published_and_mends_how_it_reads() {
    for sql in [
        "UPDATE publications SET json = 'other'",
        "UPDATE publications SET heads = zeroblob(32)",
        "UPDATE publications SET json = 'other', heads = zeroblob(32), type = NULL",
    ] {
        let (closed, ada, checked) = renamed(4);
        let state = |relay: &Relay| wait(relay.storage.publication(ada.space, NOTE)).unwrap();
        let relay = closed.second();
        assert_eq!(verify(&relay), [""; 0]);
        let before = state(&relay);
        let published = before.as_ref().and_then(|before| before.published.as_ref()).unwrap();
        assert_eq!((published.json.as_str(), published.position.position.0), ("2", checked[3]), "3 is odd");
        wait(relay.storage.close());
        damage(&closed.path, sql);
        let relay = closed.second();
        assert_eq!(verify(&relay), ["publication_wrong"], "{sql}");
        wait(relay.storage.rebuild(None, &project())).unwrap();
        assert_eq!(verify(&relay), [""; 0], "{sql}");
        assert_eq!(state(&relay), before, "{sql}");
    }
}

#[test]
fn a_publication_that_cannot_have_been_is_found() {
    for (beyond, why) in [(0, "other heads stand there"), (1, "nothing there was checked")] {
        let (closed, _, checked) = renamed(4);
        damage(&closed.path, &format!("UPDATE publications SET published_position = {}", checked[4] + beyond));
        assert_eq!(verify(&closed.second()), ["publication_wrong"], "{why}");
    }
}

#[test]
fn what_a_relay_held_before_it_could_publish_is_judged_by_a_rebuild() {
    let (closed, ada, checked) = renamed(3);
    damage(&closed.path, "DELETE FROM publications");
    let relay = closed.second();
    assert_eq!(verify(&relay), [""; 0], "nothing that is published is wrong");
    wait(relay.storage.rebuild(None, &project())).unwrap();
    let state = wait(relay.storage.publication(ada.space, NOTE)).unwrap().unwrap();
    assert_eq!(state.published.unwrap().position.position.0, checked[3]);
}

#[test]
fn what_passed_older_rules_stays_until_the_document_is_judged_by_newer_ones() {
    let (closed, ada, _) = renamed(4);
    damage(&closed.path, "UPDATE publications SET published_rules = '1.0', json = 'as it was then'");
    let relay = closed.second();
    assert_eq!(verify(&relay), [""; 0]);
    wait(relay.storage.rebuild(None, &project())).unwrap();
    let state = wait(relay.storage.publication(ada.space, NOTE)).unwrap().unwrap();
    assert_eq!(state.published.unwrap().json, "as it was then");
}
