//! The `vault` command: a vault from the command line. This file only dispatches; `cli` has the arguments, and each
//! file of `commands` one small family of commands.

mod cli; // start here
mod commands;
mod failure; // what went wrong, and the exit code
mod output; // for people, or as JSON
mod place; // which vault
mod table;
mod time;
mod types; // document types of third parties

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::{
    brake, bridge, care, completions, conflicts, contested, document, explain, export, find, history, import, login,
    patch, presence, publication, quarantine, repair, schema, settings, status, sync, types as type_files,
};
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    ::document::quiet_panics();
    start_logs();
    let cli = Cli::parse();
    let mut output = Output::new(cli.json);
    match dispatch(&cli, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(cli: &Cli, output: &mut Output) -> Result<(), Failure> {
    match &cli.command {
        Command::Init => care::init(&place::directory(cli)?, output),
        Command::Salvage { into } => care::salvage(&place::directory(cli)?, into, output),
        Command::Completions { shell } => completions::print(*shell, output),
        Command::Schema { command } => schema::run(command, output),
        command => in_vault(command, &place::open(cli)?, output),
    }
}

/// Everything that needs a vault that is there already.
fn in_vault(command: &Command, vault: &editor_vault::Vault, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Import(arguments) => import::run(vault, arguments, output),
        Command::Get(arguments) => settings::get(vault, arguments, output),
        Command::Set(arguments) => settings::set(vault, arguments, output),
        Command::Unset(arguments) => settings::unset(vault, arguments, output),
        Command::New(arguments) => document::new(vault, arguments, output),
        Command::Patch(arguments) => patch::run(vault, arguments, output),
        Command::Edit { name } => document::edit(vault, name, output),
        Command::Show(arguments) => document::show(vault, arguments, output),
        Command::Log { name } => history::log(vault, name, output),
        Command::Diff(arguments) => history::diff(vault, arguments, output),
        Command::Blame(arguments) => history::blame(vault, arguments, output),
        Command::Restore { name, version } => history::restore(vault, name, version, output),
        Command::Undo { name } => history::undo(vault, name.as_deref(), output),
        Command::Redo { name } => history::redo(vault, name.as_deref(), output),
        Command::List(arguments) => document::list(vault, arguments, output),
        Command::Find(arguments) => find::find(vault, arguments, output),
        Command::Search(arguments) => find::search(vault, arguments, output),
        Command::Delete { name } => document::delete(vault, name, output),
        Command::Undelete { name } => document::undelete(vault, name, output),
        Command::Conflicts(arguments) => conflicts::list(vault, arguments, output),
        Command::Resolve(arguments) => conflicts::resolve(vault, arguments, output),
        Command::Publication { name } => publication::run(vault, name, output),
        Command::Contested { command } => contested::run(vault, command, output),
        Command::Brake { command } => brake::run(vault, command, output),
        Command::Spaces => status::spaces(vault, output),
        Command::Export(arguments) => export::run(vault, arguments, output),
        Command::Bridge(arguments) => bridge::run(vault, arguments, output),
        Command::Login(arguments) => login::login(vault, arguments, output),
        Command::Logout => login::logout(vault, output),
        Command::Sync(arguments) => sync::run(vault, arguments, output),
        Command::Status => status::status(vault, output),
        Command::Presence(arguments) => presence::run(vault, arguments, output),
        Command::Squash { name } => quarantine::squash(vault, name, output),
        Command::Quarantine { command } => quarantine::run(vault, command, output),
        Command::Repair(arguments) => repair::run(vault, arguments, output),
        Command::Backup { file } => care::backup(vault, file, output),
        Command::Doctor => care::doctor(vault, output),
        Command::Verify(arguments) => care::verify(vault, arguments, output),
        Command::Explain { name } => explain::run(vault, name, output),
        Command::Type { command } => type_files::run(vault, command, output),
        Command::Init | Command::Salvage { .. } | Command::Completions { .. } | Command::Schema { .. } => {
            unreachable!("dispatched before a vault is opened")
        }
    }
}

/// Logs go to standard error, and only when `VAULT_LOG` asks for them (for example `VAULT_LOG=info`).
fn start_logs() {
    if std::env::var_os("VAULT_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_env("VAULT_LOG");
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // A line that cannot be written would be lamented with `eprintln`, which then panics.
        builder.log_internal_errors(false).init();
    }
}
