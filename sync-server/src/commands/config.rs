//! `sync-server config`: what is configured.

use std::process::ExitCode;

use super::{Outcome, Place, say};
use crate::config::{Config, Flags};
use crate::data_directory;

/// `config …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Prints the effective values with their variables, as a file that could be used as it is
    Show,
    /// Prints the description of every field
    #[command(hide = true)]
    Reference,
}

pub(super) fn run(place: &Place, command: &Command) -> Outcome {
    match command {
        Command::Show => {
            let directory = data_directory::find(place.directory()?)?;
            say(place.config(&directory, Flags::default())?.to_toml().trim_end())?;
        }
        Command::Reference => say(Config::reference().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
