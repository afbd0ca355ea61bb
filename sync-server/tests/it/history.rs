//! What was: who changed a document when, and what it was then.

use serde_json::{Value, json};
use sync_wire::{Content, DocumentId, LogPosition, Position, SpaceId};

use crate::author::{Author, Batch};
use crate::device::Device;
use crate::http::{Answer, get};
use crate::relay::{Account, Relay};

fn path(space: SpaceId, document: DocumentId) -> String {
    format!("/api/v1/spaces/{space}/documents/{document}")
}

/// A note that was called `name 0`, `name 1`, …, with the place of each.
async fn renamed(relay: &Relay, account: &Account, times: usize) -> (Author, Vec<LogPosition>) {
    let (mut laptop, _) = Device::online(relay.address, &account.token).await;
    let mut note = Author::new("note");
    let mut places = Vec::new();
    for number in 0..times {
        let batches = note.put("/name", format!("name {number}"));
        places.push(laptop.push_all(account.personal, note.id, &batches).await);
    }
    let last = places.last().unwrap();
    let read = get(relay.address, &account.token, &format!("{}?after={last}", path(account.personal, note.id))).await;
    assert_eq!(read.status, 200, "{read:?}");
    (note, places)
}

fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_a_document_can_be_read() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (note, places) = renamed(&relay, &alice, 40).await;
    let url = path(alice.personal, note.id);
    let mut tags = std::collections::HashSet::new();
    for (number, at) in places.iter().enumerate() {
        let answer = get(relay.address, &alice.token, &format!("{url}?at={at}")).await;
        let body = answer.json();
        assert_eq!(body["value"], json!({"name": format!("name {number}")}), "{answer:?}");
        assert_eq!((&body["position"], &body["title"]), (&json!(at.to_string()), &json!(format!("name {number}"))));
        assert_eq!(body["heads"].as_array().map(Vec::len), Some(1));
        tags.insert(answer.headers["etag"].clone());
    }
    assert_eq!(tags.len(), places.len(), "each version has its tag");
    let now = get(relay.address, &alice.token, &url).await;
    let last = get(relay.address, &alice.token, &format!("{url}?at={}", places.last().unwrap())).await;
    assert_eq!((now.body, &now.headers["etag"]), (last.body, &last.headers["etag"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_cannot_be_read_is_a_coded_problem() {
    let relay = Relay::start_with(|config| config.api.after_wait_seconds = 1).await;
    let alice = relay.account("alice").await;
    renamed(&relay, &alice, 2).await;
    let (note, places) = renamed(&relay, &alice, 2).await;
    let url = path(alice.personal, note.id);
    let place = |position| LogPosition { position: Position(position), ..places[0] };
    let end = places[1].position.0;
    for (query, status, code) in [
        (format!("at={}", place(1)), 404, "document_not_found"),
        (format!("at={}", place(end + 1)), 504, "projection_behind"),
        ("at=0000000000000000:1".to_owned(), 409, "epoch_changed"),
        ("at=yesterday".to_owned(), 400, "parameter_invalid"),
        (format!("at={}&after={}", places[0], places[0]), 400, "parameter_invalid"),
    ] {
        let answer = get(relay.address, &alice.token, &format!("{url}?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_would_cost_too_much_is_refused() {
    let relay = Relay::start_with(|config| config.api.version_bytes_max = 100).await;
    let alice = relay.account("alice").await;
    let (note, places) = renamed(&relay, &alice, 3).await;
    let url = path(alice.personal, note.id);
    let answer = get(relay.address, &alice.token, &format!("{url}?at={}", places[0])).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "version_too_large"));
    let current = get(relay.address, &alice.token, &format!("{url}?at={}", places[2])).await;
    assert_eq!(current.status, 200, "what needs no rebuild is not refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_names_every_entry_newest_first() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (note, places) = renamed(&relay, &alice, 5).await;
    let url = format!("{}/history", path(alice.personal, note.id));
    let all = items(&get(relay.address, &alice.token, &url).await);
    assert_eq!(all[0]["position"], places[4].to_string());
    let heads: Vec<String> = note.document.heads().iter().map(ToString::to_string).collect();
    assert_eq!(json!([all[0]["hash"]]), json!(heads));
    assert!(all.iter().all(|item| item["kind"] == "change" && item["device"] == all[0]["device"]));
    assert!(all.iter().all(|item| item["time"].as_str().is_some_and(|time| time.ends_with('Z'))));
    assert!(all.len() > places.len(), "the seed of the note is an entry too");

    let mut paged = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let page = get(relay.address, &alice.token, &format!("{url}?limit=2{cursor}")).await;
        assert!(items(&page).len() <= 2);
        paged.extend(items(&page));
        next = page.json()["next"].as_str().map(|cursor| format!("&cursor={cursor}"));
    }
    assert_eq!(paged, all, "pages together are the history");
    for (query, code) in [
        ("limit=0", "parameter_invalid"),
        ("cursor=x", "parameter_invalid"),
        ("before=1", "parameter_invalid"),
        ("cursor=0000000000000000:1", "epoch_changed"),
    ] {
        assert_eq!(get(relay.address, &alice.token, &format!("{url}?{query}")).await.code(), code, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_says_who_deleted_and_is_for_readers_of_the_space_only() {
    let relay = Relay::start().await;
    let (alice, mallory) = (relay.account("alice").await, relay.account("mallory").await);
    let (note, places) = renamed(&relay, &alice, 2).await;
    let (mut desktop, _) = Device::online(relay.address, &alice.token).await;
    let tombstone = Batch::of(Content::Tombstone(note.document.heads()));
    let at = desktop.push_all(alice.personal, note.id, &[tombstone]).await;
    let url = path(alice.personal, note.id);
    assert_eq!(get(relay.address, &alice.token, &format!("{url}?after={at}")).await.code(), "document_deleted");
    let version = get(relay.address, &alice.token, &format!("{url}?at={}", places[0])).await;
    assert_eq!(version.code(), "document_deleted", "a version is no way around a deletion");

    let newest = items(&get(relay.address, &alice.token, &format!("{url}/history")).await).remove(0);
    assert_eq!((&newest["kind"], &newest["device"]), (&json!("tombstone"), &json!(desktop.id.to_string())));
    assert_eq!(get(relay.address, &mallory.token, &format!("{url}/history")).await.code(), "space_not_found");
    let mixed = format!("{}/history", path(mallory.personal, note.id));
    assert_eq!(get(relay.address, &mallory.token, &mixed).await.code(), "document_not_found");

    let list = |query: &str| format!("/api/v1/documents?space={}{query}", alice.personal);
    assert_eq!(items(&get(relay.address, &alice.token, &list("")).await).len(), 0);
    let with_deleted = items(&get(relay.address, &alice.token, &list("&deleted=include")).await);
    assert_eq!((with_deleted.len(), &with_deleted[0]["deleted"]), (1, &json!(true)));
    assert_eq!(get(relay.address, &alice.token, &list("&deleted=yes")).await.code(), "parameter_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_can_be_of_what_changed_since_a_hint() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (_, before) = renamed(&relay, &alice, 2).await;
    let (note, _) = renamed(&relay, &alice, 2).await;
    let list = |query: &str| format!("/api/v1/documents?{query}");
    let (space, at) = (alice.personal, before[1]);
    let changed = get(relay.address, &alice.token, &list(&format!("space={space}&updated_after={at}"))).await;
    assert_eq!(items(&changed).iter().map(|item| item["id"].clone()).collect::<Vec<_>>(), [note.id.to_string()]);
    for (query, code) in [
        (format!("updated_after={at}"), "parameter_invalid"),
        (format!("space={space}&updated_after=now"), "parameter_invalid"),
        (format!("space={space}&updated_after=0000000000000000:1"), "epoch_changed"),
    ] {
        assert_eq!(get(relay.address, &alice.token, &list(&query)).await.code(), code, "{query}");
    }
}
