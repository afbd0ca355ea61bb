//! The merged state over HTTP.

use serde_json::json;
use sync_wire::{Content, DocumentId, LogPosition, Position, Role, SpaceId};

use crate::author::{Author, Batch, fresh_id};
use crate::device::{Device, personal};
use crate::http::{get, request};
use crate::relay::Relay;

fn path(space: SpaceId, document: DocumentId) -> String {
    format!("/api/v1/spaces/{space}/documents/{document}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_can_be_read_as_nested_json() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    let mut batches = settings.put("/base/editor/tabSize", 4);
    batches.extend(settings.put("/base/editor/font", "mono"));
    let at = laptop.push_all(alice.personal, settings.id, &batches).await;

    let answer = get(relay.address, &alice.token, &format!("{}?after={at}", path(alice.personal, settings.id))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body["value"], json!({"base": {"editor": {"tabSize": 4, "font": "mono"}}}));
    assert_eq!(body["value"], settings.document.value());
    assert_eq!((&body["type"], &body["position"]), (&json!("settings"), &json!(at.to_string())));
    let heads: Vec<String> = settings.document.heads().iter().map(ToString::to_string).collect();
    assert_eq!(body["heads"], json!(heads));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_file_was_written_is_no_part_of_its_value() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    let mut batches = settings.put("/base/editor/tabSize", 4);
    batches.extend(settings.put("/layout/base/file/style", "tight"));
    let at = laptop.push_all(alice.personal, settings.id, &batches).await;
    for moment in ["after", "at"] {
        let url = format!("{}?{moment}={at}", path(alice.personal, settings.id));
        let answer = get(relay.address, &alice.token, &url).await;
        assert_eq!(answer.json()["value"], json!({"base": {"editor": {"tabSize": 4}}}), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_saves_reading_what_is_known_and_changes_with_the_document() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    let url = path(alice.personal, note.id);
    let first = get(relay.address, &alice.token, &format!("{url}?after={at}")).await;
    let etag = first.headers.get("etag").expect("an ETag").clone();
    assert!(etag.starts_with('"') && etag.contains(&at.to_string()), "strong, from epoch and position: {etag}");

    let bearer = format!("Bearer {}", alice.token);
    let known = [("authorization", bearer.as_str()), ("if-none-match", etag.as_str())];
    let unchanged = request(relay.address, "GET", &url, &known).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.headers.get("etag"), Some(&etag));

    let batches = note.put("/name", "two");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    let changed = request(relay.address, "GET", &format!("{url}?after={at}"), &known).await;
    assert_eq!((changed.status, &changed.json()["value"]["name"]), (200, &json!("two")));
    assert_ne!(changed.headers.get("etag"), Some(&etag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_its_own_write_waits_for_the_check() {
    let relay = Relay::start_with(|config| config.api.after_wait_seconds = 1).await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    for number in 0..20 {
        let batches = note.put("/name", format!("edit {number}"));
        let at = laptop.push_all(alice.personal, note.id, &batches).await;
        let answer = get(relay.address, &alice.token, &format!("{}?after={at}", path(alice.personal, note.id))).await;
        assert_eq!(answer.json()["value"]["name"], format!("edit {number}"));
    }
    let end = relay.storage().end_of(alice.personal).await.unwrap().unwrap();
    let future = LogPosition { position: Position(end.position.0 + 1), ..end };
    let url = path(alice.personal, note.id);
    let late = get(relay.address, &alice.token, &format!("{url}?after={future}")).await;
    assert_eq!((late.status, late.code().as_str()), (504, "projection_behind"));
    assert!(late.headers.contains_key("retry-after"));
    let other = get(relay.address, &alice.token, &format!("{url}?after=0000000000000000:1")).await;
    assert_eq!((other.status, other.code().as_str()), (409, "epoch_changed"));
    let wrong = get(relay.address, &alice.token, &format!("{url}?after=soon")).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "parameter_invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_document_is_not_found() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let unknown = DocumentId(fresh_id());
    for url in [path(alice.personal, unknown), format!("/api/v1/spaces/{}/documents/nonsense", alice.personal)] {
        let answer = get(relay.address, &alice.token, &url).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "document_not_found"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_never_see_each_other() {
    let relay = Relay::start().await;
    let (alice, mallory) = (relay.account("alice").await, relay.account("mallory").await);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "a secret");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    get(relay.address, &alice.token, &format!("{}?after={at}", path(alice.personal, note.id))).await;

    let foreign = get(relay.address, &mallory.token, &path(alice.personal, note.id)).await;
    let nowhere = get(relay.address, &mallory.token, &path(SpaceId(fresh_id()), note.id)).await;
    assert_eq!((foreign.status, foreign.code()), (nowhere.status, nowhere.code()), "existence must not show");
    assert_eq!((foreign.status, foreign.code().as_str()), (404, "space_not_found"));
    // His own space, her document: identity is (space, document).
    let mixed = get(relay.address, &mallory.token, &path(mallory.personal, note.id)).await;
    assert_eq!((mixed.status, mixed.code().as_str()), (404, "document_not_found"));
    let listed = get(relay.address, &mallory.token, "/api/v1/documents").await;
    assert_eq!(listed.json(), json!({"items": [], "next": null}));
    let listed = get(relay.address, &mallory.token, &format!("/api/v1/documents?space={}", alice.personal)).await;
    assert_eq!(listed.code(), "space_not_found");
    let (_, welcome) = Device::online(relay.address, &mallory.token).await;
    assert!(welcome.grants.iter().all(|grant| grant.space != alice.personal));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_paged_filtered_and_spans_every_readable_space() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Viewer)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    for (space, type_name) in [(alice.personal, "note"), (alice.personal, "settings"), (team, "note"), (team, "note")] {
        let mut author = Author::new(type_name);
        let batches = author.put("/name", "a title");
        let at = laptop.push_all(space, author.id, &batches).await;
        let read = get(relay.address, &alice.token, &format!("{}?after={at}", path(space, author.id))).await;
        assert_eq!(read.status, 200, "{read:?}");
    }
    let items = |answer: &crate::http::Answer| answer.json()["items"].as_array().unwrap().clone();
    let all = get(relay.address, &alice.token, "/api/v1/documents").await;
    assert_eq!(items(&all).len(), 4);

    let mut paged = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let page = get(relay.address, &alice.token, &format!("/api/v1/documents?limit=3{cursor}")).await;
        assert!(items(&page).len() <= 3);
        paged.extend(items(&page));
        next = page.json()["next"].as_str().map(|cursor| format!("&cursor={cursor}"));
    }
    assert_eq!(paged, items(&all), "pages together are the list");

    let notes = get(relay.address, &alice.token, "/api/v1/documents?type=note").await;
    assert_eq!(items(&notes).len(), 3);
    assert!(items(&notes).iter().all(|item| item["title"] == "a title" && item["type"] == "note"));
    let of_team = get(relay.address, &bob.token, "/api/v1/documents").await;
    assert_eq!(items(&of_team).len(), 2, "a viewer reads the team's documents and nothing else");

    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=abc", "spcae=1", "limit=1&limit=2"] {
        let answer = get(relay.address, &alice.token, &format!("/api/v1/documents?{wrong}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "parameter_invalid"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_document_is_gone_from_the_list_and_says_so() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, welcome) = Device::online(relay.address, &alice.token).await;
    let space = personal(&welcome).space;
    let mut note = Author::new("note");
    let batches = note.put("/name", "short-lived");
    laptop.push_all(space, note.id, &batches).await;
    let tombstone = Batch::of(Content::Tombstone(note.document.heads()));
    let at = laptop.push_all(space, note.id, &[tombstone]).await;

    let answer = get(relay.address, &alice.token, &format!("{}?after={at}", path(space, note.id))).await;
    assert_eq!((answer.status, answer.code().as_str()), (410, "document_deleted"));
    assert_eq!(get(relay.address, &alice.token, "/api/v1/documents").await.json()["items"], json!([]));

    let at = laptop.push_all(space, note.id, &[Batch::of(Content::Restore)]).await;
    let answer = get(relay.address, &alice.token, &format!("{}?after={at}", path(space, note.id))).await;
    assert_eq!(answer.json()["value"]["name"], "short-lived");
}
