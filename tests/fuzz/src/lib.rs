//! What a fuzzer may throw bytes at, and what has to hold whatever the bytes are.
//!
//! The fuzzer itself is in `driver`, a workspace of its own, which only `cargo xtask fuzz` builds. What it found, and
//! what took it far, is in `corpus`, and run again by the tests of this crate.

#![warn(missing_docs)]

mod header; // the parser of changes
mod frames; // the codec of the wire
mod http; // everything that a peer may say to the HTTP port
mod admission; // changes into documents
mod jsonc; // settings files

/// Something that takes bytes of anybody.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its corpus as well.
    pub name: &'static str,
    /// Runs it; panics where it breaks a promise.
    pub run: fn(&[u8]),
    /// What a fuzzer begins with, beside the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// The parser of changes.
pub const HEADER: Target = Target { name: "header", run: header::run, seeds: header::seeds };
/// The codec of the wire.
pub const FRAMES: Target = Target { name: "frames", run: frames::run, seeds: frames::seeds };
/// Everything that a peer may say to the HTTP port.
pub const HTTP: Target = Target { name: "http", run: http::run, seeds: http::seeds };
/// Changes into documents.
pub const ADMISSION: Target = Target { name: "admission", run: admission::run, seeds: admission::seeds };
/// Settings files.
pub const JSONC: Target = Target { name: "jsonc", run: jsonc::run, seeds: jsonc::seeds };

/// All there are.
pub const TARGETS: &[Target] = &[HEADER, FRAMES, HTTP, ADMISSION, JSONC];
