//! Which schema files are accepted, and what is said about the others.

use schemas::{LoadError, Registry, well_known_id};

const HEAD: &str = r#""x-type": "task", "x-version": 1, "type": "object""#;

fn load(file: &str, text: &str) -> Result<Registry, LoadError> {
    Registry::with_files([(file, text)])
}

/// The sentence with which a schema is refused.
fn refused(file: &str, text: &str) -> String {
    match load(file, text) {
        Ok(_) => panic!("{text} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn whose_a_type_is_follows_the_rule_for_names() {
    let longest = format!("ext.{}.{}", "n".repeat(28), "t".repeat(31));
    let names = ["ext.acme.task", "ext.a-1.b-2", longest.as_str(), "ext.acme.1st", "ext.-.a", "ext.acmé.task", "note"];
    for name in names {
        let text = format!(r#"{{ "x-type": "{name}", "x-version": 1, "type": "object" }}"#);
        let is_type = load(&format!("{name}/1.json"), &text).is_ok();
        assert_eq!(schemas::namespace_of(name).is_some(), is_type && name != "note", "{name}");
    }
    assert_eq!(schemas::namespace_of(&format!("{longest}t")), None);
    assert_eq!(schemas::namespace_of(&format!("ext.{}.t", "n".repeat(29))), None);
}

#[test]
fn a_type_that_is_added_is_held_against_the_one_before_it() {
    let of = |version: u32, field: &str| {
        let fields = format!(r#""properties": {{ "{field}": {{}} }}"#);
        format!(r#"{{ "x-type": "ext.acme.task", "x-version": {version}, "type": "object", {fields} }}"#)
    };
    let mut known = Registry::builtin().clone();
    known.add("ext.acme.task/1.json", &of(1, "a")).expect("it is sound");
    known.add("ext.acme.task/1.json", &of(1, "a")).expect("the same again is no other");
    let refused = known.add("ext.acme.task/2.json", &of(2, "b")).expect_err("a field is gone");
    let codes: Vec<&str> = refused.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["field_removed", "since_missing"]);
    assert_eq!(known.get("ext.acme.task").map(|found| found.version), Some(1), "and nothing of it is there");
    let second = known.add("ext.acme.task/2.json", &of(2, "a")).expect("it is sound");
    assert_eq!(known.shared("ext.acme.task").map(|found| found.version), Some(second.version));
    assert_eq!(Registry::builtin().get("ext.acme.task").map(|found| found.version), None, "a clone is its own");
}

#[test]
fn the_built_in_types_are_there() {
    let names: Vec<&str> = Registry::builtin().names().collect();
    let expected =
        ["extensions", "identity", "keymap", "note", "profile", "publisher", "review", "settings", "snippets", "trust"];
    assert_eq!(names, expected);
    let mut well_known: Vec<&str> =
        Registry::builtin().all().filter(|found| found.well_known).map(|found| found.name.as_str()).collect();
    well_known.dedup();
    assert_eq!(
        well_known,
        ["extensions", "identity", "keymap", "profile", "publisher", "settings", "snippets", "trust"]
    );
    let version = |name| Registry::builtin().get(name).map(|found| found.version);
    assert_eq!((version("settings"), version("profile"), version("nothing")), (Some(1), Some(3), None));
}

#[test]
fn well_known_ids_are_the_same_everywhere_and_for_ever() {
    let settings = Registry::builtin().get("settings").expect("built in");
    assert_eq!(settings.id(), Some(well_known_id("settings", "settings")));
    assert_eq!(settings.id().map(|id| id.to_string()).as_deref(), Some("3KQY9BbPffzHX6dUBjnyJ5D8agL1"));
    assert_ne!(well_known_id("ab", "c"), well_known_id("a", "bc"));
    assert_eq!(Registry::builtin().get("note").and_then(schemas::DocumentType::id), None);
}

#[test]
fn the_newest_version_is_used() {
    let second = format!("{{{}}}", HEAD.replace("\"x-version\": 1", "\"x-version\": 10"));
    let first = format!("{{{}}}", HEAD.replace("\"x-version\": 1", "\"x-version\": 9"));
    let registry =
        Registry::with_files([("types/task/10.json", second), ("types/task/9.json", first)]).expect("both fit");
    assert_eq!(registry.get("task").map(|found| found.version), Some(10));
    assert_eq!(registry.version("task", 9).map(|found| found.version), Some(9));
}

#[test]
fn a_schema_that_is_none_is_refused_with_its_place() {
    for (text, parts) in [
        ("{", &["line 1", "close the object"][..]),
        ("[]", &["the top"]),
        ("{}", &["x-type is missing", "x-version is missing"]),
        (r#"{"x-type": "Task!", "x-version": 1}"#, &["/x-type", "Task!"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"x-merge": "sum"}}}}}}"#), &["/properties/a/x-merge", "sum"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"x-megre": "text"}}}}}}"#), &["/properties/a", "x-megre"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"type": "array", "x-merge": "text"}}}}}}"#), &["/properties/a"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"x-merge": "counter"}}}}}}"#), &["/properties/a", "type"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"type": "array", "x-merge": "list"}}}}}}"#), &["items"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"type": 3}}}}}}"#), &["/properties/a/type"]),
        (&format!(r#"{{{HEAD}, "properties": {{"a": {{"pattern": "("}}}}}}"#), &["("]),
        (&format!(r#"{{{HEAD}, "$ref": "https://example.org/x.json"}}"#), &["https://example.org/x.json"]),
    ] {
        let sentence = refused("task/1.json", text);
        assert!(sentence.contains("task/1.json"), "{sentence}");
        for part in parts {
            assert!(sentence.contains(part), "{sentence} lacks {part}");
        }
    }
}

#[test]
fn a_schema_in_the_wrong_place_is_refused() {
    let text = format!("{{{HEAD}}}");
    assert!(refused("note/1.json", &text).contains("task/1.json"));
    assert!(refused("task/2.json", &text).contains("task/1.json"));
    let note = r#"{"x-type": "note", "x-version": 1, "type": "object"}"#;
    assert!(refused("note/1.json", note).contains("never changed"));
    assert!(refused("task/1.json", &" ".repeat(2 << 20)).contains("2097152"));
}
