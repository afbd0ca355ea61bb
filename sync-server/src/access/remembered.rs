//! Credentials and grants as they were a moment ago, so that most requests ask nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use relay_storage::SpaceGrant;
use sync_wire::AccountId;
use tokio::time::Instant;

use super::Caller;

/// Accounts whose grants are remembered.
const GRANTS_CACHED_MAX: usize = 10_000;

/// Credentials and grants as read a moment ago.
#[derive(Debug)]
pub struct AccessCache {
    tokens_max: usize,
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// Grows when everything is forgotten; an answer that was asked for before must not be remembered after.
    generation: u64,
    /// By a hash of the secret, with when to ask again if nothing changes before.
    callers: HashMap<[u8; 32], (Caller, Option<Instant>)>,
    grants: HashMap<AccountId, Arc<[SpaceGrant]>>,
}

impl AccessCache {
    /// Remembers nothing yet, and never more than `tokens_max` tokens and sessions.
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

    pub(super) fn caller(&self, key: &[u8; 32]) -> (Option<Caller>, u64) {
        let remembered = self.remembered();
        let is_good = |until: &Option<Instant>| until.is_none_or(|until| Instant::now() < until);
        let known = remembered.callers.get(key).filter(|(_, until)| is_good(until));
        (known.map(|(caller, _)| caller.clone()), remembered.generation)
    }

    pub(super) fn remember_caller(&self, key: [u8; 32], caller: Caller, until: Option<Instant>, generation: u64) {
        let mut remembered = self.remembered();
        if remembered.generation != generation || self.tokens_max == 0 {
            return;
        }
        if remembered.callers.len() >= self.tokens_max {
            remembered.callers.clear();
        }
        remembered.callers.insert(key, (caller, until));
    }

    pub(super) fn grants(&self, account: AccountId) -> (Option<Arc<[SpaceGrant]>>, u64) {
        let remembered = self.remembered();
        (remembered.grants.get(&account).cloned(), remembered.generation)
    }

    pub(super) fn remember_grants(&self, account: AccountId, grants: Arc<[SpaceGrant]>, generation: u64) {
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
        remembered.callers.clear();
        remembered.grants.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relay_storage::{Credential, TokenId};

    use super::*;

    fn caller() -> Caller {
        Caller { account: AccountId([1; 16]), credential: Credential::Token(TokenId(1)) }
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered_after_it() {
        let cache = AccessCache::new(10);
        let (_, generation) = cache.caller(&[1; 32]);
        cache.forget();
        cache.remember_caller([1; 32], caller(), None, generation);
        assert!(cache.caller(&[1; 32]).0.is_none());
        let (_, generation) = cache.caller(&[1; 32]);
        cache.remember_caller([1; 32], caller(), None, generation);
        assert!(cache.caller(&[1; 32]).0.is_some());
    }

    #[test]
    fn what_is_good_for_a_while_is_asked_for_again_after_it() {
        let cache = AccessCache::new(10);
        let generation = cache.generation();
        cache.remember_caller([1; 32], caller(), Some(Instant::now()), generation);
        cache.remember_caller([2; 32], caller(), Some(Instant::now() + Duration::from_secs(3600)), generation);
        assert!(cache.caller(&[1; 32]).0.is_none() && cache.caller(&[2; 32]).0.is_some());
    }
}
