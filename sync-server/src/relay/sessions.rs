//! Who is connected: bounds how many sessions one account and one device may have, and knows which connection of a
//! device is its newest.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sync_wire::{AccountId, DeviceId};

/// Devices without a session whose newest connection is remembered. What was sent on an earlier one may arrive behind
/// the end of the newest, but not much behind it.
const REMEMBERED_MAX: usize = 4_096;

/// Counts sessions.
#[derive(Debug)]
pub struct Sessions {
    per_account_max: usize,
    per_device_max: usize,
    accounts: Places<AccountId>,
    devices: Places<(AccountId, DeviceId)>,
}

type Places<K> = Arc<Mutex<All<K>>>;

#[derive(Debug)]
struct All<K> {
    taken: HashMap<K, Taken>,
    /// Keys under which no place was taken any more at some time, the earliest first.
    left: VecDeque<K>,
}

/// The places under one key.
#[derive(Debug, Default)]
struct Taken {
    count: usize,
    /// The newest attempt of those that count theirs.
    newest: u64,
}

/// One session's place under one key; free again when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Copy> {
    places: Places<K>,
    key: K,
    attempt: Option<u64>,
}

/// Why a device does not get a place.
#[derive(Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// It has as many as it may.
    Full,
    /// It has had a newer one.
    Superseded {
        /// Its newest attempt.
        newest: u64,
    },
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
        take(&self.accounts, account, None, self.per_account_max).ok()
    }

    /// A session of `device`, the `attempt`th if it counts them. Counted within the account, so that nobody can use up
    /// the sessions of a device that is not his.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn of_device(
        &self,
        account: AccountId,
        device: DeviceId,
        attempt: Option<u64>,
    ) -> Result<Place<(AccountId, DeviceId)>, NoPlace> {
        take(&self.devices, (account, device), attempt, self.per_device_max)
    }

    /// Whether `device` has a session.
    #[must_use]
    pub fn has_device(&self, account: AccountId, device: DeviceId) -> bool {
        lock(&self.devices).taken.get(&(account, device)).is_some_and(|taken| taken.count > 0)
    }

    /// Sessions of all accounts.
    #[must_use]
    pub fn total(&self) -> usize {
        lock(&self.accounts).taken.values().map(|taken| taken.count).sum()
    }
}

impl<K: Eq + Hash + Copy> Place<K> {
    /// The newest attempt, if it is not this one.
    #[must_use]
    pub fn superseded_by(&self) -> Option<u64> {
        let attempt = self.attempt?;
        lock(&self.places).taken.get(&self.key).map(|taken| taken.newest).filter(|newest| *newest > attempt)
    }
}

impl<K> Default for All<K> {
    fn default() -> Self {
        Self { taken: HashMap::new(), left: VecDeque::new() }
    }
}

fn lock<K>(places: &Places<K>) -> MutexGuard<'_, All<K>> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<K: Eq + Hash + Copy>(
    places: &Places<K>,
    key: K,
    attempt: Option<u64>,
    max: usize,
) -> Result<Place<K>, NoPlace> {
    let mut all = lock(places);
    let taken = all.taken.entry(key).or_default();
    if let Some(attempt) = attempt {
        if attempt < taken.newest {
            return Err(NoPlace::Superseded { newest: taken.newest });
        }
        taken.newest = attempt;
    }
    if taken.count >= max {
        return Err(NoPlace::Full);
    }
    taken.count += 1;
    Ok(Place { places: Arc::clone(places), key, attempt })
}

impl<K: Eq + Hash + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut all = lock(&self.places);
        let Some(taken) = all.taken.get_mut(&self.key) else { return };
        taken.count -= 1;
        if taken.count > 0 {
            return;
        }
        if taken.newest == 0 {
            all.taken.remove(&self.key); // nothing to remember
            return;
        }
        all.left.push_back(self.key);
        if all.left.len() > REMEMBERED_MAX
            && let Some(earliest) = all.left.pop_front()
            && all.taken.get(&earliest).is_some_and(|taken| taken.count == 0)
        {
            all.taken.remove(&earliest);
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
        let _stranger = sessions.of_device(AccountId([1; 16]), device, Some(9)).unwrap();
        let own = sessions.of_device(AccountId([2; 16]), device, Some(1)).unwrap();
        assert!(own.superseded_by().is_none());
        drop(own);
        assert!(sessions.has_device(AccountId([1; 16]), device) && !sessions.has_device(AccountId([2; 16]), device));
    }

    #[test]
    fn an_earlier_connection_of_a_device_ends_with_a_later_one_and_an_equal_one_goes_on() {
        let (sessions, account, device) = (Sessions::new(9, 2), AccountId([1; 16]), DeviceId([7; 16]));
        let take = |attempt| sessions.of_device(account, device, attempt);
        let (first, uncounted) = (take(Some(5)).unwrap(), take(None).unwrap());
        assert_eq!(take(Some(6)).unwrap_err(), NoPlace::Full);
        assert_eq!((first.superseded_by(), uncounted.superseded_by()), (Some(6), None), "it was there all the same");
        drop(uncounted);
        let second = take(Some(6)).unwrap();
        assert_eq!(second.superseded_by(), None);
        drop((first, second));
        assert_eq!(take(Some(5)).unwrap_err(), NoPlace::Superseded { newest: 6 }, "though nobody is connected");
        assert!(!sessions.has_device(account, device));
        assert_eq!([take(Some(6)).unwrap(), take(Some(6)).unwrap()].map(|place| place.superseded_by()), [None; 2]);
    }

    #[test]
    fn what_is_remembered_of_devices_that_are_gone_is_bounded() {
        let (sessions, account) = (Sessions::new(9, 2), AccountId([1; 16]));
        for number in 0..3 * REMEMBERED_MAX as u128 {
            drop(sessions.of_device(account, DeviceId(number.to_be_bytes()), Some(1)).unwrap());
        }
        let all = lock(&sessions.devices);
        assert_eq!((all.taken.len(), all.left.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
