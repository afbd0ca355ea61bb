//! What was refused, and why: the quarantine as people see it, and what is done with it outside of the log.
//!
//! Written where changes are judged (`change_log`). The row of a fate stays for ever; the bytes of its change for
//! [`KEPT`], within the limits of its account, and until that discards them. What is discarded belongs to nobody: its
//! row has no account any more, and goes on to answer its device.

use std::collections::HashSet;
use std::time::Duration;

use document::Header;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use sync_wire::{AccountId, BatchId, Blob, ChangeHash, DeviceId, DocumentId, FateCode, SpaceId};

use crate::accounts::account_key;
use crate::change_log::{NewFate, Permanence, Place, log_end, unsigned};
use crate::documents::DocumentState;
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// How long the bytes of a refused change are kept.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// Bytes of refused changes that one sweep drops, so that it holds nobody up.
const SWEEP_CHANGES: i64 = 1000;
/// How many refused changes below another one are looked for.
const PAST_MAX: usize = 64;
/// Devices of an account that pushed one change and were refused are few: clones of a vault.
const DEVICES_LOOKED_AT: usize = 16;
/// The account of what nobody has in quarantine.
const NOBODY: i64 = 0;

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

/// A refused change, with its bytes while they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptChange {
    /// What is known of it.
    pub change: RefusedChange,
    /// As they were pushed.
    pub bytes: Option<Blob>,
}

/// A refused change, and what below it was refused of the same account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPast {
    /// The change.
    pub kept: KeptChange,
    /// What it rests on, causes before effects. Some of it another device may have brought into the log.
    pub before: Vec<KeptChange>,
    /// Whether that is all; else it is too much to be looked at.
    pub is_whole: bool,
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

    /// A refused change that the query names, with its bytes. It may have been pushed several times: the newest push of
    /// which the bytes are kept, else the newest.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn refused_change(&self, query: QuarantineQuery) -> Result<Option<KeptChange>, StorageError> {
        self.read(move |reader| reader.refused_change(&query)).await
    }

    /// A refused change of an account, with what it rests on that was refused as well.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn refused_past(
        &self,
        space: SpaceId,
        account: AccountId,
        hash: ChangeHash,
    ) -> Result<Option<RefusedPast>, StorageError> {
        self.read(move |reader| reader.refused_past(space, account, hash)).await
    }

    /// In which document, and in which batch, an account pushed a refused change: one that is in its quarantine, or was
    /// discarded since.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn refused_in(
        &self,
        space: SpaceId,
        account: AccountId,
        hash: ChangeHash,
    ) -> Result<Option<(DocumentId, BatchId)>, StorageError> {
        self.read(move |reader| refused_in(&reader.connection, space, account, hash)).await
    }

    /// Takes a change out of the quarantine of its account, with its bytes. Pushed again, it is refused as before.
    /// `false`: the account has and had no such change in the space; discarding it twice is no difference.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn discard_refused(
        &self,
        space: SpaceId,
        account: AccountId,
        hash: ChangeHash,
    ) -> Result<bool, StorageError> {
        self.write(move |writer| writer.discard_refused(space, account, hash)).await
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
        let changes = statement.query_map(&values[..], refused_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut page = QuarantinePage { changes, next: None };
        if page.changes.len() > limit {
            page.changes.truncate(limit);
            page.next = page.changes.last().map(|change| change.key);
        }
        Ok(page)
    }

    fn refused_change(&self, query: &QuarantineQuery) -> Result<Option<KeptChange>, StorageError> {
        let mut found = self.quarantine(query, DEVICES_LOOKED_AT)?.changes;
        let at = found.iter().position(|change| change.bytes.is_some()).unwrap_or(0);
        if found.is_empty() {
            return Ok(None);
        }
        let change = found.swap_remove(at);
        let mut statement = self.connection.prepare_cached("SELECT bytes FROM refused WHERE fate_key = ?1")?;
        let bytes = statement.query_row([change.key], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        Ok(Some(KeptChange { change, bytes: bytes.map(Blob::from) }))
    }

    fn refused_past(
        &self,
        space: SpaceId,
        account: AccountId,
        hash: ChangeHash,
    ) -> Result<Option<RefusedPast>, StorageError> {
        let mine = QuarantineQuery { space: Some(space), account: Some(account), ..QuarantineQuery::default() };
        let Some(kept) = self.refused_change(&QuarantineQuery { hash: Some(hash), ..mine })? else { return Ok(None) };
        let mine = QuarantineQuery { document: Some(kept.change.document), ..mine };
        let (mut before, mut seen, mut is_whole) = (Vec::new(), HashSet::from([hash]), true);
        let mut wanted = header_of(&kept).map(|header| header.deps).unwrap_or_default();
        while let Some(next) = wanted.pop() {
            if !seen.insert(next) {
                continue;
            }
            let Some(found) = self.refused_change(&QuarantineQuery { hash: Some(next), ..mine })? else { continue };
            if before.len() == PAST_MAX {
                is_whole = false;
                break;
            }
            let header = header_of(&found);
            let begins = header.as_ref().map_or(0, |header| header.start_op);
            wanted.extend(header.map(|header| header.deps).unwrap_or_default());
            before.push((begins, found));
        }
        // Counters grow from causes to effects.
        before.sort_by_key(|(begins, _)| *begins);
        let before = before.into_iter().map(|(_, found)| found).collect();
        Ok(Some(RefusedPast { kept, before, is_whole }))
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

/// Whose it was that was discarded, its device still says.
fn refused_in(
    connection: &Connection,
    space: SpaceId,
    account: AccountId,
    hash: ChangeHash,
) -> Result<Option<(DocumentId, BatchId)>, StorageError> {
    let Some(log) = log_end(connection, space)? else { return Ok(None) };
    let Some(account_key) = account_key(connection, account)? else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "SELECT f.document, f.batch FROM fates f LEFT JOIN devices d ON d.id = f.device
         WHERE f.space_key = ?1 AND f.hash = ?3
           AND (f.account_key = ?2 OR f.account_key = ?4 AND d.account_key = ?2)
         ORDER BY f.account_key = ?4, f.fate_key DESC LIMIT 1",
    )?;
    let values = params![log.space_key, account_key, hash.0, NOBODY];
    let found = statement.query_row(values, |row| Ok((DocumentId(row.get(0)?), BatchId(row.get(1)?))));
    Ok(found.optional()?)
}

fn header_of(kept: &KeptChange) -> Option<Header> {
    kept.bytes.as_ref().and_then(|bytes| Header::parse(bytes).ok())
}

fn refused_row(row: &Row<'_>) -> rusqlite::Result<RefusedChange> {
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
        let account_key = statement.query_row([condemned.account.0], |row| row.get(0)).optional()?.unwrap_or(NOBODY);
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
        self.note_fate(place, &fate)?;
        // It may have been refused before, for another reason, and have ended the relay when somebody looked at it.
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM refused WHERE fate_key IN
                 (SELECT fate_key FROM fates
                  WHERE space_key = ?1 AND document = ?2 AND hash = ?3 AND device = ?4)",
        )?;
        let dropped = statement.execute(params![log.space_key, document.0, hash.0, device.0])?;
        drop(statement);
        if dropped > 0 {
            self.note_swept();
        }
        Ok(())
    }

    fn discard_refused(&mut self, space: SpaceId, account: AccountId, hash: ChangeHash) -> Result<bool, StorageError> {
        let Some(log) = log_end(&self.connection, space)? else { return Ok(false) };
        let Some(account_key) = account_key(&self.connection, account)? else { return Ok(false) };
        let mut statement = self.connection.prepare_cached(
            "UPDATE fates SET account_key = ?4 WHERE space_key = ?1 AND account_key = ?2 AND hash = ?3
             RETURNING fate_key",
        )?;
        let values = params![log.space_key, account_key, hash.0, NOBODY];
        let discarded = statement.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        drop(statement);
        let mut statement = self.connection.prepare_cached("DELETE FROM refused WHERE fate_key = ?1")?;
        for fate_key in &discarded {
            statement.execute([fate_key])?;
        }
        drop(statement);
        if !discarded.is_empty() {
            self.note_swept();
            return Ok(true);
        }
        Ok(refused_in(&self.connection, space, account, hash)?.is_some())
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
