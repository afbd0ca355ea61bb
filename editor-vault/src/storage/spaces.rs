//! Spaces: who may do what there, and how far their logs have come here.

use rusqlite::{Row, params};
use sync_wire::planted::{self, Bug};
use sync_wire::{
    BootstrapPoint, Chain, Cursor, DocumentId, Epoch, Grant, LogPosition, Position, Resume, Role, Salt, SpaceId,
    SpaceKind,
};

use super::Tx;
use super::tx::{blob, signed, unsigned};
use crate::error::StorageError;

const COLUMNS: &str = "id, space, alias, is_home, kind, role, name, access_version, salt, epoch, position, chain, \
                       bootstrap_at, bootstrap_after";

/// A space as stored.
#[derive(Debug, Clone)]
pub(crate) struct SpaceRow {
    pub(crate) row: i64,
    pub(crate) space: SpaceId,
    /// The local id that it had before the first login.
    pub(crate) alias: Option<SpaceId>,
    pub(crate) is_home: bool,
    /// None for a local space.
    pub(crate) kind: Option<SpaceKind>,
    pub(crate) role: Option<Role>,
    pub(crate) name: String,
    access_version: u64,
    /// Where its log has come, if a relay knows it.
    pub(crate) resuming: Option<Resuming>,
}

/// What is needed to go on with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resuming {
    pub(crate) salt: Salt,
    pub(crate) at: LogPosition,
    pub(crate) chain: Chain,
    pub(crate) bootstrap: Option<BootstrapPoint>,
}

impl SpaceRow {
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        let resuming = self.resuming?;
        Some(Cursor { space: self.space, at: resuming.at, chain: resuming.chain, bootstrap: resuming.bootstrap })
    }

    /// Whether storing the grant would change nothing, its cursor aside.
    pub(crate) fn is_as(&self, grant: &Grant) -> bool {
        self.kind == Some(grant.kind)
            && self.role == Some(grant.role)
            && self.name == grant.name
            && self.access_version == grant.access_version
            && self.resuming.is_some_and(|resuming| resuming.salt == grant.salt)
    }
}

impl Tx<'_> {
    pub(super) fn create_local_space(&self, space: &[u8; 16]) -> Result<(), StorageError> {
        self.execute("INSERT INTO spaces (space, alias, is_home) VALUES (?1, ?1, 1)", [space])?;
        Ok(())
    }

    pub(crate) fn spaces(&self) -> Result<Vec<SpaceRow>, StorageError> {
        self.all(&format!("SELECT {COLUMNS} FROM spaces ORDER BY id"), [], read_space)
    }

    /// A space by its id or by the local id that it had before the first login.
    pub(crate) fn space(&self, space: SpaceId) -> Result<Option<SpaceRow>, StorageError> {
        let by = |column: &str| {
            self.one(&format!("SELECT {COLUMNS} FROM spaces WHERE {column} = ?1"), [&space.0], read_space)
        };
        by("space")?.map_or_else(|| by("alias"), |found| Ok(Some(found)))
    }

    /// The home space: local until the first login.
    pub(crate) fn home(&self) -> Result<SpaceRow, StorageError> {
        let home = self.one(&format!("SELECT {COLUMNS} FROM spaces WHERE is_home = 1 LIMIT 1"), [], read_space)?;
        home.ok_or_else(|| self.unexpected("no home space"))
    }

    /// Gives the local home space the id of the account's personal space. All its rows follow; no byte changes.
    pub(crate) fn rehome(&self, home: &SpaceRow, personal: SpaceId) -> Result<(), StorageError> {
        self.execute("UPDATE spaces SET space = ?2 WHERE id = ?1", params![home.row, personal.0])?;
        if planted::is(Bug::OutboxForgottenAfterLogin) {
            let forget = "UPDATE batches SET state = 2 WHERE document IN (SELECT id FROM documents WHERE space = ?1)";
            self.execute(forget, [home.row])?; // as if the outbox were kept by the id of its space
        }
        Ok(())
    }

    /// Stores a grant; moves the cursor if the relay said so.
    pub(crate) fn apply_grant(&self, grant: &Grant) -> Result<SpaceRow, StorageError> {
        self.execute(
            "INSERT INTO spaces (space, kind, role, name, salt, access_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (space) DO UPDATE SET kind = excluded.kind, role = excluded.role, name = excluded.name,
                 salt = excluded.salt, access_version = excluded.access_version",
            params![
                grant.space.0,
                kind_code(grant.kind),
                role_code(grant.role),
                grant.name,
                grant.salt.0,
                signed(grant.access_version)
            ],
        )?;
        let known = self.space(grant.space)?.ok_or_else(|| self.unexpected("a grant was stored and is not there"))?;
        let cursor = match (grant.resume, known.resuming) {
            (Resume::Continue, Some(_)) => {
                self.reopen_after(known.row, grant.end.position)?;
                return Ok(known);
            }
            // What it has is offered first; then the relay says where the log goes on.
            (Resume::Offer, _) => return Ok(known),
            (Resume::From { at, chain }, _) => {
                self.go_back(known.row, at, grant.end.position)?;
                let at = LogPosition { epoch: grant.end.epoch, position: at };
                Cursor { space: grant.space, at, chain, bootstrap: None }
            }
            (Resume::Continue, None) => start(grant),
            (Resume::Bootstrap { at, chain }, before) => {
                let is_later = |now: Resuming| now.at.epoch == grant.end.epoch && now.at.position <= at;
                if !before.is_none_or(is_later) {
                    self.go_back(known.row, Position::START, at)?; // another log, or an older one
                }
                Cursor {
                    space: grant.space,
                    at: LogPosition { epoch: grant.end.epoch, position: at },
                    chain,
                    bootstrap: (at > Position::START).then_some(BootstrapPoint { at, after: None }),
                }
            }
        };
        self.set_cursor(known.row, &cursor)?;
        self.space(grant.space)?.ok_or_else(|| self.unexpected("a cursor was stored and its space is not there"))
    }

    /// The account may not read this space any more. What is here stays, and waits.
    pub(crate) fn take_grant(&self, space: SpaceId) -> Result<(), StorageError> {
        self.execute("UPDATE spaces SET role = NULL WHERE space = ?1", [&space.0])?;
        self.forget_stored(space)
    }

    pub(crate) fn set_cursor(&self, row: i64, cursor: &Cursor) -> Result<(), StorageError> {
        let bootstrap_after = cursor.bootstrap.and_then(|point| point.after);
        self.execute(
            "UPDATE spaces SET epoch = ?2, position = ?3, chain = ?4, bootstrap_at = ?5, bootstrap_after = ?6
             WHERE id = ?1",
            params![
                row,
                cursor.at.epoch.0,
                signed(cursor.at.position.0),
                cursor.chain.0,
                cursor.bootstrap.map(|point| signed(point.at.0)),
                blob(bootstrap_after.as_ref().map(DocumentId::as_bytes)),
            ],
        )?;
        Ok(())
    }
}

fn start(grant: &Grant) -> Cursor {
    let at = LogPosition { epoch: grant.end.epoch, position: Position::START };
    Cursor { space: grant.space, at, chain: Chain::START, bootstrap: None }
}

fn read_space(row: &Row<'_>) -> rusqlite::Result<SpaceRow> {
    let kind: Option<u8> = row.get("kind")?;
    let role: Option<u8> = row.get("role")?;
    Ok(SpaceRow {
        row: row.get("id")?,
        space: SpaceId(row.get("space")?),
        alias: row.get::<_, Option<_>>("alias")?.map(SpaceId),
        is_home: row.get("is_home")?,
        kind: kind.and_then(|code| {
            [SpaceKind::Personal, SpaceKind::Team, SpaceKind::Catalog].into_iter().find(|kind| kind_code(*kind) == code)
        }),
        role: role.and_then(|code| {
            [Role::Viewer, Role::Editor, Role::Owner].into_iter().find(|role| role_code(*role) == code)
        }),
        name: row.get("name")?,
        access_version: unsigned(row.get("access_version")?),
        resuming: read_resuming(row)?,
    })
}

fn read_resuming(row: &Row<'_>) -> rusqlite::Result<Option<Resuming>> {
    let (Some(epoch), Some(salt), Some(chain)) = (row.get("epoch")?, row.get("salt")?, row.get("chain")?) else {
        return Ok(None);
    };
    let bootstrap_at: Option<i64> = row.get("bootstrap_at")?;
    let bootstrap_after: Option<[u8; 16]> = row.get("bootstrap_after")?;
    Ok(Some(Resuming {
        salt: Salt(salt),
        at: LogPosition { epoch: Epoch(epoch), position: Position(unsigned(row.get("position")?)) },
        chain: Chain(chain),
        bootstrap: bootstrap_at
            .map(|at| BootstrapPoint { at: Position(unsigned(at)), after: bootstrap_after.map(DocumentId) }),
    }))
}

fn kind_code(kind: SpaceKind) -> u8 {
    match kind {
        SpaceKind::Personal => 1,
        SpaceKind::Team => 2,
        SpaceKind::Catalog => 3,
    }
}

fn role_code(role: Role) -> u8 {
    match role {
        Role::Viewer => 1,
        Role::Editor => 2,
        Role::Owner => 3,
    }
}
