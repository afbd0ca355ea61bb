//! What rows must satisfy among themselves, asked of the file; and derived rows dropped.

use rusqlite::params;
use sync_wire::{Actor, BatchId, ChangeHash, DocumentId, SpaceId};

use super::Tx;
use super::tx::{Enough, unsigned};
use crate::error::StorageError;

/// A change as its row stands.
#[derive(Debug, Clone)]
pub(crate) struct StoredChange {
    pub(crate) row: i64,
    pub(crate) document: DocumentId,
    pub(crate) actor: Vec<u8>,
    pub(crate) seq: u64,
    pub(crate) hash: ChangeHash,
    pub(crate) bytes: Vec<u8>,
}

impl Tx<'_> {
    /// Every change of every document, one at a time.
    pub(crate) fn each_stored_change(&self, mut look: impl FnMut(StoredChange)) -> Result<(), StorageError> {
        self.some(
            "SELECT c.id, d.document, c.actor, c.seq, c.hash, c.bytes
             FROM changes c JOIN documents d ON d.id = c.document
             WHERE c.excluded = 0 OR length(c.bytes) > 0", // of discarded ones only the rows are kept
            [],
            |row| {
                look(StoredChange {
                    row: row.get(0)?,
                    document: DocumentId(row.get(1)?),
                    actor: row.get(2)?,
                    seq: unsigned(row.get(3)?),
                    hash: ChangeHash(row.get(4)?),
                    bytes: row.get(5)?,
                });
                Ok(Enough::No)
            },
        )
    }

    /// Changes without a document.
    pub(crate) fn orphaned_changes(&self) -> Result<u64, StorageError> {
        let sql = "SELECT count(*) FROM changes WHERE document NOT IN (SELECT id FROM documents)";
        Ok(self.one(sql, [], |row| row.get(0))?.map_or(0, unsigned))
    }

    /// Actors whose changes are not numbered 1, 2, 3 … in a document. Left out are documents of which changes are still
    /// to come: those of spaces that are being fetched, and those that a relay's snapshot stands for.
    pub(crate) fn gaps(&self) -> Result<Vec<(DocumentId, Actor, String)>, StorageError> {
        self.all(
            "SELECT d.document, c.actor, count(*), min(c.seq), max(c.seq)
             FROM changes c JOIN documents d ON d.id = c.document JOIN spaces s ON s.id = d.space
             WHERE c.excluded = 0 AND s.bootstrap_at IS NULL AND length(c.actor) = 16
               AND NOT EXISTS (SELECT 1 FROM snapshots p WHERE p.document = d.id AND p.origin = 1 AND p.through <> -1)
             GROUP BY c.document, c.actor HAVING min(c.seq) <> 1 OR max(c.seq) <> count(*)",
            [],
            |row| {
                let (count, first, last): (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
                let what = format!("{count} changes, numbered {first} to {last}");
                Ok((DocumentId(row.get(0)?), Actor(row.get(1)?), what))
            },
        )
    }

    /// Batches of changes whose sealed hashes are not those of their change.
    pub(crate) fn wrong_batches(&self) -> Result<Vec<BatchId>, StorageError> {
        self.all(
            "SELECT b.batch FROM batches b LEFT JOIN changes c ON c.id = b.change
             WHERE b.kind = 1 AND (c.id IS NULL OR b.hashes <> c.hash OR c.document <> b.document)",
            [],
            |row| Ok(BatchId(row.get(0)?)),
        )
    }

    /// Documents with rows after the last one that their readers would look for.
    pub(crate) fn unseen_rows(&self) -> Result<Vec<DocumentId>, StorageError> {
        self.all(
            "SELECT d.document FROM documents d
             WHERE d.point < (SELECT max(c.id) FROM changes c WHERE c.document = d.id AND c.id > 0 AND c.excluded = 0)",
            [],
            |row| Ok(DocumentId(row.get(0)?)),
        )
    }

    /// Spaces whose resume point cannot be one: a chain says that nothing came before exactly if nothing did.
    pub(crate) fn impossible_cursors(&self, start: &[u8; 32]) -> Result<Vec<SpaceId>, StorageError> {
        self.all(
            "SELECT space FROM spaces WHERE epoch IS NOT NULL
             AND (chain IS NULL OR (position = 0) <> (chain = ?1) OR position < 0)",
            params![start],
            |row| Ok(SpaceId(row.get(0)?)),
        )
    }

    /// Drops what can be made again, and lets every process load every document anew.
    pub(crate) fn drop_derived(&self) -> Result<u64, StorageError> {
        self.drop_folded()?;
        let dropped = self.execute("DELETE FROM snapshots WHERE origin = 2 OR through = -1", [])?;
        self.execute(
            "UPDATE documents SET generation = generation + 1, title = NULL, title_is_stale = 1,
                 point = max(point, coalesce((SELECT max(c.id) FROM changes c WHERE c.document = documents.id), 0))",
            [],
        )?;
        Ok(dropped as u64)
    }
}
