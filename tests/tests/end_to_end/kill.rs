//! `kill -9` of the vault and of the relay at random instants, again and again. What was acknowledged is written down
//! in this process, which is not the one that dies, and must be there afterwards.
//!
//! `KILL_VAULT`, `KILL_RELAY` and `KILL_SEED` ask for more, as `cargo xtask kill` does.

mod client; // a device that pushes and writes down every ack
mod command; // the `vault` command, killed
mod relay; // the relay under load, killed
mod vault; // a program that embeds the vault, killed
mod writer; // that program

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

/// Kills in an ordinary test run.
const KILLS: u64 = 200;

/// How many kills the environment wants.
fn kills(variable: &str) -> Result<u64> {
    match std::env::var(variable) {
        Ok(number) => number.parse().with_context(|| format!("{variable} is no number: {number:?}")),
        Err(_) => Ok(KILLS),
    }
}

/// Where the instants come from. The system decides what happens at them, so a seed does not repeat a run exactly.
struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// With the seed of the environment, else a new one.
    fn new() -> Result<Self> {
        let seed = match std::env::var("KILL_SEED") {
            Ok(seed) => seed.parse().with_context(|| format!("KILL_SEED is no number: {seed:?}"))?,
            Err(_) => RandomState::new().hash_one(0) >> 32,
        };
        Ok(Self { seed, state: seed })
    }

    /// SplitMix64.
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn micros_below(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }
}

/// What a loop has done.
struct Tally {
    what: &'static str,
    seed: u64,
    kills: u64,
    checked: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, seed, kills, checked } = self;
        write!(f, "{what}: {kills} kills, {checked} acks checked, lost 0 (seed {seed})")
    }
}

/// Tells people; not with `eprintln!`, which the test harness would swallow.
fn report(tally: &Tally) -> Result<()> {
    writeln!(std::io::stderr(), "{tally}").context("standard error is gone")
}
