//! One seed, and many seeds, in this process or in several.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sync_wire::planted::{self, Bug};

use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::world::{Watch, World};

/// Where worlds keep their files while they last: in memory if the system offers that.
const IN_MEMORY: &str = "/dev/shm";
const PREFIX: &str = "symphony-world-";

/// A directory for worlds, one after the other; gone when this is dropped.
#[derive(Debug)]
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// A new one.
    ///
    /// # Errors
    /// Of the file system.
    pub fn make() -> Result<Self> {
        let parent = parent();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
        Ok(Self { directory: directory.with_context(|| format!("no directory in {}", parent.display()))? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn parent() -> PathBuf {
    let in_memory = Path::new(IN_MEMORY);
    if in_memory.is_dir() { in_memory.to_owned() } else { std::env::temp_dir() }
}

/// Removes what simulations left behind that were killed.
pub fn sweep() {
    let Ok(found) = std::fs::read_dir(parent()) else { return };
    for item in found.flatten() {
        let name = item.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) && Path::new("/proc/self").exists()
        {
            drop(std::fs::remove_dir_all(item.path()));
        }
    }
}

/// What a world was like.
#[derive(Debug)]
pub struct Ran {
    /// What a check found, if anything.
    pub failure: Option<Failure>,
    /// Things that happened.
    pub steps: u64,
    /// How long it lasted by its own clock.
    pub lasted: Duration,
}

/// Runs the world of a seed, with a bug planted or none. A panic is a failure like others.
///
/// # Errors
/// If the files of the world could not be laid out.
pub fn seed(seed: u64, bug: Option<Bug>, place: &Place, watch: Watch) -> Result<Ran> {
    let directory = place.directory.path().join("world");
    std::fs::create_dir_all(&directory)?;
    // What an attacker sends makes Automerge panic behind the guard, and nobody wants to read of it.
    static QUIET: Once = Once::new();
    QUIET.call_once(document::quiet_panics);
    planted::plant(bug);
    let mut ran = Ran { failure: None, steps: 0, lasted: Duration::ZERO };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::seeded(seed, &directory, watch)?;
        let outcome = world.run();
        (ran.steps, ran.lasted) = (world.steps(), world.now().0);
        outcome
    }));
    planted::plant(None);
    ran.failure = match outcome {
        Ok(outcome) => outcome.err(),
        Err(panic) => Some(Failure::new("nothing panics", words(&*panic))),
    };
    std::fs::remove_dir_all(&directory)?;
    Ok(ran)
}

/// The digest of everything that the world of a seed does.
///
/// # Errors
/// As [`seed`].
pub fn digest(number: u64, place: &Place) -> Result<[u8; 32]> {
    let fingerprint = Fingerprint::taken();
    let watch = Watch { fingerprint: fingerprint.clone(), ..Watch::default() };
    let ran = seed(number, None, place, watch)?;
    fingerprint.add("outcome", || format!("{:?} {} {:?}", ran.failure, ran.steps, ran.lasted));
    Ok(fingerprint.digest())
}

/// Which worlds to run.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Whether the others are still run after a failure.
    pub after_failure: AfterFailure,
}

/// What a range does after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Runs the others.
    GoOn,
    /// Runs no others.
    Stop,
}

/// How a range went.
#[derive(Debug, Default)]
pub struct Summary {
    /// Worlds that were run.
    pub ran: u64,
    /// Things that happened in them.
    pub steps: u64,
    /// How long they lasted by their own clocks, together.
    pub lasted: Duration,
    /// What failed, by seed.
    pub failures: BTreeMap<u64, Failure>,
    /// The largest seed that was run.
    pub newest: u64,
    /// The seed that was run last.
    pub latest: u64,
}

/// Runs worlds one after the other in this process, with a bug planted or none.
///
/// # Errors
/// As [`seed`].
pub fn range(range: Range, bug: Option<Bug>) -> Result<Summary> {
    let place = Place::make()?;
    spread(range, vec![|number| seed(number, bug, &place, Watch::default())], &|_| ())
}

/// Hands the seeds of a range out to workers, each of which runs one world at a time. `progress` is told after each.
///
/// # Errors
/// Those of the workers.
pub fn spread<W>(range: Range, workers: Vec<W>, progress: &(dyn Fn(&Summary) + Sync)) -> Result<Summary>
where
    W: FnMut(u64) -> Result<Ran> + Send,
{
    let summary = Mutex::new(Summary::default());
    let next = AtomicU64::new(range.from);
    let end = range.from + range.seeds;
    let work = |mut worker: W| -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return Ok(());
            }
            let ran = worker(number)?;
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            summary.add(number, ran);
            if range.after_failure == AfterFailure::Stop && !summary.failures.is_empty() {
                next.store(end, Ordering::Relaxed);
            }
            progress(&summary);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(|| work(worker))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Summary {
    fn add(&mut self, number: u64, ran: Ran) {
        let Ran { failure, steps, lasted } = ran;
        self.ran += 1;
        self.steps += steps;
        self.lasted += lasted;
        (self.newest, self.latest) = (self.newest.max(number), number);
        if let Some(failure) = failure {
            self.failures.insert(number, failure);
        }
    }
}

/// The digest of the worlds of a range, one after the other.
///
/// # Errors
/// As [`seed`].
pub fn digest_of(from: u64, seeds: u64) -> Result<blake3::Hash> {
    let place = Place::make()?;
    let mut hasher = blake3::Hasher::new();
    for number in from..from + seeds {
        hasher.update(&digest(number, &place)?);
    }
    Ok(hasher.finalize())
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
