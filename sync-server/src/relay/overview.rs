//! The relay in a few numbers: how it is now, for whoever runs it, and how some of them went over the last day.
//!
//! What is counted is counted at most once a second, however many ask.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use file_systems::Room;
use relay_storage::{IntakeTotals, StorageError};
use tokio::time::Instant;
use tracing::warn;

use crate::app::App;
use crate::relay::check::SlowDocument;

/// How long a look is repeated.
const REPEATED_FOR: Duration = Duration::from_secs(1);
/// From one sample to the next.
pub const SAMPLED_EVERY: Duration = Duration::from_secs(300);
/// Samples that are kept: of a day.
pub const SAMPLES_MAX: usize = 288;

/// See the file's head.
#[derive(Debug)]
pub struct Overview {
    began: Instant,
    began_at: i64,
    /// What the last look at the storage found wrong.
    findings: Mutex<Option<usize>>,
    samples: Mutex<VecDeque<Sample>>,
    last: tokio::sync::Mutex<Option<(Instant, Arc<Seen>)>>,
}

/// How it is.
#[derive(Debug)]
pub struct Seen {
    /// What is kept.
    pub stored: relay_storage::Overview,
    /// What waits in spaces with other people.
    pub intake: IntakeTotals,
    /// Documents that wait for their check or are being checked.
    pub waiting: usize,
    /// Those of them in the slow lane.
    pub slow: Vec<SlowDocument>,
    /// Devices that are connected.
    pub sockets: usize,
    /// Streams of server-sent events.
    pub event_streams: usize,
    /// Memory of the process; nothing where the system does not say.
    pub resident_bytes: Option<u64>,
    /// Room on the disk of the data directory; nothing if it cannot be seen.
    pub room: Option<Room>,
}

/// Some of that, at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Unix milliseconds.
    pub at: i64,
    /// Entries of all logs.
    pub entries: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Devices that are connected.
    pub sockets: usize,
    /// Streams of server-sent events.
    pub event_streams: usize,
    /// Documents that wait for their check or are being checked.
    pub waiting: usize,
    /// Batches in the intake.
    pub intake_batches: u64,
    /// Memory of the process.
    pub resident_bytes: Option<u64>,
}

impl Default for Overview {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            began_at: unix_milliseconds(),
            findings: Mutex::default(),
            samples: Mutex::default(),
            last: tokio::sync::Mutex::default(),
        }
    }
}

impl Overview {
    /// A look at the storage found so much.
    pub fn found(&self, findings: usize) {
        *self.findings.lock().unwrap_or_else(PoisonError::into_inner) = Some(findings);
    }

    /// What the last look at the storage found wrong; nothing if this process has not looked yet.
    #[must_use]
    pub fn findings(&self) -> Option<usize> {
        *self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the relay began, in unix milliseconds, and how long ago that is.
    #[must_use]
    pub fn began(&self) -> (i64, Duration) {
        (self.began_at, self.began.elapsed())
    }

    /// What was sampled, the oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn keep(&self, sample: Sample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() >= SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// How it is now, or was a moment ago.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn look(&self, app: &App) -> Result<Arc<Seen>, StorageError> {
        let mut last = self.last.lock().await;
        if let Some((_, seen)) = last.as_ref().filter(|(at, _)| at.elapsed() < REPEATED_FOR) {
            return Ok(Arc::clone(seen));
        }
        let (stored, intake) = (app.storage.overview().await?, app.storage.intake_totals().await?);
        let directory = app.directory.clone();
        let seen = Arc::new(Seen {
            stored,
            intake,
            waiting: app.checker.waiting(),
            slow: app.checker.slow(),
            sockets: app.sessions.total(),
            event_streams: app.event_streams.total(),
            resident_bytes: resident_bytes(),
            room: app.runtime.blocking(move || Room::of(&directory)).await.ok().and_then(Result::ok),
        });
        *last = Some((Instant::now(), Arc::clone(&seen)));
        Ok(seen)
    }
}

/// Samples until the relay stops.
pub async fn run(app: App) {
    let mut every = tokio::time::interval(SAMPLED_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            _ = every.tick() => {}
        }
        match sample(&app).await {
            Ok(sample) => app.overview.keep(sample),
            Err(error) => warn!(error.code = error.code(), "A sample is left out: {error}"),
        }
    }
}

async fn sample(app: &App) -> Result<Sample, StorageError> {
    let (size, intake) = (app.storage.size().await?, app.storage.intake_totals().await?);
    Ok(Sample {
        at: unix_milliseconds(),
        entries: size.entries,
        file_bytes: size.file_bytes,
        sockets: app.sessions.total(),
        event_streams: app.event_streams.total(),
        waiting: app.checker.waiting(),
        intake_batches: intake.batches,
        resident_bytes: resident_bytes(),
    })
}

/// What the system says of this process.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

fn unix_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_samples_is_kept_and_the_oldest_goes() {
        let overview = Overview::default();
        let sample = |at| Sample {
            at,
            entries: 0,
            file_bytes: 0,
            sockets: 0,
            event_streams: 0,
            waiting: 0,
            intake_batches: 0,
            resident_bytes: None,
        };
        let number = SAMPLES_MAX as i64;
        (0..=number).for_each(|at| overview.keep(sample(at)));
        let kept = overview.samples();
        assert_eq!((kept.len(), kept[0].at, kept[SAMPLES_MAX - 1].at), (SAMPLES_MAX, 1, number));
        assert_eq!(SAMPLED_EVERY * SAMPLES_MAX as u32, Duration::from_hours(24));
    }
}
