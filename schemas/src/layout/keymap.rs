//! Keymap files with their layout: as settings files, but an array whose items are known by id.

use document::Intent;
use serde_json::{Map, Value};

use super::entry::{self, Layout};
use super::render::{self, Content};
use super::{ImportError, scan};
use crate::jsonc::{self, Note};
use crate::keymap::{self, BINDINGS, document_type};
use crate::list;

/// The keys under which the layout lies in the document.
const ROOT: [&str; 2] = ["layout", BINDINGS];

/// The smallest edit that makes the keymap equal to the file `text`, in values and in layout; otherwise as
/// [`super::import`].
///
/// # Errors
/// As [`super::import`], with the rules of [`keymap::import`].
pub fn import(current: &Value, text: &str) -> Result<(Vec<Intent>, Vec<Note>), ImportError> {
    let parsed = jsonc::read(text)?;
    let mut intents = keymap::import(current, &parsed.value).map_err(ImportError::Violations)?;
    if export(current) != text {
        let wanted = parsed.value.as_array().map(Vec::as_slice).unwrap_or_default();
        let shape = document_type().shape().at(BINDINGS);
        let ids: Vec<String> =
            list::identified(shape, current.get(BINDINGS), wanted).into_iter().map(|(id, _)| id).collect();
        let stored = Layout::stored(current, &ROOT);
        let wanted = scan::scan(text, &stored, Some(&ids))?;
        intents.extend(entry::plan(&ROOT, &stored, &wanted));
    }
    Ok((intents, parsed.notes))
}

/// The keymap file: the bindings in order, written as the layout says.
#[must_use]
pub fn export(document: &Value) -> String {
    let empty = Map::new();
    let fields = document.get(BINDINGS).and_then(Value::as_object).unwrap_or(&empty);
    let items = list::in_order(document_type().shape().at(BINDINGS), fields);
    render::render(&Layout::stored(document, &ROOT), &Content::List(&items))
}
