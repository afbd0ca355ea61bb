//! Why something was not written.

use relay_storage::{AccountError, ReadError, StorageError};
use schemas::Rule;
use sync_core::session::Outcome;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use super::handle::HandleError;
use super::patch::PatchError;
use crate::relay::check::CheckError;

/// Characters of a path that nobody knows, in a sentence.
const PATH_CHARS_MAX: usize = 200;

/// Nothing of what was asked for was written, unless storage failed: then that is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The caller may only read.
    #[error("only an editor or owner of space {0} may write there; ask an owner for the role")]
    NotEditor(SpaceId),
    /// There is no such document.
    #[error("no document {0} in this space")]
    UnknownDocument(DocumentId),
    /// It was deleted.
    #[error("document {0} was deleted; restore it first")]
    Deleted(DocumentId),
    /// It is read-only.
    #[error("the document is read-only: {0}")]
    Held(String),
    /// What the writer had seen is no version of this document here.
    #[error("{0}; read the document again, and say what is to change of that")]
    UnknownVersion(String),
    /// Fields that a person has to settle are no longer what the writer had seen.
    #[error("{} changed since the version that was read, and must not be overwritten unseen; read it again", .0.join(", "))]
    ManualFields(Vec<String>),
    /// Fields that wait for a person, who has not decided.
    #[error("{} waits for a person to decide between values; read the conflicts of the document and resolve them", .0.join(", "))]
    ConflictOpen(Vec<String>),
    /// The decision was about other values.
    #[error(
        "other values are open than were seen, those of changes {0}; read the conflicts again and decide about these"
    )]
    ConflictMoved(String),
    /// Somebody has settled it, or there never was anything to settle.
    #[error("nothing waits for a decision at {:?}; read the conflicts again, or write as any edit does", cut(.0))]
    NoConflict(String),
    /// Its type is not known here, so nothing can be said of what may be written.
    #[error("{}", no_type(.0.as_deref()))]
    UnknownType(Option<String>),
    /// The relay alone writes it.
    #[error("{0}")]
    Authority(String),
    /// The space does not get the handle.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// A newer program has written it, and what that may be is not known here.
    #[error("{0}")]
    NewerMajor(String),
    /// There is one of it in each space, for ever.
    #[error("there is one {0} document in each space, which is not deleted; remove what is in it")]
    WellKnown(String),
    /// The patch does not apply to what the writer had seen.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The result breaks rules of the type, or of documents.
    #[error("{} would be broken, the first at {:?}: {}", rules(.0.len()), .0[0].path, .0[0].message)]
    Invalid(Vec<Violation>),
    /// The account has no such change in quarantine, and none that it has discarded and said again.
    #[error("no change {0} of this account was refused in this space; read the quarantine again")]
    RefusedUnknown(ChangeHash),
    /// The refused change cannot be put together, or the document cannot take it.
    #[error(
        "change {} cannot be made again here ({detail}): make the edit by hand, or resubmit it on the device that made it",
        .hash.short()
    )]
    RefusedUnreadable {
        /// The change.
        hash: ChangeHash,
        /// Why.
        detail: String,
    },
    /// It makes more than one change.
    #[error("the edit is larger than one change; write it in several")]
    TooLarge,
    /// The log did not take it.
    #[error("{}", said(.0))]
    NotTaken(Outcome),
    /// Another request has the key.
    #[error("another request has this Idempotency-Key; every request needs one of its own")]
    KeyReused,
    /// A request with the key is being answered.
    #[error("a request with this Idempotency-Key is being answered; ask again in a moment")]
    Underway,
    /// The account uses as many keys as it may.
    #[error("the account has used {0} keys in the last 24 hours, as many as it may; go on without, or later")]
    KeysFull(u64),
    /// The document could not be loaded now.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The work was not finished.
    #[error("the write ended early: {0}")]
    Stopped(String),
}

/// A rule that what was to be written breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer into the plain form.
    pub path: String,
    /// A stable word for the rule.
    pub code: String,
    /// The value and the rule.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Line and column in a file, from 1, if it is one of a file.
    pub place: Option<(usize, usize)>,
}

impl WriteError {
    /// Whether it is certain that nothing was written.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::Storage(_) | Self::Handle(HandleError::Storage(_)) | Self::Check(_) | Self::Stopped(_))
    }
}

impl From<schemas::Violation> for Violation {
    fn from(violation: schemas::Violation) -> Self {
        let (code, message) = (violation.code(), format!("{}: {}", violation.value, violation.rule));
        // A file is what a vault imports; here it is the document.
        let message = match &violation.rule {
            Rule::File { expected } => format!("{}: a document is {expected}", violation.value),
            _ => message,
        };
        Self { path: violation.path, code, message, remedy: violation.remedy, place: None }
    }
}

impl From<document::Violation> for Violation {
    fn from(violation: document::Violation) -> Self {
        let code = violation.code().to_owned();
        // The sentence has the remedy behind the rule.
        let (message, remedy) = match violation.problem.split_once("; ") {
            Some((message, remedy)) => (message.to_owned(), remedy.to_owned()),
            None => (violation.problem, String::new()),
        };
        Self { path: violation.path, code, message, remedy, place: None }
    }
}

impl From<AccountError> for WriteError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Storage(error) => Self::Storage(error),
            other => Self::Stopped(other.to_string()),
        }
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        Self::Check(error.into())
    }
}

/// A path may be as long as a request.
fn cut(path: &str) -> String {
    path.chars().take(PATH_CHARS_MAX).collect()
}

fn rules(count: usize) -> String {
    if count == 1 { "a rule".to_owned() } else { format!("{count} rules") }
}

fn no_type(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(
            "document type {name:.64} is not known to this relay; write such documents with a vault, or ask its \
                 publisher to publish it here"
        ),
        None => "a document without a type is written by devices alone".to_owned(),
    }
}

fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused { detail, .. } | Outcome::Parked { detail, .. } => detail,
        _ => "the log has moved meanwhile; ask again",
    }
}
