//! Settings files that feel native: how a file is written, kept apart from its values, so that both merge.
//!
//! The values are the truth. Beside them, under `/layout/LAYER` of the same document, lie small texts that say how the
//! file was written: the place of each member, the comments around it, spellings that are not ours, the style of each
//! object. A file is rendered from values and layout; a value without layout goes last in its object, a layout whose
//! value is gone is not shown. Each text is a leaf of its own, so two devices that touch different members both keep
//! what they wrote. Layout from elsewhere is checked before it is used: no layout can change a value.

mod entry; // what is stored, and the smallest edit of it
mod lines; // lines of comments, which merge one by one
mod scan; // a file -> its layout
mod render; // values + layout -> a file
mod style; // how an object or array is spread over lines
mod trivia; // comments and white space

pub mod keymap;

use document::Intent;
use serde_json::Value;

use crate::jsonc::{self, JsoncError, Note};
use crate::settings::{self, Layer};
use crate::violation::Violation;
use entry::Layout;
use render::Content;

/// Why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not JSON with comments.
    #[error(transparent)]
    Jsonc(#[from] JsoncError),
    /// It breaks rules of the document type; each with its place, at most 100.
    #[error("{}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))]
    Violations(Vec<Violation>),
}

/// The smallest edit that makes `layer` equal to the settings file `text`, in values and in layout, and what the file's
/// author should hear of. A file that [`export`] wrote gives no intents.
///
/// `current` is the document from which the file was last written, not a later one: intents are differences, and may
/// be applied to a later document, where they merge with what came meanwhile. A comment or raw spelling over 256 KiB,
/// and layout under a path over 1 KiB, is left out; the values are there nevertheless.
///
/// # Errors
/// [`ImportError::Jsonc`] with line and column, [`ImportError::Violations`] as [`settings::import`].
///
/// ```
/// use schemas::{layout, settings::Layer};
/// let text = "{\n  // wide\n  \"editor.tabSize\": 8,\n}\n";
/// let (intents, notes) = layout::import(&Layer::BASE, &serde_json::json!({}), text)?;
/// assert!(!intents.is_empty() && notes.is_empty());
/// assert!(layout::import(&Layer::BASE, &serde_json::json!({}), "{").is_err());
/// # Ok::<(), layout::ImportError>(())
/// ```
pub fn import(layer: &Layer, current: &Value, text: &str) -> Result<(Vec<Intent>, Vec<Note>), ImportError> {
    let parsed = jsonc::read(text)?;
    let mut intents = settings::import(layer, current, &parsed.value).map_err(ImportError::Violations)?;
    if export(layer, current) != text {
        let root = root(layer);
        let stored = Layout::stored(current, &root);
        let wanted = scan::scan(text, &stored, None)?;
        intents.extend(entry::plan(&root, &stored, &wanted));
    }
    Ok((intents, parsed.notes))
}

/// The settings file of `layer`: its values, written as its layout says. Reading it gives exactly the values of the
/// layer, whatever the layout holds.
#[must_use]
pub fn export(layer: &Layer, document: &Value) -> String {
    let value = settings::export(layer, document);
    render::render(&Layout::stored(document, &root(layer)), &Content::Object(&value))
}

/// The keys under which the layout of `layer` lies in the document.
fn root(layer: &Layer) -> [String; 2] {
    ["layout".to_owned(), layer.to_string()]
}
