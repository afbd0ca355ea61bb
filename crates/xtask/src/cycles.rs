//! `cargo xtask cycles`: a relay put back to a backup under live devices, a vault put back to an older copy, a vault
//! cloned, as often as one likes.
//!
//! The loops are end-to-end tests, which go through a few cycles in every run; this asks them for more.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{PROFILE, Workspace, succeed};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often a relay is put back to a backup; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20)]
    relay_restored: u64,
    /// How often a vault is put back to an older copy; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20)]
    vault_restored: u64,
    /// How often a vault is cloned; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20)]
    vault_cloned: u64,
    /// Where chance comes from [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace.build_binaries()?;
    let test = ["test", "--quiet", "--profile", PROFILE, "--package", "system-tests", "--test", "end_to_end", "--"];
    let mut command = workspace.cargo(&test);
    command.args(["cycles::", "--nocapture"]);
    command
        .env("CYCLES_RELAY_RESTORED", args.relay_restored.to_string())
        .env("CYCLES_VAULT_RESTORED", args.vault_restored.to_string())
        .env("CYCLES_VAULT_CLONED", args.vault_cloned.to_string());
    if let Some(seed) = args.seed {
        command.env("CYCLES_SEED", seed.to_string());
    }
    succeed(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
