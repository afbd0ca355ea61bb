//! What went wrong, for people and for scripts: `error[code]: sentence` lines and an exit code.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use editor_vault::{
    ConnectError, EditError, OpenError, PresenceError, QuarantineError, QueryError, ReadError, SalvageError,
    SquashError, StorageError, SyncError,
};

/// Exit codes, as `vault --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    Offline = 3,
    NeedsPerson = 4,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With one or more lines for standard error.
    Said { exit: Exit, lines: Vec<(String, String)> },
    /// Whoever read standard output went away: nothing to say, and no fault.
    ReaderGone,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: impl Into<String>, sentence: impl Display) -> Self {
        Self::Said { exit, lines: vec![(code.into(), sentence.to_string())] }
    }

    pub(crate) fn failed(code: impl Into<String>, sentence: impl Display) -> Self {
        Self::new(Exit::Failed, code, sentence)
    }

    /// A file that could not be used.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => "no_such_file",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "no_access",
            io::ErrorKind::StorageFull => "disk_full",
            _ => "io",
        };
        Self::failed(code, format!("cannot {doing} {}: {error}; check the path and its permissions", path.display()))
    }

    /// One line for each rule that a value breaks.
    pub(crate) fn violations(of: &str, violations: &[schemas::Violation]) -> Self {
        let line = |violation: &schemas::Violation| (violation.code(), format!("{of}: {violation}"));
        Self::Said { exit: Exit::Failed, lines: violations.iter().map(line).collect() }
    }

    /// Writes the lines, and says how to exit.
    pub(crate) fn report(self) -> ExitCode {
        self.say();
        match self {
            Self::Said { exit, .. } => ExitCode::from(exit as u8),
            Self::ReaderGone => ExitCode::SUCCESS,
        }
    }

    /// Writes the lines, for commands that go on.
    pub(crate) fn say(&self) {
        let Self::Said { lines, .. } = self else { return };
        let mut stderr = io::stderr().lock();
        for (code, sentence) in lines {
            // If standard error is gone there is nobody left to tell.
            let _ = writeln!(stderr, "error[{code}]: {sentence}");
        }
    }
}

impl From<SalvageError> for Failure {
    fn from(error: SalvageError) -> Self {
        Self::failed(error.code(), error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::failed(error.code(), error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::failed(error.code(), error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::failed(error.code(), error)
    }
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        match &error {
            EditError::Violations(violations) => Self::violations("the document", violations),
            EditError::Held { .. } => Self::new(Exit::NeedsPerson, error.code(), error),
            EditError::Violation(violation)
                if matches!(violation.code(), "conflict_open" | "conflict_moved" | "newer_major" | "authority") =>
            {
                Self::new(Exit::NeedsPerson, error.code(), error)
            }
            _ => Self::failed(error.code(), error),
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let exit = if matches!(error, QueryError::Query(_)) { Exit::Usage } else { Exit::Failed };
        Self::new(exit, error.code(), error)
    }
}

impl From<QuarantineError> for Failure {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Edit(error) => error.into(),
            QuarantineError::Read(error) => error.into(),
            QuarantineError::File { path, source } => Self::file("write", &path, &source),
            error => Self::failed(error.code(), error),
        }
    }
}

impl From<PresenceError> for Failure {
    fn from(error: PresenceError) -> Self {
        match error {
            PresenceError::Read(error) => error.into(),
            PresenceError::TooLarge { .. } => Self::new(Exit::Usage, error.code(), error),
            error => Self::failed(error.code(), error),
        }
    }
}

impl From<SquashError> for Failure {
    fn from(error: SquashError) -> Self {
        match error {
            SquashError::Read(error) => error.into(),
            error => Self::failed(error.code(), error),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let exit = match &error {
            ConnectError::Url { .. } | ConnectError::Token => Exit::Usage,
            ConnectError::NotLoggedIn { .. } => Exit::NeedsPerson,
            _ => Exit::Failed,
        };
        Self::new(exit, error.code(), error)
    }
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let exit = match &error {
            SyncError::Blocked { .. } => Exit::NeedsPerson,
            _ => Exit::Failed,
        };
        Self::new(exit, error.code(), error)
    }
}
