//! Documents as Rust types: the built-in ones, and the trait by which a host adds its own.
//!
//! A type says what its program knows. What other programs and newer versions write beside it survives: a value is
//! written as the smallest edit, and an edit never removes a field that its type does not name. A test holds the
//! built-in types against their schemas.

mod carry; // fields that a type does not have

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use carry::carry;

/// A Rust type of the plain form of a document type.
///
/// ```
/// use schemas::Typed;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Task {
///     name: String,
///     #[serde(default)]
///     done: bool,
/// }
///
/// impl Typed for Task {
///     const TYPE: &'static str = "task";
/// }
/// ```
pub trait Typed: Serialize + DeserializeOwned {
    /// The name of the document type.
    const TYPE: &'static str;
}

/// Settings, by layers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What holds everywhere.
    pub base: Layer,
    /// What holds on one platform, by its name (linux, macos, windows).
    pub platforms: BTreeMap<String, Layer>,
    /// What holds on one machine, by the name its owner gave it.
    pub machines: BTreeMap<String, Layer>,
}

/// One settings file: a key such as `editor.tabSize`, or a language such as `[rust]` with keys of its own.
pub type Layer = Map<String, Value>;

/// Key bindings in the order in which the editor tries them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keymap {
    /// The bindings.
    pub bindings: Vec<Binding>,
}

/// One key binding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The keys, as in `ctrl+k ctrl+c`.
    pub key: String,
    /// What to do; a leading `-` removes a default binding.
    pub command: String,
    /// Where it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Handed to the command as one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// What newer programs say of it.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A text with a name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Note {
    /// What it is called.
    pub name: String,
    /// The text.
    pub body: String,
}

impl Typed for Settings {
    const TYPE: &'static str = crate::settings::TYPE;
}

impl Typed for Keymap {
    const TYPE: &'static str = crate::keymap::TYPE;
}

impl Typed for Note {
    const TYPE: &'static str = "note";
}
