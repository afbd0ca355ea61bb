//! What a document's editor knows of its type: which fields a person decides about when they were written concurrently
//! (PROTOCOL §7), whether it may write at all, and up to which major version.
//!
//! This crate knows no schema: whoever holds a document says it, once ([`crate::Document::set_manual`]); every draft of
//! it keeps the rules from then on (`working/manual.rs`).

use std::fmt;
use std::sync::Arc;

use crate::limits::MESSAGE_BYTES_MAX;

/// The `manual` fields of one document type.
#[derive(Clone, Default)]
pub struct ManualFields {
    type_name: Option<Arc<str>>,
    include: Option<Include>,
    version: u32,
    major: u32,
    reserved: bool,
}

type Include = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl fmt::Debug for ManualFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualFields").field(&self.type_name).finish()
    }
}

impl ManualFields {
    /// Those paths (JSON Pointers of the stored form) of documents of a type of which `include` says so. What lies
    /// below one is part of its value, and is not included.
    pub fn of(type_name: &str, include: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { include: Some(Arc::new(include)), ..Self::none_of(type_name) }
    }

    /// For a type that has none.
    #[must_use]
    pub fn none_of(type_name: &str) -> Self {
        Self { type_name: Some(type_name.into()), include: None, version: 1, major: 1, reserved: false }
    }

    /// The same, as this version of the type has them, from 1.
    #[must_use]
    pub fn of_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// Which version of the type has them; 0 if nothing was said.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The same, for an editor that knows the type up to this major version, from 1.
    #[must_use]
    pub fn up_to_major(self, major: u32) -> Self {
        Self { major, ..self }
    }

    /// The same, of a type whose documents the relay alone writes: editors only read them.
    #[must_use]
    pub fn written_by_relay(self) -> Self {
        Self { reserved: true, ..self }
    }

    /// The same, for the relay.
    #[must_use]
    pub fn for_relay(self) -> Self {
        Self { reserved: false, ..self }
    }

    /// Whether the editor only reads documents of the type, because the relay alone writes them.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.reserved
    }

    /// Up to which major version the editor knows the type; 0 if nothing was said.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Of which type they are; none for documents of which nothing was said.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.type_name.as_deref()
    }

    /// Whether there cannot be any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.include.is_none()
    }

    /// Whether the leaf at `path` is one.
    #[must_use]
    pub fn includes(&self, path: &str) -> bool {
        self.include.as_ref().is_some_and(|include| include(path))
    }
}

/// What is noted with a change that resolves the conflict at `path`: `resolve PATH`. For people; what closes values are
/// the operations themselves.
#[must_use]
pub fn resolution_note(path: &str) -> String {
    let note = format!("resolve {path}");
    if note.len() <= MESSAGE_BYTES_MAX { note } else { "resolve".to_owned() }
}
