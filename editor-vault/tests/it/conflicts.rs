//! Fields about which a person decides, from the offline edits of two devices to one value on both.

mod command; // the same with the `vault` command
mod publication; // nothing new is published meanwhile

use std::sync::LazyLock;
use std::time::Duration;

use document::{Document as Bare, Seed};
use editor_vault::{Conflict, Document, EditError, Resolution, Vault, Version};
use schemas::Registry;
use serde_json::{Value, json};
use sync_wire::{Actor, DocumentId};

use crate::house::House;
use crate::relay::Relay;
use crate::syncing::{connect, sync, until};

pub(crate) const PLEDGE: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "pledge", "x-version": 1, "x-title": "/name", "type": "object",
    "properties": {
        "name": { "type": "string" },
        "level": { "type": "string", "enum": ["none", "some", "full"], "x-merge": "manual", "x-stored-as": "rank",
            "x-public": true },
        "voters": { "type": "array", "x-merge": "list", "items": { "type": "object", "required": ["who"],
            "properties": { "who": { "type": "string" }, "vote": { "type": "string", "x-merge": "manual" } } } },
        "size": { "type": "integer" }
    }
}"##;

static TYPES: LazyLock<Registry> =
    LazyLock::new(|| Registry::with_files([("pledge/1.json", PLEDGE)]).expect("a document type"));

/// Two devices of one account, a relay, and a pledge that both have.
struct Meeting {
    house: House,
    relay: Relay,
    laptop: Vault,
    desktop: Vault,
    id: DocumentId,
}

impl Meeting {
    fn new() -> Self {
        let (house, relay) = (House::new(), Relay::start(&["alice"]));
        let open = |name| house.options(name).schemas(&TYPES).open().unwrap();
        let (laptop, desktop) = (open("laptop"), open("desktop"));
        let made = laptop.create("pledge", Some("tea"), None).unwrap();
        made.edit(|draft| draft.put("/rank", json!("none"))).unwrap();
        let id = made.id();
        let meeting = Self { house, relay, laptop, desktop, id };
        meeting.meet();
        meeting
    }

    /// Everything of each is with the other afterwards.
    fn meet(&self) {
        for vault in [&self.laptop, &self.desktop, &self.laptop] {
            sync(vault, &self.relay, "alice");
        }
    }

    fn on(&self, vault: &Vault) -> Document {
        vault.document(vault.home(), self.id).unwrap()
    }

    /// Writes on both devices while they are apart, then brings them together.
    fn disagree(&self, laptop: &str, desktop: &str) {
        set(&self.on(&self.laptop), laptop.into());
        set(&self.on(&self.desktop), desktop.into());
        self.meet();
    }

    fn conflict_on(&self, vault: &Vault) -> Conflict {
        let mut conflicts = vault.conflicts().unwrap();
        assert_eq!(conflicts.len(), 1, "{conflicts:?}");
        assert_eq!(conflicts, self.on(vault).conflicts().unwrap());
        conflicts.remove(0)
    }

    #[track_caller]
    fn is_settled(&self, value: &Value) {
        for vault in [&self.laptop, &self.desktop] {
            assert!(vault.conflicts().unwrap().is_empty());
            assert_eq!(self.on(vault).get("/rank").unwrap().as_ref(), Some(value));
            assert!(vault.verify().unwrap().is_empty());
        }
    }
}

fn set(document: &Document, value: Value) {
    document.edit(|draft| draft.put("/rank", value)).unwrap();
}

fn values(conflict: &Conflict) -> Vec<Value> {
    conflict.values.iter().map(|value| value.value.clone()).collect()
}

fn value_of(conflict: &Conflict, wanted: &Value) -> sync_wire::ChangeHash {
    conflict.values.iter().find(|value| value.value == *wanted).unwrap().revision.hash
}

#[test]
fn what_two_devices_wrote_apart_waits_for_a_person_and_is_settled_on_both() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    let (ours, theirs) = (meeting.conflict_on(&meeting.laptop), meeting.conflict_on(&meeting.desktop));
    assert_eq!(values(&ours), values(&theirs), "in the same order everywhere");
    assert_eq!((ours.path.as_str(), ours.stored_path.as_str()), ("/level", "/rank"));
    assert_eq!((ours.title.as_deref(), ours.type_name.as_deref()), (Some("tea"), Some("pledge")));
    for conflict in [&ours, &theirs] {
        for (value, device) in [("some", meeting.laptop.device()), ("full", meeting.desktop.device())] {
            let found = conflict.values.iter().find(|found| found.value == json!(value)).unwrap();
            assert_eq!(found.revision.device, Some(device), "{value}");
            assert!(found.revision.unix_seconds > 1_700_000_000);
        }
    }
    assert_eq!(meeting.on(&meeting.laptop).plain().unwrap()["level"], values(&ours)[0], "the first is shown");
    let watch = meeting.laptop.watch();
    meeting.on(&meeting.laptop).resolve(&ours, Resolution::Keep(value_of(&ours, &json!("some")))).unwrap();
    assert_eq!(watch.next(Duration::from_secs(20)).unwrap().document, meeting.id);
    assert!(meeting.laptop.conflicts().unwrap().is_empty(), "at once");
    assert_eq!(meeting.conflict_on(&meeting.desktop), theirs, "it has not heard of it");
    meeting.meet();
    meeting.is_settled(&json!("some"));
    let newest = meeting.on(&meeting.desktop).history().unwrap().pop().unwrap();
    assert_eq!(newest.note.as_deref(), Some("resolve /rank"));
    meeting.disagree("none", "full");
    assert_eq!(meeting.conflict_on(&meeting.laptop).values.len(), 2, "and it can begin anew");
}

#[test]
fn no_edit_writes_over_values_that_wait() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    let pledge = meeting.on(&meeting.laptop);
    let is_refused = |refused: EditError| {
        assert_eq!(refused.code(), "conflict_open");
        assert!(refused.to_string().contains("/rank"), "{refused}");
    };
    is_refused(pledge.edit(|draft| draft.put("/rank", json!("none"))).unwrap_err());
    is_refused(pledge.edit_deferred(|draft| draft.remove("/rank")).unwrap_err());
    let plan = pledge.plan(&json!({ "name": "tea", "level": "none", "size": 1 })).unwrap();
    is_refused(pledge.apply(plan).unwrap_err());
    assert_eq!(pledge.get("/size").unwrap(), None, "all or nothing");
    let before = Version::of(pledge.history().unwrap()[0].hash);
    is_refused(pledge.restore(&before).unwrap_err());
    // What does not touch the field goes on, also a plan of the whole.
    let shown = pledge.plain().unwrap()["level"].clone();
    let plan = pledge.plan(&json!({ "name": "coffee", "level": shown, "size": 1 })).unwrap();
    pledge.apply(plan).unwrap();
    assert_eq!(meeting.conflict_on(&meeting.laptop).title.as_deref(), Some("coffee"));
    // Nor after it was loaded anew.
    let id = meeting.id;
    let Meeting { house, laptop, .. } = meeting;
    drop((pledge, laptop));
    let laptop = house.options("laptop").schemas(&TYPES).open().unwrap();
    let pledge = laptop.document(laptop.home(), id).unwrap();
    is_refused(pledge.edit(|draft| draft.put("/rank", json!("none"))).unwrap_err());
}

#[test]
fn a_decision_about_values_that_have_moved_is_refused() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    let (ours, theirs) = (meeting.conflict_on(&meeting.laptop), meeting.conflict_on(&meeting.desktop));
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    laptop.resolve(&ours, Resolution::Value(json!("none"))).unwrap();
    desktop.resolve(&theirs, Resolution::Keep(value_of(&theirs, &json!("full")))).unwrap();
    meeting.meet();
    let now = meeting.conflict_on(&meeting.laptop);
    let mut open = values(&now);
    open.sort_by_key(Value::to_string);
    assert_eq!(open, [json!("full"), json!("none")], "two people decided");
    let refused = laptop.resolve(&ours, Resolution::Value(json!("some"))).unwrap_err();
    assert_eq!(refused.code(), "conflict_moved");
    for value in &now.values {
        assert!(refused.to_string().contains(&value.revision.hash.to_string()), "{refused}");
    }
    let unknown = laptop.resolve(&now, Resolution::Keep(value_of(&ours, &json!("some")))).unwrap_err();
    assert_eq!(unknown.code(), "no_such_value");
    let wrong = laptop.resolve(&now, Resolution::Value(json!("plenty"))).unwrap_err();
    assert!(matches!(&wrong, EditError::Violations(violations) if violations[0].path == "/level"), "{wrong}");
    laptop.resolve(&now, Resolution::Value(json!("none"))).unwrap();
    let settled = laptop.resolve(&now, Resolution::Value(json!("none"))).unwrap_err();
    assert_eq!(settled.code(), "no_conflict");
    meeting.meet();
    meeting.is_settled(&json!("none"));
}

#[test]
fn a_removal_against_a_value_is_a_conflict_and_may_be_what_is_decided() {
    let meeting = Meeting::new();
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    laptop.apply(laptop.plan(&json!({ "name": "tea" })).unwrap()).unwrap();
    assert_eq!(laptop.plain().unwrap(), json!({ "name": "tea" }), "people do not see the null");
    set(&desktop, json!("full"));
    meeting.meet();
    let conflict = meeting.conflict_on(&meeting.desktop);
    assert!(values(&conflict).contains(&Value::Null) && values(&conflict).contains(&json!("full")));
    desktop.resolve(&conflict, Resolution::Value(Value::Null)).unwrap();
    meeting.meet();
    meeting.is_settled(&Value::Null);
    assert_eq!(laptop.plain().unwrap(), json!({ "name": "tea" }));
}

#[test]
fn a_field_inside_a_list_is_named_by_its_place_and_settled_by_where_it_is_stored() {
    let meeting = Meeting::new();
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    let voters = |vote: &str| json!({ "name": "tea", "voters": [{ "who": "a" }, { "who": "b", "vote": vote }] });
    laptop.apply(laptop.plan(&voters("yes")).unwrap()).unwrap();
    meeting.meet();
    laptop.apply(laptop.plan(&voters("no")).unwrap()).unwrap();
    desktop.apply(desktop.plan(&voters("never")).unwrap()).unwrap();
    meeting.meet();
    let conflict = meeting.conflict_on(&meeting.laptop);
    assert_eq!(conflict.path, "/voters/1/vote");
    // The item moves; the decision is about the same field.
    let moved = json!({ "name": "tea", "voters": [{ "who": "b", "vote": values(&conflict)[0] }, { "who": "a" }] });
    laptop.apply(laptop.plan(&moved).unwrap()).unwrap();
    assert_eq!(meeting.conflict_on(&meeting.laptop).path, "/voters/0/vote");
    laptop.resolve(&conflict, Resolution::Keep(value_of(&conflict, &json!("no")))).unwrap();
    meeting.meet();
    let shown = desktop.plain().unwrap();
    assert_eq!(shown["voters"], json!([{ "who": "b", "vote": "no" }, { "who": "a" }]));
    assert!(meeting.desktop.conflicts().unwrap().is_empty());
}

#[test]
fn a_deferred_decision_never_lies_under_what_arrives() {
    let meeting = Meeting::new();
    connect(&meeting.laptop, &meeting.relay, "alice");
    connect(&meeting.desktop, &meeting.relay, "alice");
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    let mut written = Vec::new();
    for round in 0..20 {
        let (ours, theirs) = (format!("ours {round}"), format!("theirs {round}"));
        // Whoever wrote second has seen the first, or both stand: none is written over unseen.
        let first = laptop.edit_deferred(|draft| draft.put("/rank", json!(ours)));
        let second = desktop.edit_deferred(|draft| draft.put("/rank", json!(theirs)));
        for (outcome, value) in [(first, ours), (second, theirs)] {
            match outcome {
                Ok(((), ticket)) => {
                    ticket.wait().unwrap();
                    written.push(value);
                }
                Err(refused) => assert_eq!(refused.code(), "conflict_open"),
            }
        }
    }
    meeting.laptop.wait_until_settled(crate::house::SOON).unwrap();
    meeting.desktop.wait_until_settled(crate::house::SOON).unwrap();
    until(&meeting.laptop, || laptop.history().unwrap().len() == desktop.history().unwrap().len());
    assert_eq!(laptop.value().unwrap(), desktop.value().unwrap());
    let history = laptop.history().unwrap();
    let seen = |one: &sync_wire::ChangeHash| history.iter().any(|change| change.deps.contains(one));
    let open = laptop.conflicts().unwrap();
    let heads = history.iter().filter(|change| !seen(&change.hash)).count();
    assert_eq!(heads, open.first().map_or(1, |conflict| conflict.values.len()), "what nobody saw is open");
    assert!(written.len() >= 2);
}

#[test]
fn a_deferred_decision_is_sealed_at_once_with_all_that_waited() {
    let meeting = Meeting::new();
    let pledge = meeting.on(&meeting.laptop);
    let before = pledge.history().unwrap().len();
    let (_, first) = pledge.edit_deferred(|draft| draft.put("/size", json!(1))).unwrap();
    let (_, second) = pledge.edit_deferred(|draft| draft.put("/rank", json!("full"))).unwrap();
    assert!(!pledge.read(|document| document.has_unsealed()).unwrap(), "nothing of others can come under it");
    first.wait().unwrap();
    second.wait().unwrap();
    assert!(pledge.history().unwrap().len() <= before + 2);
    assert_eq!(pledge.value().unwrap(), json!({ "name": "tea", "rank": "full", "size": 1 }));
}

#[test]
fn what_lost_by_itself_is_listed_apart() {
    let meeting = Meeting::new();
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    laptop.edit(|draft| draft.put("/size", json!(1))).unwrap();
    desktop.edit(|draft| draft.put("/size", json!(2))).unwrap();
    meeting.meet();
    assert!(meeting.laptop.conflicts().unwrap().is_empty());
    let overruled = laptop.overruled().unwrap();
    assert_eq!(overruled.len(), 1);
    assert_eq!((overruled[0].path.as_str(), overruled[0].values.len()), ("/size", 2));
    assert_eq!(Some(values(&overruled[0])[0].clone()), laptop.get("/size").unwrap());
    desktop.edit(|draft| draft.put("/size", json!(3))).unwrap();
    meeting.meet();
    assert!(laptop.overruled().unwrap().is_empty(), "somebody has written since");
}

#[test]
fn deleted_documents_and_unknown_types_have_no_place_in_the_inbox() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    let stranger = meeting.house.open("stranger"); // it was never told of the type
    sync(&stranger, &meeting.relay, "alice");
    assert!(stranger.conflicts().unwrap().is_empty());
    let theirs = stranger.document(stranger.home(), meeting.id).unwrap();
    assert_eq!(theirs.overruled().unwrap().len(), 1, "but it can be asked what the document holds");
    meeting.laptop.delete(&meeting.on(&meeting.laptop)).unwrap();
    assert!(meeting.laptop.conflicts().unwrap().is_empty());
}

#[test]
fn an_undo_leaves_a_decision_of_others_alone() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    let conflict = meeting.conflict_on(&meeting.laptop);
    let laptop = meeting.on(&meeting.laptop);
    laptop.resolve(&conflict, Resolution::Value(json!("none"))).unwrap();
    laptop.undo().unwrap();
    meeting.meet();
    meeting.is_settled(&values(&conflict)[0]);
    laptop.redo().unwrap();
    meeting.meet();
    meeting.is_settled(&json!("none"));
    assert!(meeting.on(&meeting.desktop).undo().is_err(), "what it wrote was decided about since");
}

#[test]
fn an_edit_that_was_not_sent_yet_and_a_decision_elsewhere_meet_as_a_conflict() {
    let meeting = Meeting::new();
    meeting.disagree("some", "full");
    // A device that nobody here opens has seen nothing of either.
    let mut older = Bare::new(Some("pledge"));
    older.apply(&[Seed::Root { type_name: "pledge".into() }.change().bytes]).unwrap();
    older.edit(Actor([0x77; 16]), |draft| draft.put("/rank", json!("late"))).unwrap();
    let late = older.seal(1_700_000_001).unwrap().unwrap().changes.remove(0);
    let conflict = meeting.conflict_on(&meeting.laptop);
    meeting.on(&meeting.laptop).resolve(&conflict, Resolution::Value(json!("none"))).unwrap();
    meeting.relay.append(meeting.laptop.home(), meeting.id, &late);
    meeting.meet();
    let mut open = values(&meeting.conflict_on(&meeting.desktop));
    open.sort_by_key(Value::to_string);
    assert_eq!(open, [json!("late"), json!("none")], "exactly what was seen is closed");
}
