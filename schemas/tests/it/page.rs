//! `docs/schemas.md` says what is so: its tables are compared with the files and the code. What it has readers do is
//! run by the tests of the vault.

use std::fmt::Write as _;
use std::path::Path;

use schemas::{Registry, escape};
use serde_json::Value;

const META: &str = include_str!("../../types/meta.json");
const SOURCES: [&str; 8] = [
    include_str!("../../src/lint.rs"),
    include_str!("../../src/lint/faults.rs"),
    include_str!("../../src/lint/keywords.rs"),
    include_str!("../../src/lint/references.rs"),
    include_str!("../../src/lint/structure.rs"),
    include_str!("../../src/lint/values.rs"),
    include_str!("../../src/lint/versions.rs"),
    include_str!("../../src/violation.rs"),
];
const BEGIN: &str = "<!-- types -->\n";
const END: &str = "<!-- end of types -->";

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas.md")
}

fn page() -> String {
    std::fs::read_to_string(path()).expect("the page can be read")
}

/// What stands between backticks in the first column of the table under `heading`.
fn first_column(page: &str, heading: &str) -> Vec<String> {
    let section = page.split_once(&format!("\n## {heading}\n")).expect("the section is there").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

fn listed(meta: &Value, pointer: &str) -> Vec<String> {
    let values = meta.pointer(pointer).and_then(Value::as_array).expect("the list is there");
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

#[test]
fn the_tables_have_every_keyword_and_every_policy() {
    let (page, meta): (String, Value) = (page(), serde_json::from_str(META).expect("meta.json is JSON"));
    let keywords = listed(&meta, "/propertyNames/anyOf/1/enum");
    assert_eq!(sorted(first_column(&page, "Keywords")), sorted(keywords));
    let policies = listed(&meta, "/properties/x-merge/enum");
    assert_eq!(sorted(first_column(&page, "How values merge")), sorted([vec!["x-merge".into()], policies].concat()));
}

#[test]
fn every_code_of_the_page_is_one_of_the_code() {
    let codes = first_column(&page(), "What is found");
    assert!(codes.len() > 30, "{codes:?}");
    for code in codes {
        assert!(SOURCES.iter().any(|source| source.contains(&format!("\"{code}\""))), "nothing is found as {code}");
    }
}

#[test]
fn the_table_of_built_in_types_is_that_of_the_files() {
    let page = page();
    let (before, rest) = page.split_once(BEGIN).expect("the table begins");
    let (table, after) = rest.split_once(END).expect("the table ends");
    let expected = table_of_types();
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        std::fs::write(path(), format!("{before}{BEGIN}{expected}{END}{after}")).expect("the page can be written");
    } else {
        assert_eq!(
            table, expected,
            "run the tests of `schemas` once with WRITE_FIXTURES=1, and look at the difference"
        );
    }
}

fn table_of_types() -> String {
    let mut table = "\n| type | field | merges as | |\n|---|---|---|---|\n".to_owned();
    for of in Registry::builtin().names().filter_map(|name| Registry::builtin().get(name)) {
        let mut kind = if of.well_known { ", well-known" } else { "" }.to_owned();
        if let Some(when) = of.schema().get("x-public-when").and_then(Value::as_str) {
            let _ = write!(kind, ", public when `{when}`");
        }
        let mut rows = Vec::new();
        fields(of.schema(), of.schema(), "", &mut rows);
        for (number, row) in rows.iter().enumerate() {
            let name = if number == 0 { format!("`{}` {}{kind}", of.name, of.version) } else { String::new() };
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {name} | {row} |");
        }
    }
    table.push('\n');
    table
}

/// One row for each field that is a leaf or a collection of its own.
fn fields(root: &Value, schema: &Value, path: &str, rows: &mut Vec<String>) {
    let schema = followed(root, schema);
    let merge = policy(schema);
    if !path.is_empty() && (merge != "map" || schema.get("properties").is_none()) {
        rows.push(format!("`{path}` | {merge} | {}", notes(schema)));
    }
    if merge == "map" || merge == "list" {
        let inner = if merge == "list" { followed(root, schema.get("items").unwrap_or(&Value::Null)) } else { schema };
        let path = if merge == "list" { format!("{path}/*") } else { path.to_owned() };
        for (name, field) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
            fields(root, field, &format!("{path}/{}", escape(name)), rows);
        }
        if let Some(others) = inner.get("additionalProperties").filter(|others| others.is_object()) {
            fields(root, others, &format!("{path}/*"), rows);
        }
    }
}

fn followed<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn policy(schema: &Value) -> &str {
    let natural = if schema["type"] == "object" { "map" } else { "register" };
    schema.get("x-merge").and_then(Value::as_str).unwrap_or(natural)
}

fn notes(schema: &Value) -> String {
    let index = schema.get("x-index").and_then(Value::as_str).map(|index| format!("found by {index}"));
    let notes = [schema.get("x-public").map(|_| "public".to_owned()), index];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
