//! Whole documents for a vault that is new to a space: one verified snapshot each, and the entries after it.
//!
//! A document that came in parts is put together in memory; if the connection breaks, the relay begins that document
//! anew. The point moves over complete documents only, in the transaction that stores them.

use std::collections::HashMap;
use std::sync::Arc;

use document::{Document, Snapshot};
use sync_wire::{
    Bootstrap, BootstrapDocument, BootstrapPoint, ChangeHash, Cursor, DocumentId, LogPosition, SnapshotPart, SpaceId,
};

use super::RemoteError;
use super::entries::{Parsed, Stores, parse, store};
use crate::storage::{DocumentRow, Moved, Origin, Resuming, SnapshotRow, SpaceRow, Tx};
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
    snapshot: Option<Checked>,
    entries: Vec<(LogPosition, Parsed)>,
}

/// A snapshot that loads.
struct Checked {
    snapshot: Snapshot,
    type_name: Option<String>,
    /// What it was loaded as, with the entries that came with it: whoever reads the document need not load it again.
    /// None, if the entries are more than changes that apply.
    whole: Option<Whole>,
}

/// All that the vault has of a document that is new to it.
struct Whole {
    document: Document,
    title: Option<String>,
}

impl Inner {
    /// Makes a part of a bootstrap durable with its point, in one transaction.
    pub(crate) fn commit_bootstrap(
        self: &Arc<Self>,
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
            ready.push(assembly.take(id, at, document)?.with_title(self));
        }
        let reached = before.filter(|_| !done).map(|point| BootstrapPoint { after, ..point });
        // Places before the commit: what another process writes afterwards makes them stale.
        let place = |document: &Ready| self.shelf.place(self.resolve(id), document.document);
        let places: Vec<_> = ready.iter().map(place).collect();
        let (cursor, stored) = self.storage.write_remote(move |tx| {
            let space = tx.space(id)?.ok_or_else(|| RemoteError::rejected(format!("space {id} is gone")))?;
            let now = space.resuming.ok_or_else(|| RemoteError::rejected(format!("space {id} has no cursor")))?;
            let mut stored = Vec::with_capacity(ready.len());
            for document in ready {
                stored.push(document.store(tx, &space)?);
            }
            let cursor = Cursor { space: id, at: now.at, chain: now.chain, bootstrap: reached };
            tx.set_cursor(space.row, &cursor)?;
            Ok::<_, RemoteError>((cursor, stored))
        })?;
        for (place, fresh) in places.iter().zip(stored) {
            if fresh.is_some_and(|(row, document)| place.keep(row, document)) {
                self.hint(id, place.id);
            } else {
                self.take_in(id, place.id, None);
            }
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
        let (document, is_complete) = (sent.document, sent.complete);
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
        let mut ready = Ready { document, snapshot, entries };
        if is_complete {
            ready.apply_entries();
        } else if let Some(checked) = &mut ready.snapshot {
            checked.whole = None; // to apply each part alone costs more than to load it once, with all of them
        }
        Ok(ready)
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

/// Loads a snapshot behind the guard and compares what it claims.
fn check(document: DocumentId, snapshot: Snapshot) -> Result<Checked, RemoteError> {
    let loaded = Document::load(&snapshot);
    let loaded = loaded.map_err(|error| RemoteError::rejected(format!("snapshot of document {document}: {error}")))?;
    let type_name = loaded.type_name();
    Ok(Checked { snapshot, type_name, whole: Some(Whole { document: loaded, title: None }) })
}

impl Ready {
    /// Adds the entries to what the snapshot was loaded as, if they are nothing but changes that apply.
    fn apply_entries(&mut self) {
        let Some(checked) = &mut self.snapshot else { return };
        let changes: Option<Vec<_>> =
            self.entries.iter().map(|(_, parsed)| parsed.change.as_ref().map(|change| change.bytes.clone())).collect();
        let applies = |whole: &mut Whole| match &changes {
            Some(changes) => changes.is_empty() || whole.document.apply(changes).is_ok(),
            None => false,
        };
        checked.whole = checked.whole.take().and_then(|mut whole| applies(&mut whole).then_some(whole));
    }

    /// Finds out what people call it while it is at hand.
    fn with_title(mut self, inner: &Inner) -> Self {
        if let Some(Checked { type_name: Some(type_name), whole: Some(whole), .. }) = &mut self.snapshot {
            let schema = inner.schemas.get(type_name);
            whole.title = schema.and_then(|schema| schema.title(&whole.document.value()));
        }
        self
    }

    /// Gives the document with its row, if this is all that the vault has of it.
    fn store(self, tx: &Tx<'_>, space: &SpaceRow) -> Result<Option<(DocumentRow, Document)>, RemoteError> {
        let mut new = None;
        if let Some(Checked { snapshot, type_name, whole }) = self.snapshot {
            let place = tx.ensure_document(space, self.document, type_name.as_deref())?;
            let stored = SnapshotRow { origin: Origin::Relay, through: 0, snapshot };
            tx.put_snapshot(place.row, &stored)?;
            tx.drop_local_snapshot(place.row)?;
            tx.add_bytes(place.row, stored.snapshot.bytes.len())?;
            tx.begin_generation(place.row)?;
            new = whole.filter(|_| place.moved == Moved::default()).map(|whole| (place.row, whole));
        }
        let mut is_plain = true;
        for (at, parsed) in &self.entries {
            // Loaded documents are read anew.
            let stored = store(parsed, tx, space, *at)?;
            is_plain &= matches!(stored.effect, Stores::Change { .. } | Stores::Nothing);
        }
        let Some((row, Whole { document, title })) = new.filter(|_| is_plain) else { return Ok(None) };
        tx.set_title(row, Some(title.as_deref()))?;
        let row = tx.document(space.space, self.document)?;
        Ok(row.filter(|row| row.held.is_none()).map(|row| (row, document)))
    }
}
