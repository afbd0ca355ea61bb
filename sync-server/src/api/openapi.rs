//! The description of the HTTP interface for machines (OpenAPI 3.1), made from the route table.
//!
//! Written by hand rather than derived: the table says what a route takes, this file says what the words mean. Tests
//! ask every route with every parameter that is described, and hold real answers against the schemas.

mod found; // what queries find
mod requests; // what requests carry beside path and query
mod account; // what an account has, and who runs the relay sees
mod session; // browsers that are signed in
mod types; // published document types
mod quarantine; // what was refused

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use crate::api::problem::Code;
use crate::config::Config;
use crate::router::{Access, ROUTES, Route};

/// What a route does, for whoever writes a client.
#[derive(Debug)]
pub struct Operation {
    /// The name of the function in generated clients.
    pub id: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What stands in the query; parameters of the path are known from the path.
    pub query: &'static [&'static str],
    /// What comes back.
    pub answer: Answer,
    /// What may go wrong, beside what may go wrong everywhere.
    pub problems: &'static [Code],
}

/// What a route answers when all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// JSON of this schema.
    Json(&'static str),
    /// JSON of this schema, with an `ETag`.
    Tagged(&'static str),
    /// JSON of this schema: it is there, and new if it was.
    Put(&'static str),
    /// A document after a write, or where the write is.
    Edited,
    /// As `Edited`, and new if it was.
    Created,
    /// Where the write is.
    Deleted,
    /// Server-sent hints.
    Hints,
    /// Server-sent presence.
    Presence,
    /// A server-sent answer, and what changes in it.
    Found,
    /// 204.
    Nothing,
    /// A WebSocket.
    Socket,
    /// This description.
    Description,
}

/// `GET /api/v1/openapi.json`
pub async fn get() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| description().to_string()).as_str();
    let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([json, (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))], text).into_response()
}

/// The whole description; `docs/openapi.json` is its text.
#[must_use]
pub fn description() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Symphony Vault relay",
            "version": "1",
            "summary": "The merged state of documents, their history, and hints that they changed.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "__Host-vault-session",
                    "description": "Set by signIn; `vault-session` where the browser came without TLS.",
                },
            },
            "schemas": schemas(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let operation = route.operation;
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2).map(|name| parameter(name, "path"));
    let mut parameters: Vec<Value> =
        in_path.chain(operation.query.iter().map(|name| parameter(name, "query"))).collect();
    // A list may be of all types; what is found by its fields is of one.
    if operation.query.contains(&"where") {
        let of_type = parameters.iter_mut().filter(|parameter| parameter["name"] == "type");
        of_type.for_each(|parameter| parameter["required"] = true.into());
    }
    if operation.answer == Answer::Hints {
        let description = "The `id` of the last hint that was read; as `after`, and stronger.";
        let schema = json!({"$ref": "#/components/schemas/Position"});
        parameters.push(json!({"name": "Last-Event-ID", "in": "header", "description": description, "schema": schema}));
    }
    parameters.extend(requests::headers(operation.id));
    let security = if route.access == Access::Bearer { json!([{"bearer": []}, {"session": []}]) } else { json!([]) };
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "security": security,
        "responses": responses(route),
    });
    if let Some(body) = requests::body(operation.id) {
        described["requestBody"] = body;
    }
    described
}

fn parameter(name: &str, place: &str) -> Value {
    let (description, schema) = match name {
        "space" => ("The space.", json!({"$ref": "#/components/schemas/Id"})),
        "document" => ("The document.", json!({"$ref": "#/components/schemas/Id"})),
        "type" => ("Only documents of this type.", json!({"type": "string"})),
        "deleted" => ("Whether deleted documents are listed.", json!({"enum": ["hide", "include"], "default": "hide"})),
        "updated_after" => (
            "Only documents that changed after this position; needs `space`.",
            json!({"$ref": "#/components/schemas/Position"}),
        ),
        "limit" => (
            "How many items at most.",
            json!({"type": "integer", "minimum": 1, "maximum": Config::default().api.page_max}),
        ),
        "cursor" => ("The `next` of the page before.", json!({"type": "string"})),
        "where" => (
            "Filters, all of which must hold: `PATH=VALUE`, or `^=` (begins with), `>`, `>=`, `<`, `<=`. The path is a \
             JSON Pointer or the name of a field; the value is JSON, and a string if it is none.",
            json!({"type": "array", "maxItems": 8, "items": {"type": "string"}}),
        ),
        "present" => {
            ("Fields that have a value.", json!({"type": "array", "maxItems": 8, "items": {"type": "string"}}))
        }
        "absent" => ("Fields that have none.", json!({"type": "array", "maxItems": 8, "items": {"type": "string"}})),
        "sort" => {
            ("The field that gives the order; with `-` before it, the other way round.", json!({"type": "string"}))
        }
        "words" => (
            "All of them must occur: words, `\"one after the other\"`, `begin*`. The best come first.",
            json!({"type": "string", "maxLength": schemas::WORDS_BYTES_MAX}),
        ),
        "after" => (
            "What the reader knows of: a document is awaited until it contains it, a stream begins behind it.",
            json!({"$ref": "#/components/schemas/Position"}),
        ),
        "at" => ("The document as it was there.", json!({"$ref": "#/components/schemas/Position"})),
        "dry_run" => {
            ("With `true` nothing is done, and what would be done is answered.", json!({"enum": ["true", "false"]}))
        }
        "page" => (
            "What the page calls itself, drawn at random when it is loaded: an account's pages are told apart by it.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}),
        ),
        "handle" => ("A short name.", json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,38}$"})),
        "name" => (
            "The name of the type.",
            json!({"type": "string", "pattern": "^ext\\.[a-z][a-z0-9-]{0,27}\\.[a-z][a-z0-9-]{0,30}$"}),
        ),
        "version" => ("The version.", json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})),
        "session" => ("The session, as listed.", json!({"type": "string", "pattern": "^[0-9a-f]{16}$"})),
        "hash" if place == "path" => ("The refused change.", json!({"type": "string", "pattern": "^[0-9a-f]{64}$"})),
        "hash" => {
            ("This change goes, whatever the check says of it.", json!({"type": "string", "pattern": "^[0-9a-f]{64}$"}))
        }
        other => unreachable!("the parameter {other} has no description"),
    };
    let is_required = place == "path" || name == "page";
    json!({"name": name, "in": place, "required": is_required, "description": description, "schema": schema})
}

fn responses(route: &Route) -> Value {
    let operation = route.operation;
    let json_of = |name: &str| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        json!({"description": "As asked.", "content": {"application/json": {"schema": schema}}})
    };
    let mut responses = Map::new();
    let mut insert = |status: &str, response: Value| responses.insert(status.to_owned(), response);
    match operation.answer {
        Answer::Json(name) => drop(insert("200", json_of(name))),
        Answer::Tagged(name) => {
            let mut response = json_of(name);
            response["headers"] = json!({"ETag": {"schema": {"type": "string"}}});
            insert("200", response);
            insert("304", json!({"description": "`If-None-Match` has the tag."}));
        }
        Answer::Put(name) => {
            let mut created = json_of(name);
            created["headers"] = json!({"Location": {"schema": {"type": "string"}}});
            insert("201", created);
            insert("200", json_of(name));
        }
        Answer::Edited | Answer::Created => {
            let mut response = json_of("Document");
            response["headers"] = json!({"ETag": {"schema": {"type": "string"}}});
            if operation.answer == Answer::Created {
                let mut created = response.clone();
                created["headers"]["Location"] = json!({"schema": {"type": "string"}});
                insert("201", created);
            }
            insert("200", response);
            insert("202", json_of("Written"));
        }
        Answer::Deleted => {
            insert("200", json_of("Written"));
            insert("202", json_of("Written"));
        }
        Answer::Hints => {
            let content = json!({"text/event-stream": {"schema": {"$ref": "#/components/schemas/Hint"}}});
            let description = "Events `hint`, each with the position as its `id` and a Hint as its data.";
            insert("200", json!({"description": description, "content": content}));
        }
        Answer::Presence => {
            let of = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
            let content = json!({"text/event-stream": {"schema": {"oneOf": [of("Present"), of("Other")]}}});
            let description = "First an event `present` with Present as its data, which is everybody; then events \
                               `shown` and `gone`, each with an Other.";
            insert("200", json!({"description": description, "content": content}));
        }
        Answer::Found => {
            let of = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
            let content = json!({"text/event-stream": {"schema": {"oneOf": [of("LivePage"), of("Difference")]}}});
            let description = "First an event `page` with a LivePage as its data; then events `difference`, each with \
                               a Difference: take out what was removed or moved, put in what was added or moved, the \
                               first place first, replace what changed.";
            insert("200", json!({"description": description, "content": content}));
        }
        Answer::Nothing => drop(insert("204", json!({"description": "It is done."}))),
        Answer::Socket => drop(insert("101", json!({"description": "Subprotocol `symphony-vault.1`."}))),
        Answer::Description => {
            insert(
                "200",
                json!({"description": "This.", "content": {"application/json": {"schema": {"type": "object"}}}}),
            );
        }
    }
    let everywhere: &[Code] = match route.access {
        Access::Public => &[],
        Access::Anybody => &[Code::Overloaded, Code::Unavailable],
        Access::Bearer => &[Code::Unauthenticated, Code::CrossSite, Code::Overloaded, Code::Unavailable],
    };
    let mut codes: Vec<Code> = operation.problems.iter().chain(everywhere).copied().collect();
    codes.sort_by_key(|code| code.status().as_u16());
    for same in codes.chunk_by(|one, two| one.status() == two.status()) {
        let names: Vec<String> = same.iter().map(|code| format!("`{}`", code.name())).collect();
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let content = json!({"application/problem+json": {"schema": schema}});
        insert(same[0].status().as_str(), json!({"description": names.join(", "), "content": content}));
    }
    Value::Object(responses)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given literals")]
fn object(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn or_none(mut object: Value) -> Value {
    object["type"] = json!(["object", "null"]);
    object
}

fn schemas() -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let (id, position) = (reference("Id"), reference("Position"));
    let text = json!({"type": "string"});
    let text_or_none = json!({"type": ["string", "null"]});
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let page = |item: Value| object(json!({"items": {"type": "array", "items": item}, "next": text_or_none}));
    let mut problem = object(json!({
        "type": text, "title": text, "status": {"type": "integer"}, "code": {"type": "string", "enum": codes},
        "detail": text,
    }));
    problem["properties"]["request_id"] = text.clone();
    let mut violation = object(json!({
        "path": {"type": "string", "description": "JSON Pointer into the value, or into the file."},
        "code": text, "message": text, "remedy": text,
    }));
    violation["properties"]["line"] = json!({"type": "integer", "description": "From 1; of files."});
    violation["properties"]["column"] = violation["properties"]["line"].clone();
    problem["properties"]["violations"] = json!({"type": "array", "items": reference("Violation")});
    let mut other = object(json!({"account": id, "device": id}));
    other["properties"]["content"] = json!({"description": "What is shown of it; left out once it is gone."});
    let mut schemas = json!({
        "Id": {
            "type": "string", "pattern": "^[1-9A-HJ-NP-Za-km-z]{20,28}$", "description": "16 bytes in base58check.",
        },
        "Position": {
            "type": "string", "pattern": "^[0-9a-f]{16}:[0-9]+$",
            "description": "A place in the log of one space: EPOCH:POSITION.",
        },
        "Health": object(json!({"status": {"type": "string"}})),
        "Problem": problem,
        "Violation": violation,
        "NewDocument": requests::new_document(),
        "JsonPatch": requests::json_patch(),
        "Decision": requests::decision(),
        "Written": object(json!({
            "space": id, "id": id,
            "state": {
                "type": "string", "enum": ["appended", "unchanged", "stored"],
                "description": "`stored`: it is durable and waits for its check; the same request with the same \
                                `Idempotency-Key` says what became of it.",
            },
            "position": {"type": ["string", "null"], "description": "Where it is: what `after` takes."},
        })),
        "Hint": object(json!({"space": id, "position": position})),
        "Present": object(json!({
            "device": {"type": "string", "description": "As which the others see the page: an Id."},
            "others": {"type": "array", "items": reference("Other")},
        })),
        "Other": other,
        "ShowPresence": requests::show_presence(),
        "Document": object(json!({
            "space": id, "id": id, "type": text_or_none, "title": text_or_none, "position": position,
            "heads": {"type": "array", "items": text},
            "held": {"type": ["string", "null"], "description": "Why it is read-only, if so."},
            "value": {"description": "The merged state."},
        })),
        "PublicDocument": object(json!({
            "space": id, "id": id, "type": text_or_none,
            "value": {"description": "The public fields, in the plain form of the type."},
        })),
        "PublicationFault": object(json!({
            "path": {"type": "string", "description": "JSON Pointer of the plain form; empty for the whole."},
            "code": text, "value": text, "rule": text, "remedy": text, "detail": text,
        })),
        "Publication": object(json!({
            "state": {"enum": ["public", "refused", "private", "withheld", "nothing", "unjudged"]},
            "reason": {"type": ["string", "null"], "description": "Why nothing is published; null: see `refused`."},
            "rules": {"type": ["string", "null"], "description": "By which it was judged; null: nothing is public."},
            "published": or_none(object(json!({
                "at": position, "heads": {"type": "array", "items": text}, "rules": text,
                "value": {"description": "The public fields."},
            }))),
            "refused": or_none(object(json!({
                "at": position,
                "violations": {"type": "array", "items": reference("PublicationFault")},
                "omitted": {"type": "integer", "description": "How many more there are."},
            }))),
        })),
        "DocumentItem": object(json!({
            "space": id, "id": id, "type": text_or_none, "title": text_or_none, "position": position,
            "deleted": {"type": "boolean"}, "held": text_or_none,
        })),
        "DocumentList": page(reference("DocumentItem")),
        "WaitingDocument": object(json!({
            "space": id, "id": id, "type": text, "title": text_or_none, "position": position,
            "fields": {"type": "integer", "description": "How many of its fields wait."},
        })),
        "Inbox": page(reference("WaitingDocument")),
        "ConflictValue": object(json!({
            "value": {"description": "What was written; null if the field was removed."},
            "change": {"type": "string", "description": "The change that wrote it, which names the value."},
            "shown": {"type": "boolean", "description": "Whether the document shows this one meanwhile."},
            "account": {"type": ["string", "null"], "description": "Whose device wrote it."},
            "device": text_or_none, "position": text_or_none,
            "time": {"type": ["string", "null"], "format": "date-time", "description": "When the relay appended it."},
            "device_time": {
                "type": ["string", "null"], "format": "date-time",
                "description": "When it was written, by the clock of its device.",
            },
        })),
        "Conflict": object(json!({
            "path": {"type": "string", "description": "JSON Pointer into the value of the document."},
            "stored_path": {
                "type": "string",
                "description": "Names the field for a decision; unlike the place of an item in a list it stays.",
            },
            "values": {"type": "array", "items": reference("ConflictValue")},
        })),
        "Conflicts": object(json!({
            "space": id, "id": id, "type": text_or_none, "title": text_or_none, "position": position,
            "items": {"type": "array", "items": reference("Conflict")}, "next": text_or_none,
        })),
        "HistoryItem": object(json!({
            "position": position,
            "kind": {"type": "string", "enum": ["change", "void", "tombstone", "restore", "erased"]},
            "hash": text, "device": id, "batch": text,
            "time": {"type": "string", "format": "date-time"}, "bytes": {"type": "integer"},
            "excluded": {"type": "boolean", "description": "Whether a void excludes it: it counts for nothing."},
        })),
        "History": page(reference("HistoryItem")),
        "ExcludedChange": object(json!({"hash": text, "position": position, "device": id, "reason": text})),
        "DependentChange": object(json!({
            "hash": text, "position": position, "device": id,
            "replaced_by": {"type": ["string", "null"], "description": "What says in its place what could be kept."},
            "lost": {"type": "integer", "description": "How many of its operations are lost."},
        })),
        "Repair": object(json!({
            "state": {
                "type": "string", "enum": ["sound", "held", "repaired"],
                "description": "`sound`: nothing was to be repaired; `held`: a dry run; `repaired`: it was done.",
            },
            "held": text_or_none,
            "position": {"type": ["string", "null"], "description": "The last entry of the repair, once it is done."},
            "excluded": {"type": "array", "items": reference("ExcludedChange")},
            "dependents": {"type": "array", "items": reference("DependentChange")},
        })),
    });
    // Apart, because the macro has a measure.
    schemas["NewHandle"] = requests::new_handle();
    schemas["Handle"] = object(json!({
        "handle": text, "space": id,
        "documents": {
            "type": "object", "additionalProperties": text,
            "description": "By type, the addresses of what the space may show to everybody.",
        },
    }));
    found::schemas().into_iter().for_each(|(name, schema)| schemas[name] = schema);
    account::schemas().into_iter().for_each(|(name, schema)| schemas[name] = schema);
    session::schemas().into_iter().for_each(|(name, schema)| schemas[name] = schema);
    types::schemas().into_iter().for_each(|(name, schema)| schemas[name] = schema);
    quarantine::schemas().into_iter().for_each(|(name, schema)| schemas[name] = schema);
    schemas
}
