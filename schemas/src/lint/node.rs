//! A schema together with what it refers to: what stands beside a `$ref` counts first, as in `shape`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::join;

/// A schema and, behind its `$ref`, the next ones. References were checked: they have an end.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    root: &'a Value,
    parts: Vec<(String, &'a Map<String, Value>)>,
}

/// How a value is kept in a document. A stored key never changes this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// A scalar, an array, a register: one leaf.
    Leaf,
    /// An object, leaf by leaf.
    Map,
    Text,
    Counter,
    Set,
    List,
}

impl<'a> Node<'a> {
    pub(super) fn root(root: &'a Value) -> Self {
        Self::at(root, String::new(), root)
    }

    fn at(root: &'a Value, pointer: String, schema: &'a Value) -> Self {
        let mut parts = Vec::new();
        let mut next = Some((pointer, schema));
        while let Some((pointer, schema)) = next.take() {
            let Some(schema) = schema.as_object() else { break };
            let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            next = target.and_then(|target| Some((target.to_owned(), root.pointer(target)?)));
            parts.push((pointer, schema));
        }
        Self { root, parts }
    }

    /// Where the schema itself stands.
    pub(super) fn pointer(&self) -> &str {
        self.parts.first().map_or("", |(pointer, _)| pointer)
    }

    /// A keyword, with its place.
    pub(super) fn get(&self, keyword: &str) -> Option<(String, &'a Value)> {
        self.parts.iter().find_map(|(pointer, schema)| Some((join(pointer, keyword), schema.get(keyword)?)))
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.parts.iter().any(|(_, schema)| schema.contains_key(keyword))
    }

    pub(super) fn text(&self, keyword: &str) -> Option<&'a str> {
        self.get(keyword).and_then(|(_, value)| value.as_str())
    }

    /// The fields that are named.
    pub(super) fn fields(&self) -> BTreeMap<&'a str, Self> {
        let mut fields = BTreeMap::new();
        for (pointer, schema) in &self.parts {
            let pointer = join(pointer, "properties");
            for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                fields.entry(name.as_str()).or_insert_with(|| Self::at(self.root, join(&pointer, name), field));
            }
        }
        fields
    }

    /// The key under which this field, called `name`, is stored.
    pub(super) fn stored_as(&self, name: &'a str) -> &'a str {
        // Only what stands in the field itself: a schema that several fields refer to has no key.
        let own = self.parts.first().and_then(|(_, schema)| schema.get("x-stored-as"));
        own.and_then(Value::as_str).unwrap_or(name)
    }

    /// What a keyword holds that holds one schema.
    pub(super) fn held(&self, keyword: &str) -> Option<Self> {
        self.get(keyword).map(|(pointer, schema)| Self::at(self.root, pointer, schema))
    }

    /// The names under `required`, with the place of each. The nearest list counts, and what it refers to as well.
    pub(super) fn required(&self) -> Vec<(String, &'a str)> {
        let mut names = Vec::new();
        for (pointer, schema) in &self.parts {
            let pointer = join(pointer, "required");
            for (index, name) in schema.get("required").and_then(Value::as_array).into_iter().flatten().enumerate() {
                names.extend(name.as_str().map(|name| (format!("{pointer}/{index}"), name)));
            }
        }
        names
    }

    /// The types that are allowed; nothing if the schema does not say.
    pub(super) fn types(&self) -> Option<Vec<&'a str>> {
        if let Some((_, types)) = self.get("type") {
            let several = || types.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            return Some(types.as_str().map_or_else(several, |one| vec![one]));
        }
        let listed = match (self.get("enum"), self.get("const")) {
            (Some((_, values)), _) => values.as_array().map(|values| values.iter().map(type_of).collect()),
            (None, Some((_, value))) => Some(vec![type_of(value)]),
            (None, None) => None,
        };
        listed.or_else(|| self.has("properties").then(|| vec!["object"]))
    }

    /// Every value of a type that is allowed; nothing if these are too many to name.
    pub(super) fn values_of(&self, name: &str) -> Option<Vec<Value>> {
        let is_of_it = |value: &&Value| type_of(value) == name || (name == "number" && type_of(value) == "integer");
        match (self.get("enum"), self.get("const"), name) {
            (Some((_, values)), ..) => Some(values.as_array()?.iter().filter(is_of_it).cloned().collect()),
            (None, Some((_, value)), _) => Some(Some(value).into_iter().filter(is_of_it).cloned().collect()),
            (None, None, "boolean") => Some(vec![Value::Bool(false), Value::Bool(true)]),
            (None, None, "null") => Some(vec![Value::Null]),
            (None, None, _) => None,
        }
    }

    /// The conversions of a register: what is stored, and the value that it means.
    pub(super) fn conversions(&self) -> BTreeSet<(String, String)> {
        let of = |one: &Value| Some((one.get("stored")?.to_string(), one.get("value")?.to_string()));
        let conversions = self.get("x-convert").and_then(|(_, conversions)| conversions.as_array());
        conversions.into_iter().flatten().filter_map(of).collect()
    }

    /// Whether a value may be of this type.
    pub(super) fn allows(&self, name: &str) -> bool {
        self.types().is_none_or(|types| types.contains(&name))
    }

    pub(super) fn container(&self) -> Container {
        match self.text("x-merge") {
            Some("register" | "manual") => Container::Leaf,
            Some("text") => Container::Text,
            Some("counter") => Container::Counter,
            Some("set") => Container::Set,
            Some("list") => Container::List,
            _ if self.allows("object") => Container::Map,
            _ => Container::Leaf,
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
