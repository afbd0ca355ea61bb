//! Documents that somebody made to hurt: what is wrong is listed, soon, and in sentences of bounded length.

use std::time::{Duration, Instant};

use schemas::{DocumentType, Registry, Violation, keymap};
use serde_json::{Map, Value, json};

/// Far more than any of them needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const TASK: &str = r#"{
    "x-type": "task", "x-version": 1, "type": "object",
    "properties": {
        "word": { "type": "string", "pattern": "^(a+)+$" },
        "either": { "pattern": "(x+x+)+y" },
        "once": { "type": "array", "uniqueItems": true },
        "tags": { "type": "array", "x-merge": "set", "items": { "type": "string" } },
        "known": { "type": "object", "properties": {}, "additionalProperties": false }
    }
}"#;

/// Checks and plans `value`, and gives what was found.
fn check(of: &DocumentType, value: &Value) -> Vec<Violation> {
    let began = Instant::now();
    let found = of.check(value);
    let planned = of.plan(&json!({}), value);
    assert!(began.elapsed() < PATIENCE, "took {:?}", began.elapsed());
    assert!(found.len() <= 100, "{}", found.len());
    assert_eq!(planned.is_err(), !found.is_empty(), "what is found is not planned: {planned:?}");
    for violation in &found {
        assert!(violation.to_string().len() < 4 << 10, "{} bytes", violation.to_string().len());
    }
    found
}

/// Whether `value` is refused with this code.
fn refused(value: &Value, code: &str) {
    let registry = Registry::with_files([("task/1.json", TASK)]).expect("it is sound");
    for of in ["task", "settings"].map(|name| registry.get(name).expect("it is there")) {
        let found = check(of, value);
        assert!(found.iter().any(|violation| violation.code() == code), "no {code} in {found:?}");
    }
}

fn nested(levels: usize) -> Value {
    let deeper = |inner, level| match level % 2 {
        0 => Value::Object(Map::from_iter([("a".to_owned(), inner)])),
        _ => Value::Array(vec![inner]),
    };
    (0..levels).fold(json!(1), deeper)
}

#[test]
fn what_is_too_deep_is_refused_before_anybody_walks_it() {
    refused(&json!({ "a": nested(64) }), "depth");
    refused(&json!({ "a": nested(2_000) }), "depth");
    let settings = Registry::builtin().get("settings").expect("built in");
    assert_eq!(check(settings, &json!({ "base": nested(63) })), []);
}

#[test]
fn what_is_too_large_is_refused_before_the_validator_runs() {
    let text = "x".repeat(33 << 20);
    refused(&json!({ "base": { "a": text, "b": text } }), "size");
    refused(&json!({ "a": (0..9 << 20).map(|_| json!(0)).collect::<Vec<_>>() }), "size");
}

#[test]
fn very_many_violations_are_listed_up_to_a_hundred() {
    let lost: Map<String, Value> = (0..100_000).map(|n| (format!("k\0{n}"), json!(1))).collect();
    refused(&Value::Object(lost), "key");
    let bindings: Vec<Value> = (0..10_000).map(|n| json!({ "key": n })).collect();
    let keymap = Registry::builtin().get(keymap::TYPE).expect("built in");
    assert_eq!(check(keymap, &json!({ "bindings": bindings })).len(), 100);
}

#[test]
fn a_violation_in_a_large_value_is_said_briefly() {
    let keymap = Registry::builtin().get(keymap::TYPE).expect("built in");
    let large = json!({ "key": 1, "args": "x".repeat(8 << 20) });
    let found = check(keymap, &json!({ "bindings": [large] }));
    assert!(
        found.iter().any(|violation| violation.path == "/bindings/0" && violation.value.ends_with('…')),
        "{found:?}"
    );
    let registry = Registry::with_files([("task/1.json", TASK)]).expect("it is sound");
    let extra: Map<String, Value> = (0..50_000).map(|n| (format!("key{n}"), json!(1))).collect();
    let found = check(registry.get("task").expect("it is there"), &json!({ "known": extra }));
    assert_eq!(found.iter().map(Violation::code).collect::<Vec<_>>(), ["schema.additionalProperties"]);
}

#[test]
fn patterns_take_time_in_proportion_to_the_text() {
    let registry = Registry::with_files([("task/1.json", TASK)]).expect("it is sound");
    let task = registry.get("task").expect("it is there");
    // With backtracking each of these takes longer than the universe has.
    let word = format!("{}b", "a".repeat(1 << 20));
    let either = "x".repeat(1 << 16);
    let codes: Vec<String> =
        check(task, &json!({ "word": word, "either": either })).iter().map(Violation::code).collect();
    assert_eq!(codes, ["schema.pattern", "schema.pattern"]);
}

#[test]
fn wide_arrays_are_compared_soon() {
    let registry = Registry::with_files([("task/1.json", TASK)]).expect("it is sound");
    let task = registry.get("task").expect("it is there");
    let once: Vec<Value> = (0..50_000).map(|n| json!({ "n": n })).collect();
    assert_eq!(check(task, &json!({ "once": once })), []);
    let tags: Vec<Value> = (0..50_000).map(|n| json!(format!("t{n}"))).collect();
    assert_eq!(check(task, &json!({ "tags": tags })), []);
}
