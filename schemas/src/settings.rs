//! Settings files and their layers.
//!
//! A settings document has one object per layer: `/base/…`, `/platforms/NAME/…`, `/machines/NAME/…`. A settings
//! file is one layer. In a layer `editor.tabSize` is a key like any other, and `"[rust]"` is a language with keys of
//! its own.

mod machine_local; // what does not sync

use std::fmt;
use std::str::FromStr;

use document::Intent;
use serde_json::{Map, Value};

use crate::pointer::join;
use crate::violation::{Rule, Violation};
use crate::{DocumentType, Registry};

pub(crate) use machine_local::is_language;
pub use machine_local::{LISTS as MACHINE_LOCAL_LISTS, MachineLocal};

/// The name of the document type.
pub const TYPE: &str = "settings";

/// Longest name of a platform or machine, in bytes.
const LAYER_NAME_BYTES_MAX: usize = 128;

/// One layer of settings. Written `base`, `platforms/NAME` or `machines/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layer(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Base,
    Platform(String),
    Machine(String),
}

/// A text that names no layer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a layer: write base, platforms/NAME or machines/NAME, where NAME has 1 to {LAYER_NAME_BYTES_MAX} \
     bytes without / and control characters"
)]
pub struct ParseLayerError {
    text: String,
}

impl Layer {
    /// What holds everywhere.
    pub const BASE: Self = Self(Place::Base);

    /// Reads `base`, `platforms/NAME` or `machines/NAME`.
    ///
    /// # Errors
    /// [`ParseLayerError`] for anything else, and for names over 128 bytes or with `/` or control characters.
    pub fn parse(text: &str) -> Result<Self, ParseLayerError> {
        let wrong = || ParseLayerError { text: text.chars().take(80).collect() };
        let name = |name: &str| {
            let is_name = (1..=LAYER_NAME_BYTES_MAX).contains(&name.len());
            let is_plain = !name.contains(|c: char| c == '/' || c.is_control());
            if is_name && is_plain { Ok(name.to_owned()) } else { Err(wrong()) }
        };
        match text.split_once('/') {
            None if text == "base" => Ok(Self::BASE),
            Some(("platforms", platform)) => name(platform).map(|name| Self(Place::Platform(name))),
            Some(("machines", machine)) => name(machine).map(|name| Self(Place::Machine(name))),
            _ => Err(wrong()),
        }
    }

    /// Where the layer lies in the document, as a JSON Pointer.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.0 {
            Place::Base => "/base".to_owned(),
            Place::Platform(name) => join("/platforms", name),
            Place::Machine(name) => join("/machines", name),
        }
    }
}

impl FromStr for Layer {
    type Err = ParseLayerError;

    fn from_str(text: &str) -> Result<Self, ParseLayerError> {
        Self::parse(text)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Base => f.write_str("base"),
            Place::Platform(name) => write!(f, "platforms/{name}"),
            Place::Machine(name) => write!(f, "machines/{name}"),
        }
    }
}

/// What `key` addresses in a layer, as a JSON Pointer below [`Layer::path`]: a literal top-level key, or, when it
/// begins with `/` and the layer has no such literal key, a pointer.
///
/// ```
/// use schemas::settings::resolve;
/// assert_eq!(resolve(None, "editor.tabSize"), "/editor.tabSize");
/// assert_eq!(resolve(None, "/[rust]/editor.tabSize"), "/[rust]/editor.tabSize");
/// assert_eq!(resolve(None, "a/b"), "/a~1b");
/// ```
#[must_use]
pub fn resolve(layer_value: Option<&Value>, key: &str) -> String {
    let is_literal = !key.starts_with('/') || layer_value.is_some_and(|layer| layer.get(key).is_some());
    if is_literal { join("", key) } else { key.to_owned() }
}

/// The edit that makes `layer` equal to the settings file `file`; what is only in the document is removed, other
/// layers stay.
///
/// # Errors
/// If `file` is no object, or the rules it breaks.
pub fn import(layer: &Layer, current: &Value, file: &Value) -> Result<Vec<Intent>, Vec<Violation>> {
    if !file.is_object() {
        let rule = Rule::File { expected: "an object of settings" };
        return Err(vec![Violation::new("", file, rule, "put { } around them")]);
    }
    document_type().plan(current, &with_layer(layer, current, file))
}

/// The settings file of `layer`: an empty object if there is none.
#[must_use]
pub fn export(layer: &Layer, document: &Value) -> Value {
    document.pointer(&layer.path()).cloned().unwrap_or_else(|| Value::Object(Map::new()))
}

/// The document as it would be with `file` as its layer.
fn with_layer(layer: &Layer, current: &Value, file: &Value) -> Value {
    let mut wanted = current.as_object().cloned().unwrap_or_default();
    let (group, name) = match &layer.0 {
        Place::Base => {
            wanted.insert("base".to_owned(), file.clone());
            return Value::Object(wanted);
        }
        Place::Platform(name) => ("platforms", name),
        Place::Machine(name) => ("machines", name),
    };
    let mut layers = wanted.get(group).and_then(Value::as_object).cloned().unwrap_or_default();
    layers.insert(name.clone(), file.clone());
    wanted.insert(group.to_owned(), Value::Object(layers));
    Value::Object(wanted)
}

fn document_type() -> &'static DocumentType {
    Registry::builtin().get(TYPE).unwrap_or_else(|| unreachable!("settings is a built-in type"))
}
