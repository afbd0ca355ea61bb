//! How a failure looks from outside: RFC 9457 problem details with a stable `code`. The only place that picks statuses.
//!
//! Codes never change their meaning; clients decide by them, people read `detail`. Internal causes are logged here,
//! once, and never sent.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use tracing::error;

use crate::api::request_id;
use crate::projection::AfterError;
use crate::relay::author::error::Violation;

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

/// A failure of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.name())]
pub struct ApiError {
    code: Code,
    detail: String,
    retry_after: Option<Duration>,
    /// What the path takes, for who asked otherwise.
    allowed: Cow<'static, str>,
    /// Every rule that what was sent would break.
    violations: Vec<Violation>,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// Every code there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[doc = $doc])* $variant,)* }

        impl Code {
            /// All of them, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence that is the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }
        }
    };
}

impl Code {
    /// The table in `docs/api.md`.
    #[must_use]
    pub fn reference() -> String {
        let mut table = "| code | status | meaning |\n|---|---|---|\n".to_owned();
        for code in Self::ALL {
            let _ = writeln!(table, "| `{}` | {} | {} |", code.name(), code.status().as_u16(), code.title());
        }
        table
    }
}

codes! {
    /// No bearer token and no session, or one that is unknown or over.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A valid bearer token or session is required";
    /// A code of a sign-in link that was used, is too old or was never made.
    LinkInvalid = "link_invalid", UNAUTHORIZED, "The sign-in link is not good any more";
    /// The cookie of a session with a request that no page of the relay made.
    CrossSite = "cross_site", FORBIDDEN, "The request comes from another site";
    /// The account has no session of that name.
    SessionNotFound = "session_not_found", NOT_FOUND, "No such session of this account";
    /// No route of that path.
    RouteNotFound = "route_not_found", NOT_FOUND, "There is nothing at this path";
    /// The route exists with other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This path does not take this method";
    /// No such space for this account, whether or not it exists.
    SpaceNotFound = "space_not_found", NOT_FOUND, "No such space for this account";
    /// No such document in a readable space.
    DocumentNotFound = "document_not_found", NOT_FOUND, "No such document";
    /// No space has the handle.
    HandleNotFound = "handle_not_found", NOT_FOUND, "No space has this handle";
    /// The document was deleted; it can be restored for 30 days.
    DocumentDeleted = "document_deleted", GONE, "The document was deleted";
    /// A parameter that cannot be what it is.
    ParameterInvalid = "parameter_invalid", BAD_REQUEST, "A parameter is not acceptable";
    /// `after` names another life of the log.
    EpochChanged = "epoch_changed", CONFLICT, "The position belongs to another epoch of the log";
    /// `after` was not reached in time.
    ProjectionBehind = "projection_behind", GATEWAY_TIMEOUT, "The merged state has not reached the position yet";
    /// A filter or an order names a field without an index.
    NotIndexed = "not_indexed", UNPROCESSABLE_ENTITY, "Documents are not found by this field";
    /// An order by a set.
    NotSortable = "not_sortable", UNPROCESSABLE_ENTITY, "This field gives no order";
    /// Words, and no text of the type is indexed.
    NotSearchable = "not_searchable", UNPROCESSABLE_ENTITY, "Documents of this type are not found by words";
    /// A value that has no place in the order.
    NotComparable = "not_comparable", UNPROCESSABLE_ENTITY, "Nothing is compared with such a value";
    /// A filter without an operator.
    Condition = "condition", UNPROCESSABLE_ENTITY, "A filter compares nothing";
    /// Words without a letter or digit.
    NoWords = "no_words", UNPROCESSABLE_ENTITY, "There is no word to look for";
    /// More than is answered at once.
    QueryTooLarge = "query_too_large", UNPROCESSABLE_ENTITY, "The query asks for too much at once";
    /// A place that another query gave, or nobody.
    Cursor = "cursor", UNPROCESSABLE_ENTITY, "This is no place in the answer to this query";
    /// Documents are still being taken in.
    IndexBehind = "index_behind", SERVICE_UNAVAILABLE, "Documents are still being taken in; ask again";
    /// `at` asks for a version of a document whose history is too large to be rebuilt for a request.
    VersionTooLarge = "version_too_large", UNPROCESSABLE_ENTITY, "The document is too large to be rebuilt";
    /// The caller may read the space, and does not own it.
    OwnerRequired = "owner_required", FORBIDDEN, "Only an owner of the space may do this";
    /// The account is no operator of the relay.
    OperatorOnly = "operator_only", FORBIDDEN, "Only an operator of the relay may see this";
    /// The document cannot be repaired like this; `detail` says what would help.
    RepairImpossible = "repair_impossible", CONFLICT, "The document cannot be repaired like this";
    /// The caller may read the space, and not write there.
    EditorRequired = "editor_required", FORBIDDEN, "Only an editor or owner of the space may do this";
    /// A write that does not say which version it is about.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "The request must say which version it is about";
    /// `If-Match` names no version of this document.
    VersionUnknown = "version_unknown", PRECONDITION_FAILED, "There is no such version of the document";
    /// A critical field is not what the writer had seen.
    ManualFieldsChanged = "manual_fields_changed", PRECONDITION_FAILED, "Critical fields changed since that version";
    /// A write to a field that waits for a person, without his decision.
    ConflictOpen = "conflict_open", CONFLICT, "A person has to decide between values of this field first";
    /// A decision about other values than those that are open.
    ConflictMoved = "conflict_moved", PRECONDITION_FAILED, "Other values are open than those that were seen";
    /// A decision about a field that does not wait for one.
    NoConflict = "no_conflict", CONFLICT, "Nothing waits for a decision there";
    /// A deletion of a document with edits that its author had not seen.
    DocumentContested = "document_contested", PRECONDITION_FAILED, "The document has edits since that version";
    /// A body of another kind than the path takes.
    MediaTypeUnsupported = "media_type_unsupported", UNSUPPORTED_MEDIA_TYPE, "This path does not take this media type";
    /// A body that is not what its media type says.
    BodyInvalid = "body_invalid", BAD_REQUEST, "The request body cannot be read";
    /// A step of a patch is about something that is not there.
    PatchNotApplicable = "patch_not_applicable", CONFLICT, "The patch does not apply to that version";
    /// The result breaks rules; `violations` has all of them.
    DocumentInvalid = "document_invalid", UNPROCESSABLE_ENTITY, "The document would break rules of its type";
    /// No rules are known for documents of this type.
    TypeUnknown = "type_unknown", UNPROCESSABLE_ENTITY, "The type of the document is not known here";
    /// No version of that number was published of a type of that name.
    TypeNotFound = "type_not_found", NOT_FOUND, "No such published document type";
    /// The account was not given the namespace.
    NamespaceRequired = "namespace_required", FORBIDDEN, "The account may not publish types of this name";
    /// The file is no document type, or breaks what the version before it said; `violations` has all findings.
    TypeInvalid = "type_invalid", UNPROCESSABLE_ENTITY, "The file is not acceptable as a document type";
    /// The version is published, and never changes.
    TypeVersionTaken = "type_version_taken", CONFLICT, "This version is published with other bytes";
    /// A version that is not the next one.
    TypeVersionOrder = "type_version_order", CONFLICT, "Versions are published one after the other";
    /// No change of that hash was refused of this account in the space, or it was discarded.
    RefusedNotFound = "refused_not_found", NOT_FOUND, "No such refused change of this account";
    /// The relay cannot put a refused change together, or must not load it; `detail` says why.
    RefusedUnreadable = "refused_unreadable", CONFLICT, "The refused change cannot be made again here";
    /// More than one change.
    EditTooLarge = "edit_too_large", PAYLOAD_TOO_LARGE, "The edit is larger than one change";
    /// The document is read-only until somebody repairs it.
    DocumentHeld = "document_held", CONFLICT, "The document is read-only at the moment";
    /// A well-known document is not deleted.
    DeletionImpossible = "deletion_impossible", CONFLICT, "This document cannot be deleted";
    /// The document is of a type that the relay alone writes.
    AuthorityDocument = "authority_document", FORBIDDEN, "The relay alone writes this document";
    /// The handle would pass for whoever runs the service.
    HandleReserved = "handle_reserved", CONFLICT, "No space can have this handle";
    /// Another space has the handle.
    HandleTaken = "handle_taken", CONFLICT, "Another space has this handle";
    /// The space has given up too many handles lately.
    HandlesKept = "handles_kept", CONFLICT, "The space has changed its handle too often";
    /// Account or document have as much as they may.
    QuotaExceeded = "quota_exceeded", FORBIDDEN, "There is no room left for this";
    /// Devices or pages of the account speak faster than they may.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "The account sends too fast";
    /// A page that is told of nobody is shown to nobody.
    PageAbsent = "page_absent", CONFLICT, "The page has no open stream of this presence";
    /// The same key with another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Another request has this key";
    /// The same key twice at once.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "A request with this key is being answered";
    /// The request is no WebSocket upgrade for our subprotocol.
    UpgradeRequired = "upgrade_required", UPGRADE_REQUIRED, "This path speaks WebSocket only";
    /// A request body over the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The request body is too large";
    /// A request that took too long to be read or answered.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long";
    /// More at once than this relay takes.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The relay has no room at the moment";
    /// Storage cannot do its work.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The relay cannot do its work at the moment";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The relay made a mistake";
}

/// The body on the wire.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    /// What to name when asking about it: the log has the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ViolationJson<'a>>,
}

/// One rule that would be broken.
#[derive(Serialize)]
struct ViolationJson<'a> {
    path: &'a str,
    code: &'a str,
    message: &'a str,
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

impl ApiError {
    /// A failure that retrying does not cure.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let allowed = Cow::Borrowed("GET, HEAD");
        Self { code, detail: detail.into(), retry_after: None, allowed, violations: Vec::new() }
    }

    /// The path takes other methods.
    #[must_use]
    pub fn method(allowed: String) -> Self {
        let error = Self::new(Code::MethodNotAllowed, format!("this path takes {allowed} only"));
        Self { allowed: allowed.into(), ..error }
    }

    /// The path takes bodies of other kinds.
    #[must_use]
    pub fn media_type(found: Option<&str>, allowed: &'static str) -> Self {
        let found = found.unwrap_or("no media type");
        let error = Self::new(Code::MediaTypeUnsupported, format!("{found:.80}: this path takes {allowed}"));
        Self { allowed: allowed.into(), ..error }
    }

    /// With every rule that would be broken.
    #[must_use]
    pub fn violations(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// A parameter that cannot be what it is: names it, its value and the rule.
    #[must_use]
    pub fn parameter(name: &str, value: &str, expected: &str) -> Self {
        let value: String = value.chars().take(80).collect();
        Self::new(Code::ParameterInvalid, format!("{name} = {value:?}: expected {expected}"))
    }

    /// A fault of ours; `cause` goes to the log and not to the client.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        error!(request.id = request_id::current(), "Request failed: {cause}");
        Self::new(Code::Internal, "the relay made a mistake; its log has the cause")
    }

    /// Storage failed; `cause` goes to the log and not to the client.
    #[must_use]
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        error!(request.id = request_id::current(), "Storage failed: {cause}");
        Self::new(Code::Unavailable, "storage cannot be used at the moment; try again")
            .retry_after(Duration::from_secs(5))
    }

    /// Asks the client to wait before it tries again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl From<AfterError> for ApiError {
    fn from(error: AfterError) -> Self {
        match error {
            AfterError::EpochChanged { .. } => Self::new(Code::EpochChanged, error.to_string()),
            AfterError::Behind { .. } => {
                Self::new(Code::ProjectionBehind, error.to_string()).retry_after(Duration::from_secs(1))
            }
            AfterError::Held { .. } => Self::new(Code::ProjectionBehind, error.to_string()),
            AfterError::Storage(error) => Self::unavailable(&error),
        }
    }
}

impl<'a> From<&'a Violation> for ViolationJson<'a> {
    fn from(violation: &'a Violation) -> Self {
        let Violation { path, code, message, remedy, place } = violation;
        let (line, column) = place.unzip();
        Self { path, code, message, remedy, line, column }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            r#type: format!("urn:symphony-vault:problem:{}", self.code.name()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.name(),
            detail: &self.detail,
            request_id: request_id::current(),
            violations: self.violations.iter().map(ViolationJson::from).collect(),
        };
        let mut response = (self.code.status(), Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        match self.code {
            Code::Unauthenticated => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Code::UpgradeRequired => headers.insert(http::header::UPGRADE, HeaderValue::from_static("websocket")),
            Code::MethodNotAllowed => {
                HeaderValue::from_str(&self.allowed).ok().and_then(|it| headers.insert(ALLOW, it))
            }
            Code::MediaTypeUnsupported if self.allowed.contains("patch") => {
                HeaderValue::from_str(&self.allowed).ok().and_then(|it| headers.insert(ACCEPT_PATCH, it))
            }
            _ => None,
        };
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn a_long_value_is_cut_before_it_is_quoted() {
        let error = ApiError::parameter("cursor", &"x".repeat(10_000), "a cursor");
        assert!(error.detail.len() < 200);
    }
}
