//! Browsers that are signed in: by a link that works once, as a session of their own.
//!
//! Codes of links and secrets of sessions are made and kept as tokens are: 32 random bytes, of which only the hash is
//! kept. What is over is deleted, so that neither outlives its use in a file that somebody copies.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use sync_wire::AccountId;

use super::tokens::{hash_of, secret_of};
use super::{AccountError, account_key, bump_access_version};
use crate::error::StorageError;
use crate::options::random_bytes;
use crate::storage::{Reader, Storage, Writer};

/// How long a link signs in.
pub const LINK_KEPT: Duration = Duration::from_secs(15 * 60);
/// Links of one account that sign in at once; a new one takes the place of the oldest.
pub const LINKS_MAX: u64 = 8;
/// How long a session lasts that nobody uses.
pub const WEB_SESSION_IDLE: Duration = Duration::from_hours(14 * 24);
/// How long a session lasts, however much it is used.
pub const WEB_SESSION_KEPT: Duration = Duration::from_hours(90 * 24);
/// Sessions of one account; a new one takes the place of the one that was not used for longest.
pub const WEB_SESSIONS_MAX: u64 = 32;
/// Of what a browser calls itself no more is kept.
pub const WEB_AGENT_BYTES_MAX: usize = 200;

/// Uses are noted at most this often, so that reading writes nothing.
const NOTED_EVERY: Duration = Duration::from_hours(1);
const CODE_PREFIX: &str = "svl_";
const SECRET_PREFIX: &str = "svs_";

/// Names a session in lists and requests; tells nothing of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebSessionId(u64);

impl fmt::Display for WebSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a text names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session is named by 16 hexadecimal digits, as listed")]
pub struct NoWebSessionId;

impl FromStr for WebSessionId {
    type Err = NoWebSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if text.len() != 16 || !text.as_bytes().iter().all(is_digit) {
            return Err(NoWebSessionId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NoWebSessionId)
    }
}

/// A session that has just begun.
pub struct NewWebSession {
    /// Whose it is.
    pub account: AccountId,
    /// What it looks like in lists.
    pub session: WebSession,
    /// What the browser sends. It cannot be read again.
    pub secret: String,
}

impl fmt::Debug for NewWebSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, session, secret: _ } = self;
        f.debug_struct("NewWebSession").field("account", account).field("session", session).finish_non_exhaustive()
    }
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// Its name.
    pub id: WebSessionId,
    /// What the browser called itself when it signed in.
    pub agent: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds, exact to an hour.
    pub used_at: i64,
    /// When it ends if it is not used again: unix milliseconds.
    pub expires_at: i64,
}

/// Whom a session stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPrincipal {
    /// The account.
    pub account: AccountId,
    /// The session.
    pub session: WebSessionId,
    /// How long that is true and nothing has to be noted: for at least so long nobody needs to ask again.
    pub good_for: Duration,
    /// Whether its use is to be noted with [`Storage::note_web_session`].
    pub is_to_be_noted: bool,
}

impl Storage {
    /// Makes a code that signs the account in, once. It is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn create_sign_in_link(&self, account: AccountId) -> Result<String, AccountError> {
        self.write(move |writer| writer.create_sign_in_link(account)).await
    }

    /// Begins a session with the code of a link, which is used up by that; `None` if it is none, or none any more. Of
    /// too many sessions the one that was not used for longest ends as any credential that is revoked.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn sign_in(&self, code: &str, agent: &str) -> Result<Option<NewWebSession>, StorageError> {
        let Some(hash) = hash_of(CODE_PREFIX, code) else { return Ok(None) };
        // Whoever guesses costs the writer nothing.
        if !self.read(move |reader| reader.has_link(&hash)).await? {
            return Ok(None);
        }
        let agent = agent[..agent.floor_char_boundary(WEB_AGENT_BYTES_MAX)].to_owned();
        self.write(move |writer| writer.sign_in(&hash, &agent)).await
    }

    /// Whom the secret of a session stands for; `None` if it is none, or none any more.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn web_principal(&self, secret: &str) -> Result<Option<WebPrincipal>, StorageError> {
        let Some(hash) = hash_of(SECRET_PREFIX, secret) else { return Ok(None) };
        self.read(move |reader| reader.web_principal(&hash)).await
    }

    /// Notes that a session is used now.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn note_web_session(&self, session: WebSessionId) -> Result<(), StorageError> {
        self.write(move |writer| {
            let sql = "UPDATE web_sessions SET used_at = max(used_at, ?2) WHERE session = ?1";
            writer.connection.prepare_cached(sql)?.execute(params![key(session), (writer.context.clock)()])?;
            Ok(())
        })
        .await
    }

    /// Whether a session that was accepted before still is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn web_session_is_valid(&self, session: WebSessionId) -> Result<bool, StorageError> {
        self.read(move |reader| reader.web_session_is_valid(session)).await
    }

    /// The sessions of an account, the one that was used last first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn web_sessions(&self, account: AccountId) -> Result<Vec<WebSession>, StorageError> {
        self.read(move |reader| reader.web_sessions(account)).await
    }

    /// Ends a session of an account; `false` if it has none of that name.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_web_session(&self, account: AccountId, session: WebSessionId) -> Result<bool, StorageError> {
        self.write(move |writer| writer.end_web_session(account, session)).await
    }

    /// Deletes sessions and links whose time is over, so that what they still have open ends as well; whether there
    /// were sessions.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_old_web_sessions(&self) -> Result<bool, StorageError> {
        // Seldom is there one, and a look costs no flush.
        if !self.read(|reader| reader.has_old_web_sessions()).await? {
            return Ok(false);
        }
        self.write(|writer| writer.end_old_web_sessions()).await
    }
}

/// Since when a session must have begun, and been used, not to be over.
fn bounds(now: i64) -> (i64, i64) {
    (now.saturating_sub(millis(WEB_SESSION_KEPT)), now.saturating_sub(millis(WEB_SESSION_IDLE)))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

const fn key(session: WebSessionId) -> i64 {
    session.0.cast_signed()
}

fn expires_at(created_at: i64, used_at: i64) -> i64 {
    created_at.saturating_add(millis(WEB_SESSION_KEPT)).min(used_at.saturating_add(millis(WEB_SESSION_IDLE)))
}

impl Writer {
    fn create_sign_in_link(&self, account: AccountId) -> Result<String, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let bytes: [u8; 32] = random_bytes(&self.context.random);
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO sign_in_links (hash, account_key, created_at) VALUES (?1, ?2, ?3)")?;
        let hash = blake3::hash(&bytes);
        statement.execute(params![hash.as_bytes(), account_key, (self.context.clock)()])?;
        // The newest stay.
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM sign_in_links WHERE hash IN (
                 SELECT hash FROM sign_in_links WHERE account_key = ?1 AND hash != ?3
                 ORDER BY created_at DESC LIMIT -1 OFFSET ?2)",
        )?;
        statement.execute(params![account_key, LINKS_MAX.cast_signed() - 1, hash.as_bytes()])?;
        Ok(secret_of(CODE_PREFIX, &bytes))
    }

    fn sign_in(&self, code: &[u8; 32], agent: &str) -> Result<Option<NewWebSession>, StorageError> {
        let now = (self.context.clock)();
        let mut statement = self
            .connection
            .prepare_cached("DELETE FROM sign_in_links WHERE hash = ?1 RETURNING account_key, created_at")?;
        let link = statement.query_row([code], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
        let is_current = |(_, created_at): &(i64, i64)| now.saturating_sub(*created_at) < millis(LINK_KEPT);
        let Some((account_key, _)) = link.filter(is_current) else { return Ok(None) };
        let bytes: [u8; 32] = random_bytes(&self.context.random);
        let id = WebSessionId(u64::from_le_bytes(random_bytes(&self.context.random)));
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO web_sessions (session, hash, account_key, agent, created_at, used_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        )?;
        statement.execute(params![key(id), blake3::hash(&bytes).as_bytes(), account_key, agent, now])?;
        self.make_room_for(account_key, id)?;
        let mut statement = self.connection.prepare_cached("SELECT id FROM accounts WHERE account_key = ?1")?;
        let account = statement.query_row([account_key], |row| row.get(0).map(AccountId))?;
        let session =
            WebSession { id, agent: agent.to_owned(), created_at: now, used_at: now, expires_at: expires_at(now, now) };
        Ok(Some(NewWebSession { account, session, secret: secret_of(SECRET_PREFIX, &bytes) }))
    }

    /// Ends the sessions that were not used for longest, if there are too many with this one.
    fn make_room_for(&self, account_key: i64, new: WebSessionId) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM web_sessions WHERE session IN (
                 SELECT session FROM web_sessions WHERE account_key = ?1 AND session != ?3
                 ORDER BY used_at DESC LIMIT -1 OFFSET ?2)",
        )?;
        let ended = statement.execute(params![account_key, WEB_SESSIONS_MAX.cast_signed() - 1, key(new)])?;
        if ended > 0 {
            bump_access_version(&self.connection)?;
        }
        Ok(())
    }

    fn end_web_session(&self, account: AccountId, session: WebSessionId) -> Result<bool, StorageError> {
        let Some(account_key) = account_key(&self.connection, account)? else { return Ok(false) };
        let mut statement =
            self.connection.prepare_cached("DELETE FROM web_sessions WHERE session = ?1 AND account_key = ?2")?;
        let is_ended = statement.execute([key(session), account_key])? > 0;
        if is_ended {
            bump_access_version(&self.connection)?;
        }
        Ok(is_ended)
    }

    fn end_old_web_sessions(&self) -> Result<bool, StorageError> {
        let now = (self.context.clock)();
        let (created, used) = bounds(now);
        let sql = "DELETE FROM web_sessions WHERE created_at <= ?1 OR used_at <= ?2";
        let are_ended = self.connection.prepare_cached(sql)?.execute([created, used])? > 0;
        if are_ended {
            bump_access_version(&self.connection)?;
        }
        let sql = "DELETE FROM sign_in_links WHERE created_at <= ?1";
        self.connection.prepare_cached(sql)?.execute([now.saturating_sub(millis(LINK_KEPT))])?;
        Ok(are_ended)
    }
}

impl Reader {
    fn has_link(&self, code: &[u8; 32]) -> Result<bool, StorageError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM sign_in_links WHERE hash = ?1")?.exists([code])?)
    }

    fn web_principal(&self, hash: &[u8; 32]) -> Result<Option<WebPrincipal>, StorageError> {
        let now = (self.context.clock)();
        let (created, used) = bounds(now);
        let mut statement = self.connection.prepare_cached(
            "SELECT a.id, w.session, w.created_at, w.used_at FROM web_sessions w JOIN accounts a USING (account_key)
             WHERE w.hash = ?1 AND w.created_at > ?2 AND w.used_at > ?3",
        )?;
        let found = statement.query_row(params![hash, created, used], |row| {
            let (created_at, used_at): (i64, i64) = (row.get(2)?, row.get(3)?);
            let noted_until = used_at.saturating_add(millis(NOTED_EVERY));
            let is_to_be_noted = noted_until <= now;
            let asked_until = if is_to_be_noted { now.saturating_add(millis(NOTED_EVERY)) } else { noted_until };
            let left = expires_at(created_at, used_at).min(asked_until).saturating_sub(now);
            Ok(WebPrincipal {
                account: AccountId(row.get(0)?),
                session: session_of(row, 1)?,
                good_for: Duration::from_millis(u64::try_from(left).unwrap_or_default()),
                is_to_be_noted,
            })
        });
        Ok(found.optional()?)
    }

    pub(super) fn web_session_is_valid(&self, session: WebSessionId) -> Result<bool, StorageError> {
        let (created, used) = bounds((self.context.clock)());
        let sql = "SELECT 1 FROM web_sessions WHERE session = ?1 AND created_at > ?2 AND used_at > ?3";
        Ok(self.connection.prepare_cached(sql)?.exists([key(session), created, used])?)
    }

    fn web_sessions(&self, account: AccountId) -> Result<Vec<WebSession>, StorageError> {
        let (created, used) = bounds((self.context.clock)());
        let mut statement = self.connection.prepare_cached(
            "SELECT w.session, w.agent, w.created_at, w.used_at FROM web_sessions w JOIN accounts a USING (account_key)
             WHERE a.id = ?1 AND w.created_at > ?2 AND w.used_at > ?3 ORDER BY w.used_at DESC, w.created_at DESC",
        )?;
        let sessions = statement.query_map(params![account.0, created, used], |row| {
            let (created_at, used_at) = (row.get(2)?, row.get(3)?);
            let expires_at = expires_at(created_at, used_at);
            Ok(WebSession { id: session_of(row, 0)?, agent: row.get(1)?, created_at, used_at, expires_at })
        })?;
        Ok(sessions.collect::<rusqlite::Result<_>>()?)
    }

    fn has_old_web_sessions(&self) -> Result<bool, StorageError> {
        let now = (self.context.clock)();
        let (created, used) = bounds(now);
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM web_sessions WHERE created_at <= ?1 OR used_at <= ?2)
                 OR EXISTS (SELECT 1 FROM sign_in_links WHERE created_at <= ?3)",
        )?;
        let links = now.saturating_sub(millis(LINK_KEPT));
        Ok(statement.query_row([created, used, links], |row| row.get(0))?)
    }
}

fn session_of(row: &Row<'_>, column: usize) -> rusqlite::Result<WebSessionId> {
    row.get::<_, i64>(column).map(|session| WebSessionId(session.cast_unsigned()))
}

/// Forgets all links and sessions: a copy that is put back must not let in who was shown out since.
pub(crate) fn forget_web_sessions(connection: &rusqlite::Connection) -> Result<(), StorageError> {
    connection.execute_batch("DELETE FROM sign_in_links; DELETE FROM web_sessions;")?;
    Ok(())
}
