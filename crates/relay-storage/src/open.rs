//! The open sequence of a connection: what must be true of the file before anything is written to it.
//!
//! A file that is not ours, damaged, or of a newer major version is refused untouched. The order and the pragmas are
//! those of the reliability study: WAL read back, `synchronous=FULL`, nothing in the schema trusted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use file_systems::Remote;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use sync_wire::planted::{self, Bug};

use crate::error::StorageError;

/// "SVrs": Symphony Vault, relay storage.
const APPLICATION_ID: i32 = 0x5356_7273;
/// `major << 16 | minor`. A newer minor version is readable and writable by this build; a newer major one is not.
const FILE_VERSION: i32 = 1 << 16 | STEPS.len() as i32;
/// Older ones can lose commits when two connections checkpoint at once.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Pages of the write-ahead log after which it is moved into the file.
const CHECKPOINT_PAGES: i32 = 1000;
/// Version 1.0.
const SCHEMA: &str = include_str!("open/schema.sql");
/// What each later minor version adds. An older build reads and writes such a file without it.
const STEPS: [&str; 11] = [
    include_str!("open/fates.sql"),
    include_str!("open/usage.sql"),
    include_str!("open/intake.sql"),
    include_str!("open/authors.sql"),
    include_str!("open/publications.sql"),
    include_str!("open/conflicts.sql"),
    include_str!("open/find.sql"),
    include_str!("open/types.sql"),
    include_str!("open/handles.sql"),
    include_str!("open/web_sessions.sql"),
    include_str!("open/lookups.sql"),
];

/// Why a storage cannot be opened. Its file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory of the file is not there.
    #[error("storage {}: its directory does not exist; create it first", path.display())]
    DirectoryMissing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made, read or written.
    #[error("storage {}: {detail}; make the file and its directory writable for the relay", path.display())]
    NotAccessible {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The file is not a database, or is damaged.
    #[error("storage {}: not a sound SQLite database ({detail}); keep it aside and restore a backup", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The file belongs to another program.
    #[error("storage {}: a database of another program (application id {found:#x}); name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: i32,
    },
    /// A newer build wrote it.
    #[error(
        "storage {}: written by file version {found}; this build reads up to {supported}; upgrade the relay",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its major version.
        found: i32,
        /// The newest major version that this build knows.
        supported: i32,
    },
    /// Another process has the file, and on its file system only one may.
    #[error(
        "storage {}: another process has it open, and on {file_system} only one may; stop that one, or move the data \
         directory to a local disk",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
        /// What the file is on.
        file_system: Remote,
    },
    /// The linked SQLite has a known defect.
    #[error("SQLite {found} is linked; 3.51.3 or newer is needed, older ones can lose commits; rebuild the relay")]
    SqliteTooOld {
        /// Its version.
        found: &'static str,
    },
    /// Anything else.
    #[error("storage {}: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: StorageError,
    },
}

impl OpenError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DirectoryMissing { .. } => "storage_directory_missing",
            Self::NotAccessible { .. } => "storage_not_accessible",
            Self::Corrupt { .. } => "storage_corrupt",
            Self::Foreign { .. } => "storage_foreign",
            Self::TooNew { .. } => "storage_too_new",
            Self::InUse { .. } => "storage_in_use",
            Self::SqliteTooOld { .. } => "sqlite_too_old",
            Self::Storage { source, .. } => source.code(),
        }
    }

    fn of(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match StorageError::from(error) {
            StorageError::Corrupt { detail } => Self::Corrupt { path, detail },
            StorageError::ReadOnly { detail } | StorageError::Io { detail } => Self::NotAccessible { path, detail },
            source => Self::Storage { path, source },
        }
    }
}

/// When the write-ahead log is moved into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checkpoints {
    /// As SQLite does it: after some pages, and when the last connection is closed.
    Automatic,
    /// Never by itself.
    WhenTold,
}

/// What makes commits atomic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Journal {
    /// A write-ahead log: readers and the writer do not wait for each other.
    WriteAhead,
    /// A rollback journal, where a write-ahead log is not safe.
    Rollback,
}

impl Journal {
    const fn mode(self) -> &'static str {
        match self {
            Self::WriteAhead => "WAL",
            Self::Rollback => "DELETE",
        }
    }
}

/// Opens the file for reading and writing, makes it if it is not there, and brings its schema up to date.
///
/// The file does not grow beyond `bytes_max`: writes that need more fail as on a full disk.
pub(crate) fn open_writer(
    path: &Path,
    bytes_max: Option<u64>,
    checkpoints: Checkpoints,
    journal: Journal,
) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
    }
    create_private(path)?;
    let failed = |error| OpenError::of(path, error);
    let mut connection = connect(path).map_err(failed)?;
    let file = identify(&connection).map_err(failed)?;
    let is_new = file.accept(path)?;
    prepare(&connection, is_new, checkpoints, journal).map_err(failed)?;
    if is_new || file.is_older() {
        migrate(&mut connection).map_err(failed)?;
    }
    if let Some(bytes) = bytes_max {
        let pages = i64::try_from(bytes / 4096).unwrap_or(i64::MAX).max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(failed)?;
    }
    Ok(connection)
}

/// Opens a file that [`open_writer`] has accepted, for reading only.
pub(crate) fn open_reader(path: &Path, checkpoints: Checkpoints, journal: Journal) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::of(path, error);
    let connection = connect(path).map_err(failed)?;
    prepare(&connection, false, checkpoints, journal)
        .and_then(|()| connection.pragma_update(None, "query_only", true))
        .map_err(failed)?;
    Ok(connection)
}

/// Makes the file with mode 0600 if it is not there. SQLite gives its companions the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        // It is never opened by ordinary means when it exists: closing it would drop SQLite's locks.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpenError::DirectoryMissing { path: path.to_owned() })
        }
        Err(error) => Err(OpenError::NotAccessible { path: path.to_owned(), detail: error.to_string() }),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Without this, a statement beside a partial index is compiled anew for every value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Until the file is accepted, closing it must not even move its write-ahead log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

struct FileIdentity {
    application_id: i32,
    user_version: i32,
    tables: i64,
}

fn identify(connection: &Connection) -> rusqlite::Result<FileIdentity> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok(FileIdentity {
        application_id: pragma("application_id")?,
        user_version: pragma("user_version")?,
        tables: connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

impl FileIdentity {
    /// Whether the file is empty and ours to fill; an error if it is neither that nor ours already.
    fn accept(&self, path: &Path) -> Result<bool, OpenError> {
        if self.application_id == 0 && self.user_version == 0 && self.tables == 0 {
            return Ok(true);
        }
        if self.application_id != APPLICATION_ID {
            return Err(OpenError::Foreign { path: path.to_owned(), found: self.application_id });
        }
        let (found, supported) = (self.user_version >> 16, FILE_VERSION >> 16);
        if found > supported {
            return Err(OpenError::TooNew { path: path.to_owned(), found, supported });
        }
        Ok(false)
    }

    const fn is_older(&self) -> bool {
        self.user_version < FILE_VERSION
    }
}

fn prepare(connection: &Connection, is_new: bool, checkpoints: Checkpoints, journal: Journal) -> rusqlite::Result<()> {
    let is_told = checkpoints == Checkpoints::WhenTold;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_told)?;
    if is_new {
        connection.execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    let wanted = journal.mode();
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0))?;
    if mode == "wal" {
        let synchronous = if planted::is(Bug::FsyncSkipped) { "NORMAL" } else { "FULL" };
        connection.pragma_update(None, "synchronous", synchronous)?;
    } else {
        if journal == Journal::WriteAhead {
            tracing::warn!(journal_mode = mode, "The file system has no WAL; writing with a rollback journal, slower");
        }
        let synchronous = if planted::is(Bug::DeletionNotFlushed) { "FULL" } else { "EXTRA" };
        connection.pragma_update(None, "synchronous", synchronous)?;
    }
    connection.execute_batch(
        "PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1; PRAGMA foreign_keys = ON;
         PRAGMA recursive_triggers = OFF; PRAGMA journal_size_limit = 67108864;",
    )?;
    let pages = if is_told { 0 } else { CHECKPOINT_PAGES };
    connection.pragma_update_and_check(None, "wal_autocheckpoint", pages, |_| Ok(()))?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 64 << 20)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 999)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// Two processes may find the file empty or old at once; the second finds it ready once it holds the write lock.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let minor = usize::try_from(version & 0xffff).unwrap_or_default();
    for step in STEPS.iter().skip(minor) {
        transaction.execute_batch(step)?;
    }
    if version < FILE_VERSION {
        transaction.pragma_update(None, "user_version", FILE_VERSION)?;
    }
    transaction.commit()
}
