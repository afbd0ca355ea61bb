//! What is to change, as a request says it: a merge patch (RFC 7396) or a JSON patch (RFC 6902) of the plain form.
//!
//! A JSON patch can copy what it has copied, so both how large and how deep it makes a document are looked at before
//! every step: a value that is too deep could not even be dropped.

use json_patch::PatchOperation;
use serde_json::Value;

/// Steps of one JSON patch.
pub const PATCH_STEPS_MAX: usize = 1_000;
/// Bytes, roughly, that the steps of one JSON patch may move, copy and add together.
const MOVED_BYTES_MAX: usize = 16 << 20;
/// What a value costs beside its text.
const VALUE_BYTES: usize = 8;
/// Deepest nesting of a document.
const DEPTH_MAX: usize = document::limits::VALUE_DEPTH_MAX;

/// See the file's head.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// What is there is merged, what is null is removed.
    Merge(Value),
    /// Step by step, all or none.
    Steps(Vec<PatchOperation>),
}

/// Why a patch does not apply to this document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// There is nothing at a path, or something else than what was expected.
    #[error("step {step} at {path:?}: {problem}; read the document again and say what is to change of that")]
    Inapplicable {
        /// Its number, from 0.
        step: usize,
        /// The path of the step.
        path: String,
        /// The rule.
        problem: String,
    },
    /// The result would be too large.
    #[error("step {step} would make the document too large: all steps move at most {MOVED_BYTES_MAX} bytes")]
    TooLarge {
        /// Its number, from 0.
        step: usize,
    },
    /// The result would be too deep.
    #[error("step {step} would nest the document deeper than {DEPTH_MAX}: flatten it")]
    TooDeep {
        /// Its number, from 0.
        step: usize,
    },
}

impl Patch {
    /// Reads a merge patch.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn merge(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body).map(Self::Merge)
    }

    /// Reads a JSON patch.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn steps(body: &[u8]) -> Result<Self, serde_json::Error> {
        let steps: Vec<PatchOperation> = serde_json::from_slice(body)?;
        if steps.len() > PATCH_STEPS_MAX {
            let rule = format!("{} steps; at most {PATCH_STEPS_MAX} are taken at once", steps.len());
            return Err(serde::de::Error::custom(rule));
        }
        Ok(Self::Steps(steps))
    }

    /// Changes a document.
    ///
    /// # Errors
    /// [`PatchError`]; what became of the document is of no use then.
    pub fn apply(&self, document: &mut Value) -> Result<(), PatchError> {
        match self {
            Self::Merge(patch) => json_patch::merge(document, patch),
            Self::Steps(steps) => {
                let mut room = MOVED_BYTES_MAX;
                for (step, operation) in steps.iter().enumerate() {
                    take_step(document, step, operation, &mut room)?;
                }
            }
        }
        Ok(())
    }
}

fn take_step(
    document: &mut Value,
    step: usize,
    operation: &PatchOperation,
    room: &mut usize,
) -> Result<(), PatchError> {
    let moved = match operation {
        PatchOperation::Add(add) => Some(&add.value),
        PatchOperation::Replace(replace) => Some(&replace.value),
        PatchOperation::Copy(copy) => document.pointer(copy.from.as_str()),
        PatchOperation::Move(moving) => document.pointer(moving.from.as_str()),
        PatchOperation::Test(_) | PatchOperation::Remove(_) => None,
    };
    if let Some(value) = moved {
        let (bytes, depth) = weigh(value);
        *room = room.checked_sub(bytes).ok_or(PatchError::TooLarge { step })?;
        if operation.path().count() + depth > DEPTH_MAX {
            return Err(PatchError::TooDeep { step });
        }
    }
    json_patch::patch_unsafe(document, std::slice::from_ref(operation)).map_err(|error| PatchError::Inapplicable {
        step,
        path: error.path.to_string(),
        problem: error.kind.to_string(),
    })
}

/// How large a value is, roughly, and how deep. No document is deeper than one that was parsed, so this may recurse.
fn weigh(value: &Value) -> (usize, usize) {
    let inside = |values: &mut dyn Iterator<Item = (usize, &Value)>| {
        values.fold((VALUE_BYTES, 0), |(bytes, depth), (key, value)| {
            let (more, deeper) = weigh(value);
            (bytes + key + more, depth.max(deeper))
        })
    };
    let (bytes, depth) = match value {
        Value::Object(fields) => inside(&mut fields.iter().map(|(key, value)| (key.len(), value))),
        Value::Array(items) => inside(&mut items.iter().map(|value| (0, value))),
        Value::String(text) => return (VALUE_BYTES + text.len(), 0),
        Value::Null | Value::Bool(_) | Value::Number(_) => return (VALUE_BYTES, 0),
    };
    (bytes, depth + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(steps: &Value, document: Value) -> Result<Value, PatchError> {
        let mut document = document;
        Patch::steps(steps.to_string().as_bytes()).unwrap().apply(&mut document).map(|()| document)
    }

    #[test]
    fn a_merge_patch_removes_what_is_null_and_keeps_what_it_does_not_name() {
        let patch = Patch::merge(br#"{"a":{"b":null,"c":3},"d":[1]}"#).unwrap();
        let mut document = json!({"a": {"b": 1, "x": 2}, "e": 5});
        patch.apply(&mut document).unwrap();
        assert_eq!(document, json!({"a": {"c": 3, "x": 2}, "d": [1], "e": 5}));
    }

    #[test]
    fn steps_are_taken_in_order_and_the_first_that_cannot_be_is_named() {
        let steps = json!([
            {"op": "test", "path": "/a", "value": 1},
            {"op": "add", "path": "/list/-", "value": 3},
            {"op": "move", "from": "/a", "path": "/b"},
        ]);
        let document = json!({"a": 1, "list": [1, 2]});
        assert_eq!(apply(&steps, document.clone()), Ok(json!({"b": 1, "list": [1, 2, 3]})));
        for (steps, step, path) in [
            (json!([{"op": "test", "path": "/a", "value": 2}]), 0, "/a"),
            (json!([{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/a"}]), 1, "/a"),
            (json!([{"op": "add", "path": "/x/y", "value": 2}]), 0, "/x/y"),
        ] {
            let error = apply(&steps, document.clone()).unwrap_err();
            let PatchError::Inapplicable { step: found, path: at, .. } = error else { panic!("{error:?}") };
            assert_eq!((found, at.as_str()), (step, path));
        }
    }

    #[test]
    fn a_patch_that_doubles_the_document_again_and_again_ends_before_it_is_large() {
        let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
        let steps = Value::Array(vec![double; 40]);
        let document = json!({"a": ["x".repeat(100_000)]});
        assert!(matches!(apply(&steps, document), Err(PatchError::TooLarge { .. } | PatchError::TooDeep { .. })));
        let wide: Vec<Value> =
            (0..200).map(|at| json!({"op": "copy", "from": "/a", "path": format!("/b{at}")})).collect();
        let large = json!({"a": "x".repeat(100_000)});
        assert!(matches!(apply(&Value::Array(wide), large), Err(PatchError::TooLarge { step: 167 })));
    }

    #[test]
    fn a_patch_that_nests_what_it_has_nested_ends_at_the_depth_of_a_document() {
        let deeper = json!([{"op": "move", "from": "/a", "path": "/b"}, {"op": "add", "path": "/a", "value": {}},
                            {"op": "move", "from": "/b", "path": "/a/a"}]);
        let steps: Vec<Value> = deeper.as_array().unwrap().iter().cycle().take(999).cloned().collect();
        assert!(matches!(apply(&Value::Array(steps), json!({"a": 1})), Err(PatchError::TooDeep { .. })));
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        let many = Value::Array(vec![json!({"op": "remove", "path": "/a"}); PATCH_STEPS_MAX + 1]).to_string();
        for body in ["", "{}", "[1]", r#"[{"op":"jump","path":"/a"}]"#, r#"[{"op":"add","path":"a","value":1}]"#, &many]
        {
            assert!(Patch::steps(body.as_bytes()).is_err(), "{body:.60}");
        }
        assert!(Patch::merge(b"{").is_err());
        assert!(Patch::merge("[".repeat(100_000).as_bytes()).is_err(), "however deep");
    }
}
