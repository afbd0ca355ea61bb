//! Documents of third parties' types: before their type is known, from then on, and by its next version.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sync_wire::{DocumentId, SpaceId};

use super::{Publisher, TASK};
use crate::author::Author;
use crate::device::Device;
use crate::http::{get, request};
use crate::relay::Relay;
use crate::website::{Page, tag};

/// Asks until something is so: what was there before a version follows it in the background.
async fn eventually<T: std::fmt::Debug + PartialEq>(wanted: T, mut look: impl AsyncFnMut() -> T) {
    let began = Instant::now();
    loop {
        let found = look().await;
        if found == wanted {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "still {found:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn title(page: &Page<'_>, document: DocumentId) -> Value {
    page.read(document).await.json()["title"].clone()
}

async fn public(relay: &Relay, space: SpaceId, document: DocumentId) -> Value {
    let answer = request(relay.address, "GET", &format!("/api/v1/public/{space}/{document}"), &[]).await;
    if answer.status == 200 { answer.json()["value"].clone() } else { Value::Null }
}

async fn waiting(relay: &Relay, token: &str) -> Vec<Value> {
    let inbox = get(relay.address, token, "/api/v1/conflicts").await;
    let items = inbox.json()["items"].as_array().unwrap().clone();
    items.iter().map(|item| json!([item["type"], item["fields"]])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_a_type_that_is_not_known_are_kept_shown_and_written_by_devices_alone() {
    let publisher = Publisher::new().await;
    let (relay, ada) = (&publisher.relay, &publisher.ada);
    let page = Page::of(relay, ada, ada.personal);
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut task = Author::new("ext.acme.task");
    let batches = task.edit(|draft| {
        draft.put("/title", "tea".into())?;
        draft.put("/tags/shop", true.into())
    });
    let at = laptop.push_all(ada.personal, task.id, &batches).await;
    let seen = page.read_after(task.id, at).await;
    let stored = page.read(task.id).await.json();
    assert_eq!((&stored["type"], &stored["title"]), (&json!("ext.acme.task"), &Value::Null));
    assert_eq!(stored["value"], json!({ "title": "tea", "tags": { "shop": true } }), "as it is stored");
    let refused = page.merge(task.id, &seen, &json!({ "title": "milk" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "type_unknown"));
    let begun = page.create(&json!({ "type": "ext.acme.task" })).await;
    assert_eq!(begun.code(), "type_unknown");
    assert!(begun.json()["detail"].as_str().unwrap().contains("ask its publisher to publish it here"), "{begun:?}");
    assert_eq!(public(relay, ada.personal, task.id).await, Value::Null);

    // And from the moment on in which it is published, all of this is otherwise.
    assert_eq!(publisher.publish("ext.acme.task", 1, TASK).await.status, 201);
    let shown = page.read(task.id).await.json();
    assert_eq!(shown["value"], json!({ "title": "tea", "tags": ["shop"] }), "in its plain form, at once");
    eventually(json!("tea"), async || title(&page, task.id).await).await;
    eventually(json!({ "title": "tea" }), async || public(relay, ada.personal, task.id).await).await;
    let seen = tag(&page.read(task.id).await);
    let written = page.merge(task.id, &seen, &json!({ "tags": ["home", "shop"] })).await;
    assert_eq!((written.status, &written.json()["value"]["tags"]), (200, &json!(["home", "shop"])), "{written:?}");
    let broken = page.merge(task.id, &seen, &json!({ "title": 7, "tags": "none" })).await;
    assert_eq!(
        (broken.code().as_str(), broken.json()["violations"].as_array().map(Vec::len)),
        ("document_invalid", Some(2))
    );
    assert_eq!(page.create(&json!({ "type": "ext.acme.task", "value": { "title": "new" } })).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_person_in_a_document_is_found_once_its_type_is_known() {
    let publisher = Publisher::new().await;
    let (relay, ada) = (&publisher.relay, &publisher.ada);
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut task = Author::new("ext.acme.task");
    laptop.push_all(ada.personal, task.id, &task.put("/title", "tea")).await;
    let mut other = task.elsewhere();
    laptop.push_all(ada.personal, task.id, &task.put("/owner", "ada")).await;
    let at = laptop.push_all(ada.personal, task.id, &other.put("/owner", "bob")).await;
    let page = Page::of(relay, ada, ada.personal);
    page.read_after(task.id, at).await;
    assert_eq!(waiting(relay, &ada.token).await, Vec::<Value>::new());

    assert_eq!(publisher.publish("ext.acme.task", 1, TASK).await.status, 201);
    assert_eq!(waiting(relay, &ada.token).await, [json!(["ext.acme.task", 1])]);
    let path = format!("{}/conflicts", page.path(task.id));
    let open = page.send("GET", &path, &[], "").await.json();
    let values = open["items"][0]["values"].as_array().unwrap().clone();
    assert_eq!((values.len(), &open["items"][0]["path"]), (2, &json!("/owner")));
    eventually(json!("tea"), async || title(&page, task.id).await).await;
    assert_eq!(public(relay, ada.personal, task.id).await, Value::Null, "what waits is not published");
    let seen = tag(&page.read(task.id).await);
    assert_eq!(page.merge(task.id, &seen, &json!({ "owner": "cy" })).await.code(), "conflict_open");
    let seen: Vec<&Value> = values.iter().map(|value| &value["change"]).collect();
    let decision = json!({ "stored_path": "/owner", "keep": seen[0], "seen": seen }).to_string();
    let json = [("content-type", "application/json")];
    assert_eq!(page.send("POST", &format!("{path}/resolve"), &json, &decision).await.status, 200);
    assert_eq!(waiting(relay, &ada.token).await, Vec::<Value>::new());
    eventually(json!("tea"), async || public(relay, ada.personal, task.id).await["title"].clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_follow_the_next_version_of_their_type() {
    let publisher = Publisher::new().await;
    let (relay, ada) = (&publisher.relay, &publisher.ada);
    assert_eq!(publisher.publish("ext.acme.task", 1, TASK).await.status, 201);
    let page = Page::of(relay, ada, ada.personal);
    // More than are done before it is noted how far that has come.
    let mut tasks: Vec<DocumentId> = Vec::new();
    for number in 0..70 {
        let value = json!({ "title": format!("task {number}"), "notes": format!("note {number}") });
        let made = page.create(&json!({ "type": "ext.acme.task", "value": value })).await;
        assert_eq!(made.status, 201, "{made:?}");
        tasks.push(made.json()["id"].as_str().unwrap().parse().ok().unwrap());
    }
    let deleted = tasks.pop().unwrap();
    let any = [("if-match", "*")];
    assert_eq!(page.send("DELETE", &page.path(deleted), &any, "").await.status, 200);
    assert_eq!(public(relay, ada.personal, tasks[0]).await, json!({ "title": "task 0" }));
    assert_eq!(title(&page, tasks[0]).await, "task 0");

    // The title is another field now, the notes are shown as well, and they are a matter for a person.
    let second =
        TASK.replace("\"x-version\": 1, \"x-title\": \"/title\"", "\"x-version\": 2, \"x-title\": \"/notes\"").replace(
            "\"notes\": { \"type\": \"string\" }",
            "\"notes\": { \"type\": [\"string\", \"null\"], \"x-public\": true, \"x-merge\": \"manual\" }",
        );
    assert_eq!(publisher.publish("ext.acme.task", 2, &second).await.status, 201);
    for (number, task) in tasks.iter().enumerate() {
        let shown = json!({ "title": format!("task {number}"), "notes": format!("note {number}") });
        eventually(shown, async || public(relay, ada.personal, *task).await).await;
        assert_eq!(title(&page, *task).await, format!("note {number}"));
    }
    assert_eq!(relay.storage().next_to_retype(10).await.unwrap(), None, "nothing is left to do");

    // What is loaded goes by the new rules, too.
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut task = Author::new("ext.acme.task");
    laptop.push_all(ada.personal, task.id, &task.put("/title", "tea")).await;
    let mut other = task.elsewhere();
    laptop.push_all(ada.personal, task.id, &task.put("/notes", "green")).await;
    let at = laptop.push_all(ada.personal, task.id, &other.put("/notes", "black")).await;
    page.read_after(task.id, at).await;
    assert_eq!(waiting(relay, &ada.token).await, [json!(["ext.acme.task", 1])]);
    let restored = page.send("POST", &format!("{}/restore", page.path(deleted)), &[], "").await;
    assert!(restored.status == 200 || restored.status == 202, "{restored:?}");
    eventually(json!("note 69"), async || title(&page, deleted).await).await;
    let project = sync_server::types::projecting(relay.app.types.current());
    assert_eq!(relay.storage().verify(None, &project).await.unwrap().findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_with_a_higher_major_is_obeyed_at_once() {
    let publisher = Publisher::new().await;
    let (relay, ada) = (&publisher.relay, &publisher.ada);
    assert_eq!(publisher.publish("ext.acme.task", 1, TASK).await.status, 201);
    let page = Page::of(relay, ada, ada.personal);
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut task = Author::new("ext.acme.task");
    let mut batches = task.put("/title", "tea");
    batches.extend(task.put(document::MAJOR_PATH, 2));
    let at = laptop.push_all(ada.personal, task.id, &batches).await;
    let seen = page.read_after(task.id, at).await;
    let refused = page.merge(task.id, &seen, &json!({ "title": "milk" })).await;
    assert_eq!(refused.code(), "type_unknown", "a newer program has written it");
    let second = TASK.replace("\"x-version\": 1", "\"x-version\": 2, \"x-major\": 2");
    assert_eq!(publisher.publish("ext.acme.task", 2, &second).await.status, 201);
    let seen = tag(&page.read(task.id).await);
    let written = page.merge(task.id, &seen, &json!({ "title": "milk" })).await;
    assert_eq!((written.status, &written.json()["value"]["title"]), (200, &json!("milk")), "{written:?}");
}
