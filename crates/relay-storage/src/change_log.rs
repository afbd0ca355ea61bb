//! The log of every space: the only way in ([`Storage::append`]) and the ways out.
//!
//! A batch is appended whole or not at all; an appended batch is durable. Positions are dense per space; each entry
//! has a digest, each batch end the chain over all digests before it (PROTOCOL §2, §3).

mod append; // the write path: own fate, grant, rules, rows
mod audit; // what the stored frontier says, for those who verify it
mod bootstrap; // whole documents for a device that is new to a space
mod fates; // what became of refused changes
mod purge; // what is left of a document some time after its deletion
mod frontier; // what the rules know of a document without loading it
mod intake; // what waits for its check before it gets a place
mod offer; // what a log has lost, given back by devices
mod read; // pages of a log, and whether a cursor belongs to it
mod rules; // what a change must satisfy, given its document's frontier
mod state; // what the writer remembers between groups
mod void; // entries that exclude others

use document::Change;
use sync_wire::log::Receipt;
use sync_wire::{
    AccountId, BatchId, Blob, BootstrapDocument, Chain, ChangeHash, Cursor, DeviceId, DocumentId, Entry, FateCode,
    LogPosition, Position, Proof, SpaceId,
};

use crate::error::{StorageError, storage_arm};
use crate::spaces::RoleRead;
use crate::storage::{Load, Storage};

pub(crate) use audit::{Tips, restore_frontier, stored_tips};
pub use fates::readable_hash;
pub(crate) use fates::{NewFate, Permanence, Place};
pub(crate) use frontier::{heads_from_bytes, heads_to_bytes, kind_of, unsigned};
pub use intake::{
    BatchFate, CheckVerdict, INTAKE_LEASE, IntakeBatch, IntakeState, IntakeTotals, Settled, SettledBatch, WaitingBatch,
};
pub(crate) use intake::{each_damaged as each_damaged_in_intake, empty as empty_intake, examine as examine_intake};
pub use offer::{Taken, TakenEpoch};
pub use purge::Purged;
pub(crate) use read::{entry_bytes, entry_of, log_end};
pub(crate) use state::LogState;
pub use void::{AppendVoidError, NewVoid, VoidEntry, Voided};
pub(crate) use void::{Without, voids_of};

/// Parked: the document is held (read-only), because entries of it failed their check.
pub const HELD: FateCode = FateCode::HELD;

/// Batches of one document, pushed by one device.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Whose credentials carried them.
    pub account: AccountId,
    /// The device of record.
    pub device: DeviceId,
    /// What was read of the account's grant; read again in the transaction if the space's grants changed since.
    pub grant: RoleRead,
    /// Who made them: of some documents the relay alone is taken ([`crate::StorageOptions::reserved`]).
    pub made_by: MadeBy,
    /// Whether the batches were checked already.
    pub check: Check,
    /// In order.
    pub batches: Vec<ParsedBatch>,
}

/// Who made a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// The device of record.
    Device,
    /// The relay, at the word of somebody who may say it.
    Relay,
}

/// When the semantic check of appended entries happens (PROTOCOL §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Behind the log: a personal space.
    Pending,
    /// It happened before the append: the checked position moves along.
    Done,
    /// Before the batches get a place: they wait for it in the intake. A space with other people.
    Before,
    /// It ended without a verdict: the batches are judged, and none is appended.
    Unfit,
}

/// A batch whose changes were parsed.
#[derive(Debug, Clone)]
pub struct ParsedBatch {
    /// Its id, sealed by the device.
    pub id: BatchId,
    /// What it does.
    pub content: BatchContent,
}

/// What a batch does to its document.
#[derive(Debug, Clone)]
pub enum BatchContent {
    /// Adds changes, in causal order.
    Changes(Vec<Change>),
    /// Deletes the document as it was at these heads.
    Tombstone {
        /// The heads that its author saw.
        heads: Vec<ChangeHash>,
    },
    /// Takes the deletion back.
    Restore,
    /// Did not parse, or failed the check: refused when its turn comes.
    Rejected {
        /// The change at fault.
        culprit: Option<ChangeHash>,
        /// The rule.
        code: FateCode,
        /// For people.
        detail: String,
        /// What it holds, as it was pushed: kept with its fate.
        changes: Vec<Blob>,
    },
    /// Expanded, it is larger than what fits one frame: parked when its turn comes, and not expanded any further.
    TooLarge,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// In the log and durable, its last entry at `at`. `proof` is absent if it was there already.
    Appended {
        /// Place of its last entry.
        at: LogPosition,
        /// How many entries it made just now: fewer than it has changes if some were there already.
        entries: usize,
        /// Chain and receipt there.
        proof: Option<Proof>,
    },
    /// Durable in the intake, where it waits for its check.
    Stored,
    /// Never to be accepted.
    Refused {
        /// The change at fault.
        culprit: Option<ChangeHash>,
        /// The rule.
        code: FateCode,
        /// For people.
        detail: String,
    },
    /// Not to be accepted now. (`no_such_space` is judged by nothing: 0.)
    Parked {
        /// Why.
        code: FateCode,
        /// The space's access version for `grant`, [`crate::Limits::version`] for the rest.
        judged_by: u64,
        /// For people.
        detail: String,
    },
    /// Rests on changes that are not in this document's log.
    Need {
        /// Which; at most [`sync_wire::limits::HASHES_MAX`].
        hashes: Vec<ChangeHash>,
    },
    /// Not looked at: an earlier batch of the same request was not appended.
    Skipped,
}

impl Outcome {
    /// Whether the intake had no room: nothing stands against the batch, and in a moment it may be otherwise.
    #[must_use]
    pub const fn is_for_want_of_room(&self) -> bool {
        matches!(self, Self::Parked { code: FateCode::QUOTA, judged_by: 0, .. })
    }
}

/// A contiguous run of a log that ends at a batch end. Empty if the log ends at `after`.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The space.
    pub space: SpaceId,
    /// The run follows this place.
    pub after: LogPosition,
    /// The entries, all with their bytes.
    pub entries: Vec<Entry>,
    /// The chain after the last of them.
    pub chain: Chain,
    /// The relay's receipt for it.
    pub receipt: Receipt,
    /// Where the log ends.
    pub log_end: Position,
}

/// Whether a device's resume point is a place in this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorVerdict {
    /// It is: epoch and chain agree, at a batch end.
    Continue,
    /// There is no such log, or the device has nothing of it: it needs a bootstrap.
    Unknown,
    /// The device has entries, and this is no batch end of the log: it may have what the log has lost.
    Elsewhere,
}

/// Where a bootstrap goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapCursor {
    /// The bootstrap covers entries up to here.
    pub at: Position,
    /// Documents up to and including this one are sent.
    pub after: Option<DocumentId>,
    /// How much of the document after it is sent.
    pub within: Within,
}

/// How much of a document is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Nothing yet.
    Start,
    /// The snapshot up to this byte.
    Snapshot {
        /// It covers entries up to here; if there is another one by now, the document starts over.
        covers: Position,
        /// Bytes sent.
        offset: u64,
    },
    /// The snapshot, if there is one, and the entries up to this position.
    Entries {
        /// Sent up to here.
        after: Position,
    },
}

/// A run of whole documents.
#[derive(Debug, Clone)]
pub struct BootstrapPage {
    /// The space.
    pub space: SpaceId,
    /// Ascending by id; the last may be incomplete.
    pub documents: Vec<BootstrapDocument>,
    /// Where to go on; `None` when the bootstrap is complete.
    pub next: Option<BootstrapCursor>,
    /// The receipt for the log up to where the bootstrap goes, once that is complete.
    pub receipt: Option<Receipt>,
}

/// Why a read has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such space.
    #[error("no space {space}; name one that the account may read")]
    UnknownSpace {
        /// The id.
        space: SpaceId,
    },
    /// No such document in that space.
    #[error("no document {document} in space {space}; name one that is listed there")]
    UnknownDocument {
        /// The space.
        space: SpaceId,
        /// The id.
        document: DocumentId,
    },
    /// The place belongs to another life of the log.
    #[error("{after} is of another epoch than the log of space {space}, which ends at {end}; start over")]
    EpochChanged {
        /// The space.
        space: SpaceId,
        /// The place.
        after: LogPosition,
        /// Where the log ends.
        end: LogPosition,
    },
    /// The place is after the end.
    #[error("{after} is after the end of the log of space {space}, {end}; start over")]
    BeyondEnd {
        /// The space.
        space: SpaceId,
        /// The place.
        after: LogPosition,
        /// Where the log ends.
        end: LogPosition,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(ReadError);

impl ReadError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSpace { .. } => "space_unknown",
            Self::UnknownDocument { .. } => "document_unknown",
            Self::EpochChanged { .. } => "epoch_changed",
            Self::BeyondEnd { .. } => "position_beyond_end",
            Self::Storage(error) => error.code(),
        }
    }
}

/// The primary key of a log row. 23 bits of space, 40 bits of position.
pub(crate) const fn log_key(space_key: i64, position: u64) -> i64 {
    space_key << 40 | position.cast_signed()
}

/// The position in the primary key of a log row.
pub(crate) const fn position_of(log_key: i64) -> Position {
    Position((log_key & ((1 << 40) - 1)).cast_unsigned())
}

impl Storage {
    /// Judges and appends batches, each request for itself: its batches in order, all that precede the first one
    /// that is not appended. What is appended is durable on return; appending it again changes nothing and gives the
    /// same place.
    ///
    /// # Errors
    /// [`StorageError`]: nothing of it is known to have happened; asking again is safe.
    pub async fn append(&self, requests: Vec<AppendRequest>) -> Result<Vec<Vec<(BatchId, Outcome)>>, StorageError> {
        let steps = requests.iter().flat_map(|request| &request.batches).map(ParsedBatch::steps).sum();
        // Whoever appends to several documents at once waits for the answer before the next.
        let document = requests.first().map(|request| (request.space, request.document));
        self.write_validated(Load { steps, document }, move |writer| writer.append(&requests)).await
    }

    /// Where the log of a space ends; `None` if there is no such space.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_of(&self, space: SpaceId) -> Result<Option<LogPosition>, StorageError> {
        self.read(move |reader| reader.end_of(space)).await
    }

    /// Where the logs of these spaces end; unknown ones are left out.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn ends(&self, spaces: &[SpaceId]) -> Result<Vec<(SpaceId, LogPosition)>, StorageError> {
        let spaces = spaces.to_vec();
        self.read(move |reader| reader.ends(&spaces)).await
    }

    /// Reads the entries after a place, about `bytes_target` of them, ending at a batch end; at least one batch if
    /// there is one. The page fits one frame.
    ///
    /// # Errors
    /// [`ReadError`] for a space or place that is not there.
    pub async fn read_log(
        &self,
        space: SpaceId,
        after: LogPosition,
        bytes_target: usize,
    ) -> Result<LogPage, ReadError> {
        self.read(move |reader| reader.read_log(space, after, bytes_target)).await
    }

    /// Whether a device may continue from its resume point.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn verify_cursor(&self, cursor: &Cursor) -> Result<CursorVerdict, StorageError> {
        let cursor = *cursor;
        self.read(move |reader| reader.verify_cursor(&cursor)).await
    }

    /// Reads whole documents, about `bytes_target` of them. The page fits one frame and makes progress, so that
    /// asking on from [`BootstrapPage::next`] ends.
    ///
    /// # Errors
    /// [`ReadError`] for a space that is not there.
    pub async fn read_bootstrap(
        &self,
        space: SpaceId,
        from: BootstrapCursor,
        bytes_target: usize,
    ) -> Result<BootstrapPage, ReadError> {
        self.read(move |reader| reader.read_bootstrap(space, from, bytes_target)).await
    }
}

impl ParsedBatch {
    /// How much work it is: entries that it makes at most, and dependencies that are looked up for them.
    fn steps(&self) -> usize {
        match &self.content {
            BatchContent::Changes(changes) => changes.iter().map(|change| 1 + change.header.deps.len()).sum(),
            BatchContent::Tombstone { heads } => 1 + heads.len(),
            BatchContent::Restore | BatchContent::Rejected { .. } | BatchContent::TooLarge => 1,
        }
    }
}
