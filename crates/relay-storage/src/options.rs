//! What a shell hands in: clock, randomness, receipt keys, limits, and whether there are threads.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use file_systems::Remote;
use sync_wire::DocumentId;

use crate::open::Checkpoints;
use crate::receipts::ReceiptKeys;

/// Gives the wall time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Fills bytes from a source that nobody can predict; in a simulation, from a seed.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Told right after every commit, on the thread that writes; what was committed is on disk by then.
pub type OnCommit = Arc<dyn Fn() + Send + Sync>;

/// How [`crate::Storage`] is opened.
#[derive(Clone)]
pub struct StorageOptions {
    /// The keys of receipts; they live outside the database.
    pub receipt_keys: ReceiptKeys,
    /// The wall clock.
    pub clock: Clock,
    /// Where ids, tokens, epochs and salts come from.
    pub random: Random,
    /// With threads or without.
    pub shell: Shell,
    /// What is too much.
    pub limits: Limits,
    /// Documents that the relay alone writes, whatever their space: what devices push of them is refused. None by
    /// default.
    pub reserved: Arc<[DocumentId]>,
    /// Who hears of commits, if anybody.
    pub on_commit: Option<OnCommit>,
    /// Says what a directory is on, if a write-ahead log is not safe there. Default: asks the system.
    pub file_system: fn(&Path) -> Option<Remote>,
}

impl StorageOptions {
    /// The clock and randomness of the operating system, two reader threads, the default limits.
    #[must_use]
    pub fn new(receipt_keys: ReceiptKeys) -> Self {
        Self {
            receipt_keys,
            clock: system_clock(),
            random: system_random(),
            shell: Shell::Threads { readers: 2 },
            limits: Limits::default(),
            reserved: Arc::default(),
            on_commit: None,
            file_system: file_systems::remote,
        }
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageOptions")
            .field("shell", &self.shell)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Where the work of storage is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// One writer thread that commits in groups, and this many reader threads (at least one).
    Threads {
        /// Number of readers.
        readers: usize,
    },
    /// On the caller's thread, each write in a transaction of its own: every future completes at its first poll. The
    /// write-ahead log is moved into the file only by [`crate::Storage::checkpoint`].
    Inline,
}

impl Shell {
    pub(crate) const fn checkpoints(self) -> Checkpoints {
        match self {
            Self::Threads { .. } => Checkpoints::Automatic,
            Self::Inline => Checkpoints::WhenTold,
        }
    }
}

/// What is too much for one document, and for the memory of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tells these limits from others; [`Limits::versioned`] makes it. Batches parked under other limits are worth
    /// pushing again.
    pub version: u64,
    /// Bytes of changes that an account may have in logs, unless it was given another number. Default 1 GiB.
    pub account_bytes_max: u64,
    /// Entries of one document. Default 5,000,000.
    pub document_entries_max: u64,
    /// Automerge operations of one document, summed over its changes. Default 5,000,000.
    pub document_ops_max: u64,
    /// Bytes of the changes of one document. Default 256 MiB.
    pub document_bytes_max: u64,
    /// Size of the database file, in bytes; writes that need more fail as on a full disk, and succeed again when it is
    /// raised. Default: none.
    pub file_bytes_max: Option<u64>,
    /// Memory for the frontiers of documents that were written lately, in bytes. Default 64 MiB.
    pub frontier_bytes_max: usize,
    /// Bytes of refused changes that are kept for one account; the oldest go first, their fates stay. Default 64 MiB.
    pub refused_bytes_max: u64,
    /// Refused changes of one account whose bytes are kept. Default 10,000.
    pub refused_changes_max: u64,
    /// Keys of requests that are remembered for one account at once. Default 4,096.
    pub keyed_requests_max: u64,
    /// How much may wait for its check in spaces with other people.
    pub intake: IntakeLimits,
}

/// How much may wait in the intake. What a batch costs beside its bytes is counted as 256 bytes. One document may have
/// a quarter of what its pushers may, and of whatever nothing waits one batch has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeLimits {
    /// Batches of one space. Default 65,536.
    pub space_batches_max: u64,
    /// Bytes of one space. Default 256 MiB.
    pub space_bytes_max: u64,
    /// Batches of one account, in all spaces. Default 16,384.
    pub account_batches_max: u64,
    /// Bytes of one account, in all spaces. Default 64 MiB.
    pub account_bytes_max: u64,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            space_batches_max: 65_536,
            space_bytes_max: 256 << 20,
            account_batches_max: 16_384,
            account_bytes_max: 64 << 20,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            version: 1,
            account_bytes_max: 1 << 30,
            document_entries_max: 5_000_000,
            document_ops_max: 5_000_000,
            document_bytes_max: 256 << 20,
            file_bytes_max: None,
            frontier_bytes_max: 64 << 20,
            refused_bytes_max: 64 << 20,
            refused_changes_max: 10_000,
            keyed_requests_max: 4_096,
            intake: IntakeLimits::default(),
        }
    }
}

impl Limits {
    /// These limits with a version that is theirs: what a relay parked before it was restarted with others is judged
    /// again, and what it parked under the same ones is not.
    #[must_use]
    pub fn versioned(self) -> Self {
        let judging =
            [self.account_bytes_max, self.document_entries_max, self.document_ops_max, self.document_bytes_max];
        let mut hasher = blake3::Hasher::new();
        for limit in judging {
            hasher.update(&limit.to_be_bytes());
        }
        let mut version = [0; 8];
        version.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        // Positive as a signed number, also when a few are added.
        Self { version: u64::from_be_bytes(version) >> 2, ..self }
    }
}

/// The clock of the operating system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// The cryptographic randomness of the process, seeded by the operating system.
#[must_use]
pub fn system_random() -> Random {
    Arc::new(|bytes| rand::fill(bytes))
}

/// Random bytes of a fixed length.
pub(crate) fn random_bytes<const N: usize>(random: &Random) -> [u8; N] {
    let mut bytes = [0; N];
    random(&mut bytes);
    bytes
}
