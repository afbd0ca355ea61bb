//! Where the file lies. On a file system on which a write-ahead log is not safe, it gets a rollback journal, and this
//! process has it alone.

use std::fs::{File, TryLockError};
use std::path::Path;

use file_systems::Remote;

use crate::open::{Journal, OpenError};

/// A place that was looked at, and taken if only one process may have it.
#[derive(Debug)]
pub(crate) struct Place {
    remote: Option<Remote>,
    /// Held while the storage is open, where it must not be shared.
    _alone: Option<File>,
}

impl Place {
    /// Looks at the file system of the directory that the file is in.
    pub(crate) fn take(path: &Path, look: fn(&Path) -> Option<Remote>) -> Result<Self, OpenError> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(remote) = look(directory) else { return Ok(Self { remote: None, _alone: None }) };
        tracing::warn!(
            file_system = remote.name(),
            "The storage is on {remote}, where SQLite is slow and cannot be shared: move it to a local disk"
        );
        Ok(Self { remote: Some(remote), _alone: Some(alone(path, remote)?) })
    }

    pub(crate) fn remote(&self) -> Option<Remote> {
        self.remote
    }

    pub(crate) fn journal(&self) -> Journal {
        if self.remote.is_some() { Journal::Rollback } else { Journal::WriteAhead }
    }
}

/// A lock beside the file: the system takes it back when the process ends, however it ends.
fn alone(path: &Path, file_system: Remote) -> Result<File, OpenError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    let lock = path.with_file_name(name);
    let failed = |error: std::io::Error| OpenError::NotAccessible { path: lock.clone(), detail: error.to_string() };
    crate::open::create_private(&lock)?;
    let file = File::options().write(true).open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned(), file_system }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
