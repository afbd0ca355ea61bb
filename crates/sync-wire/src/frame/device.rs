//! What a device says: where it stands, what it pushes, what it has stored.

use minicbor::{Decode, Encode};

use super::Blob;
#[cfg(doc)]
use super::Welcome;
use crate::ids::{BatchId, Chain, ChangeHash, DeviceId, DocumentId, LogPosition, Position, SpaceId};

/// Opens a connection. Pushes may follow at once, without waiting for [`Welcome`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Oldest and newest wire version that the device speaks.
    #[n(0)]
    pub versions: VersionRange,
    /// Which installation this is; bound to the account at its first `Hello`.
    #[n(1)]
    pub device: DeviceId,
    /// Name and version of the program, for people.
    #[n(2)]
    pub agent: String,
    /// Where the device stands. A granted space that is not listed is one it is new to.
    #[n(3)]
    pub cursors: Vec<Cursor>,
    /// Which connection of the device this is, as a fencing token: greater than that of every one before. Nothing that
    /// is pushed on an earlier one is taken any more. None of a device that does not count.
    #[n(4)]
    pub attempt: Option<u64>,
}

/// Wire versions, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct VersionRange {
    /// Oldest.
    #[n(0)]
    pub oldest: u16,
    /// Newest.
    #[n(1)]
    pub newest: u16,
}

/// The resume point of a device in one space. Only `Deliver` moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// Everything up to here has been delivered and is durable on the device.
    #[n(1)]
    pub at: LogPosition,
    /// The chain digest that the device computed up to there.
    #[n(2)]
    pub chain: Chain,
    /// A bootstrap that is still under way beside the cursor.
    #[n(3)]
    pub bootstrap: Option<BootstrapPoint>,
}

/// How far a bootstrap has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BootstrapPoint {
    /// The bootstrap covers every document with entries up to this position.
    #[n(0)]
    pub at: Position,
    /// Documents up to and including this one are complete on the device; none, at the beginning.
    #[n(1)]
    pub after: Option<DocumentId>,
}

/// One batch of one document.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Push {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// How often the lane was restarted on this connection (PROTOCOL §5).
    #[n(2)]
    pub lane: u32,
    /// The batch, sealed when it was saved.
    #[n(3)]
    pub batch: BatchId,
    /// What it does to the document.
    #[n(4)]
    pub content: Content,
}

/// What a batch does to its document.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Content {
    /// Adds Automerge changes, canonical type 1 chunks in causal order.
    #[n(0)]
    Changes(#[cbor(n(0), decode_with = "super::shared_blobs")] Vec<Blob>),
    /// Deletes the document as it was at these heads.
    #[n(1)]
    Tombstone(#[n(0)] Vec<ChangeHash>),
    /// Takes the deletion back.
    #[n(2)]
    Restore,
}

/// Everything up to `position` is durable on the device; returns the credit of `frames` deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Confirm {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The device's new resume point.
    #[n(1)]
    pub position: Position,
    /// How many `Deliver` or `Bootstrap` frames this answers.
    #[n(2)]
    pub frames: u32,
}
