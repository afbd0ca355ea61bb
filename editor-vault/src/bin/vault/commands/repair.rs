//! `vault repair`: the owner lets a held document go on.

use std::fmt::Write as _;

use editor_vault::{ConnectError, Connection, Repair, RepairError, RepairMode, Vault};
use serde_json::json;

use crate::cli::RepairArguments;
use crate::commands::document;
use crate::failure::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(vault: &Vault, arguments: &RepairArguments, output: &mut Output) -> Result<(), Failure> {
    let found = document::find(vault, &arguments.name)?;
    let login = vault.login_stored()?.ok_or_else(|| ConnectError::NotLoggedIn { path: vault.path().to_owned() })?;
    let mode = if arguments.dry_run { RepairMode::DryRun } else { RepairMode::Repair };
    let connection = Connection::new(login.url).token(login.token);
    let repair = vault.repair(&connection, &found, mode, arguments.hash)?;
    output.result(as_text(&repair).trim_end(), &json!(repair))
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Connect(error) => error.into(),
            RepairError::Offline { .. } => Self::new(Exit::Offline, "offline", error),
            error => Self::failed(error.code().to_owned(), error),
        }
    }
}

fn as_text(repair: &Repair) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    if let Some(reason) = &repair.held {
        line("held", reason);
    }
    for change in &repair.excluded {
        line("excluded", &format!("{} of device {}: {}", change.hash, change.device, change.reason));
    }
    for change in &repair.dependents {
        match &change.replaced_by {
            Some(by) => line("written anew", &format!("{} as {by}, {} operations lost", change.hash, change.lost)),
            None => line("lost", &format!("{}: everything that it says rests on what is excluded", change.hash)),
        }
    }
    line("", "");
    let said = match repair.state.as_str() {
        "sound" => "the relay does not hold this document; nothing is to be repaired",
        "held" => "nothing was done; without --dry-run this is done",
        _ => "repaired; `vault sync` brings it here, and `vault quarantine list` has what was yours of it",
    };
    let _ = writeln!(text, "{said}");
    text.trim_start().to_owned()
}
