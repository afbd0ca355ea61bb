//! The voids of a document: each is its hash, and says what follows from the changes that it excludes.

use document::{Change, mend};
use rusqlite::{Connection, params};
use sync_wire::{BatchId, Blob, ChangeHash, DocumentId, SpaceId, Void};

use super::finding::Findings;
use crate::change_log::{VoidEntry, position_of, voids_of};
use crate::error::StorageError;

pub(super) fn verify(
    connection: &Connection,
    document_key: i64,
    (space, document): (SpaceId, DocumentId),
    findings: &mut Findings,
) -> Result<(), StorageError> {
    let voids = voids_of(connection, document_key)?;
    if voids.is_empty() {
        return Ok(());
    }
    let changes = changes(connection, document_key)?;
    for (index, entry) in voids.iter().enumerate() {
        let at = (space, entry.position.0);
        if hash(connection, space, document, (document_key, entry))? != entry.hash {
            findings.entry("void_wrong", at, "its bytes do not have its hash");
        }
        // Of a purged document the bytes are gone, and nobody can tell any more.
        if let Some(changes) = &changes
            && !says_what_follows(entry, &voids[..index], changes)
        {
            findings.entry("void_wrong", at, "what it excludes and replaces does not follow from the log before it");
        }
    }
    Ok(())
}

fn hash(
    connection: &Connection,
    space: SpaceId,
    document: DocumentId,
    (document_key, entry): (i64, &VoidEntry),
) -> Result<ChangeHash, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT batch, bytes FROM log INDEXED BY log_markers WHERE document_key = ?1 AND hash = ?2 AND kind <> 1",
    )?;
    let (batch, payload): ([u8; 16], Vec<u8>) =
        statement.query_row(params![document_key, entry.hash.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Void::hash(&payload, space, document, BatchId(batch)))
}

/// A change with its position.
type Placed = (u64, Change);

/// `None` if bytes are missing; a change that does not parse was reported, and is left out.
fn changes(connection: &Connection, document_key: i64) -> Result<Option<Vec<Placed>>, StorageError> {
    let mut statement = connection
        .prepare_cached("SELECT log_key, bytes FROM log WHERE document_key = ?1 AND kind = 1 ORDER BY log_key")?;
    let mut rows = statement.query([document_key])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes = Blob::from(row.get::<_, Vec<u8>>(1)?);
        if bytes.is_empty() {
            return Ok(None);
        }
        changes.extend(Change::parse(bytes).ok().map(|change| (position_of(row.get_unwrap(0)).0, change)));
    }
    Ok(Some(changes))
}

fn says_what_follows(entry: &VoidEntry, earlier: &[VoidEntry], changes: &[Placed]) -> bool {
    let gone: Vec<ChangeHash> = earlier.iter().flat_map(|before| before.void.changes()).collect();
    let before =
        changes.iter().filter(|(position, change)| *position < entry.position.0 && !gone.contains(&change.hash()));
    let run: Vec<Change> = before.map(|(_, change)| change.clone()).collect();
    mend(&entry.void.excluded, &run, |_| None).void == entry.void
}
