//! `sync-server account`: people.

use std::process::ExitCode;

use super::{Admin, Outcome, say, shown_time};

/// `account …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Creates an account with its personal space, and prints the account's id
    Create {
        /// Its name, as used by the other commands
        name: String,
    },
    /// Lists accounts: id, name, personal space, time of creation
    List,
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::Create { name } => say(admin.storage.create_account(&name).await?.id)?,
        Command::List => {
            for account in admin.storage.accounts().await? {
                let created = shown_time(account.created_at);
                say(format_args!("{}\t{}\t{}\t{created}", account.id, account.name, account.personal_space))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
