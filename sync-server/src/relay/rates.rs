//! How fast the devices of an account may speak: frames, bytes and operations, each with an average and a burst; and
//! how much of it is judged at once. What goes into spaces with other people is counted once more, with a lower average:
//! it costs each of their devices as much as the relay.
//!
//! Whoever has spent the burst is neither sent away nor loses anything: its sessions read no further until the average
//! has caught up, so the network slows the device down. Time is an argument.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_wire::AccountId;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::config::AccountLimits;

/// Bytes of an account that are judged and written at once; one push may be as large as it likes. The writer takes
/// what comes in its order, so whatever more waits there, everybody else waits behind. Enough of small pushes for a
/// commit to be shared by thousands.
const TURN_BYTES: u32 = 256 << 10;
/// What a push costs beside its bytes.
const TURN_OVERHEAD_BYTES: usize = 64;
/// What is measured of an account: the fields of [`Spent`].
const METERS: usize = 5;
/// Accounts that are remembered before those that owe nothing are looked for.
const SWEPT_FROM: usize = 1024;

/// The meters of all accounts that spoke lately.
#[derive(Debug)]
pub struct Rates {
    rates: [Rate; METERS],
    meters: Mutex<Meters>,
}

#[derive(Debug, Default)]
struct Meters {
    of: HashMap<AccountId, Arc<Meter>>,
    /// At so many, those that owe nothing are forgotten.
    swept_at: usize,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Frames of a device.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Operations in the changes of pushes.
    pub operations: u64,
    /// Bytes of pushes into spaces with other people.
    pub shared_bytes: u64,
    /// Operations in them.
    pub shared_operations: u64,
}

/// An average, and how much may go beyond it at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    /// How long one takes on average; nothing, if any number is allowed.
    each: Duration,
    burst: Duration,
}

/// What one account has spent, by all of its sessions.
#[derive(Debug)]
pub struct Meter {
    rates: [Rate; METERS],
    /// When everything that was spent has been earned again, of each.
    even_at: Mutex<[Option<Instant>; METERS]>,
    /// [`TURN_BYTES`], less what is judged now.
    turns: Semaphore,
}

/// Pushes of an account that are being judged.
#[derive(Debug)]
pub struct Turn<'m> {
    meter: &'m Meter,
    bytes: usize,
    permits: Option<SemaphorePermit<'m>>,
}

impl Rates {
    /// Nobody has spent anything.
    #[must_use]
    pub fn new(limits: &AccountLimits) -> Self {
        let rates = [
            Rate::new(limits.frames_per_second, limits.frames_burst),
            Rate::new(limits.bytes_per_second, limits.bytes_burst),
            Rate::new(limits.operations_per_second, limits.operations_burst),
            Rate::new(limits.shared_bytes_per_second, limits.shared_bytes_burst),
            Rate::new(limits.shared_operations_per_second, limits.shared_operations_burst),
        ];
        Self { rates, meters: Mutex::default() }
    }

    /// The meter of an account. It outlives a session, so that connecting again earns nothing.
    #[must_use]
    pub fn of(&self, account: AccountId, now: Instant) -> Arc<Meter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.of.len() >= meters.swept_at.max(SWEPT_FROM) {
            meters.of.retain(|_, meter| Arc::strong_count(meter) > 1 || meter.owes(now));
            meters.swept_at = meters.of.len() * 2;
        }
        let turns = || Semaphore::new(TURN_BYTES as usize);
        let fresh = || Arc::new(Meter { rates: self.rates, even_at: Mutex::default(), turns: turns() });
        Arc::clone(meters.of.entry(account).or_insert_with(fresh))
    }
}

impl Rate {
    fn new(per_second: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { each, burst: times(each, burst.into()) }
    }
}

impl Meter {
    /// Counts what was read. Nothing is refused: it has arrived already.
    pub fn spend(&self, now: Instant, spent: Spent) {
        let mut even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let Spent { frames, bytes, operations, shared_bytes, shared_operations } = spent;
        let counts = [frames, bytes, operations, shared_bytes, shared_operations];
        for ((even, rate), count) in even_at.iter_mut().zip(&self.rates).zip(counts) {
            if count > 0 {
                *even = Some(even.map_or(now, |even| even.max(now)) + times(rate.each, count));
            }
        }
    }

    /// Waits until pushes of so many bytes may be judged beside what the account's devices have pushed before; its turn
    /// ends when the value is dropped.
    pub async fn turn(&self, bytes: usize) -> Turn<'_> {
        let permits = bytes.saturating_add(TURN_OVERHEAD_BYTES).min(TURN_BYTES as usize) as u32;
        // The semaphore is never closed.
        Turn { meter: self, bytes, permits: self.turns.acquire_many(permits).await.ok() }
    }

    /// When the next frame may be read; `now`, unless a burst is spent.
    #[must_use]
    pub fn next_at(&self, now: Instant) -> Instant {
        let even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |(even, rate): (&Option<Instant>, &Rate)| even.and_then(|even| even.checked_sub(rate.burst));
        even_at.iter().zip(&self.rates).filter_map(due).fold(now, Instant::max)
    }

    fn owes(&self, now: Instant) -> bool {
        let even_at = self.even_at.lock().unwrap_or_else(PoisonError::into_inner);
        even_at.iter().flatten().any(|even| *even > now)
    }
}

impl Turn<'_> {
    /// Lets the account's other pushes go first while something is waited for that they may not need.
    pub async fn interrupted_by<T>(self, wait: impl Future<Output = T>) -> (Self, T) {
        let Self { meter, bytes, permits } = self;
        drop(permits);
        let waited = wait.await;
        (meter.turn(bytes).await, waited)
    }
}

/// A year at most: an instant has an end.
fn times(each: Duration, count: u64) -> Duration {
    const LONGEST: u64 = 365 * 24 * 3_600;
    let nanoseconds = each.as_nanos().saturating_mul(count.into());
    let longest = Duration::from_secs(LONGEST);
    u64::try_from(nanoseconds).map_or(longest, |nanoseconds| Duration::from_nanos(nanoseconds).min(longest))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const ADA: AccountId = AccountId([1; 16]);

    fn rates(per_second: u32, burst: u32) -> Rates {
        Rates::new(&AccountLimits {
            frames_per_second: per_second,
            frames_burst: burst,
            bytes_per_second: 0,
            operations_per_second: 0,
            shared_bytes_per_second: 0,
            shared_operations_per_second: 0,
            ..AccountLimits::default()
        })
    }

    fn frames(frames: u64) -> Spent {
        Spent { frames, ..Spent::default() }
    }

    #[test]
    fn a_burst_passes_at_once_and_one_more_waits_for_the_average() {
        let (now, rates) = (Instant::now(), rates(10, 5));
        let meter = rates.of(ADA, now);
        meter.spend(now, frames(5));
        assert_eq!(meter.next_at(now), now, "the whole burst");
        meter.spend(now, frames(1));
        assert_eq!(meter.next_at(now), now + Duration::from_millis(100), "one past it");
        let later = now + Duration::from_millis(100);
        assert_eq!(meter.next_at(later), later);
        assert_eq!(rates.of(AccountId([2; 16]), now).next_at(now), now, "nobody else waits");
    }

    #[test]
    fn bytes_and_operations_have_bursts_of_their_own_to_the_last_one() {
        let limits = AccountLimits {
            frames_per_second: 0,
            bytes_per_second: 1_000,
            bytes_burst: 64_000,
            operations_per_second: 10,
            operations_burst: 50,
            ..AccountLimits::default()
        };
        let now = Instant::now();
        for (whole, one, earned) in [
            (Spent { bytes: 64_000, ..Spent::default() }, Spent { bytes: 1, ..Spent::default() }, 1),
            (Spent { operations: 50, ..Spent::default() }, Spent { operations: 1, ..Spent::default() }, 100),
        ] {
            let meter = Rates::new(&limits).of(ADA, now);
            meter.spend(now, whole);
            assert_eq!(meter.next_at(now), now, "{whole:?}: the whole burst");
            meter.spend(now, one);
            let due = now + Duration::from_millis(earned);
            assert_eq!(meter.next_at(now), due, "{one:?}: one past it");
            assert_eq!(meter.next_at(due), due);
        }
        // Each is judged for itself: who has spent one burst waits, whatever is left of the other.
        let meter = Rates::new(&limits).of(ADA, now);
        meter.spend(now, Spent { bytes: 64_000, operations: 51, ..Spent::default() });
        assert_eq!(meter.next_at(now), now + Duration::from_millis(100));
    }

    #[test]
    fn what_goes_to_other_people_has_bursts_of_its_own_to_the_last_one() {
        let limits = AccountLimits {
            shared_bytes_per_second: 1_000,
            shared_bytes_burst: 4_000,
            shared_operations_per_second: 10,
            shared_operations_burst: 50,
            ..AccountLimits::default()
        };
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        for (fits, one_more, wait) in [
            (
                Spent { shared_bytes: 4_000, ..Spent::default() },
                Spent { shared_bytes: 1, ..Spent::default() },
                second / 1_000,
            ),
            (
                Spent { shared_operations: 50, ..Spent::default() },
                Spent { shared_operations: 1, ..Spent::default() },
                second / 10,
            ),
        ] {
            let meter = Rates::new(&limits).of(ADA, now);
            meter.spend(now, fits);
            meter.spend(now, Spent { bytes: 4_001, operations: 51, ..Spent::default() });
            assert_eq!(meter.next_at(now), now, "the whole burst, and what is nobody else's does not count");
            meter.spend(now, one_more);
            assert_eq!(meter.next_at(now), now + wait);
        }
    }

    #[test]
    fn a_burst_is_earned_again_and_no_more_than_one() {
        let (now, rates) = (Instant::now(), rates(10, 5));
        let meter = rates.of(ADA, now);
        meter.spend(now, frames(6));
        let next_day = now + Duration::from_hours(24);
        meter.spend(next_day, frames(5));
        assert_eq!(meter.next_at(next_day), next_day);
        meter.spend(next_day, frames(1));
        assert!(meter.next_at(next_day) > next_day);
    }

    #[test]
    fn small_pushes_are_judged_together_and_large_ones_one_after_the_other() {
        let (now, rates) = (Instant::now(), rates(0, 0));
        let meter = rates.of(ADA, now);
        let mut small = Vec::new();
        for _ in 0..1_000 {
            small.push(meter.turn(100).now_or_never().expect("there is room"));
        }
        assert!(meter.turn(1 << 20).now_or_never().is_none(), "a large one waits");
        drop(small);
        let large = meter.turn(1 << 20).now_or_never().expect("alone it may be as large as it likes");
        assert!(meter.turn(1).now_or_never().is_none());
        let other = rates.of(AccountId([2; 16]), now);
        assert!(other.turn(1).now_or_never().is_some(), "nobody else waits");
        drop(large);
        assert!(meter.turn(1).now_or_never().is_some());
    }

    #[test]
    fn a_turn_that_is_interrupted_lets_others_go_first() {
        let (now, rates) = (Instant::now(), rates(0, 0));
        let meter = rates.of(ADA, now);
        let large = meter.turn(1 << 20).now_or_never().expect("there is room");
        let other = large.interrupted_by(async { meter.turn(1 << 20).now_or_never().is_some() });
        let (large, was_free) = other.now_or_never().expect("the other has ended");
        assert!(was_free && meter.turn(1).now_or_never().is_none(), "it goes on");
        drop(large);
    }

    #[test]
    fn what_is_not_limited_is_not_counted() {
        let (now, rates) = (Instant::now(), rates(0, 1));
        let meter = rates.of(ADA, now);
        let most = u64::MAX;
        let spent = Spent { frames: most, bytes: most, operations: most, shared_bytes: most, shared_operations: most };
        meter.spend(now, spent);
        assert_eq!(meter.next_at(now), now);
    }

    #[test]
    fn connecting_again_earns_nothing_and_who_owes_nothing_is_forgotten() {
        let (now, rates) = (Instant::now(), rates(1, 1));
        rates.of(ADA, now).spend(now, frames(100));
        for account in 0..2 * SWEPT_FROM as u64 {
            let mut id = [9; 16];
            id[..8].copy_from_slice(&account.to_be_bytes());
            drop(rates.of(AccountId(id), now));
        }
        assert!(rates.of(ADA, now).next_at(now) > now);
        assert!(rates.meters.lock().unwrap().of.len() <= SWEPT_FROM + 1);
    }
}
