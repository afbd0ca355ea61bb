//! What is sound in a damaged file, copied row by row into a new one.
//!
//! Rows are asked for one by one, so that a page that cannot be read costs the rows on it and no other; where the tree
//! of the changes is damaged, its leaves are looked for. A change counts if its bytes have its hash. What only orders
//! what is there (resume points, checkpoints, markers, names of actors) is left behind: the relay says it again, and
//! new edits get new names.

mod pages; // rows without the tree that leads to them

use std::path::{Path, PathBuf};

use document::{Change, Document, Snapshot};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};
use schemas::Registry;
use sync_wire::Position;

use super::Tx;
use super::batches::split;
use super::tx::fault;
use crate::error::StorageError;
use crate::sources::{Sources, random16};

/// Row numbers that are tried one by one behind a place that cannot be read; beyond them the end of the hole is
/// searched for, and what lies between two holes may be missed.
const TRIED_ONE_BY_ONE: i64 = 4_096;
/// Facts of `meta` that go along.
const KEPT_FACTS: [&str; 3] = ["device", "account", "login"];

/// What was saved out of a damaged vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// Documents in the new vault.
    pub documents: u64,
    /// Changes in it, each with the hash that it had.
    pub changes: u64,
    /// Changes that could be read, and are not what they were.
    pub damaged: u64,
    /// Places of the file that could not be read; how many rows were there is not known.
    pub unreadable: u64,
    /// Documents whose ids are lost: they have new ones, in the home space.
    pub renamed: u64,
}

/// The damaged file.
pub(crate) struct Wreck {
    connection: Connection,
    path: PathBuf,
    unreadable: u64,
}

impl Wreck {
    /// Opens a copy of the damaged file, which SQLite may change.
    pub(crate) fn open(copy: &Path) -> Result<Self, StorageError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(copy, flags)?;
            connection
                .execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0")?;
            // Fails here if not even the list of tables can be read.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
            Ok(connection)
        };
        let connection = open().map_err(|error| fault(copy, &error))?;
        Ok(Self { connection, path: copy.to_owned(), unreadable: 0 })
    }

    /// Calls `take` with every row of a table that can be read, by its number.
    fn each(
        &mut self,
        table: &Table,
        mut take: impl FnMut(Vec<Value>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let columns = table.columns.join(", ");
        let name = table.name;
        let next = format!("SELECT rowid, {columns} FROM {name} NOT INDEXED WHERE rowid >= ?1 ORDER BY rowid LIMIT 1");
        let width = table.columns.len();
        let mut at = Some(i64::MIN);
        while let Some(from) = at {
            at = match self.row(&next, from, width) {
                Ok(None) => None,
                Ok(Some((number, row))) => {
                    take(row)?;
                    number.checked_add(1)
                }
                Err(_) => {
                    self.unreadable += 1;
                    next_readable(from, |number| self.row(&next, number, width).is_ok())
                }
            };
        }
        Ok(())
    }

    /// The row of this number, or the first after it.
    fn row(&self, sql: &str, number: i64, width: usize) -> rusqlite::Result<Option<(i64, Vec<Value>)>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([number])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let values = (1..=width).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?;
        Ok(Some((row.get(0)?, values)))
    }

    /// Moves what is in the log into the file.
    fn settle(&self) {
        // What stays in the log is missed below, and cannot be helped.
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// A fact of `meta`, if it can be read.
    fn fact(&self, key: &str) -> Option<Vec<u8>> {
        self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).ok()
    }

    /// Which document a number stands for, from the index, which has other pages than the table.
    fn identity(&self, document: i64) -> Option<(i64, Vec<u8>)> {
        let sql = "SELECT space, document FROM documents INDEXED BY sqlite_autoindex_documents_1 WHERE rowid = ?1";
        self.connection.query_row(sql, [document], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    }
}

/// The first number after `hole` from which something can be read; nothing if there is none.
fn next_readable(hole: i64, is_readable: impl Fn(i64) -> bool) -> Option<i64> {
    let mut low = i128::from(hole);
    if hole > i64::MIN {
        let near = (1..=TRIED_ONE_BY_ONE).filter_map(|step| hole.checked_add(step)).find(|number| is_readable(*number));
        if near.is_some() {
            return near;
        }
        low += i128::from(TRIED_ONE_BY_ONE);
    }
    let mut high = farther_and_farther(low).find(|number| is_readable(*number)).map(i128::from)?;
    // Between what cannot be read and what can.
    while high - low > 1 {
        let middle = (low + high).div_euclid(2);
        if i64::try_from(middle).is_ok_and(&is_readable) { high = middle } else { low = middle }
    }
    i64::try_from(high).ok()
}

/// Numbers above `low`, ever farther from it and from zero.
fn farther_and_farther(low: i128) -> impl Iterator<Item = i64> {
    let powers = || (0..i64::BITS - 1).map(|power| 1_i128 << power);
    let from_zero = powers().rev().map(|power| -power).chain([0]).chain(powers());
    let mut numbers: Vec<_> =
        powers().map(|power| low + power).chain(from_zero).filter(|number| *number > low).collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|number| i64::try_from(number).ok())
}

/// A table and those of its columns that both files have.
struct Table {
    name: &'static str,
    columns: Vec<String>,
}

impl Table {
    fn shared(name: &'static str, wreck: &Wreck, tx: &Tx<'_>) -> Result<Self, StorageError> {
        let of = |connection: &Connection| {
            let mut statement = connection.prepare(&format!("SELECT name FROM pragma_table_info('{name}')"))?;
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let here = of(tx.connection()).map_err(|error| tx.fault(&error))?;
        let there = of(&wreck.connection).map_err(|error| tx.fault(&error))?;
        Ok(Self { name, columns: here.into_iter().filter(|column| there.contains(column)).collect() })
    }

    fn index(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap_or(usize::MAX)
    }

    fn insert(&self, tx: &Tx<'_>, row: Vec<Value>) -> Result<bool, StorageError> {
        let places = vec!["?"; self.columns.len()].join(", ");
        let sql = format!("INSERT OR IGNORE INTO {} ({}) VALUES ({places})", self.name, self.columns.join(", "));
        Ok(tx.execute(&sql, params_from_iter(row))? > 0)
    }
}

impl Tx<'_> {
    /// Fills a new file with what is sound in a damaged one.
    pub(crate) fn salvage(
        &self,
        mut wreck: Wreck,
        schemas: &Registry,
        sources: &dyn Sources,
    ) -> Result<Salvaged, StorageError> {
        let mut salvaged = Salvaged::default();
        // Rows come in the order of tables; whether they fit together is seen to before the end.
        let defer = self.connection().execute_batch("PRAGMA defer_foreign_keys = ON");
        defer.map_err(|error| self.fault(&error))?;
        for key in KEPT_FACTS {
            if let Some(value) = wreck.fact(key) {
                self.set_meta(key, &value)?;
            }
        }
        self.salvage_spaces(&mut wreck)?;
        self.salvage_rows("documents", &mut wreck, |_, _| true)?;
        let before = wreck.unreadable;
        self.salvage_rows("changes", &mut wreck, |table, row| {
            let is_sound = is_sound_change(table, row);
            salvaged.damaged += u64::from(!is_sound);
            is_sound
        })?;
        if wreck.unreadable > before {
            self.salvage_leaves("changes", &wreck, is_sound_change)?;
        }
        self.salvage_rows("snapshots", &mut wreck, is_sound_snapshot)?;
        self.salvage_rows("batches", &mut wreck, |_, _| true)?;
        salvaged.renamed = self.find_documents(&wreck, schemas, sources)?;
        self.fit_together()?;
        for space in self.spaces()? {
            self.go_back(space.row, Position::START, Position::START)?;
        }
        self.execute("UPDATE spaces SET epoch = NULL, position = 0, chain = NULL, bootstrap_at = NULL", [])?;
        self.drop_derived()?;
        let count = |table: &str| self.one(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
        salvaged.documents = count("documents")?.map_or(0, i64::unsigned_abs);
        salvaged.changes = count("changes")?.map_or(0, i64::unsigned_abs);
        salvaged.unreadable = wreck.unreadable;
        Ok(salvaged)
    }

    fn salvage_spaces(&self, wreck: &mut Wreck) -> Result<(), StorageError> {
        let local = self.home()?;
        // Makes room for the number and the mark of the one that was home.
        self.execute("UPDATE spaces SET id = -1, is_home = 0", [])?;
        self.salvage_rows("spaces", wreck, |_, _| true)?;
        let has_home = self.one("SELECT 1 FROM spaces WHERE is_home = 1", [], |_| Ok(()))?.is_some();
        if has_home {
            self.execute("DELETE FROM spaces WHERE id = -1", [])?;
        } else {
            let number =
                "UPDATE spaces SET is_home = 1, id = (SELECT max(max(id), 0) + 1 FROM spaces) WHERE space = ?1";
            self.execute(number, [local.space.0])?;
        }
        Ok(())
    }

    fn salvage_rows(
        &self,
        name: &'static str,
        wreck: &mut Wreck,
        mut is_sound: impl FnMut(&Table, &[Value]) -> bool,
    ) -> Result<(), StorageError> {
        let table = Table::shared(name, wreck, self)?;
        wreck.each(&table, |row| {
            if is_sound(&table, &row) {
                // A row that breaks a rule of its table is no row of ours.
                table.insert(self, row)?;
            }
            Ok(())
        })
    }

    /// As [`Self::salvage_rows`], without the tree. What that found is left as it is.
    fn salvage_leaves(
        &self,
        name: &'static str,
        wreck: &Wreck,
        is_sound: impl Fn(&Table, &[Value]) -> bool,
    ) -> Result<(), StorageError> {
        let table = Table::shared(name, wreck, self)?;
        wreck.settle();
        pages::each_record(&wreck.path, table.columns.len(), |number, mut row| {
            // Its number stands for the first column.
            row[0] = Value::Integer(number);
            if is_sound(&table, &row) {
                table.insert(self, row)?;
            }
            Ok(())
        })
    }

    /// Gives documents to changes and batches whose document could not be read. How many have new ids; those of which
    /// there is always one cannot have another than theirs.
    fn find_documents(&self, wreck: &Wreck, schemas: &Registry, sources: &dyn Sources) -> Result<u64, StorageError> {
        let lost: Vec<i64> = self.all(
            "SELECT document FROM changes UNION SELECT document FROM batches EXCEPT SELECT id FROM documents",
            [],
            |row| row.get(0),
        )?;
        let home = self.home()?.row;
        let mut renamed = 0;
        for number in lost {
            let type_name = self.type_by_changes(number)?;
            let well_known = || {
                let id = schemas.get(type_name.as_deref()?)?.id()?;
                let is_free = self.document(self.home().ok()?.space, id).ok()?.is_none();
                is_free.then(|| (home, id.0.to_vec()))
            };
            let found = wreck.identity(number).or_else(well_known);
            renamed += u64::from(found.is_none());
            let (space, id) = found.unwrap_or_else(|| (home, random16(sources).to_vec()));
            let is_known = self.one("SELECT 1 FROM spaces WHERE id = ?1", [space], |_| Ok(()))?.is_some();
            self.execute(
                "INSERT INTO documents (id, space, document, type) VALUES (?1, ?2, ?3, ?4)",
                params![number, if is_known { space } else { home }, id, type_name],
            )?;
        }
        Ok(renamed)
    }

    /// The type of a document, as its own changes say it.
    fn type_by_changes(&self, document: i64) -> Result<Option<String>, StorageError> {
        let mut found = Document::new(None);
        for change in self.changes_after(document, i64::MIN)? {
            // The root seed rests on nothing; what cannot be applied alone is not it.
            if found.apply(&[change.bytes]).is_ok() && found.type_name().is_some() {
                break;
            }
        }
        Ok(found.type_name())
    }

    /// Takes out what refers to rows that are lost.
    fn fit_together(&self) -> Result<(), StorageError> {
        for sql in [
            "UPDATE documents SET space = (SELECT id FROM spaces WHERE is_home = 1)
             WHERE space NOT IN (SELECT id FROM spaces)",
            "DELETE FROM snapshots WHERE document NOT IN (SELECT id FROM documents)",
            "DELETE FROM batches WHERE change IS NOT NULL AND change NOT IN (SELECT id FROM changes)",
            "UPDATE batches SET replaced = NULL WHERE replaced NOT IN (SELECT id FROM batches)",
            "UPDATE batches SET undelivered = NULL WHERE undelivered NOT IN (SELECT id FROM spaces)",
        ] {
            self.execute(sql, [])?;
        }
        Ok(())
    }
}

/// Of discarded changes only the rows are kept, without bytes.
fn is_sound_change(table: &Table, row: &[Value]) -> bool {
    let value = |column| row.get(table.index(column));
    let (Some(Value::Blob(bytes)), Some(Value::Blob(hash))) = (value("bytes"), value("hash")) else { return false };
    if bytes.is_empty() {
        return matches!(value("excluded"), Some(Value::Integer(1)));
    }
    let (Some(Value::Blob(actor)), Some(Value::Integer(seq))) = (value("actor"), value("seq")) else { return false };
    Change::parse(bytes.clone().into()).is_ok_and(|change| {
        change.header.hash.0[..] == hash[..]
            && change.header.actor.0[..] == actor[..]
            && i64::try_from(change.header.seq) == Ok(*seq)
    })
}

/// Only those of a relay hold something that has no rows.
fn is_sound_snapshot(table: &Table, row: &[Value]) -> bool {
    let value = |column| row.get(table.index(column));
    let (Some(Value::Integer(1)), Some(Value::Blob(heads)), Some(Value::Integer(changes))) =
        (value("origin"), value("heads"), value("changes"))
    else {
        return false;
    };
    let (Some(Value::Blob(digest)), Some(Value::Blob(bytes))) = (value("digest"), value("bytes")) else { return false };
    let Ok(digest) = <[u8; 32]>::try_from(&digest[..]) else { return false };
    let (heads, changes) = (split(heads), changes.unsigned_abs());
    let snapshot = Snapshot { heads, changes, digest, bytes: bytes.clone().into() };
    Document::load(&snapshot).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_hole_is_found_wherever_it_is() {
        let hole = |from: i64, to: i64| move |number: i64| !(from..to).contains(&number);
        assert_eq!(next_readable(10, hole(10, 11)), Some(11));
        assert_eq!(next_readable(10, hole(10, 10_000_000)), Some(10_000_000));
        assert_eq!(next_readable(i64::MIN, hole(i64::MIN, -70_000)), Some(-70_000));
        assert_eq!(next_readable(i64::MIN, hole(i64::MIN, 17)), Some(17));
        assert_eq!(next_readable(10, |_| false), None);
    }

    #[test]
    fn what_lies_between_two_holes_at_the_ends_is_found() {
        let is_readable = |number: i64| (20..1_600).contains(&number);
        assert_eq!(next_readable(i64::MIN, is_readable), Some(20));
        assert_eq!(next_readable(1_600, is_readable), None);
    }

    #[test]
    fn a_good_row_between_two_near_holes_is_found() {
        let is_readable = |number: i64| number == 50 || number >= 100;
        assert_eq!(next_readable(10, is_readable), Some(50));
        assert_eq!(next_readable(51, is_readable), Some(100));
    }
}
