//! `cargo xtask soak`: a relay under load, killed every minute, restarted every five, once without room on its disk.
//! Says how many edits were acknowledged and read back in time, and whether anything grows; fails if that is too bad.
//!
//! It is an end-to-end test, which does the same in half a minute in every run; this asks it for more.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how long
    #[arg(long, value_name = "N", default_value_t = 10)]
    minutes: u64,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace.run_family("soak", &[("SOAK_SECONDS", Some(args.minutes * 60))])?;
    Ok(ExitCode::SUCCESS)
}
