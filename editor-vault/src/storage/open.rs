//! Opening a vault file: what is not ours is refused untouched, then pragmas in a fixed order.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sync_wire::planted::{self, Bug};

use super::place::Place;
use super::schema::{APPLICATION_ID, CREATE, MAJOR, MIGRATIONS, VERSION, VERSION_UNIT};
use super::tx::fault;
use super::writer::{Flush, Shell};
use super::{Storage, Tx};
use crate::error::{OpenError, StorageError};
use crate::sources::{Sources, random16};

/// Older ones have defects in WAL mode that we rely on not having.
const SQLITE_REQUIRED: &str = "3.51.3";
const SQLITE_REQUIRED_NUMBER: i32 = 3_051_003;
/// Largest value that SQLite will take or give.
const VALUE_BYTES_MAX: i32 = 64 << 20;

/// When what is in the write-ahead log moves into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoints {
    /// Now and then, and when the last connection is closed.
    Automatic,
    /// When it is asked for.
    #[cfg(feature = "simulation")]
    WhenTold,
}

impl Checkpoints {
    fn are_automatic(self) -> bool {
        matches!(self, Self::Automatic)
    }
}

/// Opens the vault file in `directory`, and makes it if there is none.
pub(crate) fn open(directory: &Path, sources: &dyn Sources, shell: Shell) -> Result<Storage, OpenError> {
    check_sqlite(rusqlite::version_number(), rusqlite::version())?;
    make_directory(directory)?;
    let file = directory.join("vault.sqlite");
    make_file(&file)?;
    let place = Place::take(directory, sources, shell.is_inline())?;
    let checkpoints = shell.checkpoints();
    // Kept until the next is open: the first connection to a file reads all of the log beside it.
    let is_something = file.metadata().is_ok_and(|metadata| metadata.len() > 0);
    let probed = is_something.then(|| probe(&file, checkpoints)).transpose()?;
    let refused = |error: rusqlite::Error| refusal(&file, &error);
    let connection = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE, checkpoints).map_err(refused)?;
    if place.remote().is_some() {
        // Leaving a write-ahead log that is there already takes the file alone.
        drop(probed);
        prepare(&connection, &file, checkpoints, Journal::Rollback)?;
    } else {
        prepare(&connection, &file, checkpoints, Journal::WriteAhead)?;
        drop(probed);
    }
    if initialise(&connection, &file, sources)? == Found::Nothing {
        shell.committed(Flush::Now);
    }
    Ok(Storage::new(file, connection, shell, place)?)
}

/// A connection that only reads.
pub(super) fn reader(file: &Path, checkpoints: Checkpoints) -> Result<Connection, StorageError> {
    let open = || {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE, checkpoints)?;
        pragmas(&connection, checkpoints)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open().map_err(|error| fault(file, &error))
}

/// A connection that writes, after the first was given up.
pub(super) fn writer(file: &Path, checkpoints: Checkpoints) -> Result<Connection, StorageError> {
    let open = || {
        let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE, checkpoints)?;
        pragmas(&connection, checkpoints)?;
        Ok(connection)
    };
    open().map_err(|error| fault(file, &error))
}

/// What is linked, and not what this was compiled with.
fn check_sqlite(number: i32, name: &str) -> Result<(), OpenError> {
    if number >= SQLITE_REQUIRED_NUMBER {
        return Ok(());
    }
    Err(OpenError::OldSqlite { found: name.to_owned(), required: SQLITE_REQUIRED })
}

fn make_directory(path: &Path) -> Result<(), OpenError> {
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        return Err(OpenError::NotADirectory { path: path.to_path_buf() });
    }
    file_systems::make_directory(path).map_err(|source| OpenError::CreateDirectory { path: path.to_path_buf(), source })
}

/// Makes an empty file that only its owner reads. One that is there is not opened: closing it again would drop the
/// locks that SQLite holds on it elsewhere in this process.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if is_forbidden(&error) => Err(OpenError::ReadOnly { path: parent(path) }),
        Err(error) => Err(StorageError::Io { path: path.to_path_buf(), detail: error.to_string() }.into()),
    }
}

fn is_forbidden(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    // `NotFound` for a file to be made in a directory that is there: a file system that makes no files.
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_path_buf()
}

fn connect(file: &Path, access: OpenFlags, checkpoints: Checkpoints) -> rusqlite::Result<Connection> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Without this, a statement beside a partial index is compiled anew for every value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !checkpoints.are_automatic())?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 999)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Looks at a file without being able to change it. What a commit left half done is taken back first, which is what
/// anybody does who opens it.
fn probe(file: &Path, checkpoints: Checkpoints) -> Result<Connection, OpenError> {
    let refused = |error: rusqlite::Error| refusal(file, &error);
    let look = |access| {
        let connection = connect(file, access, checkpoints)?;
        let application = number(&connection, "application_id")?;
        Ok((connection, application))
    };
    let looked = match look(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Err(error) if is_half_done(&error) => look(OpenFlags::SQLITE_OPEN_READ_WRITE),
        looked => looked,
    };
    let (connection, application) = looked.map_err(refused)?;
    let version = number(&connection, "user_version").map_err(refused)?;
    if application != APPLICATION_ID && (application != 0 || has_tables(&connection).map_err(refused)?) {
        return Err(OpenError::NotAVault { path: file.to_path_buf(), found: application, expected: APPLICATION_ID });
    }
    if version / VERSION_UNIT > MAJOR {
        let found = version / VERSION_UNIT;
        return Err(OpenError::TooNew { path: file.to_path_buf(), found, supported: MAJOR });
    }
    Ok(connection)
}

/// A rollback journal lies beside the file, and who only reads cannot roll back.
fn is_half_done(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables > 0)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<u32> {
    // SQLite shows these as signed; application ids above 2^31 are not ours anyway.
    connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0)).map(i32::cast_unsigned)
}

/// What makes commits atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journal {
    /// A write-ahead log: readers and the writer do not wait for each other.
    WriteAhead,
    /// A rollback journal, where a write-ahead log is not safe.
    Rollback,
}

fn prepare(connection: &Connection, file: &Path, checkpoints: Checkpoints, journal: Journal) -> Result<(), OpenError> {
    let refused = |error: rusqlite::Error| refusal(file, &error);
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(refused)?;
    // Both only count in a new file, and any other would be written for it.
    if pages == 0 {
        connection.pragma_update(None, "page_size", 4096).map_err(refused)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(refused)?;
    }
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(refused)?;
    let wanted = if journal == Journal::WriteAhead { "WAL" } else { "DELETE" };
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0)).map_err(refused)?;
    if !mode.eq_ignore_ascii_case("wal") {
        // Some network file systems cannot share memory. Slower, and as durable.
        if journal == Journal::WriteAhead {
            tracing::warn!(vault.file = %file.display(), journal_mode = %mode, "The file system offers no WAL");
        }
        connection.execute_batch("PRAGMA journal_mode = DELETE").map_err(refused)?;
    }
    pragmas(connection, checkpoints).map_err(refused)
}

/// Values of `PRAGMA synchronous`.
const NORMAL: i64 = 1;
const FULL: i64 = 2;
const EXTRA: i64 = 3;

/// Whether the next commits of a connection wait for the disk. `false`: without WAL they always do.
pub(super) fn set_flush(connection: &Connection, flush: Flush) -> rusqlite::Result<bool> {
    let can_wait = has_write_ahead_log(connection)?;
    if can_wait {
        switch_flush(connection, flush)?;
    }
    Ok(can_wait)
}

fn has_write_ahead_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// As [`set_flush`], for a connection of which that has said `true`.
pub(super) fn switch_flush(connection: &Connection, flush: Flush) -> rusqlite::Result<()> {
    let wanted = match flush {
        Flush::Now => FULL,
        Flush::Later => NORMAL,
    };
    connection.pragma_update(None, "synchronous", wanted)
}

/// For every connection. WAL with `synchronous = NORMAL` could roll back what was acknowledged, so it is FULL; and
/// where a commit ends with the deletion of a journal, that has to be on the disk as well.
fn pragmas(connection: &Connection, checkpoints: Checkpoints) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA foreign_keys = ON;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA recursive_triggers = OFF;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    let ends_with_log = has_write_ahead_log(connection)? || planted::is(Bug::DeletionNotFlushed);
    connection.pragma_update(None, "synchronous", if ends_with_log { FULL } else { EXTRA })?;
    if checkpoints.are_automatic() { Ok(()) } else { connection.execute_batch("PRAGMA wal_autocheckpoint = 0") }
}

/// Moves everything into the file and empties the log beside it.
#[cfg(feature = "simulation")]
pub(super) fn checkpoint(connection: &Connection, file: &Path) -> Result<(), StorageError> {
    set_flush(connection, Flush::Now).map_err(|error| fault(file, &error))?;
    let run = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    match run.map_err(|error| fault(file, &error))? {
        0 => Ok(()),
        _ => Err(StorageError::Busy { path: file.to_path_buf() }),
    }
}

/// What a file was before it was opened.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Vault,
}

/// Makes the tables of a new file, or adds what an older minor lacks; several processes may try at once.
fn initialise(connection: &Connection, file: &Path, sources: &dyn Sources) -> Result<Found, OpenError> {
    let refused = |error: rusqlite::Error| refusal(file, &error);
    if number(connection, "user_version").map_err(refused)? >= VERSION {
        return Ok(Found::Vault);
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(refused)?;
    match bring_up(connection, file, sources) {
        Ok(found) => connection.execute_batch("COMMIT").map_err(refused).map(|()| found),
        Err(error) => {
            drop(connection.execute_batch("ROLLBACK"));
            Err(error)
        }
    }
}

/// Inside a transaction: everything that the file lacks of this build's version.
fn bring_up(connection: &Connection, file: &Path, sources: &dyn Sources) -> Result<Found, OpenError> {
    let refused = |error: rusqlite::Error| refusal(file, &error);
    let version = number(connection, "user_version").map_err(refused)?;
    if version >= VERSION {
        return Ok(Found::Vault);
    }
    if version == 0 {
        connection.execute_batch(CREATE).map_err(refused)?;
        let tx = Tx::new(connection, file);
        tx.set_device(&random16(sources))?;
        tx.set_incarnation(&random16(sources))?;
        tx.create_local_space(&random16(sources))?;
        connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(refused)?;
    }
    for step in MIGRATIONS.iter().skip(version as usize % VERSION_UNIT as usize) {
        connection.execute_batch(step).map_err(refused)?;
    }
    connection.pragma_update(None, "user_version", VERSION).map_err(refused)?;
    Ok(if version == 0 { Found::Nothing } else { Found::Vault })
}

fn refusal(file: &Path, error: &rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Corrupt { path: file.to_path_buf(), detail: error.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            OpenError::ReadOnly { path: file.to_path_buf() }
        }
        _ => fault(file, error).into(),
    }
}

/// Claims that a file was written in another version, for tests and examples of what happens then.
pub(crate) fn set_version(file: &Path, version: u32) -> Result<(), StorageError> {
    let set = || Connection::open(file)?.pragma_update(None, "user_version", version);
    set().map_err(|error| fault(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::System;

    /// Its file system is what a test says.
    #[derive(Debug, Default)]
    struct On(System, Option<file_systems::Remote>);

    impl Sources for On {
        fn unix_milliseconds(&self) -> i64 {
            self.0.unix_milliseconds()
        }

        fn monotonic(&self) -> std::time::Duration {
            self.0.monotonic()
        }

        fn fill(&self, bytes: &mut [u8]) {
            self.0.fill(bytes);
        }

        fn boot_id(&self) -> Option<String> {
            None
        }

        fn state_dir(&self) -> Option<PathBuf> {
            None
        }

        fn remote_file_system(&self, _directory: &Path) -> Option<file_systems::Remote> {
            self.1
        }
    }

    /// Also one that takes the place of another after a failure.
    #[test]
    fn a_sqlite_with_known_defects_is_refused_by_name() {
        assert!(check_sqlite(3_051_003, "3.51.3").is_ok());
        let refused = check_sqlite(3_051_002, "3.51.2").unwrap_err();
        assert_eq!(refused.code(), "old_sqlite");
        assert!(refused.to_string().contains("3.51.2") && refused.to_string().contains("3.51.3"), "{refused}");
        assert!(check_sqlite(rusqlite::version_number(), rusqlite::version()).is_ok(), "ours will do");
    }

    #[test]
    fn every_connection_flushes_as_its_journal_needs() {
        for (remote, mode, wanted) in [(None, "wal", FULL), (Some(file_systems::Remote::NFS), "delete", EXTRA)] {
            let dir = tempfile::tempdir().unwrap();
            let vault = open(dir.path(), &On(System::default(), remote), Shell::Threads).unwrap();
            let file = dir.path().join("vault.sqlite");
            let connections = [writer(&file, Checkpoints::Automatic), reader(&file, Checkpoints::Automatic)];
            for connection in connections.map(Result::unwrap) {
                let found: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
                let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
                assert_eq!((found.as_str(), synchronous), (mode, wanted));
            }
            drop(vault);
        }
    }

    /// A vault as the first minor made it.
    fn first_minor(file: &Path) {
        let connection = Connection::open(file).unwrap();
        connection.execute_batch(CREATE).unwrap();
        let tx = Tx::new(&connection, file);
        tx.set_device(&[7; 16]).unwrap();
        tx.set_incarnation(&[8; 16]).unwrap();
        tx.create_local_space(&[9; 16]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO documents (id, space, document) VALUES (1, 1, zeroblob(16));
                 INSERT INTO batches (batch, document, kind, hashes, state) VALUES (zeroblob(16), 1, 3, x'', 4);",
            )
            .unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", MAJOR * VERSION_UNIT).unwrap();
    }

    #[test]
    fn a_vault_of_an_older_minor_gets_what_it_lacks_and_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.sqlite");
        first_minor(&file);
        for _ in 0..2 {
            let storage = open(dir.path(), &System::default(), Shell::Threads).unwrap();
            assert_eq!(storage.read(|tx| tx.device()).unwrap().0, [7; 16]);
            let quarantined = storage.read(|tx| tx.quarantine_rows()).unwrap();
            assert_eq!((quarantined.len(), quarantined[0].unix_seconds), (1, None));
            storage.close();
        }
        let version = number(&Connection::open(&file).unwrap(), "user_version").unwrap();
        assert_eq!(version, VERSION);
    }

    #[test]
    fn a_vault_of_a_newer_minor_is_used_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), &System::default(), Shell::Threads).unwrap());
        let file = dir.path().join("vault.sqlite");
        set_version(&file, VERSION + 1).unwrap();
        drop(open(dir.path(), &System::default(), Shell::Threads).unwrap());
        let version = number(&Connection::open(&file).unwrap(), "user_version").unwrap();
        assert_eq!(version, VERSION + 1);
    }
}
