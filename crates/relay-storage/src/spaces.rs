//! Spaces and who may do what in them. Every change moves the space's access version and the global one.

use rusqlite::{OptionalExtension, Row, params};
use sync_wire::{AccountId, Chain, Epoch, LogPosition, Position, Role, Salt, SpaceId, SpaceKind};

use crate::accounts::{account_key, bump_access_version, version_step};
use crate::change_log::unsigned;
use crate::error::{StorageError, storage_arm};
use crate::options::random_bytes;
use crate::storage::{Reader, Storage, Writer};

/// Longest name of a space, in characters.
const NAME_CHARS_MAX: usize = 100;

/// A space as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceGrant {
    /// The space.
    pub space: SpaceId,
    /// Its kind.
    pub kind: SpaceKind,
    /// Its name, for people.
    pub name: String,
    /// What the account may do there.
    pub role: Role,
    /// Keys the digests of its entries.
    pub salt: Salt,
    /// Changes whenever a grant of the space changes.
    pub access_version: u64,
    /// Where its log ends.
    pub end: LogPosition,
    /// The chain there.
    pub end_chain: Chain,
}

/// A role, and the version of the space's grants that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleRead {
    /// What the account may do.
    pub role: Role,
    /// The space's access version at that time.
    pub access_version: u64,
    /// The kind of the space.
    pub kind: SpaceKind,
}

/// A space, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    /// Its id.
    pub id: SpaceId,
    /// Its name, for people; not unique.
    pub name: String,
    /// Its kind.
    pub kind: SpaceKind,
    /// Changes whenever a grant of the space changes.
    pub access_version: u64,
    /// Where its log ends.
    pub end: LogPosition,
    /// The chain there.
    pub end_chain: Chain,
}

/// Why a space cannot be made, or a grant not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The name is empty, too long or has control characters.
    #[error("{name:?} is no name of a space: 1 to {NAME_CHARS_MAX} characters, none of them a control character")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// No such space.
    #[error("no space {space}; name one that exists")]
    UnknownSpace {
        /// The id.
        space: SpaceId,
    },
    /// No such account.
    #[error("no account {account}; create it first")]
    UnknownAccount {
        /// The id.
        account: AccountId,
    },
    /// A personal space has one member for ever: what is in it was not checked for others.
    #[error("space {space} is personal and cannot be shared; create a team space")]
    PersonalNotShared {
        /// The id.
        space: SpaceId,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(SpaceError);

impl SpaceError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "space_name_invalid",
            Self::UnknownSpace { .. } => "space_unknown",
            Self::UnknownAccount { .. } => "account_unknown",
            Self::PersonalNotShared { .. } => "space_personal",
            Self::Storage(error) => error.code(),
        }
    }
}

impl Storage {
    /// Makes a space with an epoch and a salt of its own, and its owner's grant if one is named.
    ///
    /// # Errors
    /// [`SpaceError`] for a bad name or an unknown owner.
    pub async fn create_space(
        &self,
        name: &str,
        kind: SpaceKind,
        owner: Option<AccountId>,
    ) -> Result<SpaceId, SpaceError> {
        let name = name.to_owned();
        self.write(move |writer| writer.create_space(&name, kind, owner)).await
    }

    /// Gives an account a role in a space, or another one.
    ///
    /// # Errors
    /// [`SpaceError`] for an unknown space or account, or a personal space.
    pub async fn grant(&self, space: SpaceId, account: AccountId, role: Role) -> Result<(), SpaceError> {
        self.write(move |writer| writer.grant(space, account, role)).await
    }

    /// Takes an account's role in a space; `false` if it had none.
    ///
    /// # Errors
    /// [`SpaceError`] for an unknown space or account, or a personal space.
    pub async fn revoke_grant(&self, space: SpaceId, account: AccountId) -> Result<bool, SpaceError> {
        self.write(move |writer| writer.revoke_grant(space, account)).await
    }

    /// Every space that an account may read, ascending by id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn grants_of(&self, account: AccountId) -> Result<Vec<SpaceGrant>, StorageError> {
        self.read(move |reader| reader.grants_of(account)).await
    }

    /// What an account may do in a space; `None` if it may not read it or there is none.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn role_of(&self, account: AccountId, space: SpaceId) -> Result<Option<RoleRead>, StorageError> {
        self.read(move |reader| reader.role_of(account, space)).await
    }

    /// A space by its id.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn space(&self, space: SpaceId) -> Result<Option<SpaceInfo>, StorageError> {
        self.read(move |reader| Ok(reader.spaces_where("id = ?1", &space.0)?.pop())).await
    }

    /// Every space of a name.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn spaces_named(&self, name: &str) -> Result<Vec<SpaceInfo>, StorageError> {
        let name = name.to_owned();
        self.read(move |reader| reader.spaces_where("name = ?1 ORDER BY id", &name)).await
    }

    /// Who may read a space, by name of account.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn members(&self, space: SpaceId) -> Result<Vec<(AccountId, String, Role)>, StorageError> {
        self.read(move |reader| reader.members(space)).await
    }
}

impl Writer {
    pub(crate) fn create_space(
        &self,
        name: &str,
        kind: SpaceKind,
        owner: Option<AccountId>,
    ) -> Result<SpaceId, SpaceError> {
        let chars = name.chars().count();
        if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            return Err(SpaceError::InvalidName { name: name.chars().take(NAME_CHARS_MAX).collect() });
        }
        let random = &self.context.random;
        let id = SpaceId(random_bytes(random));
        let (epoch, salt) = (random_bytes::<8>(random), random_bytes::<32>(random));
        self.connection
            .prepare_cached(
                "INSERT INTO spaces (id, kind, name, epoch, salt, access_version, end_position, chain, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1, 0, ?6, ?7)",
            )?
            .execute(params![id.0, kind_code(kind), name, epoch, salt, Chain::START.0, (self.context.clock)()])?;
        if let Some(owner) = owner {
            self.put_grant(self.space_row(id)?.0, owner, Role::Owner)?;
        }
        bump_access_version(&self.connection)?;
        Ok(id)
    }

    /// The owner's grant of a space that was just made with its account.
    pub(crate) fn own_personal_space(&self, space: SpaceId, account: AccountId) -> Result<(), SpaceError> {
        self.put_grant(self.space_row(space)?.0, account, Role::Owner)
    }

    fn grant(&self, space: SpaceId, account: AccountId, role: Role) -> Result<(), SpaceError> {
        let space_key = self.shared_space(space)?;
        self.put_grant(space_key, account, role)?;
        self.grants_changed(space_key)
    }

    fn revoke_grant(&self, space: SpaceId, account: AccountId) -> Result<bool, SpaceError> {
        let space_key = self.shared_space(space)?;
        let account_key = account_key(&self.connection, account)?.ok_or(SpaceError::UnknownAccount { account })?;
        let mut statement =
            self.connection.prepare_cached("DELETE FROM grants WHERE account_key = ?1 AND space_key = ?2")?;
        let had_one = statement.execute([account_key, space_key])? > 0;
        if had_one {
            self.grants_changed(space_key)?;
        }
        Ok(had_one)
    }

    fn put_grant(&self, space_key: i64, account: AccountId, role: Role) -> Result<(), SpaceError> {
        let account_key = account_key(&self.connection, account)?.ok_or(SpaceError::UnknownAccount { account })?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO grants (account_key, space_key, role, granted_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET role = excluded.role, granted_at = excluded.granted_at",
        )?;
        statement.execute(params![account_key, space_key, role_code(role), (self.context.clock)()])?;
        Ok(())
    }

    fn grants_changed(&self, space_key: i64) -> Result<(), SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE spaces SET access_version = access_version + ?2 WHERE space_key = ?1")?;
        statement.execute([space_key, version_step(&self.context.random)])?;
        bump_access_version(&self.connection)?;
        Ok(())
    }

    fn shared_space(&self, space: SpaceId) -> Result<i64, SpaceError> {
        match self.space_row(space)? {
            (_, SpaceKind::Personal) => Err(SpaceError::PersonalNotShared { space }),
            (space_key, _) => Ok(space_key),
        }
    }

    fn space_row(&self, space: SpaceId) -> Result<(i64, SpaceKind), SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT space_key, kind FROM spaces WHERE id = ?1")?;
        let row = statement.query_row([space.0], |row| Ok((row.get(0)?, kind_from_code(row, 1)?)));
        row.optional()?.ok_or(SpaceError::UnknownSpace { space })
    }
}

impl Reader {
    pub(crate) fn grants_of(&self, account: AccountId) -> Result<Vec<SpaceGrant>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.id, s.name, s.kind, s.access_version, s.epoch, s.end_position, s.chain, s.salt, g.role
             FROM grants g JOIN accounts a USING (account_key) JOIN spaces s USING (space_key)
             WHERE a.id = ?1 ORDER BY s.id",
        )?;
        let grants = statement.query_map([account.0], |row| {
            let SpaceInfo { id, name, kind, access_version, end, end_chain } = info_of(row)?;
            let (salt, role) = (Salt(row.get(7)?), role_from_code(row, 8)?);
            Ok(SpaceGrant { space: id, kind, name, role, salt, access_version, end, end_chain })
        })?;
        Ok(grants.collect::<rusqlite::Result<_>>()?)
    }

    fn role_of(&self, account: AccountId, space: SpaceId) -> Result<Option<RoleRead>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT g.role, s.access_version, s.kind
             FROM spaces s JOIN accounts a ON a.id = ?1 JOIN grants g USING (account_key, space_key) WHERE s.id = ?2",
        )?;
        let role = statement.query_row(params![account.0, space.0], |row| {
            Ok(RoleRead {
                role: role_from_code(row, 0)?,
                access_version: unsigned(row, 1)?,
                kind: kind_from_code(row, 2)?,
            })
        });
        Ok(role.optional()?)
    }

    fn spaces_where(&self, condition: &str, value: &dyn rusqlite::ToSql) -> Result<Vec<SpaceInfo>, StorageError> {
        let sql =
            format!("SELECT id, name, kind, access_version, epoch, end_position, chain FROM spaces WHERE {condition}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let spaces = statement.query_map([value], info_of)?.collect::<rusqlite::Result<_>>()?;
        Ok(spaces)
    }

    fn members(&self, space: SpaceId) -> Result<Vec<(AccountId, String, Role)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.id, a.name, g.role
             FROM spaces s JOIN grants g USING (space_key) JOIN accounts a USING (account_key)
             WHERE s.id = ?1 ORDER BY a.name",
        )?;
        let members =
            statement.query_map([space.0], |row| Ok((AccountId(row.get(0)?), row.get(1)?, role_from_code(row, 2)?)))?;
        Ok(members.collect::<rusqlite::Result<_>>()?)
    }
}

fn info_of(row: &Row<'_>) -> rusqlite::Result<SpaceInfo> {
    Ok(SpaceInfo {
        id: SpaceId(row.get(0)?),
        name: row.get(1)?,
        kind: kind_from_code(row, 2)?,
        access_version: unsigned(row, 3)?,
        end: LogPosition { epoch: Epoch(row.get(4)?), position: Position(unsigned(row, 5)?) },
        end_chain: Chain(row.get(6)?),
    })
}

/// As a role is stored.
pub(crate) const fn role_code(role: Role) -> u8 {
    match role {
        Role::Viewer => 1,
        Role::Editor => 2,
        Role::Owner => 3,
    }
}

/// The other way.
pub(crate) fn role_from_code(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    match row.get(column)? {
        1 => Ok(Role::Viewer),
        2 => Ok(Role::Editor),
        3 => Ok(Role::Owner),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

const fn kind_code(kind: SpaceKind) -> u8 {
    match kind {
        SpaceKind::Personal => 1,
        SpaceKind::Team => 2,
        SpaceKind::Catalog => 3,
    }
}

/// The stored form of a kind.
pub(crate) fn kind_from_code(row: &Row<'_>, column: usize) -> rusqlite::Result<SpaceKind> {
    match row.get(column)? {
        1 => Ok(SpaceKind::Personal),
        2 => Ok(SpaceKind::Team),
        3 => Ok(SpaceKind::Catalog),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}
