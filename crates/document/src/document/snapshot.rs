//! Snapshots: a document's sealed part as one chunk, trusted only after it was walked, loaded and compared. Walking is
//! cheap, so that many may be kept after it alone; whoever reads one loads it.

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

/// What a walk over a snapshot tells of the document's type. Whoever loads the snapshot compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkedType {
    /// It holds one root seed, that of this type.
    Root(String),
    /// Only the loaded document can tell: it holds no root seed, or several.
    Unknown,
}

impl Snapshot {
    /// Walks the snapshot without loading it: digest, checksum, sizes when expanded, heads and number of changes are as
    /// claimed. That it loads is not said.
    ///
    /// # Errors
    /// [`LoadError::Digest`], [`LoadError::Refused`], [`LoadError::OtherContent`].
    ///
    /// # Example: a snapshot with other heads than it claims is refused without loading it
    /// ```
    /// use document::{Document, LoadError, Snapshot, WalkedType};
    /// use sync_wire::{Actor, ChangeHash};
    ///
    /// let mut note = Document::new(Some("note"));
    /// note.edit::<_, document::Violation>(Actor([1; 16]), |draft| draft.put("/name", "a".into()))?;
    /// note.seal(0)?;
    /// let snapshot = note.snapshot()?;
    /// assert_eq!(snapshot.walk()?, WalkedType::Root("note".to_owned()));
    ///
    /// let forged = Snapshot { heads: vec![ChangeHash([9; 32])], ..snapshot };
    /// assert_eq!(forged.walk(), Err(LoadError::OtherContent));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn walk(&self) -> Result<WalkedType, LoadError> {
        if blake3::hash(&self.bytes) != self.digest {
            return Err(LoadError::Digest);
        }
        let outline = inspect_document_chunk(&self.bytes).map_err(|error| LoadError::Refused(error.to_string()))?;
        let sorted = |mut heads: Vec<ChangeHash>| {
            heads.sort_unstable();
            heads
        };
        if sorted(outline.heads) != sorted(self.heads.clone()) || outline.changes != self.changes {
            return Err(LoadError::OtherContent);
        }
        let mut types = outline.root_types.into_iter();
        Ok(match (types.next(), types.next()) {
            (Some(type_name), None) => WalkedType::Root(type_name),
            _ => WalkedType::Unknown,
        })
    }
}

impl Document {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`LoadError`] if the digest, our own walk over the chunk, Automerge, or the heads disagree.
    pub fn load(snapshot: &Snapshot) -> Result<Self, LoadError> {
        snapshot.walk()?;
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
