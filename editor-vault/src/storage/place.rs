//! Where the vault lies. On a file system on which a write-ahead log is not safe (network, FUSE) it gets a rollback
//! journal, and this process has it alone: locks there need not reach other machines.

use std::fs::{File, TryLockError};
use std::path::Path;

use file_systems::Remote;

use crate::error::{OpenError, StorageError};
use crate::sources::Sources;

/// Beside the vault, where it must not be shared.
const LOCK_NAME: &str = "vault.sqlite.lock";

/// A place that was looked at, and taken if only one process may have it.
#[derive(Debug)]
pub(super) struct Place {
    remote: Option<Remote>,
    /// Held while the vault is open. The system takes it back when the process ends, however it ends.
    _alone: Option<File>,
}

impl Place {
    pub(super) fn take(directory: &Path, sources: &dyn Sources) -> Result<Self, OpenError> {
        let Some(remote) = sources.remote_file_system(directory) else {
            return Ok(Self { remote: None, _alone: None });
        };
        tracing::warn!(
            vault.path = %directory.display(), file_system = remote.name(),
            "The vault is on {remote}, where SQLite is slow and cannot be shared: move it to a local disk"
        );
        Ok(Self { remote: Some(remote), _alone: Some(alone(directory, remote)?) })
    }

    pub(super) fn remote(&self) -> Option<Remote> {
        self.remote
    }
}

fn alone(directory: &Path, file_system: Remote) -> Result<File, OpenError> {
    let path = directory.join(LOCK_NAME);
    let failed = |error: std::io::Error| StorageError::Io { path: path.clone(), detail: error.to_string() };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: directory.to_path_buf(), file_system }),
        Err(TryLockError::Error(error)) => Err(failed(error).into()),
    }
}
