//! `vault new`, `edit`, `show`, `list`, `delete`: documents.

use editor_vault::{Document, DocumentInfo, ListFilter, Vault};
use schemas::{keymap, settings};
use serde_json::{Value, json};

use crate::cli::{ListArguments, NewArguments, ShowArguments};
use crate::commands::editor::Editing;
use crate::commands::{space, status};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;

/// The text of a note.
const BODY: &str = "/body";
const NOTE: &str = "note";

pub(crate) fn new(vault: &Vault, arguments: &NewArguments, output: &mut Output) -> Result<(), Failure> {
    let type_name = arguments.type_name.as_str();
    check_title(vault, type_name, &arguments.name)?;
    let space = arguments.space.as_deref().map(|name| space::find(vault, name)).transpose()?;
    let document = vault.create(type_name, Some(&arguments.name), space)?;
    let (id, space) = (document.id().to_string(), document.space().to_string());
    let json = json!({ "id": id, "space": space, "type": type_name, "title": arguments.name });
    output.result(format_args!("made {type_name} {:?}\n{id}", arguments.name), &json)
}

/// A name that its type does not allow is refused before anything is made.
fn check_title(vault: &Vault, type_name: &str, title: &str) -> Result<(), Failure> {
    let Some(schema) = vault.schemas().get(type_name) else { return Ok(()) };
    let Some(path) = schema.title_path() else { return Ok(()) };
    let mut violations = schema.check(&json!({ path.trim_start_matches('/'): title }));
    violations.retain(|violation| violation.path == path);
    if violations.is_empty() { Ok(()) } else { Err(Failure::violations(&format!("the new {type_name}"), &violations)) }
}

/// Puts the text of a note into the user's editor, and what the user changed into the note.
pub(crate) fn edit(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    if document.type_name()?.as_deref() != Some(NOTE) {
        let sentence = format!("{name:?} is not a note and has no text to edit: use `vault set` or `vault import`");
        return Err(Failure::failed("not_a_note", sentence));
    }
    let before = document.text(BODY)?.unwrap_or_default();
    let (editing, after) = Editing::of(&document.id().to_string(), &before)?;
    if after != before {
        save(&document, &before, &after).map_err(|failure| editing.kept(failure))?;
    }
    editing.done();
    let did = if after == before { "left unchanged" } else { "saved" };
    output
        .result(format_args!("{did}: {name}"), &json!({ "id": document.id().to_string(), "changed": after != before }))
}

/// Makes the change that the user made to `before` in the text as it is now: another program may have changed it
/// while the editor was open.
fn save(document: &Document, before: &str, after: &str) -> Result<(), Failure> {
    let is_saved = document.edit(|draft| {
        let now = draft.text(BODY).unwrap_or_default();
        match carried_over(before, after, &now) {
            Some(text) => draft.replace_text(BODY, &text).map(|()| true),
            None => Ok(false),
        }
    })?;
    if is_saved {
        return Ok(());
    }
    let sentence = "the same part of the note was changed elsewhere while the editor was open, so nothing was \
                    saved: edit it again";
    Err(Failure::new(Exit::NeedsPerson, "changed_meanwhile", sentence))
}

/// `now` with the change from `before` to `after`; nothing if `now` changed at the same place.
fn carried_over(before: &str, after: &str, now: &str) -> Option<String> {
    if now == before {
        return Some(after.to_owned());
    }
    let (ours, theirs) = (changed_part(before, after), changed_part(before, now));
    let insert = &after[ours.start..after.len() - (before.len() - ours.end)];
    let shift_from = if ours.end <= theirs.start {
        ours.start
    } else if theirs.end <= ours.start {
        now.len() - (before.len() - ours.start)
    } else {
        return None;
    };
    let mut text = now.to_owned();
    text.replace_range(shift_from..shift_from + ours.len(), insert);
    Some(text)
}

/// The bytes of `before` that `after` does not have, between what both begin and end with.
fn changed_part(before: &str, after: &str) -> std::ops::Range<usize> {
    let same = |(a, b): &(char, char)| a == b;
    let start: usize = before.chars().zip(after.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let (rest, other) = (&before[start..], &after[start..]);
    let tail: usize = rest.chars().rev().zip(other.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    start..before.len() - tail
}

/// The text of a note as it is, everything else as JSON; with `--json` everything that is known.
pub(crate) fn show(vault: &Vault, arguments: &ShowArguments, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, &arguments.name)?;
    let type_name = document.type_name()?;
    let mut value = match &arguments.at {
        Some(named) => document.plain_at(&document.version(named)?)?,
        None => document.plain()?,
    };
    // How a file looks is for `vault export`, which writes the file.
    if let (Some(settings::TYPE | keymap::TYPE), Some(fields)) = (type_name.as_deref(), value.as_object_mut()) {
        fields.remove("layout");
    }
    let title = type_name.as_deref().and_then(|name| vault.schemas().get(name)?.title(&value));
    let text = match value.pointer(BODY) {
        Some(Value::String(text)) if type_name.as_deref() == Some(NOTE) => text.clone(),
        _ => format!("{value:#}"),
    };
    let json = json!({ "space": document.space().to_string(), "id": document.id().to_string(), "type": type_name,
        "title": title, "status": status::of_document(&document.status()?), "version": arguments.at, "value": value });
    output.result(text.strip_suffix('\n').unwrap_or(&text), &json)
}

pub(crate) fn list(vault: &Vault, arguments: &ListArguments, output: &mut Output) -> Result<(), Failure> {
    let filter = ListFilter {
        space: arguments.space.as_deref().map(|name| space::find(vault, name)).transpose()?,
        type_name: arguments.type_name.clone(),
        include_deleted: arguments.deleted,
    };
    let documents = vault.list(&filter)?;
    let json: Value = documents.iter().map(info_json).collect();
    if documents.is_empty() {
        return output.result("no documents", &json);
    }
    let names = status::space_names(vault)?;
    let mut table = Table::new(["ID", "TYPE", "NAME", "STATE", "SPACE"]);
    for info in &documents {
        let name = info.title.clone().or_else(|| info.type_name.clone()).unwrap_or_default();
        let type_name = info.type_name.clone().unwrap_or_else(|| "-".to_owned());
        let space = names.get(&info.space).cloned().unwrap_or_else(|| info.space.to_string());
        table.row([info.id.to_string(), type_name, name, status::word(&info.status).to_owned(), space]);
    }
    output.result(table, &json)
}

fn info_json(info: &DocumentInfo) -> Value {
    json!({ "space": info.space.to_string(), "id": info.id.to_string(), "type": info.type_name, "title": info.title,
        "status": status::of_document(&info.status), "deleted": info.deleted, "bytes": info.bytes })
}

pub(crate) fn delete(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    vault.delete(&document)?;
    let is_held_back = vault.brake()?.iter().any(|held| held.document == document.id());
    let json = json!({ "space": document.space().to_string(), "id": document.id().to_string(), "deleted": true,
        "held_back": is_held_back });
    let note = if is_held_back { "; very many were deleted, so it is held back: see `vault brake list`" } else { "" };
    output.result(format_args!("deleted {name}{note}"), &json)
}

pub(crate) fn undelete(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = vault.find_deleted(name)?;
    vault.restore(&document)?;
    let json = json!({ "space": document.space().to_string(), "id": document.id().to_string(), "deleted": false });
    output.result(format_args!("brought {name} back"), &json)
}

/// A well-known document by the name of its type, any other by id or its only title.
pub(crate) fn find(vault: &Vault, name: &str) -> Result<Document, Failure> {
    // The vault may know more types than those that are built in.
    Ok(vault.well_known(name).or_else(|_| vault.find(name))?)
}

#[cfg(test)]
mod tests {
    use super::carried_over;

    #[test]
    fn a_change_made_meanwhile_is_kept() {
        for (before, after, now, expected) in [
            ("one two", "one three", "one two", Some("one three")),
            ("one two", "one three", "zero one two", Some("zero one three")),
            ("one two", "zero one two", "one two three", Some("zero one two three")),
            ("éa b", "éa c b", "é b", Some("é c b")),
            ("äöü", "äxöü", "äöüß", Some("äxöüß")),
            ("one two", "two", "one two three", Some("two three")),
            ("one two", "", "one 2", None),
            ("aaa", "aa", "aaaa", Some("aaa")),
            ("one two", "one 2", "one II", None),
        ] {
            assert_eq!(carried_over(before, after, now).as_deref(), expected, "{before:?} {after:?} {now:?}");
        }
    }
}
