//! What the relay says: a welcome, deliveries, one answer per push, a goodbye.

use minicbor::{Decode, Encode};

use super::{BootstrapDocument, Entry, FateCode, GoodbyeCode, Grant};
use crate::ids::{AccountId, BatchId, Chain, ChangeHash, DocumentId, LogPosition, Position, SpaceId};
use crate::log::Receipt;

/// Answers `Hello`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The wire version both will speak.
    #[n(0)]
    pub version: u16,
    /// The account that the credentials belong to.
    #[n(1)]
    pub account: AccountId,
    /// Every space the account may read.
    #[n(2)]
    pub grants: Vec<Grant>,
    /// Changes when the relay's limits change: batches parked under older limits are worth pushing again.
    #[n(3)]
    pub limits_version: u64,
}

/// A contiguous run of a log, ending at a batch end.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Deliver {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The entries follow this place.
    #[n(1)]
    pub after: LogPosition,
    /// The entries, dense.
    #[n(2)]
    pub entries: Vec<Entry>,
    /// The chain after the last of them.
    #[n(3)]
    pub chain: Chain,
    /// The relay's word for it.
    #[n(4)]
    pub receipt: Receipt,
}

impl Deliver {
    /// Where the device stands once this is durable.
    #[must_use]
    pub fn end(&self) -> LogPosition {
        let position = Position(self.after.position.0 + self.entries.len() as u64);
        LogPosition { epoch: self.after.epoch, position }
    }
}

/// Whole documents, ascending by id, for a device that is new to a space.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Bootstrap {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The bootstrap this belongs to covers entries up to here.
    #[n(1)]
    pub at: LogPosition,
    /// The documents.
    #[n(2)]
    pub documents: Vec<BootstrapDocument>,
    /// Whether this was the last frame of the bootstrap.
    #[n(3)]
    pub done: bool,
    /// The relay's word for the log up to `at`, in the last frame. Older relays give none.
    #[n(4)]
    pub receipt: Option<Receipt>,
}

/// The batch is durable at the relay; returns its credit.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The batch.
    #[n(2)]
    pub batch: BatchId,
    /// The place of its last entry; absent while it is in the intake of a shared space.
    #[n(3)]
    pub at: Option<LogPosition>,
    /// The chain there with the relay's word for it; absent for a batch that was known already.
    #[n(4)]
    pub proof: Option<Proof>,
}

/// A chain digest with the relay's receipt for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// The chain.
    #[n(0)]
    pub chain: Chain,
    /// The receipt.
    #[n(1)]
    pub receipt: Receipt,
}

/// The batch will never be accepted; returns its credit. Final.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Refuse {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The batch.
    #[n(2)]
    pub batch: BatchId,
    /// The change at fault.
    #[n(3)]
    pub culprit: Option<ChangeHash>,
    /// The rule that it broke.
    #[n(4)]
    pub code: FateCode,
    /// A sentence for people.
    #[n(5)]
    pub detail: String,
}

/// The batch cannot be accepted now; returns its credit. Judged again when `judged_by` changed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Park {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The batch.
    #[n(2)]
    pub batch: BatchId,
    /// Why.
    #[n(3)]
    pub code: FateCode,
    /// The version of what decided: `access_version` for `grant`, `limits_version` for the rest.
    #[n(4)]
    pub judged_by: u64,
    /// A sentence for people.
    #[n(5)]
    pub detail: String,
}

/// The batch rests on changes that the relay lacks; nothing was stored; returns its credit.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Need {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The batch.
    #[n(2)]
    pub batch: BatchId,
    /// The missing changes.
    #[n(3)]
    pub hashes: Vec<ChangeHash>,
}

/// The batch was not looked at; returns its credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Skipped {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// The batch.
    #[n(2)]
    pub batch: BatchId,
}

/// A grant was given, changed (`grant` is present) or taken (absent).
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct GrantChanged {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The grant as it is now.
    #[n(1)]
    pub grant: Option<Grant>,
}

/// The relay judges otherwise than at `Welcome`: a quota was raised, or a document may be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LimitsChanged {
    /// As in [`Welcome`].
    #[n(0)]
    pub limits_version: u64,
}

/// The last frame of a connection.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Goodbye {
    /// Why.
    #[n(0)]
    pub code: GoodbyeCode,
    /// Wait at least this long before reconnecting.
    #[n(1)]
    pub retry_after_ms: u32,
    /// A sentence for people.
    #[n(2)]
    pub detail: String,
    /// With [`GoodbyeCode::SUPERSEDED`]: the newest connection of the device that the relay knows, which a copy of its
    /// vault has. Whoever comes back as that one goes on beside it.
    #[n(3)]
    pub attempt: Option<u64>,
}

impl Goodbye {
    /// One that says nothing of other connections.
    #[must_use]
    pub const fn new(code: GoodbyeCode, retry_after_ms: u32, detail: String) -> Self {
        Self { code, retry_after_ms, detail, attempt: None }
    }
}
