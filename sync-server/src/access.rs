//! Who may do what. The only place that makes a [`Caller`], a [`Readable`], a [`Writable`] or an [`Owned`]: whoever
//! holds one has been checked, and what needs one cannot be called without.
//!
//! Credentials and grants are remembered between requests, and all of that is forgotten when storage says that any of
//! them changed ([`watch`]). An append is checked again inside its own transaction.

mod browser; // what only browsers send, and what it means
mod remembered; // what was asked a moment ago

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use relay_storage::{AccountRole, Credential, RoleRead, SpaceGrant, StorageError, WebPrincipal, WebSessionId};
use sync_wire::{AccountId, Role, Salt, SpaceId, SpaceKind};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::app::App;
pub use browser::{Browser, CrossSite};
pub use remembered::AccessCache;

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 256;
/// How often to look for sessions of browsers whose time is over.
const SESSIONS_SWEEP: Duration = Duration::from_hours(1);

/// An account whose credential was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    account: AccountId,
    credential: Credential,
}

impl Caller {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// What he acts with, for asking again later; its secret is not kept.
    #[must_use]
    pub const fn credential(&self) -> Credential {
        self.credential
    }

    /// The session, if it is a browser that is signed in.
    #[must_use]
    pub const fn session(&self) -> Option<WebSessionId> {
        match self.credential {
            Credential::Session(session) => Some(session),
            Credential::Token(_) => None,
        }
    }
}

/// An account that may look at the whole relay.
#[derive(Debug, Clone, Copy)]
pub struct Operator(());

/// Why there is no [`Operator`].
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// An account like others.
    #[error("the account is no operator of this relay; `sync-server account role NAME operator` makes it one")]
    NotOperator,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
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
    /// The session of a browser that is over, or never was.
    #[error("the session has ended; sign in with a new link, which `sync-server account link NAME` prints")]
    SignedOut,
    /// Another site asks in the name of whoever is signed in.
    #[error(transparent)]
    CrossSite(#[from] CrossSite),
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

/// Checks the credentials of a request: its token, or else the session of its browser. Where both are sent the token
/// counts, also one that is not good.
///
/// # Errors
/// [`CallerError`]
pub async fn caller(app: &App, method: &Method, headers: &HeaderMap) -> Result<Caller, CallerError> {
    if headers.contains_key(AUTHORIZATION) {
        return by_token(app, headers).await;
    }
    let browser = Browser::of(&app.config, headers);
    let secret = browser.secret().ok_or(CallerError::Missing)?;
    browser.check(method)?;
    // Boxed: what rarely happens must not make the future of every request large.
    Box::pin(by_session(app, secret)).await
}

async fn by_token(app: &App, headers: &HeaderMap) -> Result<Caller, CallerError> {
    let secret = bearer(headers).ok_or(CallerError::Missing)?;
    let key = *blake3::hash(secret.as_bytes()).as_bytes();
    let (known, generation) = app.access.caller(&key);
    if let Some(caller) = known {
        return Ok(caller);
    }
    // Boxed, as above.
    let principal = Box::pin(app.storage.authenticate(secret)).await?.ok_or(CallerError::Unknown)?;
    let caller = Caller { account: principal.account, credential: Credential::Token(principal.token) };
    app.access.remember_caller(key, caller.clone(), None, generation);
    Ok(caller)
}

async fn by_session(app: &App, secret: &str) -> Result<Caller, CallerError> {
    let key = session_key(secret);
    let (known, generation) = app.access.caller(&key);
    if let Some(caller) = known {
        return Ok(caller);
    }
    let asked = Instant::now();
    let WebPrincipal { account, session, good_for, is_to_be_noted } =
        app.storage.web_principal(secret).await?.ok_or(CallerError::SignedOut)?;
    if is_to_be_noted && let Err(error) = app.storage.note_web_session(session).await {
        // Reading goes on while nothing can be written; the session only seems to be less used than it is.
        debug!(error.code = error.code(), "That a session is used is not noted: {error}");
    }
    let caller = Caller { account, credential: Credential::Session(session) };
    app.access.remember_caller(key, caller.clone(), Some(asked + good_for), generation);
    Ok(caller)
}

/// As [`caller`], for whoever is remembered; says nothing about others.
pub fn remembered_caller(app: &App, method: &Method, headers: &HeaderMap) -> Option<Caller> {
    if headers.contains_key(AUTHORIZATION) {
        return app.access.caller(blake3::hash(bearer(headers)?.as_bytes()).as_bytes()).0;
    }
    let browser = Browser::of(&app.config, headers);
    let secret = browser.secret()?;
    browser.check(method).ok()?;
    app.access.caller(&session_key(secret)).0
}

/// Under what a session is remembered: never what any token is, whatever somebody sends as one.
fn session_key(secret: &str) -> [u8; 32] {
    blake3::derive_key("symphony-vault 2026 sessions of browsers that are remembered", secret.as_bytes())
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

/// Every grant of the caller as storage has it now, ascending by space: what is remembered may say of a log that it
/// ends where it ended a while ago.
///
/// # Errors
/// Storage failed.
pub async fn spaces(app: &App, caller: &Caller) -> Result<Vec<SpaceGrant>, StorageError> {
    app.storage.grants_of(caller.account).await
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

/// Asks whether the caller may look at the whole relay. Storage is asked, not memory, as for [`owned`].
///
/// # Errors
/// [`OperatorError`]
pub async fn operator(app: &App, caller: &Caller) -> Result<Operator, OperatorError> {
    let account = app.storage.account(caller.account).await?;
    let is_operator = account.is_some_and(|account| account.role == AccountRole::Operator);
    if is_operator { Ok(Operator(())) } else { Err(OperatorError::NotOperator) }
}

/// Asks storage whether the credential of an open stream is still good.
///
/// # Errors
/// Storage failed.
pub async fn credential_is_valid(app: &App, caller: &Caller) -> Result<bool, StorageError> {
    app.storage.credential_is_valid(caller.credential).await
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
                changed(&app);
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

/// Forgets what was remembered, and has everybody who is connected ask again.
pub fn changed(app: &App) {
    app.access.forget();
    app.hub.access_changed();
    app.reached.readers.access_changed();
}

/// Ends sessions of browsers when their time is over, with what they have open. Ends when the relay stops.
pub async fn end_old_sessions(app: App) {
    let mut sweep = tokio::time::interval(SESSIONS_SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = sweep.tick() => {}
        }
        match app.storage.end_old_web_sessions().await {
            Ok(true) => changed(&app),
            Ok(false) => {}
            Err(error) => warn!(error.code = error.code(), "Old sessions stay for the moment: {error}"),
        }
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
}
