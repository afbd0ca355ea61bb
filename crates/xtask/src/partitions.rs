//! `cargo xtask partitions`: the network between live vaults and a real relay fails in every way, as often as one
//! likes.
//!
//! The partitions are end-to-end tests, which go through 40 in every run; this asks them for more and for longer ones.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often the network between embedded vaults and a relay fails; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: u64,
    /// How often the kernel's own network between two programs fails, which needs root; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 40)]
    namespaces: u64,
    /// How long a partition lasts at most
    #[arg(long, value_name = "S", default_value_t = 60)]
    longest_seconds: u64,
    /// Where chance comes from [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let settings = [
        ("PARTITIONS", Some(args.count)),
        ("PARTITIONS_NAMESPACES", Some(args.namespaces)),
        ("PARTITIONS_LONGEST_SECONDS", Some(args.longest_seconds)),
        ("PARTITIONS_SEED", args.seed),
    ];
    workspace.run_family("partitions", &settings)?;
    Ok(ExitCode::SUCCESS)
}
