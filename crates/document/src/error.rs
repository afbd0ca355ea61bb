//! What can go wrong with a document, one enum per operation.

use sync_wire::{ChangeHash, FateCode};

use crate::HeaderError;

/// An edit that breaks a rule of the document. Displays the path, the value, the rule and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: {problem}")]
pub struct Violation {
    /// The path of the edit, as it was given.
    pub path: String,
    /// The value, the rule and the remedy, in a sentence.
    pub problem: String,
    code: &'static str,
}

impl Violation {
    /// A violation of the rule named `code` (a stable snake_case word).
    pub fn new(path: impl Into<String>, code: &'static str, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), code }
    }

    /// A stable word for the rule: `bad_path`, `bad_value`, `too_large`, `out_of_range`, `wrong_kind`, `not_flat`,
    /// `authority`, `newer_major`, `conflict_open`, `conflict_moved`, `no_conflict` or `broken`; schemas add their own.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

/// Changes that the document does not take. The document is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The bytes of one of them are not an acceptable change.
    #[error("change number {index} of the batch: {error}")]
    Header {
        /// Its place in the batch, from 0.
        index: usize,
        /// What is wrong.
        error: HeaderError,
    },
    /// They rest on changes that are neither in the document nor in the batch.
    #[error("{} changes are missing, first {}; supply them with or before this batch", .hashes.len(), .hashes[0])]
    Missing {
        /// What is missing, ascending; never empty.
        hashes: Vec<ChangeHash>,
    },
    /// Another change has this actor and sequence number.
    #[error("change {hash}: its actor has made another change number {seq}; the two cannot both be kept")]
    Equivocation {
        /// The change that came second.
        hash: ChangeHash,
        /// The number.
        seq: u64,
    },
    /// Automerge cannot hold it safely.
    #[error("change {}: {rule}", .hash.map_or_else(|| "unknown".to_owned(), |hash| hash.to_string()))]
    Dangerous {
        /// The culprit, if it could be told from its neighbours.
        hash: Option<ChangeHash>,
        /// The rule that was broken.
        rule: String,
    },
    /// The document would have too many heads.
    #[error("the document would have {heads} heads; at most {limit} are accepted until a change joins them")]
    TooManyHeads {
        /// How many.
        heads: usize,
        /// The limit.
        limit: usize,
    },
    /// A decision that is not sealed would decide about values that its author never saw.
    #[error(
        "an unsealed edit writes to a field about which a person decides; seal it before changes of others come in"
    )]
    Undecided,
    /// The document is unusable after an earlier panic of Automerge.
    #[error("the document is broken after an internal error; load it again")]
    Broken,
}

impl ApplyError {
    /// The change to blame, if it is known.
    #[must_use]
    pub const fn culprit(&self) -> Option<ChangeHash> {
        match self {
            Self::Equivocation { hash, .. } => Some(*hash),
            Self::Dangerous { hash, .. } => *hash,
            Self::Header { .. } | Self::Missing { .. } | Self::TooManyHeads { .. } | Self::Undecided | Self::Broken => {
                None
            }
        }
    }

    /// The fate of the culprit.
    #[must_use]
    pub const fn code(&self) -> FateCode {
        match self {
            Self::Header { error, .. } => error.code(),
            Self::Missing { .. } => FateCode::MISSING,
            Self::Equivocation { .. } => FateCode::EQUIVOCATION,
            Self::Dangerous { .. } | Self::Undecided | Self::Broken => FateCode::DANGEROUS,
            Self::TooManyHeads { .. } => FateCode::HEADS,
        }
    }
}

/// A snapshot that cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes are not those that the snapshot was made of.
    #[error("the snapshot's content does not have its digest; fetch it again or replay the log")]
    Digest,
    /// Our own reader refuses it.
    #[error("the snapshot is not acceptable: {0}; replay the log instead")]
    Refused(String),
    /// Automerge cannot read it.
    #[error("the snapshot cannot be loaded: {0}; replay the log instead")]
    Unreadable(String),
    /// It loads as something else.
    #[error("the snapshot loads with other heads or another number of changes than it claims; replay the log instead")]
    OtherContent,
    /// A snapshot holds sealed edits only.
    #[error("the document has unsealed edits; seal them before taking a snapshot")]
    Unsealed,
    /// The document is unusable after an earlier panic of Automerge.
    #[error("the document is broken after an internal error; load it again")]
    Broken,
}

/// A state that cannot be shown, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The document does not hold the change.
    #[error("change {hash} is not in the document; name one of its history")]
    Unknown {
        /// The change.
        hash: ChangeHash,
    },
    /// Only the flat form knows leaves.
    #[error("this document nests objects as its authors like; only in documents in flat form can leaves be taken back")]
    NotFlat,
    /// What is unsealed has no place in the history yet.
    #[error("the document has unsealed edits; seal them before taking changes back")]
    Unsealed,
    /// Automerge cannot read it.
    #[error("the history cannot be read: {0}")]
    Unreadable(String),
    /// The document is unusable after an earlier panic of Automerge.
    #[error("the document is broken after an internal error; load it again")]
    Broken,
}

/// Edits at an earlier state that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditAtError {
    /// There is no such state, or it cannot be shown.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// One of them breaks a rule of the document.
    #[error(transparent)]
    Refused(#[from] Violation),
    /// What was written since cannot be taken in.
    #[error(transparent)]
    Merge(#[from] ApplyError),
}

/// Unsealed edits that cannot become changes. Nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A sealed change does not pass our own parser.
    #[error("a change of our own is refused: {0}")]
    Header(#[from] HeaderError),
    /// An intent cannot be carried out any more.
    #[error("an edit cannot be replayed: {0}")]
    Replay(#[from] Violation),
    /// The note is too long for a change.
    #[error("a note of {bytes} bytes was given; a change has at most {limit}: shorten it")]
    NoteTooLong {
        /// How long.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// One edit alone exceeds the size of a change.
    #[error("one edit alone makes a change of {bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// How large.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The document is unusable after an earlier panic of Automerge.
    #[error("the document is broken after an internal error; load it again")]
    Broken,
}
