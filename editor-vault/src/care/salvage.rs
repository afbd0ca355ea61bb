//! A new vault out of what is sound in a damaged one. The damaged one stays as it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use file_systems::Presence;
use schemas::Registry;

use crate::error::{OpenError, StorageError};
use crate::sources::{Sources, System};
pub use crate::storage::Salvaged;
use crate::storage::{self, Shell, Wreck};
use crate::type_files::{self, TypeFiles};
use crate::vault::Vault;

/// The copies that are read; removed at the end.
const COPY_NAME: &str = "salvage";

/// Why nothing was saved out of a vault. It was left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SalvageError {
    /// No file is there.
    #[error("there is no vault in {}: name the directory of the damaged one", path.display())]
    NoVault {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody has it open.
    #[error("another program has the vault {} open: end it first", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The new place is taken.
    #[error("there is a vault in {} already: name a directory that has none", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Not even the list of tables can be read.
    #[error("nothing in {} can be read ({detail}): restore a backup", path.display())]
    Lost {
        /// The directory.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// A file could not be copied.
    #[error("cannot copy {} ({source}): check permissions and free space", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The new vault.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new vault's file.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl SalvageError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoVault { .. } => "no_vault",
            Self::InUse { .. } => "in_use",
            Self::Exists { .. } => "vault_exists",
            Self::Lost { .. } => "lost",
            Self::Copy { .. } => "io",
            Self::Open(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }
}

impl Vault {
    /// Makes a vault in the directory `into` out of what is sound in the damaged one in `from`: every change that can
    /// be read and has its hash, and what belongs to it; and its files of document types. Resume points stay behind,
    /// so that the relay sends everything again and gets what it lacks. Credentials stay behind as well: log in again.
    ///
    /// # Errors
    /// [`SalvageError`]; `from` is as it was, and in `into` is no vault.
    pub fn salvage(from: &Path, into: &Path) -> Result<Salvaged, SalvageError> {
        let (damaged, new) = (from.join("vault.sqlite"), into.join("vault.sqlite"));
        if !damaged.exists() {
            return Err(SalvageError::NoVault { path: from.to_owned() });
        }
        if new.exists() {
            return Err(SalvageError::Exists { path: into.to_owned() });
        }
        if Presence::is_anybody(&storage::open_mark(from)) {
            return Err(SalvageError::InUse { path: from.to_owned() });
        }
        let copies = Copies::of(&damaged, &into.join(COPY_NAME))?;
        let lost = |error: StorageError| SalvageError::Lost { path: from.to_owned(), detail: error.to_string() };
        let wreck = Wreck::open(&copies.directory.join("vault.sqlite")).map_err(lost)?;
        let sources = System::default();
        let salvaged = fill(from, into, wreck, sources);
        if salvaged.is_err() {
            for name in ["vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"] {
                // An empty vault in the place of a saved one would mislead.
                let _ = fs::remove_file(into.join(name));
            }
        }
        salvaged
    }
}

fn fill(from: &Path, into: &Path, wreck: Wreck, sources: System) -> Result<Salvaged, SalvageError> {
    let storage = storage::open(into, &sources, Shell::Threads)?;
    let TypeFiles { registry, .. } = TypeFiles::read(from, Registry::builtin());
    let salvaged = storage.write(move |tx| tx.salvage(wreck, &registry, &sources as &dyn Sources))?;
    storage.close();
    type_files::copy(from, into);
    Ok(salvaged)
}

/// Copies of the damaged file and of the log beside it: to read them SQLite has to write.
struct Copies {
    directory: PathBuf,
}

impl Copies {
    fn of(file: &Path, directory: &Path) -> Result<Self, SalvageError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SalvageError::Copy { path, source }
        };
        file_systems::make_directory(directory).map_err(failed(directory))?;
        let copies = Self { directory: directory.to_owned() };
        for ending in ["", "-wal", "-journal"] {
            let mut name = file.file_name().unwrap_or_default().to_owned();
            name.push(ending);
            let from = file.with_file_name(&name);
            if ending.is_empty() || from.exists() {
                fs::copy(&from, directory.join(&name)).map_err(failed(&from))?;
            }
        }
        Ok(copies)
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        // What stays is in nobody's way.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
