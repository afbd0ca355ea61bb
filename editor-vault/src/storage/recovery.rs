//! What recovery reads and writes: changes with the batches that hold them, whatever state they are in.

use document::Change;
use rusqlite::{Row, params};
use sync_wire::{BatchId, ChangeHash, DocumentId, Epoch, FateCode};

use super::batches::{BatchState, NewBatch, split};
use super::changes::NewChange;
use super::tx::signed;
use super::{Placed, Tx};
use crate::error::StorageError;

/// A change that may have to give way.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) row: i64,
    pub(crate) change: Change,
    /// Whether it is no part of its document.
    pub(crate) is_excluded: bool,
    /// Whether the log has it.
    pub(crate) is_placed: bool,
    /// The batch that holds it, if this vault made it.
    pub(crate) batch: Option<MemberBatch>,
}

/// The batch of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberBatch {
    pub(crate) row: i64,
    pub(crate) state: BatchState,
    /// How often its content was written anew.
    pub(crate) rewritten: u32,
    /// Whether another batch goes on with it, or a part of it.
    pub(crate) is_replaced: bool,
}

/// What made an excluded change go.
#[derive(Debug, Clone)]
pub(crate) struct Blame {
    /// The row of the change to blame.
    pub(crate) change: i64,
    pub(crate) code: FateCode,
    pub(crate) detail: String,
}

/// A deletion that has no fate yet.
#[derive(Debug, Clone)]
pub(crate) struct PendingTombstone {
    pub(crate) row: i64,
    /// A restoration that has no fate either follows it.
    pub(crate) is_taken_back: bool,
    pub(crate) id: BatchId,
    pub(crate) heads: Vec<ChangeHash>,
}

/// Of a change `c`: it can be taken out of its document. What was filled from a snapshot of the relay is still part of
/// that.
pub(super) const NOT_INSIDE: &str =
    "(c.id > 0 OR NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.document = c.document AND s.origin = 1))";

const MEMBER: &str = "c.id, c.bytes, c.excluded, b.id, b.state, b.rewritten, b.replaced, c.position IS NOT NULL";

impl Tx<'_> {
    /// A change with its batch; none if its bytes were discarded.
    pub(crate) fn member(&self, change: i64) -> Result<Option<Member>, StorageError> {
        let sql = format!("SELECT {MEMBER} FROM changes c LEFT JOIN batches b ON b.change = c.id WHERE c.id = ?1");
        Ok(self.members(&sql, params![change])?.pop())
    }

    /// The changes of a document that wait for their fate, in the order in which they were saved.
    pub(crate) fn unsettled(&self, document: i64) -> Result<Vec<Member>, StorageError> {
        let sql = format!(
            "SELECT {MEMBER} FROM batches b JOIN changes c ON c.id = b.change
             WHERE b.document = ?1 AND b.state IN (0, 1, 3) ORDER BY b.id"
        );
        self.members(&sql, params![document])
    }

    /// All changes of a document that are part of it and not inside a snapshot of the relay, settled or not.
    pub(crate) fn living(&self, document: i64) -> Result<Vec<Member>, StorageError> {
        let sql = format!("c.document = ?1 AND {NOT_INSIDE} AND c.excluded = 0 ORDER BY c.id");
        self.members_where(&sql, params![document])
    }

    /// What has given way to a change, itself included.
    pub(crate) fn blamed(&self, document: i64, culprit: &ChangeHash) -> Result<Vec<Member>, StorageError> {
        let sql = format!(
            "SELECT {MEMBER} FROM batches b JOIN changes c ON c.id = b.change
             WHERE b.document = ?1 AND b.culprit = ?2 AND b.culprit IS NOT NULL AND b.state IN (4, 5) ORDER BY b.id"
        );
        self.members(&sql, params![document, culprit.0])
    }

    /// Changes with their batches; `condition` says which, and in what order.
    pub(super) fn members_where(
        &self,
        condition: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<Member>, StorageError> {
        let sql = format!("SELECT {MEMBER} FROM changes c LEFT JOIN batches b ON b.change = c.id WHERE {condition}");
        self.members(&sql, params)
    }

    /// The change to blame that the batch of an excluded change names.
    pub(crate) fn culprit_of(&self, document: i64, hash: &ChangeHash) -> Result<Option<ChangeHash>, StorageError> {
        self.one(
            "SELECT b.culprit FROM changes c JOIN batches b ON b.change = c.id
             WHERE c.document = ?1 AND c.hash = ?2 AND c.excluded = 1 AND b.culprit IS NOT NULL",
            params![document, hash.0],
            |row| Ok(ChangeHash(row.get(0)?)),
        )
    }

    fn members(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Member>, StorageError> {
        let mut rows = self.all(sql, params, |row| {
            let batch = row.get::<_, Option<i64>>(3)?.map(|batch| read_batch(row, batch)).transpose()?;
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, (row.get(2)?, row.get(7)?), batch))
        })?;
        rows.retain(|(_, bytes, ..)| !bytes.is_empty());
        let mut members = Vec::with_capacity(rows.len());
        for (row, bytes, (is_excluded, is_placed), batch) in rows {
            let parsed = Change::parse(bytes.into());
            let change = parsed.map_err(|error| self.unexpected(format!("a stored change is damaged: {error}")))?;
            members.push(Member { row, change, is_excluded, is_placed, batch });
        }
        Ok(members)
    }

    /// Why a change is no longer part of its document; none if it is, or if nobody wrote that down.
    pub(crate) fn blame(&self, document: i64, hash: &ChangeHash) -> Result<Option<Blame>, StorageError> {
        if self.is_excluded(document, hash)?.is_none() {
            return Ok(None);
        }
        self.one(
            "SELECT k.id, kb.code, kb.detail FROM changes x JOIN batches b ON b.change = x.id
             JOIN changes k ON k.document = ?1 AND k.hash = b.culprit AND k.excluded = 1
             JOIN batches kb ON kb.change = k.id
             WHERE x.document = ?1 AND x.hash = ?2 AND x.excluded = 1 AND b.culprit IS NOT NULL",
            params![document, hash.0],
            |row| {
                let detail: Option<String> = row.get(2)?;
                let code = row.get::<_, Option<u16>>(1)?.unwrap_or(FateCode::WITH.0);
                Ok(Blame { change: row.get(0)?, code: FateCode(code), detail: detail.unwrap_or_default() })
            },
        )
    }

    /// The batch of a change that was taken out of its document and is not there again.
    pub(crate) fn excluded_batch(&self, document: i64, hash: &ChangeHash) -> Result<Option<i64>, StorageError> {
        if self.is_excluded(document, hash)?.is_none() {
            return Ok(None);
        }
        self.one(
            "SELECT b.id FROM changes c JOIN batches b ON b.change = c.id
             WHERE c.document = ?1 AND c.hash = ?2 AND c.excluded = 1 ORDER BY b.id DESC LIMIT 1",
            params![document, hash.0],
            |row| row.get(0),
        )
    }

    /// What says what a group of squashed changes said; none, if they came to nothing.
    pub(crate) fn squashed_into(&self, document: i64, group: &ChangeHash) -> Result<Option<ChangeHash>, StorageError> {
        self.one(
            "SELECT n.hash FROM batches b JOIN batches r ON r.id = b.replaced JOIN changes n ON n.id = r.change
             WHERE b.document = ?1 AND b.culprit = ?2 AND b.state IN (4, 5) AND b.code = ?3 LIMIT 1",
            params![document, group.0, FateCode::SQUASHED.0],
            |row| row.get(0).map(ChangeHash),
        )
    }

    pub(crate) fn document_id(&self, document: i64) -> Result<DocumentId, StorageError> {
        let found =
            self.one("SELECT document FROM documents WHERE id = ?1", [document], |row| row.get(0).map(DocumentId))?;
        found.ok_or_else(|| self.unexpected(format!("no document row {document}")))
    }

    /// Stores a change that cannot be part of its document as it is, with its batch.
    pub(crate) fn add_stray(&self, document: i64, new: NewChange<'_>) -> Result<(), StorageError> {
        let header = &new.change.header;
        let row = self.insert(
            "INSERT INTO changes (id, document, actor, seq, hash, batch, excluded, bytes)
             VALUES (1 + coalesce((SELECT max(id) FROM changes WHERE id > 0), 0), ?1, ?2, ?3, ?4, ?5, 1, ?6)",
            params![document, header.actor.0, signed(header.seq), header.hash.0, new.batch.0, &new.change.bytes[..]],
        )?;
        self.save_batch(new.batch, document, NewBatch::Change { row, hash: &header.hash })?;
        Ok(())
    }

    /// Makes a change that takes the place of others part of its document, and gives the batch that holds it. One that
    /// is there already, because another holder of the same changes wrote it anew first, is the same change; and one
    /// that was there once, and had to go with a repair that the log has lost, is there again, unless a person has
    /// discarded it.
    pub(crate) fn add_replacement(
        &self,
        document: i64,
        batch: BatchId,
        change: &Change,
        rewritten: u32,
    ) -> Result<i64, StorageError> {
        let before = self.one(
            "SELECT b.id, c.id, b.state FROM batches b JOIN changes c ON c.id = b.change
             WHERE b.batch = ?1 AND b.document = ?2 AND c.excluded = 1",
            params![batch.0, document],
            |row| Ok((row.get(0)?, row.get(1)?, BatchState::of(row.get(2)?))),
        )?;
        if let Some((before, row, state)) = before {
            let row = if state == BatchState::Discarded { None } else { self.include(row)? };
            if let Some(row) = row {
                self.reopen(before, row, None)?;
            }
            return Ok(before);
        }
        match self.place(document, NewChange { change, position: None, device: None, batch })? {
            Placed::New(row) => {
                let saved = self.save_batch(batch, document, NewBatch::Change { row, hash: &change.header.hash })?;
                self.execute("UPDATE batches SET rewritten = ?2 WHERE id = ?1", params![saved, rewritten])?;
                Ok(saved)
            }
            Placed::Known(row) => {
                let known = self.one("SELECT id FROM batches WHERE change = ?1", [row], |row| row.get(0))?;
                if let Some(known) = known {
                    return Ok(known);
                }
                // It came with the log, so it has its place there; only for undo it is ours.
                let saved = self.save_batch(batch, document, NewBatch::Change { row, hash: &change.header.hash })?;
                self.execute("UPDATE batches SET state = 2, rewritten = ?2 WHERE id = ?1", params![saved, rewritten])?;
                Ok(saved)
            }
            Placed::Taken { hash, .. } => Err(self.unexpected(format!(
                "change {hash} has the actor and number of a replacement, {}",
                change.header.hash
            ))),
        }
    }

    /// A change is part of its document again. Gives its row, which is another one if it came again with the log; none
    /// if its actor and number have become those of another change.
    pub(crate) fn include(&self, change: i64) -> Result<Option<i64>, StorageError> {
        self.execute("UPDATE OR IGNORE changes SET excluded = 0 WHERE id = ?1", [change])?;
        self.one(
            "SELECT c.id FROM changes x JOIN changes c ON c.document = x.document AND c.actor = x.actor
                 AND c.seq = x.seq AND c.hash = x.hash AND c.excluded = 0
             WHERE x.id = ?1",
            [change],
            |row| row.get(0),
        )
    }

    /// A batch whose change is in this row has no verdict any more: the log has it, or it is pending again.
    pub(crate) fn reopen(&self, batch: i64, change: i64, epoch: Option<Epoch>) -> Result<(), StorageError> {
        self.execute(
            "UPDATE batches SET change = ?2, code = NULL, culprit = NULL, detail = NULL, decided = NULL,
                 replaced = NULL, judged_by = NULL, undelivered = NULL,
                 position = (SELECT position FROM changes WHERE id = ?2),
                 state = iif((SELECT position FROM changes WHERE id = ?2) IS NULL, 0, 2),
                 epoch = iif((SELECT position FROM changes WHERE id = ?2) IS NULL, NULL, coalesce(?3, epoch))
             WHERE id = ?1",
            params![batch, change, epoch.map(|epoch| epoch.0)],
        )?;
        Ok(())
    }

    /// The deletions of a document that have no fate.
    pub(crate) fn pending_tombstones(&self, document: i64) -> Result<Vec<PendingTombstone>, StorageError> {
        self.all(
            "SELECT id, batch, hashes, EXISTS (SELECT 1 FROM batches r WHERE r.document = ?1 AND r.state IN (0, 1, 3)
                                               AND r.kind = 3 AND r.id > b.id)
             FROM batches b WHERE document = ?1 AND state IN (0, 1, 3) AND kind = 2 ORDER BY id",
            [document],
            |row| {
                let heads = split(&row.get::<_, Vec<u8>>(2)?);
                Ok(PendingTombstone { row: row.get(0)?, id: BatchId(row.get(1)?), heads, is_taken_back: row.get(3)? })
            },
        )
    }

    /// Which change goes on with which: of every change of a document that was written anew.
    pub(crate) fn replacements(&self, document: i64) -> Result<Vec<(ChangeHash, ChangeHash)>, StorageError> {
        self.all(
            "SELECT c.hash, n.hash FROM batches b JOIN changes c ON c.id = b.change
             JOIN batches r ON r.id = b.replaced JOIN changes n ON n.id = r.change
             WHERE b.document = ?1 AND b.culprit IS NOT NULL AND b.code IS NOT 65", // what was squashed is one change now
            [document],
            |row| Ok((ChangeHash(row.get(0)?), ChangeHash(row.get(1)?))),
        )
    }
}

fn read_batch(row: &Row<'_>, batch: i64) -> rusqlite::Result<MemberBatch> {
    Ok(MemberBatch {
        row: batch,
        state: BatchState::of(row.get(4)?),
        rewritten: row.get(5)?,
        is_replaced: row.get::<_, Option<i64>>(6)?.is_some(),
    })
}
