//! `cargo xtask hostile`: whoever means harm to a live relay, as much of it as one likes.
//!
//! All of it is end-to-end tests, of which every run has a smaller share; this asks them for more.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many frames with something wrong in them are sent
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    frames: u64,
    /// How many devices come back at once after a relay was killed
    #[arg(long, value_name = "N", default_value_t = 9000)]
    devices: u64,
    /// Where chance comes from [default: a new seed, which is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let settings =
        [("HOSTILE_FRAMES", Some(args.frames)), ("HOSTILE_DEVICES", Some(args.devices)), ("HOSTILE_SEED", args.seed)];
    workspace.run_family("hostile", &settings)?;
    Ok(ExitCode::SUCCESS)
}
