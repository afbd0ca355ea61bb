//! Whole documents for a vault that is new to a space: one verified snapshot each, and the entries after it.
//!
//! A document that came in parts is put together in memory; if the connection breaks, the relay begins that document
//! anew. The point moves over complete documents only, in the transaction that stores them.

use std::collections::HashMap;

use document::{Document, Snapshot};
use sync_wire::{
    Bootstrap, BootstrapDocument, BootstrapPoint, ChangeHash, Cursor, DocumentId, LogPosition, SnapshotPart, SpaceId,
};

use super::RemoteError;
use super::entries::{Parsed, parse, store};
use crate::storage::{Origin, Resuming, SnapshotRow, Tx};
use crate::vault::Inner;

/// Largest snapshot that is put together, in bytes; SQLite holds no larger value here.
const SNAPSHOT_BYTES_MAX: u64 = 63 << 20;

/// Snapshots whose parts are still coming, at most one per space: documents come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    partial: HashMap<SpaceId, Partial>,
}

#[derive(Debug)]
struct Partial {
    document: DocumentId,
    heads: Vec<ChangeHash>,
    changes: u64,
    digest: [u8; 32],
    total_bytes: u64,
    bytes: Vec<u8>,
}

/// A document of a bootstrap, checked.
struct Ready {
    document: DocumentId,
    snapshot: Option<(Snapshot, Option<String>)>,
    entries: Vec<(LogPosition, Parsed)>,
}

impl Inner {
    /// Makes a part of a bootstrap durable with its point, in one transaction.
    pub(crate) fn commit_bootstrap(
        &self,
        bootstrap: Bootstrap,
        assembly: &mut Assembly,
    ) -> Result<Cursor, RemoteError> {
        let Bootstrap { space: id, at, documents, done } = bootstrap;
        let resuming = self.storage.read(|tx| tx.space(id))?.and_then(|space| space.resuming);
        let resuming = resuming.ok_or_else(|| RemoteError::rejected(format!("space {id} was not granted")))?;
        let before = point(&resuming, at)?;
        let (mut after, mut ready) = (before.and_then(|point| point.after), Vec::new());
        for document in documents {
            if after.is_some_and(|after| document.document <= after) {
                let detail = format!("document {} came again in a bootstrap", document.document);
                return Err(RemoteError::Rejected(detail));
            }
            if document.complete {
                after = Some(document.document);
            }
            ready.push(assembly.take(id, at, document)?);
        }
        let reached = before.filter(|_| !done).map(|point| BootstrapPoint { after, ..point });
        let touched: Vec<DocumentId> = ready.iter().map(|document| document.document).collect();
        let cursor = self.storage.write_remote(move |tx| {
            let space = tx.space(id)?.ok_or_else(|| RemoteError::rejected(format!("space {id} is gone")))?;
            let now = space.resuming.ok_or_else(|| RemoteError::rejected(format!("space {id} has no cursor")))?;
            for document in &ready {
                document.store(tx, &space)?;
            }
            let cursor = Cursor { space: id, at: now.at, chain: now.chain, bootstrap: reached };
            tx.set_cursor(space.row, &cursor)?;
            Ok::<_, RemoteError>(cursor)
        })?;
        for document in touched {
            self.take_in(id, document, None);
        }
        Ok(cursor)
    }
}

/// The point of the bootstrap that this frame belongs to.
fn point(resuming: &Resuming, at: LogPosition) -> Result<Option<BootstrapPoint>, RemoteError> {
    match resuming.bootstrap {
        Some(point) if resuming.at.epoch == at.epoch && point.at == at.position => Ok(Some(point)),
        None if resuming.at.epoch == at.epoch => Ok(None),
        _ => Err(RemoteError::rejected(format!("a bootstrap up to {at} came that is not under way"))),
    }
}

impl Assembly {
    fn take(&mut self, space: SpaceId, at: LogPosition, sent: BootstrapDocument) -> Result<Ready, RemoteError> {
        let document = sent.document;
        let whole = match sent.snapshot {
            Some(part) => self.add(space, document, &part)?,
            None => None,
        };
        let snapshot = whole.map(|snapshot| check(document, snapshot)).transpose()?;
        let positioned = |entry: sync_wire::PositionedEntry| {
            if entry.position > at.position || entry.entry.document != document {
                let detail = format!("an entry at {} of document {document} is not part of it", entry.position);
                return Err(RemoteError::Rejected(detail));
            }
            Ok((LogPosition { epoch: at.epoch, position: entry.position }, parse(entry.entry)?))
        };
        let entries = sent.entries.into_iter().map(positioned).collect::<Result<_, _>>()?;
        Ok(Ready { document, snapshot, entries })
    }

    /// Adds a part; gives the whole when it was the last.
    fn add(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        part: &SnapshotPart,
    ) -> Result<Option<Snapshot>, RemoteError> {
        let rejected = |detail: &str| RemoteError::rejected(format!("snapshot of document {document}: {detail}"));
        if part.total_bytes > SNAPSHOT_BYTES_MAX {
            let detail = format!("{} bytes; at most {SNAPSHOT_BYTES_MAX} are taken", part.total_bytes);
            return Err(rejected(&detail));
        }
        if part.offset == 0 {
            self.partial.insert(space, Partial::begin(document, part));
        }
        let partial = self.partial.get_mut(&space).ok_or_else(|| rejected("its beginning is missing"))?;
        if !partial.continues_with(document, part) {
            self.partial.remove(&space);
            return Err(rejected("its parts do not fit together"));
        }
        partial.bytes.extend_from_slice(&part.bytes);
        if partial.bytes.len() as u64 != partial.total_bytes {
            return Ok(None);
        }
        Ok(self.partial.remove(&space).map(Partial::finish))
    }
}

impl Partial {
    fn begin(document: DocumentId, part: &SnapshotPart) -> Self {
        let SnapshotPart { changes, digest, total_bytes, .. } = *part;
        Self { document, heads: part.heads.clone(), changes, digest, total_bytes, bytes: Vec::new() }
    }

    fn continues_with(&self, document: DocumentId, part: &SnapshotPart) -> bool {
        let end = part.offset.checked_add(part.bytes.len() as u64);
        self.document == document
            && self.digest == part.digest
            && self.total_bytes == part.total_bytes
            && part.offset == self.bytes.len() as u64
            && end.is_some_and(|end| end <= self.total_bytes)
    }

    fn finish(self) -> Snapshot {
        Snapshot { heads: self.heads, changes: self.changes, digest: self.digest, bytes: self.bytes.into() }
    }
}

/// Loads a snapshot behind the guard and compares what it claims. Gives the document's type with it.
fn check(document: DocumentId, snapshot: Snapshot) -> Result<(Snapshot, Option<String>), RemoteError> {
    let loaded = Document::load(&snapshot);
    let loaded = loaded.map_err(|error| RemoteError::rejected(format!("snapshot of document {document}: {error}")))?;
    Ok((snapshot, loaded.type_name()))
}

impl Ready {
    fn store(&self, tx: &Tx<'_>, space: &crate::storage::SpaceRow) -> Result<(), RemoteError> {
        if let Some((snapshot, type_name)) = &self.snapshot {
            let document = tx.ensure_document(space, self.document, type_name.as_deref())?.row;
            let stored = SnapshotRow { origin: Origin::Relay, through: 0, snapshot: snapshot.clone() };
            tx.put_snapshot(document, &stored)?;
            tx.drop_local_snapshot(document)?;
            tx.add_bytes(document, stored.snapshot.bytes.len())?;
            tx.begin_generation(document)?;
        }
        for (at, parsed) in &self.entries {
            store(parsed, tx, space, *at)?; // loaded documents are read anew
        }
        Ok(())
    }
}
