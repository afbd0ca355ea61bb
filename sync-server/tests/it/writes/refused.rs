//! Writes that are refused, each in words that say what would be taken; nothing of them is written.

use serde_json::json;
use sync_wire::{Content, DocumentId, Role};

use super::{pushed, put, text};
use crate::author::{Author, Batch, fresh_id};
use crate::device::Device;
use crate::http::request;
use crate::relay::Relay;
use crate::website::{MERGE, Page, STEPS, tag, value};

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_writes_nothing_and_a_foreign_space_does_not_show() {
    let relay = Relay::start().await;
    let (alice, bob, mallory) =
        (relay.account("alice").await, relay.account("bob").await, relay.account("mallory").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Viewer)]).await;
    let page = Page::of(&relay, &alice, team);
    let created = page.create(&json!({"type": "note", "value": {"name": "plan"}})).await;
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    let seen = tag(&created);
    let patch = json!({"name": "mine"});
    for (account, status, code) in [(&bob, 403, "editor_required"), (&mallory, 404, "space_not_found")] {
        let theirs = Page::of(&relay, account, team);
        let path = theirs.path(id);
        let restored = format!("{path}/restore");
        for answer in [
            theirs.merge(id, &seen, &patch).await,
            theirs.create(&json!({"type": "note"})).await,
            theirs.send("DELETE", &path, &[("if-match", seen.as_str())], "").await,
            theirs.send("POST", &restored, &[], "").await,
        ] {
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        }
    }
    let mixed = Page::of(&relay, &mallory, mallory.personal);
    assert_eq!(mixed.merge(id, "*", &patch).await.code(), "document_not_found");
    assert_eq!(tag(&page.read(id).await), seen);
    let devices = relay.storage().devices(bob.id).await.unwrap();
    assert_eq!(devices, [], "nobody gets a device for asking");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_names_a_version_of_the_document_that_there_is() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let first = page.create(&json!({"type": "note"})).await;
    let created = page.create(&json!({"type": "note", "value": {"name": "plan"}})).await;
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    let at = created.json()["position"].as_str().unwrap().to_owned();
    let (epoch, position) = at.split_once(':').unwrap();
    let later = format!("\"{epoch}:{}\"", position.parse::<u64>().unwrap() + 1);
    let patch = json!({"name": "new"});
    for (seen, status, code) in [
        ("\"0000000000000000:1-00\"", 412, "version_unknown"),
        (later.as_str(), 412, "version_unknown"),
        (&tag(&first), 412, "version_unknown"), // from before this document
        ("nonsense", 412, "version_unknown"),
        ("", 412, "version_unknown"),
    ] {
        let answer = page.merge(id, seen, &patch).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{seen}: {answer:?}");
    }
    let without = page.send("PATCH", &page.path(id), &[("content-type", MERGE)], "{}").await;
    assert_eq!((without.status, without.code().as_str()), (428, "precondition_required"));
    for seen in [format!("W/{}", tag(&created)), format!("\"{at}\""), "*".to_owned()] {
        let answer = page.merge(id, &seen, &patch).await;
        assert_eq!(value(&answer)["name"], "new", "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_patches_are_refused_with_what_would_be_taken() {
    let relay = Relay::start_with(|config| config.api.body_bytes_max = 10_000).await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let created = page.create(&json!({"type": "note"})).await;
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    let (path, seen) = (page.path(id), tag(&created));
    let deep = format!("{{\"name\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let large = json!({"body": "x".repeat(10_000)}).to_string();
    for (kind, body, code) in [
        ("text/plain", "{}", "media_type_unsupported"),
        ("application/json", "{}", "media_type_unsupported"),
        (MERGE, "", "body_invalid"),
        (MERGE, "{", "body_invalid"),
        (MERGE, "\u{0}\u{1}", "body_invalid"),
        (MERGE, deep.as_str(), "body_invalid"),
        (STEPS, "{}", "body_invalid"),
        (STEPS, r#"[{"op":"explode","path":"/name"}]"#, "body_invalid"),
        (MERGE, large.as_str(), "body_too_large"),
        ("application/merge-patch+json; charset=utf-8", r#"{"name":7}"#, "document_invalid"),
    ] {
        let headers = [("if-match", seen.as_str()), ("content-type", kind)];
        let answer = page.send("PATCH", &path, &headers, body).await;
        assert_eq!(answer.code(), code, "{kind} {body:.40}: {answer:?}");
        if code == "media_type_unsupported" {
            assert_eq!(answer.headers["accept-patch"], format!("{MERGE}, {STEPS}"));
        }
    }
    for (body, code) in [
        (r#"{"type":"unheard-of"}"#, "type_unknown"),
        (r#"{"value":{}}"#, "body_invalid"),
        (r#"{"type":"note","value":[]}"#, "body_invalid"),
        (r#"{"type":"note","colour":1}"#, "body_invalid"),
        (r#"{"type":"note","value":{"name":1}}"#, "document_invalid"),
        (r#"{"type":"keymap","value":{"bindings":[{"key":"a"}]}}"#, "document_invalid"),
    ] {
        let path = format!("/api/v1/spaces/{}/documents", alice.personal);
        let answer = page.send("POST", &path, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.code(), code, "{body}: {answer:?}");
    }
    // A body of which nobody says how long it is has the same limit.
    let bearer = format!("Bearer {}", alice.token);
    let head = [
        ("authorization", bearer.as_str()),
        ("if-match", "*"),
        ("content-type", MERGE),
        ("transfer-encoding", "chunked"),
    ];
    let chunk = format!("4e20\r\n{}\r\n0\r\n\r\n", "x".repeat(20_000));
    let answer = crate::http::send_raw(relay.address, "PATCH", &path, &head, chunk).await;
    assert_eq!(answer.code(), "body_too_large");
    assert_eq!(tag(&page.read(id).await), seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_have_no_type_here_are_written_by_devices_alone() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    for mut author in [Author::untyped(), Author::new("ext.someone.thing")] {
        let seen = pushed(&page, &mut laptop, &mut author, vec![put("/a", 1)]).await;
        let answer = page.merge(author.id, &seen, &json!({"a": 2})).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "type_unknown"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_writes_too_fast_or_too_much_is_told_so() {
    let relay =
        Relay::start_with(|config| (config.limits.frames_per_second, config.limits.frames_burst) = (1, 1)).await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let mut codes = Vec::new();
    for _ in 0..4 {
        let answer = page.create(&json!({"type": "note"})).await;
        codes.push(if answer.status == 201 { "created".to_owned() } else { answer.code() });
    }
    assert!(codes.contains(&"rate_limited".to_owned()) && codes[0] == "created", "{codes:?}");

    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    relay.storage().set_quota(alice.id, relay_storage::Quota::Bytes(1)).await.unwrap();
    let answer = page.create(&json!({"type": "note"})).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "quota_exceeded"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_delete_unseen_what_a_vault_wrote() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let stale = pushed(&page, &mut laptop, &mut note, vec![put("/name", "one")]).await;
    pushed(&page, &mut laptop, &mut note, vec![put("/name", "two")]).await;
    let contested = page.send("DELETE", &page.path(note.id), &[("if-match", stale.as_str())], "").await;
    assert_eq!(contested.code(), "document_contested");
    let tombstone = Batch::of(Content::Tombstone(note.document.heads()));
    laptop.push_all(alice.personal, note.id, &[tombstone]).await;
    assert_eq!(page.merge(note.id, &stale, &json!({"name": "x"})).await.code(), "document_deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_says_what_it_takes() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let bearer = format!("Bearer {}", alice.token);
    let path = Page::of(&relay, &alice, alice.personal).path(DocumentId(fresh_id()));
    let answer = request(relay.address, "PUT", &path, &[("authorization", &bearer)]).await;
    assert_eq!(answer.code(), "method_not_allowed");
    assert_eq!(answer.headers["allow"], "GET, HEAD, PATCH, DELETE");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_that_would_be_broken_is_listed_and_nothing_is_written() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let seen = pushed(&page, &mut laptop, &mut note, vec![put("/name", "n"), text("/body", "b")]).await;
    let refused = page.merge(note.id, &seen, &json!({"name": 7, "body": ["x"]})).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "document_invalid"), "{refused:?}");
    let violations = refused.json()["violations"].as_array().unwrap().clone();
    let mut found: Vec<_> = violations.iter().map(|it| (it["path"].clone(), it["code"].clone())).collect();
    found.sort_by_key(|(path, _)| path.to_string());
    assert_eq!(found, [(json!("/body"), json!("schema.type")), (json!("/name"), json!("schema.type"))]);
    assert!(violations.iter().all(|it| !it["message"].as_str().unwrap().is_empty() && it["remedy"].is_string()));
    let long = page.merge(note.id, &seen, &json!({"name": "x".repeat(1025)})).await;
    assert_eq!(long.json()["violations"][0]["code"], "limit", "{long:?}");
    let none = page.merge(note.id, &seen, &json!("no object")).await;
    assert_eq!(none.code(), "document_invalid");
    assert_eq!(tag(&page.read(note.id).await), seen);
}
