//! `sync-server device`: installations that have connected.

use std::process::ExitCode;

use sync_wire::DeviceId;

use super::{Admin, CommandError, Outcome, say, shown_time};

/// `device …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists devices: id, account, program, first and last connection, time of revocation
    List {
        /// Only of this account
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Revokes a device; its sessions end within a second, what it wrote stays
    Revoke {
        /// Id from `device list`
        device: DeviceId,
        /// Whose it is: revokes also one that this relay does not know, because it was put back to a backup from before
        /// the device's first connection
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::List { account } => list(&admin, account.as_deref()).await?,
        Command::Revoke { device, account } => revoke(&admin, device, account.as_deref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke(admin: &Admin, device: DeviceId, account: Option<&str>) -> Result<(), CommandError> {
    let is_revoked = match account {
        Some(name) => admin.storage.revoke_device_of(admin.account(name).await?.id, device).await?,
        None => admin.storage.revoke_device(device).await?,
    };
    if is_revoked {
        return Ok(());
    }
    let detail =
        format!("no live device {device}; `sync-server device list` shows them, `--account` revokes one unseen");
    Err(CommandError::new("device_unknown", detail))
}

async fn list(admin: &Admin, account: Option<&str>) -> Result<(), CommandError> {
    let accounts = match account {
        Some(name) => vec![admin.account(name).await?],
        None => admin.storage.accounts().await?,
    };
    for account in accounts {
        for device in admin.storage.devices(account.id).await? {
            let (first, last) = (shown_time(device.first_seen_at), shown_time(device.last_seen_at));
            let revoked = device.revoked_at.map_or_else(|| "-".to_owned(), shown_time);
            say(format_args!("{}\t{}\t{}\t{first}\t{last}\t{revoked}", device.id, account.name, device.agent))?;
        }
    }
    Ok(())
}
