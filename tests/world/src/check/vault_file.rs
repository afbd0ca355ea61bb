//! A vault's changes and batches as they lie on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use document::Change;
use sync_wire::{BatchId, ChangeHash, DeviceId, DocumentId, FateCode, Position, SpaceId, Void};

use super::relay_file::open;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Pending,
    Stored,
    Accepted,
    Parked,
    Quarantined,
    /// Another batch of the vault says what it said.
    Replaced,
    Discarded,
}

/// A batch that was made in this vault.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    pub(super) space: SpaceId,
    pub(super) document: DocumentId,
    pub(super) standing: Standing,
    pub(super) code: Option<FateCode>,
    /// Whether it takes a deletion back.
    pub(super) is_restoration: bool,
    /// Of its change; a deletion or restoration has none.
    pub(super) change: Option<ChangeHash>,
    /// The batch that says what it said.
    pub(super) replaced: Option<BatchId>,
    /// The change because of which it is not in the log.
    pub(super) culprit: Option<ChangeHash>,
    /// Where it says that the batch is in the log.
    pub(super) at: Option<Position>,
}

/// What is in a vault's file of each document, with the device that the log named last: attackers have one change in
/// several.
///
/// # Errors
/// If it cannot be read.
pub(super) fn of_documents(file: &Path) -> anyhow::Result<BTreeMap<(DocumentId, ChangeHash), Option<DeviceId>>> {
    let connection = open(file)?;
    let sql = "SELECT d.document, c.hash, c.device FROM changes c JOIN documents d ON d.id = c.document";
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| {
        let device: Option<[u8; 16]> = row.get(2)?;
        Ok(((DocumentId(row.get(0)?), ChangeHash(row.get(1)?)), device.map(DeviceId)))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The hashes of all changes in a vault's file.
///
/// # Errors
/// If it cannot be read.
pub fn changes(file: &Path) -> anyhow::Result<BTreeSet<ChangeHash>> {
    let connection = open(file)?;
    let mut statement = connection.prepare("SELECT hash FROM changes")?;
    let hashes = statement.query_map([], |row| row.get(0).map(ChangeHash))?;
    Ok(hashes.collect::<Result<_, _>>()?)
}

/// Whether a change was made in the vault of this file, or in one of which it is a copy.
///
/// # Errors
/// If it cannot be read.
pub fn authored(file: &Path, hash: &ChangeHash) -> anyhow::Result<bool> {
    let sql = "SELECT count(*) FROM batches b JOIN changes c ON c.id = b.change WHERE c.hash = ?1";
    Ok(open(file)?.query_row(sql, [hash.0], |row| row.get::<_, i64>(0))? > 0)
}

/// The own changes that are not in the log, as their batches say: whether those may say so is looked at with the fates.
///
/// # Errors
/// If it cannot be read.
pub(super) fn not_accepted(file: &Path) -> anyhow::Result<BTreeSet<ChangeHash>> {
    let is_it = |batch: &Batch| batch.standing != Standing::Accepted;
    Ok(batches(file)?.into_iter().filter(is_it).filter_map(|batch| batch.change).collect())
}

/// Repairs that the log has lost.
#[derive(Default)]
pub(super) struct LostVoids {
    /// What stands in the place of a change: what those had written anew that are still followed, and what that stood
    /// for of those that gave way to others.
    pub(super) instead: BTreeMap<ChangeHash, ChangeHash>,
    /// What they excluded as being at fault.
    pub(super) at_fault: BTreeSet<ChangeHash>,
}

/// See there.
///
/// # Errors
/// If it cannot be read.
pub(super) fn lost_voids(file: &Path) -> anyhow::Result<LostVoids> {
    let connection = open(file)?;
    let mut statement = connection.prepare("SELECT undone, payload FROM lost_voids")?;
    let mut lost = LostVoids::default();
    for row in statement.query_map([], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, Vec<u8>>(1)?)))? {
        let (is_undone, payload) = row?;
        let Void { excluded, dependents, .. } = Void::decode(&payload)?;
        lost.at_fault.extend(excluded);
        for dependent in dependents {
            let Some(by) = dependent.by else { continue };
            let (gone, instead) = if is_undone { (by, dependent.change) } else { (dependent.change, by) };
            lost.instead.insert(gone, instead);
        }
    }
    Ok(lost)
}

/// A change.
///
/// # Errors
/// If it cannot be read.
pub(super) fn change(file: &Path, hash: &ChangeHash) -> anyhow::Result<Change> {
    let sql = "SELECT bytes FROM changes WHERE hash = ?1 LIMIT 1";
    Ok(Change::parse(open(file)?.query_row(sql, [hash.0], |row| row.get::<_, Vec<u8>>(0))?.into())?)
}

/// Every change of a document whose bytes are here, whatever became of it, causes first.
///
/// # Errors
/// If one cannot be read.
pub(super) fn changes_of(file: &Path, space: SpaceId, document: DocumentId) -> anyhow::Result<Vec<Change>> {
    let connection = open(file)?;
    let mut statement = connection.prepare(
        "SELECT c.bytes FROM changes c JOIN documents d ON d.id = c.document JOIN spaces s ON s.id = d.space
         WHERE s.space = ?1 AND d.document = ?2 ORDER BY c.id",
    )?;
    let bytes = statement.query_map([space.0.as_slice(), document.0.as_slice()], |row| row.get::<_, Vec<u8>>(0))?;
    bytes.map(|bytes| Ok(Change::parse(bytes?.into())?)).collect()
}

/// All batches, the oldest first.
pub(super) fn batches(file: &Path) -> anyhow::Result<Vec<Batch>> {
    let connection = open(file)?;
    let mut statement = connection.prepare(
        "SELECT b.batch, s.space, d.document, b.state, b.code, c.hash, b.position, r.batch, b.culprit, b.kind = 3
         FROM batches b
         JOIN documents d ON d.id = b.document JOIN spaces s ON s.id = d.space LEFT JOIN changes c ON c.id = b.change
         LEFT JOIN batches r ON r.id = b.replaced ORDER BY b.id",
    )?;
    let batches = statement.query_map([], |row| {
        Ok(Batch {
            id: BatchId(row.get(0)?),
            space: SpaceId(row.get(1)?),
            document: DocumentId(row.get(2)?),
            standing: match row.get::<_, i64>(3)? {
                0 => Standing::Pending,
                1 => Standing::Stored,
                2 => Standing::Accepted,
                3 => Standing::Parked,
                4 => Standing::Quarantined,
                5 => Standing::Replaced,
                _ => Standing::Discarded,
            },
            code: row.get::<_, Option<_>>(4)?.map(FateCode),
            change: row.get::<_, Option<_>>(5)?.map(ChangeHash),
            at: row.get::<_, Option<i64>>(6)?.map(|at| Position(at.cast_unsigned())),
            replaced: row.get::<_, Option<_>>(7)?.map(BatchId),
            culprit: row.get::<_, Option<_>>(8)?.map(ChangeHash),
            is_restoration: row.get(9)?,
        })
    })?;
    Ok(batches.collect::<Result<_, _>>()?)
}
