//! One row per change, verbatim: its bytes are never altered, and removed only of refused ones that a person discards.

use document::Change;
use rusqlite::params;
use sync_wire::{Actor, BatchId, Blob, ChangeHash, DeviceId, Position};

use super::Tx;
use super::tx::{blob, signed};
use crate::error::StorageError;

/// A change to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewChange<'a> {
    pub(crate) change: &'a Change,
    /// Its place in the log, if it has one.
    pub(crate) position: Option<Position>,
    /// Whose it is, if it came from the log.
    pub(crate) device: Option<DeviceId>,
    pub(crate) batch: BatchId,
}

/// What became of a change to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It has a new row.
    New(i64),
    /// It was there.
    Known(i64),
    /// Another change has its actor and sequence number; nothing was stored.
    Taken { row: i64, hash: ChangeHash },
}

/// What became of the changes that a snapshot holds.
#[derive(Debug)]
pub(crate) struct Filled<'c> {
    /// Those that had no row.
    pub(crate) new: Vec<&'c Change>,
    /// Those that have none, because another change has their actor and number.
    pub(crate) displaced: Vec<Displaced<'c>>,
}

/// A change that a snapshot holds under a name and number that another one has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Displaced<'c> {
    pub(crate) change: &'c Change,
    /// The other one is in the log; if not, it is this vault's and will be refused.
    pub(crate) by_log: bool,
}

/// A change as stored.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRow {
    pub(crate) row: i64,
    pub(crate) bytes: Blob,
}

/// Whose a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: Actor,
    /// As the log says, if the change has its place there.
    pub(crate) device: Option<DeviceId>,
    /// Whether this vault made it.
    pub(crate) is_own: bool,
}

impl Tx<'_> {
    /// Whose the changes of a document are, in the order in which they came.
    pub(crate) fn attributions(&self, document: i64) -> Result<Vec<Attribution>, StorageError> {
        self.all(
            "SELECT c.hash, c.actor, c.device, EXISTS (SELECT 1 FROM batches b WHERE b.change = c.id)
             FROM changes c WHERE c.document = ?1 AND c.excluded = 0 ORDER BY c.id",
            [document],
            |row| {
                let device: Option<[u8; 16]> = row.get(2)?;
                Ok(Attribution {
                    hash: ChangeHash(row.get(0)?),
                    actor: Actor(row.get(1)?),
                    device: device.map(DeviceId),
                    is_own: row.get(3)?,
                })
            },
        )
    }

    /// Stores a change of a document, unless it is there.
    pub(crate) fn place(&self, document: i64, new: NewChange<'_>) -> Result<Placed, StorageError> {
        let header = &new.change.header;
        let taken = self.one(
            "SELECT id, hash FROM changes WHERE document = ?1 AND actor = ?2 AND seq = ?3 AND excluded = 0",
            params![document, header.actor.0, signed(header.seq)],
            |row| Ok((row.get(0)?, ChangeHash(row.get(1)?))),
        )?;
        match taken {
            Some((row, hash)) if hash == header.hash => Ok(Placed::Known(row)),
            Some((row, hash)) => Ok(Placed::Taken { row, hash }),
            None => self.insert_change(document, new).map(Placed::New),
        }
    }

    fn insert_change(&self, document: i64, new: NewChange<'_>) -> Result<i64, StorageError> {
        let header = &new.change.header;
        // Numbered here: where all rows so far were filled, which are below 0, SQLite would go on with 0, and nobody
        // who reads on from the beginning would find that row.
        let row = self.insert(
            "INSERT INTO changes (id, document, actor, seq, hash, position, device, batch, bytes)
             VALUES (1 + coalesce((SELECT max(id) FROM changes WHERE id > 0), 0), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                document,
                header.actor.0,
                signed(header.seq),
                header.hash.0,
                new.position.map(|position| signed(position.0)),
                blob(new.device.as_ref().map(DeviceId::as_bytes)),
                new.batch.0,
                &new.change.bytes[..],
            ],
        )?;
        self.move_point(document, row, new.change.bytes.len())?;
        Ok(row)
    }

    /// Stores changes that a snapshot holds, in causal order. They get numbers below all others: whoever reads on from
    /// a row has them already, from the snapshot.
    pub(crate) fn fill<'c>(&self, document: i64, changes: &'c [Change]) -> Result<Filled<'c>, StorageError> {
        let mut new = Vec::with_capacity(changes.len());
        let mut displaced = Vec::new();
        for change in changes {
            let taken = self.one(
                "SELECT hash, position IS NOT NULL FROM changes
                 WHERE document = ?1 AND actor = ?2 AND seq = ?3 AND excluded = 0",
                params![document, change.header.actor.0, signed(change.header.seq)],
                |row| Ok((ChangeHash(row.get(0)?), row.get(1)?)),
            )?;
            match taken {
                None => new.push(change),
                Some((hash, _)) if hash == change.header.hash => {}
                Some((_, by_log)) => displaced.push(Displaced { change, by_log }),
            }
        }
        let lowest = self.one("SELECT min(id) FROM changes", [], |row| row.get::<_, Option<i64>>(0))?.flatten();
        let first = lowest.unwrap_or(0).min(0) - i64::try_from(new.len()).unwrap_or(i64::MAX);
        for (id, change) in (first..).zip(&new) {
            let header = &change.header;
            self.insert(
                "INSERT INTO changes (id, document, actor, seq, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![id, document, header.actor.0, signed(header.seq), header.hash.0, &change.bytes[..]],
            )?;
        }
        Ok(Filled { new, displaced })
    }

    /// Stores a change that a snapshot holds, and that is no part of its document any more.
    pub(crate) fn fill_excluded(&self, document: i64, change: &Change) -> Result<i64, StorageError> {
        let header = &change.header;
        self.insert(
            "INSERT INTO changes (id, document, actor, seq, hash, excluded, bytes)
             VALUES ((SELECT min(0, min(id)) - 1 FROM changes), ?1, ?2, ?3, ?4, 1, ?5)",
            params![document, header.actor.0, signed(header.seq), header.hash.0, &change.bytes[..]],
        )
    }

    /// A change that was here got its place in the log.
    pub(crate) fn set_position(
        &self,
        change: i64,
        at: Position,
        device: DeviceId,
        batch: BatchId,
    ) -> Result<(), StorageError> {
        self.execute(
            "UPDATE changes SET position = ?2, device = ?3, batch = ?4 WHERE id = ?1",
            params![change, signed(at.0), device.0, batch.0],
        )?;
        Ok(())
    }

    /// A change is no longer part of its document; its bytes stay.
    pub(crate) fn exclude(&self, change: i64) -> Result<(), StorageError> {
        self.execute("UPDATE changes SET excluded = 1 WHERE id = ?1", [change])?;
        Ok(())
    }

    /// The hash again, if that change was taken out of its document.
    pub(crate) fn is_excluded(&self, document: i64, hash: &ChangeHash) -> Result<Option<ChangeHash>, StorageError> {
        self.one(
            "SELECT hash FROM changes x WHERE document = ?1 AND hash = ?2 AND excluded = 1 AND NOT EXISTS
                 (SELECT 1 FROM changes c WHERE c.document = ?1 AND c.actor = x.actor AND c.seq = x.seq
                  AND c.hash = ?2 AND c.excluded = 0)",
            params![document, hash.0],
            |row| Ok(ChangeHash(row.get(0)?)),
        )
    }

    /// The row of the change of an own batch.
    pub(crate) fn change_of_batch(
        &self,
        document: i64,
        batch: BatchId,
        hash: &ChangeHash,
    ) -> Result<Option<i64>, StorageError> {
        self.one(
            "SELECT c.id FROM batches b JOIN changes c ON c.id = b.change
             WHERE b.batch = ?1 AND b.document = ?2 AND c.hash = ?3 AND c.excluded = 0",
            params![batch.0, document, hash.0],
            |row| row.get(0),
        )
    }

    /// The changes of a document after a row, in the order in which they came.
    pub(crate) fn changes_after(&self, document: i64, after: i64) -> Result<Vec<ChangeRow>, StorageError> {
        self.all(
            "SELECT id, bytes FROM changes WHERE document = ?1 AND id > ?2 AND excluded = 0 ORDER BY id",
            [document, after],
            |row| Ok(ChangeRow { row: row.get(0)?, bytes: row.get::<_, Vec<u8>>(1)?.into() }),
        )
    }

    /// Whether a document has a change, whatever became of it. Walks the document's changes: only for what is rare.
    pub(crate) fn has_change(&self, document: i64, hash: &ChangeHash) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM changes WHERE document = ?1 AND hash = ?2";
        Ok(self.one(sql, params![document, hash.0], |_| Ok(()))?.is_some())
    }

    /// The row of a change of a document by its hash. Walks the document's changes: only for what is rare.
    pub(crate) fn change_by_hash(&self, document: i64, hash: &ChangeHash) -> Result<Option<i64>, StorageError> {
        self.one(
            "SELECT id FROM changes WHERE document = ?1 AND hash = ?2 AND excluded = 0",
            params![document, hash.0],
            |row| row.get(0),
        )
    }
}
