//! A reader's copy of the leaves, for documents that are read more often than they change.
//!
//! Automerge finds a key by scanning a compressed column, which costs microseconds; editors look up settings on every
//! keystroke. After a few reads without a change the leaves are copied once. Texts are not: they are read where they
//! are, so that the copy costs what the settings cost, not what the prose does.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use automerge::{AutoCommit, ScalarValueRef, ValueRef};
use serde_json::{Map, Value};

use super::{TEXT_TAG, assemble, leaves_below, read_leaf, read_text};
use crate::pointer;

/// Reads without a change before the copy is made.
const READS_BEFORE_COPY: u32 = 8;

/// Leaves by path; `None` for a text.
type Leaves = BTreeMap<String, Option<Value>>;

/// The copy, if it is there. Whoever changes the document must say so with [`View::changed`].
#[derive(Debug, Default)]
pub(crate) struct View {
    reads: AtomicU32,
    leaves: OnceLock<Leaves>,
}

impl Clone for View {
    fn clone(&self) -> Self {
        Self { reads: AtomicU32::new(0), leaves: self.leaves.clone() }
    }
}

impl View {
    pub(crate) fn changed(&mut self) {
        self.leaves.take();
        *self.reads.get_mut() = 0;
    }

    /// The value at `path` of a document in flat form.
    pub(crate) fn get(&self, document: &AutoCommit, path: &str) -> Option<Value> {
        match self.leaves(document) {
            Some(leaves) => get(leaves, document, path),
            None => super::get(document, path, true),
        }
    }

    /// The whole of a document in flat form.
    pub(crate) fn value(&self, document: &AutoCommit) -> Value {
        match self.leaves(document) {
            Some(leaves) => below(leaves, document, "").unwrap_or_else(|| Value::Object(Map::new())),
            None => super::value(document),
        }
    }

    /// How many leaves are copied.
    pub(crate) fn len(&self) -> usize {
        self.leaves.get().map_or(0, BTreeMap::len)
    }

    fn leaves(&self, document: &AutoCommit) -> Option<&Leaves> {
        if let Some(leaves) = self.leaves.get() {
            return Some(leaves);
        }
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        (reads >= READS_BEFORE_COPY).then(|| self.leaves.get_or_init(|| copy(document)))
    }
}

fn copy(document: &AutoCommit) -> Leaves {
    let leaves = leaves_below(document, "").map(|(key, stored)| match &stored {
        ValueRef::Scalar(ScalarValueRef::Bytes(bytes)) if bytes.as_ref() == TEXT_TAG => (key, None),
        _ => {
            let leaf = read_leaf(document, &key, stored);
            (key, Some(leaf))
        }
    });
    leaves.collect()
}

fn get(leaves: &Leaves, document: &AutoCommit, path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(below(leaves, document, path).unwrap_or_else(|| Value::Object(Map::new())));
    }
    if pointer::check(path).is_err() {
        return None;
    }
    below(leaves, document, path).or_else(|| leaves.get(path).map(|leaf| read(leaf.as_ref(), document, path)))
}

fn below(leaves: &Leaves, document: &AutoCommit, path: &str) -> Option<Value> {
    let range = leaves.range(format!("{path}/")..format!("{path}0"));
    assemble(path, range.map(|(key, leaf)| (key.clone(), read(leaf.as_ref(), document, key))))
}

fn read(leaf: Option<&Value>, document: &AutoCommit, path: &str) -> Value {
    leaf.cloned().unwrap_or_else(|| Value::String(read_text(document, path)))
}
