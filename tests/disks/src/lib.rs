//! What a crash may leave of the files of a vault and a relay. Both live through a story while SQLite's file system is
//! recorded; then the files are rebuilt as a crash at any moment may leave them, opened by the real code, and compared
//! with what was promised by then.

pub mod number; // start here: which image a number means, and whether it is sound
pub mod story; // what happens while everything is recorded
pub mod house; // two devices and a relay, and what they say to each other
pub mod recording; // what was written, committed and promised, in order
pub mod image; // what a crash may leave of it
pub mod check; // whether what was promised is there
pub mod vfs; // SQLite's file system, overheard
pub mod tape; // what was asked of it
