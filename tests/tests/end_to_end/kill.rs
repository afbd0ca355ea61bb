//! `kill -9` of the vault and of the relay at random instants, again and again. What was acknowledged is written down
//! in this process, which is not the one that dies, and must be there afterwards.
//!
//! `KILL_VAULT`, `KILL_RELAY` and `KILL_SEED` ask for more, as `cargo xtask kill` does.

pub(crate) mod command; // the `vault` command, killed
mod relay; // the relay under load, killed
mod vault; // a program that embeds the vault, killed
mod writer; // that program

use std::fmt;
use std::io::Write;

use anyhow::{Context, Result};
use system_tests::Chance;

/// Kills in an ordinary test run.
const KILLS: u64 = 200;

/// Where the instants come from.
fn chance() -> Result<Chance> {
    Chance::of_environment("KILL_SEED")
}

/// How many kills the environment wants.
fn kills(variable: &str) -> Result<u64> {
    match std::env::var(variable) {
        Ok(number) => number.parse().with_context(|| format!("{variable} is no number: {number:?}")),
        Err(_) => Ok(KILLS),
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
