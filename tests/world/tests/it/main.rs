//! Worlds: many seeds, those that once failed, the same twice, and planted bugs that must be found.

mod seeds; // sound worlds
mod determinism; // the same seed is the same world
mod bugs; // what was planted is found
