//! What it takes to give a log back to a relay that lost its end: places with receipts, entries that are no changes,
//! and what was acknowledged and not delivered yet.
//!
//! Between two places there is never more than fits one frame, so a relay can take each such run in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Row, params};
use sync_wire::log::{EntryKind, Receipt};
use sync_wire::planted::{self, Bug};
use sync_wire::{BatchId, Blob, Chain, ChangeHash, DeviceId, DocumentId, Entry, Epoch, LogPosition, Position, SpaceId};

use super::Tx;
use super::batches::{join, split};
use super::tx::{signed, unsigned};
use crate::error::StorageError;

/// The newest deliveries whose ends are all kept.
const NEWEST_KEPT: i64 = 15;
/// Before them, places lie no further apart than this…
const POSITIONS_APART: u64 = 1024;
/// …nor than this many bytes of entries.
const BYTES_APART: u64 = 512 << 10;

/// A place of a log that the vault has everything up to, with the relay's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckpointRow {
    pub(crate) at: LogPosition,
    pub(crate) chain: Chain,
    pub(crate) receipt: Receipt,
}

/// Where an entry of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryPlace {
    pub(crate) position: Position,
    kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// As a change, in this row.
    Change(i64),
    /// As a marker at this place, of the space in this row.
    Marker(i64),
}

impl Tx<'_> {
    /// Keeps the end of a delivery of so many bytes, and thins out older ones.
    pub(crate) fn add_checkpoint(
        &self,
        space: i64,
        checkpoint: &CheckpointRow,
        bytes: usize,
    ) -> Result<(), StorageError> {
        let CheckpointRow { at, chain, receipt } = checkpoint;
        self.execute(
            "INSERT OR REPLACE INTO checkpoints (space, position, epoch, chain, key, mac, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![space, signed(at.position.0), at.epoch.0, chain.0, receipt.key, receipt.mac, signed(bytes as u64)],
        )?;
        self.thin_out_checkpoints(space)
    }

    /// Keeps the end of a bootstrap. What is before it came as documents, and may be too much for a frame; what comes
    /// after it can be given back from there.
    pub(crate) fn begin_checkpoints(&self, space: i64, checkpoint: &CheckpointRow) -> Result<(), StorageError> {
        self.add_checkpoint(space, checkpoint, usize::try_from(BYTES_APART).unwrap_or(usize::MAX))
    }

    /// Drops the first place that is not among the newest ones, if its neighbours are near enough to each other.
    fn thin_out_checkpoints(&self, space: i64) -> Result<(), StorageError> {
        let around = self.all(
            "SELECT position, bytes FROM checkpoints WHERE space = ?1 ORDER BY position DESC LIMIT 3 OFFSET ?2",
            params![space, NEWEST_KEPT],
            |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))),
        )?;
        let [(after, after_bytes), (spare, spare_bytes), (before, _)] = around[..] else { return Ok(()) };
        let bytes = after_bytes.saturating_add(spare_bytes);
        if after - before > POSITIONS_APART || bytes > BYTES_APART {
            return Ok(());
        }
        let drop = "DELETE FROM checkpoints WHERE space = ?1 AND position = ?2";
        self.execute(drop, params![space, signed(spare)])?;
        let widen = "UPDATE checkpoints SET bytes = ?3 WHERE space = ?1 AND position = ?2";
        self.execute(widen, params![space, signed(after), signed(bytes)])?;
        Ok(())
    }

    /// Size of the change of an own batch; 0 of any other.
    pub(crate) fn own_bytes(&self, batch: BatchId) -> Result<usize, StorageError> {
        let bytes = self.one(
            "SELECT length(c.bytes) FROM batches b JOIN changes c ON c.id = b.change WHERE b.batch = ?1",
            [&batch.0],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0)))
    }

    /// Every place that is kept, ascending.
    pub(crate) fn checkpoints(&self, space: i64) -> Result<Vec<CheckpointRow>, StorageError> {
        self.all(
            "SELECT position, epoch, chain, key, mac FROM checkpoints WHERE space = ?1 ORDER BY position",
            [space],
            |row| {
                let at = LogPosition { epoch: Epoch(row.get(1)?), position: Position(unsigned(row.get(0)?)) };
                Ok(CheckpointRow {
                    at,
                    chain: Chain(row.get(2)?),
                    receipt: Receipt { key: row.get(3)?, mac: row.get(4)? },
                })
            },
        )
    }

    /// The vault no longer has everything up to places after this one.
    pub(crate) fn drop_checkpoints(&self, space: i64, after: Position) -> Result<(), StorageError> {
        self.execute("DELETE FROM checkpoints WHERE space = ?1 AND position > ?2", params![space, signed(after.0)])?;
        Ok(())
    }

    /// Keeps an entry that is no change.
    pub(crate) fn add_marker(
        &self,
        space: i64,
        document: i64,
        at: Position,
        entry: &Entry,
    ) -> Result<(), StorageError> {
        self.execute(
            "INSERT OR REPLACE INTO markers (space, position, document, kind, hash, device, batch, heads)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                space,
                signed(at.0),
                document,
                entry.kind as u8,
                entry.hash.0,
                entry.device.0,
                entry.batch.0,
                marker_content(entry)
            ],
        )?;
        Ok(())
    }

    /// Where the entries of a log after a place are kept, in its order. Walks every change: only for what is rare.
    pub(crate) fn entry_places(&self, space: i64, after: Position) -> Result<Vec<EntryPlace>, StorageError> {
        let read = |kept: fn(i64) -> Kept| {
            move |row: &Row<'_>| Ok(EntryPlace { position: Position(unsigned(row.get(0)?)), kept: kept(row.get(1)?) })
        };
        let mut places = self.all(
            "SELECT c.position, c.id FROM documents d JOIN changes c ON c.document = d.id
             WHERE d.space = ?1 AND c.position > ?2",
            params![space, signed(after.0)],
            read(Kept::Change),
        )?;
        places.extend(self.all(
            "SELECT position, space FROM markers WHERE space = ?1 AND position > ?2",
            params![space, signed(after.0)],
            read(Kept::Marker),
        )?);
        places.sort_by_key(|place| place.position);
        Ok(places)
    }

    /// An entry as the log had it; `None` if a part of it is not known here.
    pub(crate) fn entry_at(&self, place: &EntryPlace) -> Result<Option<Entry>, StorageError> {
        match place.kept {
            Kept::Change(row) => self.one(
                "SELECT d.document, c.hash, c.device, c.batch, c.bytes
                 FROM changes c JOIN documents d ON d.id = c.document
                 WHERE c.id = ?1 AND c.device IS NOT NULL AND c.batch IS NOT NULL",
                [row],
                |row| {
                    let bytes: Vec<u8> = row.get(4)?;
                    Ok(Entry {
                        kind: EntryKind::Change,
                        document: DocumentId(row.get(0)?),
                        hash: ChangeHash(row.get(1)?),
                        device: DeviceId(row.get(2)?),
                        batch: BatchId(row.get(3)?),
                        bytes: (!bytes.is_empty()).then(|| Blob::from(bytes)),
                        heads: None,
                    })
                },
            ),
            Kept::Marker(space) => {
                let found = self.one(
                    "SELECT d.document, m.kind, m.hash, m.device, m.batch, m.heads
                     FROM markers m JOIN documents d ON d.id = m.document WHERE m.space = ?1 AND m.position = ?2",
                    params![space, signed(place.position.0)],
                    |row| {
                        let content: Option<Vec<u8>> = row.get(5)?;
                        let entry = |kind| {
                            let is_void = kind == EntryKind::Void;
                            Ok::<_, rusqlite::Error>(Entry {
                                kind,
                                document: DocumentId(row.get(0)?),
                                hash: ChangeHash(row.get(2)?),
                                device: DeviceId(row.get(3)?),
                                batch: BatchId(row.get(4)?),
                                bytes: content.clone().filter(|_| is_void).map(Blob::from),
                                heads: content.as_deref().filter(|_| !is_void).map(split),
                            })
                        };
                        EntryKind::from_code(row.get(1)?).map(entry).transpose()
                    },
                )?;
                Ok(found.flatten())
            }
        }
    }

    /// The log goes on after a place, up to `end` for now, and may go another way than it did: what was beyond has no
    /// place any more, and own batches that were accepted there are pending again. Nothing is removed. Gives how many
    /// batches those are.
    pub(crate) fn go_back(&self, space: i64, to: Position, end: Position) -> Result<usize, StorageError> {
        self.drop_checkpoints(space, to)?;
        self.lose_voids(space, to, end)?;
        self.execute(
            "UPDATE changes SET position = NULL
             WHERE position > ?2 AND document IN (SELECT id FROM documents WHERE space = ?1)",
            params![space, signed(to.0)],
        )?;
        let undone = self.take_back_markers(space, to)?;
        if planted::is(Bug::LostStaysAccepted) {
            return Ok(0);
        }
        let reopened = self.execute(
            "UPDATE batches SET state = 0, undelivered = NULL, epoch = NULL, position = NULL
             WHERE state = 2 AND (position > ?2 OR undelivered = ?1)
               AND document IN (SELECT id FROM documents WHERE space = ?1)
               AND (change IS NULL OR change IN (SELECT id FROM changes WHERE excluded = 0))",
            params![space, signed(to.0)],
        )?;
        for (document, first) in undone {
            self.mark_again(document, first)?;
        }
        Ok(reopened)
    }

    /// Forgets the markers beyond a place; gives the first of each document's deletions and restorations among them.
    fn take_back_markers(&self, space: i64, to: Position) -> Result<BTreeMap<i64, i64>, StorageError> {
        let undone = self.all(
            "SELECT document, kind FROM markers WHERE space = ?1 AND position > ?2 AND kind IN (3, 4)
             ORDER BY position DESC",
            params![space, signed(to.0)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        self.execute("DELETE FROM markers WHERE space = ?1 AND position > ?2", params![space, signed(to.0)])?;
        Ok(undone.into_iter().collect())
    }

    /// A document of which deletions or restorations were taken back, beginning with one of kind `first`, is deleted if
    /// its own user's last word says so, else if the last word that the log still has does.
    fn mark_again(&self, document: i64, first: i64) -> Result<(), StorageError> {
        // Of what came with a bootstrap no marker is kept; but nobody restores what is not deleted.
        let logged = self.log_mark(document)?.unwrap_or(first != EntryKind::Tombstone as i64);
        let deleted = self.own_mark(document)?.unwrap_or(logged);
        self.set_deleted(document, deleted)
    }

    /// A batch was acknowledged. Until it is delivered too, the relay may lose it.
    pub(crate) fn accept_undelivered(&self, batch: i64, at: LogPosition) -> Result<(), StorageError> {
        self.accept(batch, at)?;
        self.execute(
            "UPDATE batches SET undelivered =
                 (SELECT s.id FROM documents d JOIN spaces s ON s.id = d.space
                  WHERE d.id = batches.document AND NOT (s.epoch IS ?2 AND s.position >= ?3))
             WHERE id = ?1",
            params![batch, at.epoch.0, signed(at.position.0)],
        )?;
        Ok(())
    }

    /// Whether something was acknowledged after a place, and not delivered, or is waited for that was there once.
    pub(crate) fn has_undelivered(&self, space: SpaceId, after: Position) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT 1 FROM batches b JOIN spaces s ON s.id = b.undelivered
             WHERE b.undelivered IS NOT NULL AND s.space = ?1 AND b.position > ?2
             UNION ALL
             SELECT 1 FROM lost_voids v JOIN documents d ON d.id = v.document JOIN spaces s ON s.id = d.space
             WHERE s.space = ?1 AND v.until > ?2 LIMIT 1",
            params![space.0, signed(after.0)],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    /// What was acknowledged after a place, and not delivered, is pending again: the log ends there.
    pub(crate) fn reopen_after(&self, space: i64, end: Position) -> Result<usize, StorageError> {
        self.wait_for_no_voids_after(space, end)?;
        self.execute(
            "UPDATE batches SET state = 0, undelivered = NULL WHERE undelivered = ?1 AND position > ?2",
            params![space, signed(end.0)],
        )
    }

    /// What was acknowledged up to a place, and not delivered up to there, is pending again: it is not in the log.
    pub(crate) fn reopen_up_to(&self, space: i64, end: Position) -> Result<usize, StorageError> {
        self.execute(
            "UPDATE batches SET state = 0, undelivered = NULL WHERE undelivered = ?1 AND position <= ?2",
            params![space, signed(end.0)],
        )
    }
}

/// What is kept of an entry that is no change: what a void says, or the heads of a deletion.
fn marker_content(entry: &Entry) -> Option<Vec<u8>> {
    match entry.kind {
        EntryKind::Void => entry.bytes.as_ref().map(|bytes| bytes.to_vec()),
        _ => entry.heads.as_deref().map(join),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::System;
    use crate::storage::{NewBatch, Shell, Storage, open};

    const EPOCH: Epoch = Epoch([1; 8]);

    /// A deletion, or a restoration, that the log has lost is none, unless it is this vault's own, which is pending
    /// again.
    #[test]
    fn who_goes_back_forgets_the_deletions_that_the_log_has_lost() {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), &System::default(), Shell::Threads).unwrap();
        let deleted: Vec<bool> = storage
            .write(|tx| {
                let space = tx.home()?;
                let mut documents = Vec::new();
                for (number, kind) in [(1, EntryKind::Tombstone), (2, EntryKind::Restore), (3, EntryKind::Tombstone)] {
                    let (document, batch) = (DocumentId([number; 16]), BatchId([number; 16]));
                    let row = tx.ensure_document(&space, document, Some("note"))?.row;
                    let entry = Entry {
                        kind,
                        document,
                        hash: ChangeHash([number; 32]),
                        device: DeviceId([9; 16]),
                        batch,
                        bytes: None,
                        heads: Some(Vec::new()),
                    };
                    tx.add_marker(space.row, row, Position(u64::from(number) + 10), &entry)?;
                    tx.set_deleted(row, kind == EntryKind::Tombstone)?;
                    documents.push(row);
                }
                let own = tx.save_batch(BatchId([3; 16]), documents[2], NewBatch::Tombstone { heads: &[] })?;
                tx.accept(own, LogPosition { epoch: EPOCH, position: Position(13) })?;
                tx.go_back(space.row, Position(10), Position(10))?;
                let is_deleted = |row: &i64| {
                    let found = tx.one("SELECT deleted FROM documents WHERE id = ?1", [row], |row| row.get(0))?;
                    Ok(found.unwrap_or_default())
                };
                documents.iter().map(is_deleted).collect::<Result<_, StorageError>>()
            })
            .unwrap();
        assert_eq!(deleted, [false, true, true]);
    }

    fn checkpoint(position: u64) -> CheckpointRow {
        let mut chain = Chain::START;
        chain.0[..8].copy_from_slice(&position.to_be_bytes());
        let at = LogPosition { epoch: EPOCH, position: Position(position) };
        CheckpointRow { at, chain, receipt: Receipt { key: 1, mac: [7; 32] } }
    }

    /// Deliveries of `apart` entries of `bytes` each.
    fn kept(deliveries: u64, apart: u64, bytes: usize) -> (tempfile::TempDir, Storage, Vec<u64>) {
        let dir = tempfile::tempdir().unwrap();
        let storage = open(dir.path(), &System::default(), Shell::Threads).unwrap();
        let positions = storage
            .write(move |tx| {
                for delivery in 1..=deliveries {
                    tx.add_checkpoint(1, &checkpoint(delivery * apart), bytes)?;
                }
                tx.checkpoints(1)
            })
            .unwrap();
        let positions = positions.iter().map(|checkpoint| checkpoint.at.position.0).collect();
        (dir, storage, positions)
    }

    #[test]
    fn the_newest_places_are_all_kept_and_older_ones_thinned_out() {
        let (_dir, _storage, positions) = kept(10_000, 1, 100);
        assert_eq!(positions[positions.len() - 16..], (9_985..=10_000).collect::<Vec<_>>());
        assert!(positions.len() < 16 + 12, "one per 1,024 positions: {positions:?}");
        assert!(positions.windows(2).all(|pair| pair[1] - pair[0] <= POSITIONS_APART), "{positions:?}");
    }

    #[test]
    fn between_two_places_there_is_no_more_than_fits_a_frame() {
        let (_dir, _storage, positions) = kept(200, 1, 100 << 10);
        let older = &positions[..positions.len() - 16];
        assert!(older.windows(2).all(|pair| (pair[1] - pair[0]) * (100 << 10) <= BYTES_APART), "{positions:?}");
        assert!(older.len() > 30, "{positions:?}");
    }

    #[test]
    fn going_back_forgets_places_and_nothing_else() {
        let (_dir, storage, _) = kept(40, 1, 1);
        let left = storage
            .write(|tx| {
                tx.go_back(1, Position(30), Position(30))?;
                tx.checkpoints(1)
            })
            .unwrap();
        assert_eq!(left.last(), Some(&checkpoint(30)));
    }
}
