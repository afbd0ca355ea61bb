//! Entries of a log, one by one or gathered by document.

use minicbor::{Decode, Encode};

use super::Blob;
use crate::ids::{BatchId, ChangeHash, DeviceId, DocumentId, Position};
use crate::log::EntryKind;

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
    /// SHA-256 of the change, or [`crate::log::marker_hash`], or [`crate::Void::hash`].
    #[n(2)]
    pub hash: ChangeHash,
    /// The device of record.
    #[n(3)]
    pub device: DeviceId,
    /// The batch that brought it.
    #[n(4)]
    pub batch: BatchId,
    /// The change, or what a void says ([`crate::Void`]); absent when the batch was pushed on this very connection, and
    /// for the other kinds.
    #[n(5)]
    pub bytes: Option<Blob>,
    /// The heads that a tombstone had seen.
    #[n(6)]
    pub heads: Option<Vec<ChangeHash>>,
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
    /// The voids up to that position, by the hashes of their entries: what they exclude is not in it. Left out if there
    /// are none.
    #[n(7)]
    pub voids: Option<Vec<ChangeHash>>,
}
