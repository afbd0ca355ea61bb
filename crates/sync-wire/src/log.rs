//! The digest chain of a log, which devices and relay compute alike, and the receipts that a relay gives for it.
//!
//! `digest_n = BLAKE3-keyed(salt of the space, kind ‖ document ‖ hash ‖ device ‖ batch)`;
//! `chain_n = BLAKE3(chain_{n-1} ‖ digest_n)`. A change's bytes name no document, so the digest does (PROTOCOL §3).

use minicbor::{Decode, Encode};

use crate::ids::{BatchId, Chain, ChangeHash, DeviceId, DocumentId, Epoch, Position, Salt, SpaceId};

/// What an entry of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
#[repr(u8)]
pub enum EntryKind {
    /// An Automerge change.
    #[n(1)]
    Change = 1,
    /// Excludes a change and what depends on it; written only by an explicit repair.
    #[n(2)]
    Void = 2,
    /// Deletes a document, as far as its author knew it.
    #[n(3)]
    Tombstone = 3,
    /// Takes a tombstone back.
    #[n(4)]
    Restore = 4,
    /// The document's bytes are gone for good.
    #[n(5)]
    Erased = 5,
}

impl EntryKind {
    /// Reads the stored form.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Change,
            2 => Self::Void,
            3 => Self::Tombstone,
            4 => Self::Restore,
            5 => Self::Erased,
            _ => return None,
        })
    }
}

/// The fields of an entry that its digest covers.
#[derive(Debug, Clone, Copy)]
pub struct EntryIdentity {
    /// What it is.
    pub kind: EntryKind,
    /// The document it belongs to.
    pub document: DocumentId,
    /// The change's hash, or that of the other kinds (see [`marker_hash`]).
    pub hash: ChangeHash,
    /// The device of record: whose actor wrote it.
    pub device: DeviceId,
    /// The batch it was pushed in.
    pub batch: BatchId,
}

impl EntryIdentity {
    /// The digest of this entry in a space with this salt.
    #[must_use]
    pub fn digest(&self, salt: &Salt) -> [u8; 32] {
        let mut bytes = [0; 1 + 16 + 32 + 16 + 16];
        bytes[0] = self.kind as u8;
        bytes[1..17].copy_from_slice(&self.document.0);
        bytes[17..49].copy_from_slice(&self.hash.0);
        bytes[49..65].copy_from_slice(&self.device.0);
        bytes[65..81].copy_from_slice(&self.batch.0);
        *blake3::keyed_hash(&salt.0, &bytes).as_bytes()
    }
}

impl Chain {
    /// The chain after one more entry.
    #[must_use]
    pub fn extend(&self, digest: &[u8; 32]) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(digest);
        Self(*blake3::hash(&bytes).as_bytes())
    }
}

/// The hash of a tombstone or restore entry: it has no Automerge bytes, so its content is hashed.
#[must_use]
pub fn marker_hash(
    kind: EntryKind,
    space: SpaceId,
    document: DocumentId,
    batch: BatchId,
    heads: &[ChangeHash],
) -> ChangeHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"symphony-marker-1");
    hasher.update(&[kind as u8]);
    hasher.update(&space.0).update(&document.0).update(&batch.0);
    for head in heads {
        hasher.update(&head.0);
    }
    ChangeHash(*hasher.finalize().as_bytes())
}

/// The relay's word that its log had this chain at this position; heals a restored relay (PROTOCOL §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Which of the relay's keys made it.
    #[n(0)]
    pub key: u32,
    /// BLAKE3 keyed with that key over space, epoch, position and chain.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub mac: [u8; 32],
}

impl Receipt {
    /// Makes the receipt for a place in a log.
    #[must_use]
    pub fn sign(key: u32, secret: &[u8; 32], space: SpaceId, epoch: Epoch, position: Position, chain: &Chain) -> Self {
        let mut bytes = [0; 16 + 8 + 8 + 32];
        bytes[..16].copy_from_slice(&space.0);
        bytes[16..24].copy_from_slice(&epoch.0);
        bytes[24..32].copy_from_slice(&position.0.to_be_bytes());
        bytes[32..].copy_from_slice(&chain.0);
        Self { key, mac: *blake3::keyed_hash(secret, &bytes).as_bytes() }
    }

    /// Whether `secret` made this receipt for that place.
    #[must_use]
    pub fn verifies(&self, secret: &[u8; 32], space: SpaceId, epoch: Epoch, position: Position, chain: &Chain) -> bool {
        // blake3::Hash compares in constant time.
        let made = Self::sign(self.key, secret, space, epoch, position, chain);
        blake3::Hash::from(made.mac) == blake3::Hash::from(self.mac)
    }
}
