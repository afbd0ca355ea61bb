//! What requests carry beside path and query: headers and bodies, by the name of the operation.

use serde_json::{Value, json};

/// The headers that an operation takes.
pub(super) fn headers(operation: &str) -> Vec<Value> {
    let version = header(
        "If-Match",
        true,
        "The version that the request is about: the `ETag` that was read, or `*` for whatever is there.",
        r#"^(\*|(W/)?"[0-9a-f]{16}:[0-9]{1,12}(-[0-9a-z]+)?")$"#,
    );
    let key = header(
        "Idempotency-Key",
        false,
        "Makes the request safe to repeat for a day: it is done once, and a repetition is answered with what became of it.",
        r"^[!#-\[\]-~]{1,128}$",
    );
    match operation {
        "patchDocument" | "deleteDocument" => vec![version, key],
        "createDocument" | "restoreDocument" | "resolveConflict" | "putHandle" | "resubmitRefused" => vec![key],
        _ => Vec::new(),
    }
}

fn header(name: &str, is_required: bool, description: &str, pattern: &str) -> Value {
    let schema = json!({"type": "string", "pattern": pattern});
    json!({"name": name, "in": "header", "required": is_required, "description": description, "schema": schema})
}

/// The body that an operation takes.
pub(super) fn body(operation: &str) -> Option<Value> {
    let reference = |name: &str| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
    let content = match operation {
        "patchDocument" => json!({
            "application/merge-patch+json": {"schema": {"type": "object", "description": "RFC 7396."}},
            "application/json-patch+json": reference("JsonPatch"),
        }),
        "createDocument" => json!({"application/json": reference("NewDocument")}),
        "signIn" => json!({"application/json": reference("SignIn")}),
        "showPresence" => json!({"application/json": reference("ShowPresence")}),
        "resolveConflict" => json!({"application/json": reference("Decision")}),
        "putHandle" => json!({"application/json": reference("NewHandle")}),
        "publishType" => json!({"application/json": reference("DocumentType")}),
        _ => return None,
    };
    Some(json!({"required": true, "content": content}))
}

pub(super) fn new_document() -> Value {
    let known = schemas::Registry::builtin();
    let is_written = |name: &&str| known.get(name).is_some_and(|known| !known.authority);
    let types: Vec<&str> = known.names().filter(is_written).collect();
    json!({
        "type": "object",
        "required": ["type"],
        "additionalProperties": false,
        "properties": {
            "type": {
                "description": "The document type: one that the relay knows.",
                "anyOf": [{"enum": types}, {"type": "string", "description": "One that was published: `listTypes`."}],
            },
            "value": {"type": "object", "description": "What it says beside the defaults of its type."},
        },
    })
}

pub(super) fn new_handle() -> Value {
    json!({
        "type": "object",
        "required": ["handle"],
        "additionalProperties": false,
        "properties": {
            "handle": {
                "type": ["string", "null"], "pattern": "^[a-z0-9][a-z0-9-]{0,38}$",
                "description": "The short name; null gives up the one that the space has.",
            },
        },
    })
}

pub(super) fn show_presence() -> Value {
    let most = sync_wire::limits::PRESENCE_BYTES_MAX;
    json!({
        "type": "object",
        "required": ["content"],
        "additionalProperties": false,
        "properties": {
            "content": {"description": format!("Whatever the others are shown; at most {most} bytes as JSON.")},
        },
    })
}

pub(super) fn decision() -> Value {
    let change = json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "The `change` of a value."});
    json!({
        "type": "object",
        "required": ["stored_path", "seen"],
        "additionalProperties": false,
        "properties": {
            "stored_path": {"type": "string", "description": "As in the conflict."},
            "seen": {
                "type": "array", "minItems": 1, "items": change,
                "description": "All values that the person weighed; if others are open, nothing is decided.",
            },
            "keep": change,
            "value": {"description": "Another value in place of `keep`; null removes the field."},
        },
        "oneOf": [{"required": ["keep"]}, {"required": ["value"]}],
    })
}

pub(super) fn json_patch() -> Value {
    let pointer = json!({"type": "string", "pattern": "^(/([^~/]|~[01])*)*$", "description": "RFC 6901."});
    let step = |operations: Value, required: Value| {
        json!({
            "type": "object",
            "required": required,
            "properties": {"op": {"enum": operations}, "path": pointer, "from": pointer, "value": {}},
        })
    };
    json!({
        "type": "array",
        "description": "RFC 6902, on the value of the document.",
        "maxItems": crate::relay::author::patch::PATCH_STEPS_MAX,
        "items": {"oneOf": [
            step(json!(["add", "replace", "test"]), json!(["op", "path", "value"])),
            step(json!(["remove"]), json!(["op", "path"])),
            step(json!(["move", "copy"]), json!(["op", "path", "from"])),
        ]},
    })
}
