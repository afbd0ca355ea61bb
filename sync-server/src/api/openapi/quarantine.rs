//! What is said of refused changes.

use serde_json::{Value, json};

use super::object;

/// By their names in the description.
pub(super) fn schemas() -> [(&'static str, Value); 7] {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let text_or_none = json!({"type": ["string", "null"]});
    let waiting = object(json!({
        "batches": {"type": "integer", "description": "Stored batches of the account, which have yet to be checked."},
        "bytes": {"type": "integer"},
        "since": {"type": ["string", "null"], "format": "date-time"},
    }));
    let value = object(json!({
        "path": {"type": "string", "description": "JSON Pointer into the value of the document."},
        "before": {"description": "What its author saw; null if nothing was there."},
        "after": {"description": "What its author made of it; null if it was removed."},
    }));
    [
        ("RefusedChange", object(refused_change())),
        ("Waiting", waiting),
        (
            "Quarantine",
            object(json!({"items": list("RefusedChange"), "next": text_or_none, "waiting": reference("Waiting")})),
        ),
        ("RefusedValue", value),
        ("Refused", refused()),
        ("RefusedEdit", refused_edit()),
        ("ExportedEdit", exported_edit()),
    ]
}

fn refused_change() -> Value {
    let (id, text) = (json!({"$ref": "#/components/schemas/Id"}), json!({"type": "string"}));
    json!({
        "document": id, "hash": text, "device": id, "batch": text,
        "code": {"type": "string", "description": "The word of the protocol for the rule."},
        "culprit": {"type": ["string", "null"], "description": "The change at fault, if that is another one."},
        "detail": text, "time": {"type": "string", "format": "date-time"},
        "final": {"type": "boolean", "description": "Else it may be pushed again without the culprit."},
        "bytes": {"type": ["integer", "null"], "description": "Its size, while its bytes are kept."},
    })
}

/// One of its members.
fn refused() -> Value {
    json!({
        "type": "object",
        "description": "One of its members is there.",
        "properties": {
            "values": {"type": "array", "items": {"$ref": "#/components/schemas/RefusedValue"}},
            "unreadable": {"type": "string", "description": "Why the values cannot be told here."},
            "deletion": {"type": "boolean", "description": "It deleted the document; of vaults."},
            "restoration": {"type": "boolean", "description": "It restored the document; of vaults."},
        },
    })
}

fn refused_edit() -> Value {
    let text_or_none = json!({"type": ["string", "null"]});
    let mut members = refused_change();
    for (name, schema) in [
        ("type", text_or_none.clone()),
        ("title", text_or_none),
        ("remedy", json!({"type": "string", "description": "What can be done, for people."})),
        (
            "continued_by",
            json!({
                "type": ["string", "null"],
                "description": "The change with which its device has said anew what could be kept of it.",
            }),
        ),
        (
            "resubmitted_by",
            json!({"type": ["string", "null"], "description": "The change that says it again, if one does."}),
        ),
        ("refused", json!({"$ref": "#/components/schemas/Refused"})),
    ] {
        members[name] = schema;
    }
    object(members)
}

/// As a vault exports it.
fn exported_edit() -> Value {
    let (id, text) = (json!({"$ref": "#/components/schemas/Id"}), json!({"type": "string"}));
    let text_or_none = json!({"type": ["string", "null"]});
    object(json!({
        "id": {"type": "string", "description": "Its batch."},
        "space": id, "document": id, "type": text_or_none, "title": text_or_none, "change": text_or_none,
        "code": text, "detail": text, "remedy": text, "culprit": text_or_none,
        "unix_seconds": {"type": ["integer", "null"]}, "continued_by": text_or_none,
        "refused": {"$ref": "#/components/schemas/Refused"},
        "bytes_hexadecimal": {"type": ["string", "null"], "description": "The change, while its bytes are kept."},
    }))
}
