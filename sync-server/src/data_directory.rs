//! The directory that everything of one relay lives in: found, made, locked, measured.

use std::fs::{File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Held by the relay that serves a directory.
const LOCK_NAME: &str = "serve.lock";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Nothing is there, and the command does not make one.
    #[error(
        "{}: there is no relay here; run `sync-server account create NAME --data DIR` first, or correct --data",
        path.display()
    )]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{}: is not a directory; name the directory of a relay with --data", path.display())]
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// It cannot be made or used.
    #[error("{}: {source}; the relay must be able to write its data directory", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process serves it.
    #[error("{}: another relay serves this directory; stop it first, or choose another one", path.display())]
    Locked {
        /// Where.
        path: PathBuf,
    },
}

impl DirectoryError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "data_missing",
            Self::NotADirectory { .. } => "data_not_a_directory",
            Self::Io { .. } => "data_unusable",
            Self::Locked { .. } => "data_locked",
        }
    }
}

/// Finds the directory.
///
/// # Errors
/// [`DirectoryError`]
pub fn find(path: &Path) -> Result<PathBuf, DirectoryError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            path.canonicalize().map_err(|source| DirectoryError::Io { path: path.into(), source })
        }
        Ok(_) => Err(DirectoryError::NotADirectory { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(DirectoryError::Missing { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(DirectoryError::NotADirectory { path: path.into() })
        }
        Err(source) => Err(DirectoryError::Io { path: path.into(), source }),
    }
}

/// Finds the directory, or makes it, for its owner alone.
///
/// # Errors
/// [`DirectoryError`]
pub fn find_or_make(path: &Path) -> Result<PathBuf, DirectoryError> {
    match find(path) {
        Err(DirectoryError::Missing { .. }) => {
            file_systems::make_directory(path).map_err(|source| DirectoryError::Io { path: path.into(), source })?;
            find(path)
        }
        found => found,
    }
}

/// Makes sure that no other process serves the directory while the result lives: two relays on one database would not
/// hear of each other's appends.
///
/// # Errors
/// [`DirectoryError::Locked`], [`DirectoryError::Io`]
pub fn lock(directory: &Path) -> Result<File, DirectoryError> {
    let failed = |source| DirectoryError::Io { path: directory.into(), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(directory.join(LOCK_NAME)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path: directory.into() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Notes in the lock where the relay that holds it listens, for commands beside it.
///
/// # Errors
/// [`DirectoryError::Io`]
pub fn note_address(lock: &mut File, directory: &Path, address: SocketAddr) -> Result<(), DirectoryError> {
    let mut note = || {
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(format!("{address}\n").as_bytes())
    };
    note().map_err(|source| DirectoryError::Io { path: directory.into(), source })
}

/// Nobody listens any more.
pub fn forget_address(lock: &File) {
    // Whoever reads it nevertheless is told where the relay was last.
    let _ = lock.set_len(0);
}

/// Where the relay listens that serves the directory, or did until it ended in the middle.
#[must_use]
pub fn noted_address(directory: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(directory.join(LOCK_NAME)).ok()?.trim().parse().ok()
}
