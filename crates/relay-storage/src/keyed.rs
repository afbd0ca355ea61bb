//! Requests that carry a key of their sender (`Idempotency-Key`), so that one that is repeated does not write twice.
//!
//! A request is begun before anything is done for it and answered after; both are commits of their own. Whoever dies in
//! between leaves a row whose lease ends: the next repetition is told so, and finds out from the log what was done.
//! What came to nothing is forgotten, so that the same key can be tried with something better.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use sync_wire::AccountId;

use crate::accounts::{AccountError, account_key};
use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::storage::{Reader, Storage, Writer};

/// How long a key is remembered, from its first use on.
pub const KEYED_KEPT: Duration = Duration::from_hours(24);
/// How long one request may take before a repetition takes it over. Longer than any request is let run.
pub const KEYED_LEASE: Duration = Duration::from_mins(2);
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 1024;
/// Rows that one sweep drops, so that it holds nobody up.
const SWEEP_ROWS: i64 = 1000;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    /// Nothing was: the request is the caller's to do.
    Begun,
    /// Somebody began it and is gone. It is the caller's to find out what was done, and to do the rest.
    TakenOver,
    /// It is being done.
    Underway,
    /// It was done, with this answer.
    Answered(Vec<u8>),
    /// Another request has the key.
    OfAnother,
    /// The account has as many keys as it may.
    Full {
        /// How many.
        most: u64,
    },
}

struct Row {
    fingerprint: [u8; 32],
    begun_at: i64,
    leased_until: i64,
    answer: Option<Vec<u8>>,
}

impl Storage {
    /// Begins a request with a key, or says what became of it. `fingerprint` is of all that the request says. Keys
    /// belong to their account, and are forgotten after [`KEYED_KEPT`].
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn begin_keyed(
        &self,
        account: AccountId,
        key: &str,
        fingerprint: [u8; 32],
    ) -> Result<Keyed, AccountError> {
        let key = key.to_owned();
        self.write(move |writer| writer.begin_keyed(account, &key, fingerprint)).await
    }

    /// Keeps the answer of a request that was begun.
    ///
    /// # Errors
    /// [`StorageError`]: the next repetition takes the request over when its lease has ended.
    ///
    /// # Panics
    /// If the answer has more than 1 KiB: it names what was made, and does not hold it.
    pub async fn answer_keyed(&self, account: AccountId, key: &str, answer: Vec<u8>) -> Result<(), StorageError> {
        assert!(answer.len() <= ANSWER_BYTES_MAX, "an answer of {} bytes was to be kept", answer.len());
        let key = key.to_owned();
        self.write(move |writer| writer.answer_keyed(account, &key, &answer)).await
    }

    /// Forgets a request that was begun and came to nothing.
    ///
    /// # Errors
    /// [`StorageError`]: as for [`Storage::answer_keyed`].
    pub async fn forget_keyed(&self, account: AccountId, key: &str) -> Result<(), StorageError> {
        let key = key.to_owned();
        self.write(move |writer| writer.forget_keyed(account, &key)).await
    }

    /// Ends the leases of all requests: for a process that begins, and is alone with the storage.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_keyed_leases(&self) -> Result<(), StorageError> {
        self.write(|writer| {
            let sql = "UPDATE keyed_requests SET leased_until = 0 WHERE NOT answered";
            writer.connection.prepare_cached(sql)?.execute([])?;
            Ok(())
        })
        .await
    }

    /// Drops keys that are older than [`KEYED_KEPT`], some at a time; how many.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sweep_keyed(&self) -> Result<usize, StorageError> {
        if !self.read(Reader::has_old_keys).await? {
            return Ok(0);
        }
        self.write(Writer::sweep_keyed).await
    }
}

impl Reader {
    fn has_old_keys(&self) -> Result<bool, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM keyed_requests WHERE begun_at < ?1)")?;
        Ok(statement.query_row([too_old((self.context.clock)())], |row| row.get(0))?)
    }
}

impl Writer {
    fn begin_keyed(&self, account: AccountId, key: &str, fingerprint: [u8; 32]) -> Result<Keyed, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let now = (self.context.clock)();
        let row = self.keyed(account_key, key)?.filter(|row| row.begun_at >= too_old(now));
        match row {
            None => self.insert_keyed(account_key, key, fingerprint, now),
            Some(row) if row.fingerprint != fingerprint => Ok(Keyed::OfAnother),
            Some(Row { answer: Some(answer), .. }) => Ok(Keyed::Answered(answer)),
            Some(row) if row.leased_until >= now => Ok(Keyed::Underway),
            Some(_) => {
                let mut statement = self.connection.prepare_cached(
                    "UPDATE keyed_requests SET holder = ?3, leased_until = ?4 WHERE account_key = ?1 AND key = ?2",
                )?;
                statement.execute(params![account_key, key, self.context.holder, until(now)])?;
                Ok(Keyed::TakenOver)
            }
        }
    }

    fn keyed(&self, account_key: i64, key: &str) -> Result<Option<Row>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT fingerprint, begun_at, leased_until, CASE WHEN answered THEN answer END FROM keyed_requests
             WHERE account_key = ?1 AND key = ?2",
        )?;
        let row = statement.query_row(params![account_key, key], |row| {
            let (fingerprint, begun_at) = (row.get(0)?, row.get(1)?);
            Ok(Row { fingerprint, begun_at, leased_until: row.get(2)?, answer: row.get(3)? })
        });
        Ok(row.optional()?)
    }

    fn insert_keyed(
        &self,
        account_key: i64,
        key: &str,
        fingerprint: [u8; 32],
        now: i64,
    ) -> Result<Keyed, AccountError> {
        let mut statement =
            self.connection.prepare_cached("SELECT count(*) FROM keyed_requests WHERE account_key = ?1")?;
        let most = self.context.limits.keyed_requests_max;
        if statement.query_row([account_key], |row| unsigned(row, 0))? >= most {
            return Ok(Keyed::Full { most });
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO keyed_requests (account_key, key, fingerprint, begun_at, holder, leased_until,
                                                    answered, answer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, x'')",
        )?;
        statement.execute(params![account_key, key, fingerprint, now, self.context.holder, until(now)])?;
        Ok(Keyed::Begun)
    }

    /// Nothing, if somebody else has taken it over.
    fn answer_keyed(&self, account: AccountId, key: &str, answer: &[u8]) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE keyed_requests SET answered = 1, answer = ?3
             WHERE account_key = (SELECT account_key FROM accounts WHERE id = ?1) AND key = ?2 AND holder = ?4",
        )?;
        statement.execute(params![account.0, key, answer, self.context.holder])?;
        Ok(())
    }

    fn forget_keyed(&self, account: AccountId, key: &str) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM keyed_requests
             WHERE account_key = (SELECT account_key FROM accounts WHERE id = ?1) AND key = ?2 AND holder = ?3
               AND NOT answered",
        )?;
        statement.execute(params![account.0, key, self.context.holder])?;
        Ok(())
    }

    fn sweep_keyed(&mut self) -> Result<usize, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM keyed_requests WHERE (account_key, key) IN
             (SELECT account_key, key FROM keyed_requests WHERE begun_at < ?1 LIMIT ?2)",
        )?;
        Ok(statement.execute(params![too_old((self.context.clock)()), SWEEP_ROWS])?)
    }
}

/// Forgets all keys. In a copy of the storage: what they say was done may be lost with the end of the log.
pub(crate) fn forget_all(connection: &rusqlite::Connection) -> Result<(), StorageError> {
    connection.execute("DELETE FROM keyed_requests", [])?;
    Ok(())
}

fn until(now: i64) -> i64 {
    now.saturating_add(milliseconds(KEYED_LEASE))
}

fn too_old(now: i64) -> i64 {
    now.saturating_sub(milliseconds(KEYED_KEPT))
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
