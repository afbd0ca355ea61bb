//! Whole documents in one chunk: derived, for quick loading, never identity.
//!
//! A relay's snapshot that does not load is given up, and the log of its space is asked for from its start: what the
//! document has comes again as entries, which cannot fail that way. Until they are here it cannot be read.

use document::Snapshot;
use rusqlite::params;
use sync_wire::{Chain, Cursor, LogPosition, Position};

use super::batches::{join, split};
use super::tx::{signed, unsigned};
use super::{SpaceRow, Tx};
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
/// `through` of a relay's snapshot that does not load, whose changes come again as entries.
const GIVEN_UP: i64 = -2;
/// In `meta`, with the row of a space: epoch and position up to which its log comes again.
const AGAIN_UP_TO: &str = "again up to ";

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

    /// Whether it does not load, and the document's entries were asked for instead.
    pub(crate) fn is_given_up(&self) -> bool {
        self.origin == Origin::Relay && self.through == GIVEN_UP
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
        self.all("SELECT document FROM snapshots WHERE origin = 1 AND through >= 0 ORDER BY document", [], |row| {
            row.get(0)
        })
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
            "DELETE FROM snapshots WHERE document = ?1 AND origin = ?2 AND (origin = 2 OR through < 0)",
            params![document, origin as i64],
        )?;
        Ok(())
    }

    /// A relay's snapshot does not load: it is kept for whoever looks into it, and the entries are asked for.
    pub(crate) fn give_up_snapshot(&self, document: i64, digest: &[u8; 32]) -> Result<(), StorageError> {
        let given_up = self.execute(
            "UPDATE snapshots SET through = ?3 WHERE document = ?1 AND origin = 1 AND digest = ?2 AND through >= 0",
            params![document, digest, GIVEN_UP],
        )?;
        match self.space_of(document)?.filter(|_| given_up > 0) {
            Some(space) => self.begin_log_again(&space),
            None => Ok(()),
        }
    }

    /// Lets the next connection bring the whole log of a space, as entries. A log that is coming again goes on.
    pub(crate) fn begin_log_again(&self, space: &SpaceRow) -> Result<(), StorageError> {
        let Some(at) = space.resuming.map(|resuming| resuming.at) else { return Ok(()) };
        if self.log_is_coming_again(space)? {
            return Ok(());
        }
        let up_to = [&at.epoch.0[..], &at.position.0.to_be_bytes()].concat();
        self.set_meta(&format!("{AGAIN_UP_TO}{}", space.row), &up_to)?;
        self.drop_checkpoints(space.row, Position::START)?; // a part of it is not sound
        let at = LogPosition { position: Position::START, ..at };
        self.set_cursor(space.row, &Cursor { space: space.space, at, chain: Chain::START, bootstrap: None })
    }

    /// Whether some of what the vault once had of a log is still to come again.
    pub(crate) fn log_is_coming_again(&self, space: &SpaceRow) -> Result<bool, StorageError> {
        let up_to = self.meta(&format!("{AGAIN_UP_TO}{}", space.row))?;
        let (Some(up_to), Some(resuming)) = (up_to, space.resuming) else { return Ok(false) };
        let Some((epoch, position)) = up_to.split_last_chunk().map(|(epoch, last)| (epoch, u64::from_be_bytes(*last)))
        else {
            return Err(self.unexpected("what is to come again has no position"));
        };
        // In another epoch the relay has said anew where the log begins.
        Ok(epoch == resuming.at.epoch.0 && resuming.at.position.0 < position)
    }

    /// Drops what this vault made: some of its rows are no longer part of the document.
    pub(crate) fn drop_local_snapshot(&self, document: i64) -> Result<(), StorageError> {
        self.execute("DELETE FROM snapshots WHERE document = ?1 AND origin = 2", [document])?;
        Ok(())
    }
}
