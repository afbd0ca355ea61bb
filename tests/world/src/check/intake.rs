//! The relay's intake as it lies on the disk: nothing that a device was told to be stored is missing, and nothing waits
//! that rests on what is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use sync_wire::{BatchId, ChangeHash, DocumentId, SpaceId};

use super::relay_file::open;
use super::{Logs, SpaceLog};
use crate::failure::Failure;
use crate::ledger::Ledger;

/// Everything that the relay knows of batches that are or were in its intake.
#[derive(Debug, Default)]
struct Known {
    waiting: BTreeSet<(SpaceId, BatchId)>,
    /// Told, or to be told.
    decided: BTreeSet<(SpaceId, BatchId)>,
    refused: BTreeSet<(SpaceId, ChangeHash)>,
}

/// What a device was told to be stored waits, or is in the log, or has its fate.
pub(super) fn check(file: &Path, logs: &Logs, ledger: &Ledger) -> Result<(), Failure> {
    if ledger.stored.is_empty() {
        return Ok(());
    }
    let known = read(file)?;
    for ((space, batch), document) in &ledger.stored {
        let hashes = ledger.pushed.get(&(*space, *batch)).map(|pushed| pushed.hashes.as_slice()).unwrap_or_default();
        let is_refused = hashes.iter().any(|hash| known.refused.contains(&(*space, *hash)));
        let is_somewhere = known.waiting.contains(&(*space, *batch)) || known.decided.contains(&(*space, *batch));
        if !is_somewhere && !is_refused && !logs.get(space).is_some_and(|log| has(log, *document, hashes)) {
            let detail = format!("batch {batch} of document {document} in space {space} was stored, and is nowhere");
            return Failure::raise("stored is durable", detail);
        }
    }
    Ok(())
}

fn has(log: &SpaceLog, document: DocumentId, hashes: &[ChangeHash]) -> bool {
    let is_there = |hash: &ChangeHash| log.records.iter().any(|it| (it.document, it.hash) == (document, *hash));
    hashes.iter().all(is_there)
}

fn read(file: &Path) -> anyhow::Result<Known> {
    let connection = open(file)?;
    let mut known = Known::default();
    each(
        &connection,
        "SELECT s.id, b.batch FROM intake_batches b JOIN intake_documents d USING (intake_key)
         JOIN spaces s USING (space_key)",
        |space, batch| {
            known.waiting.insert((space, BatchId(batch)));
        },
    )?;
    each(
        &connection,
        "SELECT s.id, o.batch FROM intake_outcomes o JOIN spaces s USING (space_key)",
        |space, batch| {
            known.decided.insert((space, BatchId(batch)));
        },
    )?;
    each(&connection, "SELECT s.id, f.hash FROM fates f JOIN spaces s USING (space_key)", |space, hash| {
        known.refused.insert((space, ChangeHash(hash)));
    })?;
    Ok(known)
}

fn each<const N: usize>(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(SpaceId, [u8; N]),
) -> anyhow::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(SpaceId(row.get(0)?), row.get(1)?);
    }
    Ok(())
}

/// Whatever waits rests on the log, or on what waits before it.
pub(super) fn rests_on_something(file: &Path) -> Result<(), Failure> {
    let connection = open(file)?;
    let mut statement = connection
        .prepare(
            "SELECT d.space_key, d.document, c.hash, c.bytes FROM intake_batches b JOIN intake_changes c USING (batch_key)
             JOIN intake_documents d ON d.intake_key = b.intake_key ORDER BY b.batch_key, c.change_key",
        )
        .map_err(anyhow::Error::from)?;
    let mut in_log = connection
        .prepare(
            "SELECT EXISTS (SELECT 1 FROM log l JOIN documents d USING (document_key)
                            WHERE d.space_key = ?1 AND d.id = ?2 AND l.hash = ?3)",
        )
        .map_err(anyhow::Error::from)?;
    let mut before: BTreeMap<(i64, [u8; 16]), BTreeSet<ChangeHash>> = BTreeMap::new();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, [u8; 16]>(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?)))
        .map_err(anyhow::Error::from)?;
    for row in rows {
        let (space, document, hash, bytes): (i64, [u8; 16], [u8; 32], Vec<u8>) = row.map_err(anyhow::Error::from)?;
        let header = document::Header::parse(&bytes).map_err(anyhow::Error::from)?;
        let waiting = before.entry((space, document)).or_default();
        for dep in header.deps.iter().filter(|dep| !waiting.contains(*dep)) {
            let key = rusqlite::params![space, document, dep.0];
            if !in_log.query_row(key, |row| row.get::<_, bool>(0)).map_err(anyhow::Error::from)? {
                let detail = format!("change {} waits, and rests on {dep}, which is nowhere", ChangeHash(hash));
                return Failure::raise("what waits rests on something", detail);
            }
        }
        waiting.insert(ChangeHash(hash));
    }
    Ok(())
}

/// At the end nothing waits.
pub(super) fn is_empty(file: &Path) -> Result<(), Failure> {
    let connection = open(file)?;
    let waiting: i64 = connection
        .query_row("SELECT count(*) FROM intake_batches", [], |row| row.get(0))
        .map_err(anyhow::Error::from)?;
    if waiting == 0 {
        return Ok(());
    }
    Failure::raise("it settles", format!("{waiting} batches are still in the intake"))
}
