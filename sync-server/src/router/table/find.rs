//! The rows of the table for documents by what is in them.

use http::Method;

use super::{Access, Route};
use crate::api::find::{self, live};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;

/// What may go wrong with a query for documents.
const PROBLEMS: &[Code] = &[
    Code::ParameterInvalid,
    Code::SpaceNotFound,
    Code::TypeUnknown,
    Code::NotIndexed,
    Code::NotSortable,
    Code::NotSearchable,
    Code::NotComparable,
    Code::Condition,
    Code::NoWords,
    Code::QueryTooLarge,
    Code::Cursor,
    Code::EpochChanged,
    Code::ProjectionBehind,
    Code::IndexBehind,
];

pub(super) const FIND: Route = Route {
    method: Method::GET,
    path: "/api/v1/find",
    access: Access::Bearer,
    handler: |guard| guard.get(find::get),
    operation: &Operation {
        id: "findDocuments",
        summary: "The documents of every readable space, or of one, by what is in them: by fields, in an order, by words.",
        query: &["type", "space", "where", "present", "absent", "sort", "words", "limit", "cursor", "after"],
        answer: Answer::Json("FoundPage"),
        problems: PROBLEMS,
    },
};

pub(super) const LIVE: Route = Route {
    method: Method::GET,
    path: "/api/v1/find/live",
    access: Access::Bearer,
    handler: |guard| guard.get(live::stream),
    operation: &Operation {
        id: "followDocuments",
        summary: "The first page of what is found, and then what changes in it.",
        query: &["type", "space", "where", "present", "absent", "sort", "words", "limit"],
        answer: Answer::Found,
        problems: PROBLEMS,
    },
};
