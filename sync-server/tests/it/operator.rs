//! What an account has, and the whole relay for whoever runs it.

use relay_storage::AccountRole;
use serde_json::json;
use sync_wire::{DocumentId, Role};

use crate::author::Author;
use crate::device::Device;
use crate::http::get;
use crate::openapi::check;
use crate::relay::{Relay, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_its_spaces_as_they_are_now_and_no_others() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Viewer), (&bob, Role::Owner)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    for text in ["one", "two"] {
        let batches = note.put("/name", text);
        let at = laptop.push_all(alice.personal, note.id, &batches).await;
        let answer = get(relay.address, &alice.token, "/api/v1/spaces").await;
        check(&answer, "/api/v1/spaces");
        let spaces = answer.json()["spaces"].as_array().unwrap().clone();
        assert_eq!(spaces.len(), 2);
        let of = |id: &str| spaces.iter().find(|space| space["id"] == id).unwrap();
        let own = of(&alice.personal.to_string());
        let end = at.to_string();
        assert_eq!(
            *own,
            json!({"id": alice.personal.to_string(), "kind": "personal", "name": "alice", "role": "owner", "end": end})
        );
        let shared = of(&team.to_string());
        assert_eq!(
            (&shared["kind"], &shared["name"], &shared["role"]),
            (&json!("team"), &json!("team"), &json!("viewer"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_its_devices_and_which_are_connected() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let (laptop, _) = Device::online(relay.address, &alice.token).await;
    let (desktop, _) = Device::online(relay.address, &alice.token).await;
    Device::online(relay.address, &bob.token).await;
    let shown = || async {
        let answer = get(relay.address, &alice.token, "/api/v1/devices").await;
        check(&answer, "/api/v1/devices");
        answer.json()["devices"].as_array().unwrap().clone()
    };
    let of = |shown: &[serde_json::Value], id: &str| {
        let found = shown.iter().find(|device| device["id"] == id).unwrap();
        (found["is_connected"] == true, !found["revoked_at"].is_null())
    };
    let devices = shown().await;
    assert_eq!(devices.len(), 2);
    assert_eq!(of(&devices, &laptop.id.to_string()), (true, false));
    relay.storage().revoke_device(desktop.id).await.unwrap();
    let id = desktop.id.to_string();
    // It is shown out in a moment.
    let mut seen = of(&shown().await, &id);
    while seen.0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        seen = of(&shown().await, &id);
    }
    assert!(seen.1);
    assert_eq!(of(&shown().await, &laptop.id.to_string()), (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_look_at_the_relay_and_the_numbers_are_true() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    relay.team(&[(&bob, Role::Owner)]).await;
    let document = DocumentId([1; 16]);
    let explain =
        |document: DocumentId| format!("/api/v1/operator/spaces/{}/documents/{document}/explain", alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "counted");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    for path in ["/api/v1/operator".to_owned(), explain(note.id), explain(document)] {
        let answer = get(relay.address, &alice.token, &path).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "operator_only"), "also of his own documents");
        assert!(answer.body.contains("sync-server account role"), "{}", answer.body);
    }
    relay.storage().set_account_role(bob.id, AccountRole::Operator).await.unwrap();
    let answer = get(relay.address, &bob.token, "/api/v1/operator").await;
    check(&answer, "/api/v1/operator");
    let seen = answer.json();
    assert_eq!(seen["spaces"], json!({"personal": 2, "team": 1, "catalog": 0}));
    assert_eq!((&seen["accounts"], &seen["devices"], &seen["sockets"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!((&seen["documents"], &seen["log"]["entries"]), (&json!(1), &json!(at.position.0)));
    assert_eq!(
        (&seen["held"]["documents"], &seen["takes_edits"], &seen["why_not"]),
        (&json!(0), &json!(true), &json!(null))
    );
    assert_eq!(seen["repairs"], json!({"done": 0, "first": []}));
    assert_eq!(seen["quarantine"], json!({"changes": 0, "bytes": 0, "accounts": 0, "first": []}));
    assert_eq!((&seen["check"]["slow"], &seen["check"]["slow_first"]), (&json!(0), &json!([])));
    assert!(seen["log"]["file_bytes"].as_u64().unwrap() > 10_000 && seen["disk"]["free_bytes"].is_u64(), "{seen}");
    assert!(!seen["samples"].as_array().unwrap().is_empty(), "the first one is of the start");

    let answer = get(relay.address, &bob.token, &explain(note.id)).await;
    check(&answer, "/api/v1/operator/spaces/{space}/documents/{document}/explain");
    let said = answer.json();
    assert_eq!((&said["document"], &said["held"]), (&json!(note.id.to_string()), &json!(null)));
    assert!(!answer.body.contains("counted"), "what it says is for its readers: {}", answer.body);
    let command = succeed(relay.directory(), &["explain", &alice.personal.to_string(), &note.id.to_string(), "--json"]);
    let command: serde_json::Value = serde_json::from_str(&command).unwrap();
    assert_eq!(command["heads"], said["heads"]);
    for path in [explain(document), explain(document).replace(&alice.personal.to_string(), "x")] {
        assert_eq!(get(relay.address, &bob.token, &path).await.code(), "document_not_found");
    }
    relay.storage().set_account_role(bob.id, AccountRole::User).await.unwrap();
    assert_eq!(get(relay.address, &bob.token, "/api/v1/operator").await.code(), "operator_only");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_is_the_website_or_says_what_was_left_out() {
    let relay = Relay::start().await;
    let answer = crate::http::request(relay.address, "GET", "/", &[]).await;
    let is_page = answer.status == 200 && answer.headers["content-type"].starts_with("text/html");
    let is_left_out = answer.status == 404 && answer.body.starts_with("website left out: ");
    assert!(is_page != is_left_out, "{answer:?}");
    let policy = &answer.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert_eq!(crate::http::request(relay.address, "GET", "/robots.txt", &[]).await.status, 200);
    assert_eq!(crate::http::request(relay.address, "GET", "/api/nothing", &[]).await.code(), "route_not_found");
}
