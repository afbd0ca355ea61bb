//! Repairs that come with the log: what they exclude goes, everything else stays, and everybody ends alike.

use editor_vault::{Document, DocumentState, FateCode, Refused, SpaceId, Vault};
use serde_json::json;
use sync_core::client::Input;
use sync_wire::{ChangeHash, Dependent, DocumentId, Void};

use crate::house::count;
use crate::inline::sight::Sight;
use crate::recovery::{base, line, put, settings, settle};
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

/// A vault with three edits in the log, of which the second is to go.
struct Story {
    sight: Sight,
    relay: InlineRelay,
    laptop: Vault,
    line: Line,
    space: SpaceId,
    document: DocumentId,
    bad: ChangeHash,
}

pub(crate) fn head(document: &Document) -> ChangeHash {
    let heads = document.read(::document::Document::heads).unwrap();
    assert_eq!(heads.len(), 1);
    heads[0]
}

impl Story {
    fn new(seed: u64) -> Self {
        let (sight, relay) = (Sight::new(seed), InlineRelay::new(&["alice"]));
        let laptop = sight.open("laptop");
        let mut line = line(&laptop);
        put(&laptop, "first", 1);
        settle(&relay, &laptop, &mut line);
        put(&laptop, "bad", 2);
        let bad = head(&settings(&laptop));
        put(&laptop, "good", 3);
        settle(&relay, &laptop, &mut line);
        let (space, document) = (settings(&laptop).space(), settings(&laptop).id());
        let space = laptop.spaces().unwrap().iter().find(|known| known.id == space).map_or(space, |known| known.id);
        Self { sight, relay, laptop, line, space, document, bad }
    }

    fn device(&self, name: &str) -> (Vault, Line) {
        let vault = self.sight.open(name);
        let mut line = line(&vault);
        settle(&self.relay, &vault, &mut line);
        (vault, line)
    }

    fn repair(&self) {
        self.relay.state().void(self.space, self.document, &[self.bad]);
    }

    fn log(&self) -> Vec<ChangeHash> {
        self.relay.state().changes(self.space, self.document)
    }
}

fn sound(vault: &Vault) {
    let findings: Vec<_> = vault.verify().unwrap().into_iter().map(|finding| finding.detail).collect();
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(settings(vault).status().unwrap().held, None);
}

#[test]
fn what_a_repair_excludes_leaves_every_device_and_what_rested_on_it_stays() {
    let mut story = Story::new(1);
    let (desktop, mut their_line) = story.device("desktop");
    assert_eq!(base(&desktop)["bad"], 2);
    story.repair();
    let watch = desktop.watch();
    settle(&story.relay, &desktop, &mut their_line);
    settle(&story.relay, &story.laptop, &mut story.line);
    assert!(watch.next(std::time::Duration::ZERO).is_some(), "who watches is told");
    let (phone, _) = story.device("phone");
    for vault in [&story.laptop, &desktop, &phone] {
        assert_eq!(base(vault), json!({"first": 1, "good": 3}));
        sound(vault);
        assert_eq!(settings(vault).status().unwrap().pending_batches, 0);
    }
    assert_eq!(head(&settings(&desktop)), head(&settings(&story.laptop)));
    put(&desktop, "more", 4);
    settle(&story.relay, &desktop, &mut their_line);
    settle(&story.relay, &story.laptop, &mut story.line);
    assert_eq!(base(&story.laptop), json!({"first": 1, "good": 3, "more": 4}), "the document goes on");
}

#[test]
fn its_author_finds_the_excluded_edit_in_quarantine_and_can_read_it() {
    let mut story = Story::new(2);
    story.repair();
    settle(&story.relay, &story.laptop, &mut story.line);
    let found = story.laptop.quarantine().list().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].change), (FateCode::VOID, Some(story.bad)));
    assert!(found[0].detail.contains("repair"), "{}", found[0].detail);
    let Refused::Values(values) = story.laptop.quarantine().show(found[0].id).unwrap() else { panic!("{found:?}") };
    assert!(values.iter().any(|value| value.path.contains("bad")), "{values:?}");
    let state = settings(&story.laptop).status().unwrap().state;
    assert!(matches!(state, DocumentState::Quarantined { code: FateCode::VOID, .. }), "{state:?}");
    let explained = story.laptop.explain(&settings(&story.laptop)).unwrap();
    assert_eq!((explained.repairs[0].excluded.as_slice(), explained.repairs[0].written_anew), (&[story.bad][..], 1));
}

#[test]
fn what_an_offline_device_wrote_on_top_is_written_anew_and_nothing_doubles() {
    let mut story = Story::new(3);
    let (tablet, their_line) = story.device("tablet");
    drop(their_line);
    put(&tablet, "late", 5);
    settings(&tablet).edit(|draft| draft.splice("/base/text", 0, 0, "abc")).unwrap();
    let file = tablet.file().to_path_buf();
    drop(tablet);
    story.sight.copy(&file, "clone");
    story.repair();
    settle(&story.relay, &story.laptop, &mut story.line);
    let expected = json!({"first": 1, "good": 3, "late": 5, "text": "abc"});
    for name in ["tablet", "clone"] {
        let (vault, _line) = story.device(name);
        assert_eq!(base(&vault), expected, "{name}");
        assert_eq!(settings(&vault).status().unwrap().pending_batches, 0, "{name}");
        sound(&vault);
    }
    settle(&story.relay, &story.laptop, &mut story.line);
    assert_eq!(base(&story.laptop), expected);
    let mut log = story.log();
    let entries = log.len();
    log.sort_unstable();
    log.dedup();
    assert_eq!(log.len(), entries, "each change is in the log once");
}

#[test]
fn an_edit_that_was_on_its_way_follows_what_a_repair_excluded() {
    let story = Story::new(9);
    let (tablet, mut their_line) = story.device("tablet");
    put(&tablet, "late", 5);
    let (_, ticket) = settings(&tablet).edit_deferred(|draft| draft.put("/base/later", 6.into())).unwrap();
    story.repair();
    story.relay.talk(&mut their_line, "alice", Input::Saved, &mut |_| ());
    assert!(!ticket.is_saved(), "it rests on what has gone");
    tablet.flush().unwrap();
    assert!(ticket.is_saved());
    settle(&story.relay, &tablet, &mut their_line);
    assert_eq!(base(&tablet), json!({"first": 1, "good": 3, "late": 5, "later": 6}));
    assert_eq!(settings(&tablet).status().unwrap().pending_batches, 0);
    sound(&tablet);
}

#[test]
fn a_deletion_of_what_a_repair_changed_names_what_is_there_now() {
    let mut story = Story::new(4);
    let note = story.laptop.create("note", Some("n"), None).unwrap();
    settle(&story.relay, &story.laptop, &mut story.line);
    note.edit(|draft| draft.put("/name", "bad".into())).unwrap();
    let bad = head(&note);
    settle(&story.relay, &story.laptop, &mut story.line);
    let (tablet, mut their_line) = story.device("tablet");
    tablet.delete(&tablet.document(story.space, note.id()).unwrap()).unwrap();
    story.relay.state().void(story.space, note.id(), &[bad]);
    settle(&story.relay, &tablet, &mut their_line);
    assert_eq!(tablet.document(story.space, note.id()).unwrap().get("/name").unwrap(), Some("n".into()));
}

#[test]
fn a_void_that_does_not_follow_from_the_log_is_not_applied_and_the_document_is_held() {
    for lie in [without_replacements, with_another_dependent] {
        let mut story = Story::new(5);
        let (void, replacements) = lie(&story);
        story.relay.state().append_void(story.space, story.document, &void, &replacements);
        settle(&story.relay, &story.laptop, &mut story.line);
        let held = settings(&story.laptop).status().unwrap().held.expect("nobody believes it");
        assert!(held.contains("void"), "{held}");
        assert_eq!(base(&story.laptop), json!({"first": 1, "bad": 2, "good": 3}), "nothing of it is applied");
    }
}

fn without_replacements(story: &Story) -> (Void, Vec<document::Change>) {
    let dependents = vec![Dependent { change: *story.log().last().unwrap(), by: None }];
    (Void { excluded: vec![story.bad], dependents }, Vec::new())
}

fn with_another_dependent(story: &Story) -> (Void, Vec<document::Change>) {
    let log = story.log();
    let dependents = [log[0], log[log.len() - 1]].map(|change| Dependent { change, by: None });
    (Void { excluded: vec![story.bad], dependents: dependents.to_vec() }, Vec::new())
}

#[test]
fn a_restart_knows_what_a_repair_excluded() {
    let mut story = Story::new(6);
    story.repair();
    settle(&story.relay, &story.laptop, &mut story.line);
    let file = story.laptop.file().to_path_buf();
    let Story { sight, relay, laptop, line: old, .. } = story;
    drop((laptop, old));
    assert_eq!(count(&file, "SELECT count(*) FROM markers WHERE kind = 2 AND length(heads) > 0"), 1);
    assert_eq!(count(&file, "SELECT count(*) FROM changes WHERE excluded = 1 AND position IS NOT NULL"), 2);
    let vault = sight.open("laptop");
    assert_eq!(base(&vault), json!({"first": 1, "good": 3}));
    put(&vault, "again", 7);
    let mut line = line(&vault);
    settle(&relay, &vault, &mut line);
    assert_eq!(settings(&vault).status().unwrap().pending_batches, 0);
    sound(&vault);
    settings(&vault).undo().unwrap();
    assert_eq!(base(&vault), json!({"first": 1, "good": 3}));
}

#[test]
fn edits_that_were_parked_because_the_document_was_held_go_on_after_the_repair() {
    let mut story = Story::new(7);
    story.relay.judge(|_| Answer::Park(FateCode::HELD, 1));
    put(&story.laptop, "waits", 9);
    settle(&story.relay, &story.laptop, &mut story.line);
    assert!(matches!(settings(&story.laptop).status().unwrap().state, DocumentState::Parked { .. }));
    story.relay.judge(|_| Answer::Take);
    story.repair();
    settle(&story.relay, &story.laptop, &mut story.line);
    assert_eq!(settings(&story.laptop).status().unwrap().pending_batches, 0);
    assert_eq!(base(&story.laptop), json!({"first": 1, "good": 3, "waits": 9}));
}

#[test]
fn a_new_device_that_gets_a_snapshot_ends_alike() {
    let story = Story::new(8);
    story.repair();
    story.relay.state().make_snapshot(story.space, story.document);
    let (phone, _) = story.device("phone");
    assert_eq!(base(&phone), json!({"first": 1, "good": 3}));
    sound(&phone);
}

#[test]
fn a_device_that_began_with_a_snapshot_follows_a_repair_of_what_came_after_it() {
    let mut story = Story::new(10);
    story.relay.state().make_snapshot(story.space, story.document);
    let (phone, mut their_line) = story.device("phone");
    put(&story.laptop, "worse", 4);
    let worse = head(&settings(&story.laptop));
    put(&story.laptop, "upon", 5);
    settle(&story.relay, &story.laptop, &mut story.line);
    settle(&story.relay, &phone, &mut their_line);
    assert_eq!(base(&phone), json!({"first": 1, "bad": 2, "good": 3, "worse": 4, "upon": 5}));
    story.relay.state().void(story.space, story.document, &[worse]);
    settle(&story.relay, &phone, &mut their_line);
    assert_eq!(base(&phone), json!({"first": 1, "bad": 2, "good": 3, "upon": 5}));
    sound(&phone);
}
