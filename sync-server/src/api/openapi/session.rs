//! What is said of browsers that are signed in.

use serde_json::{Value, json};

use super::object;

/// By their names in the description.
pub(super) fn schemas() -> [(&'static str, Value); 5] {
    let text = json!({"type": "string"});
    let time = json!({"type": "string", "format": "date-time"});
    let id = json!({"type": "string", "pattern": "^[0-9a-f]{16}$"});
    let mut session = object(json!({"id": id, "created_at": time, "expires_at": time}));
    session["type"] = json!(["object", "null"]);
    session["description"] = "Null if a token asks.".into();
    let account = object(json!({
        "id": {"$ref": "#/components/schemas/Id"}, "name": text,
        "role": {"type": "string", "enum": ["user", "operator"]},
    }));
    let listed = object(json!({
        "id": id, "created_at": time,
        "used_at": {"type": "string", "format": "date-time", "description": "Exact to an hour."},
        "expires_at": {"type": "string", "format": "date-time", "description": "If it is not used again."},
        "agent": {"type": "string", "description": "What the browser called itself, at most 200 bytes of it."},
        "is_current": {"type": "boolean", "description": "Whether it is the one that asks."},
    }));
    [
        ("SignIn", sign_in()),
        ("Account", account),
        ("SignedIn", object(json!({"account": {"$ref": "#/components/schemas/Account"}, "session": session}))),
        ("Session", listed),
        (
            "SessionList",
            object(json!({"sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Session"}}})),
        ),
    ]
}

fn sign_in() -> Value {
    json!({
        "type": "object",
        "required": ["code"],
        "additionalProperties": false,
        "properties": {"code": {"type": "string", "description": "What stands behind `#` in a sign-in link."}},
    })
}
