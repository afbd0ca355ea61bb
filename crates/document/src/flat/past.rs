//! The leaves of a document now or at earlier heads, taken out of Automerge, to be compared with each other.

use std::collections::BTreeMap;

use automerge::{
    AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValueRef, Value as Stored, ValueRef,
};
use serde_json::{Map, Value};

use super::{COUNTER_TAG, TEXT_TAG, assemble, counter_key, nested, text_key};
use crate::pointer;

/// What a leaf holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Register(Value),
    Text(String),
    Counter(i64),
    /// An object that the flat form does not know. Two of them are not told apart.
    Foreign,
}

impl Content {
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Register(value) => value.clone(),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Counter(number) => Value::from(*number),
            Self::Foreign => Value::Null,
        }
    }
}

/// Leaves by path.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Leaves(pub(crate) BTreeMap<String, Content>);

impl Leaves {
    /// All that is stored: now, or at heads that the document has. What a merge left beside leaves below it is there.
    pub(crate) fn read(document: &AutoCommit, heads: Option<&[ChangeHash]>) -> Self {
        if heads.is_some_and(<[_]>::is_empty) {
            return Self::default();
        }
        let leaf = |(key, value, _): (String, ValueRef<'_>, ObjId)| {
            let content = content(document, &key, &value, heads);
            (key, content)
        };
        Self(stored(document, heads).map(leaf).collect())
    }

    /// Those of a document that nests as its authors like.
    pub(crate) fn of_nested(value: &Value) -> Self {
        let mut leaves = BTreeMap::new();
        flatten(String::new(), value, &mut leaves);
        Self(leaves)
    }

    /// Without the leaves that others below hide.
    pub(crate) fn visible(mut self) -> Self {
        let hidden: Vec<_> = self.0.keys().filter(|path| self.has_below(path)).cloned().collect();
        for path in hidden {
            self.0.remove(&path);
        }
        self
    }

    pub(crate) fn has_below(&self, path: &str) -> bool {
        self.0.range(format!("{path}/")..format!("{path}0")).next().is_some()
    }

    /// Whether a leaf stands on the way to `path`.
    pub(crate) fn has_above(&self, path: &str) -> bool {
        pointer::ancestors(path).any(|above| self.0.contains_key(above))
    }

    /// The document as nested JSON.
    pub(crate) fn to_value(&self) -> Value {
        let leaves = self.0.iter().map(|(path, content)| (path.clone(), content.to_value()));
        assemble("", leaves).unwrap_or_else(|| Value::Object(Map::new()))
    }
}

/// Path, value and operation of every leaf that is stored.
pub(crate) fn stored<'a>(
    document: &'a AutoCommit,
    heads: Option<&[ChangeHash]>,
) -> impl Iterator<Item = (String, ValueRef<'a>, ObjId)> {
    // `0` is the character after `/`.
    let range = String::from("/")..String::from("0");
    let items = match heads {
        Some(heads) => document.map_range_at(ROOT, range, heads),
        None => document.map_range(ROOT, range),
    };
    items.filter(|item| pointer::check(&item.key).is_ok()).map(|item| {
        let operation = item.id();
        (item.key.into_owned(), item.value, operation)
    })
}

fn content(document: &AutoCommit, path: &str, stored: &ValueRef<'_>, heads: Option<&[ChangeHash]>) -> Content {
    let ValueRef::Scalar(scalar) = stored else { return Content::Foreign };
    match scalar {
        ScalarValueRef::Bytes(bytes) if bytes.as_ref() == TEXT_TAG => Content::Text(text(document, path, heads)),
        ScalarValueRef::Bytes(bytes) if bytes.as_ref() == COUNTER_TAG => {
            Content::Counter(counter(document, path, heads))
        }
        // As everywhere: what is not JSON is kept, and shown as null.
        ScalarValueRef::Bytes(bytes) => Content::Register(serde_json::from_slice(bytes).unwrap_or(Value::Null)),
        other => Content::Register(nested::scalar_ref(other)),
    }
}

fn text(document: &AutoCommit, path: &str, heads: Option<&[ChangeHash]>) -> String {
    let Some((Stored::Object(ObjType::Text), object)) = get(document, text_key(path), heads) else {
        return String::new();
    };
    let text = match heads {
        Some(heads) => document.text_at(&object, heads),
        None => document.text(&object),
    };
    text.unwrap_or_default()
}

fn counter(document: &AutoCommit, path: &str, heads: Option<&[ChangeHash]>) -> i64 {
    match get(document, counter_key(path), heads) {
        Some((Stored::Scalar(scalar), _)) => nested::scalar(&scalar).as_i64().unwrap_or_default(),
        _ => 0,
    }
}

fn get<'a>(document: &'a AutoCommit, key: String, heads: Option<&[ChangeHash]>) -> Option<(Stored<'a>, ObjId)> {
    let found = match heads {
        Some(heads) => document.get_at(ROOT, key, heads),
        None => document.get(ROOT, key),
    };
    found.ok().flatten()
}

/// The depth is bounded by that of admitted documents.
fn flatten(path: String, value: &Value, leaves: &mut BTreeMap<String, Content>) {
    match value {
        Value::Object(map) if path.is_empty() || !map.is_empty() => {
            for (key, inner) in map {
                let mut below = path.clone();
                pointer::push(&mut below, key);
                flatten(below, inner, leaves);
            }
        }
        leaf => {
            leaves.insert(path, Content::Register(leaf.clone()));
        }
    }
}
