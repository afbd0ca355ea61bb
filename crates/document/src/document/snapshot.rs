//! Snapshots: a document's sealed part as one chunk, trusted only after it was walked, loaded and compared.

use automerge::{AutoCommit, ReadDoc as _};
use sync_wire::{Blob, ChangeHash};

use super::Document;
use crate::error::LoadError;
use crate::guard::guarded;
use crate::header::inspect_document_chunk;
use crate::{admit, flat};

/// The sealed part of a document. A cache: the log is the truth, and any doubt falls back to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The heads, ascending.
    pub heads: Vec<ChangeHash>,
    /// How many changes it holds.
    pub changes: u64,
    /// BLAKE3 of `bytes`.
    pub digest: [u8; 32],
    /// One Automerge document chunk.
    pub bytes: Blob,
}

impl Document {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`LoadError`] if the digest, our own walk over the chunk, Automerge, or the heads disagree.
    pub fn load(snapshot: &Snapshot) -> Result<Self, LoadError> {
        if blake3::hash(&snapshot.bytes) != snapshot.digest {
            return Err(LoadError::Digest);
        }
        inspect_document_chunk(&snapshot.bytes).map_err(|error| LoadError::Refused(error.to_string()))?;
        let auto = load_checked(&snapshot.bytes, &snapshot.heads, snapshot.changes)?;
        let type_name = flat::type_name(&auto);
        guarded(|| Self::of(auto, type_name)).map_err(LoadError::Unreadable)
    }

    /// Makes a snapshot and proves that it loads as the same document.
    ///
    /// # Errors
    /// [`LoadError::Unsealed`] if there are unsealed edits; else if the proof fails.
    pub fn snapshot(&self) -> Result<Snapshot, LoadError> {
        if self.has_unsealed() {
            return Err(LoadError::Unsealed);
        }
        let mut copy = self.sealed_part().map_err(|_| LoadError::Broken)?;
        let bytes = guarded(|| copy.save()).map_err(LoadError::Unreadable)?;
        let changes = copy.stats().num_changes;
        load_checked(&bytes, &self.heads, changes)?;
        let digest = blake3::hash(&bytes).into();
        Ok(Snapshot { heads: self.heads.clone(), changes, digest, bytes: bytes.into() })
    }
}

fn load_checked(bytes: &[u8], heads: &[ChangeHash], changes: u64) -> Result<AutoCommit, LoadError> {
    let loaded = guarded(|| {
        let mut auto = AutoCommit::load(bytes).map_err(|error| LoadError::Unreadable(error.to_string()))?;
        let mut expected = heads.to_vec();
        expected.sort_unstable();
        let same = admit::heads(&mut auto) == expected && auto.stats().num_changes == changes;
        if same && auto.get_missing_deps(&[]).is_empty() { Ok(auto) } else { Err(LoadError::OtherContent) }
    });
    loaded.unwrap_or_else(|text| Err(LoadError::Unreadable(text)))
}
