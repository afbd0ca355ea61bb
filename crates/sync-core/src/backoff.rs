//! How long to wait before reconnecting: exponential with full jitter, reproducible from a seed.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
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
    /// up to 30 s, never less than a tenth of it.
    pub fn take_delay(&mut self) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(7)).min(LONGEST);
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

    #[test]
    fn delays_grow_to_a_ceiling_and_repeat_for_a_seed() {
        let draw = |seed| {
            let mut backoff = Backoff::seeded(seed);
            (0..20).map(|_| backoff.take_delay()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        for (failure, delay) in draw(7).into_iter().enumerate() {
            let ceiling = FIRST.saturating_mul(1 << failure.min(7)).min(LONGEST);
            assert!(delay <= ceiling && delay >= ceiling / 10, "{failure}: {delay:?} of {ceiling:?}");
        }
    }
}
