//! `cargo xtask processes`: eight processes on one vault, which edit, sync, checkpoint and are killed, for as long as
//! one likes.
//!
//! It is an end-to-end test, which goes on for half a minute in every run; this asks it for more.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how long; each minute begins with a new vault
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
    /// A directory with the `vault` of an older release, which takes part
    #[arg(long, value_name = "DIRECTORY")]
    older: Option<PathBuf>,
    /// Where chance comes from [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    let settings = [("PROCESSES_SECONDS", Some(args.minutes * 60)), ("PROCESSES_SEED", args.seed)];
    let older = args.older.map(|older| ("PROCESSES_OLDER", older));
    workspace.run_family_with("processes", &settings, older)?;
    Ok(ExitCode::SUCCESS)
}
