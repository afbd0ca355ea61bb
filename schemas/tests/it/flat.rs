//! A document in the flat form as PROTOCOL §1 words it, small enough to be obviously right: a map from path to leaf.

use std::collections::BTreeMap;

use schemas::{Intent, escape, join};
use serde_json::{Map, Value, json};

#[derive(Default)]
pub(crate) struct Flat(BTreeMap<String, Value>);

impl Flat {
    pub(crate) fn holding(value: &Value) -> Self {
        let mut flat = Self::default();
        flat.put("", value);
        flat
    }

    pub(crate) fn apply(&mut self, intents: &[Intent]) {
        for intent in intents {
            match intent {
                Intent::Put { path, value } => self.put(path, value),
                Intent::PutRegister { path, value } => self.leaf(path, value),
                Intent::Remove { path } => self.remove(path),
                Intent::ReplaceText { path, text } => self.leaf(path, &json!(text)),
                Intent::Increment { path, by } => {
                    let now = self.0.get(path).and_then(Value::as_i64).unwrap_or(0);
                    self.leaf(path, &json!(now + by));
                }
                Intent::Splice { .. } | Intent::Resolve { .. } => panic!("a plan has no splices and resolves nothing"),
            }
        }
    }

    pub(crate) fn value(&self) -> Value {
        let mut root = Value::Object(Map::new());
        for (path, leaf) in &self.0 {
            let mut place = &mut root;
            for key in path.split('/').skip(1) {
                let key = key.replace("~1", "/").replace("~0", "~");
                place = place.as_object_mut().expect("nothing lies below a leaf").entry(key).or_insert(json!({}));
            }
            *place = leaf.clone();
        }
        root
    }

    fn put(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.remove(path);
                for (key, value) in fields {
                    self.put(&join(path, key), value);
                }
            }
            leaf if !path.is_empty() => self.leaf(path, leaf),
            _ => {}
        }
    }

    fn leaf(&mut self, path: &str, leaf: &Value) {
        self.remove(path);
        for (at, _) in path.match_indices('/').skip(1) {
            self.0.remove(&path[..at]);
        }
        self.0.insert(path.to_owned(), leaf.clone());
    }

    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.0.retain(|leaf, _| leaf != path && !leaf.starts_with(&below));
    }
}

/// One line per intent, to compare with.
pub(crate) fn lines(intents: &[Intent]) -> Vec<String> {
    intents
        .iter()
        .map(|intent| match intent {
            Intent::Put { path, value } => format!("put {path} {value}"),
            Intent::PutRegister { path, value } => format!("register {path} {value}"),
            Intent::Remove { path } => format!("remove {path}"),
            Intent::ReplaceText { path, text } => format!("text {path} {text:?}"),
            Intent::Increment { path, by } => format!("add {path} {by}"),
            Intent::Splice { path, .. } => format!("splice {path}"),
            Intent::Resolve { path, .. } => format!("resolve {path}"),
        })
        .collect()
}

#[test]
fn the_model_nests_what_it_keeps_flat() {
    let value = json!({"a": {"b/c": 1, "~": {}}, "d": [1, {"e": 2}]});
    let flat = Flat::holding(&value);
    assert_eq!(flat.value(), value);
    assert_eq!(flat.0.keys().collect::<Vec<_>>(), ["/a/b~1c", "/a/~0", "/d"]);
    assert_eq!(escape("b/c"), "b~1c");
}
