//! The command `sync-server`. Only dispatches; each command has its file in `commands/`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    sync_server::commands::run(sync_server::commands::Cli::parse())
}
