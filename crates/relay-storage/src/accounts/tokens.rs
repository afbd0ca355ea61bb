//! Tokens: 32 random bytes, shown once as `svt_` and base58. Only their BLAKE3 hash is kept; it needs no salt and no
//! slow hash, because nobody can guess 256 random bits.

use std::fmt;
use std::str::FromStr;

use rusqlite::{OptionalExtension, params};
use sync_wire::AccountId;

use super::{AccountError, account_key, bump_access_version};
use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::options::random_bytes;
use crate::storage::{Reader, Storage, Writer};

const PREFIX: &str = "svt_";

/// Names a token in lists and commands; tells nothing of its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TokenId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A token that was just made.
pub struct NewToken {
    /// Its name.
    pub id: TokenId,
    /// What the device sends. It cannot be read again.
    pub secret: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub account_name: String,
    /// The token.
    pub token: TokenId,
}

/// Names a token by its id or by itself.
#[derive(Debug, Clone, Copy)]
pub enum TokenRef<'a> {
    /// As listed.
    Id(TokenId),
    /// As the device sends it.
    Secret(&'a str),
}

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name.
    pub id: TokenId,
    /// What its maker called it.
    pub label: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; `None` while it is valid.
    pub revoked_at: Option<i64>,
}

impl Storage {
    /// Makes a token for an account. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`AccountError::UnknownAccount`].
    pub async fn create_token(&self, account: AccountId, label: &str) -> Result<NewToken, AccountError> {
        let label = label.chars().take(200).collect::<String>();
        self.write(move |writer| writer.create_token(account, &label)).await
    }

    /// Whom a secret stands for; `None` if it is no valid token.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Principal>, StorageError> {
        let Some(hash) = hash_of(PREFIX, secret) else { return Ok(None) };
        self.read(move |reader| reader.authenticate(&hash)).await
    }

    /// Whether a token that was accepted before still is.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn token_is_valid(&self, token: TokenId) -> Result<bool, StorageError> {
        self.read(move |reader| reader.token_is_valid(token)).await
    }

    /// Ends a token; `false` if there is no such valid token.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn revoke_token(&self, token: TokenRef<'_>) -> Result<bool, StorageError> {
        match token {
            TokenRef::Id(id) => {
                self.write(move |writer| writer.revoke_token("token_key = ?1", &id.0.cast_signed())).await
            }
            TokenRef::Secret(secret) => {
                let Some(hash) = hash_of(PREFIX, secret) else { return Ok(false) };
                self.write(move |writer| writer.revoke_token("hash = ?1", &hash)).await
            }
        }
    }

    /// The tokens of an account, oldest first, revoked ones included.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn tokens(&self, account: AccountId) -> Result<Vec<TokenInfo>, StorageError> {
        self.read(move |reader| reader.tokens(account)).await
    }
}

impl Writer {
    fn create_token(&self, account: AccountId, label: &str) -> Result<NewToken, AccountError> {
        let account_key = account_key(&self.connection, account)?.ok_or(AccountError::UnknownAccount { account })?;
        let bytes: [u8; 32] = random_bytes(&self.context.random);
        let secret = secret_of(PREFIX, &bytes);
        let mut statement = self
            .connection
            .prepare_cached("INSERT INTO tokens (account_key, hash, label, created_at) VALUES (?1, ?2, ?3, ?4)")?;
        let hash = blake3::hash(&bytes);
        let id = statement.insert(params![account_key, hash.as_bytes(), label, (self.context.clock)()])?;
        bump_access_version(&self.connection)?;
        Ok(NewToken { id: TokenId(id.cast_unsigned()), secret })
    }

    fn revoke_token(&self, condition: &str, value: &dyn rusqlite::ToSql) -> Result<bool, StorageError> {
        let sql = format!("UPDATE tokens SET revoked_at = ?2 WHERE {condition} AND revoked_at IS NULL");
        let revoked = self.connection.prepare_cached(&sql)?.execute(params![value, (self.context.clock)()])? > 0;
        if revoked {
            bump_access_version(&self.connection)?;
        }
        Ok(revoked)
    }
}

impl Reader {
    pub(super) fn token_is_valid(&self, token: TokenId) -> Result<bool, StorageError> {
        let sql = "SELECT 1 FROM tokens WHERE token_key = ?1 AND revoked_at IS NULL";
        Ok(self.connection.prepare_cached(sql)?.exists([token.0.cast_signed()])?)
    }

    fn authenticate(&self, hash: &[u8; 32]) -> Result<Option<Principal>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.id, a.name, t.token_key FROM tokens t JOIN accounts a USING (account_key)
             WHERE t.hash = ?1 AND t.revoked_at IS NULL",
        )?;
        let principal = statement.query_row([hash], |row| {
            let token = TokenId(unsigned(row, 2)?);
            Ok(Principal { account: AccountId(row.get(0)?), account_name: row.get(1)?, token })
        });
        Ok(principal.optional()?)
    }

    fn tokens(&self, account: AccountId) -> Result<Vec<TokenInfo>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT t.token_key, t.label, t.created_at, t.revoked_at
             FROM tokens t JOIN accounts a USING (account_key) WHERE a.id = ?1 ORDER BY t.token_key",
        )?;
        let tokens = statement.query_map([account.0], |row| {
            let id = TokenId(unsigned(row, 0)?);
            Ok(TokenInfo { id, label: row.get(1)?, created_at: row.get(2)?, revoked_at: row.get(3)? })
        })?;
        Ok(tokens.collect::<rusqlite::Result<_>>()?)
    }
}

/// How a secret is sent and shown.
pub(super) fn secret_of(prefix: &str, bytes: &[u8; 32]) -> String {
    format!("{prefix}{}", bs58::encode(bytes).into_string())
}

/// The hash that is kept of a secret; `None` if the text is no secret of this prefix at all.
pub(super) fn hash_of(prefix: &str, secret: &str) -> Option<[u8; 32]> {
    let encoded = secret.strip_prefix(prefix).filter(|encoded| encoded.len() <= 44)?;
    let bytes: [u8; 32] = bs58::decode(encoded).into_vec().ok()?.try_into().ok()?;
    Some(*blake3::hash(&bytes).as_bytes())
}
