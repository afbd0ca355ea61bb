//! All that a session asks about whoever is behind it, in one read: every question by itself would be a way to a reader
//! and back.

use sync_wire::{AccountId, Cursor, DeviceId};

use super::TokenId;
use crate::change_log::CursorVerdict;
use crate::error::StorageError;
use crate::spaces::SpaceGrant;
use crate::storage::{Reader, Storage};

/// Where an account stands that connected with a token and a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the token was not revoked.
    pub token_is_valid: bool,
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
        token: TokenId,
        device: DeviceId,
        cursors: Vec<Cursor>,
    ) -> Result<Standing, StorageError> {
        self.read(move |reader| {
            Ok(Standing {
                token_is_valid: reader.token_is_valid(token)?,
                device_is_valid: reader.device_is_valid(account, device)?,
                grants: reader.grants_with(account, &cursors)?,
                limits_version: reader.context.judged_by(&reader.connection),
            })
        })
        .await
    }
}

impl Reader {
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
