//! The command line. Each command has its file; this one has what they share: arguments, exit codes, errors.
//!
//! Exit codes: 0 done, 1 failed (with `error[code]: …` on standard error), 2 used wrongly.

mod serve; // the relay
mod account; // people
mod token; // their credentials
mod device; // installations
mod space; // spaces and grants
mod namespace; // who publishes document types
mod types; // and which
mod backup; // a copy, while it runs
mod doctor; // what is wrong, if anything, at a quick look
mod verify; // and at a thorough one
mod explain; // why a document is in the state it is in
mod repair; // a held document goes on
mod quarantine; // what was refused, and why
mod config; // what is configured

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use relay_storage::{Account, Storage};

use crate::config::{Config, ConfigError, Flags};
use crate::data_directory;
use crate::explain::shown_time;
use crate::relay::author::handle::HandleError;
use crate::server;

/// The relay of Symphony Vault.
#[derive(Debug, Parser)]
#[command(name = "sync-server", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which relay is meant.
#[derive(Debug, clap::Args)]
struct Place {
    /// Data directory of the relay
    #[arg(long, global = true, value_name = "DIR", env = "SYNC_SERVER_DATA")]
    data: Option<PathBuf>,
    /// What keeps its state: sqlite:PATH, a relative path being below the data directory
    #[arg(long, global = true, value_name = "URL")]
    storage: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the relay until SIGTERM or SIGINT
    Serve(serve::Args),
    /// Accounts: one for each person
    #[command(subcommand)]
    Account(account::Command),
    /// Tokens: what a device logs in with
    #[command(subcommand)]
    Token(token::Command),
    /// Spaces, who may do what in them, and how they are called
    #[command(subcommand)]
    Space(space::Command),
    /// Namespaces: who may publish document types
    #[command(subcommand)]
    Namespace(namespace::Command),
    /// Document types of third parties
    #[command(subcommand)]
    Type(types::Command),
    /// Devices: installations that have connected
    #[command(subcommand)]
    Device(device::Command),
    /// Writes a verified copy of the database, also while the relay runs
    Backup(backup::Args),
    /// Looks for what is wrong, without reading what the documents say; 0 if nothing is
    Doctor,
    /// Reads and checks everything: every change, chain, snapshot and projection; 0 if nothing is wrong
    Verify(verify::Args),
    /// Says why a document is in the state it is in
    Explain(explain::Args),
    /// Lets a held document go on without the changes that fail its check
    Repair(repair::Args),
    /// Changes that were refused
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// The effective configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Prints the description of the HTTP interface
    #[command(hide = true)]
    Openapi,
}

/// Why a command failed: a stable code, and a sentence that names the value, the rule and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct CommandError {
    code: &'static str,
    detail: String,
}

impl CommandError {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

macro_rules! coded {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                Self::new(error.code(), error.to_string())
            }
        })*
    };
}
coded!(
    data_directory::DirectoryError,
    server::StartError,
    HandleError,
    relay_storage::StorageError,
    relay_storage::AccountError,
    relay_storage::SpaceError,
    relay_storage::NamespaceError,
    relay_storage::BackupError,
);

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::new("config_invalid", error.to_string())
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::new("io", error.to_string())
    }
}

type Outcome = Result<ExitCode, CommandError>;

/// Runs a command.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let Cli { place, command } = cli;
    let outcome = match command {
        Command::Serve(args) => serve::run(&place, args),
        Command::Account(command) => administer(&place, Missing::Make, |admin| account::run(admin, command)),
        Command::Token(command) => administer(&place, Missing::Refuse, |admin| token::run(admin, command)),
        Command::Space(command) => administer(&place, Missing::Refuse, |admin| space::run(admin, command)),
        Command::Namespace(command) => administer(&place, Missing::Refuse, |admin| namespace::run(admin, command)),
        Command::Type(command) => administer(&place, Missing::Refuse, |admin| types::run(admin, command)),
        Command::Device(command) => administer(&place, Missing::Refuse, |admin| device::run(admin, command)),
        Command::Backup(args) => administer(&place, Missing::Refuse, |admin| backup::run(admin, args)),
        Command::Doctor => administer(&place, Missing::Refuse, doctor::run),
        Command::Verify(args) => administer(&place, Missing::Refuse, |admin| verify::run(admin, args)),
        Command::Explain(args) => administer(&place, Missing::Refuse, |admin| explain::run(admin, args)),
        Command::Repair(args) => administer(&place, Missing::Refuse, |admin| repair::run(admin, args)),
        Command::Quarantine(command) => administer(&place, Missing::Refuse, |admin| quarantine::run(admin, command)),
        Command::Config(command) => config::run(&place, &command),
        Command::Openapi => openapi(),
    };
    outcome.unwrap_or_else(|error| {
        remark(format_args!("error[{}]: {}", error.code, error.detail));
        ExitCode::FAILURE
    })
}

impl Place {
    fn directory(&self) -> Result<&PathBuf, CommandError> {
        self.data.as_ref().ok_or_else(|| {
            CommandError::new(
                "data_not_given",
                "which relay? name its data directory with --data DIR or SYNC_SERVER_DATA",
            )
        })
    }

    /// The effective configuration of the relay in `directory`.
    fn config(&self, directory: &std::path::Path, flags: Flags) -> Result<Config, CommandError> {
        let flags = Flags { storage: self.storage.clone(), ..flags };
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Ok(Config::load(directory, variables, flags)?)
    }
}

/// What an administrative command does if nothing is in its directory yet.
#[derive(Clone, Copy)]
enum Missing {
    /// Begins a relay there.
    Make,
    /// Refuses: a mistyped `--data` must not begin an empty relay.
    Refuse,
}

/// What administrative commands work with. They open the storage beside a running relay, which notices.
struct Admin {
    directory: PathBuf,
    config: Config,
    storage: Storage,
}

impl Admin {
    async fn account(&self, name: &str) -> Result<Account, CommandError> {
        self.storage.account_named(name).await?.ok_or_else(|| {
            let directory = self.directory.display();
            let remedy = "`sync-server account create` makes one";
            CommandError::new("account_unknown", format!("no account {name:?} in {directory}; {remedy}"))
        })
    }
}

fn administer<F>(place: &Place, missing: Missing, work: impl FnOnce(Admin) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let directory = place.directory()?;
    let directory = match missing {
        Missing::Make => data_directory::find_or_make(directory)?,
        Missing::Refuse => data_directory::find(directory)?,
    };
    let config = place.config(&directory, Flags::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let storage = server::open_storage(&directory, &config).await?;
        let outcome = work(Admin { directory, config, storage: storage.clone() }).await;
        storage.close().await;
        outcome
    })
}

fn openapi() -> Outcome {
    say(format_args!("{:#}", crate::api::openapi::description()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a line to standard output; the reader may be gone.
fn say(line: impl std::fmt::Display) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Writes a line to standard error. If that cannot be written there is nobody left to tell.
fn remark(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn data_and_storage_may_stand_after_any_command() {
        let cli = Cli::try_parse_from(["sync-server", "token", "create", "--account", "a", "--data", "d"]).unwrap();
        assert_eq!(cli.place.data, Some(PathBuf::from("d")));
    }
}
