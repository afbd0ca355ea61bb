//! The flat form: one root map from path (JSON Pointer) to leaf, shown to everybody else as nested JSON.
//!
//! Two devices that create the same nested object offline would hide each other's content; leaves at paths merge
//! instead. A leaf is a scalar, or bytes: the tag of a text or counter (whose content is under the stored key
//! `PATH␀TYPE`), else canonical JSON of a value that merges as one register. Where a merge leaves a leaf and leaves
//! below it, the object wins. Writing is in [`crate::working`].

mod canonical;
pub(crate) mod concurrent;
mod nested;
mod past;
mod view;

use std::collections::BTreeMap;

use automerge::{
    AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue, ScalarValueRef, Value as Stored, ValueRef,
};
use serde_json::{Map, Value};

use crate::pointer;
use crate::seed::TYPE_KEY;
pub(crate) use canonical::canonical_json;
pub(crate) use past::{Content, Leaves, stored};
pub(crate) use view::View;

/// The leaf of a text. Never JSON, so no register can be mistaken for it.
pub(crate) const TEXT_TAG: &[u8] = b"text";
/// The leaf of a counter.
pub(crate) const COUNTER_TAG: &[u8] = b"counter";

pub(crate) fn text_key(path: &str) -> String {
    format!("{path}\0text")
}

pub(crate) fn counter_key(path: &str) -> String {
    format!("{path}\0counter")
}

/// What is stored at a path itself, whatever is below it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leaf {
    Absent,
    Text,
    Counter,
    /// A scalar or a compound register.
    Register,
    /// An object that the flat form does not know.
    Foreign,
}

pub(crate) fn leaf_kind(document: &AutoCommit, path: &str) -> Leaf {
    match document.get(ROOT, path) {
        Ok(Some((Stored::Scalar(scalar), _))) => match scalar.as_ref() {
            ScalarValue::Bytes(bytes) if bytes == TEXT_TAG => Leaf::Text,
            ScalarValue::Bytes(bytes) if bytes == COUNTER_TAG => Leaf::Counter,
            _ => Leaf::Register,
        },
        Ok(Some((Stored::Object(_), _))) => Leaf::Foreign,
        Ok(None) | Err(_) => Leaf::Absent,
    }
}

/// The object that holds the text of `path`, wherever the leaf stands.
pub(crate) fn text_object(document: &AutoCommit, path: &str) -> Option<ObjId> {
    match document.get(ROOT, text_key(path)).ok()?? {
        (Stored::Object(ObjType::Text), object) => Some(object),
        _ => None,
    }
}

/// The value of the counter of `path`, wherever the leaf stands.
pub(crate) fn counter_value(document: &AutoCommit, path: &str) -> Option<i64> {
    match document.get(ROOT, counter_key(path)).ok()?? {
        (Stored::Scalar(scalar), _) => match scalar.as_ref() {
            ScalarValue::Counter(counter) => Some(i64::from(counter)),
            _ => None,
        },
        (Stored::Object(_), _) => None,
    }
}

/// The text at `path`, if a text is there.
pub(crate) fn text(document: &AutoCommit, path: &str) -> Option<String> {
    if leaf_kind(document, path) != Leaf::Text || has_below(document, path) {
        return None;
    }
    document.text(text_object(document, path)?).ok()
}

/// The document type, if there is one.
pub(crate) fn type_name(document: &AutoCommit) -> Option<String> {
    match document.get(ROOT, TYPE_KEY).ok()?? {
        (Stored::Scalar(scalar), _) => scalar.as_str().map(str::to_owned),
        (Stored::Object(_), _) => None,
    }
}

/// The number at a leaf of the root, by one look; nothing if none is there.
pub(crate) fn number(document: &AutoCommit, path: &str) -> Option<u64> {
    match document.get(ROOT, path).ok()?? {
        (Stored::Scalar(scalar), _) => scalar.as_i64()?.try_into().ok(),
        (Stored::Object(_), _) => None,
    }
}

/// Whether every key of the root map is that of a leaf, so that edits can be made. An empty document is flat.
pub(crate) fn is_flat(document: &AutoCommit) -> bool {
    let before = document.map_range(ROOT, ..String::from("/")).next();
    let after = document.map_range(ROOT, String::from("0")..).next();
    before.is_none() && after.is_none()
}

/// The keys of the leaves below `path` (not of texts' and counters' content, not of the type).
pub(crate) fn keys_below(document: &AutoCommit, path: &str) -> Vec<String> {
    leaves_below(document, path).map(|(key, _)| key).collect()
}

pub(crate) fn has_below(document: &AutoCommit, path: &str) -> bool {
    leaves_below(document, path).next().is_some()
}

fn leaves_below<'a>(document: &'a AutoCommit, path: &str) -> impl Iterator<Item = (String, ValueRef<'a>)> {
    // `0` is the character after `/`, so this range holds exactly the keys that begin with `PATH/`.
    document
        .map_range(ROOT, format!("{path}/")..format!("{path}0"))
        // A key beyond the bounds of a path was not written by us, and its depth could exhaust the stack.
        .filter(|item| pointer::check(&item.key).is_ok())
        .map(|item| (item.key.into_owned(), item.value))
}

/// The whole document as nested JSON, without its type.
pub(crate) fn value(document: &AutoCommit) -> Value {
    if !is_flat(document) {
        return nested::read(document, &ROOT, ObjType::Map);
    }
    assemble(
        "",
        leaves_below(document, "").map(|(key, stored)| {
            let leaf = read_leaf(document, &key, stored);
            (key, leaf)
        }),
    )
    .unwrap_or_else(|| Value::Object(Map::new()))
}

/// The value at `path`, or `None` if nothing is there.
pub(crate) fn get(document: &AutoCommit, path: &str, flat: bool) -> Option<Value> {
    if path.is_empty() {
        return Some(value(document));
    }
    if !flat {
        return nested::get(document, path);
    }
    if pointer::check(path).is_err() {
        return None;
    }
    let below = leaves_below(document, path).map(|(key, stored)| {
        let leaf = read_leaf(document, &key, stored);
        (key, leaf)
    });
    assemble(path, below).or_else(|| {
        let (stored, object) = document.get(ROOT, path).ok()??;
        Some(match stored {
            Stored::Object(kind) => nested::read(document, &object, kind),
            Stored::Scalar(scalar) => match scalar.as_ref() {
                ScalarValue::Bytes(bytes) => bytes_leaf(document, path, bytes),
                other => nested::scalar(other),
            },
        })
    })
}

fn read_leaf(document: &AutoCommit, key: &str, stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Object(kind) => match document.get(ROOT, key) {
            Ok(Some((_, object))) => nested::read(document, &object, kind),
            _ => Value::Null,
        },
        ValueRef::Scalar(ScalarValueRef::Bytes(bytes)) => bytes_leaf(document, key, &bytes),
        ValueRef::Scalar(scalar) => nested::scalar_ref(&scalar),
    }
}

fn bytes_leaf(document: &AutoCommit, path: &str, bytes: &[u8]) -> Value {
    match bytes {
        TEXT_TAG => Value::String(read_text(document, path)),
        COUNTER_TAG => Value::from(counter_value(document, path).unwrap_or_default()),
        // What is not JSON was not written by us: it is kept, and shown as null.
        json => serde_json::from_slice(json).unwrap_or(Value::Null),
    }
}

fn read_text(document: &AutoCommit, path: &str) -> String {
    text_object(document, path).and_then(|object| document.text(&object).ok()).unwrap_or_default()
}

/// The object at `path` made of leaves below it, if there are any.
fn assemble(path: &str, leaves: impl Iterator<Item = (String, Value)>) -> Option<Value> {
    let mut root = Node::default();
    for (key, leaf) in leaves {
        root.insert(&key[path.len()..], leaf);
    }
    (!root.children.is_empty()).then(|| root.into_value())
}

/// A place in the nested form while it is put together.
#[derive(Default)]
struct Node {
    leaf: Option<Value>,
    children: BTreeMap<String, Self>,
}

impl Node {
    fn insert(&mut self, path: &str, leaf: Value) {
        let mut node = self;
        for key in pointer::keys(path) {
            node = node.children.entry(key.into_owned()).or_default();
        }
        node.leaf = Some(leaf);
    }

    /// The object wins over a leaf at the same place. The depth is bounded by that of a path.
    fn into_value(self) -> Value {
        if self.children.is_empty() {
            return self.leaf.unwrap_or(Value::Null);
        }
        Value::Object(self.children.into_iter().map(|(key, node)| (key, node.into_value())).collect())
    }
}
