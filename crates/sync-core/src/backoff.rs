//! How long to wait before reconnecting: exponential with full jitter, reproducible from a seed.
//!
//! How long the longest wait is depends on who failed. A network comes back from one moment to the next, and nobody is
//! harmed by attempts that reach nobody; a relay that says it is full is harmed by each.

use std::time::Duration;

use crate::time::Instant;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// While an outage is young and nobody answers: people wait for the network of a lift, a tunnel or a relay that starts
/// again, and whoever comes back at once is spread over so long.
const LONGEST_WHILE_YOUNG: Duration = Duration::from_secs(4);
/// How long an outage is young.
pub const YOUNG_FOR: Duration = Duration::from_secs(120);

/// Who is to blame for a connection that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The network, or a relay that is not there: nothing answered, or what had answered is gone.
    Unreached,
    /// Something answered, and cannot serve now.
    TurnedAway,
}

/// Delays that grow with each failure and are spread at random, so that a restarted relay is not stampeded.
#[derive(Debug, Clone)]
pub struct Backoff {
    random: u64,
    failures: u32,
    failing_since: Option<Instant>,
}

impl Backoff {
    /// Delays drawn from `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { random: seed, failures: 0, failing_since: None }
    }

    /// The connection was good: begin again with short delays.
    pub const fn reset(&mut self) {
        (self.failures, self.failing_since) = (0, None);
    }

    /// Counts a failure and draws the delay before the next attempt: within the ceiling of 250 ms doubled per failure,
    /// never less than a tenth of it. The ceiling ends at 30 s, and at 4 s for [`Cause::Unreached`] in the first two
    /// minutes after the first failure.
    pub fn take_delay(&mut self, now: Instant, cause: Cause) -> Duration {
        let is_young = now.since(*self.failing_since.get_or_insert(now)) < YOUNG_FOR;
        let longest = match cause {
            Cause::Unreached if is_young => LONGEST_WHILE_YOUNG,
            Cause::Unreached | Cause::TurnedAway => LONGEST,
        };
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(7)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let share = 0.1 + 0.9 * self.draw();
        ceiling.mul_f64(share)
    }

    /// A number in [0, 1), by SplitMix64 (Steele, Lea, Flood 2014).
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant(Duration::from_secs(1_000));

    /// The delays of an outage in which every attempt fails at once, each with when it begins.
    fn outage(seed: u64, cause: Cause, failures: usize) -> Vec<(Duration, Duration)> {
        let (mut backoff, mut now) = (Backoff::seeded(seed), START);
        let mut delays = Vec::new();
        for _ in 0..failures {
            let delay = backoff.take_delay(now, cause);
            delays.push((now.since(START), delay));
            now = now + delay;
        }
        delays
    }

    fn check(delays: &[(Duration, Duration)], longest: impl Fn(Duration) -> Duration) {
        for (failure, (age, delay)) in delays.iter().enumerate() {
            let ceiling = FIRST.saturating_mul(1 << failure.min(7)).min(longest(*age));
            assert!(*delay <= ceiling && *delay >= ceiling / 10, "{failure}: {delay:?} of {ceiling:?} after {age:?}");
        }
        let reached = delays.iter().map(|(_, delay)| *delay).max().unwrap();
        assert!(reached > LONGEST / 2, "the longest delay is {reached:?}");
    }

    #[test]
    fn delays_grow_to_a_ceiling_and_repeat_for_a_seed() {
        let delays = outage(7, Cause::TurnedAway, 40);
        assert_eq!(delays, outage(7, Cause::TurnedAway, 40));
        assert_ne!(delays, outage(8, Cause::TurnedAway, 40));
        check(&delays, |_| LONGEST);
    }

    #[test]
    fn where_nobody_answers_delays_stay_short_for_two_minutes() {
        for seed in 0..20 {
            let longest = |age| if age < YOUNG_FOR { LONGEST_WHILE_YOUNG } else { LONGEST };
            check(&outage(seed, Cause::Unreached, 120), longest);
        }
    }

    #[test]
    fn a_good_connection_ends_an_outage() {
        let mut backoff = Backoff::seeded(1);
        let later = START + YOUNG_FOR;
        assert!((0..20).any(|_| backoff.take_delay(START, Cause::TurnedAway) > LONGEST / 2));
        backoff.reset();
        assert!(backoff.take_delay(later, Cause::Unreached) <= FIRST);
        assert!((0..20).all(|_| backoff.take_delay(later, Cause::Unreached) <= LONGEST_WHILE_YOUNG));
    }
}
