//! Vaults in directories of their own, with a user state directory of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use editor_vault::{Sources, System, Vault, VaultOptions};

/// A directory for vaults, removed at the end.
pub(crate) struct House {
    directory: tempfile::TempDir,
    sources: Arc<dyn Sources>,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        Self { directory, sources: Arc::new(Here { system: System::default(), state: Some(state) }) }
    }

    /// As where there is no `HOME`.
    pub(crate) fn without_state() -> Self {
        let sources = Arc::new(Here { system: System::default(), state: None });
        Self { sources, ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn options(&self, name: &str) -> VaultOptions {
        VaultOptions::new(self.path(name)).sources(self.sources.clone())
    }

    pub(crate) fn open(&self, name: &str) -> Vault {
        self.options(name).open().unwrap()
    }
}

#[derive(Debug)]
struct Here {
    system: System,
    state: Option<PathBuf>,
}

impl Sources for Here {
    fn unix_milliseconds(&self) -> i64 {
        self.system.unix_milliseconds()
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.system.fill(bytes);
    }

    fn boot_id(&self) -> Option<String> {
        self.system.boot_id()
    }

    fn state_dir(&self) -> Option<PathBuf> {
        self.state.clone()
    }
}

/// One number from the file of a vault that nobody has open.
pub(crate) fn count(file: &Path, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

pub(crate) const TAB_SIZE: &str = "/base/editor.tabSize";
pub(crate) const SOON: Duration = Duration::from_secs(20);
