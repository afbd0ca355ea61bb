//! Who is connected: bounds how many sessions one account and one device may have.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use sync_wire::{AccountId, DeviceId};

/// Counts sessions.
#[derive(Debug)]
pub struct Sessions {
    per_account_max: usize,
    per_device_max: usize,
    accounts: Counts<AccountId>,
    devices: Counts<(AccountId, DeviceId)>,
}

type Counts<K> = Arc<Mutex<HashMap<K, usize>>>;

/// One session's place under one key; free again when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Copy> {
    counts: Counts<K>,
    key: K,
}

impl Sessions {
    /// Nobody is connected.
    #[must_use]
    pub fn new(per_account_max: usize, per_device_max: usize) -> Self {
        Self { per_account_max, per_device_max, accounts: Arc::default(), devices: Arc::default() }
    }

    /// A session of `account`; `None` if it has as many as it may.
    #[must_use]
    pub fn of_account(&self, account: AccountId) -> Option<Place<AccountId>> {
        take(&self.accounts, account, self.per_account_max)
    }

    /// A session of `device`; `None` if it has as many as it may. Counted within the account, so that nobody can use
    /// up the sessions of a device that is not his.
    #[must_use]
    pub fn of_device(&self, account: AccountId, device: DeviceId) -> Option<Place<(AccountId, DeviceId)>> {
        take(&self.devices, (account, device), self.per_device_max)
    }

    /// Whether `device` has a session.
    #[must_use]
    pub fn has_device(&self, account: AccountId, device: DeviceId) -> bool {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&(account, device))
    }

    /// Sessions of all accounts.
    #[must_use]
    pub fn total(&self) -> usize {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

fn take<K: Eq + Hash + Copy>(counts: &Counts<K>, key: K, max: usize) -> Option<Place<K>> {
    let mut counted = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counted.entry(key).or_default();
    if *count >= max {
        return None;
    }
    *count += 1;
    Some(Place { counts: Arc::clone(counts), key })
}

impl<K: Eq + Hash + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut counted = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counted.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counted.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_session_ends() {
        let sessions = Sessions::new(2, 1);
        let account = AccountId([1; 16]);
        let held = [sessions.of_account(account).unwrap(), sessions.of_account(account).unwrap()];
        assert!(sessions.of_account(account).is_none());
        assert!(sessions.of_account(AccountId([2; 16])).is_some());
        assert_eq!(sessions.total(), 2);
        drop(held);
        assert_eq!(sessions.total(), 0);
        assert!(sessions.of_account(account).is_some());
    }

    #[test]
    fn a_stranger_cannot_use_up_the_sessions_of_a_device() {
        let sessions = Sessions::new(9, 1);
        let device = DeviceId([7; 16]);
        let _stranger = sessions.of_device(AccountId([1; 16]), device).unwrap();
        assert!(sessions.of_device(AccountId([2; 16]), device).is_some());
        assert!(sessions.has_device(AccountId([1; 16]), device) && !sessions.has_device(AccountId([2; 16]), device));
    }
}
