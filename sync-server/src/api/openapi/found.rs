//! What queries find, as schemas.

use serde_json::{Map, Value, json};

use super::object;

/// By their names.
pub(super) fn schemas() -> Map<String, Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let id = reference("Id");
    let text_or_none = json!({"type": ["string", "null"]});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let mut found = object(json!({
        "space": id, "id": id, "title": text_or_none,
        "fields": {"type": "object", "description": "What the document is found by, by JSON Pointers into its value."},
    }));
    found["properties"]["snippet"] = reference("Snippet");
    found["properties"]["position"] = reference("Position");
    let mut placed = found.clone();
    placed["properties"]["place"] = json!({"type": "integer", "description": "In the new answer, from 0."});
    let more = json!({"type": "boolean", "description": "Whether more follow behind the page."});
    let all = json!({
        "Snippet": object(json!({
            "text": {"type": "string", "description": "A piece of the texts of the document, around what was found."},
            "hits": {
                "type": "array", "description": "Where the words are in it: begin and end, in bytes of its UTF-8.",
                "items": {"type": "array", "items": {"type": "integer"}},
            },
        })),
        "FoundDocument": found,
        "FoundPage": object(json!({"found": list("FoundDocument"), "next": text_or_none})),
        "LivePage": object(json!({"found": list("FoundDocument"), "more": more})),
        "PlacedDocument": placed,
        "RemovedDocument": object(json!({"space": id, "id": id})),
        "Difference": object(json!({
            "removed": list("RemovedDocument"), "added": list("PlacedDocument"), "moved": list("PlacedDocument"),
            "changed": list("PlacedDocument"), "more": more,
        })),
    });
    all.as_object().cloned().unwrap_or_default()
}
