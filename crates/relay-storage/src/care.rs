//! Care of the file: a checked copy, a list of what is wrong with it, and derived data made again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use document::Document;
use file_systems::{Access, Draft};
use rusqlite::Connection;
use rusqlite::backup::Backup;
use sync_wire::{DocumentId, SpaceId};

use crate::accounts::forget_web_sessions;
use crate::change_log::empty_intake;
use crate::documents::NewProjection;
use crate::error::{StorageError, storage_arm};
use crate::keyed;
use crate::open::{self, Checkpoints, Journal};
use crate::storage::Storage;

mod doctor; // the quick look, which reads no change
mod verify; // the thorough one
mod rebuild; // derived data, made again
mod logs; // the rules that the rows of a log satisfy
mod entries; // the entries of one document, with their changes
mod replay; // a document put together from its log alone
mod derived; // snapshot and projection against the log
mod voids; // what repairs say against what they must say
mod finding; // what is wrong, where, and what to do

pub use finding::Finding;
pub use rebuild::Rebuilt;

/// How the merged state of the document with an id is shown: what a projection is compared with, and remade by.
pub type Project = Arc<dyn Fn(DocumentId, &Document) -> NewProjection + Send + Sync>;

/// What a thorough look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// What is wrong; nothing if all is sound.
    pub findings: Vec<Finding>,
    /// Spaces that were looked at.
    pub spaces: u64,
    /// Documents in them.
    pub documents: u64,
    /// Their entries.
    pub entries: u64,
}

/// Why a backup was not made. Nothing is left at its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something is there already.
    #[error("{} exists; name a file that does not", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The copy failed its check.
    #[error("the copy is damaged: {detail}; run doctor on the storage")]
    CopyDamaged {
        /// The first finding.
        detail: String,
    },
    /// The file cannot be written.
    #[error("{}: {source}; choose a writable directory with room for the copy", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
storage_arm!(BackupError);

impl BackupError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "backup_exists",
            Self::CopyDamaged { .. } => "backup_damaged",
            Self::Io { .. } => "backup_io",
            Self::Storage(error) => error.code(),
        }
    }
}

impl Storage {
    /// Copies the storage to a new file (mode 0600) while it is in use, checks the copy, then gives it its name.
    ///
    /// # Errors
    /// [`BackupError`]; an unfinished copy is removed.
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (from, to) = (self.path().to_owned(), to.to_owned());
        let (checkpoints, journal) = (self.checkpoints(), self.journal());
        self.apart("storage-backup", move || backup(&from, &to, checkpoints, journal)).await?
    }

    /// The quick look: pages, digests and chain of every log, dense positions, whole batches, documents' rows against
    /// their entries. Empty means sound. Reads no change: [`Storage::verify`] does.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be read at all.
    pub async fn doctor(&self) -> Result<Vec<Finding>, StorageError> {
        self.look("storage-doctor", |connection| doctor::examine(connection, doctor::QUICK)).await
    }

    /// SQLite's quick check of the pages, for after an end in the middle. Empty means sound.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be read at all.
    pub async fn check_pages(&self) -> Result<Vec<Finding>, StorageError> {
        self.look("storage-pages", doctor::check_pages).await
    }

    /// The thorough look, at everything or at one space: what [`Storage::doctor`] does, and beside it every change
    /// (its hash, its place among those of its actor), every frontier, snapshot and projection against what the log
    /// gives. Reads everything, one document at a time; the relay may go on meanwhile.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot be read at all.
    pub async fn verify(&self, only: Option<SpaceId>, project: &Project) -> Result<Verified, StorageError> {
        let project = project.clone();
        self.look("storage-verify", move |connection| verify::verify(connection, only, &project)).await
    }

    /// Runs a long look on a connection of its own.
    async fn look<T: Send + 'static>(
        &self,
        name: &str,
        look: impl FnOnce(&Connection) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let path = self.path().to_owned();
        let (checkpoints, journal) = (self.checkpoints(), self.journal());
        self.apart(name, move || {
            let connection = open::open_reader(&path, checkpoints, journal).map_err(|error| of_open(&error))?;
            look(&connection)
        })
        .await?
    }
}

fn of_open(error: &open::OpenError) -> StorageError {
    StorageError::Io { detail: error.to_string() }
}

fn backup(from: &Path, to: &Path, checkpoints: Checkpoints, journal: Journal) -> Result<(), BackupError> {
    if to.try_exists().unwrap_or(true) {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.to_owned() },
        _ => BackupError::Io { path: to.to_owned(), source },
    };
    let draft = Draft::beside(to, "partial", Access::Owner).map_err(failed)?;
    copy(from, draft.path(), checkpoints, journal)?;
    draft.create().map_err(failed)
}

fn copy(from: &Path, draft: &Path, checkpoints: Checkpoints, journal: Journal) -> Result<(), BackupError> {
    let source = open::open_reader(from, checkpoints, journal).map_err(|error| of_open(&error))?;
    let mut target = Connection::open(draft)?;
    // Pages in large steps: a writer in another process restarts a backup that dawdles.
    Backup::new(&source, &mut target)?.run_to_completion(4096, Duration::from_millis(1), None)?;
    // What waits for its check is not part of it: devices push it again.
    empty_intake(&target)?;
    keyed::forget_all(&target)?;
    forget_web_sessions(&target)?;
    // A copy that is one file, whatever the journal of its original.
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    match doctor::examine(&target, doctor::WHOLE)?.first() {
        None => Ok(()),
        Some(finding) => Err(BackupError::CopyDamaged { detail: finding.detail.clone() }),
    }
}
