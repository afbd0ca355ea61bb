//! Chance from a seed, for tests that draw what they do.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use anyhow::{Context, Result};

/// SplitMix64. Where the system decides what happens as well, a seed does not repeat a run exactly.
#[derive(Debug, Clone)]
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// With this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// With the seed that an environment variable names, else a new one.
    ///
    /// # Errors
    /// If the variable is no number.
    pub fn of_environment(variable: &str) -> Result<Self> {
        Ok(Self::seeded(match std::env::var(variable) {
            Ok(seed) => seed.parse().with_context(|| format!("{variable} is no number: {seed:?}"))?,
            Err(_) => RandomState::new().hash_one(0) >> 32,
        }))
    }

    /// What it began with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A time below so many microseconds.
    pub fn micros_below(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }
}
