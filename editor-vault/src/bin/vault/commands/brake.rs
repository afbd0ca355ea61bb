//! `vault brake`: very many deletions, held back until a person has looked.

use editor_vault::{HeldDeletion, Vault};
use serde_json::{Value, json};

use crate::cli::BrakeCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;

pub(crate) fn run(vault: &Vault, command: &BrakeCommand, output: &mut Output) -> Result<(), Failure> {
    match command {
        BrakeCommand::List => list(vault, output),
        BrakeCommand::Release => {
            let released = vault.release_brake()?;
            let line = format!("{released} deletions are sent with the next sync");
            output.result(line, &json!({ "released": released }))
        }
        BrakeCommand::Undo => {
            let undone = vault.undo_brake()?;
            output.result(format_args!("{undone} documents are there again"), &json!({ "undone": undone }))
        }
    }
}

fn list(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let held = vault.brake()?;
    let json: Value = held.iter().map(json_of).collect();
    if held.is_empty() {
        return output.result("no deletion is held back", &json);
    }
    let mut table = Table::new(["DOCUMENT", "NAME"]);
    for deletion in &held {
        let name = deletion.title.clone().or_else(|| deletion.type_name.clone()).unwrap_or_default();
        table.row([deletion.document.to_string(), name]);
    }
    output.result(table, &json)
}

fn json_of(deletion: &HeldDeletion) -> Value {
    json!({ "space": deletion.space.to_string(), "id": deletion.document.to_string(), "type": deletion.type_name,
        "title": deletion.title })
}
