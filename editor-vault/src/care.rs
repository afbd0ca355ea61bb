//! Backups, restore points, and the quick look for damage; the thorough one is below.

mod verify; // every change, and what follows from them
mod replay; // a document out of its rows alone
mod rebuild; // derived data, made again
mod salvage; // what is sound, into a new vault
mod caretaker; // what looks after the file by itself

use std::path::Path;

use crate::error::{ReadError, StorageError};
use crate::list::ListFilter;
use crate::status::DocumentState;
use crate::vault::{Inner, Vault};

pub(crate) use self::caretaker::Caretaker;
pub use self::rebuild::Rebuilt;
pub use self::salvage::{SalvageError, Salvaged};

/// The code of damage to the file itself.
const DAMAGED_PAGES: &str = "corrupt";

/// The code of damage to what documents are found by, which is derived.
const INDEX_WRONG: &str = "index_wrong";
/// What to do about it.
const REBUILD: &str = "run `vault verify --rebuild`";
/// What to do about damage to the file itself.
const SAVE_SOUND: &str = "restore a backup, or save what is sound into another directory with `vault salvage DIR`";

/// What cannot be read, in a finding.
const LIST: &str = "the list of documents";

/// One thing that the doctor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable word for it.
    pub code: &'static str,
    /// What was found, and what to do.
    pub detail: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// A person should look at it.
    Warning,
    /// Damage.
    Error,
}

impl Severity {
    /// The stable word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a restore point is made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestorePoint {
    /// The first login, which joins what is here with what the account has.
    BeforeLogin,
    /// Very many documents are deleted by others.
    BeforeDeletions,
}

impl RestorePoint {
    const fn prefix(self) -> &'static str {
        match self {
            Self::BeforeLogin => "before-login-",
            Self::BeforeDeletions => "before-deletions-",
        }
    }
}

impl Vault {
    /// Copies everything that is saved into a new file and checks the copy. The vault may be in use meanwhile.
    ///
    /// # Errors
    /// [`StorageError::Io`] if `file` exists or cannot be made; [`StorageError::Full`]; [`StorageError::Corrupt`] if
    /// the copy does not pass SQLite's own check.
    pub fn backup(&self, file: &Path) -> Result<(), StorageError> {
        self.inner().storage.backup(file)
    }

    /// Looks for what is wrong at a glance, and for what waits for a person: SQLite's quick check of the file, held
    /// documents, parked and refused edits. Empty means that nothing was seen. Reads no change: [`Vault::verify`] does.
    ///
    /// # Errors
    /// [`StorageError`] if the file cannot be read at all.
    pub fn doctor(&self) -> Result<Vec<Finding>, StorageError> {
        let inner = self.inner();
        let mut findings = inner.damaged_pages(inner.storage.read(|tx| tx.quick_integrity())?);
        let noticed = self.noticed().into_iter().filter(|noticed| noticed.code != DAMAGED_PAGES);
        findings.extend(noticed.collect::<Vec<_>>());
        findings.extend(self.remote_file_system().map(|file_system| of_place(file_system, self.path())));
        let all = ListFilter { include_deleted: true, ..ListFilter::default() };
        match self.list(&all) {
            Ok(documents) => findings.extend(documents.iter().filter_map(of_document)),
            Err(ReadError::Storage(error)) => drop(unless_unreadable::<()>(Err(error), LIST, &mut findings)?),
            Err(error) => findings.push(Finding::error("unreadable", error.to_string())),
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }
}

/// What cannot be read because the file is damaged is a finding, and must not hide the others.
fn unless_unreadable<T>(
    looked: Result<T, StorageError>,
    what: &str,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>, StorageError> {
    match looked {
        Err(error @ (StorageError::Corrupt { .. } | StorageError::Unexpected { .. })) => {
            findings.push(Finding::error("unreadable", format!("{what}: {error}")));
            Ok(None)
        }
        looked => looked.map(Some),
    }
}

fn of_place(file_system: file_systems::Remote, directory: &Path) -> Finding {
    let directory = directory.display();
    let detail = format!(
        "{directory} is on {file_system}: saving is slow there, and only one program may have the vault open; move it to \
         a local disk"
    );
    Finding { severity: Severity::Warning, code: "network_file_system", detail }
}

fn of_document(info: &crate::DocumentInfo) -> Option<Finding> {
    let name = info.title.clone().unwrap_or_else(|| info.id.to_string());
    if let Some(reason) = &info.status.held {
        let detail = format!("document {name} is held and can only be read ({reason}): copy it into a new document");
        return Some(Finding { severity: Severity::Warning, code: "held", detail });
    }
    let (code, verdict, detail) = match &info.status.state {
        DocumentState::Parked { code, detail } => ("parked", code, detail),
        DocumentState::Quarantined { code, detail } => ("quarantined", code, detail),
        DocumentState::Saved | DocumentState::Stored | DocumentState::Synced => return None,
    };
    let detail = format!("edits of document {name} are {code} ({}: {detail}); they are kept here", verdict.name());
    Some(Finding { severity: Severity::Warning, code, detail })
}

impl Finding {
    fn error(code: &'static str, detail: String) -> Self {
        Self { severity: Severity::Error, code, detail }
    }
}

impl Inner {
    fn damaged_pages(&self, lines: Vec<String>) -> Vec<Finding> {
        let file = self.storage.file().display();
        let finding = |line: String| match line.contains("FTS5 table") {
            // SQLite looks into the table of words as well.
            true => Finding::error(INDEX_WRONG, format!("{file}: {line}; {REBUILD}")),
            false => Finding::error(DAMAGED_PAGES, format!("{file}: {line}; {SAVE_SOUND}")),
        };
        lines.into_iter().map(finding).collect()
    }

    /// A copy of the vault as it is now, before something that cannot be taken back.
    pub(crate) fn make_restore_point(&self, before: RestorePoint) -> Result<(), StorageError> {
        let directory = self.directory.join("restore-points");
        let io = |error: std::io::Error| StorageError::Io { path: directory.clone(), detail: error.to_string() };
        file_systems::make_directory(&directory).map_err(io)?;
        let now = self.sources.unix_seconds();
        let prefix = before.prefix();
        let mut file = directory.join(format!("{prefix}{now}.sqlite"));
        let mut number = 2;
        while file.exists() {
            file = directory.join(format!("{prefix}{now}-{number}.sqlite"));
            number += 1;
        }
        self.storage.backup(&file)?;
        tracing::info!(path = %file.display(), "Made a restore point at {}", file.display());
        Ok(())
    }
}
