//! How much of the logs an account has filled, and how much it may.
//!
//! Counted with every append, in its transaction. Deletions and what marks them cost nothing: whoever is at the limit
//! can still make room, and has it again when what he deleted is purged.

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::AccountId;

use super::{AccountError, account_key, bump_access_version, version_step};
use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::options::{Limits, Random};
use crate::storage::{Reader, Storage, Writer};

/// What an account has in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of the changes that its devices pushed.
    pub bytes: u64,
    /// How many there may be, if the account was given a number of its own.
    pub quota: Option<u64>,
}

/// How many bytes an account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// What the configuration says.
    Default,
    /// So many.
    Bytes(u64),
}

impl Usage {
    /// How many bytes there may be.
    #[must_use]
    pub fn most(&self, limits: &Limits) -> u64 {
        self.quota.unwrap_or(limits.account_bytes_max)
    }

    pub(crate) fn room(&self, limits: &Limits) -> u64 {
        self.most(limits).saturating_sub(self.bytes)
    }

    pub(crate) fn read(connection: &Connection, account_key: i64) -> Result<Self, StorageError> {
        let mut statement =
            connection.prepare_cached("SELECT bytes, quota FROM account_usage WHERE account_key = ?1")?;
        let found = statement.query_row([account_key], |row| {
            Ok(Self { bytes: unsigned(row, 0)?, quota: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned) })
        });
        Ok(found.optional()?.unwrap_or_default())
    }

    pub(crate) fn store_bytes(&self, connection: &Connection, account_key: i64) -> Result<(), StorageError> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO account_usage (account_key, bytes) VALUES (?1, ?2)
             ON CONFLICT (account_key) DO UPDATE SET bytes = excluded.bytes",
        )?;
        statement.execute(params![account_key, self.bytes.cast_signed()])?;
        Ok(())
    }
}

impl Storage {
    /// What an account has in logs.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account.
    pub async fn usage(&self, account: AccountId) -> Result<Usage, AccountError> {
        self.read(move |reader| reader.usage(account)).await
    }

    /// Gives an account another quota. What was parked for want of room is judged again, also on connections that are
    /// open; what is in the logs stays, also if it is more than the quota.
    ///
    /// # Errors
    /// [`AccountError`] if there is no such account.
    pub async fn set_quota(&self, account: AccountId, quota: Quota) -> Result<(), AccountError> {
        self.write(move |writer| writer.set_quota(account, quota)).await
    }

    /// Lets what is parked anywhere be judged once more: for a relay that starts. It may have been put back to a
    /// backup, and devices keep verdicts that it does not know, about documents that were held or deleted after that.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn judge_parked_anew(&self) -> Result<(), StorageError> {
        self.write(|writer| move_limits(&writer.connection, &writer.context.random)).await
    }
}

impl Reader {
    fn usage(&self, account: AccountId) -> Result<Usage, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        Ok(Usage::read(&self.connection, account_key)?)
    }
}

impl Writer {
    fn set_quota(&self, account: AccountId, quota: Quota) -> Result<(), AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let quota = match quota {
            Quota::Default => None,
            Quota::Bytes(bytes) => Some(i64::try_from(bytes).unwrap_or(i64::MAX)),
        };
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO account_usage (account_key, bytes, quota) VALUES (?1, 0, ?2)
             ON CONFLICT (account_key) DO UPDATE SET quota = excluded.quota",
        )?;
        statement.execute(params![account_key, quota])?;
        Ok(move_limits(&self.connection, &self.context.random)?)
    }
}

/// Accounts whose bytes are not counted as the log has them: what is counted, and what there is.
pub(crate) fn miscounted(connection: &Connection) -> Result<Vec<(String, u64, u64)>, StorageError> {
    let mut statement = connection.prepare(
        "SELECT a.name, coalesce(u.bytes, 0), coalesce(c.bytes, 0)
         FROM accounts a LEFT JOIN account_usage u USING (account_key)
         LEFT JOIN (SELECT d.account_key, sum(length(l.bytes)) AS bytes FROM log l JOIN devices d ON d.id = l.device
                    WHERE l.kind = 1 GROUP BY d.account_key) c USING (account_key)
         WHERE coalesce(u.bytes, 0) <> coalesce(c.bytes, 0) ORDER BY a.name",
    )?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Counts anew what every account has in logs.
pub(crate) fn recount(connection: &Connection) -> Result<(), StorageError> {
    connection.execute_batch(
        "UPDATE account_usage SET bytes = 0;
         INSERT INTO account_usage (account_key, bytes)
             SELECT d.account_key, sum(length(l.bytes)) FROM log l JOIN devices d ON d.id = l.device
             WHERE l.kind = 1 GROUP BY d.account_key
             ON CONFLICT (account_key) DO UPDATE SET bytes = excluded.bytes;",
    )?;
    Ok(())
}

/// What was parked may be judged otherwise from now on: devices push it again, whatever process they are connected to.
pub(crate) fn move_limits(connection: &Connection, random: &Random) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached("UPDATE meta SET value = value + ?1 WHERE name = 'limits_moved'")?;
    statement.execute([version_step(random)])?;
    bump_access_version(connection)
}
