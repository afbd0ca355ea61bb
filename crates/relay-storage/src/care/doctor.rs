//! What rows must satisfy among themselves: pages sound, positions dense, digests and chains right, and every
//! document's row and frontier what its entries make.

use rusqlite::{Connection, params};
use sync_wire::log::EntryIdentity;
use sync_wire::{BatchId, Chain, ChangeHash, DeviceId, DocumentId, Salt, SpaceId};

use super::Finding;
use crate::change_log::{frontier_is_current, kind_of, log_key, position_of, unsigned};
use crate::error::StorageError;

/// Findings that are listed; more would tell nobody more.
const FINDINGS_MAX: usize = 100;

pub(super) fn examine(connection: &Connection) -> Result<Vec<Finding>, StorageError> {
    let mut findings = pages(connection)?;
    let mut spaces =
        connection.prepare("SELECT space_key, id, salt, end_position, chain FROM spaces ORDER BY space_key")?;
    let mut rows = spaces.query([])?;
    while let Some(row) = rows.next()? {
        let (key, id, salt) = (row.get(0)?, SpaceId(row.get(1)?), Salt(row.get(2)?));
        log(connection, key, id, &salt, (unsigned(row, 3)?, Chain(row.get(4)?)), &mut findings)?;
        documents(connection, key, id, &mut findings)?;
    }
    findings.truncate(FINDINGS_MAX);
    Ok(findings)
}

fn pages(connection: &Connection) -> Result<Vec<Finding>, StorageError> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let answers = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut findings = Vec::new();
    for answer in answers {
        let detail = answer?;
        if detail != "ok" {
            findings.push(Finding { code: "page_damaged", detail });
        }
    }
    Ok(findings)
}

/// Walks a log from its first entry: positions, hashes of batch ends, digests, chain.
fn log(
    connection: &Connection,
    space_key: i64,
    space: SpaceId,
    salt: &Salt,
    (end, end_chain): (u64, Chain),
    findings: &mut Vec<Finding>,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT l.log_key, l.kind, d.id, l.hash, l.device, l.batch, l.digest, l.chain
         FROM log l LEFT JOIN documents d ON d.document_key = l.document_key
         WHERE l.log_key > ?1 AND l.log_key < ?2 ORDER BY l.log_key",
    )?;
    let mut rows = statement.query(params![log_key(space_key, 0), log_key(space_key + 1, 0)])?;
    let (mut position, mut chain, mut is_batch_end) = (0, Chain::START, true);
    while let Some(row) = rows.next()? {
        position += 1;
        let found = position_of(row.get(0)?).0;
        if found != position {
            findings.push(finding("position_missing", space, found, "the entry before it is missing"));
            return Ok(());
        }
        let Some(document) = row.get::<_, Option<[u8; 16]>>(2)?.map(DocumentId) else {
            findings.push(finding("document_missing", space, position, "its document has no row"));
            return Ok(());
        };
        let identity = EntryIdentity {
            kind: kind_of(row, 1)?,
            document,
            hash: ChangeHash(row.get(3)?),
            device: DeviceId(row.get(4)?),
            batch: BatchId(row.get(5)?),
        };
        let digest: [u8; 32] = row.get(6)?;
        if identity.digest(salt) != digest {
            findings.push(finding("digest_wrong", space, position, "its fields are not those that were appended"));
        }
        chain = chain.extend(&digest);
        let stored: Option<[u8; 32]> = row.get(7)?;
        is_batch_end = stored.is_some();
        if stored.is_some_and(|stored| stored != chain.0) {
            findings.push(finding("chain_wrong", space, position, "the chain does not follow from the entries before"));
            return Ok(());
        }
    }
    if position != end || chain != end_chain || !is_batch_end {
        findings.push(finding("end_wrong", space, position, &format!("the space says that its log ends at {end}")));
    }
    Ok(())
}

fn documents(
    connection: &Connection,
    space_key: i64,
    space: SpaceId,
    findings: &mut Vec<Finding>,
) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.id, d.first_position, d.last_position, d.checked_position, d.entries, d.bytes,
                (SELECT count(*) FROM log l WHERE l.document_key = d.document_key),
                (SELECT coalesce(sum(length(l.bytes)), 0) FROM log l
                 WHERE l.document_key = d.document_key AND l.kind = 1),
                (SELECT min(l.log_key) FROM log l WHERE l.document_key = d.document_key),
                (SELECT max(l.log_key) FROM log l WHERE l.document_key = d.document_key)
         FROM documents d WHERE d.space_key = ?1",
    )?;
    let mut rows = statement.query([space_key])?;
    while let Some(row) = rows.next()? {
        let document = DocumentId(row.get(0)?);
        let mut wrong = |code, what: &str| {
            findings.push(Finding { code, detail: format!("document {document} in space {space}: {what}") });
        };
        let stored = [unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 4)?, unsigned(row, 5)?];
        let ends = [row.get::<_, Option<i64>>(8)?, row.get(9)?].map(|key| key.map_or(0, |key| position_of(key).0));
        let counted = [ends[0], ends[1], unsigned(row, 6)?, unsigned(row, 7)?];
        if stored != counted {
            wrong(
                "document_counts_wrong",
                &format!("row says {stored:?}, its entries {counted:?} (first, last, n, bytes)"),
            );
        }
        if unsigned(row, 3)? > stored[1] {
            wrong("checked_beyond_end", "its checked position is after its last entry");
        }
        match frontier_is_current(connection, space_key, document) {
            Ok(true) => {}
            Ok(false) => wrong("frontier_wrong", "its frontier is not what its entries make"),
            Err(StorageError::Corrupt { detail }) => wrong("entry_damaged", &detail),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn finding(code: &'static str, space: SpaceId, position: u64, what: &str) -> Finding {
    Finding { code, detail: format!("entry {position} of space {space}: {what}") }
}
