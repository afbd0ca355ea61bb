//! What the log of a space does without, as its voids say, and the rows of that: they stay, and are no part of their
//! documents.

use rusqlite::params;
use sync_wire::{BatchId, ChangeHash, DeviceId, Position, Void};

use super::Tx;
use super::changes::NewChange;
use super::recovery::{Member, NOT_INSIDE};
use super::tx::{signed, unsigned};
use crate::error::StorageError;

/// A void, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VoidRow {
    pub(crate) position: Position,
    pub(crate) hash: ChangeHash,
    pub(crate) void: Void,
}

/// A void that the log had once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostVoid {
    pub(crate) row: i64,
    pub(crate) hash: ChangeHash,
    pub(crate) void: Void,
    /// Whether what it did was taken back.
    pub(crate) is_undone: bool,
}

impl Tx<'_> {
    /// Keeps what the voids beyond a place say, whose markers go. What they did stays until the log says otherwise.
    /// Nothing of their documents is pushed until the log has come to `until`: it may bring them again.
    pub(super) fn lose_voids(&self, space: i64, to: Position, until: Position) -> Result<(), StorageError> {
        self.execute(
            "INSERT INTO lost_voids (document, hash, payload)
             SELECT document, hash, heads FROM markers
             WHERE space = ?1 AND position > ?2 AND kind = 2 AND heads IS NOT NULL ORDER BY position
             ON CONFLICT (document, hash) DO UPDATE SET undone = 0",
            params![space, signed(to.0)],
        )?;
        self.execute(
            "UPDATE lost_voids SET until = iif(?3 > ?2, ?3, NULL)
             WHERE undone = 0 AND (SELECT space FROM documents WHERE id = lost_voids.document) = ?1",
            params![space, signed(to.0), signed(until.0)],
        )?;
        Ok(())
    }

    /// The voids of a document that the log has lost, in the order in which it had them.
    pub(crate) fn lost_voids(&self, document: i64) -> Result<Vec<LostVoid>, StorageError> {
        let rows: Vec<(i64, [u8; 32], Vec<u8>, bool)> = self.all(
            "SELECT id, hash, payload, undone FROM lost_voids WHERE document = ?1 ORDER BY id",
            [document],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let mut lost = Vec::with_capacity(rows.len());
        for (row, hash, payload, is_undone) in rows {
            let void = Void::decode(&payload).map_err(|error| self.unexpected(error.to_string()))?;
            lost.push(LostVoid { row, hash: ChangeHash(hash), void, is_undone });
        }
        Ok(lost)
    }

    /// A void is in the log again. `false`: it was not lost.
    pub(crate) fn found_void(&self, document: i64, hash: &ChangeHash) -> Result<bool, StorageError> {
        let sql = "DELETE FROM lost_voids WHERE document = ?1 AND hash = ?2";
        Ok(self.execute(sql, params![document, hash.0])? > 0)
    }

    /// What a lost void did is taken back.
    pub(crate) fn set_undone(&self, lost: i64) -> Result<(), StorageError> {
        self.execute("UPDATE lost_voids SET undone = 1, until = NULL WHERE id = ?1", [lost])?;
        Ok(())
    }

    // These are asked with each delivery. The table is nearly always empty, so it is walked: with `document IN (…)`
    // SQLite would look up every document of the space in it.

    /// The log of a space has come to a place: of what waited for voids up to there nothing waits any longer. Gives for
    /// how many voids that is.
    pub(crate) fn stop_waiting_for_voids(&self, space: i64, at: Position) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE lost_voids SET until = NULL
             WHERE until <= ?2 AND (SELECT space FROM documents WHERE id = lost_voids.document) = ?1",
            params![space, signed(at.0)],
        )
    }

    /// Whether the log may yet bring a void of a document that it has lost, or another one.
    pub(crate) fn waits_for_voids(&self, document: i64) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM lost_voids WHERE document = ?1 AND until IS NOT NULL";
        Ok(self.one(sql, [document], |_| Ok(()))?.is_some())
    }

    /// The log of a space ends before a place up to which something waited for voids.
    pub(super) fn wait_for_no_voids_after(&self, space: i64, end: Position) -> Result<(), StorageError> {
        self.execute(
            "UPDATE lost_voids SET until = NULL
             WHERE until > ?2 AND (SELECT space FROM documents WHERE id = lost_voids.document) = ?1",
            params![space, signed(end.0)],
        )?;
        Ok(())
    }

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
        let sql = format!("c.document = ?1 AND {NOT_INSIDE} AND c.excluded = 0 AND c.position IS NULL ORDER BY c.id");
        self.members_where(&sql, params![document])
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
