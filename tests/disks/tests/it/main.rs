//! Crash images: many numbers, those that once failed, the same twice, stories worth telling, and planted bugs that
//! must be found; and flushes that fail.

mod images; // sound programs
mod determinism; // the same number is the same image
mod stories; // what is recorded is worth it
mod bugs; // what was planted is found
mod failures; // flushes that fail
