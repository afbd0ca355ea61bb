//! Time, randomness and machine as a test says, and an observer of commits.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use editor_vault::simulation::{Commits, Durable};
use editor_vault::{Sources, Vault, VaultOptions};

/// Vaults of one test, and what was committed in them.
pub(crate) struct Sight {
    directory: tempfile::TempDir,
    pub(crate) sources: Arc<Script>,
    seen: Arc<Seen>,
}

impl Sight {
    pub(crate) fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let script = Script { state, random: AtomicU64::new(seed), nanos: AtomicU64::new(0) };
        Self { directory, sources: Arc::new(script), seen: Arc::default() }
    }

    pub(crate) fn open(&self, name: &str) -> Vault {
        let options = VaultOptions::new(self.directory.path().join(name)).sources(self.sources.clone());
        options.inline(self.seen.clone()).open().unwrap()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn commits(&self) -> Vec<Durable> {
        self.seen.commits.lock().unwrap().iter().map(|(durable, _)| *durable).collect()
    }

    pub(crate) fn all_on_this_thread(&self) -> bool {
        self.seen.commits.lock().unwrap().iter().all(|(_, thread)| *thread == std::thread::current().id())
    }

    /// What a device leaves that ends here: the file and its log. Gives the new file.
    pub(crate) fn copy(&self, file: &Path, name: &str) -> PathBuf {
        copy(file, &self.directory.path().join(name))
    }

    /// Puts what a device left in the place of a vault that nobody has open: to the machine it is the same vault.
    pub(crate) fn put_back(&self, copy: &str, name: &str) {
        let (from, to) = (self.directory.path().join(copy), self.directory.path().join(name));
        for file in ["vault.sqlite", "vault.sqlite-wal"] {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
        drop(std::fs::remove_file(to.join("vault.sqlite-shm")));
    }

    /// From now on a device ends here at every commit.
    pub(crate) fn copy_at_each_commit(&self, file: &Path) {
        *self.seen.copied.lock().unwrap() = Some((file.to_path_buf(), 0));
    }

    /// The vaults that those left, by name.
    pub(crate) fn copies(&self) -> Vec<String> {
        let count = self.seen.copied.lock().unwrap().take().map_or(0, |(_, count)| count);
        (0..count).map(|number| format!("copy-{number}")).collect()
    }
}

fn copy(file: &Path, directory: &Path) -> PathBuf {
    std::fs::create_dir(directory).unwrap();
    let copy = directory.join("vault.sqlite");
    std::fs::copy(file, &copy).unwrap();
    std::fs::copy(log_of(file), log_of(&copy)).unwrap();
    copy
}

pub(crate) fn log_of(file: &Path) -> PathBuf {
    file.with_extension("sqlite-wal")
}

pub(crate) fn is_log(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x37, 0x7f, 0x06])
}

#[derive(Debug, Default)]
struct Seen {
    commits: Mutex<Vec<(Durable, ThreadId)>>,
    /// What is copied at each, and how often it was.
    copied: Mutex<Option<(PathBuf, usize)>>,
}

impl Commits for Seen {
    fn committed(&self, durable: Durable) {
        self.commits.lock().unwrap().push((durable, std::thread::current().id()));
        if let Some((file, count)) = &mut *self.copied.lock().unwrap() {
            let house = file.parent().and_then(Path::parent).unwrap();
            copy(file, &house.join(format!("copy-{count}")));
            *count += 1;
        }
    }
}

/// Sources that a test controls.
#[derive(Debug)]
pub(crate) struct Script {
    state: PathBuf,
    random: AtomicU64,
    nanos: AtomicU64,
}

impl Script {
    pub(crate) fn set_time(&self, now: Duration) {
        self.nanos.store(u64::try_from(now.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.set_time(self.monotonic() + by);
    }
}

impl Sources for Script {
    fn unix_milliseconds(&self) -> i64 {
        1_700_000_000_000
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes()[..chunk.len()]);
        }
    }

    fn boot_id(&self) -> Option<String> {
        Some("boot".to_owned())
    }

    fn state_dir(&self) -> Option<PathBuf> {
        Some(self.state.clone())
    }
}
