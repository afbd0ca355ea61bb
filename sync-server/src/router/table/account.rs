//! The rows of the table for what an account has, and for whoever runs the relay.

use http::Method;

use super::{Access, Route};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;
use crate::api::{operator, spaces};

pub(super) const SPACES: Route = Route {
    method: Method::GET,
    path: "/api/v1/spaces",
    access: Access::Bearer,
    handler: |guard| guard.get(spaces::list),
    operation: &Operation {
        id: "listSpaces",
        summary: "The spaces of the account, with its role in each and where its log ends.",
        query: &[],
        answer: Answer::Json("SpaceList"),
        problems: &[Code::ParameterInvalid],
    },
};

pub(super) const DEVICES: Route = Route {
    method: Method::GET,
    path: "/api/v1/devices",
    access: Access::Bearer,
    handler: |guard| guard.get(spaces::devices),
    operation: &Operation {
        id: "listDevices",
        summary: "The devices of the account, and whether they are connected.",
        query: &[],
        answer: Answer::Json("DeviceList"),
        problems: &[Code::ParameterInvalid],
    },
};

pub(super) const OVERVIEW: Route = Route {
    method: Method::GET,
    path: "/api/v1/operator",
    access: Access::Bearer,
    handler: |guard| guard.get(operator::overview),
    operation: &Operation {
        id: "getOverview",
        summary: "The whole relay in a few numbers, now and over the last day; for operators.",
        query: &[],
        answer: Answer::Json("Overview"),
        problems: &[Code::ParameterInvalid, Code::OperatorOnly],
    },
};

pub(super) const EXPLAIN: Route = Route {
    method: Method::GET,
    path: "/api/v1/operator/spaces/{space}/documents/{document}/explain",
    access: Access::Bearer,
    handler: |guard| guard.get(operator::explain),
    operation: &Operation {
        id: "explainDocument",
        summary: "Why a document is in the state it is in, without what it says; for operators.",
        query: &[],
        answer: Answer::Json("DocumentExplained"),
        problems: &[Code::ParameterInvalid, Code::OperatorOnly, Code::DocumentNotFound],
    },
};
