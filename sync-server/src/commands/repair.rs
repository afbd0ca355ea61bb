//! `sync-server repair`: lets a held document go on without the changes that fail its check.

use std::fmt::Write as _;
use std::process::ExitCode;

use sync_wire::{ChangeHash, DocumentId, LogPosition};

use super::{Admin, CommandError, Outcome, say, space};
use crate::repair::{self, Plan, RepairError, Target};

/// Arguments of `repair`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the space, or its name if only one space has it
    space: String,
    /// Id of the document
    document: DocumentId,
    /// Excludes this change, whatever the check says of it; may be given more than once
    #[arg(long, value_name = "HASH")]
    hash: Vec<ChangeHash>,
    /// Only shows what would be excluded, and what stands in the place of what rests on it
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Does it; what is excluded stays in the log for export, and never comes back into the document
    #[arg(long)]
    yes: bool,
}

impl From<RepairError> for CommandError {
    fn from(error: RepairError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    let Args { space, document, hash, dry_run, yes } = args;
    let space = space::find(&admin, &space).await?.id;
    let target = Target { space, document, named: hash };
    let Some(ground) = repair::read(&admin.storage, &target).await? else {
        say(format_args!("document {document} is not held; nothing is to be repaired"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let plan = ground.plan(&target)?;
    say(shown(&plan).trim_end())?;
    if dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !yes {
        let detail = "nothing was done; give --yes to do what is shown above";
        return Err(CommandError::new("not_confirmed", detail));
    }
    let voided = repair::carry_out(&admin.storage, &plan).await?;
    say(format_args!("repaired     at {}; the relay checks the document within moments", voided.at))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let state = &plan.state;
    let at = |position| LogPosition { position, ..state.end };
    line("document", format!("{} of space {}", state.document, state.space));
    line("held", state.held.clone().unwrap_or_else(|| "no".to_owned()));
    line("checked", format!("up to {}; that stays as it is", at(state.checked)));
    for change in &plan.excluded {
        let place = format!("{} at {} of device {}", change.hash, at(change.position), change.device);
        line("excluded", format!("{place}: {}", change.reason));
    }
    for change in &plan.dependents {
        let place = format!("{} at {} of device {}", change.hash, at(change.position), change.device);
        match change.by {
            Some(by) if change.lost == 0 => line("written anew", format!("{place} as {by}")),
            Some(by) => line("written anew", format!("{place} as {by}, without {} operations", change.lost)),
            None => line("lost", format!("{place}: everything that it says rests on what is excluded")),
        }
    }
    if plan.excluded.is_empty() {
        line("excluded", "nothing: the document passes its check now, and is released".to_owned());
    }
    text
}
