//! The relay's log as it lies on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags, Row};
use sync_wire::log::EntryKind;
use sync_wire::{BatchId, Chain, ChangeHash, DeviceId, DocumentId, Epoch, Position, Salt, SpaceId};

use super::Logs;

/// The log of a space, and what else the relay says of the space.
#[derive(Debug)]
pub struct SpaceLog {
    /// Its epoch.
    pub epoch: Epoch,
    /// What keys the digests of its entries.
    pub salt: Salt,
    /// Where it says that it ends.
    pub end: Position,
    /// The chain that it says to have there.
    pub chain: Chain,
    /// The entries, in order.
    pub records: Vec<Record>,
    /// Which documents the relay calls deleted.
    pub deleted: BTreeMap<DocumentId, bool>,
}

/// An entry.
#[derive(Debug)]
pub struct Record {
    /// Its place.
    pub position: Position,
    /// What it is.
    pub kind: EntryKind,
    /// The document.
    pub document: DocumentId,
    /// Its hash.
    pub hash: ChangeHash,
    /// The device of record.
    pub device: DeviceId,
    /// Its batch.
    pub batch: BatchId,
    /// Its digest.
    pub digest: [u8; 32],
    /// The chain, if it is the last of its batch.
    pub chain: Option<Chain>,
    /// The change.
    pub bytes: Vec<u8>,
}

impl Record {
    /// The heads that a deletion names.
    pub(super) fn named_heads(&self) -> impl Iterator<Item = ChangeHash> {
        self.bytes.as_chunks().0.iter().map(|hash| ChangeHash(*hash))
    }
}

/// A connection that only reads, beside those of the machine.
pub(super) fn open(file: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags).with_context(|| format!("{} cannot be read", file.display()))
}

pub(super) fn read(file: &Path) -> anyhow::Result<Logs> {
    let connection = open(file)?;
    let mut spaces = BTreeMap::new();
    let mut statement = connection.prepare("SELECT space_key, id, epoch, salt, end_position, chain FROM spaces")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        spaces.insert(row.get::<_, i64>(0)?, (SpaceId(row.get(1)?), space_log(row)?));
    }
    let mut statement = connection.prepare("SELECT space_key, id, deleted FROM documents")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (_, log) = spaces.get_mut(&row.get(0)?).context("a document of no space")?;
        log.deleted.insert(DocumentId(row.get(1)?), row.get(2)?);
    }
    let mut statement = connection.prepare(
        "SELECT l.log_key, l.kind, d.id, l.hash, l.device, l.batch, l.digest, l.chain, l.bytes
         FROM log l JOIN documents d USING (document_key) ORDER BY l.log_key",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key: i64 = row.get(0)?;
        let (_, log) = spaces.get_mut(&(key >> 40)).context("an entry of no space")?;
        log.records.push(record(row, key)?);
    }
    Ok(spaces.into_values().collect())
}

/// Every device that the relay knows.
pub(super) fn devices(file: &Path) -> anyhow::Result<BTreeSet<DeviceId>> {
    let connection = open(file)?;
    let mut statement = connection.prepare("SELECT id FROM devices")?;
    let devices = statement.query_map([], |row| row.get(0).map(DeviceId))?;
    Ok(devices.collect::<Result<_, _>>()?)
}

fn space_log(row: &Row<'_>) -> rusqlite::Result<SpaceLog> {
    Ok(SpaceLog {
        epoch: Epoch(row.get(2)?),
        salt: Salt(row.get(3)?),
        end: Position(row.get::<_, i64>(4)?.cast_unsigned()),
        chain: Chain(row.get(5)?),
        records: Vec::new(),
        deleted: BTreeMap::new(),
    })
}

fn record(row: &Row<'_>, key: i64) -> anyhow::Result<Record> {
    let kind = row.get(1)?;
    Ok(Record {
        position: Position((key & ((1 << 40) - 1)).cast_unsigned()),
        kind: EntryKind::from_code(kind).with_context(|| format!("entry of kind {kind}"))?,
        document: DocumentId(row.get(2)?),
        hash: ChangeHash(row.get(3)?),
        device: DeviceId(row.get(4)?),
        batch: BatchId(row.get(5)?),
        digest: row.get(6)?,
        chain: row.get::<_, Option<_>>(7)?.map(Chain),
        bytes: row.get(8)?,
    })
}
