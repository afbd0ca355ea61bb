//! Snapshots: all changes of a document up to its checked position in one chunk. Derived data: a device verifies it,
//! and falls back to entries.

use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::{Blob, ChangeHash, DocumentId, Position, SpaceId};

use super::DocumentState;
use super::checks::CheckedRow;
use crate::change_log::{heads_from_bytes, heads_to_bytes, log_key, unsigned};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Larger ones are not kept: their documents are delivered as entries.
const SNAPSHOT_BYTES_MAX: usize = 48 << 20;
/// Shorter documents are cheaper as entries.
const ENTRIES_MIN: u64 = 8;
/// A tail this long is replaced, whatever its size in bytes.
const TAIL_ENTRIES_MAX: u64 = 500;
/// A tail of less than one in this many of the entries before it stays: a snapshot costs what the whole document
/// costs, so that without this a document that is written all the time would be saved over and over.
const TAIL_SHARE: u64 = 4;
/// A tail this small is not worth a snapshot.
const TAIL_BYTES_MIN: u64 = 1024;

/// That there is a snapshot, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// It contains exactly the changes up to here.
    pub covers: Position,
    /// Size of the chunk.
    pub bytes: u64,
}

/// A snapshot to be stored; it covers the checked position that is stored with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSnapshot {
    /// The heads of the document.
    pub heads: Vec<ChangeHash>,
    /// How many changes it contains.
    pub changes: u64,
    /// BLAKE3 of the chunk.
    pub digest: [u8; 32],
    /// The chunk.
    pub bytes: Blob,
}

/// A stored snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSnapshot {
    /// It contains exactly the changes up to here.
    pub covers: Position,
    /// The heads of the document there.
    pub heads: Vec<ChangeHash>,
    /// How many changes it contains.
    pub changes: u64,
    /// BLAKE3 of the chunk.
    pub digest: [u8; 32],
    /// The chunk.
    pub bytes: Blob,
}

impl DocumentState {
    /// Whether a new snapshot pays while the document is written: its tail is long, and it has grown by a good part
    /// since the last one.
    #[must_use]
    pub fn snapshot_is_due(&self) -> bool {
        let has_grown = self.tail_entries.saturating_mul(TAIL_SHARE) > self.entries - self.tail_entries;
        has_grown && self.snapshot_is_due_when_quiet()
    }

    /// Whether a new snapshot pays now that nobody writes: the tail outweighs the last one twice, or has become long.
    #[must_use]
    pub fn snapshot_is_due_when_quiet(&self) -> bool {
        let snapshot_bytes = self.snapshot.map_or(0, |snapshot| snapshot.bytes);
        let outweighs = self.tail_bytes > snapshot_bytes.saturating_mul(2).max(TAIL_BYTES_MIN);
        self.entries >= ENTRIES_MIN && (outweighs || self.tail_entries > TAIL_ENTRIES_MAX)
    }
}

impl Storage {
    /// The snapshot of a document; `None` if there is none, or its bytes are not what its digest says.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn load_snapshot(
        &self,
        space: SpaceId,
        document: DocumentId,
    ) -> Result<Option<StoredSnapshot>, StorageError> {
        self.read(move |reader| reader.load_snapshot(space, document)).await
    }
}

impl Reader {
    fn load_snapshot(&self, space: SpaceId, document: DocumentId) -> Result<Option<StoredSnapshot>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT p.covers, p.heads, p.changes, p.digest, p.bytes
             FROM snapshots p JOIN documents d USING (document_key) JOIN spaces s USING (space_key)
             WHERE s.id = ?1 AND d.id = ?2",
        )?;
        let snapshot = statement.query_row(params![space.0, document.0], |row| {
            Ok(StoredSnapshot {
                covers: Position(unsigned(row, 0)?),
                heads: heads_from_bytes(row.get_ref(1)?.as_blob()?),
                changes: unsigned(row, 2)?,
                digest: row.get(3)?,
                bytes: Blob::from(row.get::<_, Vec<u8>>(4)?),
            })
        });
        let is_intact =
            |snapshot: &StoredSnapshot| blake3::hash(&snapshot.bytes) == blake3::Hash::from(snapshot.digest);
        Ok(snapshot.optional()?.filter(is_intact))
    }
}

pub(super) fn store_snapshot(
    connection: &Connection,
    row: &CheckedRow,
    covers: Position,
    snapshot: &NewSnapshot,
) -> Result<(), StorageError> {
    if snapshot.bytes.len() > SNAPSHOT_BYTES_MAX {
        tracing::warn!(
            snapshot.bytes = snapshot.bytes.len(),
            "A snapshot over {SNAPSHOT_BYTES_MAX} bytes was not kept"
        );
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(CASE kind WHEN 1 THEN length(bytes) ELSE 0 END), 0) FROM log
         WHERE document_key = ?1 AND log_key > ?2",
    )?;
    let after = log_key(row.space_key, covers.0);
    let (tail_entries, tail_bytes) =
        statement.query_row([row.document_key, after], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO snapshots
             (document_key, covers, changes, entries_covered, bytes_covered, digest, heads, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        row.document_key,
        covers.0.cast_signed(),
        snapshot.changes.cast_signed(),
        row.entries.saturating_sub(tail_entries).cast_signed(),
        row.bytes.saturating_sub(tail_bytes).cast_signed(),
        snapshot.digest,
        heads_to_bytes(&snapshot.heads),
        &snapshot.bytes[..],
    ])?;
    Ok(())
}
