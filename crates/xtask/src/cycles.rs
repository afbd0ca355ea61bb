//! `cargo xtask cycles`: a relay put back to a backup under live devices, a vault put back to an older copy, a vault
//! cloned, as often as one likes.
//!
//! The loops are end-to-end tests, which go through a few cycles in every run; this asks them for more.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

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
    let settings = [
        ("CYCLES_RELAY_RESTORED", Some(args.relay_restored)),
        ("CYCLES_VAULT_RESTORED", Some(args.vault_restored)),
        ("CYCLES_VAULT_CLONED", Some(args.vault_cloned)),
        ("CYCLES_SEED", args.seed),
    ];
    workspace.run_family("cycles", &settings)?;
    Ok(ExitCode::SUCCESS)
}
