//! One row per document: what can be known of it without loading it.

use std::collections::HashSet;

use rusqlite::params;
use sync_wire::{DocumentId, SpaceId};

use super::tx::unsigned;
use super::{SpaceRow, Tx};
use crate::error::StorageError;

/// What `deleted` says of a document whose bytes are gone for good; 1 is deleted, 0 is not.
pub(super) const PURGED: i64 = 2;

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentRow {
    pub(crate) row: i64,
    pub(crate) type_name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) title_is_stale: bool,
    pub(crate) deleted: bool,
    /// Deleted for good: the bytes are gone.
    pub(crate) purged: bool,
    pub(crate) held: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) moved: Moved,
}

/// Tells whether a document moved since it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// The last row of its changes.
    pub(crate) point: i64,
    /// Counts how often what was there before changed: it must be loaded anew.
    pub(crate) generation: i64,
}

impl Moved {
    /// Whether it is a later state than `other`.
    pub(crate) fn is_after(self, other: Self) -> bool {
        (self.generation, self.point) > (other.generation, other.point)
    }
}

/// Where a document stands before something is stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DocumentPlace {
    pub(crate) row: i64,
    pub(crate) moved: Moved,
    /// Whether its type was known.
    pub(crate) is_typed: bool,
    /// Whether it is deleted for good.
    pub(crate) is_purged: bool,
}

/// A document in a list.
#[derive(Debug, Clone)]
pub(crate) struct ListRow {
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    pub(crate) document: DocumentRow,
}

const COLUMNS: &str = "d.id, d.type, d.title, d.title_is_stale, d.deleted, d.held, d.bytes, d.point, d.generation";

impl Tx<'_> {
    pub(crate) fn document(&self, space: SpaceId, id: DocumentId) -> Result<Option<DocumentRow>, StorageError> {
        // One after the other: with OR, SQLite would collect the rows of both in a table of its own.
        let by = |column: &str| {
            self.one(
                &format!(
                    "SELECT {COLUMNS} FROM spaces s JOIN documents d ON d.space = s.id AND d.document = ?2
                     WHERE s.{column} = ?1"
                ),
                [&space.0, &id.0],
                |row| read_document(row, 0),
            )
        };
        by("space")?.map_or_else(|| by("alias"), |found| Ok(Some(found)))
    }

    /// The row of a document, made if it is not there.
    pub(crate) fn ensure_document(
        &self,
        space: &SpaceRow,
        id: DocumentId,
        type_name: Option<&str>,
    ) -> Result<DocumentPlace, StorageError> {
        let found = self.one(
            "SELECT id, type, point, generation, deleted FROM documents WHERE space = ?1 AND document = ?2",
            params![space.row, id.0],
            |row| {
                let moved = Moved { point: row.get(2)?, generation: row.get(3)? };
                let type_name: Option<String> = row.get(1)?;
                let is_purged = row.get::<_, i64>(4)? == PURGED;
                Ok(DocumentPlace { row: row.get(0)?, moved, is_typed: type_name.is_some(), is_purged })
            },
        )?;
        match found {
            Some(place) if !place.is_typed && type_name.is_some() => {
                self.set_type(place.row, type_name)?;
                Ok(place)
            }
            Some(place) => Ok(place),
            None => {
                let row = self.insert(
                    "INSERT INTO documents (space, document, type) VALUES (?1, ?2, ?3)",
                    params![space.row, id.0, type_name],
                )?;
                Ok(DocumentPlace { row, moved: Moved::default(), is_typed: false, is_purged: false })
            }
        }
    }

    /// The row of a document that a snapshot brings anew: every process loads it anew, and nothing that this vault
    /// derived from its rows counts any more.
    pub(crate) fn renew_document(
        &self,
        space: &SpaceRow,
        id: DocumentId,
        type_name: Option<&str>,
        bytes: usize,
    ) -> Result<i64, StorageError> {
        // Generation 1: whoever looked before it was here has generation 0 in memory. The row's number is asked for
        // afterwards: RETURNING would collect its answer in a table of its own, which takes as long as the rest.
        let new = self.execute(
            "INSERT INTO documents (space, document, type, bytes, generation) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT DO NOTHING",
            params![space.row, id.0, type_name, i64::try_from(bytes).unwrap_or(i64::MAX)],
        )?;
        if new > 0 {
            return Ok(self.connection().last_insert_rowid());
        }
        let place = self.ensure_document(space, id, type_name)?;
        self.drop_local_snapshot(place.row)?;
        self.move_point(place.row, place.moved.point, bytes)?;
        self.begin_generation(place.row)?;
        Ok(place.row)
    }

    /// Which documents of a space the vault has after one and up to another.
    pub(crate) fn documents_between(
        &self,
        space: i64,
        after: Option<DocumentId>,
        last: Option<DocumentId>,
    ) -> Result<HashSet<DocumentId>, StorageError> {
        let (Some(last), after) = (last, after.map_or(Vec::new(), |id| id.0.to_vec())) else {
            return Ok(HashSet::new());
        };
        let found = self.all(
            "SELECT document FROM documents WHERE space = ?1 AND document > ?2 AND document <= ?3",
            params![space, after, last.0], // the empty blob sorts before every id
            |row| Ok(DocumentId(row.get(0)?)),
        )?;
        Ok(found.into_iter().collect())
    }

    /// A snapshot that was only walked says another type now that it is loaded.
    pub(crate) fn correct_type(&self, document: i64, type_name: &str) -> Result<(), StorageError> {
        self.execute("UPDATE documents SET type = ?2, title_is_stale = 1 WHERE id = ?1", params![document, type_name])?;
        Ok(())
    }

    /// The type becomes known with the document's root seed.
    pub(crate) fn set_type(&self, document: i64, type_name: Option<&str>) -> Result<(), StorageError> {
        self.execute(
            "UPDATE documents SET type = ?2 WHERE id = ?1 AND type IS NULL AND ?2 IS NOT NULL",
            params![document, type_name],
        )?;
        Ok(())
    }

    /// Stores a title that was found at this point, unless the document has moved since.
    pub(crate) fn refresh_title(&self, document: i64, at: Moved, title: Option<&str>) -> Result<(), StorageError> {
        self.execute(
            "UPDATE documents SET title = ?2, title_is_stale = 0 WHERE id = ?1 AND point = ?3 AND generation = ?4",
            params![document, title, at.point, at.generation],
        )?;
        Ok(())
    }

    pub(crate) fn set_deleted(&self, document: i64, deleted: bool) -> Result<(), StorageError> {
        self.execute(
            "UPDATE documents SET deleted = ?2 WHERE id = ?1 AND deleted <> ?3",
            params![document, deleted, PURGED],
        )?;
        Ok(())
    }

    pub(crate) fn set_held(&self, document: i64, reason: Option<&str>) -> Result<(), StorageError> {
        self.execute("UPDATE documents SET held = ?2 WHERE id = ?1", params![document, reason])?;
        Ok(())
    }

    /// Makes every process load the document anew.
    pub(crate) fn begin_generation(&self, document: i64) -> Result<(), StorageError> {
        self.execute("UPDATE documents SET generation = generation + 1, title_is_stale = 1 WHERE id = ?1", [document])?;
        Ok(())
    }

    pub(super) fn move_point(&self, document: i64, point: i64, bytes: usize) -> Result<(), StorageError> {
        self.execute(
            // Whoever knows the title says so afterwards; after a change of others it must be found out again.
            "UPDATE documents SET point = ?2, bytes = bytes + ?3, title_is_stale = 1 WHERE id = ?1",
            params![document, point, i64::try_from(bytes).unwrap_or(i64::MAX)],
        )?;
        Ok(())
    }

    pub(crate) fn generation(&self, document: i64) -> Result<i64, StorageError> {
        let found = self.one("SELECT generation FROM documents WHERE id = ?1", [document], |row| row.get(0))?;
        found.ok_or_else(|| self.unexpected(format!("no document row {document}")))
    }

    /// The space of a document.
    pub(super) fn space_of(&self, document: i64) -> Result<Option<SpaceRow>, StorageError> {
        let space = self.one(
            "SELECT s.space FROM documents d JOIN spaces s ON s.id = d.space WHERE d.id = ?1",
            [document],
            |row| Ok(SpaceId(row.get(0)?)),
        )?;
        space.map_or(Ok(None), |space| self.space(space))
    }

    /// Documents in the order of their ids.
    pub(crate) fn list(
        &self,
        space: Option<SpaceId>,
        type_name: Option<&str>,
        include_deleted: bool,
    ) -> Result<Vec<ListRow>, StorageError> {
        self.all(
            &format!(
                "SELECT s.space, d.document, {COLUMNS} FROM documents d JOIN spaces s ON s.id = d.space
                 WHERE (?1 IS NULL OR s.space = ?1 OR s.alias = ?1) AND (?2 IS NULL OR d.type = ?2)
                   AND (?3 OR NOT d.deleted)
                 ORDER BY s.id, d.document"
            ),
            params![space.map(|space| space.0), type_name, include_deleted],
            |row| {
                let document = read_document(row, 2)?;
                Ok(ListRow { space: SpaceId(row.get(0)?), id: DocumentId(row.get(1)?), document })
            },
        )
    }

    /// Documents that got changes after the row `after`, and the last row there is.
    pub(crate) fn moved_after(&self, after: i64) -> Result<(Vec<(SpaceId, DocumentId)>, i64), StorageError> {
        let last = self.one("SELECT coalesce(max(id), 0) FROM changes", [], |row| row.get(0))?.unwrap_or(0);
        let moved = self.all(
            "SELECT DISTINCT s.space, d.document FROM changes c JOIN documents d ON d.id = c.document
             JOIN spaces s ON s.id = d.space WHERE c.id > ?1",
            [after],
            |row| Ok((SpaceId(row.get(0)?), DocumentId(row.get(1)?))),
        )?;
        Ok((moved, last))
    }
}

fn read_document(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        row: row.get(first)?,
        type_name: row.get(first + 1)?,
        title: row.get(first + 2)?,
        title_is_stale: row.get(first + 3)?,
        deleted: row.get(first + 4)?,
        purged: row.get::<_, i64>(first + 4)? == PURGED,
        held: row.get(first + 5)?,
        bytes: unsigned(row.get(first + 6)?),
        moved: Moved { point: row.get(first + 7)?, generation: row.get(first + 8)? },
    })
}
