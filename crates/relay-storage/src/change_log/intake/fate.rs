//! What became of one batch of a device, wherever it is: in the log, in the intake, or out of it.

use rusqlite::{OptionalExtension, params};
use sync_wire::{BatchId, DeviceId, DocumentId, LogPosition, Position, SpaceId};

use super::super::frontier::unsigned;
use super::super::{Outcome, log_end, log_key, position_of};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Where a batch is.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchFate {
    /// In the log, its last entry here.
    Appended(LogPosition),
    /// In the intake.
    Waiting,
    /// It left the intake otherwise, a moment ago: [`Outcome::Refused`] or [`Outcome::Parked`].
    Left(Outcome),
    /// Nothing is known of it: it was never here, or left long ago.
    Unknown,
}

impl Storage {
    /// What became of a batch of a device that is not in the log at or before `after`: the nearer that is to the end of
    /// the document, the less is looked at.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn batch_fate(
        &self,
        space: SpaceId,
        document: DocumentId,
        (device, batch): (DeviceId, BatchId),
        after: Position,
    ) -> Result<BatchFate, StorageError> {
        self.read(move |reader| reader.batch_fate(space, document, (device, batch), after)).await
    }
}

impl Reader {
    fn batch_fate(
        &self,
        space: SpaceId,
        document: DocumentId,
        (device, batch): (DeviceId, BatchId),
        after: Position,
    ) -> Result<BatchFate, StorageError> {
        // All statements see one moment: a batch leaves the intake in the transaction that brings it into the log.
        let moment = self.connection.unchecked_transaction()?;
        let Some(log) = log_end(&moment, space)? else { return Ok(BatchFate::Unknown) };
        let mut appended = moment.prepare_cached(
            "SELECT log_key FROM log
             WHERE document_key = (SELECT document_key FROM documents WHERE space_key = ?1 AND id = ?2)
               AND log_key > ?3 AND batch = ?4 AND device = ?5 ORDER BY log_key DESC LIMIT 1",
        )?;
        let low = log_key(log.space_key, after.0.min(log.end.position.0));
        let values = params![log.space_key, document.0, low, batch.0, device.0];
        if let Some(key) = appended.query_row(values, |row| row.get(0)).optional()? {
            return Ok(BatchFate::Appended(LogPosition { position: position_of(key), ..log.end }));
        }
        let mut waiting = moment.prepare_cached(
            "SELECT count(*) FROM intake_documents d JOIN intake_batches b USING (intake_key)
             WHERE d.space_key = ?1 AND d.document = ?2 AND b.batch = ?3 AND b.device = ?4",
        )?;
        let values = params![log.space_key, document.0, batch.0, device.0];
        if waiting.query_row(values, |row| unsigned(row, 0))? > 0 {
            return Ok(BatchFate::Waiting);
        }
        let left = self.intake_outcomes(space, device, &[(document, batch)])?;
        Ok(left.into_iter().next().map_or(BatchFate::Unknown, |(.., outcome)| BatchFate::Left(outcome)))
    }
}
