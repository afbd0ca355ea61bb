//! What can go wrong in the database, by what the caller can do about it.

use rusqlite::ErrorCode;

/// A failure of storage. Nothing that was asked for is known to have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk or the quota is used up.
    #[error("no room to write: {detail}; free space on the disk of the storage, nothing acknowledged was lost")]
    Full {
        /// What SQLite said.
        detail: String,
    },
    /// The disk failed to read, write or flush.
    #[error("reading or writing failed: {detail}; check the disk, nothing acknowledged was lost")]
    Io {
        /// What SQLite said.
        detail: String,
    },
    /// The file is damaged.
    #[error("the storage is damaged: {detail}; keep the file, run doctor, restore a backup")]
    Corrupt {
        /// What SQLite said.
        detail: String,
    },
    /// Another process held the write lock for too long.
    #[error("the storage was locked for more than 5 s: {detail}; try again")]
    Busy {
        /// What SQLite said.
        detail: String,
    },
    /// The file or its directory cannot be written.
    #[error("the storage is read-only: {detail}; make the file and its directory writable")]
    ReadOnly {
        /// What SQLite said.
        detail: String,
    },
    /// [`crate::Storage::close`] was called, or its threads ended.
    #[error("the storage is closed; open it again")]
    Closed,
    /// A rule of the schema or of this crate was broken: a defect.
    #[error("unexpected failure of storage: {detail}; please report it")]
    Unexpected {
        /// What SQLite said.
        detail: String,
    },
}

impl StorageError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "storage_full",
            Self::Io { .. } => "storage_io",
            Self::Corrupt { .. } => "storage_corrupt",
            Self::Busy { .. } => "storage_busy",
            Self::ReadOnly { .. } => "storage_read_only",
            Self::Closed => "storage_closed",
            Self::Unexpected { .. } => "storage_unexpected",
        }
    }

    /// Whether the connection that met it must not be used again: errors of a flush are reported once.
    pub(crate) const fn is_fatal(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. } | Self::Corrupt { .. } | Self::ReadOnly { .. })
    }

    /// A row that does not read as what was written.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Corrupt { detail: detail.into() }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        let detail = error.to_string();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Full { detail },
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Self::Io { detail },
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt { detail },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { detail },
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly { detail },
                _ => Self::Unexpected { detail },
            },
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Self::Corrupt { detail },
            _ => Self::Unexpected { detail },
        }
    }
}

/// An error of an operation that may stand for a failure of storage.
pub(crate) trait Failure: From<StorageError> {
    /// That failure.
    fn storage(&self) -> Option<&StorageError>;
}

impl Failure for StorageError {
    fn storage(&self) -> Option<&StorageError> {
        Some(self)
    }
}

/// Gives an error enum with a transparent `Storage` arm the conversions that its operations need.
macro_rules! storage_arm {
    ($error:ident) => {
        impl crate::error::Failure for $error {
            fn storage(&self) -> Option<&StorageError> {
                if let Self::Storage(error) = self { Some(error) } else { None }
            }
        }

        impl From<rusqlite::Error> for $error {
            fn from(error: rusqlite::Error) -> Self {
                Self::Storage(error.into())
            }
        }
    };
}
pub(crate) use storage_arm;
