//! Makes changes of one document, as a vault would: sealed edits, each batch with its own id.

use std::sync::atomic::{AtomicU64, Ordering};

use document::{Document, Draft, Violation};
use sha2::Digest as _;
use sync_wire::{Actor, BatchId, Blob, Content, DocumentId};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Sixteen bytes that nothing else in this run has.
pub(crate) fn fresh_id() -> [u8; 16] {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0x40; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    id[0] = 0x40;
    id
}

/// A sealed batch.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub id: BatchId,
    pub content: Content,
}

impl Batch {
    pub(crate) fn of(content: Content) -> Self {
        Self { id: BatchId(fresh_id()), content }
    }
}

/// One document on one device.
#[derive(Debug)]
pub(crate) struct Author {
    pub id: DocumentId,
    actor: Actor,
    pub document: Document,
}

impl Author {
    pub(crate) fn new(type_name: &str) -> Self {
        Self { id: DocumentId(fresh_id()), actor: Actor(fresh_id()), document: Document::new(Some(type_name)) }
    }

    /// A document of no type.
    pub(crate) fn untyped() -> Self {
        Self { document: Document::new(None), ..Self::new("note") }
    }

    /// The document on another device that has all of it.
    pub(crate) fn elsewhere(&self) -> Self {
        Self { id: self.id, actor: Actor(fresh_id()), document: self.document.clone() }
    }

    /// The document in a copy of the vault, which writes under the same name.
    pub(crate) fn copied(&self) -> Self {
        Self { id: self.id, actor: self.actor, document: self.document.clone() }
    }

    /// Edits, and returns the batches in the order in which they are pushed.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) -> Vec<Batch> {
        self.document.edit::<(), Violation>(self.actor, edit).unwrap();
        let sealed = self.document.seal(1_700_000_000).unwrap().expect("something was edited");
        let changes = sealed.seeds.into_iter().chain(sealed.changes);
        changes.map(|change| Batch::of(Content::Changes(vec![change.bytes]))).collect()
    }

    /// Edits with a note.
    pub(crate) fn put_noted(&mut self, path: &str, value: impl Into<serde_json::Value>, note: &str) -> Vec<Batch> {
        let value = value.into();
        self.document.edit::<(), Violation>(self.actor, |draft| draft.put(path, value)).unwrap();
        let sealed = self.document.seal_with_note(1_700_000_000, note).unwrap().expect("something was edited");
        let changes = sealed.seeds.into_iter().chain(sealed.changes);
        changes.map(|change| Batch::of(Content::Changes(vec![change.bytes]))).collect()
    }

    pub(crate) fn put(&mut self, path: &str, value: impl Into<serde_json::Value>) -> Vec<Batch> {
        let value = value.into();
        self.edit(|draft| draft.put(path, value))
    }
}

/// The same change without what it rests on, as the first of its actor: its operations name an object that is nowhere.
/// Header and log rules find nothing wrong with it.
pub(crate) fn poison(batch: &Batch) -> Batch {
    let change = document::Change::parse(changes(std::slice::from_ref(batch)).remove(0)).unwrap();
    let header = &change.header;
    let mut old = Vec::new();
    write_number(&mut old, header.deps.len() as u64);
    header.deps.iter().for_each(|dep| old.extend(dep.0));
    let mut new = vec![0];
    for (bytes, seq, start_op) in [(&mut old, header.seq, header.start_op), (&mut new, 1, 1)] {
        write_number(bytes, 16);
        bytes.extend(header.actor.0);
        write_number(bytes, seq);
        write_number(bytes, start_op);
    }
    let begin = change.bytes.windows(old.len()).position(|window| window == old).unwrap();
    new.extend(&change.bytes[begin + old.len()..]);
    let mut hashed = vec![1];
    write_number(&mut hashed, new.len() as u64);
    hashed.extend(new);
    let checksum = &sha2::Sha256::digest(&hashed)[..4];
    let bytes = [&[0x85, 0x6f, 0x4a, 0x83], checksum, &hashed].concat();
    Batch::of(Content::Changes(vec![bytes.into()]))
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The changes of batches.
pub(crate) fn changes(batches: &[Batch]) -> Vec<Blob> {
    let of = |batch: &Batch| match &batch.content {
        Content::Changes(changes) => changes.clone(),
        Content::Tombstone(_) | Content::Restore => Vec::new(),
    };
    batches.iter().flat_map(of).collect()
}
