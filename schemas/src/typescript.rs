//! Document types as TypeScript, from the same files as everything else.
//!
//! Declared is the plain form, as the HTTP API gives it. Keywords that TypeScript cannot say (limits, patterns) are
//! left to the validator; unknown fields are allowed wherever the schema allows them, since newer programs write them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::registry::BUILTIN;

/// Deepest nesting that is written out; below it everything is `unknown`.
const DEPTH_MAX: usize = 32;

/// The declaration of one document type and of its `$defs`.
///
/// ```
/// let schema = serde_json::json!({
///     "title": "Task", "x-type": "task", "x-version": 1, "type": "object",
///     "properties": { "name": { "type": "string" }, "done": { "type": "boolean" } }, "required": ["name"],
/// });
/// let declared = schemas::typescript::declare(&schema);
/// assert!(declared.contains("export interface Task {\n  done?: boolean;\n  name: string;\n"));
/// ```
#[must_use]
pub fn declare(schema: &Value) -> String {
    let type_name = schema.get("x-type").and_then(Value::as_str).unwrap_or("document");
    let name = pascal(type_name);
    let mut out = String::new();
    declare_as(&mut out, &name, &name, schema);
    for (key, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        out.push('\n');
        declare_as(&mut out, &name, &format!("{name}{}", pascal(key)), definition);
    }
    out
}

/// The newest versions of the built-in types, as a file.
#[must_use]
pub fn builtin() -> String {
    let mut newest: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    for schema in BUILTIN.iter().filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok()) {
        let name = schema.get("x-type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = schema.get("x-version").and_then(Value::as_u64).unwrap_or_default();
        if newest.get(&name).is_none_or(|(known, _)| *known < version) {
            newest.insert(name, (version, schema));
        }
    }
    let declared: Vec<String> = newest.values().map(|(_, schema)| declare(schema)).collect();
    format!("// Made from the document types by `cargo xtask generate`; the plain forms.\n\n{}", declared.join("\n"))
}

/// An object with named fields is an interface, everything else an alias.
fn declare_as(out: &mut String, owner: &str, name: &str, schema: &Value) {
    comment(out, "", schema);
    let written = expression(schema, owner, 0, 0);
    // Writing to a string cannot fail.
    let _ = if schema.get("properties").is_some() {
        writeln!(out, "export interface {name} {written}")
    } else {
        writeln!(out, "export type {name} = {written};")
    };
}

fn expression(schema: &Value, owner: &str, indent: usize, depth: usize) -> String {
    let Some(fields) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return "unknown".to_owned() };
    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
        return target
            .strip_prefix("#/$defs/")
            .map_or_else(|| "unknown".to_owned(), |key| format!("{owner}{}", pascal(key)));
    }
    let literals = fields.get("enum").and_then(Value::as_array).cloned();
    if let Some(literals) = literals.or_else(|| fields.get("const").map(|only| vec![only.clone()])) {
        return union(literals.iter().map(Value::to_string));
    }
    for keyword in ["oneOf", "anyOf"] {
        if let Some(choices) = fields.get(keyword).and_then(Value::as_array) {
            return union(choices.iter().map(|choice| expression(choice, owner, indent, depth + 1)));
        }
    }
    match fields.get("type") {
        Some(Value::Array(kinds)) => {
            union(kinds.iter().filter_map(Value::as_str).map(|kind| of_kind(kind, fields, owner, indent, depth)))
        }
        Some(Value::String(kind)) => of_kind(kind, fields, owner, indent, depth),
        _ => "unknown".to_owned(),
    }
}

fn union(choices: impl Iterator<Item = String>) -> String {
    let choices: Vec<String> = choices.collect();
    if choices.is_empty() { "never".to_owned() } else { choices.join(" | ") }
}

fn of_kind(kind: &str, fields: &Map<String, Value>, owner: &str, indent: usize, depth: usize) -> String {
    match kind {
        "string" => "string".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "boolean".to_owned(),
        "null" => "null".to_owned(),
        "array" => {
            let items = fields
                .get("items")
                .map_or_else(|| "unknown".to_owned(), |items| expression(items, owner, indent, depth + 1));
            if items.contains(" | ") || items.contains('{') { format!("Array<{items}>") } else { format!("{items}[]") }
        }
        "object" => object(fields, owner, indent, depth),
        _ => "unknown".to_owned(),
    }
}

fn object(fields: &Map<String, Value>, owner: &str, indent: usize, depth: usize) -> String {
    let others = match fields.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(schema @ Value::Object(_)) => Some(expression(schema, owner, indent, depth + 1)),
        _ => Some("unknown".to_owned()),
    };
    let Some(named) = fields.get("properties").and_then(Value::as_object) else {
        return format!("Record<string, {}>", others.as_deref().unwrap_or("never"));
    };
    let is_required = |name: &str| {
        fields.get("required").and_then(Value::as_array).is_some_and(|names| names.iter().any(|it| it == name))
    };
    let pad = " ".repeat(indent + 2);
    let mut out = "{\n".to_owned();
    for (name, field) in named {
        comment(&mut out, &pad, field);
        let optional = if is_required(name) { "" } else { "?" };
        let written = expression(field, owner, indent + 2, depth + 1);
        let _ = writeln!(out, "{pad}{}{optional}: {written};", key(name));
    }
    if others.is_some() {
        // The named fields have to fit in as well, so nothing more can be said of the others.
        let _ = writeln!(out, "{pad}[other: string]: unknown;");
    }
    let _ = write!(out, "{}}}", " ".repeat(indent));
    out
}

fn comment(out: &mut String, pad: &str, schema: &Value) {
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        let _ = writeln!(out, "{pad}/** {} */", text.replace("*/", "* /").replace('\n', " "));
    }
}

/// A name as a key: quoted unless it is an identifier.
fn key(name: &str) -> String {
    let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_identifier { name.to_owned() } else { Value::from(name).to_string() }
}

/// `installed-things` as `InstalledThings`.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.flat_map(|word| word[..1].to_uppercase().chars().chain(word[1..].chars()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, becomes: &str) {
        assert_eq!(expression(schema, "T", 0, 0), becomes, "{schema}");
    }

    #[test]
    fn what_a_schema_says_is_said_in_typescript() {
        check(&json!(true), "unknown");
        check(&json!({ "type": "integer" }), "number");
        check(&json!({ "type": ["string", "null"] }), "string | null");
        check(&json!({ "enum": ["a", 1, null] }), r#""a" | 1 | null"#);
        check(&json!({ "const": true }), "true");
        check(&json!({ "type": "array", "items": { "type": "string" } }), "string[]");
        check(&json!({ "type": "array", "items": { "enum": ["a", "b"] } }), r#"Array<"a" | "b">"#);
        check(&json!({ "type": "object" }), "Record<string, unknown>");
        check(&json!({ "type": "object", "additionalProperties": { "type": "number" } }), "Record<string, number>");
        check(&json!({ "$ref": "#/$defs/a-b" }), "TAB");
        check(&json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }), "string | null");
        check(
            &json!({ "type": "object", "properties": { "a.b": { "type": "string", "description": "x */" } },
                "additionalProperties": false }),
            "{\n  /** x * / */\n  \"a.b\"?: string;\n}",
        );
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let mut deep = json!({ "type": "string" });
        for _ in 0..100 {
            deep = json!({ "type": "array", "items": deep });
        }
        assert!(expression(&deep, "T", 0, 0).starts_with("unknown[]"));
    }
}
