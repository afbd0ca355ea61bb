//! What can be said against an intent before any document is asked.

use serde_json::Value;

use crate::error::Violation;
use crate::flat::canonical_json;
use crate::intent::Intent;
use crate::limits::{COUNTER_STEP_MAX, INSERT_BYTES_MAX, REGISTER_BYTES_MAX, VALUE_DEPTH_MAX};
use crate::pointer;

/// Checks the path and the value.
pub(crate) fn intent(intent: &Intent) -> Result<(), Violation> {
    let path = intent.path();
    check_path(path)?;
    match intent {
        Intent::Put { value, .. } => put(path, value),
        Intent::PutRegister { value, .. } | Intent::Resolve { value, .. } => {
            not_the_whole(path)?;
            register(path, value)
        }
        Intent::Remove { .. } => Ok(()),
        Intent::Splice { insert: text, .. } | Intent::ReplaceText { text, .. } => {
            not_the_whole(path)?;
            within(path, "the text in bytes", text.len(), INSERT_BYTES_MAX, "insert it in parts")
        }
        Intent::Increment { by, .. } => {
            not_the_whole(path)?;
            let limit = COUNTER_STEP_MAX as usize;
            within(path, "the step", by.unsigned_abs() as usize, limit, "step in smaller steps")
        }
    }
}

fn check_path(path: &str) -> Result<(), Violation> {
    pointer::check(path).map_err(|rule| Violation::new(shorten(path), "bad_path", rule))
}

fn shorten(path: &str) -> String {
    if path.chars().count() > 120 { path.chars().take(117).chain("...".chars()).collect() } else { path.to_owned() }
}

fn not_the_whole(path: &str) -> Result<(), Violation> {
    if path.is_empty() {
        let problem = "the whole document is an object and cannot be a leaf; name a key, as in `/title`";
        return Err(Violation::new(path, "bad_path", problem));
    }
    Ok(())
}

fn within(path: &str, what: &str, found: usize, limit: usize, remedy: &str) -> Result<(), Violation> {
    if found <= limit {
        return Ok(());
    }
    Err(Violation::new(shorten(path), "too_large", format!("{what} is {found}; at most {limit} is accepted; {remedy}")))
}

fn put(path: &str, value: &Value) -> Result<(), Violation> {
    match value {
        Value::Object(map) if !map.is_empty() => {
            // Every key makes the path longer, and paths are bounded, so this recursion is.
            map.iter().try_for_each(|(key, inner)| {
                let mut below = path.to_owned();
                pointer::push(&mut below, key);
                check_path(&below)?;
                put(&below, inner)
            })
        }
        Value::Object(_) if path.is_empty() => Ok(()),
        leaf => {
            not_the_whole(path)?;
            register(path, leaf)
        }
    }
}

fn register(path: &str, value: &Value) -> Result<(), Violation> {
    if depth_exceeds(value, VALUE_DEPTH_MAX) {
        let problem = format!("the value is nested deeper than {VALUE_DEPTH_MAX} levels; flatten it");
        return Err(Violation::new(shorten(path), "too_large", problem));
    }
    let bytes = match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => canonical_json(value).len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    within(path, "the register in bytes", bytes, REGISTER_BYTES_MAX, "use a text, or split it into keys")
}

fn depth_exceeds(value: &Value, levels: usize) -> bool {
    let deeper = |inner: &Value| levels == 0 || depth_exceeds(inner, levels - 1);
    match value {
        Value::Array(items) => items.iter().any(deeper),
        Value::Object(map) => map.values().any(deeper),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
