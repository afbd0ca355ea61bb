//! `vault conflicts` and `vault resolve`: values that were written concurrently to a field about which a person
//! decides.

use editor_vault::{ChangeHash, Conflict, ConflictValue, Document, Resolution, Vault};
use serde_json::{Value, json};

use super::document::find;
use super::history::{device, short};
use crate::cli::{ConflictsArguments, ResolveArguments};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;
use crate::time::iso;

/// Characters of a value that a list shows.
const VALUE_CHARACTERS_SHOWN: usize = 60;

pub(crate) fn list(vault: &Vault, arguments: &ConflictsArguments, output: &mut Output) -> Result<(), Failure> {
    let conflicts = match &arguments.name {
        None => vault.conflicts()?,
        Some(name) if arguments.overruled => find(vault, name)?.overruled()?,
        Some(name) => find(vault, name)?.conflicts()?,
    };
    let json: Value = conflicts.iter().map(json_of).collect();
    if conflicts.is_empty() {
        return output.result(if arguments.overruled { "no value was overruled" } else { "no conflicts" }, &json);
    }
    let mut table = Table::new(["DOCUMENT", "FIELD", "N", "VALUE", "TIME", "DEVICE", "CHANGE"]);
    for conflict in &conflicts {
        for (number, value) in (1..).zip(&conflict.values) {
            table.row(row(vault, conflict, number, value));
        }
    }
    if arguments.overruled {
        return output.result(table, &json);
    }
    let commands: Vec<_> = conflicts.iter().map(command).collect();
    output.result(format_args!("{table}\n\nN is kept by\n{}", commands.join("\n")), &json)
}

pub(crate) fn resolve(vault: &Vault, arguments: &ResolveArguments, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, &arguments.name)?;
    let conflict = conflict_at(&document, &arguments.path)?;
    is_as_seen(&conflict, arguments)?;
    let resolution = match (&arguments.value, arguments.keep) {
        (Some(value), _) => Resolution::Value(serde_json::from_str(value).map_err(|error| not_json(value, &error))?),
        (None, number) => Resolution::Keep(numbered(&conflict, number.unwrap_or_default())?.revision.hash),
    };
    let value = match &resolution {
        Resolution::Value(value) => value.clone(),
        Resolution::Keep(hash) => {
            conflict.values.iter().find(|one| one.revision.hash == *hash).map_or(Value::Null, |one| one.value.clone())
        }
    };
    document.resolve(&conflict, resolution)?;
    let json = json!({ "id": document.id().to_string(), "path": conflict.path, "value": value });
    output.result(format_args!("resolved {} of {}: {}", conflict.path, arguments.name, shown(&value)), &json)
}

/// A row of the list: document and field stand in the first of a conflict only.
fn row(vault: &Vault, conflict: &Conflict, number: usize, value: &ConflictValue) -> [String; 7] {
    let (document, field) = if number == 1 { (called(conflict), conflict.path.clone()) } else { Default::default() };
    let revision = &value.revision;
    let time = iso(revision.unix_seconds);
    [document, field, number.to_string(), shown(&value.value), time, device(vault, revision), short(revision.hash)]
}

fn called(conflict: &Conflict) -> String {
    let title = conflict.title.clone().or_else(|| conflict.type_name.clone());
    title.unwrap_or_else(|| conflict.document.to_string())
}

/// A whole value would push the rest off the screen; `--json` has it.
fn shown(value: &Value) -> String {
    if value.is_null() {
        return "(removed)".to_owned();
    }
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARACTERS_SHOWN {
        return text;
    }
    text.chars().take(VALUE_CHARACTERS_SHOWN - 1).chain(['…']).collect()
}

/// What settles a conflict as it is listed.
fn command(conflict: &Conflict) -> String {
    let seen: Vec<_> = conflict.values.iter().map(|value| short(value.revision.hash)).collect();
    let (id, path) = (conflict.document, quoted(&conflict.path));
    format!("  vault resolve {id} {path} --keep N --seen {}", seen.join(","))
}

/// For a shell, if it needs that.
pub(super) fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-~".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn conflict_at(document: &Document, path: &str) -> Result<Conflict, Failure> {
    let conflicts = document.conflicts()?;
    let is_it = |conflict: &&Conflict| conflict.path == path || conflict.stored_path == path;
    let found = conflicts.iter().find(is_it).cloned();
    found.ok_or_else(|| {
        let others: Vec<_> = conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
        let waiting = if others.is_empty() { "nothing".to_owned() } else { others.join(", ") };
        Failure::failed("no_conflict", format!("no conflict is at {path:?}; in this document {waiting} waits for you"))
    })
}

/// Whether the values are those that a list has shown.
fn is_as_seen(conflict: &Conflict, arguments: &ResolveArguments) -> Result<(), Failure> {
    let seen = &arguments.seen;
    let begins = |digits: &String, hash: ChangeHash| hash.to_string().starts_with(&digits.to_ascii_lowercase());
    let hashes: Vec<_> = conflict.values.iter().map(|value| value.revision.hash).collect();
    let are_same = seen.len() == hashes.len() && seen.iter().zip(&hashes).all(|(digits, hash)| begins(digits, *hash));
    if seen.is_empty() || are_same {
        return Ok(());
    }
    let now: Vec<_> = hashes.into_iter().map(short).collect();
    let sentence = format!(
        "{} has other values by now, written by {}: look at them with `vault conflicts`, and resolve again",
        conflict.path,
        now.join(", ")
    );
    Err(Failure::new(Exit::NeedsPerson, "conflict_moved", sentence))
}

fn numbered(conflict: &Conflict, number: usize) -> Result<&ConflictValue, Failure> {
    let found = number.checked_sub(1).and_then(|index| conflict.values.get(index));
    found.ok_or_else(|| {
        let sentence = format!(
            "{} has no value {number}, only 1 to {}: `vault conflicts` shows them",
            conflict.path,
            conflict.values.len()
        );
        Failure::new(Exit::Usage, "no_such_value", sentence)
    })
}

fn not_json(value: &str, error: &serde_json::Error) -> Failure {
    let sentence = format!("the value {value:?} is not JSON ({error}): write a string as '\"text\"'");
    Failure::new(Exit::Usage, "json", sentence)
}

fn json_of(conflict: &Conflict) -> Value {
    let values = (1..).zip(&conflict.values).map(|(number, ConflictValue { value, revision, .. }): (usize, _)| {
        json!({ "number": number, "value": value, "change": revision.hash.to_string(),
            "device": revision.device.map(|device| device.to_string()), "actor": revision.actor.to_string(),
            "unix_seconds": revision.unix_seconds, "time": iso(revision.unix_seconds) })
    });
    json!({ "space": conflict.space.to_string(), "id": conflict.document.to_string(), "type": conflict.type_name,
        "title": conflict.title, "path": conflict.path, "stored_path": conflict.stored_path,
        "values": values.collect::<Vec<_>>() })
}
