//! The one who writes: a thread drains a queue into one transaction and answers after COMMIT. In a simulated world the
//! caller's own thread does, one write at a time.

mod core; // the transaction
mod job; // a write, and who waits for it

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
/// How often an idle thread looks whether another process has written, if it cannot hear it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it looks if this process listens to the bell of the others.
const LOOK_ANYWAY_EVERY: Duration = Duration::from_secs(1);
/// From so many writes in one transaction on, the next waits for as many: those who were answered together come again
/// together, and a transaction for the first of them would make all others wait for two.
const COMPANY_MIN: usize = 8;
/// A pause in which nobody comes ends the waiting.
const PAUSE: Duration = Duration::from_micros(100);

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

/// How far what an error takes back reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that the write did, and nothing of others.
    Own,
    /// The whole transaction, if the write did something: for one that fails before it does anything, unless the file
    /// fails. Quicker.
    Group,
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
    /// What every write fails with, once it is known.
    refusal: OnceLock<StorageError>,
}

/// How writes come to the core.
#[derive(Clone)]
enum Queue {
    Thread(SyncSender<Order>),
    Inline,
    Closed,
}

/// What the thread is to do.
enum Order {
    Write(Box<dyn Job>),
    /// Look whether another process has written: from now on it may not be heard.
    Look,
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
        let (is_inline, heard) = (shell.is_inline(), bell.clone());
        let core = Core::new(file.clone(), connection, shell, (!is_inline).then_some(bell));
        let core = Arc::new(Mutex::new(core));
        let (queue, thread) = if is_inline { (Queue::Inline, None) } else { start_thread(&core, &file, heard)? };
        Ok(Self { core, queue: RwLock::new(queue), thread: Mutex::new(thread), file, refusal: OnceLock::new() })
    }

    pub(super) fn submit<T, E>(
        &self,
        flush: Flush,
        scope: Scope,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let job = job::new(flush, scope, write, done);
        if let Some(refusal) = self.refusal.get() {
            return job.done(Err(refusal.clone()));
        }
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner).clone();
        match queue {
            Queue::Thread(queue) => {
                if let Err(SendError(Order::Write(job))) = queue.send(Order::Write(job)) {
                    job.done(Err(self.closed()));
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
        if self.refusal.get().is_some() {
            return self.submit(flush, Scope::Own, write, done);
        }
        // Held until the core is locked, so that nobody closes it in between.
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        let core = if matches!(*queue, Queue::Closed) { None } else { self.core.try_lock().ok() };
        drop(queue);
        let Some(mut core) = core else { return self.submit(flush, Scope::Own, write, done) };
        let mut group = vec![job::new(flush, Scope::Own, write, done)];
        let committed = core.commit(&mut group);
        drop(core);
        answer(group, &committed, &self.file);
    }

    /// From now on every write fails with this.
    pub(super) fn refuse(&self, refusal: StorageError) {
        drop(self.refusal.set(refusal));
    }

    fn closed(&self) -> StorageError {
        StorageError::Closed { path: self.file.to_path_buf() }
    }

    pub(super) fn on_foreign_writes(&self, moved: Callback) {
        lock(&self.core).on_foreign_writes(moved);
    }

    /// The bell is no longer heard.
    pub(super) fn look_again(&self) {
        if let Queue::Thread(queue) = &*self.queue.read().unwrap_or_else(PoisonError::into_inner) {
            drop(queue.try_send(Order::Look)); // whose queue is full looks after what is in it
        }
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

fn start_thread(
    core: &Arc<Mutex<Core>>,
    file: &Arc<Path>,
    bell: Arc<Bell>,
) -> Result<(Queue, Option<JoinHandle<()>>), StorageError> {
    let (sender, receiver) = sync_channel(QUEUE_MAX);
    let (worker, place) = (core.clone(), file.clone());
    let started =
        std::thread::Builder::new().name("vault-writer".into()).spawn(move || drain(&worker, &receiver, &bell, &place));
    let io = |error: std::io::Error| StorageError::Io { path: file.to_path_buf(), detail: error.to_string() };
    Ok((Queue::Thread(sender), Some(started.map_err(io)?)))
}

fn drain(core: &Mutex<Core>, queue: &Receiver<Order>, bell: &Bell, file: &Path) {
    let mut last = Last { jobs: 0, took: Duration::ZERO };
    loop {
        let wait = if bell.is_hearing() { LOOK_ANYWAY_EVERY } else { LOOK_EVERY };
        match queue.recv_timeout(wait) {
            Ok(Order::Write(first)) => {
                let mut group = last.wait_for_company(vec![first], queue);
                let mut locked = lock(core);
                gather(&mut group, queue);
                let (began, jobs) = (Instant::now(), group.len());
                let committed = locked.commit(&mut group);
                drop(locked);
                last = Last { jobs, took: began.elapsed() };
                answer(group, &committed, file);
                lock(core).look_for_foreign_writes();
            }
            Ok(Order::Look) | Err(RecvTimeoutError::Timeout) => lock(core).look_for_foreign_writes(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Takes what is there.
fn gather(group: &mut Vec<Box<dyn Job>>, queue: &Receiver<Order>) {
    let room = GROUP_MAX.saturating_sub(group.len());
    group.extend(queue.try_iter().take(room).filter_map(|order| match order {
        Order::Write(job) => Some(job),
        Order::Look => None, // who writes looks afterwards
    }));
}

/// The transaction before.
struct Last {
    jobs: usize,
    took: Duration,
}

impl Last {
    /// Waits for as many as wrote together before, while they come, and never longer than that took.
    fn wait_for_company(&self, mut group: Vec<Box<dyn Job>>, queue: &Receiver<Order>) -> Vec<Box<dyn Job>> {
        if self.jobs < COMPANY_MIN {
            return group;
        }
        let (began, mut before) = (Instant::now(), 0);
        gather(&mut group, queue);
        while (before + 1..self.jobs).contains(&group.len()) && began.elapsed() < self.took {
            before = group.len();
            std::thread::sleep(PAUSE);
            gather(&mut group, queue);
        }
        group
    }
}

fn run(core: &Mutex<Core>, mut group: Vec<Box<dyn Job>>, file: &Path) {
    let committed = lock(core).commit(&mut group);
    answer(group, &committed, file);
}

fn lock(core: &Mutex<Core>) -> MutexGuard<'_, Core> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
