//! `vault contested`: deletions that did not know the newest edits of others.

use editor_vault::{ContestedDeletion, Decision, Vault};
use serde_json::{Value, json};

use super::document::find;
use crate::cli::ContestedCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(crate) fn run(vault: &Vault, command: &ContestedCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        ContestedCommand::List => list(vault, output),
        ContestedCommand::Delete(document) => {
            decide(vault, &document.name, Decision::Delete)?;
            let name = &document.name;
            output.result(format_args!("deleted {name}, as it is now"), &json!({ "deleted": true }))
        }
        ContestedCommand::Keep(document) => {
            decide(vault, &document.name, Decision::Keep)?;
            output.result(format_args!("kept {}", document.name), &json!({ "deleted": false }))
        }
    }
}

fn decide(vault: &Vault, name: &str, decision: Decision) -> Result<(), Failure> {
    Ok(vault.decide(&find(vault, name)?, decision)?)
}

fn list(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let contested = vault.contested()?;
    let json: Value = contested.iter().map(json_of).collect();
    if contested.is_empty() {
        return output.result("no deletion is contested", &json);
    }
    let mut table = Table::new(["DOCUMENT", "NAME", "REASON"]);
    for deletion in &contested {
        let name = deletion.title.clone().or_else(|| deletion.type_name.clone()).unwrap_or_default();
        table.row([deletion.document.to_string(), name, deletion.detail.clone()]);
    }
    output.result(table, &json)
}

fn json_of(deletion: &ContestedDeletion) -> Value {
    json!({ "space": deletion.space.to_string(), "id": deletion.document.to_string(), "type": deletion.type_name,
        "title": deletion.title, "detail": deletion.detail })
}
