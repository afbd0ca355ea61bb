//! Requests with an `Idempotency-Key`: done once, however often they are asked for. (What becomes of them when the
//! relay is killed in the middle is in `crashes`.)

use serde_json::json;
use sync_wire::DocumentId;

use crate::relay::Relay;
use crate::website::{MERGE, Page, tag};

/// How many entries the log of a space has.
async fn entries(relay: &Relay, space: sync_wire::SpaceId) -> u64 {
    relay.storage().end_of(space).await.unwrap().unwrap().position.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_done_once_and_answered_with_what_is_there() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let documents = format!("/api/v1/spaces/{}/documents", alice.personal);
    let headers = [("content-type", "application/json"), ("idempotency-key", "\"create-1\"")];
    let body = json!({"type": "note", "value": {"name": "plan"}}).to_string();
    let first = page.send("POST", &documents, &headers, &body).await;
    let again = page.send("POST", &documents, &headers, &body).await;
    assert_eq!((first.status, again.status), (201, 201), "{again:?}");
    assert_eq!(first.json()["id"], again.json()["id"]);
    let id: DocumentId = first.json()["id"].as_str().unwrap().parse().unwrap();

    let seen = tag(&first);
    let headers = [("if-match", seen.as_str()), ("content-type", MERGE), ("idempotency-key", "patch-1")];
    let patch = r#"{"name":"the plan"}"#;
    let first = page.send("PATCH", &page.path(id), &headers, patch).await;
    let written = entries(&relay, alice.personal).await;
    page.patch(id, "*", MERGE, &json!({"name": "of another"})).await;
    let again = page.send("PATCH", &page.path(id), &headers, patch).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(again.json()["value"]["name"], "of another", "a repetition undoes nothing");
    assert_eq!(entries(&relay, alice.personal).await, written + 1);
    let other = page.send("PATCH", &page.path(id), &headers, r#"{"name":"else"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    let bob = relay.account("bob").await;
    let his = Page::of(&relay, &bob, bob.personal);
    let headers = [("content-type", "application/json"), ("idempotency-key", "create-1")];
    let documents = format!("/api/v1/spaces/{}/documents", bob.personal);
    assert_eq!(his.send("POST", &documents, &headers, &body).await.status, 201, "keys are of their account");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_to_nothing_may_be_asked_for_again_with_the_same_key() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let documents = format!("/api/v1/spaces/{}/documents", alice.personal);
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    for (body, status) in [(r#"{"type":"note","value":{"name":1}}"#, 422), (r#"{"type":"note"}"#, 201)] {
        assert_eq!(page.send("POST", &documents, &headers, body).await.status, status, "{body}");
    }
    let wrong = [("content-type", "application/json"), ("idempotency-key", "a b")];
    assert_eq!(page.send("POST", &documents, &wrong, r#"{"type":"note"}"#).await.code(), "parameter_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_twice_at_once_is_done_once() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let documents = format!("/api/v1/spaces/{}/documents", alice.personal);
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let body = json!({"type": "note", "value": {"name": "plan"}}).to_string();
    let all = futures_util::future::join_all((0..8).map(|_| page.send("POST", &documents, &headers, &body))).await;
    for answer in &all {
        let is_underway = answer.status == 409 && answer.code() == "idempotency_in_progress";
        assert!(answer.status == 201 || is_underway, "{answer:?}");
    }
    assert!(all.iter().any(|answer| answer.status == 201));
    let listed = crate::http::get(relay.address, &alice.token, "/api/v1/documents").await;
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_too_many_keys_is_told_to_go_on_without() {
    let relay = Relay::start_with(|config| config.limits.keyed_requests_max = 1).await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let documents = format!("/api/v1/spaces/{}/documents", alice.personal);
    for (key, status) in [("1", 201), ("2", 503), ("1", 201)] {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        assert_eq!(page.send("POST", &documents, &headers, r#"{"type":"note"}"#).await.status, status, "{key}");
    }
    assert_eq!(page.create(&json!({"type": "note"})).await.status, 201);
}
