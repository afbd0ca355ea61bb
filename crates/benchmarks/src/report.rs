//! Figures as one line.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// What a workload did, and the figures that it gave.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    figures: Vec<String>,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), figures: Vec::new() }
    }

    /// Adds a figure as it is.
    #[must_use]
    pub(crate) fn figure(mut self, figure: impl Into<String>) -> Self {
        self.figures.push(figure.into());
        self
    }

    /// Adds how many of something were done a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn rate(self, count: usize, took: Duration, noun: &str) -> Self {
        let rate = count as f64 / took.as_secs_f64();
        self.figure(format!("{} {noun}/s", grouped(rate)))
    }

    /// Adds median, 99th percentile and maximum.
    #[must_use]
    pub(crate) fn times(self, noun: &str, times: &Times) -> Self {
        self.figure(format!("{noun} {times}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44} {}", self.what, self.figures.join(", "))
    }
}

/// How long many things took, in nanoseconds with three digits.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    pub(crate) fn new() -> Self {
        match Histogram::new(3) {
            Ok(histogram) => Self(histogram),
            Err(never) => unreachable!("three digits are allowed: {never}"),
        }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        // Cannot fail: the histogram grows as needed.
        let _ = self.0.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Cannot fail, for the same reason.
        let _ = self.0.add(&other.0);
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |quantile| time(Duration::from_nanos(self.0.value_at_quantile(quantile)));
        write!(f, "p50 {} p99 {} max {}", at(0.5), at(0.99), at(1.0))
    }
}

/// A time with three digits and the unit that fits.
pub(crate) fn time(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let digits = if value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.digits$} {unit}")
}

/// A whole number with commas.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_size_are_kept() {
        let (mut few, mut all) = (Times::new(), Times::new());
        for time in [Duration::from_nanos(500), Duration::from_millis(2), Duration::from_secs(3)] {
            few.add(time);
        }
        all.merge(&few);
        assert_eq!(all.to_string(), "p50 2.00 ms p99 3.00 s max 3.00 s");
    }

    #[test]
    fn figures_are_short_and_have_a_unit() {
        assert_eq!(time(Duration::from_nanos(740)), "740 ns");
        assert_eq!(time(Duration::from_nanos(8_250)), "8.25 µs");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_secs(2)), "2.00 s");
        let line = Line::new("x").rate(1_234_567, Duration::from_secs(1), "changes").to_string();
        assert!(line.ends_with(" 1,234,567 changes/s"), "{line}");
    }
}
