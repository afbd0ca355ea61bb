//! Where storage is: a URL from the first day, so that PostgreSQL can come beside SQLite without a new option.

use std::fmt;
use std::path::PathBuf;

/// Names one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageUrl {
    /// `sqlite:PATH`, one file.
    Sqlite(PathBuf),
}

/// A text that names no storage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StorageUrlError {
    /// A scheme that this build does not know.
    #[error(
        "storage {url:?} has an unsupported scheme; supported: sqlite:PATH, as in sqlite:/var/lib/relay/relay.sqlite"
    )]
    UnsupportedScheme {
        /// The text.
        url: String,
    },
    /// Nothing after `sqlite:`.
    #[error("storage {url:?} names no file; write sqlite:PATH, as in sqlite:/var/lib/relay/relay.sqlite")]
    NoPath {
        /// The text.
        url: String,
    },
}

impl StorageUrlError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedScheme { .. } => "storage_scheme_unsupported",
            Self::NoPath { .. } => "storage_path_missing",
        }
    }
}

impl StorageUrl {
    /// Reads `sqlite:PATH`. The path is taken as it is, spaces included; `sqlite:///PATH` means the same.
    ///
    /// # Errors
    /// [`StorageUrlError`], naming what is supported. The text is not repeated beyond its scheme if it may hold a
    /// password.
    pub fn parse(url: &str) -> Result<Self, StorageUrlError> {
        let Some(path) = url.strip_prefix("sqlite:") else {
            let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
            return Err(StorageUrlError::UnsupportedScheme { url: scheme.chars().take(40).collect() });
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(StorageUrlError::NoPath { url: url.to_owned() });
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is() {
        let parsed = StorageUrl::parse("sqlite:/a b/relay.sqlite").unwrap();
        assert_eq!(parsed, StorageUrl::Sqlite("/a b/relay.sqlite".into()));
        assert_eq!(parsed.to_string(), "sqlite:/a b/relay.sqlite");
        assert_eq!(StorageUrl::parse("sqlite:///x").unwrap(), StorageUrl::Sqlite("/x".into()));
    }

    #[test]
    fn an_unknown_scheme_is_refused_without_repeating_its_password() {
        let error = StorageUrl::parse("postgres://me:secret@host/db").unwrap_err();
        assert_eq!(error.code(), "storage_scheme_unsupported");
        let text = error.to_string();
        assert!(text.contains("postgres") && text.contains("sqlite:PATH") && !text.contains("secret"), "{text}");
        assert_eq!(StorageUrl::parse("sqlite:").unwrap_err().code(), "storage_path_missing");
    }
}
