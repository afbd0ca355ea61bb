//! What the client wants done, and what it knows of the fate of batches.

use sync_wire::{
    AccountId, BatchId, Bootstrap, ChangeHash, Deliver, DeviceFrame, DocumentId, FateCode, Grant, LogPosition,
    Position, Presence, SpaceId,
};

use super::Status;
#[cfg(doc)]
use super::{Input, OutboxBatch};

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Open a connection.
    Connect,
    /// Drop the connection, if there is one.
    Disconnect,
    /// Write a frame.
    Send(DeviceFrame),
    /// Read the cursor of every space that the relay knows.
    ReadCursors,
    /// Read pending batches of open lanes saved after `after` (an [`OutboxBatch::order`]; 0 means all).
    ReadOutbox {
        /// Where to begin.
        after: u64,
        /// At most so many.
        count: u32,
        /// Roughly how much; at least one batch if there is one.
        bytes_target: usize,
    },
    /// Store the grants: new spaces, changed roles, taken ones; re-home the local space; unpark what they unpark.
    ApplyGrants {
        /// Whose they are; a vault that belongs to another account answers [`Input::Failed`].
        account: AccountId,
        /// All of them: a known space that is not listed was taken.
        grants: Vec<Grant>,
        /// Unparks what was parked under other limits.
        limits_version: u64,
    },
    /// Store one grant, or that it was taken.
    ApplyGrant {
        /// The space.
        space: SpaceId,
        /// As it is now.
        grant: Option<Grant>,
    },
    /// Unpark what was parked under other limits.
    ApplyLimits {
        /// As in [`Effect::ApplyGrants`].
        limits_version: u64,
    },
    /// Make a delivery durable with its resume point, in one transaction.
    CommitDelivery(Deliver),
    /// Make a part of a bootstrap durable with its point, in one transaction.
    CommitBootstrap(Bootstrap),
    /// Read the places of a log that the vault has everything up to, its cursor included.
    ReadCheckpoints {
        /// The space.
        space: SpaceId,
    },
    /// Read the entries after a place, up to the next checkpoint, as far as they fit one frame.
    ReadRun {
        /// The space.
        space: SpaceId,
        /// Where to begin.
        after: Position,
    },
    /// The relay had lost entries of a space, and took so many back: say so once.
    NoteOffered {
        /// The space.
        space: SpaceId,
        /// How many it took.
        taken: u64,
    },
    /// Make fates durable.
    RecordFates(Vec<Fate>),
    /// Find the batches that contain these changes.
    Supply {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
        /// The changes.
        hashes: Vec<ChangeHash>,
    },
    /// Remember where somebody else is, or that they are gone, as long as the connection lasts.
    Present(Presence),
    /// The status changed.
    Status(Status),
}

/// The durable fate of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Fate {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// The batch.
    pub batch: BatchId,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// In the log.
    Accepted {
        /// Place of its last entry.
        at: LogPosition,
    },
    /// Durable in the relay's intake.
    Stored,
    /// Never to be accepted: the vault quarantines it and mends its lane.
    Refused {
        /// The change at fault.
        culprit: Option<ChangeHash>,
        /// The rule.
        code: FateCode,
        /// For people.
        detail: String,
    },
    /// Kept, and pushed again when the version of what decided has changed: the lane is closed until then.
    Parked {
        /// Why.
        code: FateCode,
        /// The version of what decided.
        judged_by: u64,
        /// For people.
        detail: String,
    },
}
