//! The writing connection and its group commit: many jobs, one transaction, one flush to disk, then the answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use sync_wire::planted::{self, Bug};

use super::Context;
use super::job::{Isolation, Job, Ran};
use crate::change_log::LogState;
use crate::error::StorageError;
use crate::open;

/// The only connection that writes, with what it remembers of the logs it wrote.
pub(crate) struct Writer {
    path: PathBuf,
    pub(crate) context: Context,
    pub(crate) connection: Connection,
    pub(crate) log: LogState,
    /// How many groups were committed.
    pub(crate) commits: Arc<AtomicU64>,
    /// Set when the outcome of a commit is unknown: the connection is not used again.
    is_doubtful: bool,
}

impl Writer {
    pub(crate) fn new(connection: Connection, path: PathBuf, context: Context) -> Self {
        let log = LogState::new(context.limits.frontier_bytes_max);
        Self { path, context, connection, log, commits: Arc::default(), is_doubtful: false }
    }

    /// Runs the jobs in one transaction and answers each after the commit.
    pub(super) fn run(&mut self, mut group: Vec<Box<dyn Job>>) {
        let committed = catch_unwind(AssertUnwindSafe(|| self.transact(&mut group))).unwrap_or_else(|_| {
            self.is_doubtful = true;
            Err(StorageError::Unexpected { detail: "a write panicked".into() })
        });
        if let Err(error) = &committed {
            tracing::error!(error.code = error.code(), jobs = group.len(), "A group of writes was undone: {error}");
            self.is_doubtful = true;
            // Lets other processes write meanwhile. If it fails, dropping the connection does the same.
            let _ = self.statement("ROLLBACK");
        }
        for job in group {
            job.answer(committed.clone());
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StorageError> {
        if self.is_doubtful {
            self.reopen()?;
        }
        if !self.connection.is_autocommit() {
            self.commit()?; // what a planted bug below left open
        }
        self.statement("BEGIN IMMEDIATE")?;
        self.log.begin();
        for job in group {
            self.run_one(job.as_mut())?;
        }
        self.flush_log()?;
        // Only what is durable may be answered: an acknowledged change leaves the device's outbox.
        if planted::is(Bug::AckBeforeCommit) || planted::is(Bug::StoredBeforeCommit) && self.log.has_stored() {
            return Ok(()); // PLANTED: it is committed by the next group
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        let Self { connection, log, context, commits, .. } = self;
        commit(connection, log, context, commits)
    }

    /// Empties the write-ahead log into the file.
    pub(super) fn checkpoint(&mut self) -> Result<(), StorageError> {
        if !self.connection.is_autocommit() {
            self.commit()?;
        }
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn run_one(&mut self, job: &mut dyn Job) -> Result<(), StorageError> {
        let in_group = || StorageError::Unexpected { detail: "another write of the same group failed".into() };
        if job.isolation() == Isolation::Validated {
            return match job.run(self) {
                Ran::Keep => Ok(()),
                Ran::Undo(failure) => Err(failure.unwrap_or_else(in_group)),
            };
        }
        // The statements of the job read rows, not the writer's memory, and may write what the writer remembers.
        self.flush_log()?;
        self.log.forget_pushers();
        self.statement("SAVEPOINT job")?;
        if let Ran::Undo(failure) = job.run(self) {
            // SQLite itself may have undone the transaction: then nothing of the group is left.
            if self.connection.is_autocommit() || failure.as_ref().is_some_and(StorageError::is_fatal) {
                return Err(failure.unwrap_or_else(in_group));
            }
            self.statement("ROLLBACK TO job")?;
        }
        self.statement("RELEASE job")
    }

    /// After a failure nothing that this connection or its memory holds is trusted: errors of a flush are reported
    /// once, and pages may be gone.
    fn reopen(&mut self) -> Result<(), StorageError> {
        self.log.forget_all();
        let Context { limits, checkpoints, journal, .. } = &self.context;
        let fresh = open::open_writer(&self.path, limits.file_bytes_max, *checkpoints, *journal)
            .map_err(|error| StorageError::Io { detail: error.to_string() })?;
        // Dropping the old connection rolls back what it had begun.
        self.connection = fresh;
        self.is_doubtful = false;
        Ok(())
    }

    fn statement(&self, sql: &str) -> Result<(), StorageError> {
        statement(&self.connection, sql)
    }

    fn flush_log(&mut self) -> Result<(), StorageError> {
        self.log.flush(&self.connection)
    }
}

fn statement(connection: &Connection, sql: &str) -> Result<(), StorageError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn commit(
    connection: &Connection,
    log: &mut LogState,
    context: &Context,
    commits: &AtomicU64,
) -> Result<(), StorageError> {
    statement(connection, "COMMIT")?;
    log.committed();
    commits.fetch_add(1, Ordering::Relaxed);
    if let Some(on_commit) = &context.on_commit {
        on_commit();
    }
    Ok(())
}

/// For the planted bug that takes a batch apart.
pub(crate) fn commit_in_between(
    connection: &Connection,
    log: &mut LogState,
    context: &Context,
    commits: &AtomicU64,
) -> Result<(), StorageError> {
    log.flush(connection)?;
    commit(connection, log, context, commits)?;
    statement(connection, "BEGIN IMMEDIATE")
}
