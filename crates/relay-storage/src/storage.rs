//! The handle that everybody shares, and how a call gets from it to a connection and back.
//!
//! Writes go through one queue to one writer, which commits whatever is queued as one group; reads go to whichever
//! reader is free. Both queues are bounded: when they are full, callers wait.

mod job; // one queued write: its work, and its answer after the commit
mod line; // which of them is next
mod writer; // the writing connection and the group commit

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use file_systems::Remote;
use rusqlite::Connection;
use sync_wire::DocumentId;
use tokio::sync::{mpsc, oneshot};

use crate::change_log::unsigned;
use crate::error::{Failure, StorageError};
use crate::open::{self, Checkpoints, Journal, OpenError};
use crate::options::{Clock, Limits, OnCommit, Random, Shell, StorageOptions, random_bytes};
use crate::place::Place;
use crate::receipts::ReceiptKeys;
use crate::url::StorageUrl;

pub(crate) use job::Load;
use job::{Isolation, Job, Work};
use line::Line;
pub(crate) use writer::{Writer, commit_in_between};

/// Everything the relay keeps. Cheap to clone; all clones are the same storage.
///
/// With [`Shell::Inline`] every future completes at its first poll.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    place: Place,
    limits: Limits,
    commits: Arc<AtomicU64>,
    running: Running,
}

enum Running {
    Threads(Mutex<Option<Queues>>, tokio::sync::Mutex<Ended>),
    Inline(Box<Mutex<Option<(Writer, Reader)>>>),
}

/// Each resolves when its thread has ended and closed its connection.
struct Ended {
    readers: Vec<oneshot::Receiver<()>>,
    writer: Option<oneshot::Receiver<()>>,
}

#[derive(Clone)]
struct Queues {
    writes: mpsc::Sender<Box<dyn Job>>,
    reads: mpsc::Sender<ReadJob>,
}

type ReadJob = Box<dyn FnOnce(&Reader) + Send>;

/// What the cores need beside a connection.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) receipt_keys: ReceiptKeys,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) limits: Limits,
    /// Documents that the relay alone writes.
    pub(crate) reserved: Arc<[DocumentId]>,
    /// Under which name this handle has leases.
    pub(crate) holder: [u8; 16],
    pub(crate) on_commit: Option<OnCommit>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) journal: Journal,
}

impl Context {
    /// What a batch is parked by: changes when the limits do, and when something moved that may judge it otherwise.
    pub(crate) fn judged_by(&self, connection: &Connection) -> u64 {
        let moved = connection
            .prepare_cached("SELECT value FROM meta WHERE name = 'limits_moved'")
            .and_then(|mut statement| statement.query_row([], |row| unsigned(row, 0)));
        // If it cannot be read, the batch is pushed once more than it need be, which harms nobody.
        self.limits.version + moved.unwrap_or_default()
    }
}

/// A connection that only reads.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) context: Context,
}

/// Writes that may wait for the writer, and reads for a reader, before callers wait in turn.
const QUEUE_JOBS_MAX: usize = 1024;
/// Steps of one group, so that its first caller does not wait for ever.
const GROUP_STEPS_MAX: usize = 8192;
/// A job of so many steps is a group of its own, for which those with fewer do not wait if they were queued by then.
const HEAVY_STEPS_MIN: usize = 512;

impl Storage {
    /// Opens the storage, and makes it (mode 0600) if it is not there; its directory must be.
    ///
    /// Several processes may have it open: commands of an administrator work while the server runs.
    ///
    /// # Errors
    /// [`OpenError`], naming the file, the rule and the remedy; the file is as it was.
    pub fn open_blocking(url: &StorageUrl, options: StorageOptions) -> Result<Self, OpenError> {
        let StorageUrl::Sqlite(path) = url;
        let StorageOptions { receipt_keys, clock, random, shell, limits, reserved, on_commit, file_system } = options;
        let checkpoints = shell.checkpoints();
        let place = Place::take(path, file_system)?;
        let journal = place.journal();
        let holder = random_bytes(&random);
        let context =
            Context { receipt_keys, clock, random, limits, reserved, holder, on_commit, checkpoints, journal };
        let connection = open::open_writer(path, limits.file_bytes_max, checkpoints, journal)?;
        let writer = Writer::new(connection, path.clone(), context.clone());
        let commits = Arc::clone(&writer.commits);
        let reader =
            || Ok(Reader { connection: open::open_reader(path, checkpoints, journal)?, context: context.clone() });
        let running = match shell {
            Shell::Inline => Running::Inline(Box::new(Mutex::new(Some((writer, reader()?))))),
            Shell::Threads { readers } => {
                let readers = (0..readers.max(1)).map(|_| reader()).collect::<Result<Vec<_>, OpenError>>()?;
                start(path, writer, readers)?
            }
        };
        Ok(Self { inner: Arc::new(Inner { path: path.clone(), place, limits, commits, running }) })
    }

    /// As [`Storage::open_blocking`], on a thread of its own.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(url: &StorageUrl, options: StorageOptions) -> Result<Self, OpenError> {
        let StorageUrl::Sqlite(path) = url.clone();
        let url = url.clone();
        let opened = on_own_thread("storage-open", move || Self::open_blocking(&url, options)).await;
        opened.unwrap_or_else(|source| Err(OpenError::Storage { path, source }))
    }

    /// The limits it was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The file system that the storage is on, if a write-ahead log is not safe there: it has a rollback journal then,
    /// is slower, and only one process may have it open.
    #[must_use]
    pub fn remote_file_system(&self) -> Option<Remote> {
        self.inner.place.remote()
    }

    /// How many groups of writes this handle and its clones have committed. Many writes may share one commit.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }

    /// Finishes what is queued and closes every connection of this handle and its clones; later calls answer
    /// [`StorageError::Closed`].
    pub async fn close(&self) {
        match &self.inner.running {
            Running::Inline(cores) => drop(cores.lock().unwrap_or_else(PoisonError::into_inner).take()),
            Running::Threads(queues, ended) => {
                let taken = queues.lock().unwrap_or_else(PoisonError::into_inner).take();
                let (reads, writes) = taken.map(|queues| (queues.reads, queues.writes)).unzip();
                let mut ended = ended.lock().await;
                // The senders are dropped, never used: an error is the signal that the thread has ended. The writer
                // goes last and alone, because only a lone connection moves the write-ahead log into the file.
                drop(reads);
                for reader in ended.readers.drain(..) {
                    let _ = reader.await;
                }
                drop(writes);
                if let Some(writer) = ended.writer.take() {
                    let _ = writer.await;
                }
            }
        }
    }

    /// Moves the write-ahead log of an inline storage into the file and empties it. With threads that is done when it
    /// is due, and this does nothing.
    ///
    /// # Errors
    /// [`StorageError`]; nothing that was written is lost.
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        let Running::Inline(cores) = &self.inner.running else { return Ok(()) };
        let mut cores = cores.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, _) = cores.as_mut().ok_or(StorageError::Closed)?;
        writer.checkpoint()
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        match &self.inner.running {
            Running::Inline(_) => Checkpoints::WhenTold,
            Running::Threads(..) => Checkpoints::Automatic,
        }
    }

    /// Runs long blocking work without holding a thread of the caller's runtime; inline, there is no other.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        match &self.inner.running {
            Running::Inline(_) => Ok(body()),
            Running::Threads(..) => on_own_thread(name, body).await,
        }
    }

    pub(crate) fn journal(&self) -> Journal {
        self.inner.place.journal()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `body` on a reading connection.
    pub(crate) async fn read<T, E>(&self, body: impl FnOnce(&Reader) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let queues = match &self.inner.running {
            Running::Inline(cores) => {
                let cores = cores.lock().unwrap_or_else(PoisonError::into_inner);
                let (_, reader) = cores.as_ref().ok_or(StorageError::Closed)?;
                return body(reader);
            }
            Running::Threads(queues, _) => open_queues(queues)?,
        };
        let (reply, answer) = oneshot::channel();
        // A caller that has gone away needs no answer.
        let job: ReadJob = Box::new(move |reader| drop(reply.send(body(reader))));
        queues.reads.send(job).await.map_err(|_| StorageError::Closed)?;
        answer.await.map_err(|_| StorageError::Closed)?
    }

    /// Runs `body` in a transaction, undone if it fails; returns when that is durable.
    pub(crate) async fn write<T, E>(
        &self,
        body: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
    {
        self.queue(Isolation::Savepoint, Load::ONE, body).await
    }

    /// As [`Storage::write`], of so much work.
    pub(crate) async fn write_loaded<T, E>(
        &self,
        load: Load,
        body: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
    {
        self.queue(Isolation::Savepoint, load, body).await
    }

    /// As [`Storage::write`] for a body that never fails after its first statement unless the database does.
    pub(crate) async fn write_validated<T>(
        &self,
        load: Load,
        body: impl FnOnce(&mut Writer) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
    {
        self.queue(Isolation::Validated, load, body).await
    }

    async fn queue<T, E>(
        &self,
        isolation: Isolation,
        load: Load,
        body: impl FnOnce(&mut Writer) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Work::new(isolation, load, body, reply));
        match &self.inner.running {
            Running::Inline(cores) => {
                let mut cores = cores.lock().unwrap_or_else(PoisonError::into_inner);
                let (writer, _) = cores.as_mut().ok_or(StorageError::Closed)?;
                writer.run(vec![job]);
            }
            Running::Threads(queues, _) => {
                let queues = open_queues(queues)?;
                queues.writes.send(job).await.map_err(|_| StorageError::Closed)?;
            }
        }
        answer.await.map_err(|_| StorageError::Closed)?
    }
}

fn open_queues(queues: &Mutex<Option<Queues>>) -> Result<Queues, StorageError> {
    queues.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StorageError::Closed)
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

fn start(path: &Path, mut writer: Writer, readers: Vec<Reader>) -> Result<Running, OpenError> {
    let (writes, mut queue) = mpsc::channel(QUEUE_JOBS_MAX);
    let (reads, read_queue) = mpsc::channel(QUEUE_JOBS_MAX);
    let writer_ended = spawn(path, "storage-writer", move || {
        let mut line = Line::default();
        while let Some(group) = line.next(&mut queue) {
            writer.run(group);
        }
    })?;
    let mut ended = Ended { readers: Vec::with_capacity(readers.len()), writer: Some(writer_ended) };
    let read_queue = Arc::new(Mutex::new(read_queue));
    for reader in readers {
        let queue = Arc::clone(&read_queue);
        ended.readers.push(spawn(path, "storage-reader", move || {
            while let Some(job) = next_read(&queue) {
                // A defect in one read must not take the reader from all others; its caller hears `Closed`.
                let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&reader)));
                if ran.is_err() {
                    tracing::error!("A read of storage panicked");
                }
            }
        })?);
    }
    Ok(Running::Threads(Mutex::new(Some(Queues { writes, reads })), tokio::sync::Mutex::new(ended)))
}

/// The lock is held while waiting: one idle reader waits for a job, the others for the lock.
fn next_read(queue: &Mutex<mpsc::Receiver<ReadJob>>) -> Option<ReadJob> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

/// Starts a thread; the receiver resolves when it has ended and dropped what it owned.
fn spawn(path: &Path, name: &str, body: impl FnOnce() + Send + 'static) -> Result<oneshot::Receiver<()>, OpenError> {
    let (alive, ended) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        body();
        drop(alive);
    });
    spawned.map_err(|error| OpenError::Storage { path: path.to_owned(), source: no_thread(&error) })?;
    Ok(ended)
}

fn no_thread(error: &std::io::Error) -> StorageError {
    StorageError::Unexpected { detail: format!("no thread could be started: {error}") }
}

/// Runs long blocking work without holding a thread of the caller's runtime.
async fn on_own_thread<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    let (reply, answer) = oneshot::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || drop(reply.send(body())));
    spawned.map_err(|error| no_thread(&error))?;
    answer.await.map_err(|_| StorageError::Closed)
}
