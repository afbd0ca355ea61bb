//! What the file knows of itself.

use rusqlite::params;
use sync_wire::{AccountId, DeviceId};

use super::Tx;
use crate::error::StorageError;

const DEVICE: &str = "device";
const INCARNATION: &str = "incarnation";
const ACCOUNT: &str = "account";
const LOGIN: &str = "login";

impl Tx<'_> {
    pub(crate) fn device(&self) -> Result<DeviceId, StorageError> {
        let stored = self.meta(DEVICE)?;
        stored.as_deref().and_then(DeviceId::from_slice).ok_or_else(|| self.unexpected("no device id in meta"))
    }

    pub(crate) fn set_device(&self, device: &[u8; 16]) -> Result<(), StorageError> {
        self.set_meta(DEVICE, device)
    }

    /// Changes whenever the file may have been copied or restored.
    pub(crate) fn incarnation(&self) -> Result<[u8; 16], StorageError> {
        let stored = self.meta(INCARNATION)?;
        let bytes = stored.as_deref().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| self.unexpected("no incarnation in meta"))
    }

    pub(crate) fn set_incarnation(&self, incarnation: &[u8; 16]) -> Result<(), StorageError> {
        self.set_meta(INCARNATION, incarnation)
    }

    /// The account that this vault belongs to since its first login.
    pub(crate) fn account(&self) -> Result<Option<AccountId>, StorageError> {
        Ok(self.meta(ACCOUNT)?.as_deref().and_then(AccountId::from_slice))
    }

    pub(crate) fn set_account(&self, account: AccountId) -> Result<(), StorageError> {
        self.set_meta(ACCOUNT, &account.0)
    }

    /// Digest of the credentials that the account of this vault was last seen with.
    pub(crate) fn proven_login(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.meta(LOGIN)
    }

    pub(crate) fn set_proven_login(&self, digest: &[u8; 32]) -> Result<(), StorageError> {
        self.set_meta(LOGIN, digest)
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.one("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
    }

    pub(super) fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }
}
