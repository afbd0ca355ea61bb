//! Every route there is, as data: how, where, who may, what for, and what it is answered with.

mod account; // the rows of what an account has, and of who runs the relay
mod session; // the rows of browsers that are signed in
mod find; // the rows of documents by what is in them
mod types; // and of document types
mod quarantine; // and of what was refused

use http::Method;

use super::{Access, Route};
use crate::api::openapi::{Answer, Operation};
use crate::api::problem::Code;
use crate::api::{conflicts, documents, events, health, history, openapi, presence, publication, repair, writes};
use crate::relay::socket;

/// The route of one document.
pub(super) const DOCUMENT: &str = "/api/v1/spaces/{space}/documents/{document}";
/// The route of what waits for a person in it.
const CONFLICTS: &str = "/api/v1/spaces/{space}/documents/{document}/conflicts";
/// The route of its repair.
const REPAIR: &str = "/api/v1/spaces/{space}/documents/{document}/repair";

/// The route of who is in it.
const PRESENCE: &str = "/api/v1/spaces/{space}/documents/{document}/presence";

/// What may go wrong with every write.
macro_rules! write_problems {
    ($($code:ident),* $(,)?) => {
        &[
            $(Code::$code,)*
            Code::ParameterInvalid,
            Code::SpaceNotFound,
            Code::EditorRequired,
            Code::QuotaExceeded,
            Code::RateLimited,
            Code::BodyInvalid,
            Code::BodyTooLarge,
            Code::RequestTimeout,
            Code::IdempotencyKeyReused,
            Code::IdempotencyInProgress,
            Code::Internal,
        ]
    };
}
use write_problems;

/// The table.
pub const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/healthz",
        access: Access::Public,
        handler: |guard| guard.get(health::alive),
        operation: &Operation {
            id: "alive",
            summary: "Whether the process is alive.",
            query: &[],
            answer: Answer::Json("Health"),
            problems: &[],
        },
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        access: Access::Public,
        handler: |guard| guard.get(health::ready),
        operation: &Operation {
            id: "ready",
            summary: "Whether the relay can do its work.",
            query: &[],
            answer: Answer::Json("Health"),
            problems: &[Code::Unavailable],
        },
    },
    Route {
        method: Method::GET,
        path: "/sync",
        access: Access::Bearer,
        handler: |guard| guard.get(socket::upgrade),
        operation: &Operation {
            id: "sync",
            summary: "The session of a device; the protocol is described in docs/protocol.md.",
            query: &[],
            answer: Answer::Socket,
            problems: &[Code::UpgradeRequired],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/openapi.json",
        access: Access::Public,
        handler: |guard| guard.get(openapi::get),
        operation: &Operation {
            id: "describe",
            summary: "This description.",
            query: &[],
            answer: Answer::Description,
            problems: &[],
        },
    },
    session::SIGN_IN,
    session::GET,
    session::SIGN_OUT,
    session::LIST,
    session::END,
    account::SPACES,
    account::DEVICES,
    account::OVERVIEW,
    account::EXPLAIN,
    Route {
        method: Method::GET,
        path: "/api/v1/documents",
        access: Access::Bearer,
        handler: |guard| guard.get(documents::list),
        operation: &Operation {
            id: "listDocuments",
            summary: "The documents of every readable space, or of one, page by page.",
            query: &["space", "type", "deleted", "updated_after", "limit", "cursor"],
            answer: Answer::Json("DocumentList"),
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::EpochChanged],
        },
    },
    Route {
        method: Method::GET,
        path: DOCUMENT,
        access: Access::Bearer,
        handler: |guard| guard.get(documents::get),
        operation: &Operation {
            id: "getDocument",
            summary: "The merged state of a document: as it is, once it contains a position, or as it was there.",
            query: &["after", "at"],
            answer: Answer::Tagged("Document"),
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::DocumentDeleted,
                Code::EpochChanged,
                Code::ProjectionBehind,
                Code::VersionTooLarge,
            ],
        },
    },
    Route {
        method: Method::PATCH,
        path: DOCUMENT,
        access: Access::Bearer,
        handler: |guard| guard.patch(writes::patch),
        operation: &Operation {
            id: "patchDocument",
            summary: "Changes a document from the version that was read; what others wrote since is merged.",
            query: &[],
            answer: Answer::Edited,
            problems: write_problems![
                DocumentNotFound,
                AuthorityDocument,
                DocumentDeleted,
                DocumentHeld,
                PatchNotApplicable,
                VersionUnknown,
                ManualFieldsChanged,
                ConflictOpen,
                PreconditionRequired,
                MediaTypeUnsupported,
                DocumentInvalid,
                TypeUnknown,
                EditTooLarge,
            ],
        },
    },
    Route {
        method: Method::DELETE,
        path: DOCUMENT,
        access: Access::Bearer,
        handler: |guard| guard.delete(writes::delete),
        operation: &Operation {
            id: "deleteDocument",
            summary: "Deletes a document as it was in the version that was read; it can be restored for 30 days.",
            query: &[],
            answer: Answer::Deleted,
            problems: write_problems![
                DocumentNotFound,
                DocumentDeleted,
                DocumentHeld,
                DeletionImpossible,
                VersionUnknown,
                DocumentContested,
                PreconditionRequired,
            ],
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/spaces/{space}/documents",
        access: Access::Bearer,
        handler: |guard| guard.post(writes::create),
        operation: &Operation {
            id: "createDocument",
            summary: "Begins a document; of a well-known type there is one, which gets what is given.",
            query: &[],
            answer: Answer::Created,
            problems: write_problems![
                AuthorityDocument,
                DocumentDeleted,
                DocumentHeld,
                ConflictOpen,
                MediaTypeUnsupported,
                DocumentInvalid,
                TypeUnknown,
                EditTooLarge,
            ],
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/spaces/{space}/documents/{document}/restore",
        access: Access::Bearer,
        handler: |guard| guard.post(writes::restore),
        operation: &Operation {
            id: "restoreDocument",
            summary: "Takes the deletion of a document back.",
            query: &[],
            answer: Answer::Edited,
            problems: write_problems![DocumentNotFound, DocumentDeleted],
        },
    },
    find::FIND,
    find::LIVE,
    Route {
        method: Method::GET,
        path: "/api/v1/conflicts",
        access: Access::Bearer,
        handler: |guard| guard.get(conflicts::list),
        operation: &Operation {
            id: "listConflicts",
            summary: "The documents of every readable space, or of one, in which fields wait for a person.",
            query: &["space", "limit", "cursor"],
            answer: Answer::Json("Inbox"),
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound],
        },
    },
    Route {
        method: Method::GET,
        path: CONFLICTS,
        access: Access::Bearer,
        handler: |guard| guard.get(conflicts::get),
        operation: &Operation {
            id: "getConflicts",
            summary: "The fields of a document that wait for a person, each with all of its values.",
            query: &["limit", "cursor"],
            answer: Answer::Tagged("Conflicts"),
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::DocumentDeleted,
                Code::DocumentHeld,
                Code::Internal,
            ],
        },
    },
    Route {
        method: Method::POST,
        path: "/api/v1/spaces/{space}/documents/{document}/conflicts/resolve",
        access: Access::Bearer,
        handler: |guard| guard.post(writes::resolve),
        operation: &Operation {
            id: "resolveConflict",
            summary: "Settles a field that waits for a person: closes the values that were seen, and no others.",
            query: &[],
            answer: Answer::Edited,
            problems: write_problems![
                AuthorityDocument,
                DocumentNotFound,
                DocumentDeleted,
                DocumentHeld,
                ConflictMoved,
                NoConflict,
                MediaTypeUnsupported,
                DocumentInvalid,
                TypeUnknown,
                EditTooLarge,
            ],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/spaces/{space}/documents/{document}/history",
        access: Access::Bearer,
        handler: |guard| guard.get(history::list),
        operation: &Operation {
            id: "getHistory",
            summary: "The entries of a document, newest first, page by page.",
            query: &["limit", "cursor"],
            answer: Answer::Json("History"),
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::DocumentNotFound, Code::EpochChanged],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/spaces/{space}/documents/{document}/publication",
        access: Access::Bearer,
        handler: |guard| guard.get(publication::get),
        operation: &Operation {
            id: "getPublication",
            summary: "What everybody may see of a document, and what keeps its newest state from being seen.",
            query: &["after"],
            answer: Answer::Json("Publication"),
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::DocumentDeleted,
                Code::EpochChanged,
                Code::ProjectionBehind,
            ],
        },
    },
    Route {
        method: Method::GET,
        path: "/api/v1/public/{space}/{document}",
        access: Access::Anybody,
        handler: |guard| guard.get(publication::public),
        operation: &Operation {
            id: "getPublic",
            summary: "What everybody may see of a document: its public fields, as they were published last.",
            query: &[],
            answer: Answer::Tagged("PublicDocument"),
            problems: &[Code::ParameterInvalid, Code::DocumentNotFound],
        },
    },
    types::LIST,
    types::VERSIONS,
    types::GET,
    types::PUBLISH,
    Route {
        method: Method::GET,
        path: "/api/v1/public/handles/{handle}",
        access: Access::Anybody,
        handler: |guard| guard.get(publication::handle),
        operation: &Operation {
            id: "getHandle",
            summary: "The space that has a handle, and where what it may show is to be found.",
            query: &[],
            answer: Answer::Tagged("Handle"),
            problems: &[Code::ParameterInvalid, Code::HandleNotFound],
        },
    },
    Route {
        method: Method::PUT,
        path: "/api/v1/spaces/{space}/handle",
        access: Access::Bearer,
        handler: |guard| guard.put(writes::name),
        operation: &Operation {
            id: "putHandle",
            summary: "Gives the space a short name that no other space has, or takes its own away.",
            query: &[],
            answer: Answer::Created,
            problems: write_problems![
                OwnerRequired,
                HandleReserved,
                HandleTaken,
                HandlesKept,
                DocumentHeld,
                MediaTypeUnsupported,
                DocumentInvalid,
            ],
        },
    },
    Route {
        method: Method::POST,
        path: REPAIR,
        access: Access::Bearer,
        handler: |guard| guard.post(repair::post),
        operation: &Operation {
            id: "repairDocument",
            summary: "Lets a held document go on without the changes that fail its check; for owners of its space.",
            query: &["dry_run", "hash"],
            answer: Answer::Json("Repair"),
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::OwnerRequired,
                Code::RepairImpossible,
            ],
        },
    },
    quarantine::LIST,
    quarantine::SHOW,
    quarantine::EXPORT,
    quarantine::RESUBMIT,
    quarantine::DISCARD,
    Route {
        method: Method::GET,
        path: "/api/v1/events",
        access: Access::Bearer,
        handler: |guard| guard.get(events::stream),
        operation: &Operation {
            id: "followSpaces",
            summary: "Hints that the merged state of a space has advanced.",
            query: &["space", "after"],
            answer: Answer::Hints,
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound],
        },
    },
    Route {
        method: Method::GET,
        path: PRESENCE,
        access: Access::Bearer,
        handler: |guard| guard.get(presence::stream),
        operation: &Operation {
            id: "followPresence",
            summary: "Who is in a document at the moment; until the stream ends, the page is there too.",
            query: &["page"],
            answer: Answer::Presence,
            problems: &[Code::ParameterInvalid, Code::SpaceNotFound, Code::DocumentNotFound],
        },
    },
    Route {
        method: Method::PUT,
        path: PRESENCE,
        access: Access::Bearer,
        handler: |guard| guard.put(presence::show),
        operation: &Operation {
            id: "showPresence",
            summary: "Shows whoever else is in a document something of the page, for 30 seconds.",
            query: &["page"],
            answer: Answer::Nothing,
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::BodyInvalid,
                Code::BodyTooLarge,
                Code::MediaTypeUnsupported,
                Code::RequestTimeout,
                Code::RateLimited,
                Code::PageAbsent,
            ],
        },
    },
    Route {
        method: Method::DELETE,
        path: PRESENCE,
        access: Access::Bearer,
        handler: |guard| guard.delete(presence::hide),
        operation: &Operation {
            id: "hidePresence",
            summary: "Shows nothing of the page any more; it only looks.",
            query: &["page"],
            answer: Answer::Nothing,
            problems: &[
                Code::ParameterInvalid,
                Code::SpaceNotFound,
                Code::DocumentNotFound,
                Code::BodyInvalid,
                Code::BodyTooLarge,
                Code::RequestTimeout,
                Code::RateLimited,
            ],
        },
    },
];
