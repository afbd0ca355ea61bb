//! Document types of third parties: who publishes, what is taken, who sees it.

mod documents; // what becomes of documents of such types
mod hostile; // files that were made to hurt

use std::time::{Duration, Instant};

use relay_storage::Sharing;
use serde_json::{Value, json};

use crate::http::{Answer, get, request, send};
use crate::openapi::check;
use crate::relay::{Account, Process, Relay, fail, succeed};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A task of version 1, in the namespace `acme`.
const TASK: &str = r#"{
  // Something to be done.
  "x-type": "ext.acme.task", "x-version": 1, "x-title": "/title", "type": "object",
  "properties": {
    "title": { "type": "string", "x-public": true, "x-limit": { "bytes": 40 } },
    "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set" },
    "owner": { "type": ["string", "null"], "x-merge": "manual", "x-public": true },
    "notes": { "type": "string" },
  }
}"#;

/// Somebody who has the namespace `acme`.
struct Publisher {
    relay: Relay,
    ada: Account,
}

impl Publisher {
    async fn new() -> Self {
        Self::on(Relay::start().await).await
    }

    async fn on(relay: Relay) -> Self {
        let ada = relay.account("ada").await;
        relay.storage().grant_namespace("acme", ada.id, Sharing::Alone).await.unwrap();
        Self { relay, ada }
    }

    async fn publish(&self, name: &str, version: u32, text: impl AsRef<[u8]>) -> Answer {
        publish(&self.relay, &self.ada, name, version, text).await
    }

    async fn get(&self, path: &str) -> Answer {
        request(self.relay.address, "GET", path, &[]).await
    }
}

async fn publish(relay: &Relay, by: &Account, name: &str, version: u32, text: impl AsRef<[u8]>) -> Answer {
    let bearer = format!("Bearer {}", by.token);
    let headers = [("authorization", bearer.as_str()), JSON];
    send(relay.address, "PUT", &format!("/api/v1/types/{name}/{version}"), &headers, text).await
}

/// A type of a name and version with nothing in it but these fields.
fn plain(name: &str, version: u32, fields: &str) -> String {
    format!(r#"{{ "x-type": "{name}", "x-version": {version}, "type": "object", "properties": {{ {fields} }} }}"#)
}

/// As [`plain`], of exactly so many bytes.
fn of_bytes(name: &str, version: u32, bytes: usize) -> String {
    let text = plain(name, version, "");
    format!("{text}{}", " ".repeat(bytes - text.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_published_for_everybody_and_never_changes() {
    let publisher = Publisher::new().await;
    let first = publisher.publish("ext.acme.task", 1, TASK).await;
    assert_eq!((first.status, first.headers["location"].as_str()), (201, "/api/v1/types/ext.acme.task/1"), "{first:?}");
    let again = publisher.publish("ext.acme.task", 1, TASK).await;
    assert_eq!((again.status, again.body), (200, first.body.clone()), "the same file once more is no other request");
    let other = publisher.publish("ext.acme.task", 1, TASK.replace("done", "made")).await;
    assert_eq!((other.status, other.code().as_str()), (409, "type_version_taken"), "{other:?}");

    let one = publisher.get("/api/v1/types/ext.acme.task/1").await;
    check(&one, "/api/v1/types/{name}/{version}");
    let json = one.json();
    assert_eq!((&json["text"], &json["schema"]["x-title"]), (&json!(TASK), &json!("/title")), "comments stay");
    assert_eq!(json["digest"], blake3::hash(TASK.as_bytes()).to_hex().as_str());
    assert_eq!(one.headers["cache-control"], "public, max-age=31536000, immutable");
    assert!(!one.headers.contains_key("set-cookie"), "{one:?}");
    let etag = one.headers["etag"].clone();
    for headers in [[("cookie", "a=b")], [("authorization", "Bearer nonsense")], [("accept", "text/html")]] {
        let same = request(publisher.relay.address, "GET", "/api/v1/types/ext.acme.task/1", &headers).await;
        assert_eq!((same.status, &same.body, &same.headers["etag"]), (200, &one.body, &etag), "{headers:?}");
    }
    let known = [("if-none-match", etag.as_str())];
    let unchanged = request(publisher.relay.address, "GET", "/api/v1/types/ext.acme.task/1", &known).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));

    let versions = publisher.get("/api/v1/types/ext.acme.task").await;
    check(&versions, "/api/v1/types/{name}");
    assert_eq!(versions.json()["versions"], json!([first.json()]));
    for path in ["ext.acme.task/2", "ext.acme.task/0", "ext.acme.task/x", "ext.acme.job", "note", "note/1", "%20/1"] {
        let missing = publisher.get(&format!("/api/v1/types/{path}")).await;
        assert_eq!((missing.status, missing.code().as_str()), (404, "type_not_found"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_newest_version_of_each_and_is_read_page_by_page() {
    let publisher = Publisher::new().await;
    let empty = publisher.get("/api/v1/types").await;
    assert_eq!(empty.json(), json!({ "items": [], "next": null }));
    for name in ["ext.acme.c", "ext.acme.a", "ext.acme.b"] {
        assert_eq!(publisher.publish(name, 1, plain(name, 1, "")).await.status, 201);
    }
    assert_eq!(publisher.publish("ext.acme.b", 2, plain("ext.acme.b", 2, "")).await.status, 201);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = publisher.get(&format!("/api/v1/types?limit=2{cursor}")).await;
        check(&page, "/api/v1/types");
        let json = page.json();
        let items = json["items"].as_array().unwrap();
        found.extend(items.iter().map(|item| format!("{}/{}", item["name"].as_str().unwrap(), item["version"])));
        match json["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["ext.acme.a/1", "ext.acme.b/2", "ext.acme.c/1"]);
    assert_eq!(publisher.get("/api/v1/types?cursor=note").await.code(), "parameter_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_namespace_publishes_in_it() {
    let publisher = Publisher::new().await;
    let (relay, storage) = (&publisher.relay, publisher.relay.storage());
    let bob = relay.account("bob").await;
    let foreign = publish(relay, &bob, "ext.acme.task", 1, TASK).await;
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "namespace_required"));
    assert!(foreign.json()["detail"].as_str().unwrap().contains("\"acme\""), "{foreign:?}");
    let elsewhere = publisher.publish("ext.other.task", 1, TASK.replace("acme", "other")).await;
    assert_eq!(elsewhere.code(), "namespace_required");
    let taken = storage.grant_namespace("acme", bob.id, Sharing::Alone).await.unwrap_err();
    assert_eq!(taken.code(), "namespace_taken");
    assert!(taken.to_string().contains("taken by ada"), "{taken}");

    storage.grant_namespace("acme", bob.id, Sharing::WithOthers).await.unwrap();
    assert_eq!(publish(relay, &bob, "ext.acme.task", 1, TASK).await.status, 201, "a publisher may be a team");
    assert!(storage.revoke_namespace("acme", bob.id).await.unwrap());
    assert!(!storage.revoke_namespace("acme", bob.id).await.unwrap());
    let second = TASK.replace("\"x-version\": 1", "\"x-version\": 2");
    assert_eq!(publish(relay, &bob, "ext.acme.task", 2, &second).await.code(), "namespace_required");
    assert_eq!(publish(relay, &bob, "ext.acme.task", 1, TASK).await.code(), "namespace_required", "nor the same again");
    assert_eq!(publisher.publish("ext.acme.task", 2, &second).await.status, 201);
    let third = relay.account("cy").await;
    storage.revoke_namespace("acme", publisher.ada.id).await.unwrap();
    let taken = storage.grant_namespace("acme", third.id, Sharing::Alone).await.unwrap_err().to_string();
    assert!(taken.contains("ada, bob"), "what they have published is theirs: {taken}");

    for name in ["Acme", "", "a b", "a.b", "1st", &"a".repeat(29), "acmé"] {
        let refused = storage.grant_namespace(name, bob.id, Sharing::Alone).await.unwrap_err();
        assert_eq!(refused.code(), "namespace_invalid", "{name:?}");
    }
    for name in ["ext", "local", "symphony", "vault"] {
        let refused = storage.grant_namespace(name, bob.id, Sharing::WithOthers).await.unwrap_err();
        assert_eq!(refused.code(), "namespace_reserved", "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_is_listed_with_its_place_and_nothing_is_published() {
    let publisher = Publisher::new().await;
    let fields = "\n \"a\": { \"x-megre\": \"text\" },\n \"b\": { \"pattern\": \"(?=x)\" }";
    let refused = publisher.publish("ext.acme.bad", 1, plain("ext.acme.bad", 1, fields)).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "type_invalid"), "{refused:?}");
    let violations = refused.json()["violations"].as_array().unwrap().clone();
    let said = |violation: &Value| format!("{}:{} {}", violation["line"], violation["path"], violation["code"]);
    let said: Vec<String> = violations.iter().map(said).collect();
    assert!(said.iter().any(|one| one == "2:\"/properties/a/x-megre\" \"unknown_keyword\""), "{said:?}");
    assert!(said.iter().any(|one| one == "3:\"/properties/b/pattern\" \"pattern\""), "{said:?}");
    assert!(violations.iter().all(|one| one["remedy"].is_string() && one["column"].is_u64()), "{violations:?}");
    // The name in the file counts as well.
    let misplaced = publisher.publish("ext.acme.bad", 1, plain("ext.acme.good", 1, "")).await;
    assert_eq!(misplaced.json()["violations"][0]["code"], "misplaced");
    assert_eq!(publisher.get("/api/v1/types/ext.acme.bad").await.code(), "type_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_come_one_after_the_other_and_keep_what_the_one_before_said() {
    let publisher = Publisher::new().await;
    let of = |version, field: &str| plain("ext.acme.job", version, &format!(r#""{field}": {{ "type": "string" }}"#));
    for version in [2, 7] {
        let early = publisher.publish("ext.acme.job", version, of(version, "a")).await;
        assert_eq!((early.status, early.code().as_str()), (409, "type_version_order"), "{early:?}");
        assert!(early.json()["detail"].as_str().unwrap().contains("publish version 1"), "{early:?}");
    }
    assert_eq!(publisher.publish("ext.acme.job", 1, of(1, "a")).await.status, 201);
    let other = publisher.publish("ext.acme.job", 2, of(2, "b")).await;
    assert_eq!(other.code(), "type_invalid");
    let codes: Vec<Value> =
        other.json()["violations"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(codes, [json!("field_removed"), json!("since_missing")]);
    assert_eq!(publisher.publish("ext.acme.job", 2, of(2, "a")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_quota_holds_at_its_limit_and_not_one_past_it() {
    let relay = Relay::start_with(|config| {
        config.types.namespace_types_max = 2;
        config.types.type_versions_max = 3;
        config.types.file_bytes_max = 1000;
        config.types.namespace_bytes_max = 3000;
        config.types.published_max = 3;
    });
    let publisher = Publisher::on(relay.await).await;
    let refused = async |name: &str, version, text: String, code: &str, word: &str| {
        let answer = publisher.publish(name, version, text).await;
        assert_eq!(answer.code(), code, "{answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{answer:?}");
    };
    let put = async |name: &str, version, bytes| {
        let answer = publisher.publish(name, version, of_bytes(name, version, bytes)).await;
        assert_eq!(answer.status, 201, "{name} {version}: {answer:?}");
    };
    refused("ext.acme.a", 1, of_bytes("ext.acme.a", 1, 1001), "body_too_large", "1001 bytes").await;
    put("ext.acme.a", 1, 1000).await;
    put("ext.acme.a", 2, 100).await;
    put("ext.acme.a", 3, 100).await;
    refused("ext.acme.a", 4, of_bytes("ext.acme.a", 4, 100), "quota_exceeded", "3 versions").await;
    put("ext.acme.b", 1, 1000).await;
    refused("ext.acme.c", 1, of_bytes("ext.acme.c", 1, 100), "quota_exceeded", "2 types").await;
    refused("ext.acme.b", 2, of_bytes("ext.acme.b", 2, 801), "quota_exceeded", "2200 bytes").await;
    put("ext.acme.b", 2, 800).await;

    let storage = publisher.relay.storage();
    storage.grant_namespace("other", publisher.ada.id, Sharing::Alone).await.unwrap();
    put("ext.other.a", 1, 100).await;
    refused("ext.other.b", 1, of_bytes("ext.other.b", 1, 100), "quota_exceeded", "3 published types").await;
    put("ext.other.a", 2, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_of_a_type_is_refused_in_coded_words() {
    let publisher = Publisher::new().await;
    let bearer = format!("Bearer {}", publisher.ada.token);
    let path = "/api/v1/types/ext.acme.task/1";
    let put = async |path: &str, kind: &str, body: &[u8]| {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        send(publisher.relay.address, "PUT", path, &headers, body).await
    };
    assert_eq!(put(path, "text/plain", TASK.as_bytes()).await.code(), "media_type_unsupported");
    assert_eq!(put(path, "application/json", b"{\xff}").await.code(), "body_invalid");
    assert_eq!(put(path, "application/json", b"").await.code(), "type_invalid");
    assert_eq!(put("/api/v1/types/ext.acme.task/1?x=1", JSON.1, TASK.as_bytes()).await.code(), "parameter_invalid");
    for version in ["0", "-1", "x", "1.0", "99999999999"] {
        let answer = put(&format!("/api/v1/types/ext.acme.task/{version}"), JSON.1, TASK.as_bytes()).await;
        assert_eq!(answer.code(), "parameter_invalid", "{version}");
    }
    for name in
        ["note", "acme.task", "ext.acme", "ext.acme.", "ext..task", "ext.acme.a.b", "EXT.acme.task", "ext.acme.%00"]
    {
        let answer = put(&format!("/api/v1/types/{name}/1"), JSON.1, TASK.as_bytes()).await;
        assert_eq!(answer.code(), "parameter_invalid", "{name}");
    }
    assert_eq!(put(path, JSON.1, TASK.as_bytes()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_publishes_beside_a_running_relay_and_a_restart_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = &directory.path().join("data");
    succeed(data, &["account", "create", "ada"]);
    let token = succeed(data, &["token", "create", "--account", "ada"]);
    succeed(data, &["namespace", "grant", "acme", "ada"]);
    assert!(succeed(data, &["namespace", "list"]).starts_with("acme\tada\t20"));
    succeed(data, &["account", "create", "bob"]);
    let (code, detail) = fail(data, &["namespace", "grant", "acme", "bob"]);
    assert_eq!(code, "namespace_taken");
    assert!(detail.contains("taken by ada") && detail.contains("--share"), "{detail}");
    succeed(data, &["namespace", "grant", "acme", "bob", "--share"]);
    succeed(data, &["namespace", "revoke", "acme", "bob"]);
    assert_eq!(fail(data, &["namespace", "revoke", "acme", "bob"]).0, "grant_unknown");

    let relay = Process::serve(data);
    let folder = directory.path().join("ext.acme.task");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("1.json").display().to_string();
    std::fs::write(&file, TASK.replace("x-public", "x-pulbic")).unwrap();
    let (code, detail) = fail(data, &["type", "add", &file]);
    assert_eq!(code, "type_invalid", "{detail}");
    std::fs::write(&file, TASK).unwrap();
    assert_eq!(succeed(data, &["type", "add", &file]), "published ext.acme.task version 1");
    assert_eq!(succeed(data, &["type", "add", &file]), "ext.acme.task version 1 was published already");
    assert_eq!(succeed(data, &["type", "show", "ext.acme.task", "1"]), TASK);
    assert!(succeed(data, &["type", "list"]).starts_with("ext.acme.task\t1\t"));
    assert_eq!(fail(data, &["type", "show", "ext.acme.job"]).0, "type_unknown");
    assert_eq!(fail(data, &["type", "add", "nowhere.json"]).0, "type_name_invalid");

    let create = async |address, title: &str| {
        let spaces = get(address, &token, "/api/v1/documents").await;
        assert_eq!(spaces.status, 200);
        let space = succeed(data, &["account", "list"]);
        let space = space.lines().find(|line| line.contains("\tada\t")).unwrap().split('\t').nth(2).unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let body = json!({ "type": "ext.acme.task", "value": { "title": title } }).to_string();
        let headers = [("authorization", bearer.as_str()), JSON];
        send(address, "POST", &format!("/api/v1/spaces/{space}/documents"), &headers, body).await
    };
    let began = Instant::now();
    while create(relay.address, "tea").await.status != 201 {
        assert!(began.elapsed() < Duration::from_secs(5), "the relay does not notice");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(create(relay.address, &"x".repeat(41)).await.code(), "document_invalid");
    relay.terminate();
    assert_eq!(relay.exit_code(), Some(0));
    assert!(succeed(data, &["verify"]).ends_with("nothing is wrong"));
    let relay = Process::serve(data);
    assert_eq!(create(relay.address, &"x".repeat(41)).await.code(), "document_invalid", "at once");
    assert_eq!(create(relay.address, "coffee").await.status, 201);
    assert_eq!(request(relay.address, "GET", "/api/v1/types/ext.acme.task/1", &[]).await.json()["text"], TASK);
}
