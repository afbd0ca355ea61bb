//! Short names of spaces (`@ada`): each of one space in the whole relay.
//!
//! Who has a handle is decided here, in one transaction, and nowhere else. The identity document of the space says it
//! to its devices; that is written after the row, and a row of which that is not known yet can be asked for, so that
//! whoever died in between leaves nothing unsaid.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{AccountId, Role, SpaceId};

use crate::accounts::account_key;
use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::spaces::role_code;
use crate::storage::{Reader, Storage, Writer};

/// How long a handle that was given up is kept for the space that had it: nobody is to pass for somebody else the
/// moment he changes his name.
pub const HANDLE_KEPT: Duration = Duration::from_hours(30 * 24);
/// Handles of one space that are kept for it at once; it cannot give up more of them before one is free.
pub const HANDLES_KEPT_MAX: u64 = 3;

/// What came of asking for a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The space has it, or none if it wants none.
    Held,
    /// Another space has it, or had it lately.
    Taken,
    /// The space has given up as many as are kept for it.
    TooMany,
    /// There is no such space or account.
    NoSuchSpace,
}

/// A space whose identity document may not say what its handle is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnshownHandle {
    /// The space.
    pub space: SpaceId,
    /// In whose name it is to be said: who claimed the handle or gave it up, or another owner if he is none any more.
    pub account: AccountId,
    /// Since when, in milliseconds.
    pub since: i64,
}

impl Storage {
    /// Gives a space a handle, or takes the one that it has; the one before is kept for it for [`HANDLE_KEPT`]. Asking
    /// again changes nothing. What a handle may look like is for the caller to say.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn claim_handle(
        &self,
        space: SpaceId,
        account: AccountId,
        handle: Option<&str>,
    ) -> Result<Claim, StorageError> {
        let handle = handle.map(str::to_owned);
        self.write(move |writer| writer.claim_handle(space, account, handle.as_deref())).await
    }

    /// Notes that the identity document of a space says that this is its handle, unless it has another one by now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn note_handle_shown(&self, space: SpaceId, handle: Option<&str>) -> Result<(), StorageError> {
        let handle = handle.map(str::to_owned);
        self.write(move |writer| {
            let connection = &writer.connection;
            let Some(space_key) = space_key(connection, space)? else { return Ok(()) };
            if current(connection, space_key)? == handle {
                let sql = "UPDATE handles SET is_shown = 1 WHERE space_key = ?1 AND NOT is_shown";
                connection.prepare_cached(sql)?.execute([space_key])?;
            }
            Ok(())
        })
        .await
    }

    /// The handle that a space has now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn handle_of(&self, space: SpaceId) -> Result<Option<String>, StorageError> {
        self.read(move |reader| match space_key(&reader.connection, space)? {
            Some(space_key) => current(&reader.connection, space_key),
            None => Ok(None),
        })
        .await
    }

    /// The space that has a handle now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn space_of_handle(&self, handle: &str) -> Result<Option<SpaceId>, StorageError> {
        let handle = handle.to_owned();
        self.read(move |reader| reader.space_of_handle(&handle)).await
    }

    /// Spaces whose identity documents may not say what their handles are, at most `limit`, after `after`. One that
    /// nobody owns waits for an owner, and is not among them. Costs what it finds, however many spaces there are.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn unshown_handles(
        &self,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<UnshownHandle>, StorageError> {
        self.read(move |reader| reader.unshown_handles(after, limit)).await
    }
}

impl Reader {
    fn space_of_handle(&self, handle: &str) -> Result<Option<SpaceId>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id FROM handles h JOIN spaces s USING (space_key) WHERE h.handle = ?1 AND h.released_at IS NULL",
        )?;
        Ok(statement.query_row([handle], |row| Ok(SpaceId(row.get(0)?))).optional()?)
    }

    fn unshown_handles(&self, after: Option<SpaceId>, limit: usize) -> Result<Vec<UnshownHandle>, StorageError> {
        // The row that was touched last says who did it. CROSS: else SQLite would go through all spaces, for the order.
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, a.id, max(coalesce(h.released_at, h.claimed_at))
             FROM handles h INDEXED BY handles_unshown CROSS JOIN spaces s USING (space_key)
             JOIN accounts a ON a.account_key = coalesce(
                 (SELECT account_key FROM grants
                  WHERE account_key = h.account_key AND space_key = h.space_key AND role = ?3),
                 (SELECT min(account_key) FROM grants WHERE space_key = h.space_key AND role = ?3))
             WHERE NOT h.is_shown AND s.id > ?1 GROUP BY s.id ORDER BY s.id LIMIT ?2",
        )?;
        let after: &[u8] = after.as_ref().map_or(&[], |space| &space.0[..]);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, limit, role_code(Role::Owner)], |row| {
            Ok(UnshownHandle { space: SpaceId(row.get(0)?), account: AccountId(row.get(1)?), since: row.get(2)? })
        })?;
        rows.map(|row| Ok(row?)).collect()
    }
}

impl Writer {
    fn claim_handle(&self, space: SpaceId, account: AccountId, handle: Option<&str>) -> Result<Claim, StorageError> {
        let connection = &self.connection;
        let Some(space_key) = space_key(connection, space)? else { return Ok(Claim::NoSuchSpace) };
        let Some(account_key) = account_key(connection, account)? else { return Ok(Claim::NoSuchSpace) };
        let now = (self.context.clock)();
        let kept = i64::try_from(HANDLE_KEPT.as_millis()).unwrap_or(i64::MAX);
        forget_old(connection, now.saturating_sub(kept))?;
        let had = current(connection, space_key)?;
        if had.as_deref() == handle {
            return Ok(Claim::Held);
        }
        if let Some(handle) = handle
            && owner(connection, handle)?.is_some_and(|owner| owner != space_key)
        {
            return Ok(Claim::Taken);
        }
        if had.is_some() && kept_for(connection, space_key, handle)? >= HANDLES_KEPT_MAX {
            return Ok(Claim::TooMany);
        }
        let release = "UPDATE handles SET released_at = ?2, account_key = ?3, is_shown = 0
                       WHERE space_key = ?1 AND released_at IS NULL";
        connection.prepare_cached(release)?.execute(params![space_key, now, account_key])?;
        if let Some(handle) = handle {
            let mut statement = connection.prepare_cached(
                "INSERT OR REPLACE INTO handles (handle, space_key, account_key, claimed_at, released_at, is_shown)
                 VALUES (?1, ?2, ?3, ?4, NULL, 0)",
            )?;
            statement.execute(params![handle, space_key, account_key, now])?;
        }
        Ok(Claim::Held)
    }
}

fn space_key(connection: &Connection, space: SpaceId) -> Result<Option<i64>, StorageError> {
    let mut statement = connection.prepare_cached("SELECT space_key FROM spaces WHERE id = ?1")?;
    Ok(statement.query_row([space.0], |row| row.get(0)).optional()?)
}

/// Whose a handle is, or is kept for.
fn owner(connection: &Connection, handle: &str) -> Result<Option<i64>, StorageError> {
    let mut statement = connection.prepare_cached("SELECT space_key FROM handles WHERE handle = ?1")?;
    Ok(statement.query_row([handle], |row| row.get(0)).optional()?)
}

fn current(connection: &Connection, space_key: i64) -> Result<Option<String>, StorageError> {
    let mut statement =
        connection.prepare_cached("SELECT handle FROM handles WHERE space_key = ?1 AND released_at IS NULL")?;
    Ok(statement.query_row([space_key], |row| row.get(0)).optional()?)
}

/// How many are kept for a space beside the one that it takes back.
fn kept_for(connection: &Connection, space_key: i64, wanted: Option<&str>) -> Result<u64, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM handles WHERE space_key = ?1 AND released_at IS NOT NULL AND handle IS NOT ?2",
    )?;
    Ok(statement.query_row(params![space_key, wanted], |row| unsigned(row, 0))?)
}

/// Those that nobody has any more.
fn forget_old(connection: &Connection, before: i64) -> Result<(), StorageError> {
    let sql = "DELETE FROM handles WHERE released_at < ?1 AND is_shown";
    connection.prepare_cached(sql)?.execute([before])?;
    Ok(())
}
