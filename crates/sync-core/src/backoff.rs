//! How long to wait before reconnecting: exponential with full jitter, reproducible from a seed.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
/// The ceiling while a network that is back is likely to be waited for.
const LONGEST_AT_FIRST: Duration = Duration::from_secs(5);
/// So many failures take about two minutes; who is away for longer is not in such a hurry.
const FAILURES_AT_FIRST: u32 = 50;
const LONGEST: Duration = Duration::from_secs(30);

/// Delays that grow with each failure and are spread at random, so that a restarted relay is not stampeded.
#[derive(Debug, Clone)]
pub struct Backoff {
    random: u64,
    failures: u32,
}

impl Backoff {
    /// Delays drawn from `seed`.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self { random: seed, failures: 0 }
    }

    /// The connection was good: begin again with short delays.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and draws the delay before the next attempt: within the ceiling of 250 ms doubled per failure
    /// up to 5 s, and up to 30 s after the first minutes; never less than a tenth of it.
    pub fn take_delay(&mut self) -> Duration {
        let longest = if self.failures < FAILURES_AT_FIRST { LONGEST_AT_FIRST } else { LONGEST };
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

    fn draw(seed: u64, delays: usize) -> Vec<Duration> {
        let mut backoff = Backoff::seeded(seed);
        (0..delays).map(|_| backoff.take_delay()).collect()
    }

    #[test]
    fn delays_grow_to_a_ceiling_and_repeat_for_a_seed() {
        assert_eq!(draw(1, 20), draw(1, 20));
        assert_ne!(draw(1, 20), draw(2, 20));
        let ceilings = [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].map(Duration::from_millis);
        for (failure, (delay, ceiling)) in draw(7, 7).into_iter().zip(ceilings).enumerate() {
            assert!(delay <= ceiling && delay >= ceiling / 10, "{failure}: {delay:?} of {ceiling:?}");
        }
    }

    /// The ceiling was 30 seconds after the eighth failure, so that a device whose network had been gone for half a
    /// minute heard of nothing for up to half a minute after it was back.
    #[test]
    fn who_was_cut_off_for_a_minute_tries_again_within_five_seconds_and_who_is_away_for_long_seldom() {
        for seed in 0..100 {
            let delays = draw(seed, 200);
            let mut waited = Duration::ZERO;
            let in_a_minute = delays.iter().take_while(|&&delay| {
                waited += delay;
                waited < Duration::from_secs(60)
            });
            assert!(in_a_minute.copied().all(|delay| delay <= LONGEST_AT_FIRST), "seed {seed}: {delays:?}");
            let mean = delays[100..].iter().sum::<Duration>() / 100;
            assert!((10..=20).contains(&mean.as_secs()), "seed {seed}: {mean:?}");
            assert!(delays.iter().all(|delay| *delay <= LONGEST), "seed {seed}: {delays:?}");
        }
    }
}
