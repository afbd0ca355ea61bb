//! One step of an edit, in words that can be replayed at other heads.

use serde_json::Value;
use sync_wire::ChangeHash;

/// What an edit wants, independent of the heads at which it is carried out.
///
/// Paths are JSON Pointers; text positions count Unicode code points. [`crate::Draft`] says what each does.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Makes the value at `path` equal to `value`.
    Put {
        /// JSON Pointer.
        path: String,
        /// The wanted value.
        value: Value,
    },
    /// As `Put`, but stores `value`, even an object, as one register: concurrent writers replace each other's whole
    /// value instead of merging key by key.
    PutRegister {
        /// JSON Pointer.
        path: String,
        /// The wanted value.
        value: Value,
    },
    /// Removes the value at `path` and all below it that the writer sees.
    Remove {
        /// JSON Pointer.
        path: String,
    },
    /// Replaces `delete` code points of the text at `path`, from position `at`, by `insert`.
    Splice {
        /// JSON Pointer.
        path: String,
        /// Position, in code points.
        at: usize,
        /// How many code points to delete.
        delete: usize,
        /// What to insert.
        insert: String,
    },
    /// Makes the text at `path` equal to `text` by a small difference.
    ReplaceText {
        /// JSON Pointer.
        path: String,
        /// The wanted text.
        text: String,
    },
    /// Adds `by` to the counter at `path`.
    Increment {
        /// JSON Pointer.
        path: String,
        /// The step, up or down.
        by: i64,
    },
    /// Closes concurrent values of the leaf at `path` with `value`, which is stored as one register.
    Resolve {
        /// JSON Pointer.
        path: String,
        /// What a person decided for.
        value: Value,
        /// The changes that wrote the values which were weighed, in any order.
        closes: Vec<ChangeHash>,
    },
}

impl Intent {
    /// The path that it is about.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Put { path, .. }
            | Self::PutRegister { path, .. }
            | Self::Remove { path }
            | Self::Splice { path, .. }
            | Self::ReplaceText { path, .. }
            | Self::Increment { path, .. }
            | Self::Resolve { path, .. } => path,
        }
    }
}
