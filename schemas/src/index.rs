//! What documents of a type are found by: the fields that their schema gives an index, and what stands in them.
//!
//! A field has a path in the plain form, which may differ between versions of a type, and one in the stored form, which
//! never does. An index hangs on the stored one, so that releases that share a file share their indexes too.

use serde_json::Value;

use crate::pointer::join;
use crate::shape::{Index, Merge, Shape};

/// Most indexes of one type; what a schema declares beyond them is not indexed.
pub const INDEXES_MAX: usize = 32;
/// Most members of one set that are indexed.
pub const MEMBERS_MAX: usize = 1000;

/// What an index holds of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKind {
    /// Its value: a string, a number, a boolean or null. Anything else counts as no value.
    Value,
    /// Each member of a set.
    Members,
    /// The words of a text.
    Text,
}

/// An index, by the stored form of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredIndex {
    /// JSON Pointer into the stored form.
    pub path: String,
    /// What it holds.
    pub kind: IndexKind,
}

/// A field that a schema gives an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedField {
    /// JSON Pointer into the plain form: what people and queries call it.
    pub path: String,
    /// What is kept of it.
    pub index: StoredIndex,
}

impl StoredIndex {
    /// The values by which a document is found, of which `get` reads stored values: one, or those of a set. Empty: it
    /// has no value there.
    #[must_use]
    pub fn values(&self, get: impl FnOnce(&str) -> Option<Value>) -> Vec<Value> {
        match (self.kind, get(&self.path)) {
            (IndexKind::Value, Some(value)) if !value.is_object() && !value.is_array() => vec![value],
            (IndexKind::Members, Some(Value::Object(members))) => {
                members.into_iter().take(MEMBERS_MAX).map(|(member, _)| Value::from(member)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The text in which words are looked for.
    #[must_use]
    pub fn text(&self, get: impl FnOnce(&str) -> Option<Value>) -> Option<String> {
        match (self.kind, get(&self.path)) {
            (IndexKind::Text, Some(Value::String(text))) => Some(text),
            _ => None,
        }
    }
}

/// The indexes that a schema declares, and the one of its title.
pub(crate) fn of(shape: &Shape, title: Option<&str>) -> Vec<IndexedField> {
    let mut found = Vec::new();
    collect(shape, ("", ""), &mut found);
    if let Some(path) = title.filter(|path| !has(&found, path, IndexKind::Value)) {
        let stored =
            path.split('/').skip(1).map(unescape).fold(String::new(), |at, key| join(&at, shape.stored_key(&key)));
        let index = StoredIndex { path: stored, kind: IndexKind::Value };
        found.insert(0, IndexedField { path: path.to_owned(), index });
    }
    found.truncate(INDEXES_MAX);
    found
}

fn has(found: &[IndexedField], path: &str, kind: IndexKind) -> bool {
    found.iter().any(|field| field.path == path && field.index.kind == kind)
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// Goes into named fields only: what has no name of its own (items, other keys) has no index of its own either.
fn collect(shape: &Shape, (plain, stored): (&str, &str), found: &mut Vec<IndexedField>) {
    for (name, stored_as, field) in shape.fields() {
        if found.len() >= INDEXES_MAX {
            return;
        }
        let (path, below) = (join(plain, name), join(stored, stored_as));
        if let Some(kind) = kind(field) {
            found.push(IndexedField { path: path.clone(), index: StoredIndex { path: below.clone(), kind } });
        }
        if field.merge == Merge::Natural {
            collect(field, (&path, &below), found);
        }
    }
}

fn kind(field: &Shape) -> Option<IndexKind> {
    match (field.index?, field.merge) {
        (_, Merge::List) => None,
        (Index::Text, _) => Some(IndexKind::Text),
        (Index::Value, Merge::Set) => Some(IndexKind::Members),
        (Index::Value, _) => Some(IndexKind::Value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(schema: &Value, title: Option<&str>) -> Vec<(String, String, IndexKind)> {
        let fields = of(&Shape::compile(schema), title);
        fields.into_iter().map(|field| (field.path, field.index.path, field.index.kind)).collect()
    }

    #[test]
    fn indexes_are_those_of_named_fields_and_of_the_title() {
        let schema = json!({ "properties": {
            "name": { "type": "string", "x-stored-as": "title" },
            "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set", "x-index": "value" },
            "rows": { "type": "array", "items": { "type": "object", "properties": { "x": { "x-index": "value" } } },
                "x-merge": "list", "x-index": "value" },
            "deep": { "properties": { "a/b": { "x-index": "text", "x-stored-as": "ab" } } },
            "free": { "additionalProperties": { "x-index": "value" } },
        } });
        let of_name = ("/name".to_owned(), "/title".to_owned(), IndexKind::Value);
        let of_tags = ("/tags".to_owned(), "/tags".to_owned(), IndexKind::Members);
        let of_text = ("/deep/a~1b".to_owned(), "/deep/ab".to_owned(), IndexKind::Text);
        assert_eq!(declared(&schema, Some("/name")), [of_name, of_text.clone(), of_tags.clone()]);
        assert_eq!(declared(&schema, None), [of_text, of_tags]);
    }

    #[test]
    fn a_type_has_a_bounded_number_of_indexes() {
        let field = |number: usize| (format!("f{number:02}"), json!({ "x-index": "value" }));
        let schema = |fields: usize| json!({ "properties": (0..fields).map(field).collect::<serde_json::Map<_, _>>() });
        for (fields, expected) in [(INDEXES_MAX, INDEXES_MAX), (INDEXES_MAX + 1, INDEXES_MAX)] {
            assert_eq!(declared(&schema(fields), None).len(), expected);
        }
        assert_eq!(declared(&schema(INDEXES_MAX), Some("/title"))[0].0, "/title", "the title always has one");
    }

    #[test]
    fn what_cannot_be_put_in_order_is_no_value() {
        let index = StoredIndex { path: "/a".into(), kind: IndexKind::Value };
        let values = |value: Value| index.values(|path| value.pointer(path).cloned());
        assert_eq!(values(json!({ "a": 1 })), [json!(1)]);
        assert_eq!(values(json!({ "a": null })), [Value::Null]);
        for other in [json!({}), json!({ "a": [1] }), json!({ "a": { "b": 1 } })] {
            assert!(values(other).is_empty());
        }
        let members = StoredIndex { path: "/a".into(), kind: IndexKind::Members };
        assert_eq!(members.values(|_| Some(json!({ "x": true, "y": true }))), [json!("x"), json!("y")]);
    }
}
