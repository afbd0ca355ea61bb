//! The whole storage in a few numbers, for whoever runs the relay. Nothing here says what documents say.

use rusqlite::Connection;
use sync_wire::{DocumentId, SpaceId};

use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::storage::Storage;

/// Held documents that are named, the oldest first.
const HELD_NAMED: usize = 20;

/// How much there is of everything. Counted, not kept: it reads an index of each, so nobody should ask all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Accounts.
    pub accounts: u64,
    /// Devices that may connect.
    pub devices: u64,
    /// Personal spaces.
    pub personal_spaces: u64,
    /// Team spaces.
    pub team_spaces: u64,
    /// Catalogs.
    pub catalogs: u64,
    /// Documents, with those that were deleted.
    pub documents: u64,
    /// Documents that are read-only until somebody repairs them.
    pub held: u64,
    /// The first of them, at most 20.
    pub first_held: Vec<HeldDocument>,
    /// Refused changes whose bytes are kept.
    pub refused_changes: u64,
    /// Their bytes.
    pub refused_bytes: u64,
    /// How large it is.
    pub size: StorageSize,
}

/// How large the storage is; cheap to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageSize {
    /// Entries of all logs.
    pub entries: u64,
    /// Bytes of the file, without its write-ahead log.
    pub file_bytes: u64,
}

/// A held document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub document: DocumentId,
    /// Why.
    pub reason: String,
}

impl Storage {
    /// How much there is of everything.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn overview(&self) -> Result<Overview, StorageError> {
        self.read(|reader| overview(&reader.connection)).await
    }

    /// How large it is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn size(&self) -> Result<StorageSize, StorageError> {
        self.read(|reader| size(&reader.connection)).await
    }
}

fn overview(connection: &Connection) -> Result<Overview, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM devices WHERE revoked_at IS NULL),
                (SELECT count(*) FROM documents), (SELECT count(*) FROM documents WHERE held IS NOT NULL),
                count(*), coalesce(sum(size), 0) FROM refused",
    )?;
    let counts: [u64; 6] = statement.query_row([], |row| {
        let mut counts = [0; 6];
        for (column, count) in counts.iter_mut().enumerate() {
            *count = unsigned(row, column)?;
        }
        Ok(counts)
    })?;
    let [accounts, devices, documents, held, refused_changes, refused_bytes] = counts;
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 2), count(*) FILTER (WHERE kind = 3)
         FROM spaces",
    )?;
    let (personal_spaces, team_spaces, catalogs) =
        statement.query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?;
    let (first_held, size) = (first_held(connection)?, size(connection)?);
    Ok(Overview {
        accounts,
        devices,
        personal_spaces,
        team_spaces,
        catalogs,
        documents,
        held,
        first_held,
        refused_changes,
        refused_bytes,
        size,
    })
}

fn first_held(connection: &Connection) -> Result<Vec<HeldDocument>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.id, d.id, d.held FROM documents d INDEXED BY documents_held JOIN spaces s USING (space_key)
         WHERE d.held IS NOT NULL ORDER BY d.document_key LIMIT ?1",
    )?;
    let rows = statement.query_map([HELD_NAMED as i64], |row| {
        Ok(HeldDocument { space: SpaceId(row.get(0)?), document: DocumentId(row.get(1)?), reason: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn size(connection: &Connection) -> Result<StorageSize, StorageError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(sum(end_position), 0) FROM spaces")?;
    let entries = statement.query_row([], |row| unsigned(row, 0))?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| unsigned(row, 0));
    Ok(StorageSize { entries, file_bytes: pragma("page_count")?.saturating_mul(pragma("page_size")?) })
}
