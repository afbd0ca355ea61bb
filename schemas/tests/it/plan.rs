//! Plans: the smallest edit between two values, as data.

use schemas::{DocumentType, Registry};
use serde_json::{Value, json};

use crate::flat::{Flat, lines};

const TASK: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "task", "x-version": 1, "x-title": "/title",
    "type": "object",
    "properties": {
        "title": { "type": "string", "x-stored-as": "name", "x-limit": { "bytes": 20 } },
        "body": { "type": "string", "x-merge": "text" },
        "votes": { "type": "integer", "x-merge": "counter" },
        "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set", "x-limit": { "items": 3 } },
        "place": { "type": "object", "x-merge": "register" },
        "price": { "x-merge": "manual", "x-public": true, "x-since": 1 },
        "extra": { "type": "object", "x-merge": "map", "additionalProperties": true },
        "steps": { "type": "array", "x-merge": "list",
                   "items": { "type": "object", "required": ["what"], "properties": { "what": { "type": "string" } } } }
    }
}"#;

fn registry() -> Registry {
    Registry::with_files([("task/1.json", TASK)]).expect("the schema is a document type")
}

/// Plans `wanted` over `current` (both plain), compares the intents, applies them and compares the outcome.
fn check(current: &Value, wanted: &Value, expected: &[&str]) {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let mut flat = stored(task, current);
    let intents = task.plan(&flat.value(), wanted).expect("the wanted value breaks no rule");
    assert_eq!(lines(&intents), expected, "from {current} to {wanted}");
    flat.apply(&intents);
    assert_eq!(&task.plain(&flat.value()), wanted);
    assert_eq!(lines(&task.plan(&flat.value(), wanted).expect("still no rule broken")), [""; 0], "{wanted} twice");
}

fn stored(task: &DocumentType, plain: &Value) -> Flat {
    let mut flat = Flat::default();
    flat.apply(&task.plan(&json!({}), plain).expect("the current value breaks no rule"));
    flat
}

#[test]
fn what_is_equal_is_left_alone() {
    check(&json!({"extra": {"a": 1, "b": [1, 2]}}), &json!({"extra": {"a": 1, "b": [1, 2]}}), &[]);
    check(&json!({"extra": {"a": 1, "b": 2}}), &json!({"extra": {"a": 1, "b": 3}}), &["put /extra/b 3"]);
}

#[test]
fn arrays_and_registers_are_one_leaf() {
    check(&json!({"extra": {"a": [1, 2]}}), &json!({"extra": {"a": [1, 3]}}), &["put /extra/a [1,3]"]);
    let expected = [r#"register /place {"x":1,"y":3}"#];
    check(&json!({"place": {"x": 1, "y": 2}}), &json!({"place": {"x": 1, "y": 3}}), &expected);
    check(&json!({"price": 1}), &json!({"price": {"amount": 1}}), &[r#"register /price {"amount":1}"#]);
}

#[test]
fn scalars_become_objects_and_back() {
    let scalar = json!({"extra": {"suggest": true}});
    let object = json!({"extra": {"suggest": {"strings": "on", "other": "off"}}});
    let expected = [r#"put /extra/suggest/other "off""#, r#"put /extra/suggest/strings "on""#];
    check(&scalar, &object, &expected);
    check(&object, &scalar, &["put /extra/suggest true"]);
}

#[test]
fn objects_become_empty_and_back() {
    check(&json!({"extra": {"a": {"b": 1}}}), &json!({"extra": {"a": {}}}), &["put /extra/a {}"]);
    check(&json!({"extra": {"a": {}}}), &json!({"extra": {"a": {"b": 1}}}), &["put /extra/a/b 1"]);
    check(&json!({"extra": {"a": 1}}), &json!({"extra": {}}), &["put /extra {}"]);
}

#[test]
fn removing_takes_the_whole_branch_in_one_step() {
    let current = json!({"extra": {"a": {"b": {"c": 1, "d": 2}}, "e": 3}});
    check(&current, &json!({"extra": {"e": 3}}), &["remove /extra/a"]);
    check(&current, &json!({"extra": {"a": {"b": {"d": 2}}, "e": 3}}), &["remove /extra/a/b/c"]);
    check(&current, &json!({}), &["remove /extra"]);
}

#[test]
fn text_counters_and_sets_merge_as_they_should() {
    check(&json!({"body": "abc"}), &json!({"body": "abd"}), &[r#"text /body "abd""#]);
    check(&json!({"votes": 3}), &json!({"votes": 5}), &["add /votes 2"]);
    check(&json!({}), &json!({"votes": 0}), &["add /votes 0"]);
    check(&json!({"tags": ["a", "b"]}), &json!({"tags": ["b", "c"]}), &["put /tags/c true", "remove /tags/a"]);
    check(&json!({"tags": ["a"]}), &json!({"tags": []}), &["put /tags {}"]);
}

#[test]
fn a_renamed_field_keeps_its_stored_key() {
    check(&json!({"title": "a"}), &json!({"title": "b"}), &[r#"put /name "b""#]);
    check(&json!({"title": "a"}), &json!({}), &["remove /name"]);
}

#[test]
fn a_field_that_the_schema_does_not_name_is_kept() {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let current = json!({"name": "a", "from the future": {"x": 1}});
    let intents = task.plan(&current, &json!({"title": "b"})).expect("no rule is broken");
    assert_eq!(lines(&intents), [r#"put /name "b""#]);
    check(&json!({"future": 1}), &json!({"future": 2}), &["put /future 2"]);
}

#[test]
fn keys_with_slashes_and_tildes_are_escaped() {
    let wanted = json!({"extra": {"a/b": {"~": 1}, "": 2}});
    check(&json!({}), &wanted, &["put /extra/ 2", "put /extra/a~1b/~0 1"]);
}

#[test]
fn steps_move_with_one_edit() {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let step = |what: &str| json!({"what": what});
    let current = stored(task, &json!({"steps": [step("a"), step("b"), step("c"), step("d")]})).value();
    let wanted = json!({"steps": [step("d"), step("a"), step("b"), step("c")]});
    let intents = task.plan(&current, &wanted).expect("no rule is broken");
    assert_eq!(intents.len(), 1, "{:?}", lines(&intents));
    let mut flat = Flat::holding(&current);
    flat.apply(&intents);
    assert_eq!(task.plain(&flat.value()), wanted);
}

/// The code and path of each violation.
fn refused(current: &Value, wanted: &Value) -> Vec<String> {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let violations = task.plan(current, wanted).expect_err("a rule is broken");
    violations.iter().map(|violation| format!("{} {}", violation.code(), violation.path)).collect()
}

#[test]
fn every_broken_rule_is_listed() {
    let wanted = json!({"title": 7, "tags": ["a", "b", "c", "d"], "votes": "many", "steps": [{"order": 1}]});
    let expected = [
        "schema.type /title",
        "schema.type /votes",
        "schema.required /steps/0",
        "limit /tags",
        "list_order /steps/0/order",
    ];
    let mut found = refused(&json!({}), &wanted);
    let mut expected: Vec<String> = expected.map(str::to_owned).to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_has_no_place_in_the_flat_form_is_refused_rather_than_lost() {
    assert_eq!(refused(&json!({}), &json!({"": 1})), ["key /"]);
    assert_eq!(refused(&json!({}), &json!({"extra": {"a\u{0}b": 1}})), ["key /extra/a\u{0}b"]);
    assert_eq!(refused(&json!({}), &json!([1])), ["schema.type "]);
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!({ "d": deep });
    }
    assert_eq!(refused(&json!({}), &json!({ "extra": deep })).len(), 1);
    assert_eq!(refused(&json!({"votes": i64::MIN}), &json!({"votes": i64::MAX})), ["counter /votes"]);
}

#[test]
fn what_was_wrong_before_does_not_block_other_edits() {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let current = json!({"name": 7, "body": "a"});
    let intents = task.plan(&current, &json!({"title": 7, "body": "b"})).expect("the title was wrong already");
    assert_eq!(lines(&intents), [r#"text /body "b""#]);
}

#[test]
fn a_violation_names_place_value_rule_and_remedy() {
    let registry = registry();
    let task = registry.get("task").expect("just loaded");
    let violations = task.check(&json!({"title": 7}));
    let sentence = violations[0].to_string();
    for part in ["7", "/title", "string", "give a value of that type"] {
        assert!(sentence.contains(part), "{sentence} lacks {part}");
    }
}

/// Version 1 knows true and false; version 2 calls them on and off, and knows one more.
#[test]
fn a_value_that_is_called_otherwise_now_is_stored_for_programs_that_know_the_old_name() {
    let fields = [
        r#"{ "type": "boolean" }"#,
        r#"{ "enum": ["on", "off", "auto"],
             "x-convert": [{ "stored": true, "value": "on" }, { "stored": false, "value": "off" }] }"#,
    ];
    let files = [1, 2].map(|version| {
        let field = fields[version - 1];
        let text = format!(
            r#"{{ "x-type": "task", "x-version": {version}, "type": "object",
                "properties": {{ "wrap": {field}, "views": {{ "type": "array", "x-merge": "list", "items": {{
                    "type": "object", "required": ["name"],
                    "properties": {{ "name": {{ "type": "string" }}, "wrap": {field} }} }} }} }} }}"#
        );
        (format!("task/{version}.json"), text)
    });
    let registry = Registry::with_files(files).expect("version 2 follows version 1");
    let [old, new] = [1, 2].map(|version| registry.version("task", version).expect("just loaded"));
    let mut flat = Flat::default();
    let mut write = |by: &DocumentType, wanted: &Value, expected: &[&str]| {
        let intents = by.plan(&flat.value(), wanted).expect("the wanted value breaks no rule");
        let shown: Vec<String> = lines(&intents).into_iter().filter(|line| line.starts_with("put /wrap")).collect();
        assert_eq!(shown, expected, "{wanted}");
        flat.apply(&intents);
        flat.value()
    };
    let stored = write(old, &json!({ "wrap": true }), &["put /wrap true"]);
    assert_eq!(new.plain(&stored), json!({ "wrap": "on" }));
    assert_eq!(new.check(&new.plain(&stored)), []);
    write(new, &json!({ "wrap": "on" }), &[]);
    let stored = write(new, &json!({ "wrap": "off" }), &["put /wrap false"]);
    assert_eq!(old.plain(&stored), json!({ "wrap": false }));
    // What the older one has no name for, it shows as it is, says so, and lets be.
    let stored = write(new, &json!({ "wrap": "auto" }), &[r#"put /wrap "auto""#]);
    assert_eq!(old.check(&old.plain(&stored)).len(), 1);
    write(old, &json!({ "wrap": "auto", "views": [{ "name": "a", "wrap": true }] }), &[]);
    let stored = write(new, &json!({ "wrap": "on", "views": [{ "name": "a", "wrap": "off" }] }), &["put /wrap true"]);
    assert_eq!(old.plain(&stored), json!({ "wrap": true, "views": [{ "name": "a", "wrap": false }] }));
    // Whoever still gives the old name is understood.
    let same = json!({ "wrap": true, "views": [{ "name": "a", "wrap": false }] });
    assert_eq!(lines(&new.plan(&stored, &same).expect("it says what is there")), [""; 0]);
}
