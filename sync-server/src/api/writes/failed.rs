//! How it looks from outside that nothing was written.

use std::time::Duration;

use sync_core::session::Outcome;
use sync_wire::FateCode;

use crate::api::problem::{ApiError, Code};
use crate::relay::author::error::{Violation, WriteError};
use crate::relay::author::handle::HandleError;

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        let detail = error.to_string();
        let soon = Duration::from_secs(1);
        match error {
            WriteError::NotEditor(_) => Self::new(Code::EditorRequired, detail),
            WriteError::UnknownDocument(_) => Self::new(Code::DocumentNotFound, detail),
            WriteError::Deleted(_) => Self::new(Code::DocumentDeleted, detail),
            WriteError::Held(_) => Self::new(Code::DocumentHeld, detail),
            WriteError::UnknownVersion(_) => Self::new(Code::VersionUnknown, detail),
            WriteError::ManualFields(_) => Self::new(Code::ManualFieldsChanged, detail),
            WriteError::ConflictOpen(_) => Self::new(Code::ConflictOpen, detail),
            WriteError::ConflictMoved(_) => Self::new(Code::ConflictMoved, detail),
            WriteError::NoConflict(_) => Self::new(Code::NoConflict, detail),
            WriteError::UnknownType(_) | WriteError::NewerMajor(_) => Self::new(Code::TypeUnknown, detail),
            WriteError::Authority(_) => Self::new(Code::AuthorityDocument, detail),
            WriteError::Handle(error) => no_handle(error, detail),
            WriteError::WellKnown(_) => Self::new(Code::DeletionImpossible, detail),
            WriteError::Patch(_) => Self::new(Code::PatchNotApplicable, detail),
            WriteError::Invalid(violations) => Self::new(Code::DocumentInvalid, detail).violations(violations),
            WriteError::RefusedUnknown(_) => Self::new(Code::RefusedNotFound, detail),
            WriteError::RefusedUnreadable { .. } => Self::new(Code::RefusedUnreadable, detail),
            WriteError::TooLarge => Self::new(Code::EditTooLarge, detail),
            WriteError::NotTaken(outcome) => not_taken(&outcome, detail),
            WriteError::KeyReused => Self::new(Code::IdempotencyKeyReused, detail),
            WriteError::Underway => Self::new(Code::IdempotencyInProgress, detail).retry_after(soon),
            WriteError::KeysFull(_) => Self::new(Code::Overloaded, detail).retry_after(Duration::from_hours(1)),
            WriteError::Check(_) | WriteError::Storage(_) => Self::unavailable(&detail),
            WriteError::Stopped(_) => Self::internal(&detail),
        }
    }
}

fn no_handle(error: HandleError, detail: String) -> ApiError {
    match error {
        HandleError::Invalid(violations) => {
            let violations = violations.into_iter().map(Violation::from).collect();
            ApiError::new(Code::DocumentInvalid, detail).violations(violations)
        }
        HandleError::Reserved(_) => ApiError::new(Code::HandleReserved, detail),
        HandleError::Taken(_) => ApiError::new(Code::HandleTaken, detail),
        HandleError::Kept => ApiError::new(Code::HandlesKept, detail),
        HandleError::NoSuchSpace(_) => ApiError::new(Code::SpaceNotFound, detail),
        HandleError::Storage(_) => ApiError::unavailable(&detail),
    }
}

/// What the log says of a push, as what the sender of a request can do.
fn not_taken(outcome: &Outcome, detail: String) -> ApiError {
    let code = match outcome {
        Outcome::Parked { code: FateCode::GRANT, .. } => Code::EditorRequired,
        Outcome::Parked { code: FateCode::NO_SUCH_SPACE, .. } => Code::SpaceNotFound,
        Outcome::Parked { code: FateCode::DELETED, .. } | Outcome::Refused { code: FateCode::GONE, .. } => {
            Code::DocumentDeleted
        }
        Outcome::Refused { code: FateCode::AUTHORITY, .. } => Code::AuthorityDocument,
        Outcome::Parked { code: FateCode::HELD, .. } => Code::DocumentHeld,
        Outcome::Parked { code: FateCode::CONTESTED, .. } => Code::DocumentContested,
        Outcome::Parked { code: FateCode::SIZE, .. } => Code::EditTooLarge,
        // By no version of anything: the gate is closed, or the intake has no room.
        Outcome::Parked { code: FateCode::QUOTA, judged_by: 0, .. } => {
            return ApiError::new(Code::Overloaded, detail).retry_after(Duration::from_secs(5));
        }
        Outcome::Parked { code: FateCode::QUOTA | FateCode::HEADS, .. } => Code::QuotaExceeded,
        _ => return ApiError::unavailable(&detail),
    };
    ApiError::new(code, detail)
}
