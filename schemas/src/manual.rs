//! Fields about which a person decides when they were written concurrently (`x-merge: manual`, PROTOCOL §7).
//!
//! One that is removed is stored as null, because a deletion beside a concurrent value would leave no trace. In the
//! plain form it is absent, and so is an object of which nothing else is left.

use document::ManualFields;
use serde_json::{Map, Value};

use crate::list;
use crate::pointer::{join, keys};
use crate::shape::{Merge, Shape};
use crate::{DocumentType, Violation};

impl DocumentType {
    /// Whether the leaf at `stored_path` (JSON Pointer of the stored form) is such a field. What lies below one is part
    /// of its value.
    ///
    /// ```
    /// assert!(!schemas::Registry::builtin().get("note").is_some_and(|note| note.is_manual("/body")));
    /// ```
    #[must_use]
    pub fn is_manual(&self, stored_path: &str) -> bool {
        is_manual(self.shape(), stored_path)
    }

    /// Whether the type has such fields at all.
    #[must_use]
    pub fn has_manual(&self) -> bool {
        self.shape().has(Merge::Manual)
    }

    /// The same, and the version and major version, for those who hold a document of the type.
    #[must_use]
    pub fn manual_fields(&self) -> ManualFields {
        let fields = if self.has_manual() {
            let shape = self.shared_shape();
            ManualFields::of(&self.name, move |path| is_manual(&shape, path))
        } else {
            ManualFields::none_of(&self.name)
        };
        let fields = fields.of_version(self.version).up_to_major(self.major);
        if self.authority { fields.written_by_relay() } else { fields }
    }

    /// Where the stored leaf at `stored_path` is in the plain form of the document `stored`: fields under their present
    /// names, items of a list by their places. An item that is not there keeps its id.
    #[must_use]
    pub fn plain_path(&self, stored: &Value, stored_path: &str) -> String {
        let (mut shape, mut value, mut plain) = (Some(self.shape()), Some(stored), String::new());
        for key in keys(stored_path) {
            let fields = value.and_then(Value::as_object);
            plain = match shape {
                Some(shape) if shape.merge == Merge::List => {
                    let place = fields.and_then(|fields| place(shape, fields, &key));
                    join(&plain, &place.map_or_else(|| key.clone(), |place| place.to_string()))
                }
                Some(shape) => join(&plain, shape.plain_key(&key)),
                None => join(&plain, &key),
            };
            shape = shape.and_then(|shape| below(shape, &key));
            value = fields.and_then(|fields| fields.get(&key));
        }
        plain
    }

    /// What a value breaks that a person puts into the field at `stored_path` of the document `stored` to resolve a
    /// conflict. What is wrong elsewhere in the document is no matter of his decision; null removes the field.
    ///
    /// ```
    /// let profile = schemas::Registry::builtin().get("profile").unwrap();
    /// let stored = serde_json::json!({ "handle": "ada" });
    /// assert!(profile.check_decision(&stored, "/handle", &"lovelace".into()).is_empty());
    /// assert_eq!(profile.check_decision(&stored, "/handle", &7.into())[0].path, "/handle");
    /// ```
    #[must_use]
    pub fn check_decision(&self, stored: &Value, stored_path: &str, value: &Value) -> Vec<Violation> {
        if value.is_null() {
            return Vec::new();
        }
        let (path, mut wanted) = (self.plain_path(stored, stored_path), self.plain(stored));
        put(&mut wanted, &path, value.clone());
        let mut violations = self.check(&wanted);
        let is_inside = |rest: &str| rest.is_empty() || rest.starts_with('/');
        violations.retain(|violation| violation.path.strip_prefix(&path).is_some_and(is_inside));
        violations
    }
}

fn is_manual(root: &Shape, stored_path: &str) -> bool {
    let mut shape = root;
    for key in keys(stored_path) {
        match below(shape, &key) {
            Some(inner) => shape = inner,
            None => return false,
        }
    }
    !stored_path.is_empty() && shape.merge == Merge::Manual
}

/// Puts a value into plain JSON. Objects on the way are made; where a list has no such item nothing happens.
fn put(wanted: &mut Value, path: &str, value: Value) {
    let mut place = wanted;
    for key in keys(path) {
        let inner = match place {
            Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
            Value::Object(fields) => Some(fields.entry(key).or_insert_with(|| Value::Object(Map::new()))),
            _ => None,
        };
        match inner {
            Some(inner) => place = inner,
            None => return,
        }
    }
    *place = value;
}

/// The shape of what is stored under a key of a value of this shape.
fn below<'a>(shape: &'a Shape, stored_key: &str) -> Option<&'a Shape> {
    match shape.merge {
        Merge::Natural => Some(shape.at(shape.plain_key(stored_key))),
        Merge::List => Some(shape.items()),
        Merge::Register | Merge::Manual | Merge::Text | Merge::Counter | Merge::Set => None,
    }
}

fn place(shape: &Shape, fields: &Map<String, Value>, id: &str) -> Option<usize> {
    list::ids_in_order(shape, fields).position(|found| found == id)
}

/// Whether there is nothing to remove in a stored value. A list of removed items is one that was emptied: it is shown,
/// but nothing can be done about it.
pub(crate) fn is_removed(shape: &Shape, stored: &Value) -> bool {
    match (shape.merge, stored) {
        (Merge::List, Value::Object(items)) => {
            !items.is_empty() && items.values().all(|item| is_void(shape.items(), item))
        }
        _ => is_void(shape, stored),
    }
}

/// Whether nothing is left of a stored value but fields that were removed.
pub(crate) fn is_void(shape: &Shape, stored: &Value) -> bool {
    match (shape.merge, stored) {
        (Merge::Manual, value) => value.is_null(),
        (Merge::Natural, Value::Object(fields)) => {
            let is_void = |(key, value): (&String, &Value)| is_void(shape.at(shape.plain_key(key)), value);
            !fields.is_empty() && fields.iter().all(is_void)
        }
        _ => false,
    }
}
