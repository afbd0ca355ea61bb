//! `sync-server verify`: the thorough look at everything that the relay keeps, and derived data made again.
//! `sync-server doctor` is the quick one.

use std::process::ExitCode;
use std::sync::Arc;

use relay_storage::{Finding, Project, Verified};
use schemas::Registry;
use sync_wire::SpaceId;

use super::{Admin, CommandError, Outcome, say, space};
use crate::data_directory;
use crate::relay::runtime::Runtime;
use crate::types;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this space: its id, or its name if only one space has it
    #[arg(long, value_name = "SPACE")]
    space: Option<String>,
    /// Drops and remakes snapshots, projections and counts first; never the log. The relay must not run
    #[arg(long)]
    rebuild: bool,
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    let only = match &args.space {
        Some(space) => Some(space::find(&admin, space).await?.id),
        None => None,
    };
    let known = types::read(&admin.storage, Runtime::Tokio, Registry::builtin()).await?;
    let project = types::projecting(Arc::new(known));
    if args.rebuild {
        rebuild(&admin, only, &project).await?;
    }
    let Verified { findings, spaces, documents, entries } = admin.storage.verify(only, &project).await?;
    let looked_at = format!("{entries} entries of {documents} documents in {spaces} spaces");
    if findings.is_empty() {
        say(format_args!("{looked_at}: nothing is wrong"))?;
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &findings {
        say(shown(finding))?;
    }
    say(format_args!("{looked_at}: {} findings", findings.len()))?;
    Ok(ExitCode::FAILURE)
}

async fn rebuild(admin: &Admin, only: Option<SpaceId>, project: &Project) -> Result<(), CommandError> {
    // A relay that runs remembers what was there, and would write it back.
    let lock = data_directory::lock(&admin.directory)?;
    let rebuilt = admin.storage.rebuild(only, project).await?;
    drop(lock);
    let (documents, snapshots, projections) = (rebuilt.documents, rebuilt.snapshots, rebuilt.projections);
    say(format_args!("rebuilt {documents} documents: {snapshots} snapshots, {projections} projections"))
}

/// A finding on one line, with what to do.
pub(super) fn shown(finding: &Finding) -> String {
    format!("{}: {}; {}", finding.code, finding.detail, finding.remedy())
}
