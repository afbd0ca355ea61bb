//! What was refused, and why: the quarantine as people see it, and what is done with it outside of the log.
//!
//! Written where changes are judged (`change_log`). The row of a fate stays for ever; the bytes of its change for
//! [`KEPT`], and within the limits of its account.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, ToSql, params};
use sync_wire::{AccountId, BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode, SpaceId};

use crate::change_log::{NewFate, Permanence, Place, log_end, unsigned};
use crate::documents::DocumentState;
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// How long the bytes of a refused change are kept.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// Bytes of refused changes that one sweep drops, so that it holds nobody up.
const SWEEP_CHANGES: i64 = 1000;

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// Names this row: what to ask for as [`QuarantineQuery::before`].
    pub key: i64,
    /// Its space.
    pub space: SpaceId,
    /// Its document.
    pub document: DocumentId,
    /// The change.
    pub hash: ChangeHash,
    /// The device that pushed it.
    pub device: DeviceId,
    /// The name of the account, if it is known.
    pub account: Option<String>,
    /// The batch that it came in.
    pub batch: BatchId,
    /// The rule.
    pub code: FateCode,
    /// The change at fault, if that is another one.
    pub culprit: Option<ChangeHash>,
    /// For people.
    pub detail: String,
    /// The limits that it was judged by.
    pub judged_by: u64,
    /// By the relay's clock, in unix milliseconds.
    pub decided_at: i64,
    /// Whether it is refused for ever; else it went with a culprit, and without that one it is judged anew.
    pub is_final: bool,
    /// Size of the change, while its bytes are kept.
    pub bytes: Option<u64>,
}

/// Which refused changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuarantineQuery {
    /// In this space only.
    pub space: Option<SpaceId>,
    /// Of this document only.
    pub document: Option<DocumentId>,
    /// Pushed by this account only.
    pub account: Option<AccountId>,
    /// With this hash only.
    pub hash: Option<ChangeHash>,
    /// Refused before the one with this key.
    pub before: Option<i64>,
}

/// Refused changes, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinePage {
    /// The newest first.
    pub changes: Vec<RefusedChange>,
    /// If there are more: what to ask for as [`QuarantineQuery::before`].
    pub next: Option<i64>,
}

/// A change that is refused without its bytes at hand: its check ended the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condemned {
    /// The space that it was pushed to.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// The change.
    pub hash: ChangeHash,
    /// Who pushed it.
    pub account: AccountId,
    /// From where.
    pub device: DeviceId,
    /// In which batch.
    pub batch: BatchId,
    /// For people.
    pub detail: String,
}

impl Storage {
    /// Lists at most `limit` refused changes (at least one), the newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn quarantine(&self, query: QuarantineQuery, limit: usize) -> Result<QuarantinePage, StorageError> {
        self.read(move |reader| reader.quarantine(&query, limit.max(1))).await
    }

    /// The bytes of a refused change, as they were pushed, while they are kept.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn refused_bytes(&self, key: i64) -> Result<Option<Blob>, StorageError> {
        self.read(move |reader| {
            let mut statement = reader.connection.prepare_cached("SELECT bytes FROM refused WHERE fate_key = ?1")?;
            let bytes = statement.query_row([key], |row| row.get::<_, Vec<u8>>(0)).optional()?;
            Ok(bytes.map(Blob::from))
        })
        .await
    }

    /// Where a document stands, and which of these changes were refused for ever before, pushed by this device.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn document_and_refused(
        &self,
        space: SpaceId,
        document: DocumentId,
        device: DeviceId,
        hashes: Vec<ChangeHash>,
    ) -> Result<(Option<DocumentState>, Vec<ChangeHash>), StorageError> {
        self.read(move |reader| {
            let state = reader.document_state(space, document)?;
            Ok((state, reader.refused_of(space, document, device, hashes)?))
        })
        .await
    }

    /// Refuses a change as dangerous without judging it. Nothing, if there is no such space, or if it was refused
    /// before.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn condemn(&self, condemned: Condemned) -> Result<(), StorageError> {
        self.write(move |writer| writer.condemn(&condemned)).await
    }

    /// Drops bytes of refused changes that were kept for [`KEPT`]; how many. Call it again while it drops some.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sweep_refused(&self) -> Result<usize, StorageError> {
        let is_due = self.read(|reader| {
            let mut statement =
                reader.connection.prepare_cached("SELECT kept_at FROM refused ORDER BY fate_key LIMIT 1")?;
            let oldest: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
            Ok::<_, StorageError>(oldest.is_some_and(|kept_at| kept_at < too_old((reader.context.clock)())))
        });
        // A write is a commit, and a commit makes every answer in memory be read again.
        if is_due.await? { self.write(Writer::sweep_refused).await } else { Ok(0) }
    }
}

fn too_old(now: i64) -> i64 {
    now.saturating_sub(i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX))
}

impl Reader {
    fn quarantine(&self, query: &QuarantineQuery, limit: usize) -> Result<QuarantinePage, StorageError> {
        let mut conditions = vec!["f.fate_key < ?1", "?2 > 0"];
        let before = query.before.unwrap_or(i64::MAX);
        // One more than asked for says whether there are more.
        let limit_and_one = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut values: Vec<&dyn ToSql> = vec![&before, &limit_and_one];
        let filters: [(&'static str, Option<&dyn ToSql>); 4] = [
            ("s.id = ?", query.space.as_ref().map(|space| &space.0 as &dyn ToSql)),
            ("f.document = ?", query.document.as_ref().map(|document| &document.0 as &dyn ToSql)),
            ("a.id = ?", query.account.as_ref().map(|account| &account.0 as &dyn ToSql)),
            ("f.hash = ?", query.hash.as_ref().map(|hash| &hash.0 as &dyn ToSql)),
        ];
        for (condition, value) in filters {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        }
        let sql = format!(
            "SELECT f.fate_key, s.id, f.document, f.hash, f.device, a.name, f.batch, f.code, f.culprit, f.detail,
                    f.judged_by, f.decided_at, f.final, r.size
             FROM fates f JOIN spaces s USING (space_key) LEFT JOIN accounts a USING (account_key)
             LEFT JOIN refused r USING (fate_key)
             WHERE {} ORDER BY f.fate_key DESC LIMIT ?2",
            conditions.join(" AND ")
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let changes = statement.query_map(&values[..], refused_change)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut page = QuarantinePage { changes, next: None };
        if page.changes.len() > limit {
            page.changes.truncate(limit);
            page.next = page.changes.last().map(|change| change.key);
        }
        Ok(page)
    }

    fn refused_of(
        &self,
        space: SpaceId,
        document: DocumentId,
        device: DeviceId,
        mut hashes: Vec<ChangeHash>,
    ) -> Result<Vec<ChangeHash>, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(Vec::new()) };
        let mut any = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM fates WHERE space_key = ?1 AND document = ?2)")?;
        if !any.query_row(params![log.space_key, document.0], |row| row.get(0))? {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM fates
                            WHERE space_key = ?1 AND document = ?2 AND hash = ?3 AND device = ?4 AND final)",
        )?;
        let mut failure = None;
        hashes.retain(|hash| {
            let found = statement.query_row(params![log.space_key, document.0, hash.0, device.0], |row| row.get(0));
            found.unwrap_or_else(|error| {
                failure.get_or_insert(error);
                false
            })
        });
        failure.map_or(Ok(hashes), |error| Err(error.into()))
    }
}

fn refused_change(row: &Row<'_>) -> rusqlite::Result<RefusedChange> {
    Ok(RefusedChange {
        key: row.get(0)?,
        space: SpaceId(row.get(1)?),
        document: DocumentId(row.get(2)?),
        hash: ChangeHash(row.get(3)?),
        device: DeviceId(row.get(4)?),
        account: row.get(5)?,
        batch: BatchId(row.get(6)?),
        code: FateCode(row.get(7)?),
        culprit: row.get::<_, Option<[u8; 32]>>(8)?.map(ChangeHash),
        detail: row.get(9)?,
        judged_by: unsigned(row, 10)?,
        decided_at: row.get(11)?,
        is_final: row.get(12)?,
        bytes: row.get::<_, Option<i64>>(13)?.map(i64::cast_unsigned),
    })
}

impl Writer {
    fn condemn(&mut self, condemned: &Condemned) -> Result<(), StorageError> {
        let Some(log) = log_end(&self.connection, condemned.space)? else { return Ok(()) };
        let mut statement = self.connection.prepare_cached("SELECT account_key FROM accounts WHERE id = ?1")?;
        let account_key = statement.query_row([condemned.account.0], |row| row.get(0)).optional()?.unwrap_or(0);
        drop(statement);
        let Condemned { document, device, batch, hash, .. } = *condemned;
        let now = (self.context.clock)();
        let place = Place { space_key: log.space_key, document, account_key, device, batch, now };
        let fate = NewFate {
            hash,
            code: FateCode::DANGEROUS,
            culprit: None,
            detail: &condemned.detail,
            permanence: Permanence::Final,
            bytes: None,
        };
        self.note_fate(place, &fate)
    }

    fn sweep_refused(&mut self) -> Result<usize, StorageError> {
        let before = too_old((self.context.clock)());
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM refused
             WHERE fate_key IN (SELECT fate_key FROM refused ORDER BY fate_key LIMIT ?2) AND kept_at < ?1",
        )?;
        let dropped = statement.execute(params![before, SWEEP_CHANGES])?;
        drop(statement);
        self.note_swept();
        Ok(dropped)
    }
}
