//! Writes in one transaction: what the writer's thread and a simulator's share.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use sync_wire::planted::{self, Bug};

use super::job::Job;
use super::{Callback, Flush, Scope, Shell};
use crate::bell::Bell;
use crate::error::StorageError;
use crate::storage::tx::fault;
use crate::storage::{Tx, open};

/// How often BEGIN is tried while another process writes; each waits for the busy timeout of 5 s.
const BEGIN_ATTEMPTS: u32 = 6;

/// The connection that writes.
pub(super) struct Core {
    connection: Option<Connection>,
    file: Arc<Path>,
    shell: Shell,
    /// Wakes other processes; none where there are none.
    bell: Option<Arc<Bell>>,
    foreign: Option<Callback>,
    data_version: i64,
    /// As the connection was last told; nothing before the first commit.
    flush: Option<Flush>,
    /// Whether the connection can be told: without WAL every commit is flushed.
    can_wait: bool,
}

impl Core {
    pub(super) fn new(file: Arc<Path>, connection: Connection, shell: Shell, bell: Option<Arc<Bell>>) -> Self {
        let connection = Some(connection);
        let (foreign, data_version, flush, can_wait) = (None, 0, None, false);
        let mut core = Self { connection, file, shell, bell, foreign, data_version, flush, can_wait };
        core.data_version = core.read_data_version().unwrap_or(0);
        core
    }

    pub(super) fn on_foreign_writes(&mut self, moved: Callback) {
        self.foreign = Some(moved);
    }

    /// Runs a group in one transaction. Whoever calls it answers the group, once this is unlocked.
    pub(super) fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StorageError> {
        let is_urgent = group.iter().any(|job| job.flush() == Flush::Now);
        let flush = if is_urgent { Flush::Now } else { Flush::Later };
        let committed = self.transact(group, flush);
        if let Err(error) = &committed {
            // What SQLite knows after a failed flush cannot be trusted: begin anew from the file.
            tracing::warn!(vault.file = %self.file.display(), error = %error, "A commit failed");
            self.close();
        }
        committed
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>], flush: Flush) -> Result<(), StorageError> {
        let file = self.file.clone();
        // PLANTED: what has to be on the disk goes there with something else
        self.tell(if planted::is(Bug::FsyncSkipped) { Flush::Later } else { flush })?;
        let connection = self.connection()?;
        let run = |sql: &str| run(connection, sql).map_err(|error| fault(&file, &error));
        begin(connection, &file)?;
        let tx = Tx::new(connection, &file);
        let done = match group {
            [only] => run_alone(only.as_mut(), &tx, connection),
            group => group.iter_mut().try_for_each(|job| run_beside(job.as_mut(), &tx, connection)),
        };
        let is_kept = match done {
            Ok(()) => run("COMMIT").inspect_err(|_| drop(run("ROLLBACK"))).map(|()| true)?,
            Err(NotRun::TakenBack) => run("ROLLBACK").map(|()| false)?,
            Err(NotRun::Failed(error)) => return Err(error),
        };
        if is_kept {
            self.shell.committed(flush);
            self.bell.iter().for_each(|bell| bell.ring());
        }
        Ok(())
    }

    /// Makes the next commits wait for the disk, or not.
    fn tell(&mut self, flush: Flush) -> Result<(), StorageError> {
        let (told, can_wait, file) = (self.flush, self.can_wait, self.file.clone());
        let connection = self.connection()?;
        let can_wait = match told {
            None => open::set_flush(connection, flush),
            Some(told) if can_wait && told != flush => open::switch_flush(connection, flush).map(|()| true),
            Some(_) => Ok(can_wait),
        };
        self.can_wait = can_wait.map_err(|error| fault(&file, &error))?;
        self.flush = Some(flush);
        Ok(())
    }

    pub(super) fn connection(&mut self) -> Result<&Connection, StorageError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::writer(&self.file, self.shell.checkpoints())?,
        };
        Ok(self.connection.insert(connection))
    }

    pub(super) fn close(&mut self) {
        self.connection = None;
        self.flush = None;
    }

    /// The version moves when another connection commits, and only this one writes in this process.
    pub(super) fn look_for_foreign_writes(&mut self) {
        let Ok(version) = self.read_data_version() else { return };
        if version == self.data_version {
            return;
        }
        self.data_version = version;
        if let Some(moved) = &self.foreign {
            moved();
        }
    }

    fn read_data_version(&mut self) -> Result<i64, StorageError> {
        let file = self.file.clone();
        let connection = self.connection()?;
        let look = || connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0));
        look().map_err(|error| fault(&file, &error))
    }
}

/// Why nothing of a group is kept.
enum NotRun {
    /// Its only job said so.
    TakenBack,
    Failed(StorageError),
}

/// The transaction is the job's own: what takes one back takes the other back.
fn run_alone(job: &mut dyn Job, tx: &Tx<'_>, connection: &Connection) -> Result<(), NotRun> {
    match job.run(tx) {
        Ok(()) => Ok(()),
        Err(()) if connection.is_autocommit() => Err(NotRun::Failed(taken_back(tx))),
        Err(()) => Err(NotRun::TakenBack),
    }
}

/// A job that fails takes back nothing of others.
fn run_beside(job: &mut dyn Job, tx: &Tx<'_>, connection: &Connection) -> Result<(), NotRun> {
    match job.scope() {
        Scope::Own => run_in_savepoint(job, tx, connection),
        Scope::Group => run_bare(job, tx, connection),
    }
}

fn run_bare(job: &mut dyn Job, tx: &Tx<'_>, connection: &Connection) -> Result<(), NotRun> {
    let before = connection.total_changes();
    match job.run(tx) {
        Ok(()) => Ok(()),
        Err(()) if connection.is_autocommit() => Err(NotRun::Failed(taken_back(tx))),
        Err(()) if connection.total_changes() == before => Ok(()),
        Err(()) => Err(NotRun::Failed(tx.failed("a write failed halfway; what was to be saved with it is taken back"))),
    }
}

fn run_in_savepoint(job: &mut dyn Job, tx: &Tx<'_>, connection: &Connection) -> Result<(), NotRun> {
    let run = |sql: &str| run(connection, sql).map_err(|error| NotRun::Failed(tx.fault(&error)));
    run("SAVEPOINT job")?;
    if job.run(tx).is_err() {
        if connection.is_autocommit() {
            return Err(NotRun::Failed(taken_back(tx)));
        }
        run("ROLLBACK TO job")?;
    }
    run("RELEASE job")
}

/// A full disk makes SQLite roll back everything by itself; then the whole group has failed.
fn taken_back(tx: &Tx<'_>) -> StorageError {
    tx.failed("the disk is full, or failed: SQLite has taken the whole transaction back")
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn begin(connection: &Connection, file: &Path) -> Result<(), StorageError> {
    let mut attempt = 1;
    loop {
        match run(connection, "BEGIN IMMEDIATE").map_err(|error| fault(file, &error)) {
            Err(StorageError::Busy { .. }) if attempt < BEGIN_ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::sources::System;
    use crate::storage::writer::job;

    type Outcome = Result<(), StorageError>;

    fn core(directory: &Path) -> Core {
        drop(open::open(directory, &System::default(), Shell::Threads).unwrap());
        let file: Arc<Path> = directory.join("vault.sqlite").into();
        let connection = open::writer(&file, Shell::Threads.checkpoints()).unwrap();
        Core::new(file, connection, Shell::Threads, None)
    }

    fn job(write: impl FnOnce(&Tx<'_>) -> Outcome + Send + 'static) -> (Box<dyn Job>, Receiver<Outcome>) {
        let (sender, outcome) = channel();
        let done = move |answer| sender.send(answer).unwrap();
        (job::new(Flush::Now, Scope::Group, write, done), outcome)
    }

    fn rename(tx: &Tx<'_>, name: &str) -> Outcome {
        tx.execute("UPDATE spaces SET name = ?1", [name]).map(drop)
    }

    fn name(core: &mut Core) -> String {
        core.connection().unwrap().query_row("SELECT name FROM spaces", [], |row| row.get(0)).unwrap()
    }

    fn commit(core: &mut Core, mut group: Vec<Box<dyn Job>>) {
        let committed = core.commit(&mut group);
        job::answer(group, &committed, Path::new("vault.sqlite"));
    }

    #[test]
    fn who_fails_before_it_writes_fails_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut core = core(dir.path());
        let (kept, kept_outcome) = job(|tx| rename(tx, "kept"));
        let (refused, refused_outcome) = job(|tx| Err(tx.unexpected("it rests on nothing")));
        commit(&mut core, vec![kept, refused]);
        assert!(kept_outcome.recv().unwrap().is_ok());
        assert!(refused_outcome.recv().unwrap().is_err());
        assert_eq!(name(&mut core), "kept");
    }

    #[test]
    fn who_fails_halfway_takes_its_group_along_and_the_next_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut core = core(dir.path());
        let before = name(&mut core);
        let (other, other_outcome) = job(|tx| rename(tx, "other"));
        let (half, half_outcome) = job(|tx| rename(tx, "half").and_then(|()| Err(tx.unexpected("the file is odd"))));
        commit(&mut core, vec![other, half]);
        assert!(other_outcome.recv().unwrap().is_err());
        assert!(half_outcome.recv().unwrap().unwrap_err().to_string().contains("the file is odd"));
        assert_eq!(name(&mut core), before);
        let (next, next_outcome) = job(|tx| rename(tx, "next"));
        commit(&mut core, vec![next]);
        assert!(next_outcome.recv().unwrap().is_ok());
        assert_eq!(name(&mut core), "next");
    }
}
