//! Whole documents in one chunk: derived, for quick loading, never identity.

use document::Snapshot;
use rusqlite::params;

use super::Tx;
use super::batches::{join, split};
use super::tx::{signed, unsigned};
use crate::error::StorageError;

/// Who made a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The relay, of what it had accepted: it stands for changes that may have no row here.
    Relay = 1,
    /// This vault, of its own rows up to one of them: may be dropped at any time.
    Local = 2,
}

/// `through` of a relay's snapshot whose changes all have rows: those have negative numbers.
const FILLED: i64 = -1;

/// A snapshot as stored.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotRow {
    pub(crate) origin: Origin,
    /// Rows up to this one are in it.
    pub(crate) through: i64,
    pub(crate) snapshot: Snapshot,
}

impl SnapshotRow {
    /// Whether the document can be put together without it.
    pub(crate) fn is_spare(&self) -> bool {
        self.origin == Origin::Local || self.through == FILLED
    }
}

impl Tx<'_> {
    /// The snapshots of a document, the one to be preferred first.
    pub(crate) fn snapshots(&self, document: i64) -> Result<Vec<SnapshotRow>, StorageError> {
        self.all(
            "SELECT origin, through, heads, changes, digest, bytes FROM snapshots WHERE document = ?1
             ORDER BY origin DESC",
            [document],
            |row| {
                Ok(SnapshotRow {
                    origin: if row.get::<_, i64>(0)? == Origin::Relay as i64 { Origin::Relay } else { Origin::Local },
                    through: row.get(1)?,
                    snapshot: Snapshot {
                        heads: split(&row.get::<_, Vec<u8>>(2)?),
                        changes: unsigned(row.get(3)?),
                        digest: row.get(4)?,
                        bytes: row.get::<_, Vec<u8>>(5)?.into(),
                    },
                })
            },
        )
    }

    pub(crate) fn put_snapshot(&self, document: i64, stored: &SnapshotRow) -> Result<(), StorageError> {
        self.execute(
            "INSERT INTO snapshots (document, origin, through, heads, changes, digest, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (document, origin) DO UPDATE SET through = excluded.through, heads = excluded.heads,
                 changes = excluded.changes, digest = excluded.digest, bytes = excluded.bytes",
            params![
                document,
                stored.origin as i64,
                stored.through,
                join(&stored.snapshot.heads),
                signed(stored.snapshot.changes),
                stored.snapshot.digest,
                &stored.snapshot.bytes[..],
            ],
        )?;
        Ok(())
    }

    /// Documents with a relay's snapshot whose changes do not all have rows.
    pub(crate) fn unfilled(&self) -> Result<Vec<i64>, StorageError> {
        self.all(
            "SELECT document FROM snapshots WHERE origin = 1 AND through <> ?1 ORDER BY document",
            [FILLED],
            |row| row.get(0),
        )
    }

    pub(crate) fn relay_snapshot(&self, document: i64) -> Result<Option<Snapshot>, StorageError> {
        let snapshots = self.snapshots(document)?;
        Ok(snapshots.into_iter().find(|stored| stored.origin == Origin::Relay).map(|stored| stored.snapshot))
    }

    /// Every change of that snapshot has a row.
    pub(crate) fn set_filled(&self, document: i64, digest: &[u8; 32]) -> Result<(), StorageError> {
        self.execute(
            "UPDATE snapshots SET through = ?3 WHERE document = ?1 AND origin = 1 AND digest = ?2",
            params![document, digest, FILLED],
        )?;
        Ok(())
    }

    /// Drops a snapshot without which the document can be put together.
    pub(crate) fn drop_spare_snapshot(&self, document: i64, origin: Origin) -> Result<(), StorageError> {
        self.execute(
            "DELETE FROM snapshots WHERE document = ?1 AND origin = ?2 AND (origin = 2 OR through = ?3)",
            params![document, origin as i64, FILLED],
        )?;
        Ok(())
    }

    /// Drops what this vault made: some of its rows are no longer part of the document.
    pub(crate) fn drop_local_snapshot(&self, document: i64) -> Result<(), StorageError> {
        self.execute("DELETE FROM snapshots WHERE document = ?1 AND origin = 2", [document])?;
        Ok(())
    }
}
