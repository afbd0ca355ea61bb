//! A version of a type against the one before it.

use schemas::{Registry, lint_files};

/// Version `number` with these fields and what else stands at the top.
fn version(number: u32, fields: &str, rest: &str) -> String {
    format!(r#"{{ "x-type": "task", "x-version": {number}, "type": "object"{rest}, "properties": {{ {fields} }} }}"#)
}

/// The codes of what is found in version 2 after version 1; a registry refuses both together for the same reason.
fn check(before: &str, after: &str, expected: &[&str]) {
    let files = [("task/1.json", version(1, before, "")), ("task/2.json", version(2, after, ""))];
    found(&files, expected);
}

fn found(files: &[(&str, String); 2], expected: &[&str]) {
    let found = lint_files(files);
    assert_eq!(found[0], [], "{files:#?}");
    let codes: Vec<&str> = found[1].iter().map(|finding| finding.code).collect();
    assert_eq!(codes, expected, "{files:#?}\n{found:#?}");
    // Whatever the order of the files.
    for files in [[&files[0], &files[1]], [&files[1], &files[0]]] {
        let loaded = Registry::with_files(files.map(|(name, text)| (name, text)));
        assert_eq!(loaded.err().map(|error| error.findings), (!expected.is_empty()).then(|| found[1].clone()));
    }
}

#[test]
fn a_field_stays_under_the_key_where_it_is_stored() {
    check(r#""a": {}"#, r#""a": {}"#, &[]);
    check(r#""a": {}"#, r#""b": { "x-stored-as": "a" }"#, &[]);
    check(r#""a": {}"#, r#""a": { "x-stored-as": "b", "x-since": 2 }"#, &["stored_key_changed"]);
    check(r#""a": {}"#, "", &["field_removed"]);
    check(r#""a": {}"#, r#""b": { "x-since": 2 }"#, &["field_removed"]);
    let deep = |fields: &str| format!(r#""a": {{ "type": "object", "properties": {{ {fields} }} }}"#);
    check(&deep(r#""b": {}"#), &deep(""), &["field_removed"]);
    let items = |fields: &str| {
        format!(
            r#""a": {{ "type": "array", "x-merge": "list", "items": {{ "type": "object",
            "properties": {{ {fields} }} }} }}"#
        )
    };
    check(&items(r#""b": {}"#), &items(""), &["field_removed"]);
    let others = |fields: &str| {
        format!(
            r#""a": {{ "type": "object", "additionalProperties": {{ "type": "object",
            "properties": {{ {fields} }} }} }}"#
        )
    };
    check(&others(r#""b": {}"#), &others(""), &["field_removed"]);
}

#[test]
fn a_field_stays_what_it_is_kept_as() {
    let kinds = [
        r#""a": { "type": "string" }"#,
        r#""a": { "type": "object" }"#,
        r#""a": { "type": "string", "x-merge": "text" }"#,
        r#""a": { "type": "integer", "x-merge": "counter" }"#,
        r#""a": { "type": "array", "x-merge": "set", "items": { "type": "string" } }"#,
        r#""a": { "type": "array", "x-merge": "list", "items": { "type": "object" } }"#,
    ];
    for before in kinds {
        for after in kinds {
            check(before, after, if before == after { &[] } else { &["container_changed"] });
        }
    }
    // A register that becomes critical is the same leaf.
    check(r#""a": { "type": "string" }"#, r#""a": { "type": "string", "x-merge": "manual" }"#, &[]);
    check(
        r#""a": { "type": "object" }"#,
        r#""a": { "type": "object", "x-merge": "register" }"#,
        &["container_changed"],
    );
}

#[test]
fn older_documents_stay_valid() {
    check(r#""a": { "type": "integer" }"#, r#""a": { "type": "string" }"#, &["type_narrowed"]);
    check(r#""a": { "type": ["string", "null"] }"#, r#""a": { "type": "string" }"#, &["type_narrowed"]);
    check(r#""a": { "type": "integer" }"#, r#""a": { "type": ["number", "null"] }"#, &[]);
    check(r#""a": { "enum": ["x", "y"] }"#, r#""a": { "enum": ["y"] }"#, &["enum_narrowed"]);
    check(r#""a": { "type": "string" }"#, r#""a": { "enum": ["y"] }"#, &["enum_narrowed"]);
    check(r#""a": { "enum": ["x", "y"] }"#, r#""a": { "enum": ["y", "z", "x"] }"#, &[]);
    let files = |before: &str, after: &str| {
        let fields = r#""a": {}, "b": {}"#;
        [("task/1.json", version(1, fields, before)), ("task/2.json", version(2, fields, after))]
    };
    found(&files("", r#", "required": ["b"]"#), &["required_added"]);
    found(&files(r#", "required": ["a"]"#, r#", "required": ["b", "a"]"#), &["required_added"]);
    found(&files(r#", "required": ["a"]"#, ""), &[]);
    found(&files("", r#", "x-well-known": true"#), &["well_known_changed"]);
    // Programs that know the earlier major version only read what this one writes, so it may be stricter.
    found(&files("", r#", "x-major": 2, "required": ["b"]"#), &[]);
    found(&files(r#", "x-major": 2"#, r#", "x-major": 2, "required": ["b"]"#), &["required_added"]);
    found(&files(r#", "x-major": 2"#, ""), &["major_lowered"]);
    let renamed = [
        ("task/1.json", version(1, r#""a": {}"#, r#", "required": ["a"]"#)),
        ("task/2.json", version(2, r#""b": { "x-stored-as": "a" }"#, r#", "required": ["b"]"#)),
    ];
    found(&renamed, &[]);
}

#[test]
fn a_value_that_is_called_otherwise_stays_stored_as_it_was() {
    let onoff = |values: &str, pairs: &str| format!(r#""a": {{ "enum": [{values}], "x-convert": [{pairs}] }}"#);
    let both = r#"{ "stored": true, "value": "on" }, { "stored": false, "value": "off" }"#;
    let on = r#"{ "stored": true, "value": "on" }"#;
    check(r#""a": { "type": "boolean" }"#, &onoff(r#""on", "off""#, both), &[]);
    check(r#""a": { "type": "boolean" }"#, &onoff(r#""on", "off", "auto""#, both), &[]);
    check(r#""a": { "type": "boolean" }"#, &onoff(r#""on", "off""#, on), &["type_narrowed", "enum_narrowed"]);
    check(r#""a": { "type": ["boolean", "null"] }"#, &onoff(r#""on", "off", null"#, both), &[]);
    let renamed = r#"{ "stored": "grey", "value": "gray" }"#;
    check(r#""a": { "enum": ["grey", "red"] }"#, &onoff(r#""gray", "red""#, renamed), &[]);
    check(r#""a": { "enum": ["grey", "red"] }"#, &onoff(r#""gray""#, renamed), &["enum_narrowed"]);
    check(r#""a": { "type": "string" }"#, &onoff(r#""gray""#, renamed), &["enum_narrowed"]);
    // What version 1 cannot read, and what it stored.
    check(r#""a": { "enum": ["red"] }"#, &onoff(r#""gray", "red""#, renamed), &["conversion_unread"]);
    check(&onoff(r#""on", "off""#, both), &onoff(r#""on", "off", "auto""#, both), &[]);
    check(&onoff(r#""on", "off""#, both), &onoff(r#""on", "off""#, on), &["conversion_lost"]);
}

#[test]
fn a_later_version_shows_nothing_that_an_earlier_one_did_not() {
    let files = |before: &str, after: &str, renamed: &str| {
        let fields = r#""name": { "x-public": true }, "other": { "type": "boolean" }, "#;
        let shown = r#""shown": { "type": "boolean" }"#;
        let when =
            |field: &str| if field.is_empty() { String::new() } else { format!(r#", "x-public-when": "{field}""#) };
        [
            ("task/1.json", version(1, &format!("{fields}{shown}"), &when(before))),
            ("task/2.json", version(2, &format!("{fields}{renamed}"), &when(after))),
        ]
    };
    let shown = r#""shown": { "type": "boolean" }"#;
    let seen = r#""seen": { "type": "boolean", "x-stored-as": "shown" }"#;
    found(&files("/shown", "/shown", shown), &[]);
    found(&files("", "/shown", shown), &[]);
    found(&files("/shown", "/seen", seen), &[]);
    found(&files("/shown", "", shown), &["public_when_changed"]);
    found(&files("/shown", "/other", shown), &["public_when_changed"]);
}

#[test]
fn a_new_field_says_since_when_it_is_there() {
    check("", r#""a": { "x-since": 2 }"#, &[]);
    check("", r#""a": {}"#, &["since_missing"]);
    check("", r#""a": { "x-since": 1 }"#, &["since_missing"]);
}

#[test]
fn a_version_is_never_changed() {
    let one = version(1, r#""a": {}"#, "");
    let other = version(1, r#""a": {}, "b": {}"#, "");
    let found = lint_files(&[("x/task/1.json", &one), ("y/task/1.json", &one), ("task/1.json", &other)]);
    assert!(found[0].is_empty() && found[1].is_empty(), "the same again is no change: {found:#?}");
    assert_eq!(found[2][0].code, "redefined");
}

#[test]
fn a_version_is_compared_with_the_one_that_is_built_in() {
    let text =
        r#"{ "x-type": "note", "x-version": 9, "type": "object", "properties": { "name": { "type": "string" } } }"#;
    let found = lint_files(&[("note/9.json", text)]);
    assert_eq!(found[0][0].code, "field_removed");
    assert!(found[0][0].rule.contains("\"body\""), "{found:#?}");
}
