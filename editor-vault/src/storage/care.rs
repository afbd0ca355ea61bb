//! Copies through SQLite's backup interface, and its own checks.

use std::path::Path;
use std::time::Duration;

use file_systems::{Access, Draft};
use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::tx::fault;
use super::{Storage, Tx};
use crate::error::StorageError;

/// Pages copied before others get a turn.
const PAGES_AT_ONCE: i32 = 1024;

impl Storage {
    /// Copies what is committed into a new file, and checks the copy before it gets its name.
    pub(crate) fn backup(&self, to: &Path) -> Result<(), StorageError> {
        let io = |error: std::io::Error| StorageError::Io { path: to.to_path_buf(), detail: error.to_string() };
        if to.try_exists().map_err(io)? {
            return Err(io(std::io::ErrorKind::AlreadyExists.into()));
        }
        let draft = Draft::beside(to, "partial", Access::Owner).map_err(io)?;
        self.copy(draft.path())?;
        draft.create().map_err(io)
    }

    fn copy(&self, to: &Path) -> Result<(), StorageError> {
        let mut target = Connection::open(to).map_err(|error| fault(to, &error))?;
        self.read(|tx| {
            let mut run = || {
                let backup = Backup::new(tx.connection(), &mut target)?;
                backup.run_to_completion(PAGES_AT_ONCE, Duration::from_millis(1), None)
            };
            run().map_err(|error| fault(to, &error))
        })?;
        // A copy is one file: it must not need a -wal file beside it.
        let single = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;";
        target.execute_batch(single).map_err(|error| fault(to, &error))?;
        let problems = Tx::new(&target, to).integrity()?;
        match problems.into_iter().next() {
            None => Ok(()),
            Some(detail) => Err(StorageError::Corrupt { path: to.to_path_buf(), detail }),
        }
    }
}

impl Tx<'_> {
    /// What SQLite finds wrong with the file; nothing if it is sound.
    pub(crate) fn integrity(&self) -> Result<Vec<String>, StorageError> {
        self.check("PRAGMA integrity_check(20)")
    }

    /// As [`Self::integrity`], without comparing every index with its table.
    pub(crate) fn quick_integrity(&self) -> Result<Vec<String>, StorageError> {
        self.check("PRAGMA quick_check(20)")
    }

    fn check(&self, pragma: &str) -> Result<Vec<String>, StorageError> {
        let lines: Vec<String> = match self.all(pragma, [], |row| row.get(0)) {
            // What is so bad that the check itself cannot go on is a finding as well.
            Err(StorageError::Corrupt { detail, .. }) => vec![detail],
            lines => lines?,
        };
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

/// For tests of what happens on a full disk: SQLite answers as if there were no room.
impl Tx<'_> {
    pub(crate) fn forbid_growth(&self) -> Result<(), StorageError> {
        let pages: i64 = self.one("PRAGMA page_count", [], |row| row.get(0))?.unwrap_or(0);
        self.limit_pages(pages)
    }

    pub(crate) fn allow_growth(&self) -> Result<(), StorageError> {
        self.limit_pages(i64::from(u32::MAX - 1))
    }

    fn limit_pages(&self, pages: i64) -> Result<(), StorageError> {
        let set = self.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        set.map_err(|error| self.fault(&error))
    }
}
