//! `sync-server namespace`: who may publish document types called `ext.NAME.*`.

use std::process::ExitCode;

use relay_storage::Sharing;

use super::{Admin, CommandError, Outcome, say, shown_time};

/// `namespace …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lets an account publish document types called ext.NAME.*
    Grant {
        /// The namespace: a-z, 0-9 and -
        name: String,
        /// Name of the account
        account: String,
        /// Although others may publish there, or did: a publisher is often a team
        #[arg(long)]
        share: bool,
    },
    /// Lets an account publish there no more; what it has published stays
    Revoke {
        /// The namespace
        name: String,
        /// Name of the account
        account: String,
    },
    /// Lists who may publish: namespace, account, since when
    List,
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::Grant { name, account, share } => {
            let account = admin.account(&account).await?;
            let with = if share { Sharing::WithOthers } else { Sharing::Alone };
            admin.storage.grant_namespace(&name, account.id, with).await?;
        }
        Command::Revoke { name, account } => {
            let account = admin.account(&account).await?;
            if !admin.storage.revoke_namespace(&name, account.id).await? {
                let detail =
                    format!("account {:?} may not publish in namespace {name:?}; nothing to take", account.name);
                return Err(CommandError::new("grant_unknown", detail));
            }
        }
        Command::List => {
            for grant in admin.storage.namespaces().await? {
                say(format_args!("{}\t{}\t{}", grant.name, grant.account_name, shown_time(grant.granted_at)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
