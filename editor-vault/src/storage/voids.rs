//! What the log of a space does without, as its voids say, and the rows of that: they stay, and are no part of their
//! documents.

use rusqlite::params;
use sync_wire::{BatchId, ChangeHash, DeviceId, Position, Void};

use super::Tx;
use super::changes::NewChange;
use super::recovery::Member;
use super::tx::{signed, unsigned};
use crate::error::StorageError;

/// A void, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoidRow {
    pub(crate) position: Position,
    pub(crate) hash: ChangeHash,
    pub(crate) void: Void,
}

impl Tx<'_> {
    /// The voids of a document, in the order of the log.
    pub(crate) fn voids(&self, document: i64) -> Result<Vec<VoidRow>, StorageError> {
        let rows: Vec<(u64, [u8; 32], Vec<u8>)> = self.all(
            "SELECT position, hash, heads FROM markers WHERE document = ?1 AND kind = 2 ORDER BY position",
            [document],
            |row| Ok((unsigned(row.get(0)?), row.get(1)?, row.get::<_, Option<Vec<u8>>>(2)?.unwrap_or_default())),
        )?;
        let mut voids = Vec::with_capacity(rows.len());
        for (position, hash, payload) in rows {
            let void = Void::decode(&payload).map_err(|error| self.unexpected(error.to_string()))?;
            voids.push(VoidRow { position: Position(position), hash: ChangeHash(hash), void });
        }
        Ok(voids)
    }

    /// The changes of a document that have a place in the log before this one and count, in the order of the log.
    pub(crate) fn members_in_log(&self, document: i64, before: Position) -> Result<Vec<Member>, StorageError> {
        self.members_where(
            "c.document = ?1 AND c.excluded = 0 AND c.position IS NOT NULL AND c.position < ?2 ORDER BY c.position",
            params![document, signed(before.0)],
        )
    }

    /// The changes of a document that count and have no place in the log: what is pending, and what the log has lost.
    pub(crate) fn members_without_place(&self, document: i64) -> Result<Vec<Member>, StorageError> {
        self.members_where(
            "c.document = ?1 AND c.id > 0 AND c.excluded = 0 AND c.position IS NULL ORDER BY c.id",
            params![document],
        )
    }

    /// Every change of a document whose bytes are here, whatever became of it.
    pub(crate) fn members_all(&self, document: i64) -> Result<Vec<Member>, StorageError> {
        self.members_where("c.document = ?1 ORDER BY c.id", params![document])
    }

    /// Whether a change of a document that counts has a place in the log.
    pub(crate) fn is_in_log(&self, document: i64, hash: &ChangeHash) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT 1 FROM changes WHERE document = ?1 AND hash = ?2 AND excluded = 0 AND position IS NOT NULL",
            params![document, hash.0],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// A change that a void excludes came (again) with the log: its bytes are kept at their place.
    pub(crate) fn keep_excluded(
        &self,
        document: i64,
        new: NewChange<'_>,
        at: Position,
        device: DeviceId,
    ) -> Result<(), StorageError> {
        let header = &new.change.header;
        let BatchId(batch) = new.batch;
        let known = self.execute(
            "UPDATE changes SET position = ?3, device = ?4, batch = ?5, excluded = 1 WHERE document = ?1 AND hash = ?2",
            params![document, header.hash.0, signed(at.0), device.0, batch],
        )?;
        if known > 0 {
            return Ok(());
        }
        self.insert(
            "INSERT INTO changes (id, document, actor, seq, hash, position, device, batch, excluded, bytes)
             VALUES (1 + coalesce((SELECT max(id) FROM changes WHERE id > 0), 0), ?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8)",
            params![
                document,
                header.actor.0,
                signed(header.seq),
                header.hash.0,
                signed(at.0),
                device.0,
                batch,
                &new.change.bytes[..]
            ],
        )?;
        Ok(())
    }

    /// Documents that show a change which a void of theirs excludes.
    pub(crate) fn unapplied_voids(&self) -> Result<Vec<(sync_wire::DocumentId, ChangeHash)>, StorageError> {
        let documents: Vec<(i64, [u8; 16])> = self.all(
            "SELECT DISTINCT d.id, d.document FROM markers m JOIN documents d ON d.id = m.document
             WHERE m.kind = 2 AND d.held IS NULL AND d.deleted <> 2",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut wrong = Vec::new();
        for (row, id) in documents {
            for VoidRow { void, .. } in self.voids(row)? {
                for hash in void.changes() {
                    if self.change_by_hash(row, &hash)?.is_some() {
                        wrong.push((sync_wire::DocumentId(id), hash));
                    }
                }
            }
        }
        Ok(wrong)
    }
}
