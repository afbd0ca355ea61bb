//! What is said of what an account has, and of the relay to whoever runs it.

use relay_storage::NAMED_MAX;
use serde_json::{Value, json};

use super::{object, or_none};

/// By their names in the description.
pub(super) fn schemas() -> [(&'static str, Value); 11] {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let (id, text, number) = (reference("Id"), json!({"type": "string"}), json!({"type": "integer"}));
    let time = json!({"type": "string", "format": "date-time"});
    let space = object(json!({
        "id": id, "kind": {"type": "string", "enum": ["personal", "team", "catalog"]}, "name": text,
        "role": {"type": "string", "enum": ["viewer", "editor", "owner"]}, "end": reference("Position"),
    }));
    let device = object(json!({
        "id": id,
        "agent": {"type": "string", "description": "Name and version of its program; `website` writes what pages write."},
        "created_at": time,
        "seen_at": {"type": "string", "format": "date-time", "description": "Exact to a day."},
        "is_connected": {"type": "boolean"},
        "revoked_at": {"type": ["string", "null"], "format": "date-time"},
    }));
    let slow = object(json!({
        "space": id, "document": id,
        "entries": {
            "type": "integer",
            "description": "Of its log, that wait for the check, without what is being checked or in the intake.",
        },
        "checking_seconds": {
            "type": ["integer", "null"], "description": "For how long it has been checked; null while it waits.",
        },
    }));
    let repaired = object(json!({
        "space": id, "document": id, "position": reference("Position"), "time": time,
        "excluded": {
            "type": ["integer", "null"],
            "description": "Changes that the log does without since; null if the entry that says so does not read.",
        },
    }));
    let sample = object(json!({
        "time": time, "entries": number, "file_bytes": number, "sockets": number, "event_streams": number,
        "waiting": number, "intake_batches": number, "resident_bytes": {"type": ["integer", "null"]},
    }));
    let explained = json!({
        "type": "object", "description": "What `sync-server explain --json` says; `summary` is a sentence for people.",
    });
    [
        ("Space", space),
        ("SpaceList", object(json!({"spaces": list("Space")}))),
        ("Device", device),
        ("DeviceList", object(json!({"devices": list("Device")}))),
        ("HeldDocument", object(json!({"space": id, "document": id, "reason": text}))),
        ("SlowDocument", slow),
        ("RepairedDocument", repaired),
        ("AccountQuarantine", object(json!({"account": text, "changes": number, "bytes": number}))),
        ("Sample", sample),
        ("Overview", overview()),
        ("DocumentExplained", explained),
    ]
}

fn overview() -> Value {
    let first = |name: &str, order: &str| {
        json!({
            "type": "array", "items": {"$ref": format!("#/components/schemas/{name}")}, "maxItems": NAMED_MAX,
            "description": format!("The first of them: {order}."),
        })
    };
    let (number, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    object(json!({
        "version": text, "started_at": {"type": "string", "format": "date-time"}, "uptime_seconds": number,
        "resident_bytes": {"type": ["integer", "null"], "description": "Memory, where the system says."},
        "takes_edits": {"type": "boolean"},
        "why_not": {"type": ["string", "null"], "description": "Why it takes none."},
        "findings": {
            "type": ["integer", "null"],
            "description": "What the last look at the storage found wrong; null if there was none since it began.",
        },
        "disk": or_none(object(json!({"free_bytes": number, "total_bytes": number}))),
        "sockets": number, "event_streams": number, "accounts": number,
        "devices": {"type": "integer", "description": "That were not revoked."},
        "documents": number,
        "spaces": object(json!({"personal": number, "team": number, "catalog": number})),
        "log": object(json!({"entries": number, "file_bytes": number})),
        "check": object(json!({
            "waiting": {"type": "integer", "description": "Documents that wait for their check or are being checked."},
            "slow": {"type": "integer", "description": "Those of them in the slow lane."},
            "slow_first": first("SlowDocument", "what is being checked, then whatever has the most to check"),
        })),
        "intake": object(json!({
            "batches": number, "bytes": number, "since": {"type": ["string", "null"], "format": "date-time"},
        })),
        "held": object(json!({"documents": number, "first": first("HeldDocument", "the oldest documents")})),
        "repairs": object(json!({
            "done": {"type": "integer", "description": "Repairs that excluded changes from a log."},
            "first": first("RepairedDocument", "the newest repairs"),
        })),
        "quarantine": object(json!({
            "changes": number, "bytes": number, "accounts": number,
            "first": first("AccountQuarantine", "the accounts with the most changes"),
        })),
        "sample_seconds": number,
        "samples": {
            "type": "array", "items": {"$ref": "#/components/schemas/Sample"},
            "description": "The last day, the oldest first.",
        },
    }))
}
