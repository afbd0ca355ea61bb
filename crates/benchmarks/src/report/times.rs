//! Many times, as percentiles.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::figures::{grouped, time};

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

    /// The time within which this share of them was done; 1 gives the longest.
    pub(crate) fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    pub(crate) fn max(&self) -> Duration {
        self.at(1.0)
    }
}

impl fmt::Display for Times {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, nearly_all, all] = [0.5, 0.9, 0.99, 1.0].map(|quantile| time(self.at(quantile)));
        let count = grouped(self.0.len() as f64);
        write!(f, "p50 {half} p90 {most} p99 {nearly_all} max {all} (n = {count})")
    }
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
        assert_eq!(all.to_string(), "p50 2.00 ms p90 3.00 s p99 3.00 s max 3.00 s (n = 3)");
        assert!(all.max() >= Duration::from_secs(3) && all.at(0.1) < Duration::from_micros(1));
    }
}
