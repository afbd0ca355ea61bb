//! `sync-server account`: people, how they sign in, and how much of the logs they may fill.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::ExitCode;

use relay_storage::{AccountRole, Limits, Quota};
use sync_wire::AccountId;

use super::{Admin, CommandError, Outcome, remark, say, shown_time};
use crate::data_directory;

/// `account …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Creates an account with its personal space, and prints the account's id; on standard error a link that signs a
    /// browser in
    Create {
        /// Its name, as used by the other commands
        name: String,
    },
    /// Lists accounts: id, name, personal space, time of creation, role
    List,
    /// Prints a link that signs a browser in, once and within 15 minutes
    Link {
        /// The account
        name: String,
    },
    /// Makes an account an operator, who may look at the whole relay, or a user like others
    Role {
        /// The account
        name: String,
        /// `operator` or `user`
        role: AccountRole,
    },
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
        Command::Create { name } => create(&admin, &name).await?,
        Command::List => {
            for account in admin.storage.accounts().await? {
                let created = shown_time(account.created_at);
                let (id, space, role) = (account.id, account.personal_space, account.role);
                say(format_args!("{id}\t{}\t{space}\t{created}\t{role}", account.name))?;
            }
        }
        Command::Link { name } => {
            let account = admin.account(&name).await?.id;
            say(link(&admin, account).await?)?;
        }
        Command::Role { name, role } => {
            let account = admin.account(&name).await?.id;
            admin.storage.set_account_role(account, role).await?;
        }
        Command::Quota { name, bytes } => quota(&admin, &name, bytes).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(admin: &Admin, name: &str) -> Result<(), CommandError> {
    let account = admin.storage.create_account(name).await?.id;
    say(account)?;
    // The account is there, whatever becomes of the link.
    match link(admin, account).await {
        Ok(link) => remark(format_args!("a browser signs in with this link, once and within 15 minutes:\n{link}")),
        Err(error) => remark(format_args!("no sign-in link: {error}; `sync-server account link {name}` makes one")),
    }
    Ok(())
}

/// The code stands behind `#`: browsers send that to nobody, and no log has it.
async fn link(admin: &Admin, account: AccountId) -> Result<String, CommandError> {
    let code = admin.storage.create_sign_in_link(account).await?;
    Ok(format!("{}/sign-in#{code}", base(admin)))
}

/// Where a browser reaches the relay: as configured, or where it listens, or will.
fn base(admin: &Admin) -> String {
    let server = &admin.config.server;
    if !server.public_url.is_empty() {
        return server.public_url.trim_end_matches('/').to_owned();
    }
    let Some(mut address) = data_directory::noted_address(&admin.directory).or_else(|| server.listen.parse().ok())
    else {
        return format!("http://{}", server.listen);
    };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

async fn quota(admin: &Admin, name: &str, given: Option<Quota>) -> Result<(), CommandError> {
    let account = admin.account(name).await?.id;
    if let Some(quota) = given {
        admin.storage.set_quota(account, quota).await?;
    }
    let usage = admin.storage.usage(account).await?;
    let limits: &Limits = admin.storage.limits();
    let whose = if usage.quota.is_some() { "its own quota" } else { "limits.account_bytes_max" };
    say(format_args!("{} of {} bytes ({whose})", usage.bytes, usage.most(limits)))
}
