//! Statements, with errors that name the file.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Params, Row};

use crate::error::StorageError;

/// A connection, usually inside a transaction. Every statement is prepared once per connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tx<'a> {
    connection: &'a Connection,
    file: &'a Path,
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection, file: &'a Path) -> Self {
        Self { connection, file }
    }

    /// Any statement, for tests that spoil a file.
    #[cfg(test)]
    pub(crate) fn run_for_tests(&self, sql: &str) -> Result<(), StorageError> {
        self.execute(sql, []).map(drop)
    }

    /// Ends a statement that takes long, from another thread.
    pub(crate) fn interrupt_handle(&self) -> rusqlite::InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    pub(super) fn fault(&self, error: &rusqlite::Error) -> StorageError {
        fault(self.file, error)
    }

    /// Something stands in the file that this build would not have written.
    pub(crate) fn unexpected(&self, detail: impl Into<String>) -> StorageError {
        StorageError::Unexpected { path: self.file.to_path_buf(), detail: detail.into() }
    }

    /// The device did not do what it should.
    pub(super) fn failed(&self, detail: impl Into<String>) -> StorageError {
        StorageError::Io { path: self.file.to_path_buf(), detail: detail.into() }
    }

    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params);
        run().map_err(|error| self.fault(&error))
    }

    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, StorageError> {
        let run = || self.connection.prepare_cached(sql)?.insert(params);
        run().map_err(|error| self.fault(&error))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StorageError> {
        let run = || self.connection.prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|error| self.fault(&error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StorageError> {
        let run =
            || self.connection.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
        run().map_err(|error| self.fault(&error))
    }

    /// Calls `take` with rows until it says that it has enough.
    pub(super) fn some(
        &self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<Enough>,
    ) -> Result<(), StorageError> {
        let run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                if take(row)? == Enough::Yes {
                    break;
                }
            }
            Ok(())
        };
        run().map_err(|error| self.fault(&error))
    }
}

/// Whether to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    Yes,
    No,
}

/// What an error of SQLite means for whoever asked.
pub(super) fn fault(file: &Path, error: &rusqlite::Error) -> StorageError {
    let path = file.to_path_buf();
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageError::Full { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StorageError::ReadOnly { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageError::Corrupt { path, detail },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::Busy { path },
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => StorageError::Io { path, detail },
        _ => StorageError::Unexpected { path, detail },
    }
}

/// Counters of the protocol are below 2^63 by far; a stored negative one reads as 0.
pub(super) fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// The stored form of a counter.
pub(super) fn signed(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// An optional blob as a parameter.
pub(super) fn blob<const N: usize>(bytes: Option<&[u8; N]>) -> Value {
    bytes.map_or(Value::Null, |bytes| Value::Blob(bytes.to_vec()))
}
