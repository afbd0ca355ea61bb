//! The rows of the table for browsers that are signed in.

use http::Method;

use super::{Access, Route};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;
use crate::api::session;

const SESSION: &str = "/api/v1/session";

pub(super) const SIGN_IN: Route = Route {
    method: Method::POST,
    path: SESSION,
    access: Access::Anybody,
    handler: |guard| guard.post(session::sign_in),
    operation: &Operation {
        id: "signIn",
        summary: "Begins a session with the code of a sign-in link, and sets its cookie.",
        query: &[],
        answer: Answer::Json("SignedIn"),
        problems: &[
            Code::ParameterInvalid,
            Code::LinkInvalid,
            Code::CrossSite,
            Code::BodyInvalid,
            Code::BodyTooLarge,
            Code::MediaTypeUnsupported,
            Code::RequestTimeout,
        ],
    },
};

pub(super) const GET: Route = Route {
    method: Method::GET,
    path: SESSION,
    access: Access::Bearer,
    handler: |guard| guard.get(session::get),
    operation: &Operation {
        id: "getSession",
        summary: "Who asks, and as which session.",
        query: &[],
        answer: Answer::Json("SignedIn"),
        problems: &[Code::ParameterInvalid],
    },
};

pub(super) const SIGN_OUT: Route = Route {
    method: Method::DELETE,
    path: SESSION,
    access: Access::Bearer,
    handler: |guard| guard.delete(session::sign_out),
    operation: &Operation {
        id: "signOut",
        summary: "Ends the session that asks, and takes its cookie away.",
        query: &[],
        answer: Answer::Nothing,
        problems: &[Code::ParameterInvalid, Code::SessionNotFound],
    },
};

pub(super) const LIST: Route = Route {
    method: Method::GET,
    path: "/api/v1/sessions",
    access: Access::Bearer,
    handler: |guard| guard.get(session::list),
    operation: &Operation {
        id: "listSessions",
        summary: "The browsers that are signed in to the account, the one that was used last first.",
        query: &[],
        answer: Answer::Json("SessionList"),
        problems: &[Code::ParameterInvalid],
    },
};

pub(super) const END: Route = Route {
    method: Method::DELETE,
    path: "/api/v1/sessions/{session}",
    access: Access::Bearer,
    handler: |guard| guard.delete(session::end),
    operation: &Operation {
        id: "endSession",
        summary: "Ends a session of the account, and what it has open.",
        query: &[],
        answer: Answer::Nothing,
        problems: &[Code::ParameterInvalid, Code::SessionNotFound],
    },
};
