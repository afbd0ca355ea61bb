//! Reads documents of others, which nest as they like, without Automerge's unbounded recursion.

use automerge::{
    AutoCommit, ObjId, ObjType, Prop, ROOT, ReadDoc as _, ScalarValue, ScalarValueRef, Value as Stored, ValueRef,
};
use serde_json::{Map, Number, Value};

use crate::limits::OBJECT_DEPTH_MAX;
use crate::pointer;

/// The JSON of an object. What is nested deeper than any admitted change could nest it is shown as null.
pub(super) fn read(document: &AutoCommit, object: &ObjId, kind: ObjType) -> Value {
    read_to(document, object, kind, OBJECT_DEPTH_MAX + 1)
}

fn read_to(document: &AutoCommit, object: &ObjId, kind: ObjType, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    let child = |value: ValueRef<'_>, id: ObjId| match value {
        ValueRef::Object(kind) => read_to(document, &id, kind, depth),
        ValueRef::Scalar(scalar) => scalar_ref(&scalar),
    };
    match kind {
        ObjType::Map | ObjType::Table => {
            let entries = document.map_range(object, ..).map(|item| {
                let id = item.id();
                (item.key.into_owned(), child(item.value, id))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        ObjType::List => {
            let items = document.list_range(object, ..).map(|item| {
                let id = item.id();
                child(item.value, id)
            });
            Value::Array(items.collect())
        }
        ObjType::Text => Value::String(document.text(object).unwrap_or_default()),
    }
}

/// Follows a JSON Pointer through maps and lists.
pub(super) fn get(document: &AutoCommit, path: &str) -> Option<Value> {
    if !path.starts_with('/') {
        return None;
    }
    let (mut object, mut kind) = (ROOT, ObjType::Map);
    let mut keys = pointer::keys(path).peekable();
    while let Some(key) = keys.next() {
        let prop: Prop = match kind {
            ObjType::Map | ObjType::Table => key.as_ref().into(),
            ObjType::List => key.parse::<usize>().ok()?.into(),
            ObjType::Text => return None,
        };
        let (stored, id) = document.get(&object, prop).ok()??;
        match stored {
            Stored::Object(next) if keys.peek().is_some() => (object, kind) = (id, next),
            Stored::Object(next) => return Some(read(document, &id, next)),
            Stored::Scalar(value) => return keys.peek().is_none().then(|| scalar(&value)),
        }
    }
    None
}

pub(super) fn scalar(value: &ScalarValue) -> Value {
    match value {
        ScalarValue::Bytes(bytes) => Value::from(bytes.as_slice()),
        ScalarValue::Str(text) => Value::from(text.as_str()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Value::from(*number),
        ScalarValue::Uint(number) => Value::from(*number),
        ScalarValue::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ScalarValue::Counter(counter) => Value::from(i64::from(counter)),
        ScalarValue::Boolean(truth) => Value::from(*truth),
        ScalarValue::Unknown { .. } | ScalarValue::Null => Value::Null,
    }
}

pub(super) fn scalar_ref(value: &ScalarValueRef<'_>) -> Value {
    match value {
        ScalarValueRef::Bytes(bytes) => Value::from(bytes.as_ref()),
        ScalarValueRef::Str(text) => Value::from(text.as_ref()),
        ScalarValueRef::Int(number) | ScalarValueRef::Timestamp(number) => Value::from(*number),
        ScalarValueRef::Uint(number) => Value::from(*number),
        ScalarValueRef::F64(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        ScalarValueRef::Counter(number) => Value::from(*number),
        ScalarValueRef::Boolean(truth) => Value::from(*truth),
        ScalarValueRef::Unknown { .. } | ScalarValueRef::Null => Value::Null,
    }
}
