//! The whole storage in a few numbers, for whoever runs the relay. Nothing here says what documents say.

use rusqlite::Connection;
use sync_wire::{DocumentId, Epoch, LogPosition, SpaceId, Void};

use crate::change_log::{position_of, unsigned};
use crate::error::StorageError;
use crate::storage::Storage;

/// Of each kind, so many are named.
pub const NAMED_MAX: usize = 20;

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
    /// At most [`NAMED_MAX`] of them, the oldest documents first.
    pub first_held: Vec<HeldDocument>,
    /// Repairs that excluded changes from a log: its voids.
    pub repairs: u64,
    /// At most [`NAMED_MAX`] of them, the newest first.
    pub last_repairs: Vec<RepairedDocument>,
    /// Refused changes whose bytes are kept.
    pub refused_changes: u64,
    /// Their bytes.
    pub refused_bytes: u64,
    /// Accounts that have some.
    pub quarantines: u64,
    /// At most [`NAMED_MAX`] of them, those with the most changes first.
    pub largest_quarantines: Vec<AccountQuarantine>,
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

/// A document from whose log a repair excluded changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairedDocument {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub document: DocumentId,
    /// The place of the void.
    pub at: LogPosition,
    /// When, by the relay's clock, in unix milliseconds.
    pub repaired_at: i64,
    /// How many changes the void excludes, with those that rested on others; nothing if it does not read.
    pub excluded: Option<u64>,
}

/// What is kept of an account's refused changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountQuarantine {
    /// The name of the account.
    pub account: String,
    /// How many.
    pub changes: u64,
    /// Their bytes.
    pub bytes: u64,
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
                (SELECT count(*) FROM log INDEXED BY log_voids WHERE kind = 2),
                count(*), coalesce(sum(size), 0), count(DISTINCT account_key) FROM refused",
    )?;
    let counts: [u64; 8] = statement.query_row([], |row| {
        let mut counts = [0; 8];
        for (column, count) in counts.iter_mut().enumerate() {
            *count = unsigned(row, column)?;
        }
        Ok(counts)
    })?;
    let [accounts, devices, documents, held, repairs, refused_changes, refused_bytes, quarantines] = counts;
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FILTER (WHERE kind = 1), count(*) FILTER (WHERE kind = 2), count(*) FILTER (WHERE kind = 3)
         FROM spaces",
    )?;
    let (personal_spaces, team_spaces, catalogs) =
        statement.query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?;
    Ok(Overview {
        accounts,
        devices,
        personal_spaces,
        team_spaces,
        catalogs,
        documents,
        held,
        first_held: first_held(connection)?,
        repairs,
        last_repairs: last_repairs(connection)?,
        refused_changes,
        refused_bytes,
        quarantines,
        largest_quarantines: largest_quarantines(connection)?,
        size: size(connection)?,
    })
}

fn first_held(connection: &Connection) -> Result<Vec<HeldDocument>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.id, d.id, d.held FROM documents d INDEXED BY documents_held JOIN spaces s USING (space_key)
         WHERE d.held IS NOT NULL ORDER BY d.document_key LIMIT ?1",
    )?;
    let rows = statement.query_map([NAMED_MAX as i64], |row| {
        Ok(HeldDocument { space: SpaceId(row.get(0)?), document: DocumentId(row.get(1)?), reason: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn last_repairs(connection: &Connection) -> Result<Vec<RepairedDocument>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.id, d.id, s.epoch, l.log_key, l.appended_at, l.bytes
         FROM log l INDEXED BY log_voids JOIN documents d USING (document_key) JOIN spaces s USING (space_key)
         WHERE l.kind = 2 ORDER BY l.appended_at DESC, l.log_key DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([NAMED_MAX as i64], |row| {
        // A damaged one is for `verify` to report; whoever looks because of it must still see the rest.
        let void = Void::decode(row.get_ref(5)?.as_blob()?).ok();
        Ok(RepairedDocument {
            space: SpaceId(row.get(0)?),
            document: DocumentId(row.get(1)?),
            at: LogPosition { epoch: Epoch(row.get(2)?), position: position_of(row.get(3)?) },
            repaired_at: row.get(4)?,
            excluded: void.map(|void| void.changes().count() as u64),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn largest_quarantines(connection: &Connection) -> Result<Vec<AccountQuarantine>, StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT a.name, r.changes, r.size
         FROM (SELECT account_key, count(*) AS changes, sum(size) AS size FROM refused INDEXED BY refused_by_account
               GROUP BY account_key ORDER BY changes DESC, account_key LIMIT ?1) r
         JOIN accounts a USING (account_key) ORDER BY r.changes DESC, account_key",
    )?;
    let rows = statement.query_map([NAMED_MAX as i64], |row| {
        Ok(AccountQuarantine { account: row.get(0)?, changes: unsigned(row, 1)?, bytes: unsigned(row, 2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn size(connection: &Connection) -> Result<StorageSize, StorageError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(sum(end_position), 0) FROM spaces")?;
    let entries = statement.query_row([], |row| unsigned(row, 0))?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| unsigned(row, 0));
    Ok(StorageSize { entries, file_bytes: pragma("page_count")?.saturating_mul(pragma("page_size")?) })
}
