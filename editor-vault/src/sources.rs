//! Time, randomness and the identity of this machine: everything that a vault takes from outside but files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use file_systems::Remote;

/// Where a vault gets time, randomness and machine identity from. A simulator supplies its own.
pub trait Sources: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970, for people; never used for the order of edits. Connections are numbered by it.
    fn unix_milliseconds(&self) -> i64;
    /// As [`Self::unix_milliseconds`], in seconds.
    fn unix_seconds(&self) -> i64 {
        self.unix_milliseconds().div_euclid(1_000)
    }
    /// Time since some origin, never going back.
    fn monotonic(&self) -> Duration;
    /// Fills `bytes` with randomness fit for ids that nobody may guess or meet twice.
    fn fill(&self, bytes: &mut [u8]);
    /// Changes whenever the machine starts; nothing if it cannot be known.
    fn boot_id(&self) -> Option<String>;
    /// A directory of the operating system's user state, outside any vault; nothing if there is none (no `HOME`).
    fn state_dir(&self) -> Option<PathBuf>;
    /// The file system that a directory is on, if a write-ahead log is not safe there. Asks the system, unless a test
    /// says otherwise.
    fn remote_file_system(&self, directory: &Path) -> Option<Remote> {
        file_systems::remote(directory)
    }
}

/// The sources of an ordinary process.
#[derive(Debug)]
pub struct System {
    origin: Instant,
}

impl Default for System {
    fn default() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Sources for System {
    fn unix_milliseconds(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }

    fn boot_id(&self) -> Option<String> {
        // Elsewhere than on Linux there is no cheap answer: actors are then not reused across processes.
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned())
    }

    fn state_dir(&self) -> Option<PathBuf> {
        let dirs = directories::ProjectDirs::from("", "", "symphony-vault")?;
        Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
    }
}

/// Sixteen random bytes.
pub(crate) fn random16(sources: &dyn Sources) -> [u8; 16] {
    let mut bytes = [0; 16];
    sources.fill(&mut bytes);
    bytes
}
