//! Devices: an installation is bound to the account of its first contact, for ever.

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{AccountId, DeviceId};

use super::{AccountError, account_key, move_limits};
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// Times of contact are noted at most this often, in milliseconds, so that reconnecting writes nothing.
const SEEN_INTERVAL_MS: i64 = 24 * 3600 * 1000;

/// Of what a device says of itself no more is kept.
const AGENT_CHARACTERS_MAX: usize = 200;

/// Whether a device may act for an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceBinding {
    /// It is this account's.
    Bound,
    /// It is another account's.
    TakenByAnother,
    /// It was this account's, and was revoked.
    Revoked,
}

/// A device in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its id.
    pub id: DeviceId,
    /// Name and version of its program, as it said last.
    pub agent: String,
    /// Unix milliseconds.
    pub first_seen_at: i64,
    /// Unix milliseconds, exact to a day.
    pub last_seen_at: i64,
    /// Unix milliseconds; `None` while it may connect.
    pub revoked_at: Option<i64>,
}

struct DeviceRow {
    is_own: bool,
    info: DeviceInfo,
}

impl Storage {
    /// Binds a device to an account at its first contact, and tells whose it is ever after. A device that is known
    /// costs a read.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn bind_device(
        &self,
        account: AccountId,
        device: DeviceId,
        agent: &str,
    ) -> Result<DeviceBinding, AccountError> {
        let (asked, agent) = (agent.to_owned(), agent.to_owned());
        let settled = self.read(move |reader| reader.settled_binding(account, device, &asked)).await?;
        match settled {
            Some(binding) => Ok(binding),
            None => self.write(move |writer| writer.bind_device(account, device, &agent)).await,
        }
    }

    /// Whether a device is bound to this account and not revoked.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn device_is_valid(&self, account: AccountId, device: DeviceId) -> Result<bool, StorageError> {
        self.read(move |reader| reader.device_is_valid(account, device)).await
    }

    /// The devices of an account, in order of their first contact.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn devices(&self, account: AccountId) -> Result<Vec<DeviceInfo>, StorageError> {
        self.read(move |reader| reader.devices(account)).await
    }

    /// Ends a device; `false` if there is none of that id that is not revoked.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn revoke_device(&self, device: DeviceId) -> Result<bool, StorageError> {
        self.write(move |writer| writer.revoke_device(device)).await
    }

    /// Ends a device of an account, also one that is unknown here, as to a relay that was put back to a backup from
    /// before the device's first contact: it is bound to the account, and never let in. `false` if it is revoked
    /// already, or another account's.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`], for a device that is unknown.
    pub async fn revoke_device_of(&self, account: AccountId, device: DeviceId) -> Result<bool, AccountError> {
        self.write(move |writer| writer.revoke_device_of(account, device)).await
    }
}

impl DeviceRow {
    const fn binding(&self) -> DeviceBinding {
        match (self.is_own, self.info.revoked_at) {
            (false, _) => DeviceBinding::TakenByAnother,
            (true, Some(_)) => DeviceBinding::Revoked,
            (true, None) => DeviceBinding::Bound,
        }
    }
}

impl Writer {
    pub(super) fn bind_device(
        &self,
        account: AccountId,
        device: DeviceId,
        agent: &str,
    ) -> Result<DeviceBinding, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let (now, agent) = ((self.context.clock)(), kept(agent));
        let Some(row) = device_row(&self.connection, account, device)? else {
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO devices (id, account_key, agent, first_seen_at, last_seen_at) VALUES (?1, ?2, ?3, ?4, ?4)",
            )?;
            statement.execute(params![device.0, account_key, agent, now])?;
            return Ok(DeviceBinding::Bound);
        };
        if row.binding() == DeviceBinding::Bound {
            let mut statement =
                self.connection.prepare_cached("UPDATE devices SET agent = ?2, last_seen_at = ?3 WHERE id = ?1")?;
            statement.execute(params![device.0, agent, now])?;
        }
        Ok(row.binding())
    }

    fn revoke_device(&self, device: DeviceId) -> Result<bool, StorageError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE devices SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?;
        let revoked = statement.execute(params![device.0, (self.context.clock)()])? > 0;
        if revoked {
            // What others of the account could not push under its names is theirs to bring now.
            move_limits(&self.connection, &self.context.random)?;
        }
        Ok(revoked)
    }

    fn revoke_device_of(&self, account: AccountId, device: DeviceId) -> Result<bool, AccountError> {
        let binding = match device_row(&self.connection, account, device)? {
            Some(row) => row.binding(),
            None => self.bind_device(account, device, "")?,
        };
        Ok(binding == DeviceBinding::Bound && self.revoke_device(device)?)
    }
}

impl Reader {
    pub(super) fn device_is_valid(&self, account: AccountId, device: DeviceId) -> Result<bool, StorageError> {
        let row = device_row(&self.connection, account, device)?;
        Ok(row.is_some_and(|row| row.binding() == DeviceBinding::Bound))
    }

    /// The binding, if nothing about it has to be written.
    pub(super) fn settled_binding(
        &self,
        account: AccountId,
        device: DeviceId,
        agent: &str,
    ) -> Result<Option<DeviceBinding>, StorageError> {
        let Some(row) = device_row(&self.connection, account, device)? else { return Ok(None) };
        let is_fresh =
            (self.context.clock)() - row.info.last_seen_at < SEEN_INTERVAL_MS && row.info.agent == kept(agent);
        let binding = row.binding();
        Ok((is_fresh || binding != DeviceBinding::Bound).then_some(binding))
    }

    fn devices(&self, account: AccountId) -> Result<Vec<DeviceInfo>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT d.id, d.agent, d.first_seen_at, d.last_seen_at, d.revoked_at
             FROM devices d JOIN accounts a USING (account_key) WHERE a.id = ?1 ORDER BY d.first_seen_at, d.id",
        )?;
        let devices = statement.query_map([account.0], info_of)?.collect::<rusqlite::Result<_>>()?;
        Ok(devices)
    }
}

/// As much of what a device says of itself as is kept.
fn kept(agent: &str) -> String {
    agent.chars().take(AGENT_CHARACTERS_MAX).collect()
}

/// Whether a device of an account was ever revoked.
pub(crate) fn has_revoked(connection: &Connection, account_key: i64) -> Result<bool, StorageError> {
    let mut statement = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM devices WHERE account_key = ?1 AND revoked_at IS NOT NULL)")?;
    Ok(statement.query_row([account_key], |row| row.get(0))?)
}

/// Binds a device that the relay had known before it was put back to a backup, as one that can be listed and revoked.
pub(crate) fn bind_offered(
    connection: &Connection,
    account_key: i64,
    device: DeviceId,
    now: i64,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO devices (id, account_key, agent, first_seen_at, last_seen_at) VALUES (?1, ?2, '', ?3, ?3)",
    )?;
    statement.execute(params![device.0, account_key, now])?;
    Ok(())
}

fn device_row(
    connection: &Connection,
    account: AccountId,
    device: DeviceId,
) -> Result<Option<DeviceRow>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.id, d.agent, d.first_seen_at, d.last_seen_at, d.revoked_at, a.id = ?2
         FROM devices d JOIN accounts a USING (account_key) WHERE d.id = ?1",
    )?;
    let row = statement
        .query_row(params![device.0, account.0], |row| Ok(DeviceRow { is_own: row.get(5)?, info: info_of(row)? }));
    Ok(row.optional()?)
}

fn info_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<DeviceInfo> {
    Ok(DeviceInfo {
        id: DeviceId(row.get(0)?),
        agent: row.get(1)?,
        first_seen_at: row.get(2)?,
        last_seen_at: row.get(3)?,
        revoked_at: row.get(4)?,
    })
}
