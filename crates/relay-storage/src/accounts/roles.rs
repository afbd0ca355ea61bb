//! What an account may beside what is its own: an operator looks at the whole relay. It gives no access to what
//! documents say; that is for grants alone.

use std::fmt;
use std::str::FromStr;

use sync_wire::AccountId;

use super::{AccountError, account_key, bump_access_version};
use crate::storage::{Storage, Writer};

/// What an account may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountRole {
    /// Whatever its grants say.
    User,
    /// That, and to look at the relay.
    Operator,
}

impl AccountRole {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for AccountRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected operator or user")]
pub struct NoAccountRole;

impl FromStr for AccountRole {
    type Err = NoAccountRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::User, Self::Operator].into_iter().find(|role| role.name() == text).ok_or(NoAccountRole)
    }
}

impl Storage {
    /// Gives an account a role.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn set_account_role(&self, account: AccountId, role: AccountRole) -> Result<(), AccountError> {
        self.write(move |writer| writer.set_account_role(account, role)).await
    }
}

impl Writer {
    fn set_account_role(&self, account: AccountId, role: AccountRole) -> Result<(), AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let sql = match role {
            AccountRole::Operator => "INSERT OR IGNORE INTO operators (account_key) VALUES (?1)",
            AccountRole::User => "DELETE FROM operators WHERE account_key = ?1",
        };
        if self.connection.prepare_cached(sql)?.execute([account_key])? > 0 {
            bump_access_version(&self.connection)?;
        }
        Ok(())
    }
}
