//! One version more of a type: judged and written in one transaction, so that two publishers at once cannot both be
//! the next, and nobody publishes after his namespace was taken.

use rusqlite::params;
use schemas::namespace_of;
use sync_wire::AccountId;

use super::TypeInfo;
use crate::accounts::account_key;
use crate::change_log::unsigned;
use crate::error::{StorageError, storage_arm};
use crate::storage::{Reader, Storage, Writer};

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publisher {
    /// An account, in namespaces that it was given.
    Account(AccountId),
    /// Whoever may use the command line of the relay, in any.
    Operator,
}

/// A version that is to be published. What its text says was looked over by who knows document types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewType {
    /// `ext.NAMESPACE.NAME`.
    pub name: String,
    /// The one after the newest; the first is 1.
    pub version: u32,
    /// The file, byte for byte.
    pub text: String,
    /// By whom.
    pub by: Publisher,
}

/// How much may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeQuota {
    /// Types of one namespace.
    pub namespace_types_max: u64,
    /// Versions of one type.
    pub type_versions_max: u64,
    /// Bytes of all versions of all types of one namespace.
    pub namespace_bytes_max: u64,
    /// Types of all namespaces.
    pub types_max: u64,
}

/// Why nothing was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The name is none of a third party's type.
    #[error("{name:?} is no name that can be published; call it ext.NAMESPACE.NAME, in lower case")]
    InvalidName {
        /// The name, cut.
        name: String,
    },
    /// The account was not given the namespace, or lost it.
    #[error(
        "the account may not publish in namespace {namespace:?}; an operator gives it with `sync-server namespace grant`"
    )]
    NotGranted {
        /// The namespace.
        namespace: String,
    },
    /// The version is there, with another text.
    #[error(
        "{name} version {version} is published with other bytes, and a version never changes; publish the next one"
    )]
    OtherText {
        /// The type.
        name: String,
        /// The version.
        version: u32,
    },
    /// Versions come one after the other.
    #[error("{name} version {version} is not the next one; publish version {next}")]
    OutOfOrder {
        /// The type.
        name: String,
        /// The version.
        version: u32,
        /// The one that would be taken.
        next: u64,
    },
    /// There is no room.
    #[error("{scope} has {used} {unit} and may have {most}; {remedy}")]
    Quota {
        /// What is full.
        scope: String,
        /// What is counted.
        unit: &'static str,
        /// How many there would be.
        used: u64,
        /// How many are allowed.
        most: u64,
        /// What to do.
        remedy: &'static str,
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
storage_arm!(PublishError);

impl PublishError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "type_name_invalid",
            Self::NotGranted { .. } => "namespace_required",
            Self::OtherText { .. } => "type_version_taken",
            Self::OutOfOrder { .. } => "type_version_order",
            Self::Quota { .. } => "quota_exceeded",
            Self::UnknownAccount { .. } => "account_unknown",
            Self::Storage(error) => error.code(),
        }
    }
}

const ASK: &str = "ask the operator of the relay for more (`types` in its configuration)";

impl Storage {
    /// Whether a version could be published, if nothing else comes in between: the version if it was, with these bytes.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn judge_type(&self, new: NewType, quota: TypeQuota) -> Result<Option<TypeInfo>, PublishError> {
        self.read(move |reader| reader.judge_type(&new, quota)).await
    }

    /// Publishes a version, for good; the same bytes once more change nothing. The flag says whether it is new.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was published.
    pub async fn publish_type(&self, new: NewType, quota: TypeQuota) -> Result<(TypeInfo, bool), PublishError> {
        self.write(move |writer| writer.publish_type(&new, quota)).await
    }
}

impl Reader {
    fn judge_type(&self, new: &NewType, quota: TypeQuota) -> Result<Option<TypeInfo>, PublishError> {
        Judge { connection: &self.connection, new, quota }.judge()
    }
}

impl Writer {
    fn publish_type(&self, new: &NewType, quota: TypeQuota) -> Result<(TypeInfo, bool), PublishError> {
        let judge = Judge { connection: &self.connection, new, quota };
        if let Some(there) = judge.judge()? {
            return Ok((there, false));
        }
        let NewType { name, version, text, by } = new;
        let account = judge.account_key(*by)?;
        let digest = *blake3::hash(text.as_bytes()).as_bytes();
        let published_at = (self.context.clock)();
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO types (name, version, namespace, account_key, published_at, digest, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        statement.execute(params![name, version, judge.namespace()?, account, published_at, digest, text])?;
        // Documents that are there already get what the new rules say, from the first one on.
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO retyping (name, version, space_key, document) VALUES (?1, ?2, 0, x'')",
        )?;
        statement.execute(params![name, version])?;
        self.connection.prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'types_version'")?.execute([])?;
        let there = judge.there()?;
        let (info, _) = there.ok_or_else(|| StorageError::damaged("a type that was published is not there"))?;
        Ok((info, true))
    }
}

struct Judge<'a> {
    connection: &'a rusqlite::Connection,
    new: &'a NewType,
    quota: TypeQuota,
}

impl Judge<'_> {
    fn namespace(&self) -> Result<&str, PublishError> {
        let name = &self.new.name;
        namespace_of(name).ok_or_else(|| PublishError::InvalidName { name: name.chars().take(64).collect() })
    }

    fn account_key(&self, by: Publisher) -> Result<Option<i64>, PublishError> {
        let Publisher::Account(account) = by else { return Ok(None) };
        account_key(self.connection, account)?.map(Some).ok_or(PublishError::UnknownAccount { account })
    }

    /// The version if it is there with the same text.
    fn judge(&self) -> Result<Option<TypeInfo>, PublishError> {
        let namespace = self.namespace()?;
        if let Some(account) = self.account_key(self.new.by)? {
            let sql = "SELECT 1 FROM namespaces WHERE name = ?1 AND account_key = ?2";
            if !self.connection.prepare_cached(sql)?.exists(params![namespace, account])? {
                return Err(PublishError::NotGranted { namespace: namespace.to_owned() });
            }
        }
        let NewType { name, version, text, .. } = self.new;
        match self.there()? {
            Some((info, there)) if there == *text => return Ok(Some(info)),
            Some(_) => return Err(PublishError::OtherText { name: name.clone(), version: *version }),
            None => {}
        }
        let versions = self.count("SELECT count(*) FROM types WHERE name = ?1", name)?;
        let newest = self.count("SELECT coalesce(max(version), 0) FROM types WHERE name = ?1", name)?;
        if u64::from(*version) != newest + 1 {
            return Err(PublishError::OutOfOrder { name: name.clone(), version: *version, next: newest + 1 });
        }
        self.room(namespace, versions)?;
        Ok(None)
    }

    fn room(&self, namespace: &str, versions: u64) -> Result<(), PublishError> {
        let NewType { name, text, .. } = self.new;
        let TypeQuota { namespace_types_max, type_versions_max, namespace_bytes_max, types_max } = self.quota;
        let whole = format!("namespace {namespace:?}");
        if versions == 0 {
            let types = self.count("SELECT count(DISTINCT name) FROM types WHERE namespace = ?1", namespace)?;
            within(whole.clone(), "types", types, namespace_types_max, ASK)?;
            let types = self.count("SELECT count(DISTINCT name) FROM types WHERE name <> ?1", name)?;
            within("the relay".to_owned(), "published types", types, types_max, ASK)?;
        }
        within(format!("type {name}"), "versions", versions, type_versions_max, "begin another type, or ask for more")?;
        let sql = "SELECT coalesce(sum(octet_length(text)), 0) FROM types WHERE namespace = ?1";
        let bytes = self.count(sql, namespace)?;
        if bytes.saturating_add(text.len() as u64) > namespace_bytes_max {
            return Err(PublishError::Quota {
                scope: whole,
                unit: "bytes",
                used: bytes,
                most: namespace_bytes_max,
                remedy: ASK,
            });
        }
        Ok(())
    }

    fn there(&self) -> Result<Option<(TypeInfo, String)>, StorageError> {
        let found = super::published(self.connection, &self.new.name, self.new.version)?;
        Ok(found.map(|found| (found.info, found.text)))
    }

    fn count(&self, sql: &str, value: &str) -> Result<u64, StorageError> {
        Ok(self.connection.prepare_cached(sql)?.query_row([value], |row| unsigned(row, 0))?)
    }
}

/// Whether there is room for one more.
fn within(scope: String, unit: &'static str, used: u64, most: u64, remedy: &'static str) -> Result<(), PublishError> {
    if used < most { Ok(()) } else { Err(PublishError::Quota { scope, unit, used, most, remedy }) }
}
