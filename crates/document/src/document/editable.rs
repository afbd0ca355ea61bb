//! Documents that can only be read: those that the relay alone writes, and those that a program of a newer major
//! version of their type has written.

use serde_json::Value;

use super::Document;
use crate::draft::Draft;
use crate::error::Violation;
use crate::flat;

/// The leaf that holds the highest major version of the type that an editor of the document knew; absent, that is 1.
///
/// An ordinary register, so that programs that know nothing of it keep it; like the type it is no part of the value.
pub const MAJOR_PATH: &str = "/$major";

/// A whole value without it.
pub(super) fn without(mut all: Value) -> Value {
    if let Value::Object(fields) = &mut all {
        fields.remove(&MAJOR_PATH[1..]);
    }
    all
}

impl Document {
    /// The major version that the document has come to: 1 unless it says otherwise.
    #[must_use]
    pub fn major(&self) -> u32 {
        let major = flat::number(&self.working.auto, MAJOR_PATH);
        // What is larger than any number of a type is not known by anybody either.
        major.map_or(1, |major| u32::try_from(major).unwrap_or(u32::MAX).max(1))
    }

    /// Whether whoever holds it may edit it, if it was said what he knows of its type ([`Document::set_manual`]).
    ///
    /// # Errors
    /// `authority`: the relay alone writes documents of the type. `newer_major`: the editor does not know the major
    /// version that it has come to.
    pub fn check_editable(&self) -> Result<(), Violation> {
        if self.manual().is_reserved() {
            let kind = self.manual().type_name().unwrap_or("this type");
            let problem = format!(
                "documents of type {kind} are written by the relay alone, for what holds across documents: ask it over \
                 HTTP for what is to change"
            );
            return Err(Violation::new("", "authority", problem));
        }
        let known = self.manual().major();
        let found = self.major();
        if known == 0 || found <= known {
            return Ok(());
        }
        let kind = self.manual().type_name().unwrap_or("this type");
        let problem = format!(
            "a newer program has written this document, for major version {found} of {kind}, and this one knows version \
             {known}: it can be read, and edited again once a newer release is installed"
        );
        Err(Violation::new(MAJOR_PATH, "newer_major", problem))
    }
}

impl Draft<'_> {
    /// Says with the first edit of a newer major version that it is one, so that older programs only read from now on.
    pub(crate) fn say_major(&mut self, kept: usize) -> Result<(), Violation> {
        let (known, has_written) = (self.document.manual().major(), self.document.pending.len() > kept);
        if known <= 1 || !has_written || known <= self.document.major() {
            return Ok(());
        }
        self.put(MAJOR_PATH, known.into())
    }
}
