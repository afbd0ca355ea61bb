//! Reads from memory: nobody can tell them from reads of storage.

use std::time::Duration;

use relay_storage::{ReceiptKeys, Storage, StorageOptions, StorageUrl, TokenRef, system_random};
use serde_json::json;
use sync_wire::{Content, Role};

use crate::author::{Author, Batch};
use crate::device::Device;
use crate::http::{Answer, get, request};
use crate::relay::{Account, Relay};

/// A relay with one note of alice that was read, so that it is in memory.
struct Scene {
    relay: Relay,
    alice: Account,
    laptop: Device,
    note: Author,
    url: String,
}

impl Scene {
    async fn new() -> Self {
        let relay = Relay::start().await;
        let alice = relay.account("alice").await;
        let (laptop, _) = Device::online(relay.address, &alice.token).await;
        let note = Author::new("note");
        let url = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
        let mut scene = Self { relay, alice, laptop, note, url };
        scene.write("first").await;
        assert!(scene.relay.app.ready.bytes() > 0);
        scene
    }

    async fn read(&self) -> Answer {
        get(self.relay.address, &self.alice.token, &self.url).await
    }

    /// Writes a name and waits until it can be read.
    async fn write(&mut self, name: &str) -> Answer {
        let batches = self.note.put("/name", name);
        let at = self.laptop.push_all(self.alice.personal, self.note.id, &batches).await;
        get(self.relay.address, &self.alice.token, &format!("{}?after={at}", self.url)).await
    }

    /// Reads until the answer is as wanted, for what another process did.
    async fn read_until(&self, wanted: impl Fn(&Answer) -> bool) {
        let reading = async {
            while !wanted(&self.read().await) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the answer stays as it was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_once_is_never_unseen() {
    let mut scene = Scene::new().await;
    for number in 0..50 {
        let name = format!("edit {number}");
        let awaited = scene.write(&name).await;
        assert_eq!(awaited.json()["value"]["name"], name);
        for _ in 0..2 {
            let again = scene.read().await;
            assert_eq!((&again.body, again.headers.get("etag")), (&awaited.body, awaited.headers.get("etag")));
        }
        let position = awaited.json()["position"].as_str().unwrap().to_owned();
        let known = get(scene.relay.address, &scene.alice.token, &format!("{}?after={position}", scene.url)).await;
        assert_eq!(known.body, awaited.body, "contained already");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_shows_as_soon_as_it_is_acknowledged() {
    let mut scene = Scene::new().await;
    for _ in 0..5 {
        assert_eq!(scene.read().await.status, 200);
        let tombstone = Batch::of(Content::Tombstone(scene.note.document.heads()));
        scene.laptop.push_all(scene.alice.personal, scene.note.id, &[tombstone]).await;
        assert_eq!(scene.read().await.code(), "document_deleted");
        scene.laptop.push_all(scene.alice.personal, scene.note.id, &[Batch::of(Content::Restore)]).await;
        assert_eq!(scene.read().await.json()["value"]["name"], "first");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_shows_at_once_and_has_another_tag() {
    let scene = Scene::new().await;
    let free = scene.read().await;
    let storage = scene.relay.storage();
    storage.hold(scene.alice.personal, scene.note.id, "for a test").await.unwrap();
    let held = scene.read().await;
    assert_eq!((&held.json()["held"], &held.json()["position"]), (&json!("for a test"), &free.json()["position"]));
    let bearer = format!("Bearer {}", scene.alice.token);
    let known = [("authorization", bearer.as_str()), ("if-none-match", free.headers["etag"].as_str())];
    assert_eq!(request(scene.relay.address, "GET", &scene.url, &known).await.status, 200, "it is not what is known");
    storage.release(scene.alice.personal, scene.note.id).await.unwrap();
    assert_eq!(scene.read().await.body, free.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_did_shows_soon() {
    let scene = Scene::new().await;
    let directory = &scene.relay.app.directory;
    let keys = ReceiptKeys::load_or_create(&directory.join("receipt.keys"), &system_random()).unwrap();
    let url = StorageUrl::Sqlite(directory.join("relay.sqlite"));
    let other = Storage::open(&url, StorageOptions::new(keys)).await.unwrap();
    other.hold(scene.alice.personal, scene.note.id, "from elsewhere").await.unwrap();
    scene.read_until(|answer| answer.json()["held"] == "from elsewhere").await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_gives_nothing_to_whoever_lost_access() {
    let scene = Scene::new().await;
    let bob = scene.relay.account("bob").await;
    let team = scene.relay.team(&[(&scene.alice, Role::Editor), (&bob, Role::Viewer)]).await;
    let (mut desktop, _) = Device::online(scene.relay.address, &scene.alice.token).await;
    let mut plan = Author::new("note");
    let batches = plan.put("/name", "of the team");
    let at = desktop.push_all(team, plan.id, &batches).await;
    let url = format!("/api/v1/spaces/{team}/documents/{}", plan.id);
    let address = scene.relay.address;
    assert_eq!(get(address, &bob.token, &format!("{url}?after={at}")).await.status, 200);
    assert_eq!(get(address, &bob.token, &url).await.status, 200);
    scene.relay.storage().revoke_grant(team, bob.id).await.unwrap();
    while get(address, &bob.token, &url).await.status == 200 {}
    assert_eq!(get(address, &bob.token, &url).await.code(), "space_not_found");
    assert_eq!(get(address, &scene.alice.token, &url).await.status, 200, "it is in memory still");

    assert!(scene.relay.storage().revoke_token(TokenRef::Secret(&scene.alice.token)).await.unwrap());
    scene.read_until(|answer| answer.status == 401).await;
    assert_eq!(scene.read().await.code(), "unauthenticated");
    assert_eq!(request(address, "GET", &scene.url, &[]).await.code(), "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_from_memory_passes_what_every_request_passes() {
    let scene = Scene::new().await;
    let (address, url) = (scene.relay.address, scene.url.as_str());
    let bearer = format!("Bearer {}", scene.alice.token);
    let ask = async |method: &str, name: &str, value: &str| {
        request(address, method, url, &[("authorization", &bearer), (name, value)]).await
    };
    let plain = scene.read().await;
    assert_eq!(plain.headers["x-content-type-options"], "nosniff");
    assert_eq!(ask("GET", "x-request-id", "from-the-proxy.1").await.headers["x-request-id"], "from-the-proxy.1");
    assert_eq!(ask("GET", "content-length", "262145").await.code(), "body_too_large");
    assert_eq!(ask("GET", "authorization", "Bearer another").await.code(), "unauthenticated", "two are none");
    assert_eq!(ask("PUT", "accept", "*/*").await.code(), "method_not_allowed");
    assert_eq!(ask("GET", "if-none-match", &plain.headers["etag"]).await.status, 304);
    let held: Vec<_> = std::iter::from_fn(|| scene.relay.app.requests.try_acquire().ok()).collect();
    assert_eq!(scene.read().await.code(), "overloaded");
    drop(held);
    assert_eq!(scene.read().await.body, plain.body);
    let wrong = get(address, &scene.alice.token, &format!("{url}?before=1")).await;
    assert_eq!(wrong.code(), "parameter_invalid", "a parameter is never overlooked");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_during_writes_see_every_document_only_advance() {
    let mut scene = Scene::new().await;
    let (address, token, url) = (scene.relay.address, scene.alice.token.clone(), scene.url.clone());
    let position =
        |answer: &Answer| answer.json()["position"].as_str().unwrap().split_once(':').unwrap().1.parse::<u64>();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (token, url) = (token.clone(), url.clone());
            tokio::spawn(async move {
                let mut last = 0;
                for _ in 0..100 {
                    let now = position(&get(address, &token, &url).await).unwrap();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            })
        })
        .collect();
    for number in 0..50 {
        scene.write(&format!("edit {number}")).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_by_bytes_and_may_be_none() {
    const BYTES_MAX: usize = 400_000;
    let (small, none) = (
        Relay::start_with(|config| config.api.ready_bytes_max = BYTES_MAX).await,
        Relay::start_with(|config| config.api.ready_bytes_max = 0).await,
    );
    for relay in [&small, &none] {
        let alice = relay.account("alice").await;
        let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
        let mut urls = Vec::new();
        for number in 0..40 {
            let mut note = Author::new("note");
            let name = format!("{number} {}", "x".repeat(4000));
            let batches = note.put("/name", name.as_str());
            let at = laptop.push_all(alice.personal, note.id, &batches).await;
            let url = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
            assert_eq!(get(relay.address, &alice.token, &format!("{url}?after={at}")).await.status, 200);
            urls.push((url, name));
        }
        for (url, name) in urls.iter().chain(&urls) {
            assert_eq!(get(relay.address, &alice.token, url).await.json()["value"]["name"], *name);
            assert!(relay.app.ready.bytes() <= relay.app.config.api.ready_bytes_max as u64);
        }
    }
    // 40 documents are 640 kB by the estimate.
    assert!(small.app.ready.bytes() > 16_000, "and it is used");
    assert_eq!(none.app.ready.bytes(), 0);
}
