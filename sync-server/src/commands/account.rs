//! `sync-server account`: people, and how much of the logs they may fill.

use std::process::ExitCode;

use relay_storage::{Limits, Quota};

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
    /// Says how many bytes an account has in logs and may have, or gives it another quota, also while the relay runs
    Quota {
        /// The account
        name: String,
        /// Bytes that it may have, or `default`: what the configuration says
        #[arg(value_parser = parse_quota)]
        bytes: Option<Quota>,
    },
}

fn parse_quota(text: &str) -> Result<Quota, String> {
    if text == "default" {
        return Ok(Quota::Default);
    }
    text.parse().map(Quota::Bytes).map_err(|_| "expected a number of bytes, or default".to_owned())
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
        Command::Quota { name, bytes } => quota(&admin, &name, bytes).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn quota(admin: &Admin, name: &str, given: Option<Quota>) -> Result<(), super::CommandError> {
    let account = admin.account(name).await?.id;
    if let Some(quota) = given {
        admin.storage.set_quota(account, quota).await?;
    }
    let usage = admin.storage.usage(account).await?;
    let limits: &Limits = admin.storage.limits();
    let whose = if usage.quota.is_some() { "its own quota" } else { "limits.account_bytes_max" };
    say(format_args!("{} of {} bytes ({whose})", usage.bytes, usage.most(limits)))
}
