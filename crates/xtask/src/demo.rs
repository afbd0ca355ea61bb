//! `cargo xtask demo`: two devices that edit offline and converge through a relay, told as a story.
//!
//! It runs the programs that a user runs, in a temporary directory, and touches nothing else. The story itself is
//! `system_tests::demo`, which the end-to-end tests run too.

use std::process::ExitCode;

use anyhow::{Context, Result};
use system_tests::Programs;
use system_tests::demo::{self, Scene};

use crate::workspace::{PROFILE, Workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leaves the relay running, and prints its URL and a token
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    println!("Building the two programs (the first time takes some minutes) …");
    workspace.build_binaries()?;
    let programs = Programs::in_directory(&workspace.target().join(PROFILE));
    let directory = tempfile::Builder::new().prefix("symphony vault demo ").tempdir()?;
    let Scene { relay, ada, .. } = demo::tell(&programs, directory.path())?;
    if args.keep {
        let url = relay.url();
        let process = relay.leave_running().context("the relay has ended by itself")?;
        println!("\nThe relay runs on, as process {process}, until you `kill {process}`.");
        println!("  URL    {url}\n  token  {}\n  files  {}", ada.token, directory.keep().display());
        println!("  try    curl -H 'Authorization: Bearer {}' {url}/api/v1/documents", ada.token);
    }
    Ok(ExitCode::SUCCESS)
}
