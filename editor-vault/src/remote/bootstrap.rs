//! Whole documents for a vault that is new to a space: one snapshot each, and the entries after it.
//!
//! A thousand snapshots are walked and stored in the time in which a hundred are loaded, so that is left to their first
//! reader. One that then does not load is found in `loaded/load.rs`; either way the entries come instead. So they do
//! where a snapshot was made without changes that voids exclude, and those voids do not come with it: what is missing
//! would be missing for no reason that anybody could verify.
//!
//! A document that came in parts is put together in memory; if the connection breaks, the relay begins that document
//! anew. The point moves over complete documents only, in the transaction that stores them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use document::{Document, LoadError, Snapshot, WalkedType};
use sync_core::client::Lanes;
use sync_wire::log::EntryKind;
use sync_wire::{
    Bootstrap, BootstrapDocument, BootstrapPoint, ChangeHash, Cursor, DocumentId, LogPosition, SnapshotPart, SpaceId,
};

use super::RemoteError;
use super::entries::{Consequences, Parsed, Run, parse, store};
use crate::storage::{CheckpointRow, Origin, Resuming, SnapshotRow, SpaceRow, Tx};
use crate::vault::Inner;

/// Largest snapshot that is put together, in bytes; SQLite holds no larger value here.
const SNAPSHOT_BYTES_MAX: u64 = 63 << 20;

/// Snapshots whose parts are still coming, at most one per space: documents come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    partial: HashMap<SpaceId, Partial>,
    /// The voids that the snapshot names of the document that is coming.
    named: HashMap<SpaceId, (DocumentId, Vec<ChangeHash>)>,
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

/// A document of a bootstrap, as sent; `S` is a [`Snapshot`], or what is known of it when it was checked.
struct Taken<S> {
    document: DocumentId,
    snapshot: Option<S>,
    entries: Vec<(LogPosition, Parsed)>,
    /// It is complete, so these voids must be here.
    owed: Vec<ChangeHash>,
}

/// A snapshot that may be stored.
struct Checked {
    snapshot: Snapshot,
    type_name: Option<String>,
}

/// A snapshot that may not, and why.
struct Unsound {
    document: DocumentId,
    detail: String,
}

impl Inner {
    /// Makes a part of a bootstrap durable with its point, in one transaction.
    pub(crate) fn commit_bootstrap(
        self: &Arc<Self>,
        bootstrap: Bootstrap,
        assembly: &mut Assembly,
    ) -> Result<(Cursor, Lanes), RemoteError> {
        let Bootstrap { space: id, at, documents, done, receipt } = bootstrap;
        let space = self.storage.read(|tx| tx.space(id))?;
        let space = space.and_then(|space| space.resuming.map(|resuming| (space.row, resuming)));
        let (row, resuming) = space.ok_or_else(|| RemoteError::rejected(format!("space {id} was not granted")))?;
        let before = point(&resuming, at)?;
        let began = before.and_then(|point| point.after);
        let (mut after, mut taken) = (began, Vec::with_capacity(documents.len()));
        for document in documents {
            if after.is_some_and(|after| document.document <= after) {
                let detail = format!("document {} came again in a bootstrap", document.document);
                return Err(RemoteError::Rejected(detail));
            }
            if document.complete {
                after = Some(document.document);
            }
            taken.push(assembly.take(id, at, document)?);
        }
        let last = taken.last().map(|last| last.document);
        let known = self.storage.read(|tx| tx.documents_between(row, began, last))?;
        let checked: Result<Vec<_>, Unsound> = taken.into_iter().map(|document| document.check(&known)).collect();
        let ready = match checked {
            Ok(ready) => ready,
            Err(Unsound { document, detail }) => return Err(self.ask_for_entries(id, document, &detail)?),
        };
        for document in ready.iter().filter(|document| !document.owed.is_empty()) {
            if let Some(void) = self.missing_void(id, document)? {
                let detail = format!("it does without what void {void} excludes, which does not come with it");
                return Err(self.ask_for_entries(id, document.document, &detail)?);
            }
        }
        let reached = before.filter(|_| !done).map(|point| BootstrapPoint { after, ..point });
        let arrived: Vec<DocumentId> = ready.iter().map(|document| document.document).collect();
        let (cursor, consequences) = self.storage.write_remote(move |tx| {
            let space = tx.space(id)?.ok_or_else(|| RemoteError::rejected(format!("space {id} is gone")))?;
            let now = space.resuming.ok_or_else(|| RemoteError::rejected(format!("space {id} has no cursor")))?;
            if now != resuming {
                // A snapshot failed to load meanwhile, and its space begins anew.
                return Err(RemoteError::rejected(format!("space {id} does not go on with this bootstrap")));
            }
            let mut consequences = Consequences::default();
            for document in ready {
                document.store(tx, &space, &mut consequences)?;
            }
            let cursor = Cursor { space: id, at: now.at, chain: now.chain, bootstrap: reached };
            tx.set_cursor(space.row, &cursor)?;
            if done {
                let opened = tx.stop_waiting_for_voids(space.row, now.at.position)?;
                consequences.lanes = consequences.lanes.and(Lanes::opened(opened));
            }
            // Of what came meanwhile a delivery has given one.
            if let Some(receipt) = receipt.filter(|_| done && now.at == at) {
                tx.begin_checkpoints(space.row, &CheckpointRow { at, chain: now.chain, receipt })?;
            }
            Ok::<_, RemoteError>((cursor, consequences))
        })?;
        if consequences.is_rotated {
            self.recovered();
        }
        for document in arrived {
            self.take_in(id, document, None);
        }
        Ok((cursor, consequences.lanes))
    }

    /// A snapshot is not what it claims: the whole log of its space comes instead. The connection ends with what this
    /// gives; the next one begins there.
    fn ask_for_entries(&self, space: SpaceId, document: DocumentId, detail: &str) -> Result<RemoteError, RemoteError> {
        self.storage.write_remote(move |tx| match tx.space(space)? {
            Some(found) => tx.begin_log_again(&found),
            None => Ok(()),
        })?;
        let detail = format!("snapshot of document {document}: {detail}; the entries of its space are fetched instead");
        Ok(RemoteError::Rejected(detail))
    }

    /// A void that the snapshot names, and that neither came with it nor was here before.
    fn missing_void(&self, space: SpaceId, taken: &Taken<Checked>) -> Result<Option<ChangeHash>, RemoteError> {
        let known = self.storage.read(|tx| match tx.document(space, taken.document)? {
            Some(row) => tx.voids(row.row),
            None => Ok(Vec::new()),
        })?;
        let came = |hash: &ChangeHash| {
            let entries = taken.entries.iter().map(|(_, parsed)| &parsed.entry);
            entries.filter(|entry| entry.kind == EntryKind::Void).any(|entry| entry.hash == *hash)
        };
        Ok(taken.owed.iter().find(|hash| !came(hash) && !known.iter().any(|void| void.hash == **hash)).copied())
    }
}

/// The point of the bootstrap that this frame belongs to.
fn point(resuming: &Resuming, at: LogPosition) -> Result<Option<BootstrapPoint>, RemoteError> {
    match resuming.bootstrap {
        Some(point) if resuming.at.epoch == at.epoch && point.at == at.position => Ok(Some(point)),
        None if resuming.at.epoch == at.epoch && resuming.at.position >= at.position => Ok(None),
        _ => Err(RemoteError::rejected(format!("a bootstrap up to {at} came that is not under way"))),
    }
}

impl Assembly {
    fn take(
        &mut self,
        space: SpaceId,
        at: LogPosition,
        sent: BootstrapDocument,
    ) -> Result<Taken<Snapshot>, RemoteError> {
        let document = sent.document;
        let snapshot = match sent.snapshot {
            Some(part) => {
                if part.offset == 0 {
                    self.named.insert(space, (document, part.voids.clone().unwrap_or_default()));
                }
                self.add(space, document, &part)?
            }
            None => None,
        };
        let named = if sent.complete { self.named.remove(&space) } else { None };
        let owed = named.filter(|(of, _)| *of == document).map(|(_, voids)| voids).unwrap_or_default();
        let positioned = |entry: sync_wire::PositionedEntry| {
            if entry.position > at.position || entry.entry.document != document {
                let detail = format!("an entry at {} of document {document} is not part of it", entry.position);
                return Err(RemoteError::Rejected(detail));
            }
            Ok((LogPosition { epoch: at.epoch, position: entry.position }, parse(entry.entry)?))
        };
        let entries = sent.entries.into_iter().map(positioned).collect::<Result<_, _>>()?;
        Ok(Taken { document, snapshot, entries, owed })
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

impl Taken<Snapshot> {
    /// Walks the snapshot; whoever reads the document first loads it. It is loaded here only where that cannot wait:
    /// the vault has something of the document already, which stays as it is if the snapshot does not load; or only
    /// the loaded document can tell its type, and lists are to be right at once.
    fn check(self, known: &HashSet<DocumentId>) -> Result<Taken<Checked>, Unsound> {
        let Self { document, snapshot, entries, owed } = self;
        let check = |snapshot: Snapshot| {
            let type_name = match snapshot.walk()? {
                WalkedType::Root(type_name) if !known.contains(&document) => Some(type_name),
                WalkedType::Root(_) | WalkedType::Unknown => Document::load(&snapshot)?.type_name(),
            };
            Ok::<_, LoadError>(Checked { snapshot, type_name })
        };
        let unsound = |error: LoadError| Unsound { document, detail: error.to_string() };
        let snapshot = snapshot.map(check).transpose().map_err(unsound)?;
        Ok(Taken { document, snapshot, entries, owed })
    }
}

impl Taken<Checked> {
    fn store(self, tx: &Tx<'_>, space: &SpaceRow, consequences: &mut Consequences) -> Result<(), RemoteError> {
        if let Some(Checked { snapshot, type_name }) = self.snapshot {
            let bytes = snapshot.bytes.len();
            let row = tx.renew_document(space, self.document, type_name.as_deref(), bytes)?;
            tx.put_snapshot(row, &SnapshotRow { origin: Origin::Relay, through: 0, snapshot })?;
        }
        let mut run = Run::default();
        for (at, parsed) in &self.entries {
            // Loaded documents are read anew.
            consequences.add(&store(parsed, tx, space, *at, &mut run)?);
        }
        Ok(())
    }
}
