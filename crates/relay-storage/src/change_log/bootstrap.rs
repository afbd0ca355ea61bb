//! Whole documents, ascending by id, for a device that is new to a space: a snapshot if there is a usable one, then
//! the entries after it.
//!
//! A snapshot holds changes only, so the last tombstone or restore that it covers goes with its last part, and so do
//! the voids: whoever has pending what rests on an excluded change has to know them.

use rusqlite::{OptionalExtension, params};
use sync_wire::limits::SNAPSHOT_PART_BYTES_MAX;
use sync_wire::log::Receipt;
use sync_wire::{Blob, BootstrapDocument, DocumentId, Position, PositionedEntry, SnapshotPart, SpaceId};

use super::frontier::{heads_from_bytes, unsigned};
use super::read::{LogEnd, PAGE_BYTES_MAX, chain_at, entry_bytes, entry_of, log_end};
use super::{BootstrapCursor, BootstrapPage, ReadError, Within, log_key, voids_of};
use crate::error::StorageError;
use crate::storage::Reader;

/// Documents in one page, however small they are.
const DOCUMENTS_MAX: usize = 4096;
/// What a document costs in a frame beside its entries.
const DOCUMENT_OVERHEAD_BYTES: usize = 64;

/// A page that is being filled.
struct Page {
    documents: Vec<BootstrapDocument>,
    bytes: usize,
    target: usize,
}

/// A document of the bootstrap, and what of it is sent already.
struct Pending {
    key: i64,
    id: DocumentId,
    /// Of its entries.
    last: Position,
    within: Within,
}

struct SnapshotRow {
    covers: Position,
    total_bytes: u64,
    part: SnapshotPart,
}

impl Reader {
    pub(super) fn read_bootstrap(
        &self,
        space: SpaceId,
        from: BootstrapCursor,
        bytes_target: usize,
    ) -> Result<BootstrapPage, ReadError> {
        // One view of the database for the whole page: a snapshot may be replaced at any time.
        let view = self.connection.unchecked_transaction()?;
        let log = log_end(&self.connection, space)?.ok_or(ReadError::UnknownSpace { space })?;
        let mut page = Page { documents: Vec::new(), bytes: 0, target: bytes_target };
        let mut cursor = from;
        let next = loop {
            let Some(document) = self.next_document(&log, &cursor)? else { break None };
            let within = self.fill(&log, &document, cursor.at, &mut page)?;
            match within {
                Some(within) => cursor.within = within,
                None => cursor = BootstrapCursor { after: Some(document.id), within: Within::Start, ..cursor },
            }
            if within.is_some() || page.is_full() {
                break Some(cursor);
            }
        };
        let receipt = if next.is_none() { self.receipt_at(&log, space, from.at)? } else { None };
        view.finish()?;
        Ok(BootstrapPage { space, documents: page.documents, next, receipt })
    }

    fn receipt_at(&self, log: &LogEnd, space: SpaceId, at: Position) -> Result<Option<Receipt>, StorageError> {
        let chain = chain_at(&self.connection, log.space_key, at)?;
        Ok(chain.map(|chain| self.context.receipt_keys.sign(space, log.end.epoch, at, &chain)))
    }

    fn next_document(&self, log: &LogEnd, cursor: &BootstrapCursor) -> Result<Option<Pending>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT document_key, id, last_position FROM documents
             WHERE space_key = ?1 AND id > ?2 AND first_position <= ?3 ORDER BY id LIMIT 1",
        )?;
        // The empty blob sorts before every id.
        let after: &[u8] = cursor.after.as_ref().map_or(&[], |id| &id.0[..]);
        let found = statement.query_row(params![log.space_key, after, cursor.at.0.cast_signed()], |row| {
            let last = Position(unsigned(row, 2)?);
            Ok(Pending { key: row.get(0)?, id: DocumentId(row.get(1)?), last, within: cursor.within })
        });
        Ok(found.optional()?)
    }

    /// Adds what fits of a document; how far that is, unless it is complete.
    fn fill(
        &self,
        log: &LogEnd,
        document: &Pending,
        at: Position,
        page: &mut Page,
    ) -> Result<Option<Within>, StorageError> {
        let mut part =
            BootstrapDocument { document: document.id, snapshot: None, entries: Vec::new(), complete: false };
        page.bytes += DOCUMENT_OVERHEAD_BYTES;
        let after = match document.within {
            Within::Entries { after } => after,
            Within::Start | Within::Snapshot { .. } => match self.snapshot_part(document, at, page)? {
                None => Position::START,
                Some(snapshot) => {
                    let covers = snapshot.covers;
                    let sent = snapshot.part.offset + snapshot.part.bytes.len() as u64;
                    page.bytes += snapshot.part.bytes.len() + snapshot.part.heads.len() * 34;
                    part.snapshot = Some(snapshot.part);
                    if sent < snapshot.total_bytes {
                        page.documents.push(part);
                        return Ok(Some(Within::Snapshot { covers, offset: sent }));
                    }
                    self.add_last_marker(log, document, covers, &mut part, page)?;
                    if let Some(rest) = self.add_voids(log, document, covers, &mut part, page)? {
                        page.documents.push(part);
                        return Ok(Some(rest));
                    }
                    covers
                }
            },
        };
        // Most documents end with their snapshot.
        let rest =
            if document.last > after { self.add_entries(log, document, after, at, &mut part, page)? } else { None };
        part.complete = rest.is_none();
        page.documents.push(part);
        Ok(rest)
    }

    /// The next part of the document's snapshot; `None` if it has none that ends at or before `at`.
    fn snapshot_part(
        &self,
        document: &Pending,
        at: Position,
        page: &Page,
    ) -> Result<Option<SnapshotRow>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT covers, heads, changes, digest, length(bytes), substr(bytes, 1, ?3)
             FROM snapshots WHERE document_key = ?1 AND covers <= ?2",
        )?;
        let room = page.target.saturating_sub(page.bytes).clamp(1, SNAPSHOT_PART_BYTES_MAX);
        let found = statement.query_row(params![document.key, at.0.cast_signed(), room as i64], |row| {
            let covers = Position(unsigned(row, 0)?);
            let total_bytes = unsigned(row, 4)?;
            let part = SnapshotPart {
                voids: None,
                covers,
                heads: heads_from_bytes(row.get_ref(1)?.as_blob()?),
                changes: unsigned(row, 2)?,
                digest: row.get(3)?,
                total_bytes,
                offset: 0,
                bytes: Blob::from(row.get_ref(5)?.as_blob()?.to_vec()),
            };
            Ok(SnapshotRow { covers, total_bytes, part })
        });
        let Some(mut snapshot) = found.optional()? else { return Ok(None) };
        let voids = voids_of(&self.connection, document.key)?;
        let covered = voids.iter().filter(|void| void.position <= snapshot.covers);
        snapshot.part.voids = Some(covered.map(|void| void.hash).collect::<Vec<_>>()).filter(|voids| !voids.is_empty());
        snapshot.part.offset = match document.within {
            Within::Snapshot { covers, offset } if covers == snapshot.covers && offset < snapshot.total_bytes => offset,
            // Another snapshot by now, or none was begun.
            _ => 0,
        };
        if snapshot.part.offset == 0 {
            return Ok(Some(snapshot));
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT substr(bytes, ?2 + 1, ?3) FROM snapshots WHERE document_key = ?1")?;
        let place = params![document.key, snapshot.part.offset.cast_signed(), room as i64];
        snapshot.part.bytes = Blob::from(statement.query_row(place, |row| row.get::<_, Vec<u8>>(0))?);
        Ok(Some(snapshot))
    }

    fn add_last_marker(
        &self,
        log: &LogEnd,
        document: &Pending,
        covers: Position,
        part: &mut BootstrapDocument,
        page: &mut Page,
    ) -> Result<(), StorageError> {
        // Left to itself SQLite walks the document's entries backwards, which takes a second where there are many.
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, kind, hash, device, batch, bytes, ?3 FROM log INDEXED BY log_markers
             WHERE document_key = ?1 AND kind <> 1 AND kind <> 2 AND log_key <= ?2 ORDER BY log_key DESC LIMIT 1",
        )?;
        let upto = log_key(log.space_key, covers.0);
        let marker = statement.query_row(params![document.key, upto, document.id.0], entry_of).optional()?;
        part.entries.extend(marker.map(|(position, entry)| {
            page.bytes += entry_bytes(&entry);
            PositionedEntry { position, entry }
        }));
        Ok(())
    }

    /// Adds the voids that a snapshot covers. Where they do not fit, the entries go on from there, those that the
    /// snapshot has included: it is rare.
    fn add_voids(
        &self,
        log: &LogEnd,
        document: &Pending,
        covers: Position,
        part: &mut BootstrapDocument,
        page: &mut Page,
    ) -> Result<Option<Within>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, kind, hash, device, batch, bytes, ?3 FROM log INDEXED BY log_markers
             WHERE document_key = ?1 AND kind <> 1 AND kind = 2 AND log_key <= ?2 ORDER BY log_key",
        )?;
        let upto = log_key(log.space_key, covers.0);
        let mut rows = statement.query(params![document.key, upto, document.id.0])?;
        while let Some(row) = rows.next()? {
            let (position, entry) = entry_of(row)?;
            page.bytes += entry_bytes(&entry);
            if page.bytes > PAGE_BYTES_MAX {
                return Ok(Some(Within::Entries { after: Position(position.0 - 1) }));
            }
            part.entries.push(PositionedEntry { position, entry });
        }
        Ok(None)
    }

    /// Adds the entries after a place; where to go on, if not all of them fit.
    fn add_entries(
        &self,
        log: &LogEnd,
        document: &Pending,
        after: Position,
        at: Position,
        part: &mut BootstrapDocument,
        page: &mut Page,
    ) -> Result<Option<Within>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT log_key, kind, hash, device, batch, bytes, ?4 FROM log
             WHERE document_key = ?1 AND log_key > ?2 AND log_key <= ?3 AND (kind <> 1 OR length(bytes) > 0)
             ORDER BY log_key", // of a purged document only its markers
        )?;
        let (low, high) = (log_key(log.space_key, after.0), log_key(log.space_key, at.0));
        let mut rows = statement.query(params![document.key, low, high, document.id.0])?;
        let mut sent = after;
        while let Some(row) = rows.next()? {
            let (position, entry) = entry_of(row)?;
            let bytes = entry_bytes(&entry);
            // The first thing of a page always goes: every page makes progress.
            let is_first = page.documents.is_empty() && part.entries.is_empty() && part.snapshot.is_none();
            if !is_first && (page.is_full() || page.bytes + bytes > PAGE_BYTES_MAX) {
                return Ok(Some(Within::Entries { after: sent }));
            }
            page.bytes += bytes;
            sent = position;
            part.entries.push(PositionedEntry { position, entry });
        }
        Ok(None)
    }
}

impl Page {
    fn is_full(&self) -> bool {
        self.bytes >= self.target.min(PAGE_BYTES_MAX) || self.documents.len() >= DOCUMENTS_MAX
    }
}
