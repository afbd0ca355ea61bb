//! Reading settings files as people write them.

use schemas::jsonc::{self, NoteKind};
use serde_json::{Value, json};

#[test]
fn comments_and_trailing_commas_are_read_over() {
    for (text, expected) in [
        ("{}", json!({})),
        ("\u{feff}{ // c\n \"a\": 1, /* b */ \"b\": [1, 2,], }", json!({"a": 1, "b": [1, 2]})),
        ("// only before\r\n[null, true, -1, 1.0, 1e2, \"\\u00e9\\n\"]", json!([null, true, -1, 1.0, 100.0, "é\n"])),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("{\"\": 1, \"日本\": \"語\"}", json!({"": 1, "日本": "語"})),
    ] {
        assert_eq!(jsonc::parse(text).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn garbage_is_refused_with_line_column_and_remedy() {
    for (text, line, column) in [
        ("", 1, 1),
        ("  // nothing\n", 1, 1),
        ("{\n  \"a\": 1\n  \"b\": 2\n}", 2, 9),
        ("{\n  \"a\" 1\n}", 2, 7),
        ("{\"a\": 1", 1, 1),
        ("[1, 2", 1, 1),
        ("{'a': 1}", 1, 2),
        ("{a: 1}", 1, 2),
        ("{} {}", 1, 4),
        ("{\"a\": 0x10}", 1, 7),
        ("{\"a\": NaN}", 1, 7),
        ("{\"a\": .5}", 1, 7),
        ("{\"é\": 1e999}", 1, 7),
        ("\u{feff}{\"a\": \"\n\"}", 1, 7),
        ("{\"a\nb\": 1}", 1, 2),
        ("{\"a\": \"\\ud800\"}", 1, 8),
        ("/* open", 1, 1),
        ("\u{0}\u{1}garbage", 1, 1),
    ] {
        let error = jsonc::parse(text).expect_err(text);
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        assert!(!error.remedy.is_empty());
    }
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(jsonc::parse(&nested(jsonc::DEPTH_MAX)).is_ok());
    for depth in [jsonc::DEPTH_MAX + 1, 400, 100_000] {
        let error = jsonc::parse(&nested(depth)).expect_err("too deep");
        assert!(error.to_string().contains("flatten"), "{error}");
    }
}

#[test]
fn the_last_of_two_equal_keys_counts_and_is_reported() {
    let parsed = jsonc::read("{\n  \"a\": 1,\n  \"b\": {\"c\": 1, \"c\": 2},\n  \"a\": 3\n}").expect("it is JSON");
    assert_eq!(parsed.value, json!({"a": 3, "b": {"c": 2}}));
    let notes: Vec<_> = parsed.notes.iter().map(|note| (note.line, note.column, note.kind.clone())).collect();
    let duplicate = |key: &str| NoteKind::DuplicateKey(key.to_owned());
    assert_eq!(notes, [(3, 17, duplicate("c")), (4, 3, duplicate("a"))]);
}

#[test]
fn numbers_over_64_bits_are_rounded_and_reported() {
    let parsed = jsonc::read("[18446744073709551616, 1.5, -0]").expect("it is JSON");
    assert_eq!(parsed.value.get(0), Some(&Value::from(18_446_744_073_709_551_616.0)));
    assert_eq!(parsed.notes.len(), 1);
    assert!(parsed.notes[0].to_string().contains("18446744073709551616"), "{}", parsed.notes[0]);
}
