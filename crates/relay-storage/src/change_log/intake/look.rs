//! What waits in the intake, for people and for those who look whether the storage is sound.

use document::Header;
use rusqlite::{Connection, OptionalExtension, params};
use sync_wire::log::EntryKind;
use sync_wire::{AccountId, BatchId, ChangeHash, DeviceId, DocumentId, SpaceId};

use super::super::frontier::{kind_of, unsigned};
use super::super::log_end;
use super::keep::{Amount, Scope, amount};
use crate::error::StorageError;
use crate::storage::{Reader, Storage};

/// Batches that are listed one by one.
const LISTED_MAX: i64 = 100;

/// What waits of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeState {
    /// How many batches.
    pub batches: u64,
    /// Their bytes, with what each costs beside them.
    pub bytes: u64,
    /// Until when somebody has the lease of their check, in unix milliseconds; none if nobody has.
    pub leased_until: Option<i64>,
    /// The first of them, at most 100.
    pub first: Vec<IntakeBatch>,
}

/// One batch that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeBatch {
    /// Its id.
    pub batch: BatchId,
    /// What it is: a change, a tombstone or a restore.
    pub kind: EntryKind,
    /// Who pushed it.
    pub device: DeviceId,
    /// The name of its account.
    pub account: String,
    /// Since when, in unix milliseconds.
    pub stored_at: i64,
    /// How many changes it brings.
    pub changes: u64,
    /// Their bytes, with what the batch costs beside them.
    pub bytes: u64,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntakeTotals {
    /// Documents.
    pub documents: u64,
    /// Batches.
    pub batches: u64,
    /// Their bytes, with what each costs beside them.
    pub bytes: u64,
    /// Since when the first of them has waited, in unix milliseconds.
    pub oldest_stored_at: Option<i64>,
}

impl Storage {
    /// What waits of a document; `None` if nothing does.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intake_of(&self, space: SpaceId, document: DocumentId) -> Result<Option<IntakeState>, StorageError> {
        self.read(move |reader| reader.intake_of(space, document)).await
    }

    /// How much waits in all.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intake_totals(&self) -> Result<IntakeTotals, StorageError> {
        self.read(|reader| {
            let mut statement = reader.connection.prepare_cached(
                "SELECT count(*), coalesce(sum(batches), 0), coalesce(sum(size), 0),
                        (SELECT stored_at FROM intake_batches ORDER BY batch_key LIMIT 1) FROM intake_documents",
            )?;
            Ok(statement.query_row([], totals)?)
        })
        .await
    }

    /// How much of an account waits in a space.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn intake_of_account(&self, space: SpaceId, account: AccountId) -> Result<IntakeTotals, StorageError> {
        self.read(move |reader| {
            let mut statement = reader.connection.prepare_cached(
                "SELECT count(DISTINCT b.intake_key), count(b.batch_key), coalesce(sum(b.size), 0), min(b.stored_at)
                 FROM intake_documents d JOIN intake_batches b USING (intake_key)
                 WHERE d.space_key = (SELECT space_key FROM spaces WHERE id = ?1)
                   AND b.account_key = (SELECT account_key FROM accounts WHERE id = ?2)",
            )?;
            Ok(statement.query_row(params![space.0, account.0], totals)?)
        })
        .await
    }
}

fn totals(row: &rusqlite::Row<'_>) -> rusqlite::Result<IntakeTotals> {
    Ok(IntakeTotals {
        documents: unsigned(row, 0)?,
        batches: unsigned(row, 1)?,
        bytes: unsigned(row, 2)?,
        oldest_stored_at: row.get(3)?,
    })
}

impl Reader {
    fn intake_of(&self, space: SpaceId, document: DocumentId) -> Result<Option<IntakeState>, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(
            "SELECT intake_key, batches, size, CASE WHEN holder IS NULL THEN NULL ELSE leased_until END
             FROM intake_documents WHERE space_key = ?1 AND document = ?2",
        )?;
        let found = statement.query_row(params![log.space_key, document.0], |row| {
            let state = IntakeState {
                batches: unsigned(row, 1)?,
                bytes: unsigned(row, 2)?,
                leased_until: row.get(3)?,
                first: Vec::new(),
            };
            Ok((row.get::<_, i64>(0)?, state))
        });
        let Some((key, mut state)) = found.optional()? else { return Ok(None) };
        state.first = self.intake_batches(key)?;
        Ok(Some(state))
    }

    fn intake_batches(&self, intake: i64) -> Result<Vec<IntakeBatch>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT b.batch, b.kind, b.device, a.name, b.stored_at,
                    (SELECT count(*) FROM intake_changes c WHERE c.batch_key = b.batch_key), b.size
             FROM intake_batches b JOIN accounts a USING (account_key)
             WHERE b.intake_key = ?1 ORDER BY b.batch_key LIMIT ?2",
        )?;
        let batches = statement.query_map([intake, LISTED_MAX], |row| {
            Ok(IntakeBatch {
                batch: BatchId(row.get(0)?),
                kind: kind_of(row, 1)?,
                device: DeviceId(row.get(2)?),
                account: row.get(3)?,
                stored_at: row.get(4)?,
                changes: unsigned(row, 5)?,
                bytes: unsigned(row, 6)?,
            })
        })?;
        Ok(batches.collect::<rusqlite::Result<_>>()?)
    }
}

/// Looks whether the counts of the intake are those of its rows, and whether every row has its place; calls `report`
/// with what is wrong.
pub(crate) fn examine(connection: &Connection, mut report: impl FnMut(String)) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.intake_key, d.document, d.batches, d.size, d.entries,
                (SELECT count(*) FROM intake_batches b WHERE b.intake_key = d.intake_key),
                (SELECT coalesce(sum(size), 0) FROM intake_batches b WHERE b.intake_key = d.intake_key),
                (SELECT count(*) FROM intake_changes c WHERE c.intake_key = d.intake_key)
         FROM intake_documents d",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let document = DocumentId(row.get(1)?);
        let [mut stored, mut counted] = [[0; 3]; 2];
        for column in 0..3 {
            (stored[column], counted[column]) = (unsigned(row, 2 + column)?, unsigned(row, 5 + column)?);
        }
        if stored != counted {
            report(format!("document {document}: row says {stored:?}, {counted:?} wait (batches, bytes, changes)"));
        }
    }
    drop(rows);
    let lost: u64 = connection.query_row(
        "SELECT (SELECT count(*) FROM intake_batches WHERE intake_key NOT IN (SELECT intake_key FROM intake_documents))
              + (SELECT count(*) FROM intake_changes WHERE batch_key NOT IN (SELECT batch_key FROM intake_batches))",
        [],
        |row| unsigned(row, 0),
    )?;
    if lost > 0 {
        report(format!("{lost} rows belong to no batch or no document"));
    }
    let scopes = "SELECT 1, d.space_key, count(*), sum(b.size) FROM intake_batches b
                  JOIN intake_documents d USING (intake_key) GROUP BY d.space_key
                  UNION ALL SELECT 2, account_key, count(*), sum(size) FROM intake_batches GROUP BY account_key";
    let mut statement = connection.prepare_cached(scopes)?;
    let mut rows = statement.query([])?;
    let mut scoped = 0;
    while let Some(row) = rows.next()? {
        let key = row.get(1)?;
        let scope = if row.get::<_, i64>(0)? == 1 { Scope::Space(key) } else { Scope::Account(key) };
        let counted = Amount { batches: unsigned(row, 2)?, size: unsigned(row, 3)? };
        let stored = amount(connection, scope)?;
        if stored != counted {
            report(format!("{scope:?}: row says {stored:?}, {counted:?} wait"));
        }
        scoped += 1;
    }
    let kept: u64 = connection.query_row("SELECT count(*) FROM intake_totals", [], |row| unsigned(row, 0))?;
    if kept > scoped {
        report(format!("{} totals are of spaces or accounts of which nothing waits", kept - scoped));
    }
    Ok(())
}

/// Reads every change that waits; calls `report` with those that are not what was stored.
pub(crate) fn each_damaged(connection: &Connection, mut report: impl FnMut(String)) -> Result<(), StorageError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.document, c.hash, c.bytes FROM intake_changes c JOIN intake_documents d USING (intake_key)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (document, hash) = (DocumentId(row.get(0)?), ChangeHash(row.get(1)?));
        let header = Header::parse(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?);
        if header.map(|header| header.hash).ok() != Some(hash) {
            report(format!("document {document}: change {hash} in the intake does not read as what was stored"));
        }
    }
    Ok(())
}

/// Forgets all that waits. In a copy of the storage: devices push again what has no fate, and what has one since must
/// not come back.
pub(crate) fn empty(connection: &Connection) -> Result<(), StorageError> {
    for table in ["documents", "batches", "changes", "totals", "outcomes"] {
        connection.execute(&format!("DELETE FROM intake_{table}"), [])?;
    }
    Ok(())
}

impl Storage {
    /// Counts again what waits. Nothing else may write meanwhile.
    pub(crate) async fn recount_intake(&self) -> Result<(), StorageError> {
        self.write(|writer| {
            for recount in RECOUNT {
                writer.connection.execute(recount, [])?;
            }
            Ok(())
        })
        .await
    }
}

const RECOUNT: [&str; 6] = [
    "DELETE FROM intake_batches WHERE intake_key NOT IN (SELECT intake_key FROM intake_documents)",
    "DELETE FROM intake_changes WHERE batch_key NOT IN (SELECT batch_key FROM intake_batches)",
    "DELETE FROM intake_documents WHERE intake_key NOT IN (SELECT intake_key FROM intake_batches)",
    "UPDATE intake_documents AS d SET
        batches = (SELECT count(*) FROM intake_batches b WHERE b.intake_key = d.intake_key),
        size = (SELECT coalesce(sum(size), 0) FROM intake_batches b WHERE b.intake_key = d.intake_key),
        entries = (SELECT count(*) FROM intake_changes c WHERE c.intake_key = d.intake_key),
        ops = (SELECT coalesce(sum(ops), 0) FROM intake_changes c WHERE c.intake_key = d.intake_key),
        max_op = (SELECT coalesce(max(max_op), 0) FROM intake_changes c WHERE c.intake_key = d.intake_key)",
    "DELETE FROM intake_totals",
    "INSERT INTO intake_totals (scope, key, batches, size)
     SELECT 1, d.space_key, count(*), sum(b.size) FROM intake_batches b JOIN intake_documents d USING (intake_key)
     GROUP BY d.space_key
     UNION ALL SELECT 2, account_key, count(*), sum(size) FROM intake_batches GROUP BY account_key",
];
