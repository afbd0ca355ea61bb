//! The tables: what is declared, and what is kept of each document.
//!
//! Statements run in whatever transaction the host has begun.

mod keep; // what is taken in, replaced and dropped
pub(crate) mod find; // which documents a query means

use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use schemas::{IndexKind, StoredIndex};

use crate::content::DeclaredIndex;

/// The statement that makes the table of words. A SQLite without FTS5 cannot.
const MAKE_WORDS: &str =
    "CREATE VIRTUAL TABLE words USING fts5 (title, body, tokenize = 'unicode61 remove_diacritics 2')";

/// What a host calls its tables and columns. Its documents stand in `documents`, its spaces in `spaces`.
#[derive(Debug)]
pub struct Host {
    /// The column of `documents` with the row number of one.
    pub document_row: &'static str,
    /// The column of `documents` with the id of one.
    pub document_id: &'static str,
    /// The column of `documents` with the row number of its space.
    pub document_space: &'static str,
    /// The column of `spaces` with the row number of one.
    pub space_row: &'static str,
    /// The column of `spaces` with the id of one.
    pub space_id: &'static str,
    /// The table with what a list shows: `document`, `turn`, `shown`, `words`.
    pub shown: &'static str,
}

/// The tables of a host, for one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Index<'c> {
    connection: &'c Connection,
    host: &'static Host,
}

impl<'c> Index<'c> {
    /// On a connection of the host.
    #[must_use]
    pub fn new(connection: &'c Connection, host: &'static Host) -> Self {
        Self { connection, host }
    }

    /// The indexes that were declared for a type, by row.
    ///
    /// # Errors
    /// SQLite failed; so it is everywhere here.
    pub fn declared(&self, type_name: &str) -> rusqlite::Result<Vec<DeclaredIndex>> {
        self.all("SELECT id, path, kind FROM indexes WHERE type = ?1 ORDER BY id", [type_name], |row| {
            let index = StoredIndex { path: row.get(1)?, kind: kind_of(row.get(2)?) };
            Ok(DeclaredIndex { row: row.get(0)?, index })
        })
    }

    /// Declares indexes; how many of them are new. Declarations only become more, so that two releases do not take
    /// turns in undoing each other's work.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn declare(&self, type_name: &str, indexes: &[StoredIndex]) -> rusqlite::Result<usize> {
        let mut added = 0;
        for StoredIndex { path, kind } in indexes {
            added += self.execute(
                "INSERT INTO indexes (type, path, kind) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![type_name, path, number_of(*kind)],
            )?;
        }
        Ok(added)
    }

    /// Whether this SQLite can look for words.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn can_find_words(&self) -> rusqlite::Result<bool> {
        Ok(self.one("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'", [], |_| Ok(()))?.is_some())
    }

    /// Whether there is a table of words.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn has_words(&self) -> rusqlite::Result<bool> {
        Ok(self.one("SELECT 1 FROM sqlite_schema WHERE name = 'words'", [], |_| Ok(()))?.is_some())
    }

    fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(params)
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.connection.prepare_cached(sql)?.query_row(params, read).optional()
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare_cached(sql)?.query_map(params, read)?.collect()
    }
}

fn number_of(kind: IndexKind) -> i64 {
    match kind {
        IndexKind::Value => 0,
        IndexKind::Members => 1,
        IndexKind::Text => 2,
    }
}

fn kind_of(number: i64) -> IndexKind {
    match number {
        0 => IndexKind::Value,
        1 => IndexKind::Members,
        _ => IndexKind::Text,
    }
}
