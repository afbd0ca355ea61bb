//! Sealed batches: the outbox is those without a fate, and every fate is kept.

use rusqlite::{Row, params};
use sync_core::client::OutboxBatch;
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, Blob, ChangeHash, Content, DocumentId, FateCode, LogPosition, SpaceId};

use super::Tx;
use super::tx::{Enough, blob, signed, unsigned};
use crate::error::StorageError;

const CHANGES: i64 = 1;
const TOMBSTONE: i64 = 2;
const RESTORE: i64 = 3;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchState {
    Pending = 0,
    Stored = 1,
    Accepted = 2,
    Parked = 3,
    /// Something that it says is nowhere but here.
    Quarantined = 4,
    /// Another batch says what it says, or it only took away what is gone.
    Replaced = 5,
    /// A person has thrown it away.
    Discarded = 6,
}

impl BatchState {
    pub(super) fn of(stored: i64) -> Self {
        match stored {
            1 => Self::Stored,
            2 => Self::Accepted,
            3 => Self::Parked,
            4 => Self::Quarantined,
            5 => Self::Replaced,
            6 => Self::Discarded,
            _ => Self::Pending,
        }
    }

    /// Whether no fate changes it any more.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Accepted | Self::Quarantined | Self::Replaced | Self::Discarded)
    }
}

/// Why a batch cannot become part of the log as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) code: FateCode,
    /// The change to blame.
    pub(crate) culprit: Option<&'a ChangeHash>,
    pub(crate) detail: &'a str,
    /// When that was found out, if there was a clock.
    pub(crate) unix_seconds: Option<i64>,
}

/// What a batch to be saved does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewBatch<'a> {
    Change { row: i64, hash: &'a ChangeHash },
    Tombstone { heads: &'a [ChangeHash] },
    Restore,
}

/// A batch that has or gets a fate.
#[derive(Debug, Clone)]
pub(crate) struct Fated {
    pub(crate) row: i64,
    pub(crate) document: i64,
    pub(crate) change: Option<i64>,
    pub(crate) state: BatchState,
    pub(crate) content: Content,
}

/// How many batches of a document stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BatchCounts {
    pub(crate) pending: u64,
    pub(crate) stored: u64,
    pub(crate) parked: u64,
}

/// A lane that is closed because a relay has no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParkedLane {
    /// The document's row.
    pub(crate) document: i64,
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    /// Edits from the one that closes it on.
    pub(crate) edits: u64,
}

/// What was settled by the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// A batch that was parked once, and may have closed its lane.
    WasParked,
    Other,
}

/// The verdict that closes a lane, or the last that shortened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneVerdict {
    pub(crate) code: FateCode,
    pub(crate) detail: String,
}

// Statements that look for parked batches say `state IN (0, 1, 3) AND state = 3`: SQLite takes the index of the lanes,
// which is as short as the outbox, only for the very words of its condition, and else reads every batch there ever was.

impl Tx<'_> {
    /// Seals a batch: id and hashes never change from here on.
    pub(crate) fn save_batch(&self, id: BatchId, document: i64, batch: NewBatch<'_>) -> Result<i64, StorageError> {
        let (kind, change, hashes) = match batch {
            NewBatch::Change { row, hash } => (CHANGES, Some(row), hash.0.to_vec()),
            NewBatch::Tombstone { heads } => (TOMBSTONE, None, join(heads)),
            NewBatch::Restore => (RESTORE, None, Vec::new()),
        };
        self.insert(
            "INSERT INTO batches (batch, document, kind, change, hashes) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id.0, document, kind, change, hashes],
        )
    }

    /// Batches without a final fate that were saved after an order, of open lanes, in spaces that the relay lets us
    /// read; and whether there are more.
    pub(crate) fn outbox(
        &self,
        after: u64,
        count: usize,
        bytes_target: usize,
    ) -> Result<(Vec<OutboxBatch>, bool), StorageError> {
        let (mut batches, mut bytes, mut more) = (Vec::new(), 0, false);
        let outbox = if planted::is(Bug::ReplacedPushedAgain) { OUTBOX_WITH_REPLACED } else { OUTBOX };
        self.some(outbox, params![signed(after)], |row| {
            if batches.len() >= count || bytes >= bytes_target && !batches.is_empty() {
                more = true;
                return Ok(Enough::Yes);
            }
            let batch = read_outbox(row)?;
            bytes += batch.payload_bytes();
            batches.push(batch);
            Ok(Enough::No)
        })?;
        Ok((batches, more))
    }

    /// Whether some batch of an open lane waits for a fate.
    pub(crate) fn has_outbox(&self) -> Result<bool, StorageError> {
        let mut found = false;
        self.some(OUTBOX, params![0], |row| {
            // What is stored in an intake is sent; what becomes of it the relay says.
            found = row.get::<_, i64>(7)? == 0;
            Ok(if found { Enough::Yes } else { Enough::No })
        })?;
        Ok(found)
    }

    /// The own batch that holds a change, as it would be pushed again.
    pub(crate) fn batch_with(&self, change: i64) -> Result<Option<OutboxBatch>, StorageError> {
        let sql = format!("{SELECT_OUTBOX} WHERE b.change = ?1 AND b.state IN (0, 1, 2, 3) LIMIT 1");
        self.one(&sql, [change], read_outbox)
    }

    /// The document of the newest own change, unless that is deleted; then of the one before.
    pub(crate) fn last_edited(&self) -> Result<Option<(SpaceId, DocumentId)>, StorageError> {
        self.one(
            "SELECT s.space, d.document FROM batches b JOIN documents d ON d.id = b.document
             JOIN spaces s ON s.id = d.space WHERE b.kind = ?1 AND d.deleted = 0 ORDER BY b.id DESC LIMIT 1",
            [CHANGES],
            |row| Ok((SpaceId(row.get(0)?), DocumentId(row.get(1)?))),
        )
    }

    pub(crate) fn batch(&self, id: BatchId) -> Result<Option<Fated>, StorageError> {
        self.one(&format!("{SELECT_FATED} WHERE b.batch = ?1"), [&id.0], read_fated)
    }

    pub(crate) fn accept(&self, batch: i64, at: LogPosition) -> Result<(), StorageError> {
        self.execute(
            "UPDATE batches SET state = 2, epoch = ?2, position = ?3, code = NULL, detail = NULL, undelivered = NULL
             WHERE id = ?1",
            params![batch, at.epoch.0, signed(at.position.0)],
        )?;
        Ok(())
    }

    /// A change came with the log: its own batches, pending or stored, are settled.
    pub(crate) fn accept_change(&self, change: i64, at: LogPosition) -> Result<Settled, StorageError> {
        let was_parked = self.one(
            "UPDATE batches SET state = 2, epoch = ?2, position = ?3, code = NULL, detail = NULL, undelivered = NULL
             WHERE change = ?1 AND (state IN (0, 1, 3) OR undelivered IS NOT NULL) RETURNING judged_by IS NOT NULL",
            params![change, at.epoch.0, signed(at.position.0)],
            |row| row.get(0),
        )?;
        Ok(if was_parked == Some(true) { Settled::WasParked } else { Settled::Other })
    }

    pub(crate) fn set_stored(&self, batch: i64) -> Result<(), StorageError> {
        self.execute("UPDATE batches SET state = 1 WHERE id = ?1 AND state IN (0, 3)", [batch])?;
        Ok(())
    }

    /// Closes the lane of a batch, unless it is a contested deletion. What is behind it and was stored may have left
    /// the relay's intake with it, and is not pushed while the lane is closed: it counts as saved only.
    pub(crate) fn park(&self, batch: i64, code: FateCode, judged_by: u64, detail: &str) -> Result<(), StorageError> {
        self.execute(
            "UPDATE batches SET state = 3, code = ?2, judged_by = ?3, detail = ?4 WHERE id = ?1 AND state IN (0, 1, 3)",
            params![batch, code.0, signed(judged_by), detail],
        )?;
        if code != FateCode::CONTESTED {
            self.execute(
                "UPDATE batches SET state = 0 WHERE state IN (0, 1, 3) AND state = 1 AND id > ?1
                 AND document = (SELECT document FROM batches WHERE id = ?1)",
                [batch],
            )?;
        }
        Ok(())
    }

    /// Nothing more is heard of what was stored in the intake of a space that may not be read any more.
    pub(crate) fn forget_stored(&self, space: SpaceId) -> Result<(), StorageError> {
        self.execute(
            "UPDATE batches SET state = 0 WHERE state IN (0, 1, 3) AND state = 1 AND document IN
             (SELECT d.id FROM documents d JOIN spaces s ON s.id = d.space WHERE s.space = ?1)",
            [&space.0],
        )?;
        Ok(())
    }

    /// `replaced`: the batch that goes on with part of it.
    pub(crate) fn quarantine(
        &self,
        batch: i64,
        refusal: &Refusal<'_>,
        replaced: Option<i64>,
    ) -> Result<(), StorageError> {
        self.settle_refused(batch, BatchState::Quarantined, refusal, replaced)
    }

    /// `by`: the batch that says the same; none if nothing is left to say.
    pub(crate) fn replace(&self, batch: i64, refusal: &Refusal<'_>, by: Option<i64>) -> Result<(), StorageError> {
        self.settle_refused(batch, BatchState::Replaced, refusal, by)
    }

    fn settle_refused(
        &self,
        batch: i64,
        state: BatchState,
        refusal: &Refusal<'_>,
        replaced: Option<i64>,
    ) -> Result<(), StorageError> {
        self.execute(
            "UPDATE batches SET state = ?2, code = ?3, culprit = ?4, detail = ?5, decided = ?6, replaced = ?7
             WHERE id = ?1",
            params![
                batch,
                state as i64,
                refusal.code.0,
                blob(refusal.culprit.map(ChangeHash::as_bytes)),
                refusal.detail,
                refusal.unix_seconds,
                replaced,
            ],
        )?;
        Ok(())
    }

    /// Opens the lanes of a space that were closed under another version of its grants, or for want of one.
    pub(crate) fn unpark_for_grant(&self, space: i64, access_version: u64) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE batches SET state = 0
             WHERE state IN (0, 1, 3) AND state = 3 AND judged_by <> ?2 AND code IN (?3, ?4)
             AND document IN (SELECT id FROM documents WHERE space = ?1)",
            params![space, signed(access_version), FateCode::GRANT.0, FateCode::NO_SUCH_SPACE.0],
        )
    }

    /// Opens the lanes that were closed under other limits.
    pub(crate) fn unpark_for_limits(&self, limits_version: u64) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE batches SET state = 0
             WHERE state IN (0, 1, 3) AND state = 3 AND judged_by <> ?1 AND code NOT IN (?2, ?3, ?4, ?5)",
            params![
                signed(limits_version),
                FateCode::GRANT.0,
                FateCode::NO_SUCH_SPACE.0,
                FateCode::CONTESTED.0, // a person decides
                FateCode::BRAKE.0,
            ],
        )
    }

    /// Opens the lanes that were closed to another device than this one is now.
    pub(crate) fn unpark_for_device(&self) -> Result<usize, StorageError> {
        let sql = "UPDATE batches SET state = 0 WHERE state IN (0, 1, 3) AND state = 3 AND code = ?1";
        self.execute(sql, [FateCode::DEVICE.0])
    }

    /// Opens the lane of a document, if it was closed for this reason.
    pub(crate) fn unpark(&self, document: i64, code: FateCode) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE batches SET state = 0 WHERE document = ?1 AND state IN (0, 1, 3) AND state = 3 AND code = ?2",
            params![document, code.0],
        )
    }

    /// The batch that closes the lane of a document.
    pub(crate) fn first_parked(&self, document: i64) -> Result<Option<i64>, StorageError> {
        let first = self.one(
            "SELECT min(id) FROM batches
             WHERE document = ?1 AND state IN (0, 1, 3) AND state = 3 AND code IS NOT ?2",
            params![document, FateCode::CONTESTED.0],
            |row| row.get(0),
        )?;
        Ok(first.flatten())
    }

    /// Lanes that are closed because a relay has no room for them.
    pub(crate) fn lanes_without_room(&self) -> Result<Vec<ParkedLane>, StorageError> {
        self.all(
            "SELECT p.document, s.space, d.document,
                    (SELECT count(*) FROM batches b
                     WHERE b.document = p.document AND b.state IN (0, 1, 3) AND b.kind = 1 AND b.id >= min(p.id))
             FROM batches p JOIN documents d ON d.id = p.document JOIN spaces s ON s.id = d.space
             WHERE p.state IN (0, 1, 3) AND p.state = 3 AND p.code IN (?1, ?2) GROUP BY p.document",
            params![FateCode::QUOTA.0, FateCode::SIZE.0],
            |row| {
                Ok(ParkedLane {
                    document: row.get(0)?,
                    space: SpaceId(row.get(1)?),
                    id: DocumentId(row.get(2)?),
                    edits: unsigned(row.get(3)?),
                })
            },
        )
    }

    /// Whether some lane is closed.
    pub(crate) fn has_parked(&self) -> Result<bool, StorageError> {
        let found = self.one("SELECT 1 FROM batches WHERE state IN (0, 1, 3) AND state = 3 LIMIT 1", [], |_| Ok(()))?;
        Ok(found.is_some())
    }

    pub(crate) fn batch_counts(&self, document: i64) -> Result<BatchCounts, StorageError> {
        let counts = self.one(
            "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),
                    count(*) FILTER (WHERE state = 3)
             FROM batches WHERE document = ?1 AND state IN (0, 1, 3)",
            [document],
            |row| {
                let [pending, stored, parked] = [row.get(0)?, row.get(1)?, row.get(2)?].map(unsigned);
                Ok(BatchCounts { pending, stored, parked })
            },
        )?;
        Ok(counts.unwrap_or_default())
    }

    /// Why a lane is closed.
    pub(crate) fn parked(&self, document: i64) -> Result<Option<LaneVerdict>, StorageError> {
        self.one(
            "SELECT code, detail FROM batches WHERE document = ?1 AND state IN (0, 1, 3) AND state = 3
             ORDER BY id LIMIT 1",
            [document],
            read_verdict,
        )
    }

    /// Why batches of a document are quarantined: the first reason, not that of companions.
    pub(crate) fn quarantined(&self, document: i64) -> Result<Option<LaneVerdict>, StorageError> {
        self.one(
            "SELECT code, detail FROM batches WHERE document = ?1 AND state = 4 AND code IS NOT ?3
             ORDER BY code = ?2, id LIMIT 1",
            params![document, FateCode::WITH.0, FateCode::SQUASHED.0],
            read_verdict,
        )
    }
}

const SELECT_OUTBOX: &str = "
    SELECT b.id, s.space, d.document, b.batch, b.kind, b.hashes, c.bytes, b.state
    FROM batches b JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space
    LEFT JOIN changes c ON c.id = b.change";

/// A parked batch closes its lane for everything saved after it; not so a contested deletion (code 37), because edits
/// win until a person decides; and what waits for a restoration (code 38) does not keep that one (kind 3) waiting.
/// Nothing goes out of a document whose repair the log has lost, until the log has brought it, or another one.
const OUTBOX: &str = "
    SELECT b.id, s.space, d.document, b.batch, b.kind, b.hashes, c.bytes, b.state
    FROM batches b JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space
    LEFT JOIN changes c ON c.id = b.change
    WHERE b.state IN (0, 1) AND b.id > ?1
      AND s.role IS NOT NULL AND s.epoch IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM batches p
                      WHERE p.document = b.document AND p.state IN (0, 1, 3) AND p.state = 3
                        AND p.code IS NOT 37 AND NOT (p.code IS 38 AND b.kind = 3) AND p.id < b.id)
      AND NOT EXISTS (SELECT 1 FROM lost_voids v WHERE v.document = b.document AND v.until IS NOT NULL)
    ORDER BY b.id";

/// Planted: nobody asks whether another batch took the place of one.
const OUTBOX_WITH_REPLACED: &str = "
    SELECT b.id, s.space, d.document, b.batch, b.kind, b.hashes, c.bytes, b.state
    FROM batches b JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space
    LEFT JOIN changes c ON c.id = b.change
    WHERE b.state IN (0, 1, 5) AND b.id > ?1 AND s.role IS NOT NULL AND s.epoch IS NOT NULL ORDER BY b.id";

pub(super) const SELECT_FATED: &str = "
    SELECT b.id, b.document, b.change, b.state, b.kind, b.hashes, c.bytes
    FROM batches b LEFT JOIN changes c ON c.id = b.change";

fn read_outbox(row: &Row<'_>) -> rusqlite::Result<OutboxBatch> {
    Ok(OutboxBatch {
        order: unsigned(row.get(0)?),
        space: SpaceId(row.get(1)?),
        document: DocumentId(row.get(2)?),
        batch: BatchId(row.get(3)?),
        content: read_content(row, 4)?,
    })
}

pub(super) fn read_fated(row: &Row<'_>) -> rusqlite::Result<Fated> {
    Ok(Fated {
        row: row.get(0)?,
        document: row.get(1)?,
        change: row.get(2)?,
        state: BatchState::of(row.get(3)?),
        content: read_content(row, 4)?,
    })
}

/// Kind, hashes and bytes, in three columns.
pub(super) fn read_content(row: &Row<'_>, first: usize) -> rusqlite::Result<Content> {
    Ok(match row.get::<_, i64>(first)? {
        TOMBSTONE => Content::Tombstone(split(&row.get::<_, Vec<u8>>(first + 1)?)),
        RESTORE => Content::Restore,
        _ => Content::Changes(row.get::<_, Option<Vec<u8>>>(first + 2)?.into_iter().map(Blob::from).collect()),
    })
}

fn read_verdict(row: &Row<'_>) -> rusqlite::Result<LaneVerdict> {
    let detail: Option<String> = row.get(1)?;
    Ok(LaneVerdict { code: FateCode(row.get(0)?), detail: detail.unwrap_or_default() })
}

pub(super) fn join(hashes: &[ChangeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

pub(super) fn split(bytes: &[u8]) -> Vec<ChangeHash> {
    bytes.chunks_exact(ChangeHash::LEN).filter_map(ChangeHash::from_slice).collect()
}
