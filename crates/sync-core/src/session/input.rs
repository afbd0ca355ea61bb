//! What a session is told, and the answers that a shell gives to its effects.

#[cfg(doc)]
use super::{Effect, Session};
use sync_wire::log::Receipt;
use sync_wire::{
    AccountId, BatchId, BootstrapDocument, Chain, ChangeHash, Content, DeviceFrame, DocumentId, Entry, FateCode,
    GoodbyeCode, Grant, LogPosition, Position, Proof, SpaceId, Wanted,
};

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The device sent a frame.
    Frame(DeviceFrame),
    /// Answers [`Effect::Authorize`].
    Authorized(Authorized),
    /// Answers [`Effect::Authorize`] or [`Effect::Regrant`]: the credentials or the device are not accepted (any more).
    Denied {
        /// Sent as `Goodbye`.
        code: GoodbyeCode,
        /// A sentence for people.
        detail: String,
    },
    /// Answers [`Effect::Authorize`] or [`Effect::Append`]: the device has a newer connection, and nothing of this
    /// one is taken.
    Superseded {
        /// The newest attempt of the device.
        newest: u64,
    },
    /// Answers [`Effect::Append`], one outcome per batch, in order.
    Appended {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
        /// What became of each batch; after the first that was not taken, the rest are [`Outcome::Skipped`].
        outcomes: Vec<(BatchId, Outcome)>,
    },
    /// Answers [`Effect::FindAncestor`] and [`Effect::TakeRun`].
    Wanted(Wanted),
    /// Answers [`Effect::EndOffer`]: the grant, with [`sync_wire::Resume::From`].
    OfferEnded(Grant),
    /// Answers [`Effect::ReadLog`].
    Read(LogPage),
    /// Answers [`Effect::ReadBootstrap`].
    BootstrapRead(BootstrapPage),
    /// The log of a followed space ends at `end` now. May come late, twice, or for what is known.
    Hint {
        /// The space.
        space: SpaceId,
        /// Its end. Of another epoch, it says that the log has gone another way.
        end: LogPosition,
    },
    /// Batches have left the intake of a followed space otherwise than into its log. May come late, twice, or never.
    Settled {
        /// The space.
        space: SpaceId,
    },
    /// Answers [`Effect::ReadOutcomes`]: those of the batches that are refused or parked now.
    Outcomes {
        /// The space.
        space: SpaceId,
        /// What became of them.
        outcomes: Vec<(DocumentId, BatchId, Outcome)>,
    },
    /// Some grant, token or device of the account may have changed.
    AccessChanged,
    /// Answers [`Effect::Regrant`]: every grant as it is now, each with a [`sync_wire::Resume`] as for a device that
    /// is new to the space.
    Regranted {
        /// All of them.
        grants: Vec<Grant>,
        /// What the account is judged by now.
        limits_version: u64,
    },
    /// Storage failed; nothing that was asked for and not answered has happened for sure.
    Failed {
        /// For the log and for people.
        detail: String,
    },
    /// [`Session::next_timeout`] has passed.
    Timeout,
    /// The relay stops.
    Shutdown {
        /// Sent to the device.
        retry_after_ms: u32,
    },
}

/// Who the device is and what it may read.
#[derive(Debug, Clone)]
pub struct Authorized {
    /// The account of the credentials.
    pub account: AccountId,
    /// Goes into `Welcome`.
    pub limits_version: u64,
    /// Every readable space, with [`sync_wire::Resume`] decided by comparing the device's cursor with the log.
    pub grants: Vec<Grant>,
}

/// What became of a pushed batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// In the log, its last entry at `at`. `proof` is absent if it was there already.
    Appended {
        /// Place of its last entry.
        at: LogPosition,
        /// Chain and receipt there.
        proof: Option<Proof>,
    },
    /// Durable in the intake of a shared space.
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
    /// Not to be accepted now.
    Parked {
        /// Why.
        code: FateCode,
        /// The version of what decided.
        judged_by: u64,
        /// For people.
        detail: String,
    },
    /// Rests on changes that the relay lacks.
    Need {
        /// Which.
        hashes: Vec<ChangeHash>,
    },
    /// Not looked at: an earlier one of the same call was not taken.
    Skipped,
}

/// A batch to be judged and appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Pushed {
    /// Its id.
    pub batch: BatchId,
    /// What it does.
    pub content: Content,
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

/// A run of whole documents.
#[derive(Debug, Clone)]
pub struct BootstrapPage {
    /// The space.
    pub space: SpaceId,
    /// Ascending by id; the last may be incomplete.
    pub documents: Vec<BootstrapDocument>,
    /// Where to go on; `None` when the bootstrap is complete.
    pub next: Option<BootstrapCursor>,
    /// The relay's receipt for the log up to where the bootstrap goes, once that is complete.
    pub receipt: Option<Receipt>,
}

/// Where a bootstrap goes on within one connection.
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
        /// It covers entries up to here; if the relay has another one by now, it starts over.
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
