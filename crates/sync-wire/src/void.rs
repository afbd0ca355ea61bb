//! What a void entry says: which changes of its document the log does without, and what stands in the place of those
//! that rested on them.
//!
//! A void is written only by an explicit repair (PROTOCOL §2). Its payload travels as the bytes of its entry, and its
//! hash covers every byte of that, so the chain does. The replacements follow it in the same batch.

use minicbor::{Decode, Encode};

use crate::frame::Blob;
use crate::ids::{BatchId, ChangeHash, DocumentId, SpaceId};
use crate::limits::{HASHES_MAX, VOID_DEPENDENTS_MAX};
use crate::log::EntryKind;
use crate::strict;

/// The payload of a void.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Void {
    /// The changes at fault, in the order of the log; at least one, at most [`HASHES_MAX`].
    #[n(0)]
    pub excluded: Vec<ChangeHash>,
    /// Every other change of the log up to there that rests on one of them, in the order of the log; at most
    /// [`VOID_DEPENDENTS_MAX`].
    #[n(1)]
    pub dependents: Vec<Dependent>,
}

/// A change that goes because of what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Dependent {
    /// The change.
    #[n(0)]
    pub change: ChangeHash,
    /// The change that says in its place what could be kept of it; none if nothing could.
    #[n(1)]
    pub by: Option<ChangeHash>,
}

/// Why bytes are no void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the void does not read: {reason}")]
pub struct VoidError {
    reason: String,
}

impl Void {
    /// The bytes of its entry.
    #[must_use]
    pub fn encode(&self) -> Blob {
        let mut bytes = Vec::with_capacity(16 + self.excluded.len() * 34 + self.dependents.len() * 72);
        let written = minicbor::encode(self, &mut bytes);
        debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
        bytes.into()
    }

    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// [`VoidError`]: strict CBOR only, within the limits, no change twice.
    pub fn decode(bytes: &[u8]) -> Result<Self, VoidError> {
        let refused = |reason: &str| VoidError { reason: reason.to_owned() };
        strict::check(bytes).map_err(|fault| VoidError { reason: format!("{fault:?}") })?;
        let void: Self = minicbor::decode(bytes).map_err(|error| VoidError { reason: error.to_string() })?;
        if void.excluded.is_empty() || void.excluded.len() > HASHES_MAX || void.dependents.len() > VOID_DEPENDENTS_MAX {
            return Err(refused("it names no change, or more than a void may"));
        }
        let mut named: Vec<ChangeHash> = void.changes().chain(void.replacements()).collect();
        let count = named.len();
        named.sort_unstable();
        named.dedup();
        if named.len() < count {
            return Err(refused("it names a change twice"));
        }
        Ok(void)
    }

    /// The changes that the log does without: those at fault first, then those that rested on them.
    pub fn changes(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.excluded.iter().copied().chain(self.dependents.iter().map(|dependent| dependent.change))
    }

    /// What stands in their place, causes before effects.
    pub fn replacements(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.dependents.iter().filter_map(|dependent| dependent.by)
    }

    /// The batch of the void and its replacements: derived, so that two relays that repair alike make one void.
    #[must_use]
    pub fn batch(payload: &[u8], space: SpaceId, document: DocumentId) -> BatchId {
        let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 batch of a void");
        hasher.update(&space.0).update(&document.0).update(payload);
        let mut id = [0; BatchId::LEN];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..BatchId::LEN]);
        BatchId(id)
    }

    /// The hash of the entry with this payload.
    #[must_use]
    pub fn hash(payload: &[u8], space: SpaceId, document: DocumentId, batch: BatchId) -> ChangeHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"symphony-marker-1").update(&[EntryKind::Void as u8]);
        hasher.update(&space.0).update(&document.0).update(&batch.0).update(payload);
        ChangeHash(*hasher.finalize().as_bytes())
    }
}
