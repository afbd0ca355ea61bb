//! The one clock of a world. It stands still unless the world moves it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sync_core::time::Instant;

/// When every world begins: 2026-01-01T00:00:00Z, in seconds since 1970.
const BEGINNING_UNIX_SECONDS: i64 = 1_767_225_600;

/// Nanoseconds since the world began; clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    /// The time that machines go by.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }

    /// The time that people go by.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        BEGINNING_UNIX_SECONDS + self.now().0.as_secs().cast_signed()
    }

    /// As [`Self::unix_seconds`], finer.
    #[must_use]
    pub fn unix_milliseconds(&self) -> i64 {
        BEGINNING_UNIX_SECONDS * 1000 + self.now().0.as_millis() as i64
    }

    /// Moves on; never back.
    pub fn advance_to(&self, at: Instant) {
        self.0.fetch_max(at.0.as_nanos() as u64, Ordering::Relaxed);
    }
}
