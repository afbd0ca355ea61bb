//! `vault quarantine`: edits that the relay refused, and what becomes of them.

use std::fmt::Write as _;

use editor_vault::{FateCode, Quarantined, Refused, Vault};
use serde_json::{Value, json};

use super::document;
use super::history::difference_lines;
use crate::cli::{QuarantineCommand, QuarantinedArgument};
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;
use crate::time::iso;

/// Characters of an id that a list shows: enough to tell edits of one vault apart.
const CHARACTERS_SHOWN: usize = 12;

pub(crate) fn run(vault: &Vault, command: &QuarantineCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        QuarantineCommand::List => list(vault, output),
        QuarantineCommand::Show(edit) => show(vault, edit, output),
        QuarantineCommand::Resubmit(edit) => {
            let found = vault.quarantine().find(&edit.id)?;
            vault.quarantine().resubmit(found.id)?;
            done(vault, output, "resubmitted", &found, &json!({ "resubmitted": true }))
        }
        QuarantineCommand::Copy { edit, name } => {
            let found = vault.quarantine().find(&edit.id)?;
            let copy = vault.quarantine().copy(found.id, name.as_deref())?;
            let json = json!({ "copy": copy.id().to_string(), "space": copy.space().to_string() });
            done(vault, output, &format!("copied into document {}:", copy.id()), &found, &json)
        }
        QuarantineCommand::Export { edit, file } => {
            let found = vault.quarantine().find(&edit.id)?;
            vault.quarantine().export(found.id, file)?;
            let path = file.display().to_string();
            done(vault, output, &format!("wrote {path}:"), &found, &json!({ "file": path }))
        }
        QuarantineCommand::Discard(edit) => {
            let found = vault.quarantine().find(&edit.id)?;
            vault.quarantine().discard(found.id)?;
            done(vault, output, "discarded", &found, &json!({ "discarded": true }))
        }
    }
}

/// `vault squash`: parked edits said in one go, which leaves them here.
pub(crate) fn squash(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = document::find(vault, name)?;
    let squashed = vault.squash(&document)?;
    let (edits, before, after) = (squashed.edits, squashed.bytes_before, squashed.bytes_after);
    let json =
        json!({ "document": document.id().to_string(), "edits": edits, "bytes_before": before, "bytes_after": after });
    output.result(format_args!("squashed {edits} edits of {name}: {before} bytes came to {after}"), &json)
}

fn list(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let found = vault.quarantine().list()?;
    let json: Value = found.iter().map(Quarantined::json).collect();
    if found.is_empty() {
        return output.result("nothing is in quarantine", &json);
    }
    let mut table = Table::new(["EDIT", "DOCUMENT", "TIME", "CODE", "REASON"]);
    for edit in found.iter().filter(|edit| edit.code != FateCode::SQUASHED) {
        let time = edit.unix_seconds.map_or_else(|| "-".to_owned(), iso);
        table.row([short(edit), called(vault, edit), time, edit.code.name().to_owned(), edit.detail.clone()]);
    }
    for (first, edits) in squashes(&found) {
        let time = first.unix_seconds.map_or_else(|| "-".to_owned(), iso);
        let reason = format!("{edits} edits were said in one go; `--json` lists each");
        table.row([short(first), called(vault, first), time, first.code.name().to_owned(), reason]);
    }
    output.result(table, &json)
}

/// What was squashed together stands in one line: its first edit, and how many there are.
fn squashes(found: &[Quarantined]) -> Vec<(&Quarantined, usize)> {
    let mut groups: Vec<(&Quarantined, usize)> = Vec::new();
    for edit in found.iter().filter(|edit| edit.code == FateCode::SQUASHED) {
        match groups.iter_mut().find(|(first, _)| (first.document, first.culprit) == (edit.document, edit.culprit)) {
            Some((_, edits)) => *edits += 1,
            None => groups.push((edit, 1)),
        }
    }
    groups
}

fn show(vault: &Vault, edit: &QuarantinedArgument, output: &mut Output) -> Result<(), Failure> {
    let found = vault.quarantine().find(&edit.id)?;
    let refused = vault.quarantine().show(found.id)?;
    let mut json = found.json();
    if let Value::Object(members) = &mut json {
        members.insert("refused".into(), refused.json());
    }
    let mut text = format!("edit {} of {}\n", found.id, called(vault, &found));
    let mut line = |name: &str, value: &str| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    let became = if found.code == FateCode::SQUASHED { "kept" } else { "refused" };
    line(became, &format!("{} ({})", found.code.name(), found.detail));
    if let Some(time) = found.unix_seconds {
        line("when", &iso(time));
    }
    if let Some(change) = found.continued_by {
        let how = if found.code == FateCode::SQUASHED { "with others" } else { "in part" };
        line("goes on", &format!("{how}, as change {change}"));
    }
    line("remedy", found.remedy);
    match &refused {
        Refused::Values(differences) if differences.is_empty() => text.push_str("it changed no values"),
        Refused::Values(differences) => text.push_str(&difference_lines(differences)),
        Refused::Deletion => text.push_str("it deleted the document"),
        Refused::Restoration => text.push_str("it restored the document"),
        Refused::Unreadable { detail } => text.push_str(&format!("it cannot be read: {detail}")),
        _ => text.push_str("it is of a kind that this program does not know"),
    }
    output.result(text, &json)
}

fn done(vault: &Vault, output: &mut Output, did: &str, edit: &Quarantined, more: &Value) -> Result<(), Failure> {
    let mut json = json!({ "id": edit.id.to_string(), "document": edit.document.to_string() });
    if let (Value::Object(members), Value::Object(more)) = (&mut json, more) {
        members.extend(more.clone());
    }
    output.result(format_args!("{did} edit {} of {}", short(edit), called(vault, edit)), &json)
}

fn short(edit: &Quarantined) -> String {
    edit.id.to_string().chars().take(CHARACTERS_SHOWN).collect()
}

/// What people call its document.
fn called(vault: &Vault, edit: &Quarantined) -> String {
    let is_well_known = |name: &&String| vault.schemas().get(name).is_some_and(|found| found.well_known);
    let name = edit.type_name.as_ref().filter(is_well_known).or(edit.title.as_ref());
    name.cloned().unwrap_or_else(|| edit.document.to_string())
}
