//! `sync-server space`: spaces, who may do what in them, and how they are called.

use std::process::ExitCode;

use relay_storage::SpaceInfo;
use sync_wire::{AccountId, Role, SpaceId, SpaceKind};

use super::{Admin, CommandError, Outcome, say};
use crate::relay::author::handle;

/// `space …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Creates a team space and prints its id
    Create {
        /// Its name, for people
        name: String,
        /// The account that owns it
        #[arg(long, value_name = "ACCOUNT")]
        owner: Option<String>,
    },
    /// Gives an account a role in a space, or another one than it has
    Grant {
        /// Id, or name if only one space has it
        space: String,
        /// Name of the account
        account: String,
        /// viewer, editor or owner
        #[arg(value_parser = parse_role)]
        role: Role,
    },
    /// Takes an account's role in a space; its sessions lose the space within a second
    Revoke {
        /// Id, or name if only one space has it
        space: String,
        /// Name of the account
        account: String,
    },
    /// Lists who may do what in a space: account id, name, role
    Members {
        /// Id, or name if only one space has it
        space: String,
    },
    /// Says which handle a space has, `-` for none; gives it another one, or takes its own away, also while the relay
    /// runs: its devices are told within a second
    Handle {
        /// Id, or name if only one space has it
        space: String,
        /// The handle that it is to have, of no other space: 1 to 39 small letters, digits and hyphens
        #[arg(value_name = "HANDLE", conflicts_with = "give_up")]
        wanted: Option<String>,
        /// Takes its handle away, which is kept for it for 30 days
        #[arg(long)]
        give_up: bool,
    },
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| "a role is viewer, editor or owner".to_owned())
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::Create { name, owner } => {
            let owner = match owner {
                Some(owner) => Some(admin.account(&owner).await?.id),
                None => None,
            };
            say(admin.storage.create_space(&name, SpaceKind::Team, owner).await?)?;
        }
        Command::Grant { space, account, role } => {
            let (space, account) = (find(&admin, &space).await?, admin.account(&account).await?);
            admin.storage.grant(space.id, account.id, role).await?;
        }
        Command::Revoke { space, account: name } => {
            let (space, account) = (find(&admin, &space).await?, admin.account(&name).await?);
            if !admin.storage.revoke_grant(space.id, account.id).await? {
                let detail = format!("account {name:?} has no role in space {}; nothing to take", space.id);
                return Err(CommandError::new("grant_unknown", detail));
            }
        }
        Command::Members { space } => {
            let space = find(&admin, &space).await?;
            for (id, name, role) in admin.storage.members(space.id).await? {
                say(format_args!("{id}\t{name}\t{}", role.name()))?;
            }
        }
        Command::Handle { space, wanted, give_up } => {
            let space = find(&admin, &space).await?.id;
            if give_up || wanted.is_some() {
                handle::claim(&admin.storage, space, owner(&admin, space).await?, wanted.as_deref()).await?;
            }
            say(admin.storage.handle_of(space).await?.as_deref().unwrap_or("-"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// In whose name the relay writes what an operator decides about a space.
async fn owner(admin: &Admin, space: SpaceId) -> Result<AccountId, CommandError> {
    let members = admin.storage.members(space).await?;
    let owner = members.into_iter().find(|(.., role)| *role == Role::Owner);
    owner.map(|(id, ..)| id).ok_or_else(|| {
        let remedy = format!("`sync-server space grant {space} ACCOUNT owner` gives it one");
        CommandError::new("owner_required", format!("space {space} has no owner to name it; {remedy}"))
    })
}

/// A space by its id, or by its name if only one has it.
pub(super) async fn find(admin: &Admin, text: &str) -> Result<SpaceInfo, CommandError> {
    if let Ok(id) = text.parse::<SpaceId>()
        && let Some(space) = admin.storage.space(id).await?
    {
        return Ok(space);
    }
    let mut named = admin.storage.spaces_named(text).await?;
    match (named.pop(), named.len()) {
        (Some(space), 0) => Ok(space),
        (Some(_), others) => {
            let detail = format!("{} spaces are called {text:?}; name the one that is meant by its id", others + 1);
            Err(CommandError::new("space_ambiguous", detail))
        }
        (None, _) => {
            let detail = format!("no space {text:?}, neither by id nor by name; `sync-server space create` makes one");
            Err(CommandError::new("space_unknown", detail))
        }
    }
}
