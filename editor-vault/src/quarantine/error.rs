//! What can go wrong with edits in quarantine.

use std::path::PathBuf;

use sync_wire::BatchId;

use crate::error::{EditError, ReadError};

/// Why something could not be done with an edit in quarantine. It is there as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// None is called so.
    #[error(
        "no edit in quarantine has an id that begins with {wanted:?}: give at least 4 characters of one that `quarantine list` shows"
    )]
    NotQuarantined {
        /// As asked for.
        wanted: String,
    },
    /// Several are called so.
    #[error("{count} edits in quarantine have an id that begins with {wanted:?}: give more of it")]
    Ambiguous {
        /// As asked for.
        wanted: String,
        /// How many.
        count: usize,
    },
    /// It cannot be put together, or the document cannot take it.
    #[error("the edit {id} cannot be made again ({detail}): export it, or make the edit by hand and discard it")]
    Unreadable {
        /// Its batch.
        id: BatchId,
        /// Why.
        detail: String,
    },
    /// There is nothing to copy, or nowhere to copy it.
    #[error("the edit {id} cannot be copied into a document ({rule}): export it instead")]
    NoCopy {
        /// Its batch.
        id: BatchId,
        /// Why.
        rule: String,
    },
    /// The document says it already.
    #[error("the edit {id} was squashed: its document says what it comes to; show or export it")]
    Squashed {
        /// Its batch.
        id: BatchId,
    },
    /// The file could not be made.
    #[error("cannot write {path} ({source}): give a path that is not there yet and may be written to")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The new edit did not happen.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The document or the quarantine could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl QuarantineError {
    /// The stable word for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotQuarantined { .. } => "not_quarantined",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Unreadable { .. } => "unreadable",
            Self::NoCopy { .. } => "no_copy",
            Self::Squashed { .. } => "squashed",
            Self::File { .. } => "file",
            Self::Edit(error) => error.code(),
            Self::Read(error) => error.code(),
        }
    }
}
