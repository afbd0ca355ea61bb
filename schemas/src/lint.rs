//! Looking over a schema file before it is used: what it says wrong, at which line, and what would be right.
//!
//! The meta-schema says which keywords there are and what each takes. The files of this module say what it cannot:
//! keywords where nobody looks for them, references that lead nowhere, merge policies that never apply, and versions
//! that break what an earlier one wrote. Whatever is found here is also what keeps a schema from being loaded.

mod keywords; // each keyword, where it stands
mod references; // `$ref`: inside the file, without end, not too far
mod structure; // what the fields of a document are together
mod values; // the values that a schema names, against the schema
mod versions; // what a later version may do to an earlier one

mod faults; // what the checks say, and where that is in the text
mod nearest; // what was probably meant
mod node; // a schema together with what it refers to
mod subschemas; // which keywords hold schemas

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::{PatternOptions, ValidationOptions, Validator};
use serde_json::Value;

use crate::jsonc::{self, NoteKind};
use crate::registry::BUILTIN;
use faults::Faults;

pub use faults::Finding;

/// Largest schema file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Most findings for one file.
pub const FINDINGS_MAX: usize = 100;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Memory that one thread takes at most for matching a pattern, in bytes.
const MATCHING_BYTES_MAX: usize = 256 << 10;

const META: &str = include_str!("../types/meta.json");

/// A schema that was looked over.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) schema: Value,
    pub(crate) validator: Validator,
}

/// Everything that is wrong with one schema file, in the order of its text, at most 100 findings. Nothing means that
/// [`crate::Registry::with_files`] takes it, unless an earlier version says otherwise ([`lint_files`]).
///
/// `file` is `NAME/VERSION.json` with any path before it.
///
/// ```
/// let text = r#"{
///   "x-type": "task", "x-version": 1, "type": "object",
///   "properties": { "title": { "type": "string", "x-megre": "text" } }
/// }"#;
/// let found = schemas::lint("task/1.json", text);
/// assert_eq!((found[0].line, found[0].column, found[0].code), (3, 48, "unknown_keyword"));
/// assert!(found[0].remedy.contains("x-merge"));
/// assert!(schemas::lint("task/1.json", &text.replace("x-megre", "x-merge")).is_empty());
/// ```
#[must_use]
pub fn lint(file: &str, text: &str) -> Vec<Finding> {
    examine(file, text).err().unwrap_or_default()
}

/// As [`lint`] for each of `files`, pairs of name and text, and each version of a type against the one before it, be
/// that among `files` or built in. The findings are in the order of `files`.
#[must_use]
pub fn lint_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Vec<Vec<Finding>> {
    examine_files(files).into_iter().map(|outcome| outcome.err().unwrap_or_default()).collect()
}

/// What [`lint_files`] finds, and the schemas in which it finds nothing.
pub(crate) fn examine_files<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Vec<Result<Sound, Vec<Finding>>> {
    let alone: Vec<_> = files.iter().map(|(file, text)| examine(file.as_ref(), text.as_ref())).collect();
    let mut known: BTreeMap<(String, u64), Value> =
        builtin().into_iter().map(|schema| (key(&schema), schema)).collect();
    let mut faults: Vec<Faults> = Vec::new();
    for sound in &alone {
        let mut found = Faults::default();
        if let Ok(sound) = sound {
            match known.insert(key(&sound.schema), sound.schema.clone()) {
                Some(other) if other != sound.schema => versions::redefined(&sound.schema, &mut found),
                _ => {}
            }
        }
        faults.push(found);
    }
    let mut outcomes = Vec::new();
    for ((outcome, mut faults), (_, text)) in alone.into_iter().zip(faults).zip(files) {
        outcomes.push(outcome.and_then(|sound| {
            let (name, version) = key(&sound.schema);
            let previous = known.range((name.clone(), 0)..(name, version)).next_back();
            if let Some((_, previous)) = previous {
                versions::check(previous, &sound.schema, &mut faults);
            }
            if faults.is_empty() { Ok(sound) } else { Err(faults.located(text.as_ref())) }
        }));
    }
    outcomes
}

/// The built-in schemas. A test looks them over; here they are only read.
pub(crate) fn builtin() -> Vec<Value> {
    let read = |(file, text): (&str, &str)| {
        serde_json::from_str(text).unwrap_or_else(|error| unreachable!("{file} is checked by a test: {error}"))
    };
    BUILTIN.into_iter().map(read).collect()
}

/// What is wrong with a sound schema beside what is there of its type: `same`, of the same version, and `before`, the
/// version before it.
pub(crate) fn held_against(schema: &Value, text: &str, same: Option<&Value>, before: Option<&Value>) -> Vec<Finding> {
    let mut faults = Faults::default();
    if same.is_some_and(|same| same != schema) {
        versions::redefined(schema, &mut faults);
    }
    if let Some(before) = before {
        versions::check(before, schema, &mut faults);
    }
    if faults.is_empty() { Vec::new() } else { faults.located(text) }
}

/// How the validator of every document type is built: linear-time patterns of bounded size, and nothing from elsewhere.
pub(crate) fn validation() -> ValidationOptions<'static> {
    validation_with_patterns_of(PATTERN_BYTES_MAX)
}

/// The same, with patterns that take so many bytes at most.
fn validation_with_patterns_of(bytes_max: usize) -> ValidationOptions<'static> {
    let patterns = PatternOptions::regex().size_limit(bytes_max).dfa_size_limit(MATCHING_BYTES_MAX);
    jsonschema::draft202012::options().with_pattern_options(patterns).offline()
}

pub(crate) fn examine(file: &str, text: &str) -> Result<Sound, Vec<Finding>> {
    if text.len() > FILE_BYTES_MAX {
        let rule = format!("the file has {} bytes, more than the {FILE_BYTES_MAX} allowed", text.len());
        return Err(vec![Finding::at_top("too_large", rule, "move examples elsewhere")]);
    }
    let mut faults = Faults::default();
    let parsed = jsonc::read(text).map_err(|error| vec![Finding::from_json(error)])?;
    let twice: Vec<Finding> = parsed.notes.iter().filter_map(said_twice).collect();
    let schema = parsed.value;
    keywords::check(&schema, &mut faults);
    check_meta(&schema, &mut faults);
    check_head(file, &schema, &mut faults);
    let validator = if references::check(&schema, &mut faults) {
        structure::check(&schema, &mut faults);
        compiled(&schema, &mut faults)
    } else {
        None
    };
    let mut findings = faults.located(text);
    findings.extend(twice);
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings.truncate(FINDINGS_MAX);
    match validator {
        Some(validator) if findings.is_empty() => Ok(Sound { schema, validator }),
        _ => Err(findings),
    }
}

/// The validator, once nothing else is wrong: what it says of a broken schema repeats what was said better.
fn compiled(schema: &Value, faults: &mut Faults) -> Option<Validator> {
    if !faults.is_empty() {
        return None;
    }
    values::check(schema, faults);
    match validation().build(schema) {
        Ok(validator) => Some(validator),
        Err(error) => {
            faults.add(error.instance_path().as_str(), "not_compiled", error.to_string(), "mend it at that place");
            None
        }
    }
}

fn said_twice(note: &jsonc::Note) -> Option<Finding> {
    let (line, column) = (note.line, note.column);
    let (rule, remedy) = match &note.kind {
        NoteKind::DuplicateKey(key) => {
            (format!("the key {key:?} is there twice, and only the last one counts"), "remove one")
        }
        NoteKind::RoundedNumber(number) => (format!("the number {number} has more than 64 bits"), "use a smaller one"),
    };
    let code = if matches!(note.kind, NoteKind::DuplicateKey(_)) { "duplicate_key" } else { "number" };
    Some(Finding { line, column, pointer: String::new(), code, rule, remedy: remedy.to_owned() })
}

/// What the meta-schema says, but for unknown keywords, which have a better word.
fn check_meta(schema: &Value, faults: &mut Faults) {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        let meta = serde_json::from_str(META).unwrap_or_else(|error| unreachable!("meta.json is ours: {error}"));
        jsonschema::draft202012::options()
            .offline()
            .build(&meta)
            .unwrap_or_else(|error| unreachable!("meta.json is checked by a test: {error}"))
    });
    for error in VALIDATOR.iter_errors(schema).take(FINDINGS_MAX) {
        let is_said = error.kind().keyword() == "propertyNames" && faults.has("unknown_keyword");
        if !is_said {
            let remedy = "see the table of keywords in docs/schemas.md";
            faults.add(error.instance_path().as_str(), "meta_schema", error.to_string(), remedy);
        }
    }
}

/// The name, the version and the place of the file.
fn check_head(file: &str, schema: &Value, faults: &mut Faults) {
    for required in ["x-type", "x-version"] {
        if schema.get(required).is_none() {
            faults.add("", "incomplete", format!("{required} is missing at the top"), format!("add {required:?}"));
        }
    }
    if schema.is_object() && schema.get("type").and_then(Value::as_str) != Some("object") {
        faults.add("/type", "root_type", "a document is an object", "write \"type\": \"object\" at the top");
    }
    let (name, version) = key(schema);
    let found = format!("{name}/{version}.json");
    let is_said = !name.is_empty() && version > 0;
    if is_said && file != found && !file.replace('\\', "/").ends_with(&format!("/{found}")) {
        let rule = format!("the file says it is {found}, and is {file}");
        faults.add("/x-type", "misplaced", rule, format!("move it to {found}, or mend x-type and x-version"));
    }
}

/// Name and version of the type.
pub(crate) fn key(schema: &Value) -> (String, u64) {
    let name = schema.get("x-type").and_then(Value::as_str).unwrap_or_default().to_owned();
    (name, schema.get("x-version").and_then(Value::as_u64).unwrap_or(0))
}
