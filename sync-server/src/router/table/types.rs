//! The rows of the table for published document types.

use http::Method;

use super::{Access, Route};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;
use crate::api::types;

/// The route of one version.
const VERSION: &str = "/api/v1/types/{name}/{version}";

pub(super) const LIST: Route = Route {
    method: Method::GET,
    path: "/api/v1/types",
    access: Access::Anybody,
    handler: |guard| guard.get(types::list),
    operation: &Operation {
        id: "listTypes",
        summary: "The newest version of every document type that third parties have published, page by page.",
        query: &["limit", "cursor"],
        answer: Answer::Tagged("TypeList"),
        problems: &[Code::ParameterInvalid],
    },
};

pub(super) const VERSIONS: Route = Route {
    method: Method::GET,
    path: "/api/v1/types/{name}",
    access: Access::Anybody,
    handler: |guard| guard.get(types::versions),
    operation: &Operation {
        id: "getTypeVersions",
        summary: "Every version of a published document type.",
        query: &[],
        answer: Answer::Tagged("TypeVersions"),
        problems: &[Code::ParameterInvalid, Code::TypeNotFound],
    },
};

pub(super) const GET: Route = Route {
    method: Method::GET,
    path: VERSION,
    access: Access::Anybody,
    handler: |guard| guard.get(types::version),
    operation: &Operation {
        id: "getType",
        summary: "One version of a published document type, with its file; it never changes.",
        query: &[],
        answer: Answer::Tagged("PublishedType"),
        problems: &[Code::ParameterInvalid, Code::TypeNotFound],
    },
};

pub(super) const PUBLISH: Route = Route {
    method: Method::PUT,
    path: VERSION,
    access: Access::Bearer,
    handler: |guard| guard.put(types::publish),
    operation: &Operation {
        id: "publishType",
        summary: "Publishes a version of a document type, for good; for accounts that were given its namespace.",
        query: &[],
        answer: Answer::Put("Type"),
        problems: &[
            Code::ParameterInvalid,
            Code::NamespaceRequired,
            Code::TypeInvalid,
            Code::TypeVersionTaken,
            Code::TypeVersionOrder,
            Code::QuotaExceeded,
            Code::RateLimited,
            Code::BodyInvalid,
            Code::BodyTooLarge,
            Code::MediaTypeUnsupported,
            Code::RequestTimeout,
            Code::Internal,
        ],
    },
};
