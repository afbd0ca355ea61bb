//! What can go wrong, one enum per operation: a stable code, and a text with the value, the rule and the remedy.

use std::path::PathBuf;

use file_systems::Remote;

use document::Violation;
use sync_core::client::Status;
use sync_wire::{DocumentId, GoodbyeCode, SpaceId};

use crate::unsaved::Unsaved;

/// Why a vault could not be opened. Nothing was changed in what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the vault, and on its file system only one may.
    #[error(
        "another program has the vault {} open, and on {file_system} only one may: end that one, or move the vault to a \
         local disk",
        path.display()
    )]
    InUse {
        /// The directory of the vault.
        path: PathBuf,
        /// What it is on.
        file_system: Remote,
    },
    /// The path is there and is not a directory.
    #[error("{path} is not a directory; a vault is a directory: give another path, or move that file away")]
    NotADirectory {
        /// As given.
        path: PathBuf,
    },
    /// The directory could not be made.
    #[error("cannot create the vault directory {path}: {source}; create it, or give a path that you may write to")]
    CreateDirectory {
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory or the file cannot be written to.
    #[error(
        "cannot write in {path}; a vault needs write access to its directory and file: change its permissions, or give another path"
    )]
    ReadOnly {
        /// The directory or file.
        path: PathBuf,
    },
    /// The file is not SQLite, or damaged.
    #[error(
        "{path} is damaged or not a vault ({detail}); it was left as it is: restore it from a backup, or move it away to begin anew"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// A SQLite file of another program.
    #[error(
        "{path} belongs to another program (application id {found:#010x}); a vault has {expected:#010x}: give another path"
    )]
    NotAVault {
        /// The file.
        path: PathBuf,
        /// Its application id.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// A newer program wrote it.
    #[error(
        "{path} was written in file version {found}; this program reads up to {supported}: install a newer release"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its major version.
        found: u32,
        /// The newest that this build reads.
        supported: u32,
    },
    /// The SQLite that the host linked is too old.
    #[error(
        "SQLite {found} is linked; at least {required} is needed: build with the feature `bundled-sqlite`, or link a newer one"
    )]
    OldSqlite {
        /// Its version.
        found: String,
        /// The oldest that will do.
        required: &'static str,
    },
    /// The file could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl OpenError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "in_use",
            Self::NotADirectory { .. } => "not_a_directory",
            Self::CreateDirectory { .. } => "create_directory",
            Self::ReadOnly { .. } => "read_only",
            Self::Corrupt { .. } => "corrupt",
            Self::NotAVault { .. } => "not_a_vault",
            Self::TooNew { .. } => "too_new",
            Self::OldSqlite { .. } => "old_sqlite",
            Self::Storage(error) => error.code(),
        }
    }
}

/// The vault's file could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// No room.
    #[error("the disk is full: {path} cannot grow; nothing saved was lost: free some space and try again")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file may not be written.
    #[error("{path} may not be written; nothing saved was lost: change its permissions and try again")]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({detail}); keep the file: run `vault doctor`; restore a backup, or save what is sound with `vault salvage DIR`"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// Another process did not let go.
    #[error("{path} was kept busy by another process for too long: try again, or end that process")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The device failed.
    #[error("cannot read or write {path} ({detail}); nothing saved was lost: check the disk and try again")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was said.
        detail: String,
    },
    /// What stands in the file breaks a rule of ours, or a statement failed.
    #[error("{path} could not be used ({detail}): run `vault doctor`, and report this if it finds nothing")]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// The vault was closed meanwhile.
    #[error("the vault {path} is closed: open it again")]
    Closed {
        /// The file.
        path: PathBuf,
    },
}

impl StorageError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "disk_full",
            Self::ReadOnly { .. } => "read_only",
            Self::Corrupt { .. } => "corrupt",
            Self::Busy { .. } => "busy",
            Self::Io { .. } => "io",
            Self::Unexpected { .. } => "unexpected",
            Self::Closed { .. } => "closed",
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No such document here.
    #[error("no document {document} in space {space}: `list` shows what is there")]
    NotFound {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
    },
    /// Nothing has that title or id.
    #[error("no document is called {wanted:?}: `list` shows what is there")]
    NoneCalled {
        /// As asked for.
        wanted: String,
    },
    /// Several have that title.
    #[error("{count} documents are called {wanted:?}: ask for one by its id, {ids}")]
    Ambiguous {
        /// As asked for.
        wanted: String,
        /// How many.
        count: usize,
        /// Some of their ids, for people.
        ids: String,
    },
    /// No such space here.
    #[error("no space {space} in this vault: `spaces` shows those that are")]
    NoSuchSpace {
        /// As asked for.
        space: SpaceId,
    },
    /// No such document type.
    #[error("no document type {name:?}; known are {known}")]
    NoSuchType {
        /// As asked for.
        name: String,
        /// For people.
        known: String,
    },
    /// No version, or more than one, is called so.
    #[error("no version {wanted:?}: {rule}; `log` shows what there is")]
    NoSuchVersion {
        /// As asked for.
        wanted: String,
        /// What is wrong with it.
        rule: String,
    },
    /// The document's changes are here and cannot be put together.
    #[error("document {document} cannot be put together ({detail}); its bytes are kept: run `vault doctor`")]
    Unreadable {
        /// The document.
        document: DocumentId,
        /// Why.
        detail: String,
    },
    /// Used in a child of the process that opened it.
    #[error("the vault was opened by process {opened_by} and this is {now}: open it again after a fork")]
    Forked {
        /// Who opened it.
        opened_by: u32,
        /// Who asks.
        now: u32,
    },
    /// The file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReadError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::NoneCalled { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NoSuchSpace { .. } => "no_such_space",
            Self::NoSuchType { .. } => "no_such_type",
            Self::NoSuchVersion { .. } => "no_such_version",
            Self::Unreadable { .. } => "unreadable",
            Self::Forked { .. } => "forked",
            Self::Storage(error) => error.code(),
        }
    }
}

/// Why an edit did not happen. What was saved before is as it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The edit breaks a rule; nothing of it remains.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The edit breaks rules of the document's type; nothing of it remains.
    #[error("{}", sentences(.0))]
    Violations(Vec<schemas::Violation>),
    /// The edit could not be made durable; the document is as it was saved last.
    #[error("the edit was not saved: {reason}")]
    NotSaved {
        /// Why.
        reason: StorageError,
        /// The edit, for [`crate::Vault::save_again`]. None for what is simply asked for again, such as a deletion.
        edit: Option<Unsaved>,
    },
    /// The edit cannot be written down; the document is as it was saved last.
    #[error("the edit was not saved, because it cannot be written down: {detail}; make it in smaller parts")]
    NotSealed {
        /// Why.
        detail: String,
    },
    /// The document is deleted.
    #[error("document {document} is deleted: restore it before editing")]
    Deleted {
        /// The document.
        document: DocumentId,
    },
    /// The document is deleted for good.
    #[error("document {document} was deleted and is purged by now: its content is gone; begin another one")]
    Purged {
        /// The document.
        document: DocumentId,
    },
    /// No deletion of the document is contested.
    #[error("no deletion of document {document} is contested: `vault contested list` shows those that are")]
    NotContested {
        /// The document.
        document: DocumentId,
    },
    /// The document can only be read, because a change in it could not be applied safely.
    #[error("document {document} is held and can only be read ({reason}): copy what you need into a new document")]
    Held {
        /// The document.
        document: DocumentId,
        /// Why.
        reason: String,
    },
    /// Nothing that was done here is left to take back.
    #[error("nothing is left to undo in document {document}: every edit made here is undone, or was changed since")]
    NothingToUndo {
        /// The document.
        document: DocumentId,
    },
    /// The last thing done here was no undo.
    #[error("nothing is left to redo in document {document}: only what was undone last can be redone")]
    NothingToRedo {
        /// The document.
        document: DocumentId,
    },
    /// Well-known documents cannot be deleted, and are not created.
    #[error(
        "there is always one {name} document in a space; it cannot be created or deleted: edit it, or remove its keys"
    )]
    WellKnown {
        /// The type.
        name: String,
    },
    /// The document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl EditError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Violation(violation) => violation.code(),
            Self::Violations(_) => "violations",
            Self::NotSaved { reason, .. } => reason.code(),
            Self::NotSealed { .. } => "not_sealed",
            Self::Deleted { .. } => "deleted",
            Self::Purged { .. } => "gone",
            Self::NotContested { .. } => "not_contested",
            Self::Held { .. } => "held",
            Self::NothingToUndo { .. } => "nothing_to_undo",
            Self::NothingToRedo { .. } => "nothing_to_redo",
            Self::WellKnown { .. } => "well_known",
            Self::Read(error) => error.code(),
        }
    }
}

impl From<StorageError> for EditError {
    fn from(error: StorageError) -> Self {
        Self::Read(ReadError::Storage(error))
    }
}

fn sentences(violations: &[schemas::Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a connection cannot even be tried. Whether the relay answers is seen in the status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a URL of a relay.
    #[error("{url:?} is not the URL of a relay ({rule}): give one like https://relay.example.com")]
    Url {
        /// As given.
        url: String,
        /// The rule it breaks.
        rule: String,
    },
    /// Not a token.
    #[error("the token cannot be sent in a header (visible ASCII, no spaces): copy it again from `token create`")]
    Token,
    /// No credentials are stored.
    #[error("no login is stored beside the vault {path}: log in first")]
    NotLoggedIn {
        /// The directory.
        path: PathBuf,
    },
    /// The platform's certificates could not be used.
    #[error("TLS cannot be set up ({detail}): hand in a configuration with `Connection::tls`")]
    Tls {
        /// Why.
        detail: String,
    },
    /// A file beside the vault could not be read or written.
    #[error("cannot use {path} ({source}): check its permissions")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread could not be started.
    #[error("the sync thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl ConnectError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "relay_url",
            Self::Token => "token",
            Self::NotLoggedIn { .. } => "not_logged_in",
            Self::Tls { .. } => "tls",
            Self::File { .. } => "io",
            Self::Thread(_) => "thread",
        }
    }
}

/// Why everything is not exchanged yet.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// [`crate::Vault::connect`] was not called.
    #[error("the vault is not connected: connect first")]
    NotConnected,
    /// Time is up. Everything goes on in the background.
    #[error("not settled in time: {}", describe(.status))]
    Timeout {
        /// Where the connection stands.
        status: Status,
    },
    /// A person must do something first.
    #[error("the relay does not serve this vault: {detail}")]
    Blocked {
        /// The relay's word, if it said one.
        code: Option<GoodbyeCode>,
        /// A sentence for people.
        detail: String,
    },
}

impl SyncError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Timeout { .. } => "timeout",
            Self::Blocked { code: Some(code), .. } => code.name(),
            Self::Blocked { code: None, .. } => "blocked",
        }
    }
}

fn describe(status: &Status) -> String {
    use sync_core::client::Link;
    let link = match &status.link {
        Link::Off => "not connected".to_owned(),
        Link::Connecting => "connecting".to_owned(),
        Link::Online => "connected".to_owned(),
        Link::InLine => "another process syncs this vault".to_owned(),
        Link::Waiting { detail, retry_in } => format!("{detail}; next attempt in {} s", retry_in.as_secs()),
        Link::Blocked { detail, .. } => detail.clone(),
    };
    match &status.no_room {
        Some(detail) => format!("{link}; edits wait: {detail}"),
        None if status.outbox_is_empty => format!("{link}; everything is sent"),
        None => format!("{link}; edits are waiting to be sent or checked"),
    }
}
