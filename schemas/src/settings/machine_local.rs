//! Keys that stay on their machine: paths, proxies, secrets. The settings themselves say which, so that every device
//! knows it; who takes a file in leaves them out.
//!
//! The list is an ordinary setting of the base layer, `vault.machineLocal`. That of VS Code is honoured as well, so
//! what did not sync there does not begin to here.

use std::collections::BTreeMap;

use document::Intent;
use serde_json::{Map, Value};

use super::{Layer, export};
use crate::pointer::{join, unescape};

/// The settings that list them. In both a leading `-` takes an earlier one out again.
pub const LISTS: [&str; 2] = ["vault.machineLocal", "settingsSync.ignoredSettings"];
/// Most patterns that are read of one list; more than anybody writes by hand.
const PATTERNS_MAX: usize = 1000;

/// Which keys stay on their machine: keys as they are, or, with `*` at the end, everything that begins so. They hold at
/// the top of a layer and of a language in it, in every layer.
///
/// ```
/// use schemas::settings::MachineLocal;
/// let document = serde_json::json!({ "base": { "vault.machineLocal": ["http.proxy", "remote.*"] } });
/// let local = MachineLocal::of(&document);
/// assert!(local.has("http.proxy") && local.has("remote.hosts") && !local.has("http.proxyStrictSSL"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineLocal {
    /// Whether the pattern says so, by pattern.
    patterns: BTreeMap<String, Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Stays,
    Syncs,
}

impl MachineLocal {
    /// As the base layer of `document` says.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        Self::default().and(&export(&Layer::BASE, document))
    }

    /// And as `file` says of itself, which is about to become a layer. What is no list of texts says nothing.
    #[must_use]
    pub fn and(mut self, file: &Value) -> Self {
        for list in LISTS {
            let patterns = file.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            for pattern in patterns.take(PATTERNS_MAX) {
                match pattern.strip_prefix('-') {
                    Some(pattern) => self.patterns.insert(pattern.to_owned(), Said::Syncs),
                    None => self.patterns.insert(pattern.to_owned(), Said::Stays),
                };
            }
        }
        self
    }

    /// Whether `key` stays on its machine. The longest pattern that fits decides; the lists themselves always sync.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let ends = (0..=key.len()).rev().filter(|end| key.is_char_boundary(*end));
        let fitting = ends.filter_map(|end| self.patterns.get(&format!("{}*", &key[..end]))).next();
        let decided = self.patterns.get(key).or(fitting);
        decided == Some(&Said::Stays) && !LISTS.contains(&key)
    }

    /// The keys of `file` that stay, as JSON Pointers below the layer.
    #[must_use]
    pub fn keys_of(&self, file: &Value) -> Vec<String> {
        let mut keys = Vec::new();
        for (key, value) in file.as_object().into_iter().flatten() {
            if self.has(key) {
                keys.push(join("", key));
            } else if is_language(key) {
                let inside = value.as_object().into_iter().flat_map(Map::keys).filter(|inside| self.has(inside));
                keys.extend(inside.map(|inside| join(&join("", key), inside)));
            }
        }
        keys
    }

    /// What `document` holds in `layer` of keys that stay, values and looks, as JSON Pointers into it.
    #[must_use]
    pub fn paths_in(&self, layer: &Layer, document: &Value) -> Vec<String> {
        let layer_path = layer.path();
        let values = self.keys_of(&export(layer, document)).into_iter().map(|key| format!("{layer_path}{key}"));
        let looks = ["members", "repeats"].into_iter().flat_map(|kind| {
            let root = format!("{}/{kind}", join("/layout", &layer.to_string()));
            let members = document.pointer(&root).and_then(Value::as_object).into_iter().flat_map(Map::keys);
            members.map(|member| join(&root, member)).collect::<Vec<_>>()
        });
        values.chain(looks.filter(|path| self.key_of(layer, path).is_some())).collect()
    }

    /// Takes out of `intents`, which make `layer` equal to a file, what is about keys that stay: their values and the
    /// looks of them. What `layer` holds of such a key already stays as it is. The second list is what was taken out.
    #[must_use]
    pub fn keep_out(&self, layer: &Layer, intents: Vec<Intent>) -> (Vec<Intent>, Vec<Intent>) {
        intents.into_iter().partition(|intent| self.key_of(layer, intent.path()).is_none())
    }

    /// The key that stays which `path`, a path of the document, belongs to, as a JSON Pointer below the layer.
    #[must_use]
    pub fn key_of(&self, layer: &Layer, path: &str) -> Option<String> {
        if let Some(below) = below(path, &layer.path()) {
            return self.key_at(below);
        }
        let (kind, member) = below(path, &join("/layout", &layer.to_string()))?.strip_prefix('/')?.split_once('/')?;
        let member = unescape(member.split('/').next()?);
        match kind {
            "members" => self.key_at(&member),
            // A number before the pointer tells repetitions apart. They are kept as they were written, with all inside.
            "repeats" => {
                let pointer = &member[member.find('/')?..];
                let holds_any = is_language(&unescape(pointer.trim_start_matches('/'))) && !self.patterns.is_empty();
                self.key_at(pointer).or_else(|| holds_any.then(|| pointer.to_owned()))
            }
            _ => None,
        }
    }

    /// The key that stays in or at `pointer`, which is one below the layer.
    fn key_at(&self, pointer: &str) -> Option<String> {
        let mut keys = pointer.split('/').skip(1).map(unescape);
        let first = keys.next()?;
        if self.has(&first) {
            return Some(join("", &first));
        }
        let second = keys.next().filter(|second| is_language(&first) && self.has(second))?;
        Some(join(&join("", &first), &second))
    }
}

/// What follows `prefix` in a JSON Pointer: empty, or another pointer.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `[rust]` and the like, which hold keys of their own.
pub(crate) fn is_language(key: &str) -> bool {
    key.starts_with('[') && key.ends_with(']')
}
