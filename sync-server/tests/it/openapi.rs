//! The description of the HTTP interface, held against the real answers.

use serde_json::{Map, Value};
use sync_server::api::openapi;
use sync_server::api::problem::Code;
use sync_server::router::ROUTES;

use crate::author::Author;
use crate::device::Device;
use crate::http::{Answer, get, request};
use crate::relay::{Relay, assert_current, succeed};

/// What is wrong with a value by the schema: a missing or unknown property, or another type.
fn faults(description: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = description.pointer(name.trim_start_matches('#'));
        return faults(description, target.unwrap_or_else(|| panic!("{name} is described")), value, at);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&found) {
        return vec![format!("{at} is {found}, not {types:?}")];
    }
    let inside =
        |child: &Value, schema: &Value, name: &str| faults(description, schema, child, &format!("{at}/{name}"));
    match (value, schema["properties"].as_object()) {
        (Value::Array(items), _) => items.iter().flat_map(|item| inside(item, &schema["items"], "items")).collect(),
        (Value::Object(fields), Some(properties)) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let missing =
                required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}/{name} is missing"));
            let present = fields.iter().flat_map(|(name, child)| match properties.get(name) {
                Some(schema) => inside(child, schema, name),
                None => vec![format!("{at}/{name} is not described")],
            });
            missing.chain(present).collect()
        }
        _ => Vec::new(),
    }
}

pub(crate) fn check(answer: &Answer, path: &str) {
    let description = openapi::description();
    let content_type = &answer.headers["content-type"];
    let response = &description["paths"][path]["get"]["responses"][answer.status.to_string()];
    let schema = &response["content"][content_type]["schema"];
    assert!(schema.is_object(), "{path}: {} {content_type} is not described", answer.status);
    assert_eq!(faults(&description, schema, &answer.json(), path), [""; 0], "{path}: {}", answer.body);
}

#[test]
fn the_described_interface_and_its_tables_in_the_documents_are_current() {
    let text = format!("{:#}\n", openapi::description());
    assert_current("openapi.json", &text);
    assert_current("api.md", &Code::reference());
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(succeed(directory.path(), &["openapi"]), text.trim_end());
}

#[test]
fn every_route_is_described_once() {
    let description = openapi::description();
    let described: usize =
        description["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(described, ROUTES.len());
    let ids: std::collections::HashSet<_> = ROUTES.iter().map(|route| route.operation.id).collect();
    assert_eq!(ids.len(), ROUTES.len(), "generated clients need a name for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_are_what_the_description_says() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "described");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    let mut review = Author::new("review");
    let mut batches = review.put("/extension", "acme.linter");
    batches.extend(review.put("/rating", 5));
    let judged = laptop.push_all(alice.personal, review.id, &batches).await;
    let shown = format!("/api/v1/public/{}/{}", alice.personal, review.id);
    let publication = format!("/api/v1/spaces/{}/documents/{}/publication", alice.personal, review.id);
    assert_eq!(get(relay.address, &alice.token, &format!("{publication}?after={judged}")).await.status, 200);
    let batches = review.put("/rating", 6);
    let refused = laptop.push_all(alice.personal, review.id, &batches).await;
    let one = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
    let pattern = "/api/v1/spaces/{space}/documents/{document}";
    let (history, conflicts) = (format!("{pattern}/history"), format!("{pattern}/conflicts"));
    let quarantine = "/api/v1/spaces/{space}/quarantine";
    for (url, path, status) in [
        (format!("{one}?after={at}"), pattern, 200),
        (format!("{one}?at={at}"), pattern, 200),
        (format!("{one}?at=never"), pattern, 400),
        (format!("{one}?after=0000000000000000:1"), pattern, 409),
        (format!("{one}x"), pattern, 404),
        (format!("{publication}?after={refused}"), &format!("{pattern}/publication"), 200),
        (shown.clone(), "/api/v1/public/{space}/{document}", 200),
        (format!("{one}/publication"), &format!("{pattern}/publication"), 200),
        (format!("{one}x/publication"), &format!("{pattern}/publication"), 404),
        (format!("{shown}x"), "/api/v1/public/{space}/{document}", 404),
        (format!("{one}/history"), &history, 200),
        (format!("{one}/history?limit=0"), &history, 400),
        (format!("/api/v1/spaces/{}/quarantine", alice.personal), quarantine, 200),
        (format!("/api/v1/spaces/{}/quarantine?cursor=x", alice.personal), quarantine, 400),
        (format!("{one}/conflicts?limit=0"), &conflicts, 400),
        (format!("{one}x/conflicts"), &conflicts, 404),
        ("/api/v1/conflicts?cursor=x".to_owned(), "/api/v1/conflicts", 400),
        ("/api/v1/documents?limit=1".to_owned(), "/api/v1/documents", 200),
        ("/api/v1/documents?limit=none".to_owned(), "/api/v1/documents", 400),
        ("/api/v1/events?after=x".to_owned(), "/api/v1/events", 400),
        ("/api/v1/openapi.json".to_owned(), "/api/v1/openapi.json", 200),
        ("/api/v1/session".to_owned(), "/api/v1/session", 200),
        ("/api/v1/sessions".to_owned(), "/api/v1/sessions", 200),
        ("/sync".to_owned(), "/sync", 426),
        ("/healthz".to_owned(), "/healthz", 200),
    ] {
        let answer = get(relay.address, &alice.token, &url).await;
        assert_eq!(answer.status, status, "{url}: {}", answer.body);
        check(&answer, path);
    }
    check(&request(relay.address, "GET", &one, &[]).await, pattern);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_parameter_is_taken_and_no_other() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let filled = |path: &str| {
        let space = alice.personal.to_string();
        let path = path.replace("{space}", &space).replace("{document}", &sync_wire::DocumentId([1; 16]).to_string());
        let path =
            path.replace("{name}", "ext.acme.task").replace("{version}", "1").replace("{hash}", &"ab".repeat(32));
        path.replace("{session}", "0123456789abcdef")
    };
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/v1/") && !route.path.ends_with(".json")) {
        // What is no position, number or id is refused by the parameter itself, not as unknown.
        for name in route.operation.query.iter().chain(&["unheard-of"]) {
            let bearer = format!("Bearer {}", alice.token);
            let url = format!("{}?{name}=%20", filled(route.path));
            let headers = [("authorization", bearer.as_str()), ("content-length", "0")];
            let answer = request(relay.address, route.method.as_str(), &url, &headers).await;
            let is_unknown = answer.body.contains("unknown field");
            assert_eq!(is_unknown, *name == "unheard-of", "{} {name}: {}", route.path, answer.body);
        }
    }
}

#[test]
fn the_check_of_these_tests_finds_what_is_wrong() {
    let description = openapi::description();
    let schema = &description["components"]["schemas"]["Hint"];
    let mut hint = Map::new();
    hint.insert("space".into(), "s".into());
    let found = |hint: &Map<String, Value>| faults(&description, schema, &Value::Object(hint.clone()), "hint");
    assert_eq!(found(&hint), ["hint/position is missing"]);
    hint.insert("position".into(), 1.into());
    assert_eq!(found(&hint), ["hint/position is integer, not [\"string\"]"]);
    hint.insert("position".into(), "p".into());
    hint.insert("more".into(), 1.into());
    assert_eq!(found(&hint), ["hint/more is not described"]);
}
