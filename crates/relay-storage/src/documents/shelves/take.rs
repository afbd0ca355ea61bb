//! Documents of a shelf, taken in.

use document_index::Content;
use rusqlite::{OptionalExtension, params};

use super::moved::{MovedDocument, MovedSlice};
use super::{Shelf, index};
use crate::error::StorageError;
use crate::storage::{Load, Storage, Writer};

/// Bytes of texts that take as long as a step of a push.
const TEXT_BYTES_OF_A_STEP: usize = 2048;

/// What was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TakenIn {
    /// Documents; those that moved on meanwhile are left for the next look.
    pub documents: u64,
}

impl Storage {
    /// Takes in a slice, whose documents have these contents, in the same order. Others may do the same at once.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn take_in(&self, slice: MovedSlice, contents: Vec<Content>) -> Result<TakenIn, StorageError> {
        if slice.documents.is_empty() && slice.through.is_none() {
            return Ok(TakenIn::default());
        }
        // Words take long, and pushes must not wait for them.
        let bytes: usize = contents.iter().map(Content::text_bytes).sum();
        let load = Load { steps: 1 + bytes / TEXT_BYTES_OF_A_STEP, document: None };
        self.write_loaded(load, move |writer| writer.take_in(&slice, &contents)).await
    }
}

impl Writer {
    fn take_in(&mut self, slice: &MovedSlice, contents: &[Content]) -> Result<TakenIn, StorageError> {
        let MovedSlice { shelf, documents, through, .. } = slice;
        let mut statement = self.connection.prepare_cached(
            "SELECT (SELECT coalesce(max(turn), 0) FROM indexed WHERE shelf = ?1)
             FROM shelves WHERE shelf = ?1 AND version = ?2",
        )?;
        // Nothing if all is to be looked at again, by other indexes perhaps.
        let turn = statement.query_row(params![shelf.row, shelf.version], |row| row.get::<_, i64>(0)).optional()?;
        drop(statement);
        let Some(turn) = turn else { return Ok(TakenIn::default()) };
        let (mark, mut taken) = (shelf.mark(), TakenIn::default());
        for (document, content) in documents.iter().zip(contents) {
            if !self.is_as_it_was(shelf, document)? {
                continue;
            }
            index(&self.connection).keep(document.row, turn + 1, content, &mark)?;
            self.connection
                .prepare_cached("UPDATE indexed SET shelf = ?2, declared = ?3, position = ?4 WHERE document = ?1")?
                .execute(params![document.row, shelf.row, shelf.declared_count(), document.position])?;
            taken.documents += 1;
        }
        if let Some(through) = through {
            self.connection
                .prepare_cached("UPDATE shelves SET through = ?2 WHERE shelf = ?1 AND through < ?2")?
                .execute(params![shelf.row, through])?;
        }
        Ok(taken)
    }

    /// Whether a document is still what it was when it was looked at. If not, its move is in the log.
    fn is_as_it_was(&self, shelf: &Shelf, document: &MovedDocument) -> Result<bool, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT CASE WHEN d.deleted OR d.type IS NOT ?2 THEN NULL ELSE p.position END
             FROM documents d LEFT JOIN projections p USING (document_key)
             LEFT JOIN indexed x ON x.document = d.document_key
             WHERE d.document_key = ?1 AND (d.type IS ?2 OR x.shelf IS ?3)",
        )?;
        let asked = params![document.row, shelf.type_name, shelf.row];
        let now = statement.query_row(asked, |row| row.get::<_, Option<i64>>(0));
        Ok(now.optional()? == Some(document.position))
    }
}
