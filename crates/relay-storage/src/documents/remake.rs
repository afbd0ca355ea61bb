//! What is derived from a document's log, dropped and made again in one transaction. The log and the checked position
//! stay as they are.

use rusqlite::params;
use sync_wire::{DocumentId, Position, SpaceId};

use super::checks::Stored;
use super::projections::store_projection;
use super::publications::restore_published;
use super::shelves::{doubt_shelves, forget};
use super::snapshots::store_snapshot;
use super::{NewProjection, NewSnapshot};
use crate::change_log::{ReadError, log_key, restore_frontier};
use crate::storage::{Storage, Writer};

/// What a document's log gave, as of a checked position.
#[derive(Debug, Clone)]
pub(crate) struct Remade {
    pub(crate) checked: Position,
    pub(crate) projection: Option<NewProjection>,
    /// What the log gave where its published state is.
    pub(crate) published: Option<NewProjection>,
    pub(crate) snapshot: Option<NewSnapshot>,
}

impl Storage {
    /// Replaces everything derived of a document, unless its checked position has moved.
    pub(crate) async fn remake(
        &self,
        space: SpaceId,
        document: DocumentId,
        remade: Remade,
    ) -> Result<Stored, ReadError> {
        self.write(move |writer| writer.remake(space, document, &remade)).await
    }
}

impl Writer {
    fn remake(&mut self, space: SpaceId, document: DocumentId, remade: &Remade) -> Result<Stored, ReadError> {
        let row = self.checked_row(space, document)?;
        if row.checked != remade.checked {
            return Ok(Stored::Moved { checked: row.checked });
        }
        for derived in [
            "DELETE FROM snapshots WHERE document_key = ?1",
            "DELETE FROM projections WHERE document_key = ?1",
            "DELETE FROM open_conflicts WHERE document_key = ?1", // counted again when somebody asks
            COUNTS,
        ] {
            self.connection.prepare_cached(derived)?.execute([row.document_key])?;
        }
        forget(&self.connection, row.document_key)?; // and taken in again
        doubt_shelves(&self.connection, row.space_key)?;
        let mut positions = self.connection.prepare_cached(
            "UPDATE documents SET first_position = first_position - ?2, last_position = last_position - ?2
             WHERE document_key = ?1",
        )?;
        positions.execute(params![row.document_key, log_key(row.space_key, 0)])?;
        drop(positions);
        restore_frontier(&self.connection, row.space_key, document)?;
        // With the counts as they are now.
        let row = self.checked_row(space, document)?;
        if let Some(published) = &remade.published {
            restore_published(&self.connection, &row, published)?;
        }
        if let Some(projection) = &remade.projection {
            store_projection(&self.connection, &row, remade.checked, projection)?;
        }
        if let Some(snapshot) = &remade.snapshot {
            store_snapshot(&self.connection, &row, remade.checked, snapshot)?;
        }
        // The writer may remember what was wrong.
        self.log.forget_all();
        Ok(Stored::Done)
    }
}

/// What a document's entries count up to; the positions still with the key of their space.
const COUNTS: &str = "
    UPDATE documents SET
        first_position = (SELECT min(log_key) FROM log l WHERE l.document_key = documents.document_key),
        last_position = (SELECT max(log_key) FROM log l WHERE l.document_key = documents.document_key),
        entries = (SELECT count(*) FROM log l WHERE l.document_key = documents.document_key),
        ops = (SELECT coalesce(sum(l.ops), 0) FROM log l WHERE l.document_key = documents.document_key),
        bytes = (SELECT coalesce(sum(length(l.bytes)), 0) FROM log l
                 WHERE l.document_key = documents.document_key AND l.kind = 1),
        deleted = coalesce((SELECT l.kind = 3 FROM log l
                            WHERE l.document_key = documents.document_key AND l.kind IN (3, 4)
                            ORDER BY l.log_key DESC LIMIT 1), 0)
    WHERE document_key = ?1 AND EXISTS (SELECT 1 FROM log l WHERE l.document_key = documents.document_key)";
