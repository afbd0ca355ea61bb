//! What became of batches that left the intake otherwise than into the log, for their devices to be told.
//!
//! Kept for a while only: what was refused is in the fates for ever, and a device that was told nothing pushes again.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{BatchId, ChangeHash, DeviceId, DocumentId, FateCode, SpaceId};

use super::super::Outcome;
use super::super::frontier::unsigned;
use super::super::log_end;
use crate::error::StorageError;
use crate::storage::{Reader, Writer};

/// How long they are kept. Sessions look every few seconds.
const KEPT: Duration = Duration::from_hours(1);
/// Rows that one sweep drops, so that it holds nobody up.
const SWEEP_ROWS: i64 = 1000;

/// Whose batch it was.
pub(super) struct Whose {
    pub(super) space_key: i64,
    pub(super) document: DocumentId,
    pub(super) device: DeviceId,
    pub(super) batch: BatchId,
}

/// Keeps what became of a batch; the log itself says it of those that are there.
pub(super) fn keep(connection: &Connection, whose: &Whose, outcome: &Outcome, now: i64) -> Result<(), StorageError> {
    let (is_refused, code, culprit, judged_by, detail) = match outcome {
        Outcome::Refused { culprit, code, detail } => (true, code, *culprit, 0, detail),
        Outcome::Parked { code, judged_by, detail } => (false, code, None, *judged_by, detail),
        Outcome::Appended { .. } | Outcome::Stored | Outcome::Need { .. } | Outcome::Skipped => return Ok(()),
    };
    let Whose { space_key, document, device, batch } = whose;
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO intake_outcomes (space_key, device, batch, document, refused, code, culprit, judged_by,
                                                 detail, decided_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        space_key,
        device.0,
        batch.0,
        document.0,
        is_refused,
        code.0,
        culprit.map(|culprit| culprit.0),
        judged_by.cast_signed(),
        detail,
        now
    ])?;
    Ok(())
}

impl Reader {
    pub(super) fn intake_outcomes(
        &self,
        space: SpaceId,
        device: DeviceId,
        batches: &[(DocumentId, BatchId)],
    ) -> Result<Vec<(DocumentId, BatchId, Outcome)>, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(Vec::new()) };
        let mut statement = self.connection.prepare_cached(
            "SELECT refused, code, culprit, judged_by, detail FROM intake_outcomes
             WHERE space_key = ?1 AND device = ?2 AND batch = ?3 AND document = ?4",
        )?;
        let mut found = Vec::new();
        for (document, batch) in batches {
            let key = params![log.space_key, device.0, batch.0, document.0];
            if let Some(outcome) = statement.query_row(key, outcome).optional()? {
                found.push((*document, *batch, outcome));
            }
        }
        Ok(found)
    }

    pub(super) fn has_old_outcomes(&self) -> Result<bool, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM intake_outcomes WHERE decided_at < ?1)")?;
        Ok(statement.query_row([too_old((self.context.clock)())], |row| row.get(0))?)
    }
}

impl Writer {
    pub(super) fn sweep_outcomes(&mut self) -> Result<usize, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM intake_outcomes WHERE (space_key, device, batch, document) IN
             (SELECT space_key, device, batch, document FROM intake_outcomes WHERE decided_at < ?1 LIMIT ?2)",
        )?;
        Ok(statement.execute(params![too_old((self.context.clock)()), SWEEP_ROWS])?)
    }
}

fn outcome(row: &rusqlite::Row<'_>) -> rusqlite::Result<Outcome> {
    let (code, detail) = (FateCode(row.get(1)?), row.get(4)?);
    Ok(if row.get(0)? {
        Outcome::Refused { culprit: row.get::<_, Option<[u8; 32]>>(2)?.map(ChangeHash), code, detail }
    } else {
        Outcome::Parked { code, judged_by: unsigned(row, 3)?, detail }
    })
}

fn too_old(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX))
}
