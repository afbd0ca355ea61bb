//! The rows of what was refused: listed, looked at, made again, discarded.

use http::Method;

use super::{Access, Route, write_problems};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;
use crate::api::{quarantine, writes};

/// The route of one refused change.
const REFUSED: &str = "/api/v1/spaces/{space}/quarantine/{hash}";

pub(super) const LIST: Route = Route {
    method: Method::GET,
    path: "/api/v1/spaces/{space}/quarantine",
    access: Access::Bearer,
    handler: |guard| guard.get(quarantine::list),
    operation: &Operation {
        id: "listQuarantine",
        summary: "The changes of the caller's account that were refused, newest first, page by page.",
        query: &["limit", "cursor"],
        answer: Answer::Json("Quarantine"),
        problems: &[Code::ParameterInvalid, Code::SpaceNotFound],
    },
};

pub(super) const SHOW: Route = Route {
    method: Method::GET,
    path: REFUSED,
    access: Access::Bearer,
    handler: |guard| guard.get(quarantine::show),
    operation: &Operation {
        id: "getRefused",
        summary: "One refused change: why, what can be done, and each value that it changed, before and after.",
        query: &[],
        answer: Answer::Json("RefusedEdit"),
        problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::RefusedNotFound],
    },
};

pub(super) const EXPORT: Route = Route {
    method: Method::GET,
    path: "/api/v1/spaces/{space}/quarantine/{hash}/export",
    access: Access::Bearer,
    handler: |guard| guard.get(quarantine::export),
    operation: &Operation {
        id: "exportRefused",
        summary: "The same as a file, as `vault quarantine export` writes it: with the bytes, while they are kept.",
        query: &[],
        answer: Answer::Json("ExportedEdit"),
        problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::RefusedNotFound],
    },
};

pub(super) const RESUBMIT: Route = Route {
    method: Method::POST,
    path: "/api/v1/spaces/{space}/quarantine/{hash}/resubmit",
    access: Access::Bearer,
    handler: |guard| guard.post(writes::resubmit),
    operation: &Operation {
        id: "resubmitRefused",
        summary: "Makes a refused change again, as a new edit of its document as it is now; once.",
        query: &[],
        answer: Answer::Edited,
        problems: write_problems![
            RefusedNotFound,
            RefusedUnreadable,
            AuthorityDocument,
            DocumentNotFound,
            DocumentDeleted,
            DocumentHeld,
            ManualFieldsChanged,
            ConflictOpen,
            DocumentInvalid,
            TypeUnknown,
            EditTooLarge,
        ],
    },
};

pub(super) const DISCARD: Route = Route {
    method: Method::DELETE,
    path: REFUSED,
    access: Access::Bearer,
    handler: |guard| guard.delete(quarantine::discard),
    operation: &Operation {
        id: "discardRefused",
        summary: "Takes a refused change out of the list, with its bytes; pushed again, it is refused as before.",
        query: &[],
        answer: Answer::Nothing,
        problems: &[
            Code::ParameterInvalid,
            Code::SpaceNotFound,
            Code::RefusedNotFound,
            Code::BodyInvalid,
            Code::BodyTooLarge,
            Code::RequestTimeout,
            Code::RateLimited,
        ],
    },
};
