//! Namespaces: who may publish types called `ext.NAMESPACE.NAME`. A publisher is a team, so several accounts may.

use rusqlite::params;
use schemas::{NAMESPACE_BYTES_MAX, is_namespace};
use sync_wire::AccountId;

use crate::accounts::account_key;
use crate::error::{StorageError, storage_arm};
use crate::storage::{Reader, Storage, Writer};

/// Names that nobody gets: they would be taken for ours, or for nobody's. `local` is for types that are published
/// nowhere.
const RESERVED: [&str; 8] = ["builtin", "ext", "local", "official", "symphony", "symphony-vault", "system", "vault"];

/// An account that may publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceGrant {
    /// The namespace.
    pub name: String,
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub account_name: String,
    /// Unix milliseconds.
    pub granted_at: i64,
}

/// Whether somebody is meant to join others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The name is to be nobody else's.
    Alone,
    /// Others may have it.
    WithOthers,
}

/// Why a namespace is not given or taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The name breaks the rule.
    #[error("{name:?} is no namespace: 1 to {NAMESPACE_BYTES_MAX} of a-z, 0-9 and -, a letter first")]
    InvalidName {
        /// The name, cut.
        name: String,
    },
    /// Nobody gets the name.
    #[error("the namespace {name:?} is reserved, as are {}; choose another name", RESERVED.join(", "))]
    Reserved {
        /// The name.
        name: String,
    },
    /// Others have it.
    #[error("the namespace {name:?} is taken by {by}; choose another name, or let the account join with --share")]
    Taken {
        /// The name.
        name: String,
        /// By whom.
        by: String,
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
storage_arm!(NamespaceError);

impl NamespaceError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "namespace_invalid",
            Self::Reserved { .. } => "namespace_reserved",
            Self::Taken { .. } => "namespace_taken",
            Self::UnknownAccount { .. } => "account_unknown",
            Self::Storage(error) => error.code(),
        }
    }
}

/// Looks whether a namespace can be given to anybody.
fn check_namespace(name: &str) -> Result<(), NamespaceError> {
    if !is_namespace(name) {
        return Err(NamespaceError::InvalidName { name: name.chars().take(NAMESPACE_BYTES_MAX).collect() });
    }
    if RESERVED.contains(&name) {
        return Err(NamespaceError::Reserved { name: name.to_owned() });
    }
    Ok(())
}

impl Storage {
    /// Lets an account publish types of a namespace. Nothing, if it may already.
    ///
    /// # Errors
    /// [`NamespaceError`]; with [`Sharing::Alone`] also if others may, or if types of it are there that others have
    /// published.
    pub async fn grant_namespace(&self, name: &str, account: AccountId, with: Sharing) -> Result<(), NamespaceError> {
        let name = name.to_owned();
        self.write(move |writer| writer.grant_namespace(&name, account, with)).await
    }

    /// Lets an account publish no more types of a namespace; `false` if it could not anyway. What it has published
    /// stays.
    ///
    /// # Errors
    /// [`NamespaceError::UnknownAccount`].
    pub async fn revoke_namespace(&self, name: &str, account: AccountId) -> Result<bool, NamespaceError> {
        let name = name.to_owned();
        self.write(move |writer| {
            let key = account_key(&writer.connection, account)?.ok_or(NamespaceError::UnknownAccount { account })?;
            let mut statement =
                writer.connection.prepare_cached("DELETE FROM namespaces WHERE name = ?1 AND account_key = ?2")?;
            Ok(statement.execute(params![name, key])? > 0)
        })
        .await
    }

    /// Who may publish, by namespace and name of account.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn namespaces(&self) -> Result<Vec<NamespaceGrant>, StorageError> {
        self.read(Reader::namespaces).await
    }

    /// Whether an account may publish types of a namespace.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn may_publish(&self, account: AccountId, namespace: &str) -> Result<bool, StorageError> {
        let namespace = namespace.to_owned();
        self.read(move |reader| {
            let mut statement = reader.connection.prepare_cached(
                "SELECT 1 FROM namespaces n JOIN accounts a USING (account_key) WHERE n.name = ?1 AND a.id = ?2",
            )?;
            Ok(statement.exists(params![namespace, account.0])?)
        })
        .await
    }
}

impl Reader {
    fn namespaces(&self) -> Result<Vec<NamespaceGrant>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT n.name, a.id, a.name, n.granted_at FROM namespaces n JOIN accounts a USING (account_key)
             ORDER BY n.name, a.name",
        )?;
        let grants = statement.query_map([], |row| {
            let (name, account) = (row.get(0)?, AccountId(row.get(1)?));
            Ok(NamespaceGrant { name, account, account_name: row.get(2)?, granted_at: row.get(3)? })
        })?;
        Ok(grants.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writer {
    fn grant_namespace(&self, name: &str, account: AccountId, with: Sharing) -> Result<(), NamespaceError> {
        check_namespace(name)?;
        let key = account_key(&self.connection, account)?.ok_or(NamespaceError::UnknownAccount { account })?;
        let others = self.others_of(name, key)?;
        if with == Sharing::Alone && !others.is_empty() {
            return Err(NamespaceError::Taken { name: name.to_owned(), by: others.join(", ") });
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO namespaces (name, account_key, granted_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?;
        statement.execute(params![name, key, (self.context.clock)()])?;
        Ok(())
    }

    /// Who else may publish in a namespace, or did.
    fn others_of(&self, name: &str, account_key: i64) -> Result<Vec<String>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name FROM accounts WHERE account_key <> ?2 AND account_key IN
                 (SELECT account_key FROM namespaces WHERE name = ?1
                  UNION SELECT account_key FROM types WHERE namespace = ?1)
             ORDER BY name",
        )?;
        let names = statement.query_map(params![name, account_key], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }
}
