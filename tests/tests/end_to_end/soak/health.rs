//! What the process of a relay uses: memory, descriptors, and its write-ahead log. None of them may grow.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use system_tests::Relay;

/// How often one looks.
const EVERY: Duration = Duration::from_millis(500);
/// By so much of its mean may something be larger at the end than at the beginning, by the line through all samples.
const GROWTH_MAX: f64 = 0.10;
/// `journal_size_limit`, to which the log is cut down, and what a transaction may add to it.
const WAL_BYTES_MAX: f64 = (80 << 20) as f64;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// A process that has just begun is smaller than it will be.
    warm_after: Duration,
    life: Option<(u64, Instant)>,
    begun: Option<Instant>,
    looked: Option<Instant>,
    memory: Line,
    descriptors: Line,
    wal: Line,
}

/// Samples over seconds, and the straight line through them.
#[derive(Debug, Default)]
struct Line {
    samples: Vec<(f64, f64)>,
}

impl Health {
    pub(super) fn of_processes_warm_after(warm_after: Duration) -> Self {
        Self { warm_after, ..Self::default() }
    }

    /// Looks now and then; `life` counts the processes that there were.
    pub(super) fn look(&mut self, relay: &Relay, life: u64) -> Result<()> {
        let now = Instant::now();
        let begun = *self.begun.get_or_insert(now);
        let (_, born) = *self.life.insert(self.life.filter(|(of, _)| *of == life).unwrap_or((life, now)));
        if self.looked.is_some_and(|looked| now - looked < EVERY) {
            return Ok(());
        }
        self.looked = Some(now);
        let process = format!("/proc/{}", relay.id().context("the relay runs")?);
        let wal = std::fs::metadata(relay.data().join("relay.sqlite-wal")).map_or(0, |file| file.len());
        let at = (now - begun).as_secs_f64();
        self.wal.samples.push((at, wal as f64));
        if now - born >= self.warm_after {
            let status = std::fs::read_to_string(format!("{process}/status"))?;
            let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
            self.memory.samples.push((at, memory.context("VmRSS is a number")?.parse::<f64>()? * 1024.0));
            self.descriptors.samples.push((at, std::fs::read_dir(format!("{process}/fd"))?.count() as f64));
        }
        Ok(())
    }

    /// Nothing grew.
    pub(super) fn check(&self) -> Result<()> {
        for (what, line) in [("memory", &self.memory), ("descriptors", &self.descriptors)] {
            ensure!(line.growth() <= GROWTH_MAX, "{what} grew by {:.1} % of its mean", line.growth() * 100.0);
        }
        ensure!(self.wal.most() <= WAL_BYTES_MAX, "the write-ahead log had {} bytes", self.wal.most());
        Ok(())
    }
}

impl Line {
    fn mean(&self, of: impl Fn(&(f64, f64)) -> f64) -> f64 {
        self.samples.iter().map(of).sum::<f64>() / self.samples.len().max(1) as f64
    }

    /// What it gains in a second, by least squares.
    fn slope(&self) -> f64 {
        let (at, value) = (self.mean(|sample| sample.0), self.mean(|sample| sample.1));
        let together: f64 = self.samples.iter().map(|sample| (sample.0 - at) * (sample.1 - value)).sum();
        let alone: f64 = self.samples.iter().map(|sample| (sample.0 - at).powi(2)).sum();
        if alone > 0.0 { together / alone } else { 0.0 }
    }

    /// What it gained from the first sample to the last, as a part of its mean.
    fn growth(&self) -> f64 {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else { return 0.0 };
        self.slope() * (last.0 - first.0) / self.mean(|sample| sample.1).max(1.0)
    }

    fn most(&self) -> f64 {
        self.samples.iter().map(|sample| sample.1).fold(0.0, f64::max)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: f64 = (1 << 20) as f64;
        let (memory, descriptors) = (&self.memory, &self.descriptors);
        write!(
            f,
            "soak: memory {:.1} MiB at most, {:+.2} MiB an hour, {:+.1} % over the run; descriptors {} at most, {:+.1} an hour, \
             {:+.1} %; write-ahead log {:.1} MiB at most ({} samples of a warm process)",
            memory.most() / MIB,
            memory.slope() * 3600.0 / MIB,
            memory.growth() * 100.0,
            descriptors.most(),
            descriptors.slope() * 3600.0,
            descriptors.growth() * 100.0,
            self.wal.most() / MIB,
            memory.samples.len(),
        )
    }
}

#[test]
fn what_grows_is_noticed_and_what_only_wavers_is_not() {
    let line =
        |value: fn(f64) -> f64| Line { samples: (0..600).map(|at| (f64::from(at), value(f64::from(at)))).collect() };
    assert!(line(|at| 100.0 + at % 7.0).growth().abs() < 0.01);
    assert!((line(|at| 100.0 + at / 10.0).slope() - 0.1).abs() < 1e-9);
    let sound = || Health { memory: line(|at| 100.0 + at % 7.0), ..Health::default() };
    sound().check().expect("it wavers");
    let error = Health { memory: line(|at| 100.0 + at / 10.0), ..Health::default() }.check().expect_err("it grows");
    assert!(error.to_string().contains("memory grew by 46"), "{error}");
    Health { descriptors: line(|at| 10.0 + at / 100.0), ..sound() }.check().expect_err("it grows");
    Health { wal: line(|at| at * 1e6), ..sound() }.check().expect_err("it grows");
}
