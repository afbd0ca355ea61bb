//! The intake: batches of spaces with other people, durable and acknowledged as stored, that have no place in the log
//! before they pass their check (PROTOCOL §2).
//!
//! Each document has its own queue, in the order in which the batches came. The rules judge a push by log and intake
//! together; whoever has checked batches of a document brings them into the log by [`Storage::settle_intake`], where
//! they are judged again by the log alone, or they leave with what rests on them.

mod ahead; // what waits, as the rules see it
mod keep; // a batch comes in
mod lease; // who checks a document
mod outcomes; // what became of batches, for their devices
mod settle; // batches leave
mod fate; // what became of one batch, wherever it is
mod look; // what waits, for people

use std::time::Duration;

use sync_wire::{AccountId, BatchId, ChangeHash, DeviceId, DocumentId, FateCode, Position, SpaceId};

use super::{Outcome, ParsedBatch};
use crate::error::StorageError;
use crate::storage::{Load, Storage};

pub(super) use ahead::Ahead;
pub use fate::BatchFate;
pub(super) use keep::{Waits, waiting_bytes};
pub use lease::INTAKE_LEASE;
use lease::Lease;
pub use look::{IntakeBatch, IntakeState, IntakeTotals};
pub(crate) use look::{each_damaged, empty, examine};

/// What a batch costs beside its bytes when the bounds of the intake are looked at.
const BATCH_OVERHEAD_BYTES: u64 = 256;

/// A batch that waits in the intake.
#[derive(Debug, Clone)]
pub struct WaitingBatch {
    /// Names it; no other batch ever gets this number.
    pub key: i64,
    /// The batch. Changes that another batch had brought before it are not among its own.
    pub batch: ParsedBatch,
    /// Who pushed it.
    pub account: AccountId,
    /// From where.
    pub device: DeviceId,
    /// When, by the relay's clock, in unix milliseconds.
    pub stored_at: i64,
}

/// What the check says of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckVerdict {
    /// It can be applied.
    Passed,
    /// It cannot, and that is its own fault.
    Failed {
        /// The change at fault.
        culprit: Option<ChangeHash>,
        /// The rule.
        code: FateCode,
        /// For people.
        detail: String,
    },
    /// It did not apply where it stands, and the rules of the log say why: it is judged, and not appended.
    Unfit,
}

/// What became of a batch of the intake.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledBatch {
    /// As it was called while it waited.
    pub key: i64,
    /// The batch.
    pub batch: BatchId,
    /// Whose it is.
    pub device: DeviceId,
    /// For how long it waited.
    pub waited: Duration,
    /// In the log, refused or parked.
    pub outcome: Outcome,
}

/// What became of the batches of a document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    /// Those that have left, in their order.
    pub batches: Vec<SettledBatch>,
    /// How many still wait.
    pub waiting: u64,
    /// The last entry of the document before them. What does not pass through the intake, a seed, may have come since
    /// they were checked.
    pub before: Position,
}

impl Storage {
    /// Takes the lease of a document's intake, for [`INTAKE_LEASE`], and reads its first batches: about `bytes_target`
    /// of them, at least one. Empty if nothing waits, or if somebody else has the lease.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn take_intake(
        &self,
        space: SpaceId,
        document: DocumentId,
        bytes_target: usize,
    ) -> Result<Vec<WaitingBatch>, StorageError> {
        match self.read(move |reader| reader.intake_lease(space, document)).await? {
            Lease::Ours => {}
            Lease::Theirs => return Ok(Vec::new()),
            Lease::Free if self.write(move |writer| writer.take_intake_lease(space, document)).await? => {}
            Lease::Free => return Ok(Vec::new()),
        }
        self.read(move |reader| reader.waiting_batches(space, document, bytes_target)).await
    }

    /// Brings checked batches of a document into the log, in their order, up to the first that does not get there;
    /// that one leaves with all that rests on it. Batches behind it keep waiting: their check rests on it. One
    /// transaction, durable on return. `None`: the lease was lost meanwhile, and nothing was done.
    ///
    /// # Errors
    /// [`StorageError`]: nothing of it is known to have happened; asking again is safe.
    pub async fn settle_intake(
        &self,
        space: SpaceId,
        document: DocumentId,
        checked: Vec<(i64, CheckVerdict)>,
    ) -> Result<Option<Settled>, StorageError> {
        let load = Load { steps: checked.len(), document: None };
        self.write_validated(load, move |writer| writer.settle_intake(space, document, &checked)).await
    }

    /// Documents with batches that wait and that nobody else checks, those that have waited longest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn waiting_documents(&self, limit: usize) -> Result<Vec<(SpaceId, DocumentId)>, StorageError> {
        self.read(move |reader| reader.waiting_documents(limit)).await
    }

    /// Prolongs the leases of documents whose checks go on.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn renew_intake_leases(&self, documents: Vec<(SpaceId, DocumentId)>) -> Result<(), StorageError> {
        self.write(move |writer| writer.renew_intake_leases(&documents)).await
    }

    /// Ends every lease: for a relay that starts, and that knows that no other one runs on this storage.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_intake_leases(&self) -> Result<(), StorageError> {
        let is_any = self.read(|reader| reader.has_intake_leases()).await?;
        if is_any { self.write(|writer| writer.end_intake_leases()).await } else { Ok(()) }
    }

    /// What became of batches of a device that left the intake otherwise than into the log; those of which nothing is
    /// known (they wait, or are in the log) are left out.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intake_outcomes(
        &self,
        space: SpaceId,
        device: DeviceId,
        batches: Vec<(DocumentId, BatchId)>,
    ) -> Result<Vec<(DocumentId, BatchId, Outcome)>, StorageError> {
        self.read(move |reader| reader.intake_outcomes(space, device, &batches)).await
    }

    /// Forgets outcomes that every device that was connected has heard; how many. Call it again while there are some.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sweep_intake_outcomes(&self) -> Result<usize, StorageError> {
        let is_due = self.read(|reader| reader.has_old_outcomes()).await?;
        // A write is a commit, and a commit makes every answer in memory be read again.
        if is_due { self.write(|writer| writer.sweep_outcomes()).await } else { Ok(0) }
    }
}
