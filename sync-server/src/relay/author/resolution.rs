//! What a person has decided about a field that waits for it, and why that does not settle it.

use document::Concurrent;
use serde_json::Value;
use sync_wire::ChangeHash;

/// Values that a refusal names.
const VALUES_NAMED_MAX: usize = 8;

/// See the file's head.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolution {
    /// Where the field is stored. Unlike the place of an item in a list, this does not change.
    pub stored_path: String,
    /// The changes whose values the person weighed: these are closed, and no others.
    pub seen: Vec<ChangeHash>,
    /// What stands there from now on.
    pub decision: Decision,
}

/// What becomes of a field that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The value that this change wrote, one of those that were seen.
    Keep(ChangeHash),
    /// Another one; null removes the field.
    Put(Value),
}

impl Resolution {
    /// Whether these are the values that the person weighed.
    pub(super) fn is_of(&self, conflict: &Concurrent) -> bool {
        let is_open = |hash: &ChangeHash| conflict.values.iter().any(|value| value.hash == *hash);
        self.seen.iter().all(is_open) && conflict.values.iter().all(|value| self.seen.contains(&value.hash))
    }
}

/// The values of a conflict in a sentence, the first of them: by their changes, because errors have no content.
pub(super) fn named(conflict: &Concurrent) -> String {
    let named = conflict.values.iter().take(VALUES_NAMED_MAX).map(|value| value.hash.to_string());
    let mut named = named.collect::<Vec<_>>().join(", ");
    if conflict.values.len() > VALUES_NAMED_MAX {
        named.push_str(" and others");
    }
    named
}
