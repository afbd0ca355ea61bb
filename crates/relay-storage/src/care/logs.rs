//! A log as its rows stand: positions dense, batches whole, digests and chain what the fields of the entries give.
//! Reads no change, and a bounded number of rows at a time.

use rusqlite::{Connection, params};
use sync_wire::log::EntryIdentity;
use sync_wire::{BatchId, Chain, ChangeHash, DeviceId, DocumentId, Salt, SpaceId};

use super::finding::Findings;
use crate::change_log::{kind_of, log_key, position_of, unsigned};
use crate::error::StorageError;

/// Rows in one read; between reads the write-ahead log may be moved into the file.
const PAGE_ROWS: i64 = 8192;

/// A space, as its row says.
#[derive(Debug, Clone)]
pub(super) struct SpaceRow {
    pub(super) key: i64,
    pub(super) id: SpaceId,
    salt: Salt,
    end: u64,
    chain: Chain,
}

/// Hands over all spaces, or the one that is named.
pub(super) fn each_space(
    connection: &Connection,
    only: Option<SpaceId>,
    mut take: impl FnMut(SpaceRow),
) -> Result<(), StorageError> {
    let mut statement = connection.prepare(
        "SELECT space_key, id, salt, end_position, chain FROM spaces WHERE ?1 IS NULL OR id = ?1 ORDER BY space_key",
    )?;
    let mut rows = statement.query([only.map(|space| space.0)])?;
    while let Some(row) = rows.next()? {
        take(SpaceRow {
            key: row.get(0)?,
            id: SpaceId(row.get(1)?),
            salt: Salt(row.get(2)?),
            end: unsigned(row, 3)?,
            chain: Chain(row.get(4)?),
        });
    }
    Ok(())
}

/// Walks a log from its first entry to its end as of now.
pub(super) fn walk(connection: &Connection, space: &SpaceRow, findings: &mut Findings) -> Result<(), StorageError> {
    let mut walk = Walk { space, position: 0, chain: Chain::START, open_batch: None };
    loop {
        let before = walk.position;
        if walk.page(connection, findings)? == Walked::GivenUp {
            return Ok(());
        }
        if walk.position == before {
            break;
        }
    }
    if walk.position != space.end || walk.chain != space.chain || walk.open_batch.is_some() {
        let what = format!("the space says that its log ends at {}", space.end);
        findings.entry("end_wrong", (space.id, walk.position), &what);
    }
    Ok(())
}

struct Walk<'a> {
    space: &'a SpaceRow,
    position: u64,
    chain: Chain,
    /// The batch of the last entry, if that was not its end.
    open_batch: Option<BatchId>,
}

#[derive(PartialEq, Eq)]
enum Walked {
    On,
    /// What follows cannot be judged.
    GivenUp,
}

impl Walk<'_> {
    fn page(&mut self, connection: &Connection, findings: &mut Findings) -> Result<Walked, StorageError> {
        let mut statement = connection.prepare_cached(
            "SELECT l.log_key, l.kind, d.id, l.hash, l.device, l.batch, l.digest, l.chain
             FROM log l LEFT JOIN documents d ON d.document_key = l.document_key AND d.space_key = ?3
             WHERE l.log_key > ?1 AND l.log_key <= ?2 ORDER BY l.log_key LIMIT ?4",
        )?;
        let key = self.space.key;
        // Beyond the end there may be what is being appended; or rows that nobody appended, when nothing is missing.
        let upto = log_key(key, self.space.end);
        let mut rows = statement.query(params![log_key(key, self.position), upto, key, PAGE_ROWS])?;
        while let Some(row) = rows.next()? {
            self.position += 1;
            let found = position_of(row.get(0)?).0;
            if found != self.position {
                findings.entry("position_missing", (self.space.id, found), "the entry before it is missing");
                return Ok(Walked::GivenUp);
            }
            let at = (self.space.id, self.position);
            let Some(document) = row.get::<_, Option<[u8; 16]>>(2)?.map(DocumentId) else {
                findings.entry("document_missing", at, "its document has no row in this space");
                return Ok(Walked::GivenUp);
            };
            let identity = EntryIdentity {
                kind: kind_of(row, 1)?,
                document,
                hash: ChangeHash(row.get(3)?),
                device: DeviceId(row.get(4)?),
                batch: BatchId(row.get(5)?),
            };
            let digest: [u8; 32] = row.get(6)?;
            if identity.digest(&self.space.salt) != digest {
                findings.entry("digest_wrong", at, "its fields are not those that were appended");
            }
            if self.open_batch.is_some_and(|batch| batch != identity.batch) {
                findings.entry("batch_torn", at, "it begins a batch before the one before it has ended");
            }
            self.chain = self.chain.extend(&digest);
            let stored: Option<[u8; 32]> = row.get(7)?;
            self.open_batch = stored.is_none().then_some(identity.batch);
            if stored.is_some_and(|stored| stored != self.chain.0) {
                findings.entry("chain_wrong", at, "the chain does not follow from the entries before");
                return Ok(Walked::GivenUp);
            }
        }
        Ok(Walked::On)
    }
}
