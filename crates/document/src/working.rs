//! Carries out intents on an Automerge document, in its open transaction.
//!
//! [`Working::examine`] says what a document has against an intent; [`Working::perform`] then carries it out and is
//! lenient, because it also replays intents at heads that their author did not see: positions are clamped and a leaf
//! of another kind is replaced, as if both had been written at the same time and this one had won.

mod manual; // fields that a person decides about

use std::collections::{HashMap, HashSet};

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, AutomergeError, ObjId, ROOT, ReadDoc as _, ScalarValue};
use serde_json::Value;

use crate::difference::{self, Splice};
use crate::error::Violation;
use crate::flat::{self, COUNTER_TAG, Leaf, TEXT_TAG};
use crate::intent::Intent;
use crate::limits::COUNTER_STEP_MAX;
use crate::manual::ManualFields;
use crate::pointer;
use crate::seed::Seed;

/// A document with an open transaction and what is known about it.
#[derive(Clone)]
pub(crate) struct Working {
    pub(crate) auto: AutoCommit,
    pub(crate) manual: ManualFields,
    /// Texts that were edited and are where they were since: nothing is above or below them. What others do to them
    /// comes with another working copy, so what is known of them need not be looked up for every keystroke.
    texts: HashMap<String, OpenText>,
    /// Counters whose tags are put in this transaction.
    counters: HashSet<String>,
    /// Bytes of the keys deleted in this transaction, which its change will name.
    pub(crate) deleted_key_bytes: usize,
}

#[derive(Clone)]
struct OpenText {
    object: ObjId,
    /// In code points.
    length: usize,
    /// Whether its tag is put in this transaction.
    is_tagged: bool,
}

impl Working {
    pub(crate) fn new(auto: AutoCommit, manual: ManualFields) -> Self {
        Self { auto, manual, texts: HashMap::new(), counters: HashSet::new(), deleted_key_bytes: 0 }
    }

    /// Forgets what holds for one transaction only.
    pub(crate) fn transaction_ended(&mut self) {
        self.texts.values_mut().for_each(|text| text.is_tagged = false);
        self.counters.clear();
        self.deleted_key_bytes = 0;
    }

    /// The seed without which `intent` cannot be carried out, if the document lacks it.
    pub(crate) fn missing_seed(&self, intent: &Intent) -> Option<Seed> {
        let (path, seed) = match intent {
            Intent::Splice { path, .. } | Intent::ReplaceText { path, .. } => {
                if self.texts.contains_key(path) {
                    return None;
                }
                (path, Seed::Text { path: path.clone() })
            }
            Intent::Increment { path, .. } => (path, Seed::Counter { path: path.clone() }),
            Intent::Put { .. } | Intent::PutRegister { .. } | Intent::Remove { .. } | Intent::Resolve { .. } => {
                return None;
            }
        };
        let present = match seed {
            Seed::Text { .. } => flat::text_object(&self.auto, path).is_some(),
            _ => flat::counter_value(&self.auto, path).is_some(),
        };
        (!present).then_some(seed)
    }

    /// What the document, as it is, has against `intent`.
    pub(crate) fn examine(&self, intent: &Intent) -> Result<(), Violation> {
        match intent {
            Intent::Put { .. } | Intent::PutRegister { .. } | Intent::Remove { .. } | Intent::Resolve { .. } => Ok(()),
            Intent::Splice { path, at, delete, .. } => {
                let length = self.text_length(path)?;
                if *at > length || *delete > length - at {
                    let problem = format!(
                        "the splice at position {at} deletes {delete} of a text of {length} code points; \
                         positions count code points and must lie within the text"
                    );
                    return Err(Violation::new(path, "out_of_range", problem));
                }
                Ok(())
            }
            Intent::ReplaceText { path, .. } => self.text_length(path).map(drop),
            Intent::Increment { path, by } => {
                self.check_kind(path, &Leaf::Counter)?;
                let absent = flat::leaf_kind(&self.auto, path) == Leaf::Absent;
                let current = if absent { 0 } else { flat::counter_value(&self.auto, path).unwrap_or(0) };
                let sum = current.checked_add(*by).filter(|sum| sum.unsigned_abs() <= COUNTER_STEP_MAX);
                sum.map(drop).ok_or_else(|| {
                    let problem = format!("{current} changed by {by} leaves the range of exact integers, 2^53");
                    Violation::new(path, "out_of_range", problem)
                })
            }
        }
    }

    fn text_length(&self, path: &str) -> Result<usize, Violation> {
        if let Some(open) = self.texts.get(path) {
            return Ok(open.length);
        }
        self.check_kind(path, &Leaf::Text)?;
        if flat::leaf_kind(&self.auto, path) == Leaf::Absent {
            return Ok(0);
        }
        Ok(flat::text_object(&self.auto, path).map_or(0, |object| self.auto.length(object)))
    }

    /// A text or counter is edited where nothing is or where one is.
    fn check_kind(&self, path: &str, wanted: &Leaf) -> Result<(), Violation> {
        let noun = if *wanted == Leaf::Text { "text" } else { "counter" };
        let found = match flat::leaf_kind(&self.auto, path) {
            _ if flat::has_below(&self.auto, path) => "an object",
            Leaf::Absent => return Ok(()),
            kind if kind == *wanted => return Ok(()),
            Leaf::Text => "a text",
            Leaf::Counter => "a counter",
            Leaf::Register | Leaf::Foreign => "a register",
        };
        let problem = format!("{found} is here, not a {noun}; remove it first, or use another path");
        Err(Violation::new(path, "wrong_kind", problem))
    }

    /// Carries `intent` out. Its seed must be present.
    pub(crate) fn perform(&mut self, intent: &Intent) -> Result<(), Violation> {
        let done = match intent {
            Intent::Put { path, value } => self.put(path, value),
            Intent::PutRegister { path, value } => self.put_register(path, value),
            Intent::Remove { path } => self.remove(path),
            Intent::Splice { path, at, delete, insert } => self.splice(path, *at, *delete, insert),
            Intent::ReplaceText { path, text } => self.replace_text(path, text),
            Intent::Increment { path, by } => self.increment(path, *by),
            Intent::Resolve { path, value, .. } => self.resolve(path, value),
        };
        done.map_err(|error| Violation::new(intent.path(), "broken", format!("the document cannot be edited: {error}")))
    }

    fn put(&mut self, path: &str, value: &Value) -> Result<(), AutomergeError> {
        match value {
            _ if self.manual.includes(path) => self.put_register(path, value),
            Value::Object(map) if path.is_empty() || !map.is_empty() => self.put_object(path, value),
            leaf => self.put_leaf(path, leaf),
        }
    }

    fn put_object(&mut self, path: &str, value: &Value) -> Result<(), AutomergeError> {
        let mut wanted = Vec::new();
        collect_leaves(path.to_owned(), value, &self.manual, &mut wanted);
        let keep: HashSet<&str> = wanted.iter().map(|(path, _)| path.as_str()).collect();
        for key in flat::keys_below(&self.auto, path) {
            if !keep.contains(key.as_str()) {
                self.delete(&key)?;
            }
        }
        wanted.iter().try_for_each(|(path, leaf)| self.put_leaf(path, leaf))
    }

    /// A string goes into the text, an integer into the counter, that is already there, so that whoever only knows the
    /// JSON need not know which leaves are texts and counters.
    fn put_leaf(&mut self, path: &str, value: &Value) -> Result<(), AutomergeError> {
        if self.manual.includes(path) {
            return self.put_register(path, value);
        }
        match (flat::leaf_kind(&self.auto, path), value) {
            (Leaf::Text, Value::String(text)) if flat::text_object(&self.auto, path).is_some() => {
                return self.replace_text(path, text);
            }
            (Leaf::Counter, Value::Number(number)) => {
                if let (Some(wanted), Some(current)) = (number.as_i64(), flat::counter_value(&self.auto, path)) {
                    return self.increment(path, wanted.saturating_sub(current));
                }
            }
            _ => {}
        }
        self.put_register(path, value)
    }

    fn put_register(&mut self, path: &str, value: &Value) -> Result<(), AutomergeError> {
        if self.manual.includes(path) && flat::get(&self.auto, path, true).as_ref() == Some(value) {
            return Ok(()); // what is shown already is no decision
        }
        self.make_room(path)?;
        self.forget(path);
        if !self.manual.is_empty() && flat::has_below(&self.auto, path) {
            return Ok(()); // a manual field stays, and with it the object that it is in
        }
        self.auto.put(ROOT, path, scalar_of(value))
    }

    /// A deletion of all values, then a put: what tells a resolution from a value that was written over others, for
    /// whoever reads the change (docs/decisions/0018-conflicts.md). A put of the same value alone would be left out.
    fn resolve(&mut self, path: &str, value: &Value) -> Result<(), AutomergeError> {
        self.make_room(path)?;
        self.forget(path);
        if flat::leaf_kind(&self.auto, path) == Leaf::Absent {
            // Somebody deleted them all, and a deletion of nothing would be left out.
            self.auto.put(ROOT, path, ScalarValue::Null)?;
        }
        self.auto.delete(ROOT, path)?;
        self.auto.put(ROOT, path, scalar_of(value))
    }

    fn remove(&mut self, path: &str) -> Result<(), AutomergeError> {
        for key in flat::keys_below(&self.auto, path) {
            self.delete(&key)?;
        }
        if path.is_empty() { Ok(()) } else { self.delete(path) }
    }

    fn splice(&mut self, path: &str, at: usize, delete: usize, insert: &str) -> Result<(), AutomergeError> {
        let OpenText { object, length, .. } = self.open_text(path)?;
        let at = at.min(length);
        let delete = delete.min(length - at);
        if delete > 0 || !insert.is_empty() {
            self.auto.splice_text(&object, at, delete as isize, insert)?;
        }
        self.set_length(path, length - delete + insert.chars().count());
        Ok(())
    }

    fn replace_text(&mut self, path: &str, text: &str) -> Result<(), AutomergeError> {
        if flat::text(&self.auto, path).is_some_and(|old| old == text) {
            return Ok(());
        }
        let OpenText { object, .. } = self.open_text(path)?;
        let old = self.auto.text(&object)?;
        for Splice { at, delete, insert } in difference::splices(&old, text) {
            self.auto.splice_text(&object, at, delete as isize, &insert)?;
        }
        self.set_length(path, text.chars().count());
        Ok(())
    }

    fn increment(&mut self, path: &str, by: i64) -> Result<(), AutomergeError> {
        let before = flat::leaf_kind(&self.auto, path);
        // A counter that was removed and is used again begins at 0.
        let stale = if before == Leaf::Counter { 0 } else { flat::counter_value(&self.auto, path).unwrap_or(0) };
        let step = by.saturating_sub(stale);
        if before == Leaf::Counter && step == 0 {
            return Ok(());
        }
        if !self.counters.contains(path) || before != Leaf::Counter {
            self.put_tag(path, COUNTER_TAG)?;
            self.counters.insert(path.to_owned());
        }
        if step == 0 { Ok(()) } else { self.auto.increment(ROOT, flat::counter_key(path), step) }
    }

    /// Makes the text at `path` present and its tag fresh; an absent one begins empty.
    fn open_text(&mut self, path: &str) -> Result<OpenText, AutomergeError> {
        if let Some(open) = self.texts.get_mut(path) {
            if !std::mem::replace(&mut open.is_tagged, true) {
                put_again(&mut self.auto, path, TEXT_TAG)?;
            }
            return Ok(open.clone());
        }
        let object = flat::text_object(&self.auto, path).ok_or(AutomergeError::InvalidIndex(0))?;
        let mut length = self.auto.length(&object);
        if flat::leaf_kind(&self.auto, path) != Leaf::Text && length > 0 {
            self.auto.splice_text(&object, 0, length as isize, "")?;
            length = 0;
        }
        self.put_tag(path, TEXT_TAG)?;
        let open = OpenText { object, length, is_tagged: true };
        self.texts.insert(path.to_owned(), open.clone());
        Ok(open)
    }

    fn set_length(&mut self, path: &str, length: usize) {
        if let Some(open) = self.texts.get_mut(path) {
            open.length = length;
        }
    }

    fn put_tag(&mut self, path: &str, tag: &[u8]) -> Result<(), AutomergeError> {
        self.make_room(path)?;
        put_again(&mut self.auto, path, tag)
    }

    /// A leaf at `path` allows no leaf above it and none below.
    fn make_room(&mut self, path: &str) -> Result<(), AutomergeError> {
        for ancestor in pointer::ancestors(path) {
            if flat::leaf_kind(&self.auto, ancestor) != Leaf::Absent {
                self.delete(ancestor)?;
            }
        }
        for key in flat::keys_below(&self.auto, path) {
            self.delete(&key)?;
        }
        Ok(())
    }

    fn delete(&mut self, key: &str) -> Result<(), AutomergeError> {
        self.forget(key);
        self.deleted_key_bytes += key.len() + 2;
        if self.manual.includes(key) {
            return self.void(key);
        }
        self.auto.delete(ROOT, key)
    }

    /// Null, not nothing: Automerge shows no conflict between a deletion and a concurrent value.
    fn void(&mut self, key: &str) -> Result<(), AutomergeError> {
        match flat::get(&self.auto, key, true) {
            None | Some(Value::Null) => Ok(()), // a put would close what is open beside it
            Some(_) => self.auto.put(ROOT, key, ScalarValue::Null),
        }
    }

    fn forget(&mut self, path: &str) {
        self.texts.remove(path);
        self.counters.remove(path);
    }
}

/// Puts a tag anew, so that an edit survives a removal that did not see it. Automerge leaves out a put of the same
/// value, therefore the deletion before.
fn put_again(auto: &mut AutoCommit, path: &str, tag: &[u8]) -> Result<(), AutomergeError> {
    auto.delete(ROOT, path)?;
    auto.put(ROOT, path, ScalarValue::Bytes(tag.to_vec()))
}

fn collect_leaves<'a>(path: String, value: &'a Value, manual: &ManualFields, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) if path.is_empty() || !(map.is_empty() || manual.includes(&path)) => {
            for (key, inner) in map {
                let mut below = path.clone();
                pointer::push(&mut below, key);
                collect_leaves(below, inner, manual, leaves);
            }
        }
        leaf => leaves.push((path, leaf)),
    }
}

fn scalar_of(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(truth) => ScalarValue::Boolean(*truth),
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ScalarValue::Int(number),
            (None, Some(number)) => ScalarValue::Uint(number),
            (None, None) => ScalarValue::F64(number.as_f64().unwrap_or_default()),
        },
        Value::Array(_) | Value::Object(_) => ScalarValue::Bytes(flat::canonical_json(value).into_bytes()),
    }
}
