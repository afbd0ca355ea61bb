//! Spaces given, changed and taken; and the first login, which gives the local space its account's name.

use sync_wire::{AccountId, Cursor, Grant, Resume, SpaceId, SpaceKind};

use super::RemoteError;
use crate::care::RestorePoint;
use crate::error::StorageError;
use crate::storage::{SpaceRow, Tx};
use crate::vault::Inner;

/// What came of storing grants.
#[derive(Debug)]
pub(crate) struct Granted {
    /// Where the vault stands in every granted space.
    pub(crate) cursors: Vec<Cursor>,
}

impl Inner {
    /// Stores all grants of the account. At the first login the local space becomes the personal one, after a restore
    /// point if there is anything to lose.
    pub(crate) fn apply_grants(
        &self,
        account: AccountId,
        grants: Vec<Grant>,
        limits_version: u64,
        login: [u8; 32],
    ) -> Result<Granted, RemoteError> {
        let is_known = |tx: &Tx<'_>| {
            let is_ours = tx.account()? == Some(account) && tx.proven_login()?.is_some_and(|proven| proven == login);
            let spaces = tx.spaces()?;
            // What is parked may be let go by a version that moved: whoever has such batches stores the grants anew.
            let is_known = is_ours && !tx.has_parked()? && are_known(&spaces, &grants) && !has_lost(tx, &grants)?;
            Ok(is_known.then(|| granted(&spaces)))
        };
        if let Some(cursors) = self.storage.read_at_once(is_known)? {
            self.after_grants()?;
            return Ok(Granted { cursors }); // an ordinary reconnect writes nothing
        }
        self.before_first_login(account)?;
        let cursors = self.storage.write(move |tx| {
            check_owner(tx, account)?;
            rehome(tx, &grants)?;
            tx.set_account(account)?;
            for space in tx.spaces()? {
                if space.kind.is_some() && !grants.iter().any(|grant| grant.space == space.space) {
                    tx.take_grant(space.space)?;
                }
            }
            for grant in &grants {
                let space = tx.apply_grant(grant)?;
                tx.unpark_for_grant(space.row, grant.access_version)?;
            }
            tx.unpark_for_limits(limits_version)?;
            tx.set_proven_login(&login)?;
            cursors(tx)
        })?;
        self.after_grants()?;
        Ok(Granted { cursors })
    }

    /// Stores one grant, or that it was taken.
    pub(crate) fn apply_grant(&self, space: SpaceId, grant: Option<Grant>) -> Result<Granted, RemoteError> {
        let cursors = self.storage.write(move |tx| {
            match &grant {
                Some(grant) => {
                    let row = tx.apply_grant(grant)?.row;
                    tx.unpark_for_grant(row, grant.access_version)?;
                }
                None => tx.take_grant(space)?,
            }
            cursors(tx)
        })?;
        Ok(Granted { cursors })
    }

    /// Opens the lanes that were closed under other limits.
    pub(crate) fn apply_limits(&self, limits_version: u64) -> Result<Granted, RemoteError> {
        let cursors = self.storage.write(move |tx| {
            tx.unpark_for_limits(limits_version)?;
            cursors(tx)
        })?;
        Ok(Granted { cursors })
    }

    fn before_first_login(&self, account: AccountId) -> Result<(), RemoteError> {
        let (owner, has_documents) = self.storage.read(|tx| {
            let home = tx.home()?;
            let has_documents = home.kind.is_none() && !tx.list(Some(home.space), None, true)?.is_empty();
            Ok((tx.account()?, has_documents))
        })?;
        if let Some(owner) = owner.filter(|owner| *owner != account) {
            return Err(RemoteError::OtherAccount { owner, found: account });
        }
        if has_documents {
            self.make_restore_point(RestorePoint::BeforeLogin)?;
        }
        Ok(())
    }

    fn after_grants(&self) -> Result<(), RemoteError> {
        let home = self.storage.read(|tx| tx.home())?;
        let before = self.home();
        self.set_home(&home);
        if before != home.space {
            tracing::info!(space.id = %home.space, "The local space {before} is the personal space {} now", home.space);
        }
        Ok(())
    }
}

/// Another process may have logged in since it was looked at.
fn check_owner(tx: &Tx<'_>, account: AccountId) -> Result<(), RemoteError> {
    match tx.account()? {
        Some(owner) if owner != account => Err(RemoteError::OtherAccount { owner, found: account }),
        _ => Ok(()),
    }
}

/// The local space takes the name of the account's personal space: one row changes, every document follows.
fn rehome(tx: &Tx<'_>, grants: &[Grant]) -> Result<(), RemoteError> {
    let home: SpaceRow = tx.home()?;
    let personal = grants.iter().find(|grant| grant.kind == SpaceKind::Personal);
    if let (None, Some(personal)) = (home.kind, personal) {
        tx.rehome(&home, personal.space)?;
    }
    Ok(())
}

fn cursors(tx: &Tx<'_>) -> Result<Vec<Cursor>, RemoteError> {
    Ok(granted(&tx.spaces()?))
}

fn granted(spaces: &[SpaceRow]) -> Vec<Cursor> {
    spaces.iter().filter(|space| space.role.is_some()).filter_map(SpaceRow::cursor).collect()
}

/// Whether a log ends before something that it has acknowledged.
fn has_lost(tx: &Tx<'_>, grants: &[Grant]) -> Result<bool, StorageError> {
    for grant in grants {
        if tx.has_undelivered(grant.space, grant.end.position)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the grants are those that are stored, and no cursor moves.
fn are_known(spaces: &[SpaceRow], grants: &[Grant]) -> bool {
    let is_known = |grant: &Grant| {
        grant.resume == Resume::Continue && spaces.iter().any(|space| space.space == grant.space && space.is_as(grant))
    };
    grants.len() == spaces.iter().filter(|space| space.role.is_some()).count() && grants.iter().all(is_known)
}
