//! `cargo xtask demo`: two devices that edit offline and converge through a relay, told as a story.
//!
//! It runs the programs that a user runs, in a temporary directory, and touches nothing else. The story itself is
//! `system_tests::demo`, which the end-to-end tests run too. Where the website can be built the relay has it, and a
//! link is printed that opens it, signed in.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use system_tests::Programs;
use system_tests::demo::{self, Scene};

use crate::website::Website;
use crate::workspace::{PROFILE, Workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leaves the relay running, and prints its URL and a token beside the link
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    println!("Building the two programs (the first time takes some minutes) …");
    Website::of(workspace).build_or_leave_out();
    workspace.build_binaries()?;
    let programs = Programs::in_directory(&workspace.target().join(PROFILE));
    let directory = tempfile::Builder::new().prefix("symphony vault demo ").tempdir()?;
    let Scene { relay, ada, .. } = demo::tell(&programs, directory.path())?;
    let link = relay.admin(&["account", "link", &ada.name])?;
    println!("\nThe website, signed in as {} (once, within 15 minutes):\n  {link}", ada.name);
    if args.keep {
        let url = relay.url();
        let process = relay.leave_running().context("the relay has ended by itself")?;
        println!("\nThe relay runs on, as process {process}, until you `kill {process}`.");
        println!("  URL    {url}\n  token  {}\n  files  {}", ada.token, directory.keep().display());
        println!("  try    curl -H 'Authorization: Bearer {}' {url}/api/v1/documents", ada.token);
    } else if std::io::stdin().is_terminal() {
        println!("Enter ends the relay; `--keep` leaves it running.");
        std::io::stdin().read_line(&mut String::new())?;
    } else {
        println!("The relay ends with this; `--keep` leaves it running.");
    }
    Ok(ExitCode::SUCCESS)
}
