//! The embeddable vault: one SQLite file of Automerge documents that is always at hand, and its background sync.
//!
//! Reads and edits are local and need no network, for weeks if must be. A thread of its own exchanges changes with a
//! relay whenever it can ([`Vault::connect`]); the host needs no runtime.
//!
//! ```
//! use editor_vault::Vault;
//!
//! let dir = editor_vault::doctest::directory()?;
//! let vault = Vault::open(dir.path())?;
//! let settings = vault.well_known("settings")?;
//! settings.edit(|draft| draft.put("/base/editor.tabSize", 4.into()))?; // returns when it is on disk
//! assert_eq!(settings.get("/base/editor.tabSize")?, Some(4.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start with [`Vault`], then [`Document`]. What can go wrong stands in one enum per operation, each with a stable
//! `code()` and a text that names the value, the rule and the remedy.

#![warn(missing_docs)]

mod vault; // start here: the vault and what it knows of its documents
mod document; // reading and editing one document
mod commit; // what one edit becomes, and its way into the file
mod deferred; // edits that do not wait for the disk
mod unsaved; // edits that the disk did not take
mod loaded; // documents in memory, by bytes
mod actors; // whose name changes are written under
mod remote; // what a relay sent, made durable
mod recovery; // the one way back from what a relay refused or decided otherwise
mod squash; // parked edits said in one go
mod quarantine; // what was refused, for people
mod repair; // asking the relay to mend a held document
mod fill; // changes out of snapshots, in the background
mod sync; // talking to a relay
mod identity; // which device it is
mod login; // credentials beside the vault
mod status; // where a document's edits stand
mod explain; // why, for people
mod list; // what is in the vault, without loading it
mod presence; // who is in a document at the moment
mod type_files; // document types of third parties
mod query; // what is found by what is in it
mod watch; // who wants to know what changed
mod delete; // tombstones and their taking back
mod inbox; // conflicts of all documents
mod contested; // deletions that did not know the newest edits
mod brake; // very many deletions are held back
mod care; // backups, restore points, the doctor, verify
mod storage; // every SQL statement
mod bell; // waking the process that syncs
mod sources; // time, randomness and this machine, as arguments
mod error; // one enum per operation

#[doc(hidden)]
pub mod doctest;
#[cfg(feature = "simulation")]
pub mod simulation; // the vault on one thread, for a simulated world

pub use ::document::{Difference, Draft, Intent, Violation};
pub use ::file_systems::Remote as RemoteFileSystem;
pub use schemas::typed as types;
pub use schemas::{Compare, Cursor, Direction, Publication, Query, QueryError as WrongQuery, Typed, is_type_name};
pub use schemas_derive::Typed;
pub use sync_core::client::{Link, Status as SyncStatus};
pub use sync_wire::{
    AccountId, Actor, BatchId, ChangeHash, DeviceId, DocumentId, FateCode, LogPosition, Role, SpaceId, SpaceKind,
};

pub use crate::brake::HeldDeletion;
pub use crate::care::{Finding, Rebuilt, SalvageError, Salvaged, Severity};
pub use crate::contested::{ContestedDeletion, Decision};
pub use crate::deferred::Ticket;
pub use crate::document::{
    Blame, Conflict, ConflictValue, Document, Resolution, Revision, TypedDocument, TypedError, Version,
};
pub use crate::error::{ConnectError, EditError, OpenError, ReadError, StorageError, SyncError};
pub use crate::explain::{
    BatchTotals, ChangeTotals, ConflictTotals, ExplainedBatch, ExplainedRepair, ExplainedSnapshot, Explanation, Lane,
    RelayView,
};
pub use crate::list::{DocumentInfo, ListFilter};
pub use crate::login::Login;
pub use crate::presence::{PresenceError, Present};
pub use crate::quarantine::{Quarantine, QuarantineError, Quarantined, Refused};
pub use crate::query::{Difference as QueryDifference, Found, LiveQuery, Page, QueryError, Snippet};
pub use crate::repair::{Repair, RepairDependent, RepairError, RepairExcluded, RepairMode};
pub use crate::sources::{Sources, System};
pub use crate::squash::{SquashError, SquashedLane};
pub use crate::status::{DocumentState, DocumentStatus};
pub use crate::sync::Connection;
pub use crate::type_files::{SkippedType, TypeError, TypeVersion};
pub use crate::unsaved::Unsaved;
pub use crate::vault::{SpaceInfo, Vault, VaultOptions};
pub use crate::watch::{Hint, Watch};
