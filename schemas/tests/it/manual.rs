//! Fields about which a person decides: which leaves they are, where people see them, and what is left when they go.

use document::Document;
use schemas::{DocumentType, Registry};
use serde_json::{Value, json};
use sync_wire::Actor;

const PLEDGE: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "pledge", "x-version": 1, "type": "object",
    "properties": {
        "level": { "x-merge": "manual", "x-stored-as": "rank" },
        "note": { "type": "string" },
        "folders": { "type": "object", "additionalProperties": { "type": "string", "x-merge": "manual" } },
        "hosts": { "type": "object", "additionalProperties": { "$ref": "#/$defs/host" } },
        "voters": { "type": "array", "x-merge": "list", "items": { "type": "object", "required": ["who"],
            "properties": { "who": { "type": "string" }, "vote": { "type": "string", "x-merge": "manual" } } } },
        "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set" }
    },
    "$defs": { "host": { "type": "object", "properties": { "key": { "type": "string", "x-merge": "manual" } } } }
}"##;

fn pledge() -> &'static DocumentType {
    let registry = Registry::with_files([("pledge/1.json", PLEDGE)]).expect("the schema is a document type");
    Box::leak(Box::new(registry)).get("pledge").expect("just loaded")
}

#[test]
fn manual_fields_are_found_by_their_stored_paths() {
    let pledge = pledge();
    assert!(pledge.has_manual());
    for path in ["/rank", "/folders/~1home~1me", "/hosts/example.com/key", "/voters/0123abcd/vote"] {
        assert!(pledge.is_manual(path), "{path}");
        assert!(pledge.manual_fields().includes(path), "{path}");
        assert!(!pledge.is_manual(&format!("{path}/inside")), "what is below is part of the value: {path}");
    }
    let others = ["", "/note", "/folders", "/hosts/example.com", "/voters/0123abcd/order", "/tags/x", "/unknown"];
    for path in others {
        assert!(!pledge.is_manual(path), "{path}");
    }
    let note = Registry::builtin().get("note").expect("a built-in type");
    assert!(!note.has_manual() && note.manual_fields().is_empty());
    assert_eq!(note.manual_fields().type_name(), Some("note"));
}

#[test]
fn people_see_fields_by_name_and_items_by_place() {
    let voters = json!({ "zz": { "who": "a", "order": "a" }, "aa": { "who": "b", "order": "b", "vote": "yes" } });
    let stored = json!({ "rank": "gold", "voters": voters });
    for (stored_path, expected) in [
        ("/rank", "/level"),
        ("/voters/zz/vote", "/voters/0/vote"),
        ("/voters/aa/vote", "/voters/1/vote"),
        ("/voters/gone/vote", "/voters/gone/vote"),
        ("/folders/~1home~1me", "/folders/~1home~1me"),
        ("/unknown/a~0b", "/unknown/a~0b"),
        ("", ""),
    ] {
        assert_eq!(pledge().plain_path(&stored, stored_path), expected);
    }
}

/// Plans `wanted` as a document does it, and gives what it then shows.
fn make(document: &mut Document, wanted: &Value) -> Value {
    let pledge = pledge();
    let intents = pledge.plan(&document.value(), wanted).expect("the wanted value breaks no rule");
    let edit = document.edit(Actor([1; 16]), |draft| intents.into_iter().try_for_each(|intent| draft.apply(intent)));
    edit.expect("nothing is open");
    document.seal(1).expect("sealed");
    let again = pledge.plan(&document.value(), wanted).expect("still no rule broken");
    assert!(again.is_empty(), "{wanted} twice: {again:?}");
    pledge.plain(&document.value())
}

#[test]
fn what_is_removed_is_null_where_it_is_stored_and_absent_where_it_is_shown() {
    let mut document = Document::new(Some("pledge"));
    document.set_manual(pledge().manual_fields());
    let full = json!({ "level": { "deep": [1] }, "note": "n", "folders": { "/a": "yes", "/b": "no" },
        "hosts": { "h": { "key": "k" } }, "voters": [{ "who": "a", "vote": "yes" }, { "who": "b", "vote": "no" }] });
    assert_eq!(make(&mut document, &full), full);
    let less = json!({ "note": "n", "folders": { "/b": "no" }, "voters": [{ "who": "b", "vote": "no" }] });
    assert_eq!(make(&mut document, &less), less);
    for path in ["/rank", "/folders/~1a", "/hosts/h/key"] {
        assert_eq!(document.get(path), Some(Value::Null), "{path}");
    }
    assert_eq!(make(&mut document, &full), full, "and written again");
    let emptied = json!({ "note": "m", "voters": [] });
    assert_eq!(make(&mut document, &emptied), emptied);
    assert_eq!(make(&mut document, &json!({ "note": "m" })), emptied, "a list that was emptied is shown as one");
}
