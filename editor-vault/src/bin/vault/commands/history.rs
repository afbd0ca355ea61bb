//! `vault log`, `diff`, `show --at`, `blame`, `restore`, `undo`, `redo`: what documents were, and taking back.

use editor_vault::{ChangeHash, Difference, Document, EditError, Revision, Vault};
use schemas::settings;
use serde_json::{Value, json};

use crate::cli::{BlameArguments, DiffArguments};
use crate::commands::document::find;
use crate::commands::settings::not_set;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;
use crate::time::iso;

/// Digits of a hash that are shown to people.
const DIGITS_SHOWN: usize = 12;

/// Shows every change of a document, the newest first.
pub(crate) fn log(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    let mut history = document.history()?;
    history.reverse();
    let json: Value = history.iter().map(revision_json).collect();
    if history.is_empty() {
        return output.result(format_args!("{name} was never changed"), &json);
    }
    let mut table = Table::new(["VERSION", "TIME", "DEVICE", "STEPS", "NOTE"]);
    for revision in &history {
        let note = revision.note.as_deref().map(short_note).unwrap_or_default();
        let time = iso(revision.unix_seconds);
        table.row([short(revision.hash), time, device(vault, revision), revision.ops.to_string(), note]);
    }
    output.result(table, &json)
}

/// Shows what differs between two versions; without the second, between one and now; without both, what the newest
/// change did.
pub(crate) fn diff(vault: &Vault, arguments: &DiffArguments, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, &arguments.name)?;
    let before = match &arguments.before {
        Some(named) => document.version(named)?,
        None => document.version("~1").or_else(|_| document.version("~0"))?,
    };
    let after = document.version(arguments.after.as_deref().unwrap_or("~0"))?;
    let differences = document.diff(&before, &after)?;
    let json: Value = differences
        .iter()
        .map(|Difference { path, before, after }| json!({ "path": path, "before": before, "after": after }))
        .collect();
    if differences.is_empty() {
        return output.result("no differences", &json);
    }
    output.result(difference_lines(&differences), &json)
}

/// Differences for people.
pub(super) fn difference_lines(differences: &[Difference]) -> String {
    differences.iter().flat_map(lines).collect::<Vec<_>>().join("\n")
}

/// The path, then what went and what came; of a text only the lines between what both begin and end with.
fn lines(difference: &Difference) -> Vec<String> {
    let mut lines = vec![difference.path.clone()];
    let (before, after) = (shown(difference.before.as_ref()), shown(difference.after.as_ref()));
    let same = |(left, right): &(&String, &String)| left == right;
    let start = before.iter().zip(&after).take_while(same).count();
    let (went, came) = (&before[start..], &after[start..]);
    let end = went.iter().rev().zip(came.iter().rev()).take_while(same).count();
    lines.extend(went[..went.len() - end].iter().map(|line| format!("- {line}")));
    lines.extend(came[..came.len() - end].iter().map(|line| format!("+ {line}")));
    lines
}

fn shown(value: Option<&Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        // A text of several lines line by line; anything else as the JSON that it is.
        Some(Value::String(text)) if text.contains('\n') => text.lines().map(str::to_owned).collect(),
        Some(value) => vec![value.to_string()],
    }
}

/// Shows which change gave each setting of a layer its value.
pub(crate) fn blame(vault: &Vault, arguments: &BlameArguments, output: &mut Output) -> Result<(), Failure> {
    let document = vault.well_known(settings::TYPE)?;
    let layer = arguments.layer.or_base();
    let below = match &arguments.key {
        Some(key) => {
            let stored = document.get(&layer.path())?;
            format!("{}{}", layer.path(), settings::resolve(stored.as_ref(), key))
        }
        None => layer.path(),
    };
    let mut blamed = document.blame()?;
    blamed.retain(|blame| blame.path.strip_prefix(&below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    if let Some(key) = arguments.key.as_ref().filter(|_| blamed.is_empty()) {
        return Err(not_set(&layer, key));
    }
    let key_of = |path: &str| key_of(path.strip_prefix(&layer.path()).unwrap_or(path));
    let json: Value = blamed
        .iter()
        .map(
            |blame| json!({ "key": key_of(&blame.path), "path": blame.path, "change": revision_json(&blame.revision) }),
        )
        .collect();
    if blamed.is_empty() {
        return output.result(format_args!("nothing is set in layer {layer}"), &json);
    }
    let mut table = Table::new(["KEY", "VERSION", "TIME", "DEVICE"]);
    for blame in &blamed {
        let revision = &blame.revision;
        let time = iso(revision.unix_seconds);
        table.row([key_of(&blame.path), short(revision.hash), time, device(vault, revision)]);
    }
    output.result(table, &json)
}

/// As `vault get` takes it: a key of the layer is literal, one inside another a pointer.
fn key_of(pointer: &str) -> String {
    match pointer.strip_prefix('/') {
        Some(key) if !key.contains('/') => key.replace("~1", "/").replace("~0", "~"),
        _ => pointer.to_owned(),
    }
}

/// Makes a document equal to what it was, as a new edit.
pub(crate) fn restore(vault: &Vault, name: &str, version: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    let is_changed = document.restore(&document.version(version)?)?;
    let json = json!({ "id": document.id().to_string(), "version": version, "changed": is_changed });
    let did = if is_changed { "restored" } else { "nothing to restore:" };
    output.result(format_args!("{did} {name} to {version}"), &json)
}

pub(crate) fn undo(vault: &Vault, name: Option<&str>, output: &mut Output) -> Result<(), Failure> {
    take_back(vault, name, "undid", Document::undo, output)
}

pub(crate) fn redo(vault: &Vault, name: Option<&str>, output: &mut Output) -> Result<(), Failure> {
    take_back(vault, name, "redid", Document::redo, output)
}

fn take_back(
    vault: &Vault,
    name: Option<&str>,
    did: &str,
    take_back: impl FnOnce(&Document) -> Result<ChangeHash, EditError>,
    output: &mut Output,
) -> Result<(), Failure> {
    let document = match name {
        Some(name) => find(vault, name)?,
        None => vault.last_edited()?.ok_or_else(|| {
            Failure::failed("nothing_to_undo", "no document of this vault was edited here: name one, or edit first")
        })?,
    };
    let target = take_back(&document)?;
    let called = name.map_or_else(|| called(vault, &document), |name| Ok(name.to_owned()))?;
    let json = json!({ "id": document.id().to_string(), "change": target.to_string() });
    output.result(format_args!("{did} {} of {called}", short(target)), &json)
}

/// What people call a document that they did not name.
fn called(vault: &Vault, document: &Document) -> Result<String, Failure> {
    let type_name = document.type_name()?.unwrap_or_default();
    let schema = vault.schemas().get(&type_name);
    let title = match schema.filter(|schema| !schema.well_known) {
        Some(schema) => schema.title(&document.value()?),
        None => None,
    };
    Ok(title.unwrap_or_else(|| if type_name.is_empty() { document.id().to_string() } else { type_name }))
}

fn revision_json(revision: &Revision) -> Value {
    json!({ "version": revision.hash.to_string(),
        "unix_seconds": revision.unix_seconds, "time": iso(revision.unix_seconds),
        "device": revision.device.map(|device| device.to_string()), "actor": revision.actor.to_string(),
        "ops": revision.ops, "note": revision.note,
        "deps": revision.deps.iter().map(ToString::to_string).collect::<Vec<_>>() })
}

pub(super) fn device(vault: &Vault, revision: &Revision) -> String {
    match revision.device {
        Some(device) if device == vault.device() => "this device".to_owned(),
        Some(device) => device.to_string(),
        None => "-".to_owned(),
    }
}

pub(super) fn short(hash: ChangeHash) -> String {
    hash.to_string().chars().take(DIGITS_SHOWN).collect()
}

/// Hashes in the notes of undo, redo and restore are as short as elsewhere.
fn short_note(note: &str) -> String {
    let word = |word: &str| word.parse().map_or_else(|_| word.to_owned(), short);
    note.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
