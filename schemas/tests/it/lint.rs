//! What is found in a schema file: each rule with a file that breaks it, the place, and a file that just does not.

use schemas::{FINDINGS_MAX, Finding, Registry, lint};

/// Stands in a text before the place to which a finding must point.
const MARK: char = '▸';

/// A whole schema with `rest` beside its head, on lines of its own.
pub(crate) fn schema(rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!("{{\n  \"x-type\": \"task\", \"x-version\": 2, \"type\": \"object\"{comma}\n  {rest}\n}}")
}

/// The text without its mark, and the line and column where that was.
fn unmarked(text: &str) -> (String, (usize, usize)) {
    let before = text.split(MARK).next().unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let place = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
    (text.replace(MARK, ""), place)
}

/// Expects one finding with this code at the mark, whose sentence holds `parts`, and that nothing loads it.
pub(crate) fn check(text: &str, code: &str, parts: &[&str]) {
    let (text, place) = unmarked(text);
    let found = lint("task/2.json", &text);
    let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [code], "{text}\n{found:#?}");
    assert_eq!((found[0].line, found[0].column), place, "{text}\n{found:#?}");
    for part in parts {
        assert!(found[0].sentence().contains(part), "{} lacks {part}", found[0].sentence());
    }
    let refused = Registry::with_files([("task/2.json", &text)]).expect_err("nothing loads what is found wrong");
    assert_eq!(refused.findings, found);
}

fn sound(rest: &str) {
    let text = schema(rest);
    assert_eq!(lint("task/2.json", &text), [], "{text}");
    assert!(Registry::with_files([("task/2.json", &text)]).is_ok(), "{text}");
}

/// The case as `rest` of a whole schema.
fn finds(code: &str, rest: &str, parts: &[&str]) {
    check(&schema(rest), code, parts);
}

#[test]
fn an_unknown_keyword_is_found_with_the_nearest_known_one() {
    finds("unknown_keyword", r#""properties": { "a": { ▸"x-megre": "text" } }"#, &["x-megre", "write x-merge"]);
    finds("unknown_keyword", r#""$defs": { "a": { "allOf": [{ ▸"x-sinc": 1 }] } }"#, &["write x-since"]);
    finds("unknown_keyword", r#"▸"x-frobnicate": 1"#, &["one of x-type, x-version"]);
    finds("misspelt", r#""properties": { "a": { ▸"tpye": "string" } }"#, &["write type"]);
    sound(r#""markdownDescription": "of somebody else", "properties": { "x-megre": {}, "tpye": {} }"#);
}

#[test]
fn a_keyword_where_nobody_looks_is_found() {
    finds("root_only", r#""properties": { "a": { ▸"x-type": "task" } }"#, &["x-type", "move it to the top"]);
    finds("root_only", r#""allOf": [{ ▸"x-well-known": true }]"#, &["x-well-known"]);
    finds("unreached", r#""allOf": [{ "properties": { "a": { ▸"x-merge": "register" } } }]"#, &["x-merge"]);
    finds("unreached", r#""patternProperties": { "^a": { ▸"x-public": true } }"#, &["x-public"]);
    finds("unreached", r#""$defs": { "a": { ▸"x-stored-as": "b" } }"#, &["x-stored-as"]);
    finds("unreached", r#""properties": { "a": { "type": "array", "items": { ▸"x-stored-as": "b" } } }"#, &[]);
    sound(
        r##""$defs": { "a": { "x-merge": "register" } }, "properties": { "a": { "$ref": "#/$defs/a",
            "x-stored-as": "b" } }"##,
    );
}

#[test]
fn what_the_meta_schema_says_is_found_at_its_place() {
    finds("meta_schema", r#""properties": { "a": { ▸"x-merge": "sum" } }"#, &["sum", "/properties/a/x-merge"]);
    finds("meta_schema", r#""properties": { "a": { ▸"type": 3 } }"#, &["/properties/a/type"]);
    finds("meta_schema", r#""properties": { ▸"a": { "x-merge": "counter" } }"#, &["type"]);
    finds("meta_schema", r#""properties": { "a": { "x-limit": { ▸"bytes": 0 } } }"#, &["bytes"]);
}

#[test]
fn a_version_that_is_to_come_is_found() {
    finds("since", r#""properties": { "a": { ▸"x-since": 3 } }"#, &["x-since 3", "x-version 2"]);
    sound(r#""properties": { "a": { "x-since": 2 }, "b": { "x-since": 1 } }"#);
}

#[test]
fn two_fields_under_one_key_are_found() {
    let rest = r#""properties": { "a": { "x-stored-as": "k" }, "b": { ▸"x-stored-as": "k" } }"#;
    finds("stored_twice", rest, &["\"a\"", "\"b\"", "\"k\""]);
    finds("stored_twice", r#""properties": { "a": { "x-stored-as": "b" }, ▸"b": {} }"#, &["\"b\""]);
    let by_reference = r##""$defs": { "base": { "properties": { "k": {} } } }, "$ref": "#/$defs/base",
            "properties": { "a": { "x-stored-as": "k" } }"##;
    let found = lint("task/2.json", &schema(by_reference));
    assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["stored_twice"], "{found:#?}");
    sound(r#""properties": { "a": { "x-stored-as": "b" }, "b": { "x-stored-as": "a" } }"#);
}

#[test]
fn keys_that_no_document_has_are_found() {
    finds("key", r#""properties": { ▸"": {} }"#, &["not empty"]);
    finds("key", "\"properties\": { ▸\"a\\u0000\": {} }", &["NUL"]);
    finds("key", r#""properties": { "a": { ▸"x-stored-as": "a\u0000" } }"#, &["NUL"]);
    let list = |field: &str| {
        format!(
            r#""properties": {{ "a": {{ "type": "array", "x-merge": "list", "items": {{ "type": "object",
            "properties": {{ {field} }} }} }} }}"#
        )
    };
    finds("list_order", &list(r#"▸"order": {}"#), &["order"]);
    sound(&list(r#""order": { "x-stored-as": "place" }"#));
    sound(r#""properties": { "a": { "type": "object", "properties": { "": {}, "order": {} } } }"#);
}

#[test]
fn a_reference_that_leads_nowhere_or_out_is_found() {
    finds("ref_nowhere", r##""properties": { "a": { ▸"$ref": "#/$defs/b" } }"##, &["#/$defs/b"]);
    finds("ref_nowhere", r##""properties": { "a": { ▸"$ref": "#anchor" } }"##, &["#anchor"]);
    finds("ref_outside", r#"▸"$ref": "https://example.org/x.json""#, &["https://example.org/x.json", "$defs"]);
    finds("ref_outside", r#""properties": { "a": { ▸"$ref": "other.json" } }"#, &["other.json"]);
    finds("ref_outside", r#""anyOf": [{ ▸"$ref": "file:///etc/passwd" }]"#, &["file:///etc/passwd"]);
    finds("nested_id", r#""$defs": { "a": { ▸"$id": "https://example.org/" } }"#, &["$id"]);
    finds("dynamic_ref", r##""properties": { "a": { ▸"$dynamicRef": "#meta" } }"##, &["use $ref"]);
    finds("dialect", r#"▸"$schema": "http://json-schema.org/draft-07/schema#""#, &["2020-12"]);
    sound(
        r##""$defs": { "a/b": {} }, "properties": { "a": { "$ref": "#/$defs/a~1b" }, "b": {
            "$ref": "#/properties/a" } }"##,
    );
    sound(r#""$schema": "https://symphony-editor.dev/schemas/meta.json""#);
}

#[test]
fn a_pattern_that_may_run_for_ever_is_found() {
    for pattern in [r"(a)\\1", "(?=a)b", "(", "(?<!a)b", "((a{1000}){1000}){10}"] {
        finds("pattern", &format!(r#""properties": {{ "a": {{ ▸"pattern": "{pattern}" }} }}"#), &["linear time"]);
    }
    finds("pattern", r#""patternProperties": { ▸"(a)\\1": {} }"#, &["linear time"]);
    sound(r#""properties": { "a": { "pattern": "^(a+)+$" }, "b": { "pattern": "^[a-z]{1,64}\\d*$" } }"#);
}

#[test]
fn an_index_on_what_cannot_be_indexed_is_found() {
    let field = |of: &str| format!(r#""properties": {{ "a": {{ {of} }} }}"#);
    finds("index_type", &field(r#""type": "integer", ▸"x-index": "text""#), &["string"]);
    finds("index_type", &field(r#""type": "array", ▸"x-index": "value""#), &["members of sets"]);
    finds("index_type", &field(r#"▸"x-index": "text""#), &["string"]);
    let below = |keyword: &str, merge: &str| {
        field(&format!(
            r#""type": "object", "x-merge": "{merge}", {keyword} {{ "type": "string", ▸"x-index": "value" }}"#
        ))
    };
    finds("index_place", &below(r#""additionalProperties":"#, "map"), &["once"]);
    let items = r#""type": "array", "x-merge": "list", "items": { "type": "object", "properties": { "b": {
            "type": "string", ▸"x-index": "value" } } }"#;
    finds("index_place", &field(items), &["once"]);
    let register = r#""x-merge": "register", "properties": { "b": { "type": "string", ▸"x-index": "value" } }"#;
    finds("index_place", &field(register), &["once"]);
    sound(&field(r#""type": ["string", "null"], "x-merge": "manual", "x-index": "text""#));
    sound(&field(r#""enum": ["a", "b"], "x-index": "value""#));
    sound(&field(
        r#""type": "object", "properties": { "b": { "type": "string", "x-merge": "text", "x-index": "text" } }"#,
    ));
}

#[test]
fn a_conversion_that_could_mean_two_things_is_found() {
    let field = |of: &str| format!(r#""properties": {{ "a": {{ {of} }} }}"#);
    let on_off = |pairs: &str| field(&format!(r#""enum": ["on", "off"], "x-convert": [{pairs}]"#));
    sound(&on_off(r#"{ "stored": true, "value": "on" }, { "stored": false, "value": "off" }"#));
    finds("convert_value", &on_off(r#"{ "stored": true, ▸"value": "auto" }"#), &["not allowed"]);
    finds("convert_value", &on_off(r#"{ ▸"stored": "off", "value": "on" }"#), &["allowed itself"]);
    let first = r#"{ "stored": true, "value": "on" }"#;
    finds("convert_twice", &on_off(&format!(r#"{first}, {{ ▸"stored": true, "value": "off" }}"#)), &["true"]);
    finds("convert_twice", &on_off(&format!(r#"{first}, {{ "stored": 1, ▸"value": "on" }}"#)), &["on"]);
    finds("meta_schema", &on_off(r#"{ ▸"stored": [], "value": "on" }"#), &["[]"]);
    let placed = |of: &str| field(&format!(r#"{of}, ▸"x-convert": [{{ "stored": true, "value": "on" }}]"#));
    finds("convert_place", &placed(r#""enum": ["on"], "x-merge": "manual""#), &["register"]);
    finds("convert_place", &placed(r#""type": "string", "x-merge": "text""#), &["register"]);
    finds("convert_place", &placed(r#""enum": ["on"], "x-index": "value""#), &["x-index"]);
    finds(
        "convert_place",
        r#""properties": { "a": { "type": "object", "x-merge": "register", "properties": { "b": {
            "enum": ["on"], ▸"x-convert": [{ "stored": true, "value": "on" }] } } } }"#,
        &["register"],
    );
    let title = r#"▸"x-title": "/a", "properties": { "a": { "type": "string",
            "x-convert": [{ "stored": true, "value": "on" }] } }"#;
    finds("title", title, &["converted"]);
}

#[test]
fn a_merge_policy_that_never_applies_is_found() {
    for merge in ["register", "manual"] {
        let text = format!(
            r#""properties": {{ "a": {{ "type": "object", "x-merge": "{merge}", "properties": {{ "b": {{
            "type": "string", ▸"x-merge": "text" }} }} }} }}"#
        );
        finds("merge_inside_leaf", &text, &["x-merge", "text"]);
    }
    let array = r#""properties": { "a": { "type": "array", "items": { "type": "object", "properties": { "b": {
            "type": "integer", ▸"x-merge": "counter" } } } } }"#;
    finds("merge_inside_leaf", array, &["counter"]);
    let key = r#""properties": { "a": { "x-merge": "register", "properties": { "b": { ▸"x-stored-as": "c" } } } }"#;
    finds("merge_inside_leaf", key, &["x-stored-as"]);
    sound(
        r#""properties": { "a": { "type": "object", "additionalProperties": { "type": "string",
            "x-merge": "text" } } }"#,
    );
}

#[test]
fn a_default_that_breaks_its_own_schema_is_found() {
    let field = |of: &str| format!(r#""properties": {{ "a": {{ {of} }} }}"#);
    finds("default", &field(r#""type": "string", ▸"default": 7"#), &["7"]);
    finds("default", &field(r#""type": "string", "x-limit": { "bytes": 2 }, ▸"default": "long""#), &["bytes"]);
    let referred = r##""$defs": { "n": { "type": "integer", "maximum": 3 } }, "properties": { "a": {
            "$ref": "#/$defs/n", ▸"default": 4 } }"##;
    finds("default", referred, &["4"]);
    sound(&field(r#""type": ["string", "null"], "default": null, "x-limit": { "bytes": 4 }"#));
}

#[test]
fn a_requirement_that_no_field_meets_is_found() {
    finds("required_unknown", r#""properties": { "a": {} }, "required": ["a", ▸"b"]"#, &["\"b\""]);
    sound(
        r##""$defs": { "base": { "properties": { "b": {} } } }, "$ref": "#/$defs/base", "properties": {
            "a": {} }, "required": ["a", "b"]"##,
    );
    // What only the validator sees may require what it likes.
    sound(r#""properties": { "a": {} }, "anyOf": [{ "required": ["a"] }, { "required": ["b"] }]"#);
}

#[test]
fn what_a_type_needs_at_its_top_is_found() {
    check("▸{ \"x-version\": 2, \"type\": \"object\" }", "incomplete", &["x-type is missing"]);
    check("{ \"x-type\": \"task\", \"x-version\": 2, ▸\"type\": \"array\" }", "root_type", &["object"]);
    check(
        "{ ▸\"x-type\": \"job\", \"x-version\": 2, \"type\": \"object\" }",
        "misplaced",
        &["job/2.json", "task/2.json"],
    );
    finds("title", r#"▸"x-title": "/name""#, &["/name"]);
    finds("title", r#"▸"x-title": "/name", "properties": { "name": { "type": "integer" } }"#, &["string"]);
    sound(r#""x-title": "/name", "properties": { "name": { "type": "string", "x-stored-as": "title" } }"#);
    finds("limit_type", r#""properties": { "a": { "type": "string", ▸"x-limit": { "items": 3 } } }"#, &["bytes"]);
    finds("duplicate_key", "\"title\": \"a\", ▸\"title\": \"b\"", &["title"]);
    check("{\n  \"x-type\" ▸2 }", "not_json", &["colon"]);
}

#[test]
fn what_says_whether_a_document_is_shown_is_a_plain_boolean() {
    let type_of = |when: &str, field: &str| {
        format!(
            r#"▸"x-public-when": "{when}", "properties": {{ "name": {{ "type": "string", "x-public": true }},
            "shown": {{ {field} }} }}"#
        )
    };
    let boolean = r#""type": "boolean""#;
    sound(&type_of("/shown", boolean).replace(MARK, ""));
    sound(&type_of("/shown", r#""type": ["boolean", "null"], "x-stored-as": "visible""#).replace(MARK, ""));
    finds("public_when", &type_of("/show", boolean), &["\"/show\"", "as in \"/shown\""]);
    finds("public_when", &type_of("/name", boolean), &["\"/name\"", "boolean"]);
    for field in ["", r#""type": "string""#, r#""type": ["boolean", "string"]"#, r#""type": "null""#] {
        finds("public_when", &type_of("/shown", field), &["\"/shown\"", "boolean"]);
    }
    finds("public_when", &type_of("/shown", r#""type": ["boolean", "null"], "x-merge": "manual""#), &["register"]);
    finds("meta_schema", &type_of("shown", boolean), &["x-public-when"]);
    finds("meta_schema", &type_of("/shown", boolean).replace("\"/shown\"", "true"), &["string"]);
    finds("public_when", &type_of("/shown", boolean).replace(r#", "x-public": true"#, ""), &["nothing is public"]);
    finds("root_only", r#""properties": { "a": { ▸"x-public-when": "/b" } }"#, &["x-public-when"]);
}

#[test]
fn everything_is_found_at_once_in_the_order_of_the_text() {
    let text = schema(
        r#""properties": { "a": { "x-megre": 1 }, "b": { "x-since": 9 }, "c": { "type": "string", "default": 1 } }"#,
    );
    let found = lint("task/2.json", &text);
    let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["unknown_keyword", "since"], "defaults are looked at once the rest is sound");
    let many: Vec<String> = (0..300).map(|n| format!(r#""f{n}": {{ "x-bad": 1 }}"#)).collect();
    let found = lint("task/2.json", &schema(&format!(r#""properties": {{ {} }}"#, many.join(","))));
    assert_eq!(found.len(), FINDINGS_MAX);
    let sentence = Finding::to_string(&found[0]);
    assert!(sentence.starts_with("line 3, column ") && sentence.contains("(at /properties/f0/x-bad)"), "{sentence}");
}

#[test]
fn nothing_is_found_in_the_built_in_types() {
    for built_in in Registry::builtin().all() {
        let file = format!("{}/{}.json", built_in.name, built_in.version);
        assert_eq!(lint(&file, &built_in.schema().to_string()), [], "{file}");
    }
}
