//! Keymap files: an array of bindings, stored as keyed items with an order.

use document::Intent;
use serde_json::Value;

use crate::violation::{Rule, Violation};
use crate::{DocumentType, Registry};

/// The name of the document type.
pub const TYPE: &str = "keymap";

pub(crate) const BINDINGS: &str = "bindings";

/// The edit that makes the keymap equal to the array `file`. Bindings that are there already keep their identity, so
/// that the same file imported on two devices merges into one list and a second import changes nothing.
///
/// # Errors
/// If `file` is no array, or the rules its bindings break.
pub fn import(current: &Value, file: &Value) -> Result<Vec<Intent>, Vec<Violation>> {
    if !file.is_array() {
        let rule = Rule::File { expected: "an array of bindings" };
        return Err(vec![Violation::new("", file, rule, "put [ ] around them")]);
    }
    let mut wanted = current.as_object().cloned().unwrap_or_default();
    wanted.insert(BINDINGS.to_owned(), file.clone());
    document_type().plan(current, &Value::Object(wanted))
}

/// The bindings as the array that a keymap file holds, in order.
#[must_use]
pub fn export(document: &Value) -> Value {
    let plain = document_type().plain(document);
    plain.get(BINDINGS).cloned().unwrap_or_else(|| Value::Array(Vec::new()))
}

pub(crate) fn document_type() -> &'static DocumentType {
    Registry::builtin().get(TYPE).unwrap_or_else(|| unreachable!("keymap is a built-in type"))
}
