//! Every frame of the protocol. A frame on the wire is the CBOR array `[kind, body]`; `body` is a map with integer
//! keys. Unknown keys are ignored and unknown kinds are skipped, so that either side may be newer.

use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::ids::{AccountId, BatchId, Chain, ChangeHash, DeviceId, DocumentId, LogPosition, Position, Salt, SpaceId};
use crate::log::{EntryKind, Receipt};

/// Kind numbers. Those without a struct here are reserved, so that older peers skip them.
pub mod kind {
    /// [`super::Hello`]
    pub const HELLO: u32 = 1;
    /// [`super::Push`]
    pub const PUSH: u32 = 2;
    /// [`super::Confirm`]
    pub const CONFIRM: u32 = 3;
    /// Reserved: entries offered to a restored relay.
    pub const OFFER: u32 = 4;
    /// Reserved: presence of a device.
    pub const DEVICE_PRESENCE: u32 = 5;
    /// Reserved: a device signature over a batch.
    pub const SIGNATURE: u32 = 6;
    /// [`super::Welcome`]
    pub const WELCOME: u32 = 16;
    /// [`super::Deliver`]
    pub const DELIVER: u32 = 17;
    /// [`super::Bootstrap`]
    pub const BOOTSTRAP: u32 = 18;
    /// [`super::Ack`]
    pub const ACK: u32 = 19;
    /// [`super::Refuse`]
    pub const REFUSE: u32 = 20;
    /// [`super::Park`]
    pub const PARK: u32 = 21;
    /// [`super::Need`]
    pub const NEED: u32 = 22;
    /// [`super::Skipped`]
    pub const SKIPPED: u32 = 23;
    /// [`super::GrantChanged`]
    pub const GRANT_CHANGED: u32 = 24;
    /// Reserved: presence of others.
    pub const RELAY_PRESENCE: u32 = 25;
    /// [`super::Goodbye`]
    pub const GOODBYE: u32 = 26;
}

/// What a device sends.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceFrame {
    /// First frame of a connection.
    Hello(Hello),
    /// One batch.
    Push(Push),
    /// Deliveries are durable here.
    Confirm(Confirm),
}

/// What the relay sends.
#[derive(Debug, Clone, PartialEq)]
pub enum RelayFrame {
    /// Answer to `Hello`.
    Welcome(Welcome),
    /// The entries after a device's resume point.
    Deliver(Deliver),
    /// Whole documents for a device that is new to a space.
    Bootstrap(Bootstrap),
    /// The batch is in the log (or durable in the intake).
    Ack(Ack),
    /// The batch will never be in the log.
    Refuse(Refuse),
    /// The batch cannot be in the log now.
    Park(Park),
    /// The batch rests on changes that the relay does not have.
    Need(Need),
    /// The batch was not looked at, because an earlier one of its lane was not accepted.
    Skipped(Skipped),
    /// A grant was given, changed or taken.
    GrantChanged(GrantChanged),
    /// The relay closes the connection, and says why and for how long.
    Goodbye(Goodbye),
}

/// Opaque bytes that are shared, not copied, between readers.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Blob(pub Bytes);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl std::ops::Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl<C> Encode<C> for Blob {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Blob {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(Bytes::copy_from_slice(d.bytes()?)))
    }
}

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
    Changes(#[n(0)] Vec<Blob>),
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

/// What an account may do in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Reads.
    #[n(1)]
    Viewer,
    /// Reads and writes.
    #[n(2)]
    Editor,
    /// Reads, writes, grants and repairs.
    #[n(3)]
    Owner,
}

impl Role {
    /// Whether pushes are accepted.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Editor | Self::Owner)
    }

    /// The word for it on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Editor, Self::Owner].into_iter().find(|role| role.name() == name)
    }
}

/// What a space is for; decides when its batches are checked (PROTOCOL §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SpaceKind {
    /// One account's own.
    #[n(1)]
    Personal,
    /// Shared by accounts.
    #[n(2)]
    Team,
    /// Written by the server alone.
    #[n(3)]
    Catalog,
}

impl SpaceKind {
    /// The word for it on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Team => "team",
            Self::Catalog => "catalog",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Personal, Self::Team, Self::Catalog].into_iter().find(|kind| kind.name() == name)
    }
}

/// A space that the account may read, and where its log stands.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Grant {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// Its kind.
    #[n(1)]
    pub kind: SpaceKind,
    /// What the account may do there.
    #[n(2)]
    pub role: Role,
    /// Its name, for people.
    #[n(3)]
    pub name: String,
    /// Keys the digests of its entries.
    #[n(4)]
    pub salt: Salt,
    /// Changes whenever a grant of the space changes: batches parked for want of a grant are worth pushing again.
    #[n(5)]
    pub access_version: u64,
    /// Where the log ends.
    #[n(6)]
    pub end: LogPosition,
    /// How the device continues.
    #[n(7)]
    pub resume: Resume,
}

/// How a device continues in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Resume {
    /// From the cursor it sent (and the bootstrap that it sent with it, if any).
    #[n(0)]
    Continue,
    /// Its cursor is none of this log's: whole documents follow as [`Bootstrap`], and entries after `at` as
    /// [`Deliver`]. What the device holds stays.
    #[n(1)]
    Bootstrap {
        /// The bootstrap covers entries up to here; with 0 there is nothing to bootstrap, and none follows.
        #[n(0)]
        at: Position,
        /// The chain digest there.
        #[n(1)]
        chain: Chain,
    },
}

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// What it is.
    #[n(0)]
    pub kind: EntryKind,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// SHA-256 of the change, or [`crate::log::marker_hash`].
    #[n(2)]
    pub hash: ChangeHash,
    /// The device of record.
    #[n(3)]
    pub device: DeviceId,
    /// The batch that brought it.
    #[n(4)]
    pub batch: BatchId,
    /// The change; absent when the batch was pushed on this very connection, and for the other kinds.
    #[n(5)]
    pub bytes: Option<Blob>,
    /// The heads that a tombstone had seen.
    #[n(6)]
    pub heads: Option<Vec<ChangeHash>>,
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
}

/// One document, or a part of it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct BootstrapDocument {
    /// The document.
    #[n(0)]
    pub document: DocumentId,
    /// Its changes up to some position in one chunk, or a part of that chunk.
    #[n(1)]
    pub snapshot: Option<SnapshotPart>,
    /// Its entries after the snapshot, ascending.
    #[n(2)]
    pub entries: Vec<PositionedEntry>,
    /// Whether nothing of this document is left to send.
    #[n(3)]
    pub complete: bool,
}

/// An entry outside a contiguous run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PositionedEntry {
    /// Its place in the log.
    #[n(0)]
    pub position: Position,
    /// The entry.
    #[n(1)]
    pub entry: Entry,
}

/// A part of an Automerge document chunk that the relay made and checked. Derived data: the device verifies it and
/// asks for entries instead if it fails.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SnapshotPart {
    /// It contains exactly the document's changes up to this position.
    #[n(0)]
    pub covers: Position,
    /// The heads of the document there.
    #[n(1)]
    pub heads: Vec<ChangeHash>,
    /// How many changes it contains.
    #[n(2)]
    pub changes: u64,
    /// BLAKE3 of the whole chunk.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub digest: [u8; 32],
    /// Size of the whole chunk, in bytes.
    #[n(4)]
    pub total_bytes: u64,
    /// Where this part begins in it.
    #[n(5)]
    pub offset: u64,
    /// The part.
    #[n(6)]
    pub bytes: Blob,
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

/// Why a batch was refused or parked. Numbers are stable; unknown ones are shown as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct FateCode(#[n(0)] pub u16);

impl FateCode {
    /// Refused: the bytes break a rule of the encoding or of a seed.
    pub const UNDECODABLE: Self = Self(1);
    /// Refused: Automerge cannot hold the change safely.
    pub const DANGEROUS: Self = Self(2);
    /// Refused: another change has this actor and sequence number.
    pub const EQUIVOCATION: Self = Self(3);
    /// Refused: sound itself, but it came with a change that is not.
    pub const WITH: Self = Self(4);
    /// Refused: the document was purged.
    pub const GONE: Self = Self(5);
    /// Parked: the account may not write in the space.
    pub const GRANT: Self = Self(32);
    /// Parked: the actor belongs to another device, or the device may not write.
    pub const DEVICE: Self = Self(33);
    /// Parked: the account's or the document's quota is used up.
    pub const QUOTA: Self = Self(34);
    /// Parked: larger than the relay takes.
    pub const SIZE: Self = Self(35);
    /// Parked: the type is newer than the relay knows.
    pub const SCHEMA: Self = Self(36);
    /// Parked: a deletion that does not know the newest edits.
    pub const CONTESTED: Self = Self(37);
    /// Parked: the document was deleted.
    pub const DELETED: Self = Self(38);
    /// Parked: it rests on changes that nobody could supply.
    pub const MISSING: Self = Self(39);
    /// Parked: the document would have too many heads.
    pub const HEADS: Self = Self(40);
    /// Parked: no space of that id for this account, whether or not it exists.
    pub const NO_SUCH_SPACE: Self = Self(41);
    /// Parked: the document failed its check and is read-only until it is repaired.
    pub const HELD: Self = Self(42);

    /// The stable word for this code, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UNDECODABLE => "undecodable",
            Self::DANGEROUS => "dangerous",
            Self::EQUIVOCATION => "equivocation",
            Self::WITH => "with",
            Self::GONE => "gone",
            Self::NO_SUCH_SPACE => "no_such_space",
            Self::HELD => "held",
            Self::GRANT => "grant",
            Self::DEVICE => "device",
            Self::QUOTA => "quota",
            Self::SIZE => "size",
            Self::SCHEMA => "schema",
            Self::CONTESTED => "contested",
            Self::DELETED => "deleted",
            Self::MISSING => "missing",
            Self::HEADS => "heads",
            _ => "unknown",
        }
    }
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

/// Why the relay closes. Numbers are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct GoodbyeCode(#[n(0)] pub u16);

impl GoodbyeCode {
    /// The relay restarts.
    pub const SHUTTING_DOWN: Self = Self(1);
    /// The token is unknown, expired or revoked.
    pub const UNAUTHENTICATED: Self = Self(2);
    /// The device was revoked.
    pub const DEVICE_REVOKED: Self = Self(3);
    /// The device is bound to another account.
    pub const DEVICE_TAKEN: Self = Self(4);
    /// The device broke a rule of the protocol; `detail` says which.
    pub const PROTOCOL: Self = Self(5);
    /// The device did not answer, or did not read, in time.
    pub const TOO_SLOW: Self = Self(6);
    /// The relay has no room; come back later.
    pub const OVERLOADED: Self = Self(7);
    /// No common wire version.
    pub const VERSION: Self = Self(8);
    /// The relay failed to do its work (a full disk, say); nothing was acknowledged wrongly.
    pub const UNAVAILABLE: Self = Self(9);

    /// The stable word for this code, or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SHUTTING_DOWN => "shutting_down",
            Self::UNAUTHENTICATED => "unauthenticated",
            Self::DEVICE_REVOKED => "device_revoked",
            Self::DEVICE_TAKEN => "device_taken",
            Self::PROTOCOL => "protocol",
            Self::TOO_SLOW => "too_slow",
            Self::OVERLOADED => "overloaded",
            Self::VERSION => "version",
            Self::UNAVAILABLE => "unavailable",
            _ => "unknown",
        }
    }

    /// Whether reconnecting with the same credentials can help.
    #[must_use]
    pub const fn is_worth_retrying(self) -> bool {
        !matches!(self, Self::UNAUTHENTICATED | Self::DEVICE_REVOKED | Self::DEVICE_TAKEN | Self::VERSION)
    }
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
}
