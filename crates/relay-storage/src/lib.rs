//! What the relay keeps, in SQLite: accounts and grants, the log of every space, documents' snapshots and projections.
//!
//! Every statement of SQL that the relay runs is in this crate; no transaction and no type of the database crosses
//! its public API. Each domain is an inline core (plain calls on a connection; clock and randomness are arguments)
//! with a threaded shell around it, [`Storage`]: one writer thread that commits in groups, some reader threads.
//!
//! Suggested reading order: [`change_log`] (the write path and the reads that follow it), [`documents`], then
//! [`storage`](Storage), the shell.

pub mod accounts; // accounts, tokens, devices
pub mod care; // backup, doctor, verify
pub mod change_log; // append, read, resume, bootstrap
pub mod documents; // checks, snapshots, projections
pub mod fates; // what was refused, and why
pub mod handles; // short names of spaces
pub mod keyed; // requests that must not be done twice
mod error; // what can go wrong in the database
mod open; // the open sequence of a connection
pub mod overview; // all of it in a few numbers
mod place; // the file system that the file is on
mod options; // what a shell hands in: clock, randomness, limits
pub mod types; // document types of third parties
mod receipts; // the keys that vouch for a place in a log
pub mod spaces; // spaces and grants
mod storage; // the handle, its threads and the group commit
mod url; // where storage is

pub use accounts::{
    Account, AccountError, AccountRole, Credential, DeviceBinding, DeviceInfo, LINK_KEPT, LINKS_MAX, NewToken,
    NewWebSession, NoAccountRole, NoWebSessionId, Principal, Quota, Standing, TokenId, TokenInfo, TokenRef, Usage,
    WEB_AGENT_BYTES_MAX, WEB_SESSION_IDLE, WEB_SESSION_KEPT, WEB_SESSIONS_MAX, WebPrincipal, WebSession, WebSessionId,
};
pub use care::{BackupError, Finding, Project, Rebuilt, Verified};
pub use change_log::{
    AppendRequest, AppendVoidError, BatchContent, BatchFate, BootstrapCursor, BootstrapPage, Check, CheckVerdict,
    CursorVerdict, HELD, INTAKE_LEASE, IntakeBatch, IntakeState, IntakeTotals, LogPage, MadeBy, NewVoid, Outcome,
    ParsedBatch, Purged, ReadError, Settled, SettledBatch, Taken, TakenEpoch, VoidEntry, Voided, WaitingBatch, Within,
    readable_hash,
};
pub use documents::{
    ConflictKey, Contributor, CountedConflicts, Deleted, Deletion, DocumentPage, DocumentState, DocumentTips,
    EntryPlace, Explanation, FindDocuments, FoundBy, FoundDocument, FoundPage, FoundSince, HistoryEntry, HistoryPage,
    Judgement, ListConflicts, ListProjections, LookFrom, MayConflict, MovedDocument, MovedSlice, NewProjection,
    NewSnapshot, Projection, ProjectionInfo, ProjectionList, ProjectionSummary, PublicationState, Published, Shelf,
    SliceLimits, SnapshotInfo, StoreChecked, Stored, StoredSnapshot, TakenIn, WrittenBy,
};
pub use error::StorageError;
pub use fates::{Condemned, KeptChange, QuarantinePage, QuarantineQuery, RefusedChange, RefusedPast};
pub use file_systems::Remote;
pub use handles::{Claim, HANDLE_KEPT, HANDLES_KEPT_MAX, UnshownHandle};
pub use keyed::{KEY_BYTES_MAX, KEYED_KEPT, KEYED_LEASE, Keyed};
pub use open::OpenError;
pub use options::{Clock, IntakeLimits, Limits, OnCommit, Random, Shell, StorageOptions, system_clock, system_random};
pub use overview::{AccountQuarantine, HeldDocument, NAMED_MAX, Overview, RepairedDocument, StorageSize};
pub use receipts::{ReceiptKeys, ReceiptKeysError};
pub use spaces::{RoleRead, SpaceError, SpaceGrant, SpaceInfo};
pub use storage::Storage;
pub use types::{
    NamespaceError, NamespaceGrant, NewType, PublishError, PublishedType, Publisher, RetypePage, RetypePlace, Sharing,
    TypeInfo, TypeQuota,
};
pub use url::{StorageUrl, StorageUrlError};
