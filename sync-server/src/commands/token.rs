//! `sync-server token`: what a device logs in with.

use std::process::ExitCode;

use relay_storage::{TokenId, TokenRef};

use super::{Admin, CommandError, Outcome, say, shown_time};

/// `token …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Creates a token and prints it, alone; it is shown this once
    Create {
        /// Whose
        #[arg(long, value_name = "NAME")]
        account: String,
        /// What it is for, for people
        #[arg(long, default_value = "", hide_default_value = true)]
        label: String,
    },
    /// Lists the tokens of an account: id, label, time of creation, time of revocation
    List {
        /// Whose
        #[arg(long, value_name = "NAME")]
        account: String,
    },
    /// Revokes a token, by its id or by itself; its sessions end within a second
    Revoke {
        /// Id from `token list`, or the token
        token: String,
    },
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::Create { account, label } => {
            let account = admin.account(&account).await?;
            say(admin.storage.create_token(account.id, &label).await?.secret)?;
        }
        Command::List { account } => {
            let account = admin.account(&account).await?;
            for token in admin.storage.tokens(account.id).await? {
                let revoked = token.revoked_at.map_or_else(|| "-".to_owned(), shown_time);
                say(format_args!("{}\t{}\t{}\t{revoked}", token.id, token.label, shown_time(token.created_at)))?;
            }
        }
        Command::Revoke { token } => revoke(&admin, &token).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(admin: &Admin, token: &str) -> Result<(), CommandError> {
    let reference = token.parse::<TokenId>().map_or(TokenRef::Secret(token), TokenRef::Id);
    if admin.storage.revoke_token(reference).await? {
        return Ok(());
    }
    // Not quoted: it may be a secret, mistyped.
    Err(CommandError::new("token_unknown", "no live token of that id or content; `sync-server token list` shows ids"))
}
