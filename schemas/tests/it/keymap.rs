//! Keymaps: an ordered array kept as keyed items.

use schemas::keymap::{export, import};
use serde_json::{Value, json};

use crate::flat::{Flat, lines};

fn binding(key: &str, command: &str) -> Value {
    json!({"key": key, "command": command})
}

fn holding(file: &Value) -> Flat {
    let mut flat = Flat::default();
    flat.apply(&import(&json!({}), file).expect("the file breaks no rule"));
    flat
}

/// Imports `after` over `before`, counts the leaves touched, and expects to export what was imported.
fn check(before: &Value, after: &Value, intents_expected: usize) {
    let mut flat = holding(before);
    assert_eq!(&export(&flat.value()), before);
    let intents = import(&flat.value(), after).expect("the file breaks no rule");
    assert_eq!(intents.len(), intents_expected, "{:?}", lines(&intents));
    flat.apply(&intents);
    assert_eq!(&export(&flat.value()), after);
}

#[test]
fn bindings_keep_their_order_and_what_is_unknown() {
    let file = json!([
        binding("ctrl+z", "undo"),
        {"key": "ctrl+a", "command": "all", "when": "focus", "args": {"to": ["x", {"y": 1}]}, "mac": {"key": "cmd+a"}},
        binding("ctrl+a", "all"),
        binding("ctrl+a", "all"),
        {"key": "b", "command": "c", "args": {}},
    ]);
    check(&file, &file, 0);
    check(&json!([]), &json!([]), 0);
}

#[test]
fn a_second_import_is_the_smallest_edit() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|key| binding(key, &format!("do {key}")));
    let all = json!([a, b, c, d]);
    // Moved: its order. Added: three leaves. Removed: one branch. Changed: one leaf.
    check(&all, &json!([d, a, b, c]), 1);
    check(&all, &json!([b, a, c, d]), 1);
    check(&all, &json!([a, b, binding("x", "new"), c, d]), 3);
    check(&all, &json!([a, c, d]), 1);
    check(&all, &json!([a, binding("b", "other"), c, d]), 1);
    check(&all, &json!([a, binding("ctrl+b", "do b"), c, d]), 1);
    check(&all, &json!([]), 1);
    check(&json!([]), &json!([a]), 3);
}

#[test]
fn equal_bindings_are_told_apart_by_occurrence() {
    let a = binding("a", "a");
    check(&json!([a]), &json!([a, a]), 3);
    check(&json!([a, a, a]), &json!([a, a]), 1);
}

#[test]
fn the_same_file_gives_the_same_items_on_every_device() {
    let file = json!([binding("a", "x"), binding("b", "y"), binding("a", "x")]);
    assert_eq!(holding(&file).value(), holding(&file).value());
    let stored = holding(&file).value();
    assert_eq!(stored["bindings"].as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn arguments_are_one_value() {
    let with = |n: i32| json!([{"key": "a", "command": "x", "args": {"n": n, "m": 1}}]);
    let flat = holding(&with(1));
    let intents = import(&flat.value(), &with(2)).expect("no rule is broken");
    assert!(matches!(&lines(&intents)[..], [line] if line.starts_with("register ") && line.contains("/args ")));
}

#[test]
fn items_that_two_devices_put_at_one_place_can_be_parted() {
    let stored = json!({"bindings": {
        "one": {"key": "a", "command": "a", "order": "V"},
        "two": {"key": "b", "command": "b", "order": "V"},
        "new": {"key": "c", "command": "c", "order": "?"},
        "odd": {"key": "d", "command": "d"},
    }});
    let mut flat = Flat::holding(&stored);
    let file = export(&stored);
    assert_eq!(file, json!([binding("c", "c"), binding("a", "a"), binding("b", "b"), binding("d", "d")]));
    let wanted = json!([binding("a", "a"), binding("x", "x"), binding("b", "b"), binding("c", "c"), binding("d", "d")]);
    flat.apply(&import(&flat.value(), &wanted).expect("no rule is broken"));
    assert_eq!(export(&flat.value()), wanted);
    assert!(import(&flat.value(), &wanted).is_ok_and(|intents| intents.is_empty()));
}

#[test]
fn a_thousand_insertions_at_one_place_keep_working() {
    let mut flat = Flat::default();
    let mut file = vec![binding("first", "x"), binding("last", "x")];
    for n in 0..300 {
        file.insert(1, binding(&format!("k{n}"), &format!("c{n}")));
        flat.apply(&import(&flat.value(), &Value::from(file.clone())).expect("no rule is broken"));
    }
    assert_eq!(export(&flat.value()), Value::from(file));
}

#[test]
fn what_is_no_keymap_is_refused() {
    for (file, code, path) in [
        (json!({}), "file", ""),
        (json!([1]), "schema.type", "/bindings/0"),
        (json!([{"key": "a"}]), "schema.required", "/bindings/0"),
        (json!([{"key": 1, "command": "c"}]), "schema.type", "/bindings/0/key"),
        (json!([{"key": "a", "command": "c", "order": 1}]), "list_order", "/bindings/0/order"),
    ] {
        let violations = import(&json!({}), &file).expect_err("no keymap");
        assert_eq!((violations[0].code().as_str(), violations[0].path.as_str()), (code, path), "{file}");
    }
}
