//! The one who writes: a thread drains a queue into one transaction and answers after COMMIT. In a simulated world the
//! caller's own thread does, one write at a time.

mod core; // the transaction
mod job; // a write, and who waits for it

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use self::core::Core;
use self::job::{Job, answer};
use super::Tx;
use super::open::Checkpoints;
use crate::bell::Bell;
use crate::error::StorageError;

/// Writes that wait for the thread; whoever comes after waits for room.
const QUEUE_MAX: usize = 1024;
/// Writes in one transaction.
const GROUP_MAX: usize = 256;
/// How often an idle thread looks whether another process has written.
const LOOK_EVERY: Duration = Duration::from_millis(250);

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

/// On whose threads a vault works.
#[derive(Debug, Clone)]
pub(crate) enum Shell {
    /// Its own.
    Threads,
    /// The caller's, who is told of each commit.
    #[cfg(feature = "simulation")]
    Inline(Arc<dyn crate::simulation::Commits>),
}

impl Shell {
    pub(crate) fn is_inline(&self) -> bool {
        !matches!(self, Self::Threads)
    }

    pub(super) fn checkpoints(&self) -> Checkpoints {
        match self {
            Self::Threads => Checkpoints::Automatic,
            #[cfg(feature = "simulation")]
            Self::Inline(_) => Checkpoints::WhenTold,
        }
    }

    /// The file has one commit more.
    #[cfg_attr(not(feature = "simulation"), expect(unused_variables, reason = "threads tell nobody"))]
    pub(super) fn committed(&self, flush: Flush) {
        match self {
            Self::Threads => {}
            #[cfg(feature = "simulation")]
            Self::Inline(commits) => commits.committed(flush.into()),
        }
    }
}

pub(super) struct Writer {
    core: Arc<Mutex<Core>>,
    queue: RwLock<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    file: Arc<Path>,
}

/// How writes come to the core.
#[derive(Clone)]
enum Queue {
    Thread(SyncSender<Box<dyn Job>>),
    Inline,
    Closed,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(
        file: Arc<Path>,
        connection: Connection,
        shell: Shell,
        bell: Arc<Bell>,
    ) -> Result<Self, StorageError> {
        let is_inline = shell.is_inline();
        let core = Core::new(file.clone(), connection, shell, (!is_inline).then_some(bell));
        let core = Arc::new(Mutex::new(core));
        let (queue, thread) = if is_inline { (Queue::Inline, None) } else { start_thread(&core, &file)? };
        Ok(Self { core, queue: RwLock::new(queue), thread: Mutex::new(thread), file })
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
        let job = job::new(flush, write, done);
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner).clone();
        match queue {
            Queue::Thread(queue) => {
                if let Err(refused) = queue.send(job) {
                    refused.0.done(Err(self.closed()));
                }
            }
            Queue::Inline => run(&self.core, vec![job], &self.file),
            Queue::Closed => job.done(Err(self.closed())),
        }
    }

    /// As [`Self::submit`], on the caller's thread if nobody else is writing: it has nothing better to do, and two
    /// threads need not be woken.
    pub(super) fn submit_here<T, E>(
        &self,
        flush: Flush,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        // Held until the core is locked, so that nobody closes it in between.
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        let core = if matches!(*queue, Queue::Closed) { None } else { self.core.try_lock().ok() };
        drop(queue);
        let Some(mut core) = core else { return self.submit(flush, write, done) };
        let mut group = vec![job::new(flush, write, done)];
        let committed = core.commit(&mut group);
        drop(core);
        answer(group, &committed, &self.file);
    }

    fn closed(&self) -> StorageError {
        StorageError::Closed { path: self.file.to_path_buf() }
    }

    pub(super) fn on_foreign_writes(&self, moved: Callback) {
        lock(&self.core).on_foreign_writes(moved);
    }

    /// Waits until everything that was submitted is durable and the connection is closed.
    pub(super) fn close(&self) {
        *self.queue.write().unwrap_or_else(PoisonError::into_inner) = Queue::Closed;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The last owner of the vault may be a callback that this very thread runs.
            if thread.thread().id() == std::thread::current().id() {
                return;
            }
            drop(thread.join());
        }
        lock(&self.core).close();
    }
}

#[cfg(feature = "simulation")]
impl Writer {
    pub(super) fn look_for_foreign_writes(&self) {
        lock(&self.core).look_for_foreign_writes();
    }

    pub(super) fn checkpoint(&self) -> Result<(), StorageError> {
        super::open::checkpoint(lock(&self.core).connection()?, &self.file)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn start_thread(core: &Arc<Mutex<Core>>, file: &Arc<Path>) -> Result<(Queue, Option<JoinHandle<()>>), StorageError> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let (worker, place) = (core.clone(), file.clone());
    let started =
        std::thread::Builder::new().name("vault-writer".into()).spawn(move || drain(&worker, &receiver, &place));
    let io = |error: std::io::Error| StorageError::Io { path: file.to_path_buf(), detail: error.to_string() };
    Ok((Queue::Thread(sender), Some(started.map_err(io)?)))
}

fn drain(core: &Mutex<Core>, queue: &Receiver<Box<dyn Job>>, file: &Path) {
    loop {
        match queue.recv_timeout(LOOK_EVERY) {
            Ok(first) => {
                let mut group = vec![first];
                let mut locked = lock(core);
                group.extend(queue.try_iter().take(GROUP_MAX - 1));
                let committed = locked.commit(&mut group);
                drop(locked);
                answer(group, &committed, file);
                lock(core).look_for_foreign_writes();
            }
            Err(RecvTimeoutError::Timeout) => lock(core).look_for_foreign_writes(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn run(core: &Mutex<Core>, mut group: Vec<Box<dyn Job>>, file: &Path) {
    let committed = lock(core).commit(&mut group);
    answer(group, &committed, file);
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
