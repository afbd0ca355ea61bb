//! Values that were written to one leaf concurrently, and what a merge left beside leaves below it.

use std::collections::BTreeSet;

use automerge::{AutoCommit, ObjId, ROOT, ReadDoc as _, ScalarValue, Value as Stored};
use serde_json::Value;
use sync_wire::ChangeHash;

use super::{assemble, bytes_leaf, leaves_below, nested, read_leaf};
use crate::pointer;

/// One value, and the operation that wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) value: Value,
    pub(crate) operation: ObjId,
}

/// All values of the leaf at `path`: the one that is shown first, the others from the newest operation to the oldest.
/// An object made of leaves below it is one of them, and is shown.
pub(crate) fn values(document: &AutoCommit, path: &str) -> Vec<Written> {
    if pointer::check(path).is_err() || path.is_empty() {
        return Vec::new();
    }
    let mut values = document.get_all(ROOT, path).unwrap_or_default();
    // Automerge shows the newest by counter and actor.
    values.sort_by(|(_, left), (_, right)| right.cmp(left));
    let values = values.into_iter().map(|(stored, operation)| {
        let value = value_of(document, path, &stored, &operation);
        Written { value, operation }
    });
    object_at(document, path).into_iter().chain(values).collect()
}

/// The leaves with values that were not the same at these heads, and the changes that had written them.
pub(crate) fn open_at(document: &AutoCommit, heads: &[automerge::ChangeHash]) -> Vec<(String, Vec<ChangeHash>)> {
    let several = document.map_range_at(ROOT, String::from("/")..String::from("0"), heads).filter(|item| item.conflict);
    let open = several.filter(|item| pointer::check(&item.key).is_ok()).filter_map(|item| {
        let values = document.get_all_at(ROOT, item.key.as_ref(), heads).ok()?;
        let is_open = values.iter().any(|(value, _)| *value != values[0].0);
        let hash = |(_, operation): &(Stored<'_>, ObjId)| Some(ChangeHash(document.hash_for_opid(operation)?.0));
        is_open.then(|| (item.key.to_string(), values.iter().filter_map(hash).collect()))
    });
    open.collect()
}

/// Whether two of them are not the same.
pub(crate) fn differ(values: &[Written]) -> bool {
    values.iter().any(|written| written.value != values[0].value)
}

/// The paths of leaves that have several values, or leaves below them; ascending. What is there may be all the same.
pub(crate) fn paths(document: &AutoCommit) -> BTreeSet<String> {
    let (mut all, mut several) = (BTreeSet::new(), BTreeSet::new());
    // `0` is the character after `/`.
    for item in document.map_range(ROOT, String::from("/")..String::from("0")) {
        if pointer::check(&item.key).is_err() {
            continue;
        }
        if item.conflict {
            several.insert(item.key.clone().into_owned());
        }
        all.insert(item.key.into_owned());
    }
    let above = all.iter().flat_map(|path| pointer::ancestors(path)).filter(|above| all.contains(*above));
    several.extend(above.map(str::to_owned));
    several
}

/// The object made of the leaves below `path`, with the newest operation that wrote one of them.
fn object_at(document: &AutoCommit, path: &str) -> Option<Written> {
    let leaves = leaves_below(document, path).map(|(key, stored)| {
        let leaf = read_leaf(document, &key, stored);
        (key, leaf)
    });
    let leaves: Vec<_> = leaves.collect();
    let operations = leaves.iter().filter_map(|(key, _)| Some(document.get(ROOT, key.as_str()).ok()??.1));
    let operation = operations.max()?;
    Some(Written { value: assemble(path, leaves.into_iter())?, operation })
}

/// What a scalar says that stood in a leaf once; nothing for the tag of a text or counter, whose content is elsewhere.
pub(crate) fn register_of(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
        other => Some(nested::scalar(other)),
    }
}

fn value_of(document: &AutoCommit, path: &str, stored: &Stored<'_>, operation: &ObjId) -> Value {
    match stored {
        Stored::Object(kind) => nested::read(document, operation, *kind),
        Stored::Scalar(scalar) => match scalar.as_ref() {
            ScalarValue::Bytes(bytes) => bytes_leaf(document, path, bytes),
            other => nested::scalar(other),
        },
    }
}
