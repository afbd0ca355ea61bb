//! The file of a vault, and every SQL statement there is.
//!
//! One thread writes: it drains its queue into one transaction, so that a burst of edits pays for one flush of the
//! disk, and answers after COMMIT. Reads use a few connections of their own and see what was committed last.
//! What the tables mean is told in `docs/file-format.md`.

mod open; // refusing what is not ours, pragmas
mod place; // the file system that it is on
mod schema; // the tables
mod tx; // statements with errors that name the file
mod writer; // one at a time, group commit
mod documents; // one row per document
mod changes; // one row per change, verbatim
mod batches; // the outbox and the fates
mod recovery; // changes that give way to others
mod voids; // what the log does without
mod quarantine; // what is only here
mod deletions; // deletions that a person decides on, and documents that are purged
mod edits; // what an edit of our own stores
mod snapshots; // derived, for quick loading
mod checkpoints; // what a relay may have lost
mod spaces; // spaces, cursors, grants, re-homing
mod actors; // slots
mod meta; // what the file knows of itself
mod care; // backup and checks
mod salvage; // what is sound in a damaged file
mod audit; // what rows must satisfy among themselves
mod explain; // what the file says of one document
mod fields; // what documents are found by
mod find; // which documents a query means

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use file_systems::{Previous, Remote};
use rusqlite::Connection;
pub(crate) use rusqlite::InterruptHandle as Interrupt;

pub(crate) use self::actors::{ActorRow, Machine};
pub(crate) use self::audit::StoredChange;
pub(crate) use self::batches::{BatchState, Fated, NewBatch, ParkedLane, Refusal, Settled};
pub(crate) use self::changes::{Attribution, ChangeRow, Displaced, NewChange, Placed};
pub(crate) use self::checkpoints::{CheckpointRow, EntryPlace};
pub(crate) use self::deletions::{Side, WaitingDeletion};
pub(crate) use self::documents::{DocumentPlace, DocumentRow, ListRow, Moved};
pub(crate) use self::explain::{OpenBatch, SnapshotFacts};
pub(crate) use self::fields::{Folded, Unfolded};
use self::open::Checkpoints;
pub(crate) use self::open::{open, set_version};
use self::place::Place;
pub(crate) use self::place::open_mark;
pub(crate) use self::quarantine::{QuarantineRow, QuarantinedChange};
pub(crate) use self::recovery::{Blame, Member, MemberBatch, PendingTombstone};
pub use self::salvage::Salvaged;
pub(crate) use self::salvage::Wreck;
pub(crate) use self::schema::VERSION_UNIT;
pub(crate) use self::snapshots::{Origin, SnapshotRow};
pub(crate) use self::spaces::{Resuming, SpaceRow};
pub(crate) use self::tx::Tx;
pub(crate) use self::voids::{LostVoid, VoidRow};
use self::writer::Writer;
pub(crate) use self::writer::{Flush, Scope, Shell};
use crate::bell::{Bell, Listening};
use crate::error::StorageError;

/// Connections for reading that are kept open. As many are made as threads read at once; to make one takes longer than
/// to read, so a crowd of threads keeps its own.
const READERS_KEPT: usize = 64;

/// The file of a vault.
#[derive(Debug)]
pub(crate) struct Storage {
    file: Arc<Path>,
    bell: Arc<Bell>,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    checkpoints: Checkpoints,
    place: Place,
}

impl Storage {
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The file system that the file is on, if a write-ahead log is not safe there.
    pub(crate) fn remote_file_system(&self) -> Option<Remote> {
        self.place.remote()
    }

    /// Reads what is committed. Several statements may see different moments.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Tx<'_>) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let connection = self.reader()?;
        let outcome = read(&Tx::new(&connection, &self.file));
        self.put_back(connection);
        outcome
    }

    /// Reads what is committed, all statements at one moment.
    pub(crate) fn read_at_once<T>(
        &self,
        read: impl FnOnce(&Tx<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let connection = self.reader()?;
        let fault = |error| tx::fault(&self.file, &error);
        let transaction = connection.unchecked_transaction().map_err(fault)?;
        let outcome = read(&Tx::new(&transaction, &self.file));
        transaction.commit().map_err(fault)?;
        self.put_back(connection);
        outcome
    }

    /// Writes in one transaction, perhaps with others, and returns when it is durable. An error takes back all that
    /// `write` did, and nothing of others.
    pub(crate) fn write<T, E>(&self, write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.wait_for(|done| self.writer.submit(Flush::Now, Scope::Own, write, done))
    }

    /// Like [`Self::write`] for what a relay sent: returns when it is committed, which reaches the disk with the next
    /// commit of our own. Runs on the caller's thread if it can.
    pub(crate) fn write_remote<T, E>(
        &self,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.wait_for(|done| self.writer.submit_here(Flush::Later, write, done))
    }

    fn wait_for<T, E>(&self, submit: impl FnOnce(Box<dyn FnOnce(Result<T, E>) + Send>)) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        submit(Box::new(move |outcome| drop(sender.send(outcome))));
        receiver.recv().unwrap_or_else(|_| Err(StorageError::Closed { path: self.file.to_path_buf() }.into()))
    }

    /// Like [`Self::write`], but calls `done` on the writer's thread instead of waiting: it must be quick. Without that
    /// thread it runs before this returns, so it must lock nothing that the caller may hold.
    pub(crate) fn submit<T, E>(
        &self,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.writer.submit(Flush::Now, Scope::Own, write, done);
    }

    /// Like [`Self::submit`], for a write of a scope.
    pub(crate) fn submit_in<T, E>(
        &self,
        scope: Scope,
        write: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        self.writer.submit(Flush::Now, scope, write, done);
    }

    /// Calls `moved` (on the writer's thread) whenever another process has written.
    pub(crate) fn on_foreign_writes(&self, moved: impl Fn() + Send + 'static) {
        self.writer.on_foreign_writes(Box::new(moved));
    }

    /// Calls `moved` at once when another process has written, until the answer is dropped; meanwhile the writes of
    /// this process wake nobody.
    pub(crate) fn listen(&self, moved: impl Fn() + Send + 'static) -> Listening {
        self.bell.listen(moved)
    }

    /// Nobody listens any more: other processes are looked for again, as often as before.
    pub(crate) fn listened(&self, listening: Listening) {
        drop(listening);
        self.writer.look_again();
    }

    /// Waits until everything is durable, and closes every connection.
    pub(crate) fn close(&self) {
        self.writer.close();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.place.leave();
    }

    /// How the last program that had the vault open left it.
    pub(crate) fn previous(&self) -> Previous {
        self.place.previous()
    }

    /// Somebody has looked what an end in the middle left behind.
    pub(crate) fn looked(&self) {
        self.place.looked();
    }

    /// From now on every write fails with this.
    pub(crate) fn refuse_writes(&self, detail: String) {
        self.writer.refuse(StorageError::Corrupt { path: self.file.to_path_buf(), detail });
    }

    fn reader(&self) -> Result<Connection, StorageError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(|| open::reader(&self.file, self.checkpoints), Ok)
    }

    fn put_back(&self, connection: Connection) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_KEPT {
            readers.push(connection);
        }
    }

    fn new(file: PathBuf, connection: Connection, shell: Shell, place: Place) -> Result<Self, StorageError> {
        let file: Arc<Path> = file.into();
        let bell = Bell::of(file.parent().unwrap_or(Path::new("")));
        let checkpoints = shell.checkpoints();
        let writer = Writer::start(file.clone(), connection, shell, bell.clone())?;
        Ok(Self { file, bell, writer, readers: Mutex::default(), checkpoints, place })
    }
}

#[cfg(feature = "simulation")]
impl Storage {
    /// What the writer's thread does when it is idle.
    pub(crate) fn look_for_foreign_writes(&self) {
        self.writer.look_for_foreign_writes();
    }

    /// Moves everything that is committed into the file itself; afterwards the log beside it is empty.
    pub(crate) fn checkpoint(&self) -> Result<(), StorageError> {
        self.writer.checkpoint()
    }
}
