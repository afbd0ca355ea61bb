//! Schema files that somebody made to hurt: each is refused, soon, and with a sentence of bounded length.

use std::time::{Duration, Instant};

use schemas::{Registry, lint};
use serde_json::json;

use crate::lint::schema;
use crate::random_values::Random;

/// Far more than any of them needs on a busy machine; without the bounds they need minutes, or the whole memory.
const PATIENCE: Duration = Duration::from_secs(20);

fn check(rest: &str, code: &str) {
    let text = schema(rest);
    let began = Instant::now();
    let found = lint("task/2.json", &text);
    assert!(began.elapsed() < PATIENCE, "{code} took {:?}", began.elapsed());
    assert!(found.iter().any(|finding| finding.code == code), "no {code} in {found:#.2000?}");
    for finding in &found {
        assert!(finding.to_string().len() < 8 << 10, "{} bytes: {:.300}", finding.to_string().len(), finding.rule);
    }
    assert!(Registry::with_files([("task/2.json", &text)]).is_err());
}

#[test]
fn references_without_end_are_refused() {
    check(r##""properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } }"##, "recursive");
    check(r##""$ref": "#""##, "recursive");
    check(
        r##""$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a""##,
        "recursive",
    );
    check(r##""properties": { "a": { "type": "array", "items": { "$ref": "#/properties/a" } } }"##, "recursive");
    check(r##""allOf": [{ "not": { "$ref": "#/allOf/0" } }]"##, "recursive");
}

#[test]
fn references_that_double_at_each_step_are_refused() {
    for two in [r#""properties": { "a": NEXT, "b": NEXT }"#, r#""allOf": [NEXT, NEXT]"#] {
        let step = |n: usize| {
            let next = format!(r##"{{ "$ref": "#/$defs/d{}" }}"##, n + 1);
            format!(r#""d{n}": {{ {} }}"#, two.replace("NEXT", &next))
        };
        // Within the depth that is allowed: 2^14 schemas.
        let steps: Vec<String> = (0..14).map(step).collect();
        check(&format!(r##""$defs": {{ {}, "d14": {{}} }}, "$ref": "#/$defs/d0""##, steps.join(",")), "too_wide");
    }
}

#[test]
fn a_chain_of_ten_thousand_references_is_refused() {
    let steps: Vec<String> = (0..10_000).map(|n| format!(r##""d{n}": {{ "$ref": "#/$defs/d{}" }}"##, n + 1)).collect();
    check(&format!(r##""$defs": {{ {}, "d10000": {{}} }}, "$ref": "#/$defs/d0""##, steps.join(",")), "too_deep");
}

#[test]
fn nesting_is_refused_past_its_bound_and_taken_at_it() {
    let nested =
        |levels: usize| format!("{}{}{}", r#""not": {"#.repeat(levels), r#""type": "string""#, "}".repeat(levels));
    check(&nested(33), "too_deep");
    check(&nested(70), "not_json");
    assert_eq!(lint("task/2.json", &schema(&nested(32))), []);
}

#[test]
fn patterns_are_bounded_in_size_and_number() {
    check(r#""properties": { "a": { "pattern": "(\\w{1000}){100}" } }"#, "pattern");
    let many = |count: usize| {
        let patterns: Vec<String> = (0..count).map(|n| format!(r#""f{n}": {{ "pattern": "^a{n}$" }}"#)).collect();
        format!(r#""properties": {{ {} }}"#, patterns.join(","))
    };
    check(&many(65), "patterns");
    assert_eq!(lint("task/2.json", &schema(&many(64))), []);
    let large = |count: usize| {
        let patterns: Vec<String> =
            (0..count).map(|n| format!(r#""f{n}": {{ "pattern": "^\\w{{5000}}a{n}$" }}"#)).collect();
        format!(r#""properties": {{ {} }}"#, patterns.join(","))
    };
    check(&large(60), "patterns");
    assert_eq!(lint("task/2.json", &schema(&large(4))), []);
}

#[test]
fn a_pattern_that_outgrows_its_memory_still_matches() {
    // Whoever remembers every state of this needs 2^17 of them.
    let text = schema(r#""properties": { "a": { "pattern": "(a|b)*a(a|b){16}$" } }"#);
    let registry = Registry::with_files([("task/2.json", &text)]).expect("the pattern runs in linear time");
    let task = registry.get("task").expect("it was loaded");
    let mut random = Random(7);
    let letters: String = (0..100_000).map(|_| if random.below(2) == 0 { 'a' } else { 'b' }).collect();
    let began = Instant::now();
    for (end, is_sound) in [("abbbbbbbbbbbbbbbb", true), ("bbbbbbbbbbbbbbbbb", false)] {
        let found = task.check(&json!({ "a": format!("{letters}{end}") }));
        assert_eq!(found.is_empty(), is_sound, "{end}: {found:.300?}");
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn keys_and_files_without_measure_are_refused() {
    let long = "k".repeat(900 << 10);
    check(&format!(r#""properties": {{ "{long}": {{ "x-bad": 1 }} }}"#), "key");
    check(&format!(r#""x-{long}": 1"#), "key");
    check(&format!(r#""title": "{}""#, "t".repeat(1 << 20)), "too_large");
    let fields: Vec<String> = (0..20_000).map(|n| format!(r#""f{n}": 7"#)).collect();
    check(&format!(r#""properties": {{ {} }}"#, fields.join(",")), "meta_schema");
    let required: Vec<String> = (0..40_000).map(|n| format!("\"r{n}\"")).collect();
    check(&format!(r#""required": [{}]"#, required.join(",")), "required_unknown");
    let enumerated: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    check(&format!(r#""properties": {{ "a": {{ "enum": [{}], "default": "x" }} }}"#, enumerated.join(",")), "default");
}

#[test]
fn whatever_nothing_is_found_in_loads_and_checks() {
    // Pieces that mean something somewhere.
    let pieces = [
        "{}",
        "[]",
        "null",
        "true",
        "7",
        "\"\"",
        "\"object\"",
        "\"x-merge\"",
        "\"list\"",
        "\"#\"",
        "\"#/$defs/layer\"",
        "$ref",
        "items",
        "x-stored-as",
        "order",
        "required",
        "\"",
        "{",
        "}",
        ",",
    ];
    let below = |random: &mut Random, bound: usize| usize::try_from(random.below(bound as u64)).unwrap_or_default();
    let mut loaded = 0;
    for run in 0..3000 {
        let mut random = Random(run);
        let types: Vec<_> = Registry::builtin().all().collect();
        let mut text = types[below(&mut random, types.len())].schema().to_string();
        text = text.replacen("\"x-type\":\"", "\"x-type\":\"ext.a.", 1);
        for _ in 0..=random.below(2) {
            // Whole words, so that most of what comes out is JSON.
            let words: Vec<usize> = text.match_indices(['"', '{', '}', '[', ']', ',', ':']).map(|(at, _)| at).collect();
            let (from, piece) = (below(&mut random, words.len() - 1), pieces[below(&mut random, pieces.len())]);
            text.replace_range(words[from]..words[from + 1], piece);
        }
        let name = serde_json::from_str(&text).ok().and_then(|schema: serde_json::Value| {
            Some(format!("{}/{}.json", schema["x-type"].as_str()?, schema["x-version"].as_u64()?))
        });
        let file = name.unwrap_or_else(|| "ext.a.b/1.json".to_owned());
        let found = lint(&file, &text);
        let registry = Registry::with_files([(&file, &text)]);
        assert_eq!(registry.is_ok(), found.is_empty(), "run {run}: {text}\n{found:?}");
        let Ok(registry) = registry else { continue };
        loaded += 1;
        for of in registry.all().filter(|of| of.name.starts_with("ext.")) {
            let value =
                json!({ "wanted": { "a.b": {} }, "bindings": [{ "key": 1 }], "name": "x", "base": { "a": [1] } });
            assert!(of.check(&value).len() <= 100 && of.initial(Some("title")).len() <= 100);
        }
    }
    assert!(loaded > 50, "{loaded} were sound");
}
