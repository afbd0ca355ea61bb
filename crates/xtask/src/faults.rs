//! `cargo xtask faults`: system calls of the real programs that fail, one in each story, with a ledger of what was
//! promised.
//!
//! The stories are an end-to-end test, which goes through 600 of them in every run; this asks it for more. It needs
//! `strace`.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many faults have to happen
    #[arg(long, value_name = "N", default_value_t = 600)]
    points: u64,
    /// Every fault that there is, once
    #[arg(long, conflicts_with = "points")]
    all: bool,
    /// Only those whose name contains this, as `Sync: fdatasync 3`
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// In which order they come [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    let points = if args.all { u64::MAX } else { args.points };
    let only = args.only.map(|only| ("FAULTS_ONLY", only));
    workspace.run_family_with("injected", &[("FAULTS_POINTS", Some(points)), ("FAULTS_SEED", args.seed)], only)?;
    Ok(ExitCode::SUCCESS)
}
