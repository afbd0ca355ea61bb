//! What the stored frontier of a document says, for those who explain it, verify it or make it again.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use sync_wire::{Actor, ChangeHash, DocumentId};

use super::frontier::Frontier;
use crate::error::StorageError;

/// The heads and actors of a document: what its entries must make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tips {
    /// Each head with the largest operation counter at it.
    pub(crate) heads: BTreeMap<ChangeHash, u64>,
    /// The last change of every actor: its number and hash.
    pub(crate) actors: BTreeMap<Actor, (u64, ChangeHash)>,
    /// The largest operation counter.
    pub(crate) max_op: u64,
}

/// What the stored frontier says, brought up to date from the rows after it.
pub(crate) fn stored_tips(connection: &Connection, space_key: i64, document: DocumentId) -> Result<Tips, StorageError> {
    let Frontier { heads, actors, max_op, .. } = Frontier::load(connection, space_key, document)?;
    let actors = actors.into_iter().map(|(actor, last)| (actor, (last.seq, last.hash))).collect();
    Ok(Tips { heads, actors, max_op })
}

/// Makes the stored frontier of a document again, from its rows alone.
pub(crate) fn restore_frontier(
    connection: &Connection,
    space_key: i64,
    document: DocumentId,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "UPDATE documents SET frontier_position = ?3, frontier = ?4 WHERE space_key = ?1 AND id = ?2",
    )?;
    statement.execute(params![space_key, document.0, 0, Frontier::empty().encode()])?;
    let made = Frontier::load(connection, space_key, document)?;
    statement.execute(params![space_key, document.0, made.last.cast_signed(), made.encode()])?;
    Ok(())
}
