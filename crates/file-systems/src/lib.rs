//! What vault and relay ask of the file system beside SQLite: whether a write-ahead log is safe there, files that are
//! there whole or not at all, how much room is left, and whether the last program ended in order.
//!
//! SQLite's write-ahead log needs memory that all processes share and locks that all of them see. Network file systems
//! and those that a program serves (FUSE, shared folders of virtual machines) promise neither: two machines may write
//! one file at once, and what was committed is lost or torn. A database there keeps a rollback journal, and one process
//! has it alone.

mod remote; // where a write-ahead log is not safe
mod draft; // whole files, durable names
mod room; // what is left on the disk, and a reserve of it
mod presence; // who has a directory open, and how the last one left it

pub use crate::draft::{Access, Draft, create, flush_directory, make_directory, replace};
pub use crate::presence::{Presence, Previous};
pub use crate::remote::{Remote, remote};
pub use crate::room::{Ballast, Room};
