//! Where the vault lies. On a file system on which a write-ahead log is not safe (network, FUSE) it gets a rollback
//! journal, and this process has it alone: locks there need not reach other machines.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use file_systems::{Presence, Previous, Remote};

use crate::error::{OpenError, StorageError};
use crate::sources::Sources;

/// Beside the vault, where it must not be shared.
const LOCK_NAME: &str = "vault.sqlite.lock";
/// There while anybody has the vault open.
const OPEN_NAME: &str = "vault.open";

/// A place that was looked at, and taken if only one process may have it.
#[derive(Debug, Default)]
pub(super) struct Place {
    remote: Option<Remote>,
    /// Held while the vault is open. The system takes it back when the process ends, however it ends.
    _alone: Option<File>,
    /// None where it cannot be written down, and in a simulated world.
    presence: Mutex<Option<Presence>>,
}

impl Place {
    pub(super) fn take(directory: &Path, sources: &dyn Sources, is_inline: bool) -> Result<Self, OpenError> {
        let Some(remote) = sources.remote_file_system(directory) else {
            // In a directory that cannot be written there is nothing to be cut off from.
            let presence = if is_inline { None } else { Presence::enter(&open_mark(directory)).ok() };
            return Ok(Self { presence: Mutex::new(presence), ..Self::default() });
        };
        tracing::warn!(
            vault.path = %directory.display(), file_system = remote.name(),
            "The vault is on {remote}, where SQLite is slow and cannot be shared: move it to a local disk"
        );
        Ok(Self { remote: Some(remote), _alone: Some(alone(directory, remote)?), ..Self::default() })
    }

    pub(super) fn remote(&self) -> Option<Remote> {
        self.remote
    }

    /// How the last one left it.
    pub(super) fn previous(&self) -> Previous {
        self.presence().as_ref().map_or(Previous::Orderly, Presence::previous)
    }

    /// Somebody has looked what an end in the middle left behind.
    pub(super) fn looked(&self) {
        let looked = self.presence().as_ref().map_or(Ok(()), Presence::looked);
        if let Err(error) = looked {
            tracing::warn!("The vault is looked at again when it is opened next: {error}");
        }
    }

    pub(super) fn leave(&self) {
        if let Some(presence) = self.presence().take() {
            presence.leave();
        }
    }

    fn presence(&self) -> std::sync::MutexGuard<'_, Option<Presence>> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file that is there while anybody has the vault open.
pub(crate) fn open_mark(directory: &Path) -> std::path::PathBuf {
    directory.join(OPEN_NAME)
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
