//! The one thread that writes: it drains its queue into one transaction and answers after COMMIT.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::tx::fault;
use super::{Tx, open};
use crate::bell::Bell;
use crate::error::StorageError;

/// Writes that wait for the thread; whoever comes after waits for room.
const QUEUE_MAX: usize = 1024;
/// Writes in one transaction.
const GROUP_MAX: usize = 256;
/// How often an idle thread looks whether another process has written.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often BEGIN is tried while another process writes; each waits for the busy timeout of 5 s.
const BEGIN_ATTEMPTS: u32 = 6;

type Callback = Box<dyn Fn() + Send>;

/// When a commit has to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before it is answered: nobody else has it.
    Now,
    /// With the next one that must: the relay has it, and gives it again to a resume point that went back with it.
    /// Commits reach the disk in their order, so no edit of ours can outlive what it rests on (decision 0006).
    Later,
}

pub(super) struct Writer {
    queue: RwLock<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    foreign: Arc<Mutex<Option<Callback>>>,
    file: Arc<Path>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(file: Arc<Path>, connection: Connection, bell: Arc<Bell>) -> Result<Self, StorageError> {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let foreign: Arc<Mutex<Option<Callback>>> = Arc::default();
        let (shared_file, callback) = (file.clone(), foreign.clone());
        let mut worker =
            Worker { connection: Some(connection), file: shared_file, foreign: callback, bell, data_version: 0 };
        let started = std::thread::Builder::new().name("vault-writer".into()).spawn(move || worker.run(&receiver));
        let io = |error: std::io::Error| StorageError::Io { path: file.to_path_buf(), detail: error.to_string() };
        let thread = started.map_err(io)?;
        Ok(Self { queue: RwLock::new(Some(sender)), thread: Mutex::new(Some(thread)), foreign, file })
    }

    pub(super) fn submit<T, E>(
        &self,
        flush: Flush,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let job = Box::new(Write { flush, write: Some(write), outcome: None, done: Some(done) });
        let closed = || StorageError::Closed { path: self.file.to_path_buf() };
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner).clone();
        match queue {
            Some(queue) => {
                if let Err(refused) = queue.send(job) {
                    refused.0.done(Err(closed()));
                }
            }
            None => job.done(Err(closed())),
        }
    }

    pub(super) fn on_foreign_writes(&self, moved: Callback) {
        *self.foreign.lock().unwrap_or_else(PoisonError::into_inner) = Some(moved);
    }
}

impl Writer {
    /// Waits until everything that was submitted is durable and the connection is closed.
    pub(super) fn close(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last owner of the vault may be a callback that this very thread runs.
        let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) else { return };
        drop(thread.join());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// A write and who waits for it.
trait Job: Send {
    fn flush(&self) -> Flush;
    /// Runs inside a savepoint; an error takes it back.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), ()>;
    /// Called after COMMIT, or after it failed.
    fn done(self: Box<Self>, committed: Result<(), StorageError>);
}

struct Write<T, E, W, D> {
    flush: Flush,
    write: Option<W>,
    outcome: Option<Result<T, E>>,
    done: Option<D>,
}

impl<T, E, W, D> Job for Write<T, E, W, D>
where
    T: Send,
    E: From<StorageError> + Send,
    W: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    D: FnOnce(Result<T, E>) + Send,
{
    fn flush(&self) -> Flush {
        self.flush
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), ()> {
        let Some(write) = self.write.take() else { return Err(()) };
        let outcome = catch_unwind(AssertUnwindSafe(|| write(tx)))
            .unwrap_or_else(|_| Err(tx.unexpected("a write panicked; nothing of it was kept").into()));
        let kept = if outcome.is_ok() { Ok(()) } else { Err(()) };
        self.outcome = Some(outcome);
        kept
    }

    fn done(mut self: Box<Self>, committed: Result<(), StorageError>) {
        let Some(done) = self.done.take() else { return };
        match (committed, self.outcome.take()) {
            (Ok(()), Some(outcome)) | (Err(_), Some(outcome @ Err(_))) => done(outcome),
            (Err(error), _) => done(Err(error.into())),
            (Ok(()), None) => {}
        }
    }
}

struct Worker {
    connection: Option<Connection>,
    file: Arc<Path>,
    foreign: Arc<Mutex<Option<Callback>>>,
    bell: Arc<Bell>,
    data_version: i64,
}

impl Worker {
    fn run(&mut self, queue: &Receiver<Box<dyn Job>>) {
        self.data_version = self.read_data_version().unwrap_or(0);
        loop {
            match queue.recv_timeout(LOOK_EVERY) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(queue.try_iter().take(GROUP_MAX - 1));
                    self.commit(group);
                    self.look_for_foreign_writes();
                }
                Err(RecvTimeoutError::Timeout) => self.look_for_foreign_writes(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let committed = self.transact(&mut group);
        if let Err(error) = &committed {
            // What SQLite knows after a failed flush cannot be trusted: begin anew from the file.
            tracing::warn!(vault.file = %self.file.display(), error = %error, "A commit failed");
            self.connection = None;
        } else {
            self.bell.ring();
        }
        for job in group {
            let outcome = committed.clone();
            if catch_unwind(AssertUnwindSafe(|| job.done(outcome))).is_err() {
                tracing::error!(vault.file = %self.file.display(), "A callback of the writer panicked");
            }
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StorageError> {
        let file = self.file.clone();
        let is_urgent = group.iter().any(|job| job.flush() == Flush::Now);
        let flush = if is_urgent { Flush::Now } else { Flush::Later };
        let connection = self.connection()?;
        let run = |sql: &str| connection.execute_batch(sql).map_err(|error| fault(&file, &error));
        open::set_flush(connection, flush).map_err(|error| fault(&file, &error))?;
        begin(connection, &file)?;
        let tx = Tx::new(connection, &file);
        for job in group {
            run("SAVEPOINT job")?;
            if job.run(&tx).is_err() {
                if connection.is_autocommit() {
                    // A full disk makes SQLite roll back everything by itself; then the whole group has failed.
                    let detail = "the disk is full, or failed: SQLite has taken the whole transaction back".into();
                    return Err(StorageError::Io { path: file.to_path_buf(), detail });
                }
                run("ROLLBACK TO job")?;
            }
            run("RELEASE job")?;
        }
        run("COMMIT").inspect_err(|_| drop(connection.execute_batch("ROLLBACK")))
    }

    fn connection(&mut self) -> Result<&Connection, StorageError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::writer(&self.file)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The version moves when another connection commits, and only this one writes in this process.
    fn look_for_foreign_writes(&mut self) {
        let Ok(version) = self.read_data_version() else { return };
        if version == self.data_version {
            return;
        }
        self.data_version = version;
        if let Some(moved) = &*self.foreign.lock().unwrap_or_else(PoisonError::into_inner) {
            moved();
        }
    }

    fn read_data_version(&mut self) -> Result<i64, StorageError> {
        let file = self.file.clone();
        let connection = self.connection()?;
        let version = connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(|error| fault(&file, &error))
    }
}

fn begin(connection: &Connection, file: &Path) -> Result<(), StorageError> {
    let mut attempt = 1;
    loop {
        match connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| fault(file, &error)) {
            Err(StorageError::Busy { .. }) if attempt < BEGIN_ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}
