//! What an edit may do, and what it sees while it does it.

use serde_json::Value;
use sync_wire::ChangeHash;

use crate::document::{Document, Recorded};
use crate::error::Violation;
use crate::intent::Intent;

/// An edit in progress: reads see what it has done so far.
///
/// Each step is checked before it is taken; a refused step changes nothing, and the edit may go on without it.
#[derive(Debug)]
pub struct Draft<'a> {
    pub(crate) document: &'a mut Document,
    /// A step failed half way: the whole edit is void, whatever its author returns.
    pub(crate) damage: Option<Violation>,
}

impl<'a> Draft<'a> {
    pub(crate) const fn new(document: &'a mut Document) -> Self {
        Self { document, damage: None }
    }

    /// The value at `path`. See [`Document::get`].
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Value> {
        self.document.get(path)
    }

    /// The text at `path`. See [`Document::text`].
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        self.document.text(path)
    }

    /// The whole document. See [`Document::value`].
    #[must_use]
    pub fn value(&self) -> Value {
        self.document.value()
    }

    /// Makes the value at `path` equal to `value`.
    ///
    /// A non-empty object becomes a leaf for each scalar below, and what is not in it is removed; an array or an empty
    /// object becomes one register. A scalar or array replaces what is below `path`, and what stands on the way to
    /// `path` gives way. A string put where a text is becomes the text's new content, by a small difference (as
    /// [`Draft::replace_text`]); an integer put where a counter is moves the counter there.
    ///
    /// # Errors
    /// If the path is not a JSON Pointer of at most 1 KiB and 64 keys, is `/` (which holds the document type), or if a
    /// string or array exceeds 256 KiB.
    pub fn put(&mut self, path: &str, value: Value) -> Result<(), Violation> {
        self.apply(Intent::Put { path: path.to_owned(), value })
    }

    /// As [`Draft::put`], but stores `value`, even an object, as one register.
    ///
    /// # Errors
    /// As [`Draft::put`].
    pub fn put_register(&mut self, path: &str, value: Value) -> Result<(), Violation> {
        self.apply(Intent::PutRegister { path: path.to_owned(), value })
    }

    /// Removes the value at `path` and what is below it; a concurrent edit inside survives. Nothing there is no error.
    /// A manual field becomes null, so that whoever writes to it meanwhile gets a conflict and not simply his way.
    ///
    /// # Errors
    /// If the path is not acceptable.
    pub fn remove(&mut self, path: &str) -> Result<(), Violation> {
        self.apply(Intent::Remove { path: path.to_owned() })
    }

    /// Replaces `delete` code points of the text at `path`, from position `at`, by `insert`. Where nothing is, an empty
    /// text begins.
    ///
    /// # Errors
    /// If the range is not within the text, or something other than a text is at `path`.
    pub fn splice(&mut self, path: &str, at: usize, delete: usize, insert: &str) -> Result<(), Violation> {
        self.apply(Intent::Splice { path: path.to_owned(), at, delete, insert: insert.to_owned() })
    }

    /// Makes the text at `path` equal to `text` by a small difference. Where nothing is, a text begins.
    ///
    /// # Errors
    /// If something other than a text is at `path`.
    pub fn replace_text(&mut self, path: &str, text: &str) -> Result<(), Violation> {
        self.apply(Intent::ReplaceText { path: path.to_owned(), text: text.to_owned() })
    }

    /// Adds `by` to the counter at `path`. Where nothing is, a counter begins at 0.
    ///
    /// # Errors
    /// If the step or the result exceeds 2^53, or something other than a counter is at `path`.
    pub fn increment(&mut self, path: &str, by: i64) -> Result<(), Violation> {
        self.apply(Intent::Increment { path: path.to_owned(), by })
    }

    /// Closes the conflict at `path` with `value`, one of the values or another; the object, too, is one register.
    ///
    /// `closes` are the changes that wrote the values which were weighed ([`Document::alternatives`]). Exactly these
    /// are closed: what another device writes meanwhile stays open when both meet.
    ///
    /// # Errors
    /// `no_conflict` if fewer than two different values stand there; `conflict_moved` if they are others than those
    /// named; else as [`Draft::put_register`].
    pub fn resolve(&mut self, path: &str, value: Value, closes: &[ChangeHash]) -> Result<(), Violation> {
        self.apply(Intent::Resolve { path: path.to_owned(), value, closes: closes.to_vec() })
    }

    /// Takes one step.
    ///
    /// # Errors
    /// What the step's own function says.
    pub fn apply(&mut self, intent: Intent) -> Result<(), Violation> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        self.document.record(intent).map_err(|recorded| match recorded {
            Recorded::Refused(violation) => violation,
            Recorded::Damaged(violation) => {
                self.damage = Some(violation.clone());
                violation
            }
        })
    }
}
