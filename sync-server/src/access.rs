//! Who may do what. The only place that makes a [`Caller`], a [`Readable`], a [`Writable`] or an [`Owned`]: whoever
//! holds one has been checked, and what needs one cannot be called without.
//!
//! Tokens and grants are remembered between requests, and all of that is forgotten when storage says that any of them
//! changed ([`watch`]). An append is checked again inside its own transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use relay_storage::{RoleRead, SpaceGrant, StorageError, TokenId};
use sync_wire::{AccountId, Role, Salt, SpaceId, SpaceKind};
use tracing::{debug, warn};

use crate::app::App;

/// Accounts whose grants are remembered.
const GRANTS_CACHED_MAX: usize = 10_000;
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 256;

/// An account whose token was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    account: AccountId,
    token: TokenId,
}

impl Caller {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The token, for asking again later; its secret is not kept.
    #[must_use]
    pub const fn token(&self) -> TokenId {
        self.token
    }
}

/// A space that the caller may read.
#[derive(Debug, Clone)]
pub struct Readable {
    space: SpaceId,
}

impl Readable {
    /// Which space.
    #[must_use]
    pub const fn space(&self) -> SpaceId {
        self.space
    }
}

/// A space that the caller may push to: it is readable, and the role in it was read. Whether a batch may be written is
/// judged in the append's own transaction, after the batch's own fate (PROTOCOL §2): what was accepted once is
/// acknowledged again, even to somebody who may only read by now.
#[derive(Debug, Clone)]
pub struct Writable {
    space: SpaceId,
    account: AccountId,
    grant: RoleRead,
    salt: Salt,
}

impl Writable {
    /// Which space.
    #[must_use]
    pub const fn space(&self) -> SpaceId {
        self.space
    }

    /// Who writes.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The grant, with the version that storage compares in the transaction of the append.
    #[must_use]
    pub const fn grant(&self) -> &RoleRead {
        &self.grant
    }

    /// What the space is for.
    #[must_use]
    pub const fn kind(&self) -> SpaceKind {
        self.grant.kind
    }

    /// Keys the digests of its entries.
    #[must_use]
    pub const fn salt(&self) -> &Salt {
        &self.salt
    }
}

/// A space that the caller owns: he may decide what becomes of its documents.
#[derive(Debug, Clone, Copy)]
pub struct Owned {
    space: SpaceId,
    account: AccountId,
}

impl Owned {
    /// Which space.
    #[must_use]
    pub const fn space(&self) -> SpaceId {
        self.space
    }

    /// Who decides.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }
}

/// Why there is no [`Owned`].
#[derive(Debug, thiserror::Error)]
pub enum OwnedError {
    /// Not readable for this account, whether or not it exists.
    #[error("no space {0} for this account")]
    NoSuchSpace(SpaceId),
    /// Others own it.
    #[error("only an owner of space {0} may do this; ask one for the role, or to do it")]
    NotOwner(SpaceId),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why there is no [`Caller`].
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No `Authorization: Bearer TOKEN`.
    #[error("send `Authorization: Bearer TOKEN`; `sync-server token create` makes a token")]
    Missing,
    /// Not a token of ours, or one that was revoked.
    #[error("the token is unknown or revoked; `sync-server token create` makes a new one")]
    Unknown,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why there is no [`Readable`] or [`Writable`].
#[derive(Debug, thiserror::Error)]
pub enum ReadableError {
    /// Not readable for this account, whether or not it exists: the answer must not tell.
    #[error("no space {0} for this account")]
    NoSuchSpace(SpaceId),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Checks the credentials of a request.
///
/// # Errors
/// [`CallerError`]
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, CallerError> {
    let secret = bearer(headers).ok_or(CallerError::Missing)?;
    let key = *blake3::hash(secret.as_bytes()).as_bytes();
    let (known, generation) = app.access.token(&key);
    if let Some(caller) = known {
        return Ok(caller);
    }
    // Boxed: what rarely happens must not make the future of every request large.
    let principal = Box::pin(app.storage.authenticate(secret)).await?.ok_or(CallerError::Unknown)?;
    let caller = Caller { account: principal.account, token: principal.token };
    app.access.remember_token(key, caller.clone(), generation);
    Ok(caller)
}

/// As [`caller`], for whoever is remembered; says nothing about others.
pub fn remembered_caller(app: &App, headers: &HeaderMap) -> Option<Caller> {
    app.access.token(blake3::hash(bearer(headers)?.as_bytes()).as_bytes()).0
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    let is_usable = scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty() && secret.len() <= TOKEN_BYTES_MAX;
    is_usable.then_some(secret)
}

/// Asks for a space to read.
///
/// # Errors
/// [`ReadableError`]
pub async fn readable(app: &App, caller: &Caller, space: SpaceId) -> Result<Readable, ReadableError> {
    grant(app, caller, space).await.map(|grant| Readable { space: grant.space })
}

/// As [`readable`], for an account whose grants are remembered; says nothing about others.
pub fn remembered_readable(app: &App, caller: &Caller, space: SpaceId) -> Option<Readable> {
    let grants = app.access.grants(caller.account).0?;
    grants.binary_search_by_key(&space, |grant| grant.space).ok().map(|_| Readable { space })
}

/// Every space that the caller may read, ascending by id.
///
/// # Errors
/// Storage failed.
pub async fn readable_spaces(app: &App, caller: &Caller) -> Result<Vec<Readable>, StorageError> {
    let grants = grants(app, caller.account).await?;
    Ok(grants.iter().map(|grant| Readable { space: grant.space }).collect())
}

/// Asks for a space to push to.
///
/// # Errors
/// [`ReadableError`]
pub async fn writable(app: &App, caller: &Caller, space: SpaceId) -> Result<Writable, ReadableError> {
    let grant = grant(app, caller, space).await?;
    // A catalog is written by the server alone, whatever role a person was given.
    let role = if grant.kind == SpaceKind::Catalog { Role::Viewer } else { grant.role };
    let read = RoleRead { role, access_version: grant.access_version, kind: grant.kind };
    Ok(Writable { space, account: caller.account, grant: read, salt: grant.salt })
}

/// As [`writable`], for what the relay finishes of an account that asks for nothing at the moment.
///
/// # Errors
/// [`ReadableError`]
pub async fn writable_for(app: &App, account: AccountId, space: SpaceId) -> Result<Writable, ReadableError> {
    let grants = app.storage.grants_of(account).await?;
    let grant = grants.into_iter().find(|grant| grant.space == space).ok_or(ReadableError::NoSuchSpace(space))?;
    let read = RoleRead { role: grant.role, access_version: grant.access_version, kind: grant.kind };
    Ok(Writable { space, account, grant: read, salt: grant.salt })
}

/// Asks for a space to decide in. Storage is asked, not memory: it is rare, and must not come after a revocation.
///
/// # Errors
/// [`OwnedError`]
pub async fn owned(app: &App, caller: &Caller, space: SpaceId) -> Result<Owned, OwnedError> {
    match app.storage.role_of(caller.account, space).await? {
        None => Err(OwnedError::NoSuchSpace(space)),
        Some(read) if read.role == Role::Owner => Ok(Owned { space, account: caller.account }),
        Some(_) => Err(OwnedError::NotOwner(space)),
    }
}

async fn grant(app: &App, caller: &Caller, space: SpaceId) -> Result<SpaceGrant, ReadableError> {
    let grants = grants(app, caller.account).await?;
    let found = grants.binary_search_by_key(&space, |grant| grant.space);
    found.map(|index| grants[index].clone()).map_err(|_| ReadableError::NoSuchSpace(space))
}

async fn grants(app: &App, account: AccountId) -> Result<Arc<[SpaceGrant]>, StorageError> {
    let (known, generation) = app.access.grants(account);
    if let Some(grants) = known {
        return Ok(grants);
    }
    let mut grants = Box::pin(app.storage.grants_of(account)).await?;
    grants.sort_unstable_by_key(|grant| grant.space);
    let grants: Arc<[SpaceGrant]> = grants.into();
    app.access.remember_grants(account, Arc::clone(&grants), generation);
    Ok(grants)
}

/// Asks storage whether the token of an open stream is still good.
///
/// # Errors
/// Storage failed.
pub async fn token_is_valid(app: &App, caller: &Caller) -> Result<bool, StorageError> {
    app.storage.token_is_valid(caller.token).await
}

/// Takes grants that storage has just given, so that a session's first push meets the grants of its welcome.
/// `asked` is what [`AccessCache::generation`] was before storage was asked.
pub fn remember_grants(app: &App, caller: &Caller, mut grants: Vec<SpaceGrant>, asked: u64) {
    grants.sort_unstable_by_key(|grant| grant.space);
    app.access.remember_grants(caller.account, grants.into(), asked);
}

/// Looks for changes of access by whatever process, forgets what was remembered, and tells the sessions. Ends when the
/// relay stops.
pub async fn watch(app: App) {
    let mut poll = tokio::time::interval(app.config.access_poll());
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = None;
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = poll.tick() => {}
        }
        // Whoever changes access changes documents too: a process of an administrator, another relay.
        app.ready.doubt();
        match app.storage.access_version().await {
            Ok(version) if known == Some(version) => {}
            Ok(version) => {
                debug!(access.version = version, "Access is at version {version} now");
                app.access.forget();
                app.hub.access_changed();
                app.reached.readers.access_changed();
                known = Some(version);
            }
            // Remembering what cannot be verified would let a revoked token live on.
            Err(error) => {
                warn!("Cannot ask for the version of access: {error}");
                app.access.forget();
                known = None;
            }
        }
    }
}

/// Tokens and grants as read a moment ago.
#[derive(Debug)]
pub struct AccessCache {
    tokens_max: usize,
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// Grows when everything is forgotten; an answer that was asked for before must not be remembered after.
    generation: u64,
    tokens: HashMap<[u8; 32], Caller>,
    grants: HashMap<AccountId, Arc<[SpaceGrant]>>,
}

impl AccessCache {
    /// Remembers nothing yet, and never more than `tokens_max` tokens.
    #[must_use]
    pub fn new(tokens_max: usize) -> Self {
        Self { tokens_max, remembered: Mutex::default() }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which answers may be remembered: those that were asked for when it was what it is.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.remembered().generation
    }

    fn token(&self, key: &[u8; 32]) -> (Option<Caller>, u64) {
        let remembered = self.remembered();
        (remembered.tokens.get(key).cloned(), remembered.generation)
    }

    fn remember_token(&self, key: [u8; 32], caller: Caller, generation: u64) {
        let mut remembered = self.remembered();
        if remembered.generation != generation || self.tokens_max == 0 {
            return;
        }
        if remembered.tokens.len() >= self.tokens_max {
            remembered.tokens.clear();
        }
        remembered.tokens.insert(key, caller);
    }

    fn grants(&self, account: AccountId) -> (Option<Arc<[SpaceGrant]>>, u64) {
        let remembered = self.remembered();
        (remembered.grants.get(&account).cloned(), remembered.generation)
    }

    fn remember_grants(&self, account: AccountId, grants: Arc<[SpaceGrant]>, generation: u64) {
        let mut remembered = self.remembered();
        if remembered.generation != generation {
            return;
        }
        if remembered.grants.len() >= GRANTS_CACHED_MAX {
            remembered.grants.clear();
        }
        remembered.grants.insert(account, grants);
    }

    /// Forgets everything; the next question goes to storage.
    pub fn forget(&self) {
        let mut remembered = self.remembered();
        remembered.generation += 1;
        remembered.tokens.clear();
        remembered.grants.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_one_bearer_token_is_taken() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bearer abc"])), Some("abc"));
        let long = format!("Bearer {}", "x".repeat(TOKEN_BYTES_MAX + 1));
        for refused in [&[][..], &["Basic abc"], &["Bearer"], &["Bearer "], &["Bearer a", "Bearer b"], &[long.as_str()]]
        {
            assert_eq!(bearer(&headers(refused)), None, "{refused:?}");
        }
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered_after_it() {
        let cache = AccessCache::new(10);
        let (_, generation) = cache.token(&[1; 32]);
        cache.forget();
        let caller = Caller { account: AccountId([1; 16]), token: TokenId(1) };
        cache.remember_token([1; 32], caller.clone(), generation);
        assert!(cache.token(&[1; 32]).0.is_none());
        let (_, generation) = cache.token(&[1; 32]);
        cache.remember_token([1; 32], caller, generation);
        assert!(cache.token(&[1; 32]).0.is_some());
    }
}
