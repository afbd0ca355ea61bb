//! All that a session asks about whoever is behind it, in one read: every question by itself would be a way to a reader
//! and back.

use sync_wire::{AccountId, Cursor, DeviceId};

use super::{AccountError, Credential, DeviceBinding};
use crate::change_log::CursorVerdict;
use crate::error::StorageError;
use crate::spaces::SpaceGrant;
use crate::storage::{Reader, Storage};

/// Where an account stands that connected with a credential and a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the credential was not revoked.
    pub credential_is_valid: bool,
    /// Whether the device is bound to the account and not revoked.
    pub device_is_valid: bool,
    /// Every space that the account may read, ascending by id; with what becomes of the device's cursor in it, if it
    /// named one.
    pub grants: Vec<(SpaceGrant, Option<CursorVerdict>)>,
    /// What its batches are parked by, where no grant decides.
    pub limits_version: u64,
}

impl Storage {
    /// Where an account stands, as of now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn standing(
        &self,
        account: AccountId,
        credential: Credential,
        device: DeviceId,
        cursors: Vec<Cursor>,
    ) -> Result<Standing, StorageError> {
        self.read(move |reader| reader.standing(account, credential, device, &cursors)).await
    }

    /// [`Storage::bind_device`] and [`Storage::standing`] for a device that connects: one read, if it is known.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn contact(
        &self,
        account: AccountId,
        credential: Credential,
        device: DeviceId,
        agent: &str,
        cursors: Vec<Cursor>,
    ) -> Result<(DeviceBinding, Standing), AccountError> {
        let (asked, named) = (agent.to_owned(), cursors.clone());
        let (settled, standing) = self
            .read(move |reader| {
                let settled = reader.settled_binding(account, device, &asked)?;
                Ok::<_, StorageError>((settled, reader.standing(account, credential, device, &named)?))
            })
            .await?;
        match settled {
            Some(binding) => Ok((binding, standing)),
            None => {
                let binding = self.bind_device(account, device, agent).await?;
                Ok((binding, self.standing(account, credential, device, cursors).await?))
            }
        }
    }
}

impl Reader {
    fn standing(
        &self,
        account: AccountId,
        credential: Credential,
        device: DeviceId,
        cursors: &[Cursor],
    ) -> Result<Standing, StorageError> {
        Ok(Standing {
            credential_is_valid: self.credential_is_valid(credential)?,
            device_is_valid: self.device_is_valid(account, device)?,
            grants: self.grants_with(account, cursors)?,
            limits_version: self.context.judged_by(&self.connection),
        })
    }

    fn grants_with(
        &self,
        account: AccountId,
        cursors: &[Cursor],
    ) -> Result<Vec<(SpaceGrant, Option<CursorVerdict>)>, StorageError> {
        let with_verdict = |grant: SpaceGrant| {
            let cursor = cursors.iter().find(|cursor| cursor.space == grant.space);
            Ok((grant, cursor.map(|cursor| self.verify_cursor(cursor)).transpose()?))
        };
        self.grants_of(account)?.into_iter().map(with_verdict).collect()
    }
}
