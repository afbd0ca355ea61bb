//! How long it took from an edit to its place in what the relay shows over HTTP.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// What a client may take, with all of its own retries.
const IN_TIME_MILLISECONDS: u64 = 2_000;

/// A time of the clock that both processes have, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) begin: u64,
    pub(super) end: u64,
}

pub(super) fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// All of them.
#[derive(Debug)]
pub(super) struct Probes {
    /// What they took, in order, but for those that met a full disk.
    took: Vec<u64>,
    met_full: usize,
}

impl Probes {
    /// From lines `ledger probe BEGIN TOOK`, in milliseconds.
    pub(super) fn read(lines: &[String], full: &[Window]) -> Result<Self> {
        let mut probes = Self { took: Vec::new(), met_full: 0 };
        for line in lines {
            let Some((_, words)) = line.split_once("ledger probe ") else { continue };
            let (begin, took) = words.split_once(' ').with_context(|| format!("a line {line:?}"))?;
            let (begin, took): (u64, u64) = (begin.parse()?, took.parse()?);
            if full.iter().any(|window| begin < window.end && begin + took > window.begin) {
                probes.met_full += 1;
            } else {
                probes.took.push(took);
            }
        }
        probes.took.sort_unstable();
        Ok(probes)
    }

    /// How many of a hundred thousand were.
    pub(super) fn in_time(&self) -> u64 {
        let in_time = self.took.partition_point(|took| *took <= IN_TIME_MILLISECONDS);
        (in_time as u64 * 100_000).checked_div(self.took.len() as u64).unwrap_or(0)
    }
}

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |share: usize| self.took.get(self.took.len().saturating_sub(1) * share / 1000).copied().unwrap_or(0);
        write!(
            f,
            "{} probes, {}.{:03} % in time, p50 {} ms, p99 {} ms, p99.9 {} ms, slowest {} ms; {} more met a full disk",
            self.took.len(),
            self.in_time() / 1000,
            self.in_time() % 1000,
            of(500),
            of(990),
            of(999),
            of(1000),
            self.met_full,
        )
    }
}
