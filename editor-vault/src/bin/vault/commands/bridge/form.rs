//! What the file holds: one layer of the settings, or the keymap.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use editor_vault::Intent;
use schemas::jsonc::Note;
use schemas::layout::{self, ImportError};
use schemas::settings::{Layer, MACHINE_LOCAL_LISTS, MachineLocal};
use schemas::{keymap, settings};
use serde_json::Value;

use crate::cli::{BridgeArguments, FileKind};
use crate::commands::import::layer_of_keymap;
use crate::failure::Failure;

use super::base;

/// The kind of the file and, of settings, the layer.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Settings(Layer),
    Keymap,
}

impl Form {
    pub(super) fn of(arguments: &BridgeArguments) -> Result<Self, Failure> {
        let kind = arguments.kind.unwrap_or_else(|| kind_of(&arguments.file));
        match (kind, arguments.layer.named()) {
            (FileKind::Keymap, Some(layer)) => Err(layer_of_keymap(layer)),
            (FileKind::Keymap, None) => Ok(Self::Keymap),
            (FileKind::Settings, _) => Ok(Self::Settings(arguments.layer.or_base())),
        }
    }

    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Settings(_) => settings::TYPE,
            Self::Keymap => keymap::TYPE,
        }
    }

    /// The file as the document has it.
    pub(super) fn export(&self, document: &Value) -> String {
        match self {
            Self::Settings(layer) => layout::export(layer, document),
            Self::Keymap => layout::keymap::export(document),
        }
    }

    /// What `text` changes about the file that `document` makes.
    pub(super) fn import(&self, document: &Value, text: &str) -> Result<(Vec<Intent>, Vec<Note>), ImportError> {
        match self {
            Self::Settings(layer) => layout::import(layer, document, text),
            Self::Keymap => layout::keymap::import(document, text),
        }
    }

    /// Only what the file is made of: the values and their layout.
    pub(super) fn part(&self, document: &Value) -> Value {
        let layout = |name: &str| format!("/layout/{}", name.replace('~', "~0").replace('/', "~1"));
        let pointers = match self {
            Self::Settings(layer) => [layer.path(), layout(&layer.to_string())],
            Self::Keymap => ["/bindings".to_owned(), layout("bindings")],
        };
        let mut part = Value::Object(serde_json::Map::new());
        for pointer in pointers {
            if let Some(value) = document.pointer(&pointer) {
                base::put(&mut part, &pointer, value.clone());
            }
        }
        part
    }

    /// What of `intents` is for the vault, and what is about keys that stay on this machine, as the vault says once
    /// they are applied to `document`.
    pub(super) fn split(&self, document: &Value, intents: Vec<Intent>) -> (Vec<Intent>, Vec<Intent>) {
        let Self::Settings(layer) = self else { return (intents, Vec::new()) };
        let after = base::after(document, &intents);
        MachineLocal::of(after.as_ref().unwrap_or(document)).keep_out(layer, intents)
    }

    /// The keys that stay on this machine among those that `intents` are about.
    pub(super) fn keys(&self, document: &Value, intents: &[Intent]) -> BTreeSet<String> {
        let Self::Settings(layer) = self else { return BTreeSet::new() };
        let local = MachineLocal::of(document);
        intents.iter().filter_map(|intent| local.key_of(layer, intent.path())).collect()
    }

    /// The file as it is to be: what `document` says, but for keys that stay on this machine, which are as in `file`.
    pub(super) fn with_local(&self, document: &Value, file: &Value) -> Value {
        let mut part = self.part(document);
        let Self::Settings(layer) = self else { return part };
        for path in MachineLocal::of(document).paths_in(layer, &part) {
            base::take_out(&mut part, &path);
        }
        self.put_local(&mut part, document, file);
        // Beside the layer, so that it is known later by which list the file was written.
        for list in MACHINE_LOCAL_LISTS.map(|list| schemas::join(&Layer::BASE.path(), list)) {
            if let Some(value) = document.pointer(&list) {
                base::put(&mut part, &list, value.clone());
            }
        }
        part
    }

    /// Only the keys that stay on this machine, as they are in `file`.
    pub(super) fn only_local(&self, document: &Value, file: &Value) -> Value {
        let mut part = Value::Object(serde_json::Map::new());
        self.put_local(&mut part, document, file);
        part
    }

    fn put_local(&self, part: &mut Value, document: &Value, file: &Value) {
        let Self::Settings(layer) = self else { return };
        for path in MachineLocal::of(document).paths_in(layer, file) {
            base::put(part, &path, file.pointer(&path).cloned().unwrap_or_default());
        }
    }

    /// The edit that gives `document` what `file` holds of keys that stayed on this machine and do so no more: those
    /// that the list in `before` has, and that in `document` has not.
    pub(super) fn released(&self, document: &Value, before: &Value, file: &Value) -> Vec<Intent> {
        let Self::Settings(layer) = self else { return Vec::new() };
        let now = MachineLocal::of(document);
        let is_new = |path: &String| now.key_of(layer, path).is_none() && document.pointer(path).is_none();
        let paths = MachineLocal::of(before).paths_in(layer, file).into_iter().filter(is_new);
        let put = |path: String| Some(Intent::Put { value: file.pointer(&path)?.clone(), path });
        paths.filter_map(put).collect()
    }

    /// Whether the file of `document` holds no values.
    pub(super) fn has_no_values(&self, document: &Value) -> bool {
        let value = match self {
            Self::Settings(layer) => settings::export(layer, document),
            Self::Keymap => keymap::export(document),
        };
        value.as_object().is_none_or(|values| values.is_empty()) && value.as_array().is_none_or(Vec::is_empty)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(layer) => write!(f, "settings ({layer})"),
            Self::Keymap => f.write_str("keymap"),
        }
    }
}

/// `keymap.json`, `keybindings.json` and the like are keymaps, everything else settings.
fn kind_of(file: &Path) -> FileKind {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if name.contains("keymap") || name.contains("keybinding") { FileKind::Keymap } else { FileKind::Settings }
}
