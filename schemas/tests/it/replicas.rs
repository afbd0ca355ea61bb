//! The same plans through real documents, on two devices that meet later.

use document::Document;
use schemas::settings::Layer;
use schemas::{Intent, Registry, Violation, keymap, settings};
use serde_json::{Value, json};
use sync_wire::{Actor, Blob};

/// A document and its changes, in an order in which they apply.
pub(crate) struct Replica {
    pub(crate) document: Document,
    actor: Actor,
    changes: Vec<Blob>,
}

impl Replica {
    pub(crate) fn new(type_name: &str, number: u8) -> Self {
        Self { document: Document::new(Some(type_name)), actor: Actor([number; 16]), changes: Vec::new() }
    }

    pub(crate) fn edit(&mut self, plan: impl FnOnce(&Value) -> Result<Vec<Intent>, Vec<Violation>>) {
        let intents = plan(&self.document.value()).expect("no rule is broken");
        self.apply(intents);
    }

    pub(crate) fn apply(&mut self, intents: Vec<Intent>) {
        self.document
            .edit(self.actor, |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)))
            .expect("the document takes what was planned");
        if let Some(sealed) = self.document.seal(0).expect("the edit can be sealed") {
            self.changes.extend(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes));
        }
    }

    pub(crate) fn meet(&mut self, other: &mut Self) {
        self.document.apply(&other.changes).expect("the other's changes apply");
        other.document.apply(&self.changes).expect("these changes apply");
        let news: Vec<Blob> = other.changes.iter().filter(|change| !self.changes.contains(change)).cloned().collect();
        self.changes.extend(news);
        other.changes.clone_from(&self.changes);
        assert_eq!(self.document.heads(), other.document.heads());
        assert_eq!(self.document.value(), other.document.value());
    }
}

fn binding(key: &str, command: &str) -> Value {
    json!({"key": key, "command": command, "args": {"n": [1, {"m": 1.0}]}})
}

#[test]
fn a_keymap_imported_on_two_devices_is_there_once() {
    let file = json!([binding("a", "x"), binding("b", "y"), binding("a", "x")]);
    let (mut laptop, mut desktop) = (Replica::new("keymap", 1), Replica::new("keymap", 2));
    laptop.edit(|current| keymap::import(current, &file));
    desktop.edit(|current| keymap::import(current, &file));
    laptop.meet(&mut desktop);
    assert_eq!(keymap::export(&laptop.document.value()), file);
}

#[test]
fn a_moved_and_a_changed_binding_merge() {
    let [a, b, c] = ["a", "b", "c"].map(|key| binding(key, &format!("do {key}")));
    let (mut laptop, mut desktop) = (Replica::new("keymap", 1), Replica::new("keymap", 2));
    laptop.edit(|current| keymap::import(current, &json!([a, b, c])));
    laptop.meet(&mut desktop);
    laptop.edit(|current| keymap::import(current, &json!([c, a, b])));
    let changed = binding("c", "do something else");
    desktop.edit(|current| keymap::import(current, &json!([a, b, changed])));
    laptop.meet(&mut desktop);
    assert_eq!(keymap::export(&laptop.document.value()), json!([changed, a, b]));
}

#[test]
fn settings_imported_on_two_devices_merge_key_by_key() {
    let (mut laptop, mut desktop) = (Replica::new("settings", 1), Replica::new("settings", 2));
    let import = |file: Value| move |current: &Value| settings::import(&Layer::BASE, current, &file);
    laptop.edit(import(json!({"[rust]": {"editor.tabSize": 4}, "a": 1, "n": null, "f": 1.0, "": "empty"})));
    desktop.edit(import(json!({"[rust]": {"editor.rulers": [80]}, "a": 1, "e": {}, "big": u64::MAX})));
    laptop.meet(&mut desktop);
    let expected = json!({
        "[rust]": {"editor.tabSize": 4, "editor.rulers": [80]},
        "a": 1, "n": null, "f": 1.0, "": "empty", "e": {}, "big": u64::MAX,
    });
    assert_eq!(settings::export(&Layer::BASE, &laptop.document.value()), expected);
}

#[test]
fn a_scalar_may_become_an_object_and_back() {
    let mut laptop = Replica::new("settings", 1);
    for value in [json!(true), json!({"other": "on", "deep": {"er": [1]}}), json!({}), json!({"x": 1}), json!("off")] {
        let file = json!({ "editor.quickSuggestions": value });
        laptop.edit(|current| settings::import(&Layer::BASE, current, &file));
        assert_eq!(settings::export(&Layer::BASE, &laptop.document.value()), file);
    }
}

#[test]
fn a_new_note_has_a_name_and_a_text_that_merges() {
    let note = Registry::builtin().get("note").expect("built in");
    let (mut laptop, mut desktop) = (Replica::new("note", 1), Replica::new("note", 2));
    laptop.edit(|_| Ok(note.initial(Some("Plans"))));
    laptop.meet(&mut desktop);
    assert_eq!(note.title(&laptop.document.value()).as_deref(), Some("Plans"));
    laptop.edit(|current| note.plan(current, &json!({"name": "Plans", "body": "one"})));
    laptop.meet(&mut desktop);
    laptop.edit(|current| note.plan(current, &json!({"name": "Plans", "body": "zero one"})));
    desktop.edit(|current| note.plan(current, &json!({"name": "Plans!", "body": "one two"})));
    laptop.meet(&mut desktop);
    assert_eq!(laptop.document.value(), json!({"name": "Plans!", "body": "zero one two"}));
}
