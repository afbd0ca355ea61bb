//! What documents are found by, derived from them and kept as `document_index` keeps it; and which documents are to be
//! taken in.
//!
//! A row of `documents` says of which of its states that was taken (`folded_…`); the index `documents_unfolded` holds
//! exactly the documents that have moved since, whoever moved them, programs of older minors too. So nobody has to be
//! told when a document moves, and whoever queries first takes in those few.
//!
//! Indexes are declared by the programs that use the file. Declarations only become more, so that two releases do not
//! take turns in undoing each other's work.

use document_index::{Content, DeclaredIndex, Mark};
use rusqlite::params;
use schemas::StoredIndex;
use sync_wire::{DocumentId, SpaceId};

use super::{Moved, Tx};
use crate::error::StorageError;

/// What [`Tx::each_unfolded`] and the index that it reads agree on.
const IS_UNFOLDED: &str = "(folded_point IS NOT point OR folded_generation IS NOT generation
    OR folded_deleted IS NOT deleted OR folded_type IS NOT type)";

/// A document that moved since it was folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfolded {
    pub(crate) row: i64,
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    pub(crate) moved: Moved,
    /// As the file has it; 0 is not deleted.
    pub(crate) deleted: i64,
}

/// What is kept of a document, of one of its states.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) row: i64,
    pub(crate) at: Moved,
    pub(crate) deleted: i64,
    pub(crate) content: Content,
}

impl Tx<'_> {
    /// The indexes that programs declared for a type, by row.
    pub(crate) fn declared(&self, type_name: &str) -> Result<Vec<DeclaredIndex>, StorageError> {
        self.index().declared(type_name).map_err(|error| self.fault(&error))
    }

    /// Declares indexes. If one is new, every document of the type is to be folded again.
    pub(crate) fn declare(&self, type_name: &str, indexes: &[StoredIndex]) -> Result<(), StorageError> {
        if self.index().declare(type_name, indexes).map_err(|error| self.fault(&error))? > 0 {
            self.execute("UPDATE documents SET folded_point = NULL WHERE type = ?1", [type_name])?;
        }
        Ok(())
    }

    /// Documents of a type that moved since they were folded.
    pub(crate) fn unfolded(&self, type_name: &str) -> Result<Vec<Unfolded>, StorageError> {
        self.all(
            &format!(
                "SELECT d.id, s.space, d.document, d.point, d.generation, d.deleted
                 FROM (SELECT id, space, document, point, generation, deleted FROM documents
                           INDEXED BY documents_unfolded WHERE type = ?1 AND {IS_UNFOLDED}) d
                 JOIN spaces s ON s.id = d.space ORDER BY d.id"
            ),
            [type_name],
            |row| {
                Ok(Unfolded {
                    row: row.get(0)?,
                    space: SpaceId(row.get(1)?),
                    id: DocumentId(row.get(2)?),
                    moved: Moved { point: row.get(3)?, generation: row.get(4)? },
                    deleted: row.get(5)?,
                })
            },
        )
    }

    /// The last fold there was: what was folded after it has a greater number.
    pub(crate) fn turn(&self) -> Result<i64, StorageError> {
        self.index().turn().map_err(|error| self.fault(&error))
    }

    /// Documents that were folded after `turn`, at most `limit`.
    pub(crate) fn folded_after(&self, turn: i64, limit: usize) -> Result<Vec<i64>, StorageError> {
        self.all(
            "SELECT document FROM projections WHERE turn > ?1 ORDER BY turn LIMIT ?2",
            params![turn, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
    }

    /// Keeps what was taken from documents of a type, unless somebody took a later state of one, or declared another
    /// index than `declared` meanwhile. Doing it twice is harmless.
    pub(crate) fn fold(&self, type_name: &str, declared: usize, folded: &[Folded]) -> Result<(), StorageError> {
        if self.declared(type_name)?.len() != declared {
            return Ok(()); // they are still unfolded
        }
        let turn = self.turn()? + 1;
        for one in folded {
            if self.is_later(one, type_name)? {
                self.keep_folded(one, turn)?;
            }
        }
        Ok(())
    }

    /// Whether a document is of that type, and what was kept of it is of an earlier state, or of none.
    fn is_later(&self, folded: &Folded, type_name: &str) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT 1 FROM documents WHERE id = ?1 AND type = ?2
                 AND (folded_point IS NULL OR (folded_generation, folded_point) <= (?3, ?4))",
            params![folded.row, type_name, folded.at.generation, folded.at.point],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    fn keep_folded(&self, folded: &Folded, turn: i64) -> Result<(), StorageError> {
        let Folded { row, at, deleted, content } = folded;
        self.index().keep(*row, turn, content, &Mark::NONE).map_err(|error| self.fault(&error))?;
        self.execute(
            "UPDATE documents SET folded_point = ?2, folded_generation = ?3, folded_deleted = ?4,
                 folded_type = type WHERE id = ?1",
            params![row, at.point, at.generation, deleted],
        )?;
        Ok(())
    }

    /// What is kept of a document, if that is of its present state.
    pub(crate) fn kept(&self, document: i64) -> Result<Option<Content>, StorageError> {
        let sql = format!("SELECT 1 FROM documents WHERE id = ?1 AND NOT {IS_UNFOLDED}");
        if self.one(&sql, [document], |_| Ok(()))?.is_none() {
            return Ok(None);
        }
        self.index().kept(document).map_err(|error| self.fault(&error))
    }

    /// Nothing of a document is found any more, and nothing of it kept.
    pub(super) fn forget_folded(&self, document: i64) -> Result<(), StorageError> {
        self.index().forget(document).map_err(|error| self.fault(&error))?;
        self.execute("UPDATE documents SET folded_point = NULL WHERE id = ?1", [document])?;
        Ok(())
    }

    /// Drops everything that was folded. The turns of documents stay: whoever waits for later ones goes on.
    pub(super) fn drop_folded(&self) -> Result<(), StorageError> {
        self.index().forget_all().map_err(|error| self.fault(&error))?;
        self.execute("UPDATE documents SET folded_point = NULL", []).map(drop)
    }

    /// Whether this SQLite can look for words.
    pub(crate) fn can_find_words(&self) -> Result<bool, StorageError> {
        self.index().can_find_words().map_err(|error| self.fault(&error))
    }
}
