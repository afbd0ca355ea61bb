//! Instants that the shell supplies: monotonic, with an origin that means nothing.

use std::ops::Add;
use std::time::Duration;

/// A point in monotonic time, as the duration since some origin that the shell chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub Duration);

impl Instant {
    /// The time from `earlier` until this, zero if it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}
