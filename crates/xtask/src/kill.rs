//! `cargo xtask kill`: `kill -9` of the vault and the relay, as often as one likes, with a ledger in another process.
//!
//! The loops are end-to-end tests, which kill each 200 times in every run; this asks them for more.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often the vault is killed; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 200)]
    vault: u64,
    /// How often the relay is killed; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 200)]
    relay: u64,
    /// Where the instants come from [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let settings = [("KILL_VAULT", Some(args.vault)), ("KILL_RELAY", Some(args.relay)), ("KILL_SEED", args.seed)];
    workspace.run_family("kill", &settings)?;
    Ok(ExitCode::SUCCESS)
}
