//! What is said of published document types.

use serde_json::{Value, json};

use super::object;

/// By their names in the description.
pub(super) fn schemas() -> [(&'static str, Value); 5] {
    let text = json!({"type": "string"});
    let types = json!({"type": "array", "items": {"$ref": "#/components/schemas/Type"}});
    let file = [
        ("schema", json!({"type": "object", "description": "The file without its comments."})),
        ("text", json!({"type": "string", "description": "The file, byte for byte."})),
    ];
    [
        ("Type", published(&[])),
        ("TypeList", object(json!({"items": types, "next": {"type": ["string", "null"]}}))),
        ("TypeVersions", object(json!({"name": text, "versions": types}))),
        ("PublishedType", published(&file)),
        ("DocumentType", document_type()),
    ]
}

/// A version of a published type, with more fields.
fn published(more: &[(&str, Value)]) -> Value {
    let mut fields = json!({
        "name": {"type": "string"}, "version": {"type": "integer"},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "BLAKE3 of the file."},
        "bytes": {"type": "integer"},
        "time": {"type": "string", "format": "date-time", "description": "When it was published."},
    });
    more.iter().for_each(|(name, schema)| fields[*name] = schema.clone());
    object(fields)
}

/// What is published.
fn document_type() -> Value {
    json!({
        "type": "object",
        "description": "A file as docs/schemas.md teaches them; comments are taken.",
        "required": ["x-type", "x-version", "type"],
        "properties": {
            "x-type": {"type": "string", "description": "As in the path."},
            "x-version": {"type": "integer", "description": "As in the path."},
            "type": {"const": "object"},
        },
    })
}
