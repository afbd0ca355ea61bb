//! A schema compiled to what merging needs: for each field, how it merges and under which key it is stored.
//!
//! Only the structure counts here (`properties`, `additionalProperties`, `items`, local `$ref`); everything else of
//! JSON Schema is the validator's business.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// Deepest nesting of `$ref`, `properties` and `items` in a schema. Deeper ones, and those without an end, are refused.
pub(crate) const SHAPE_DEPTH_MAX: usize = 32;

/// What applies where a schema says nothing: objects leaf by leaf, everything else as a register.
pub(crate) static FREE: LazyLock<Shape> = LazyLock::new(Shape::default);

/// How concurrent values of a field become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Merge {
    /// Nothing said: objects merge as maps, everything else as registers.
    #[default]
    Natural,
    /// The last writer wins, the value is one leaf whatever its type.
    Register,
    /// One leaf as well; what was written concurrently waits for a person.
    Manual,
    /// Letter by letter.
    Text,
    /// By adding.
    Counter,
    /// Strings as keys.
    Set,
    /// Objects as keyed items with an order.
    List,
}

/// How documents are found by a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// Equal to or between values, and in their order.
    Value,
    /// By words.
    Text,
}

/// How the parts of a value merge, and what else its schema says of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) merge: Merge,
    /// `x-index`.
    pub(crate) index: Option<Index>,
    /// `x-public`; holds for what is below as well.
    pub(crate) is_public: bool,
    /// Whether the object names its keys and says nothing of others: then an absent unknown key means "I do not know
    /// it", not "remove it".
    pub(crate) is_record: bool,
    fields: BTreeMap<String, Field>,
    others: Option<Box<Self>>,
    items: Option<Box<Self>>,
    /// The fields that every object must have; they tell the items of a list apart.
    pub(crate) required: Vec<String>,
    /// `x-limit`.
    pub(crate) bytes_max: Option<usize>,
    /// `x-limit`.
    pub(crate) items_max: Option<usize>,
    /// `x-convert`: of a register, each value with what is stored for it.
    converts: Vec<(Value, Value)>,
}

#[derive(Debug, Clone)]
struct Field {
    stored_as: String,
    shape: Shape,
}

impl Shape {
    /// Compiles a schema that the meta-schema has passed.
    pub(crate) fn compile(schema: &Value) -> Self {
        compile(schema, schema, 0)
    }

    /// Compiles `schema`, which is a part of `root`.
    pub(crate) fn within(root: &Value, schema: &Value) -> Self {
        compile(root, schema, 0)
    }

    /// How the value at `key` merges.
    pub(crate) fn at(&self, key: &str) -> &Self {
        match self.fields.get(key) {
            Some(field) => &field.shape,
            None => self.others.as_deref().unwrap_or(&FREE),
        }
    }

    /// How the items of a list or set merge.
    pub(crate) fn items(&self) -> &Self {
        self.items.as_deref().unwrap_or(&FREE)
    }

    /// Whether the schema names `key`.
    pub(crate) fn names(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Whether it, or anything inside, merges so.
    pub(crate) fn has(&self, merge: Merge) -> bool {
        let inside = self.fields.values().map(|field| &field.shape);
        let inside = inside.chain(self.others.as_deref()).chain(self.items.as_deref());
        self.merge == merge || inside.into_iter().any(|shape| shape.has(merge))
    }

    /// Whether the schema says what items are.
    pub(crate) const fn has_items(&self) -> bool {
        self.items.is_some()
    }

    /// Whether it, or anything inside, is for everybody.
    pub(crate) fn has_public(&self) -> bool {
        let inside = self.fields.values().map(|field| &field.shape);
        let mut inside = inside.chain(self.others.as_deref()).chain(self.items.as_deref());
        self.is_public || inside.any(Self::has_public)
    }

    /// The fields that the schema names: each name, the key under which it is stored, and its shape.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str, &Self)> {
        self.fields.iter().map(|(name, field)| (name.as_str(), field.stored_as.as_str(), &field.shape))
    }

    /// Whether every value is stored as it is written.
    pub(crate) fn is_stored_plain(&self) -> bool {
        let fields = self.fields.iter().all(|(name, field)| *name == field.stored_as && field.shape.is_stored_plain());
        let inner = [&self.others, &self.items].into_iter().flatten().all(|shape| shape.is_stored_plain());
        !matches!(self.merge, Merge::List | Merge::Set) && self.converts.is_empty() && fields && inner
    }

    /// What a stored register is called now: earlier versions of the type had another name for it.
    pub(crate) fn converted<'a>(&'a self, stored: &'a Value) -> &'a Value {
        self.converts.iter().find(|(_, from)| from == stored).map_or(stored, |(value, _)| value)
    }

    /// What is stored for the value of a register, where `current` is stored now. What is called so already stays,
    /// whoever wrote it.
    pub(crate) fn stored_value<'a>(&'a self, current: Option<&'a Value>, value: &'a Value) -> &'a Value {
        let stays = current.filter(|current| self.converted(current) == value);
        let convert = || self.converts.iter().find(|(known, _)| known == value).map_or(value, |(_, stored)| stored);
        stays.unwrap_or_else(convert)
    }

    /// The key under which `key` is stored.
    pub(crate) fn stored_key<'a>(&'a self, key: &'a str) -> &'a str {
        self.fields.get(key).map_or(key, |field| &field.stored_as)
    }

    /// The key that is stored under `stored`.
    pub(crate) fn plain_key<'a>(&'a self, stored: &'a str) -> &'a str {
        match self.fields.iter().find(|(_, field)| field.stored_as == stored) {
            Some((name, _)) => name,
            None => stored,
        }
    }
}

fn compile(root: &Value, schema: &Value, depth: usize) -> Shape {
    let Some(schema) = schema.as_object() else { return Shape::default() };
    if depth > SHAPE_DEPTH_MAX {
        return Shape::default();
    }
    let mut shape = referenced(root, schema, depth);
    if let Some(merge) = schema.get("x-merge").and_then(Value::as_str) {
        shape.merge = merge_named(merge);
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let stored_as = field.get("x-stored-as").and_then(Value::as_str).unwrap_or(name).to_owned();
        shape.fields.insert(name.clone(), Field { stored_as, shape: compile(root, field, depth + 1) });
        shape.is_record = true;
    }
    if let Some(others) = schema.get("additionalProperties") {
        shape.others = Some(Box::new(compile(root, others, depth + 1)));
        shape.is_record = false;
    }
    if let Some(items) = schema.get("items") {
        shape.items = Some(Box::new(compile(root, items, depth + 1)));
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    shape.required.extend(required.filter_map(Value::as_str).map(str::to_owned));
    shape.index = schema.get("x-index").and_then(Value::as_str).map(index_named).or(shape.index);
    shape.is_public = schema.get("x-public").and_then(Value::as_bool).unwrap_or(shape.is_public);
    shape.bytes_max = limit(schema, "bytes").or(shape.bytes_max);
    shape.items_max = limit(schema, "items").or(shape.items_max);
    let converts = schema.get("x-convert").and_then(Value::as_array).into_iter().flatten();
    shape.converts.extend(converts.filter_map(|one| Some((one.get("value")?.clone(), one.get("stored")?.clone()))));
    shape
}

/// The shape behind a local `$ref`, to which the keywords beside it are added.
fn referenced(root: &Value, schema: &Map<String, Value>, depth: usize) -> Shape {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    match target.and_then(|pointer| root.pointer(pointer)) {
        Some(target) => compile(root, target, depth + 1),
        None => Shape::default(),
    }
}

fn merge_named(name: &str) -> Merge {
    match name {
        "register" => Merge::Register,
        "manual" => Merge::Manual,
        "text" => Merge::Text,
        "counter" => Merge::Counter,
        "set" => Merge::Set,
        "list" => Merge::List,
        _ => Merge::Natural,
    }
}

fn index_named(name: &str) -> Index {
    if name == "text" { Index::Text } else { Index::Value }
}

fn limit(schema: &Map<String, Value>, unit: &str) -> Option<usize> {
    schema.get("x-limit")?.get(unit)?.as_u64().and_then(|max| usize::try_from(max).ok())
}
