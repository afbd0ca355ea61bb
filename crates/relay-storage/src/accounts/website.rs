//! The website device: under whose name the relay writes what an account says over HTTP.
//!
//! It is drawn at the first use, because a derived one could be bound by somebody else before. Who may write is decided
//! by tokens; so if it was revoked, the next use draws another, and what the old one had waiting ends with it.

use rusqlite::{OptionalExtension, params};
use sync_wire::{AccountId, DeviceId};

use super::{AccountError, account_key};
use crate::error::StorageError;
use crate::options::random_bytes;
use crate::storage::{Reader, Storage, Writer};

/// What it says of itself, in lists of devices.
const AGENT: &str = "website";

impl Storage {
    /// The device of record of what an account writes over HTTP. One that is there costs a read.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn website_device(&self, account: AccountId) -> Result<DeviceId, AccountError> {
        match self.read(move |reader| reader.website_device(account)).await? {
            Some(device) => Ok(device),
            None => self.write(move |writer| writer.draw_website_device(account)).await,
        }
    }
}

impl Reader {
    fn website_device(&self, account: AccountId) -> Result<Option<DeviceId>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT w.device FROM website_devices w JOIN accounts a USING (account_key) JOIN devices d ON d.id = w.device
             WHERE a.id = ?1 AND d.revoked_at IS NULL",
        )?;
        Ok(statement.query_row([account.0], |row| row.get(0).map(DeviceId)).optional()?)
    }
}

impl Writer {
    fn draw_website_device(&self, account: AccountId) -> Result<DeviceId, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let mut statement = self.connection.prepare_cached(
            "SELECT w.device FROM website_devices w JOIN devices d ON d.id = w.device
             WHERE w.account_key = ?1 AND d.revoked_at IS NULL",
        )?;
        // Somebody may have drawn it since it was looked for.
        if let Some(device) = statement.query_row([account_key], |row| row.get(0).map(DeviceId)).optional()? {
            return Ok(device);
        }
        let device = DeviceId(random_bytes(&self.context.random));
        self.bind_device(account, device, AGENT)?;
        let mut statement = self
            .connection
            .prepare_cached("INSERT OR REPLACE INTO website_devices (account_key, device) VALUES (?1, ?2)")?;
        statement.execute(params![account_key, device.0])?;
        Ok(device)
    }
}
