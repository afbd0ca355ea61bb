//! What documents are found by, taken in when somebody asks: an edit pays nothing for it.
//!
//! The documents of one type in one space stand on a shelf, which says up to where the log was looked at. What moved
//! since is what the log has after that; so an answer costs what moved in its space, and nobody else's documents. A
//! document counts as it was checked last. What is neither in the log nor new to it, a document that is let go on as it
//! is and one that is made again, has its space looked at as a whole.
//!
//! Storage knows no document types: who does makes contents of what it is handed.

mod moved; // what is to be taken in
mod take; // and its taking
mod fault; // what was taken, compared

use document_index::{DeclaredIndex, Host, Index, Mark};
use rusqlite::{Connection, OptionalExtension, params};
use schemas::StoredIndex;
use sync_wire::SpaceId;

use crate::change_log::log_end;
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

pub(crate) use fault::{fault, is_kept};
pub use moved::{LookFrom, MovedDocument, MovedSlice, SliceLimits};
pub use take::TakenIn;

/// What the tables of the relay are called.
static HOST: Host = Host {
    document_row: "document_key",
    document_id: "id",
    document_space: "space_key",
    space_row: "space_key",
    space_id: "id",
    shown: "indexed",
};

/// What the documents of a type are found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBy {
    /// The type.
    pub type_name: String,
    /// The indexes that it declares.
    pub indexes: Vec<StoredIndex>,
    /// The stored path of what a document is called.
    pub title: Option<String>,
}

/// The documents of a type in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub(super) row: i64,
    pub(super) space_key: i64,
    /// The type.
    pub type_name: String,
    /// The stored path of what a document is called.
    pub title: Option<String>,
    /// What its documents are taken in by.
    pub declared: Vec<DeclaredIndex>,
    through: i64,
    version: i64,
}

impl Shelf {
    /// How many indexes that is: declarations only become more.
    fn declared_count(&self) -> i64 {
        count(&self.declared)
    }

    /// What the words of its documents are marked with.
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(self.row.cast_unsigned())
    }

    /// Whether it has every index that is asked for. It may have more, of another release of the relay.
    fn is_as(&self, by: &FoundBy) -> bool {
        let has = |index: &StoredIndex| self.declared.iter().any(|declared| declared.index == *index);
        self.title == by.title && by.indexes.iter().all(has)
    }
}

impl Storage {
    /// The shelf of a type in a space, made if nobody has asked for it yet; `None` if the space is gone.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn shelf(&self, space: SpaceId, by: &FoundBy) -> Result<Option<Shelf>, StorageError> {
        let asked = by.clone();
        let known = self.read(move |reader| shelf(&reader.connection, space, &asked.type_name)).await?;
        if let Some(shelf) = known.filter(|shelf| shelf.is_as(by)) {
            return Ok(Some(shelf));
        }
        let by = by.clone();
        self.write(move |writer| writer.make_shelf(space, &by)).await
    }

    /// Of some spaces, those in which documents of a type may have moved since they were taken in. Costs a look-up for
    /// each, and in an answer that holds everything nothing else.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn shelves_behind(&self, spaces: Vec<SpaceId>, by: FoundBy) -> Result<Vec<SpaceId>, StorageError> {
        self.read(move |reader| {
            let is_behind = |space: &SpaceId| reader.is_behind(*space, &by).map(|is_so| is_so.then_some(*space));
            spaces.iter().filter_map(|space| is_behind(space).transpose()).collect()
        })
        .await
    }
}

impl Reader {
    fn is_behind(&self, space: SpaceId, by: &FoundBy) -> Result<bool, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(false) };
        if let Some(shelf) = shelf(&self.connection, space, &by.type_name)? {
            return Ok(!shelf.is_as(by) || shelf.through != log.end.position.0.cast_signed());
        }
        // Where there are no documents of the type, nobody need remember that there are none.
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM documents WHERE space_key = ?1 AND type = ?2 LIMIT 1")?;
        Ok(statement.exists(params![log.space_key, by.type_name])?)
    }
}

impl Writer {
    fn make_shelf(&mut self, space: SpaceId, by: &FoundBy) -> Result<Option<Shelf>, StorageError> {
        let connection = &self.connection;
        let index = index(connection);
        let added = index.declare(&by.type_name, &by.indexes)?;
        let declared = count(&index.declared(&by.type_name)?);
        if added > 0 {
            // Those of other spaces too: an answer must not miss a document for want of a value.
            connection
                .prepare_cached(
                    "UPDATE shelves SET declared = ?2, through = -1, version = version + 1 WHERE type = ?1",
                )?
                .execute(params![by.type_name, declared])?;
        }
        connection
            .prepare_cached(
                "INSERT INTO shelves (space_key, type, title, declared, through, version)
                 SELECT space_key, ?2, ?3, ?4, -1, 0 FROM spaces WHERE id = ?1
                 ON CONFLICT DO UPDATE SET title = excluded.title, through = -1, version = version + 1
                     WHERE title IS NOT excluded.title",
            )?
            .execute(params![space.0, by.type_name, by.title, declared])?;
        shelf(connection, space, &by.type_name)
    }
}

fn count(declared: &[DeclaredIndex]) -> i64 {
    i64::try_from(declared.len()).unwrap_or(i64::MAX)
}

pub(crate) fn index(connection: &Connection) -> Index<'_> {
    Index::new(connection, &HOST)
}

pub(super) fn shelf(connection: &Connection, space: SpaceId, type_name: &str) -> Result<Option<Shelf>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT h.shelf, h.space_key, h.type, h.title, h.through, h.version
         FROM shelves h JOIN spaces s USING (space_key) WHERE s.id = ?1 AND h.type = ?2",
    )?;
    let found = statement.query_row(params![space.0, type_name], |row| {
        Ok(Shelf {
            row: row.get(0)?,
            space_key: row.get(1)?,
            type_name: row.get(2)?,
            title: row.get(3)?,
            declared: Vec::new(),
            through: row.get(4)?,
            version: row.get(5)?,
        })
    });
    let Some(found) = found.optional()? else { return Ok(None) };
    Ok(Some(Shelf { declared: index(connection).declared(type_name)?, ..found }))
}

/// Has every document of a space looked at again.
pub(crate) fn doubt_shelves(connection: &Connection, space_key: i64) -> Result<(), StorageError> {
    let doubt = "UPDATE shelves SET through = -1, version = version + 1 WHERE space_key = ?1";
    connection.prepare_cached(doubt)?.execute([space_key])?;
    Ok(())
}

/// Nothing of a document is found any more.
pub(crate) fn forget(connection: &Connection, document_key: i64) -> Result<(), StorageError> {
    index(connection).forget(document_key)?;
    // Whatever the one says of the other: the file may be damaged.
    for kept in ["DELETE FROM words WHERE rowid = ?1", "DELETE FROM indexed WHERE document = ?1"] {
        connection.prepare_cached(kept)?.execute([document_key])?;
    }
    Ok(())
}
