//! What an edit of our own stores, in as few statements as it can be: many threads wait for the one that writes.

use rusqlite::params;
use sync_wire::{DocumentId, SpaceId};

use super::tx::signed;
use super::{DocumentPlace, Moved, NewChange, Placed, Tx};
use crate::error::StorageError;

impl Tx<'_> {
    /// The row of a document by its space's present id; nothing is made.
    pub(crate) fn edited(&self, space: SpaceId, id: DocumentId) -> Result<Option<DocumentPlace>, StorageError> {
        self.one(
            "SELECT d.id, d.type IS NOT NULL, d.point, d.generation, d.deleted = 2
             FROM spaces s JOIN documents d ON d.space = s.id AND d.document = ?2 WHERE s.space = ?1",
            [&space.0, &id.0],
            |row| {
                let moved = Moved { point: row.get(2)?, generation: row.get(3)? };
                Ok(DocumentPlace { row: row.get(0)?, moved, is_typed: row.get(1)?, is_purged: row.get(4)? })
            },
        )
    }

    /// Stores a change of our own, unless it is there. Its document is moved afterwards, by [`Self::set_edited`].
    pub(crate) fn add_own(&self, document: i64, new: NewChange<'_>) -> Result<Placed, StorageError> {
        let header = &new.change.header;
        let added = self.execute(
            // Numbered here for the reason that `place` tells.
            "INSERT INTO changes (id, document, actor, seq, hash, batch, bytes)
             VALUES (1 + coalesce((SELECT max(id) FROM changes WHERE id > 0), 0), ?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
            params![document, header.actor.0, signed(header.seq), header.hash.0, new.batch.0, &new.change.bytes[..]],
        )?;
        // Where it was not added, another has its actor and number: `place` finds out which.
        if added == 1 { Ok(Placed::New(self.connection().last_insert_rowid())) } else { self.place(document, new) }
    }

    /// A document got changes of our own, up to the row `point`. No title: it is found out when somebody asks.
    pub(crate) fn set_edited(
        &self,
        document: i64,
        point: i64,
        bytes: usize,
        title: Option<Option<&str>>,
    ) -> Result<(), StorageError> {
        self.execute(
            "UPDATE documents SET point = ?2, bytes = bytes + ?3, title = CASE WHEN ?4 THEN ?5 ELSE title END,
                 title_is_stale = NOT ?4
             WHERE id = ?1",
            params![document, point, i64::try_from(bytes).unwrap_or(i64::MAX), title.is_some(), title.flatten()],
        )?;
        Ok(())
    }
}
