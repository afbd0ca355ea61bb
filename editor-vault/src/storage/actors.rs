//! Actor slots: under whose name changes are written (PROTOCOL §1).

use rusqlite::params;
use sync_wire::{Actor, SpaceId};

use super::Tx;
use crate::error::StorageError;

/// What must be as it was for an actor to be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Of the file.
    pub(crate) incarnation: [u8; 16],
    /// Of the running system; if it cannot be known, no actor is used again.
    pub(crate) boot: Option<String>,
}

/// An actor as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActorRow {
    pub(crate) actor: Actor,
    pub(crate) machine: Machine,
}

impl Tx<'_> {
    pub(crate) fn actor(&self, slot: u32, space: SpaceId) -> Result<Option<ActorRow>, StorageError> {
        self.one(
            "SELECT a.actor, a.incarnation, a.boot FROM actors a JOIN spaces s ON s.id = a.space
             WHERE a.slot = ?1 AND (s.space = ?2 OR s.alias = ?2)",
            params![slot, space.0],
            |row| {
                let machine = Machine { incarnation: row.get(1)?, boot: row.get(2)? };
                Ok(ActorRow { actor: Actor(row.get(0)?), machine })
            },
        )
    }

    /// Whether an actor is, or was lately, one of this vault.
    pub(crate) fn is_own_actor(&self, actor: &Actor) -> Result<bool, StorageError> {
        let found = self.one("SELECT 1 FROM actors WHERE actor = ?1", [&actor.0], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// No actor of this vault is used again.
    pub(crate) fn forget_actors(&self) -> Result<(), StorageError> {
        self.execute("DELETE FROM actors", [])?;
        Ok(())
    }

    pub(crate) fn put_actor(&self, slot: u32, space: SpaceId, new: &ActorRow) -> Result<(), StorageError> {
        let found = self.space(space)?.ok_or_else(|| self.unexpected(format!("no space {space}")))?;
        self.execute(
            "INSERT INTO actors (slot, space, actor, incarnation, boot) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (slot, space) DO UPDATE SET actor = excluded.actor, incarnation = excluded.incarnation,
                 boot = excluded.boot",
            params![slot, found.row, new.actor.0, new.machine.incarnation, new.machine.boot],
        )?;
        Ok(())
    }
}
