//! Accounts, and what acts for them: tokens and devices.

mod devices; // installations, bound to an account at their first contact
mod standing; // all that a session asks about whoever is behind it
mod tokens; // secrets that stand for an account; only their hashes are kept
mod web_sessions; // browsers that are signed in
mod credential; // what somebody acts with, whichever of the two it is
mod roles; // who may look at the whole relay
mod website; // the device of record of what is written over HTTP
mod usage; // how much of the logs it has filled

use rusqlite::{Connection, OptionalExtension, Row, params};
use sync_wire::{AccountId, SpaceId, SpaceKind};

use crate::change_log::unsigned;
use crate::error::{StorageError, storage_arm};
use crate::options::{Random, random_bytes};
use crate::spaces::SpaceError;
use crate::storage::{Reader, Storage, Writer};

pub use credential::Credential;
pub use devices::{DeviceBinding, DeviceInfo};
pub(crate) use devices::{bind_offered, has_revoked};
pub use roles::{AccountRole, NoAccountRole};
pub use standing::Standing;
pub use tokens::{NewToken, Principal, TokenId, TokenInfo, TokenRef};
pub use usage::{Quota, Usage};
pub(crate) use usage::{miscounted, move_limits, recount};
pub(crate) use web_sessions::forget_web_sessions;
pub use web_sessions::{
    LINK_KEPT, LINKS_MAX, NewWebSession, NoWebSessionId, WEB_AGENT_BYTES_MAX, WEB_SESSION_IDLE, WEB_SESSION_KEPT,
    WEB_SESSIONS_MAX, WebPrincipal, WebSession, WebSessionId,
};

/// Longest name of an account, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its unique name.
    pub name: String,
    /// The space that was made with it.
    pub personal_space: SpaceId,
    /// Unix milliseconds.
    pub created_at: i64,
    /// What it may beside what is its own.
    pub role: AccountRole,
}

/// Why something about an account cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The name breaks the rule.
    #[error("{name:?} is no account name: 1 to {NAME_BYTES_MAX} of a-z, 0-9 and . _ - @, a letter or digit first")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// Another account has the name.
    #[error("account name {name:?} is taken; choose another one")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No such account.
    #[error("no account {account}; create it first")]
    UnknownAccount {
        /// The id.
        account: AccountId,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(AccountError);

impl AccountError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "account_name_invalid",
            Self::NameTaken { .. } => "account_name_taken",
            Self::UnknownAccount { .. } => "account_unknown",
            Self::Storage(error) => error.code(),
        }
    }
}

impl Storage {
    /// Makes an account with its personal space.
    ///
    /// # Errors
    /// [`AccountError`] if the name breaks the rule or is taken.
    pub async fn create_account(&self, name: &str) -> Result<Account, AccountError> {
        let name = name.to_owned();
        self.write(move |writer| writer.create_account(&name)).await
    }

    /// An account by its id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StorageError> {
        self.read(move |reader| Ok(reader.accounts_where("id = ?1", &[&id.0])?.pop())).await
    }

    /// An account by its name.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>, StorageError> {
        let name = name.to_owned();
        self.read(move |reader| Ok(reader.accounts_where("name = ?1", &[&name])?.pop())).await
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn accounts(&self) -> Result<Vec<Account>, StorageError> {
        self.read(|reader| reader.accounts_where("true ORDER BY name", &[])).await
    }

    /// Moves with every change of accounts, tokens, devices' revocation, spaces and grants, by whatever process:
    /// a server that polls it knows when to ask again what it was told before.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn access_version(&self) -> Result<u64, StorageError> {
        self.read(|reader| {
            let sql = "SELECT value FROM meta WHERE name = 'access_version'";
            Ok(reader.connection.prepare_cached(sql)?.query_row([], |row| unsigned(row, 0))?)
        })
        .await
    }
}

impl Writer {
    fn create_account(&self, name: &str) -> Result<Account, AccountError> {
        check_name(name)?;
        let id = AccountId(random_bytes(&self.context.random));
        let taken = self.connection.prepare_cached("SELECT 1 FROM accounts WHERE name = ?1")?.exists([name])?;
        if taken {
            return Err(AccountError::NameTaken { name: name.to_owned() });
        }
        let created_at = (self.context.clock)();
        let personal_space = self.create_space(name, SpaceKind::Personal, None).map_err(of_space)?;
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO accounts (id, name, personal_space, created_at) VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![id.0, name, personal_space.0, created_at])?;
        self.own_personal_space(personal_space, id).map_err(of_space)?;
        Ok(Account { id, name: name.to_owned(), personal_space, created_at, role: AccountRole::User })
    }
}

/// The name was checked, and the space is made here: only storage can fail.
fn of_space(error: SpaceError) -> AccountError {
    AccountError::Storage(match error {
        SpaceError::Storage(error) => error,
        other => StorageError::Unexpected { detail: other.to_string() },
    })
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_allowed = |byte: &u8| is_plain(byte) || b"._-@".contains(byte);
    let begins_well = name.as_bytes().first().is_some_and(is_plain);
    if begins_well && name.len() <= NAME_BYTES_MAX && name.as_bytes().iter().all(is_allowed) {
        return Ok(());
    }
    Err(AccountError::InvalidName { name: name.chars().take(NAME_BYTES_MAX).collect() })
}

impl Reader {
    fn accounts_where(&self, condition: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Account>, StorageError> {
        let sql = format!(
            "SELECT id, name, personal_space, created_at, account_key IN (SELECT account_key FROM operators)
             FROM accounts WHERE {condition}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let accounts = statement.query_map(values, account_of)?.collect::<rusqlite::Result<_>>()?;
        Ok(accounts)
    }
}

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        name: row.get(1)?,
        personal_space: SpaceId(row.get(2)?),
        created_at: row.get(3)?,
        role: if row.get(4)? { AccountRole::Operator } else { AccountRole::User },
    })
}

/// The key of an account's rows.
pub(crate) fn account_key(connection: &Connection, account: AccountId) -> Result<Option<i64>, StorageError> {
    let mut statement = connection.prepare_cached("SELECT account_key FROM accounts WHERE id = ?1")?;
    Ok(statement.query_row([account.0], |row| row.get(0)).optional()?)
}

/// By how much a version moves under which devices keep verdicts. Drawn, because a relay that is put back to a backup
/// would count the same numbers again, and a device would take what was decided anew for what it knows already.
pub(crate) fn version_step(random: &Random) -> i64 {
    1 + i64::from(u32::from_le_bytes(random_bytes(random)) >> 12)
}

/// Tells every process that somebody may do more or less than before.
pub(crate) fn bump_access_version(connection: &Connection) -> Result<(), StorageError> {
    connection.prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'access_version'")?.execute([])?;
    Ok(())
}
