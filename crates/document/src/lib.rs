//! The only home of Automerge: header parser, admission, guarded documents, drafts, values, seeds.
//!
//! Suggested reading order: [`Header`] and [`Change`] (bytes that passed our own parser), [`Seed`], then [`Document`],
//! which holds a document in the flat form, applies changes behind a guard and records edits as [`Intent`]s.
//! Nothing here reads a clock, draws a random number or touches a disk: actors and times are arguments.

mod header; // bytes -> header, without Automerge
mod change; // canonical bytes with their header
mod seed; // deterministic changes that create texts and counters
mod pointer; // paths of leaves
mod intent; // one step of an edit
mod manual; // fields that a person decides about
mod validate; // what can be said against a step at once
mod document; // one document in memory
mod draft; // an edit in progress
mod working; // writing the flat form
mod flat; // reading the flat form
mod difference; // the splices between two texts
mod admit; // letting changes of others in
mod squash; // many edits said in one go
mod reauthor; // changes written anew without what is excluded
mod repair; // what has to be excluded, and what a void says of it
mod past; // a refused change with what it rests on, and said again
mod refused; // the same for people
mod guard; // Automerge's panics stay in their call
mod error; // what can go wrong
#[cfg(feature = "forge")]
pub mod forge; // changes as an attacker would write them, for tests
pub mod limits; // every bound, in one table

pub use change::Change;
pub use document::{
    Adopted, Alternative, Applied, Blame, Concurrent, Difference, Document, MAJOR_PATH, PastChange, Preparation,
    Sealed, Snapshot, Spare, WalkedType,
};
pub use draft::Draft;
pub use error::{ApplyError, EditAtError, HistoryError, LoadError, SealError, Violation};
pub use guard::{ROOMY_STACK_BYTES, on_roomy_stack, quiet_panics};
pub use header::{Header, HeaderError, canonical};
pub use intent::Intent;
pub use manual::{ManualFields, resolution_note};
pub use past::{AgainError, Past, PastError, resubmission_note, resubmitted};
pub use reauthor::{Excluded, ReauthorError, Reauthored, Replacement, reauthor, retrace};
pub use refused::{Quarantined, Refused};
pub use repair::{Mended, Repair, RepairError, mend, repair};
pub use seed::Seed;
pub use squash::{Earlier, Squash, SquashError, Squashed, squash};
