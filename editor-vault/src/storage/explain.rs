//! What the file says of one document, for those who ask why it is in its state.

use rusqlite::{Row, params};
use sync_wire::{BatchId, ChangeHash, FateCode, LogPosition, Position};

use super::Tx;
use super::batches::{BatchState, split};
use super::tx::unsigned;
use crate::error::StorageError;

/// How many batches of a document stand where, in the order of [`BatchState`].
pub(crate) type Totals = [u64; 7];

/// A batch that is not simply accepted.
#[derive(Debug, Clone)]
pub(crate) struct OpenBatch {
    pub(crate) id: BatchId,
    /// `changes`, `tombstone` or `restore`.
    pub(crate) kind: &'static str,
    pub(crate) state: BatchState,
    pub(crate) code: Option<FateCode>,
    pub(crate) detail: Option<String>,
    pub(crate) culprit: Option<ChangeHash>,
    pub(crate) hashes: Vec<ChangeHash>,
}

/// Rows of a document's changes, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeCounts {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// No longer part of the document.
    pub(crate) excluded: u64,
    /// With a place in the log of its space.
    pub(crate) placed: u64,
    pub(crate) actors: u64,
    pub(crate) last: Option<Position>,
}

/// A snapshot without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotFacts {
    pub(crate) origin: &'static str,
    pub(crate) through: i64,
    pub(crate) changes: u64,
    pub(crate) bytes: u64,
}

impl Tx<'_> {
    pub(crate) fn batch_totals(&self, document: i64) -> Result<Totals, StorageError> {
        let counted =
            self.all("SELECT state, count(*) FROM batches WHERE document = ?1 GROUP BY state", [document], |row| {
                Ok((row.get::<_, i64>(0)?, unsigned(row.get(1)?)))
            })?;
        let mut totals = Totals::default();
        for (state, count) in counted {
            if let Some(total) = totals.get_mut(BatchState::of(state) as usize) {
                *total += count;
            }
        }
        Ok(totals)
    }

    /// At most `limit` batches that wait, are parked or were refused, the oldest first. What was squashed has been
    /// said, and may be very much.
    pub(crate) fn open_batches(&self, document: i64, limit: usize) -> Result<Vec<OpenBatch>, StorageError> {
        self.all(
            "SELECT batch, kind, state, code, detail, culprit, hashes FROM batches
             WHERE document = ?1 AND state <> 2 AND code IS NOT ?3 ORDER BY id LIMIT ?2",
            params![document, i64::try_from(limit).unwrap_or(i64::MAX), FateCode::SQUASHED.0],
            read_open,
        )
    }

    pub(crate) fn change_counts(&self, document: i64) -> Result<ChangeCounts, StorageError> {
        let counts = self.one(
            "SELECT count(*) FILTER (WHERE excluded = 0), coalesce(sum(length(bytes)), 0),
                    count(*) FILTER (WHERE excluded = 1), count(position) FILTER (WHERE excluded = 0),
                    count(DISTINCT actor), max(position)
             FROM changes WHERE document = ?1",
            [document],
            |row| {
                let [rows, bytes, excluded, placed, actors] =
                    [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?].map(unsigned);
                let last = row.get::<_, Option<i64>>(5)?.map(|position| Position(unsigned(position)));
                Ok(ChangeCounts { rows, bytes, excluded, placed, actors, last })
            },
        )?;
        counts.ok_or_else(|| self.unexpected("a count without an answer"))
    }

    /// Where the last of a document's own batches that the relay accepted is in the log.
    pub(crate) fn last_accepted(&self, document: i64) -> Result<Option<LogPosition>, StorageError> {
        self.one(
            "SELECT epoch, position FROM batches
             WHERE document = ?1 AND state = 2 AND epoch IS NOT NULL AND position IS NOT NULL ORDER BY id DESC LIMIT 1",
            [document],
            |row| {
                let epoch = sync_wire::Epoch(row.get(0)?);
                Ok(LogPosition { epoch, position: Position(unsigned(row.get(1)?)) })
            },
        )
    }

    pub(crate) fn snapshot_facts(&self, document: i64) -> Result<Vec<SnapshotFacts>, StorageError> {
        self.all(
            "SELECT origin, through, changes, length(bytes) FROM snapshots WHERE document = ?1 ORDER BY origin",
            [document],
            |row| {
                Ok(SnapshotFacts {
                    origin: if row.get::<_, i64>(0)? == 1 { "relay" } else { "vault" },
                    through: row.get(1)?,
                    changes: unsigned(row.get(2)?),
                    bytes: unsigned(row.get(3)?),
                })
            },
        )
    }
}

fn read_open(row: &Row<'_>) -> rusqlite::Result<OpenBatch> {
    Ok(OpenBatch {
        id: BatchId(row.get(0)?),
        kind: match row.get::<_, i64>(1)? {
            2 => "tombstone",
            3 => "restore",
            _ => "changes",
        },
        state: BatchState::of(row.get(2)?),
        code: row.get::<_, Option<u16>>(3)?.map(FateCode),
        detail: row.get(4)?,
        culprit: row.get::<_, Option<[u8; 32]>>(5)?.map(ChangeHash),
        hashes: split(&row.get::<_, Vec<u8>>(6)?),
    })
}
