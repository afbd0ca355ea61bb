//! Fields that wait for a person, over HTTP: which, since when, by whom, and how they are settled.

use document::Intent;
use relay_storage::CountedConflicts;
use serde_json::{Value, json};
use sync_wire::{Content, Position, Role, SpaceId};

use crate::author::{Author, Batch};
use crate::device::Device;
use crate::http::{Answer, get};
use crate::openapi::check;
use crate::relay::{Account, Relay, succeed};
use crate::website::{MERGE, Page, tag};
use crate::writes::project;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A profile on two devices of its account, which have chosen two handles while they were apart.
struct Disputed {
    laptop: Author,
    desktop: Author,
    devices: [Device; 2],
    /// Its last entry.
    at: String,
}

async fn disputed(relay: &Relay, account: &Account, space: SpaceId) -> Disputed {
    let (mut here, _) = Device::online(relay.address, &account.token).await;
    let (mut there, _) = Device::online(relay.address, &account.token).await;
    let mut laptop = Author::new("profile");
    here.push_all(space, laptop.id, &laptop.put("/name", "Ada")).await;
    let mut desktop = laptop.elsewhere();
    here.push_all(space, laptop.id, &laptop.put("/handle", "ada")).await;
    let at = there.push_all(space, desktop.id, &desktop.put("/handle", "lovelace")).await.to_string();
    Page::of(relay, account, space).read_after(laptop.id, &at).await;
    Disputed { laptop, desktop, devices: [here, there], at }
}

impl Page<'_> {
    async fn conflicts(&self, document: sync_wire::DocumentId) -> Answer {
        let answer = self.send("GET", &format!("{}/conflicts", self.path(document)), &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn resolve(&self, document: sync_wire::DocumentId, body: &Value) -> Answer {
        let path = format!("{}/conflicts/resolve", self.path(document));
        self.send("POST", &path, &[JSON], &body.to_string()).await
    }
}

/// The only conflict of an answer.
fn conflict(answer: &Answer) -> Value {
    let items = answer.json()["items"].as_array().unwrap().clone();
    let [one] = items.as_slice() else { panic!("{items:?}") };
    one.clone()
}

/// The changes that wrote its values.
fn changes(conflict: &Value) -> Vec<Value> {
    conflict["values"].as_array().unwrap().iter().map(|value| value["change"].clone()).collect()
}

fn values(conflict: &Value) -> Vec<&str> {
    let mut values: Vec<_> =
        conflict["values"].as_array().unwrap().iter().map(|value| value["value"].as_str().unwrap_or("null")).collect();
    values.sort_unstable();
    values
}

/// The change that wrote a value.
fn change_of(conflict: &Value, wanted: &str) -> Value {
    let values = conflict["values"].as_array().unwrap();
    values.iter().find(|value| value["value"] == wanted).unwrap_or_else(|| panic!("{values:?}"))["change"].clone()
}

/// What waits in a document of a device, by the rules of its type.
fn open_in(author: &Author) -> usize {
    let mut document = author.document.clone();
    document.set_manual(schemas::Registry::builtin().get("profile").unwrap().manual_fields());
    document.conflicts().unwrap().len()
}

/// Takes in what a device is sent until its document is the one of an answer.
async fn catch_up(device: &mut Device, author: &mut Author, space: SpaceId, settled: &Answer) {
    let heads = || settled.json()["heads"].clone();
    let mut all = Vec::new();
    while json!(author.document.heads().iter().map(ToString::to_string).collect::<Vec<_>>()) != heads() {
        all.extend(device.delivered(space).await.entries.into_iter().filter_map(|entry| entry.bytes));
        author.document.apply(&all).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_two_devices_is_settled_over_http_and_both_see_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    for space in [alice.personal, team] {
        let page = Page::of(&relay, &alice, space);
        let Disputed { mut laptop, mut desktop, mut devices, at } = disputed(&relay, &alice, space).await;
        let answer = page.conflicts(laptop.id).await;
        check(&answer, "/api/v1/spaces/{space}/documents/{document}/conflicts");
        let open = answer.json();
        assert_eq!((&open["type"], &open["position"], &open["next"]), (&json!("profile"), &json!(at), &Value::Null));
        let disputed = conflict(&answer);
        assert_eq!((&disputed["path"], &disputed["stored_path"]), (&json!("/handle"), &json!("/handle")));
        assert_eq!(values(&disputed), ["ada", "lovelace"]);
        let shown = page.read(laptop.id).await.json()["value"]["handle"].clone();
        for value in disputed["values"].as_array().unwrap() {
            let device = if value["value"] == "ada" { devices[0].id } else { devices[1].id };
            assert_eq!(
                (&value["device"], &value["account"]),
                (&json!(device.to_string()), &json!(alice.id.to_string()))
            );
            assert_eq!(value["shown"], json!(value["value"] == shown));
            assert_eq!(value["device_time"], "2023-11-14T22:13:20Z");
            assert!(value["time"].is_string() && value["position"].is_string(), "{value}");
        }
        // Nothing new for whoever has it.
        let path = format!("{}/conflicts", page.path(laptop.id));
        let known = tag(&answer);
        assert_eq!(page.send("GET", &path, &[("if-none-match", known.as_str())], "").await.status, 304);

        let kept = json!({"stored_path": "/handle", "keep": change_of(&disputed, "ada"), "seen": changes(&disputed)});
        let settled = page.resolve(laptop.id, &kept).await;
        assert_eq!((settled.status, &settled.json()["value"]["handle"]), (200, &json!("ada")), "{settled:?}");
        assert_eq!(page.conflicts(laptop.id).await.json()["items"], json!([]));
        for (device, author) in devices.iter_mut().zip([&mut laptop, &mut desktop]) {
            catch_up(device, author, space, &settled).await;
            assert_eq!((&author.document.value()["handle"], open_in(author)), (&json!("ada"), 0));
        }
        let notes = laptop.document.history().unwrap().into_iter().filter_map(|change| change.message);
        assert!(notes.into_iter().any(|note| note == "resolve /handle"));
        // And it goes on like any field.
        let answer = page.patch(laptop.id, &tag(&settled), MERGE, &json!({"handle": "countess"})).await;
        assert_eq!((answer.status, &answer.json()["value"]["handle"]), (200, &json!("countess")), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_about_other_values_than_those_that_are_open_settles_nothing() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let Disputed { laptop, desktop, devices: [mut here, _], .. } = disputed(&relay, &alice, alice.personal).await;
    let stale = conflict(&page.conflicts(laptop.id).await);
    // A third device, which had seen one of the values alone, writes over it.
    let mut phone = desktop.elsewhere();
    here.push_all(alice.personal, phone.id, &phone.put("/handle", "countess")).await;
    let decided = |conflict: &Value, value: &str| {
        let (kept, seen) = (change_of(conflict, value), changes(conflict));
        json!({"stored_path": "/handle", "keep": kept, "seen": seen})
    };
    let moved = page.resolve(laptop.id, &decided(&stale, "ada")).await;
    assert_eq!((moved.status, moved.code().as_str()), (412, "conflict_moved"), "{moved:?}");
    let detail = moved.json()["detail"].as_str().unwrap().to_owned();
    let fresh = conflict(&page.conflicts(laptop.id).await);
    assert_eq!(values(&fresh), ["ada", "countess"]);
    assert!(changes(&fresh).iter().all(|change| detail.contains(change.as_str().unwrap())), "{detail}");
    assert!(!detail.contains("countess"), "what is in documents is in no error: {detail}");
    // Whatever is seen too little, or too much.
    let mut one = decided(&fresh, "ada");
    one["seen"] = json!([change_of(&fresh, "ada")]);
    assert_eq!(page.resolve(laptop.id, &one).await.code(), "conflict_moved");
    let settled = page.resolve(laptop.id, &decided(&fresh, "countess")).await;
    assert_eq!(settled.json()["value"]["handle"], "countess", "{settled:?}");
    let late = page.resolve(laptop.id, &decided(&fresh, "countess")).await;
    assert_eq!((late.status, late.code().as_str()), (409, "no_conflict"), "{late:?}");
    // What a device that was offline decides otherwise waits again.
    let mut offline = phone.elsewhere();
    here.push_all(alice.personal, offline.id, &offline.put("/handle", "augusta")).await;
    assert_eq!(values(&conflict(&page.conflicts(laptop.id).await)), ["augusta", "countess"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_value_has_to_fit_the_type_and_null_removes_the_field() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    for (value, expected) in [(json!("countess"), json!("countess")), (Value::Null, Value::Null)] {
        let Disputed { laptop, .. } = disputed(&relay, &alice, alice.personal).await;
        let open = conflict(&page.conflicts(laptop.id).await);
        let put = |value: &Value| json!({"stored_path": "/handle", "value": value, "seen": changes(&open)});
        let refused = page.resolve(laptop.id, &put(&json!("No Handle"))).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "document_invalid"), "{refused:?}");
        assert_eq!(refused.json()["violations"][0]["path"], "/handle");
        assert!(!refused.json()["violations"][0]["remedy"].as_str().unwrap().is_empty());
        let settled = page.resolve(laptop.id, &put(&value)).await;
        assert_eq!((settled.status, &settled.json()["value"]["handle"]), (200, &expected), "{settled:?}");
        assert_eq!(settled.json()["value"]["name"], "Ada");
        assert_eq!(page.conflicts(laptop.id).await.json()["items"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_decision_writes_to_a_field_that_waits() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let Disputed { laptop, .. } = disputed(&relay, &alice, alice.personal).await;
    let answer = page.read(laptop.id).await;
    let refused = page.patch(laptop.id, &tag(&answer), MERGE, &json!({"handle": "countess"})).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict_open"), "{refused:?}");
    let other = page.patch(laptop.id, &tag(&answer), MERGE, &json!({"name": "Augusta"})).await;
    assert_eq!(other.status, 200, "{other:?}");
    assert_eq!(values(&conflict(&page.conflicts(laptop.id).await)), ["ada", "lovelace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_sees_what_waits_and_decides_nothing() {
    let relay = Relay::start().await;
    let (alice, bob, mallory) =
        (relay.account("alice").await, relay.account("bob").await, relay.account("mallory").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Viewer)]).await;
    let Disputed { laptop, .. } = disputed(&relay, &alice, team).await;
    let his = Page::of(&relay, &bob, team);
    let open = conflict(&his.conflicts(laptop.id).await);
    let body = json!({"stored_path": "/handle", "keep": change_of(&open, "ada"), "seen": changes(&open)});
    let refused = his.resolve(laptop.id, &body).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "editor_required"), "{refused:?}");
    let foreign = Page::of(&relay, &mallory, team);
    assert_eq!(foreign.resolve(laptop.id, &body).await.code(), "space_not_found");
    let path = format!("{}/conflicts", foreign.path(laptop.id));
    assert_eq!(foreign.send("GET", &path, &[], "").await.code(), "space_not_found");
    for (account, documents) in [(&alice, 1), (&bob, 1), (&mallory, 0)] {
        let inbox = get(relay.address, &account.token, "/api/v1/conflicts").await;
        assert_eq!(inbox.json()["items"].as_array().unwrap().len(), documents, "{inbox:?}");
        let one = get(relay.address, &account.token, &format!("/api/v1/conflicts?space={team}")).await;
        assert_eq!(one.status, if documents == 0 { 404 } else { 200 });
    }
    assert_eq!(values(&conflict(&his.conflicts(laptop.id).await)), ["ada", "lovelace"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_decision_is_refused() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let Disputed { laptop, mut devices, .. } = disputed(&relay, &alice, alice.personal).await;
    let open = conflict(&page.conflicts(laptop.id).await);
    let (seen, one) = (changes(&open), change_of(&open, "ada"));
    for (body, code) in [
        (json!({"stored_path": "/name", "keep": one, "seen": seen}), "no_conflict"),
        (json!({"stored_path": "handle", "keep": one, "seen": seen}), "no_conflict"),
        (json!({"stored_path": "", "value": {}, "seen": []}), "no_conflict"),
        (json!({"stored_path": "/handle", "keep": one, "seen": []}), "conflict_moved"),
        (json!({"stored_path": "/handle", "value": "x", "seen": []}), "conflict_moved"),
        (json!({"stored_path": "/handle", "seen": seen}), "body_invalid"),
        (json!({"stored_path": "/handle", "keep": "x", "seen": ["x"]}), "body_invalid"),
        (json!({"stored_path": "/handle", "value": 1, "keep": one, "seen": seen}), "body_invalid"),
        (json!({"stored_path": "/handle", "value": {"deep": ["x"]}, "seen": seen}), "document_invalid"),
        (json!({"stored_path": "/x".repeat(50_000), "value": "x", "seen": seen}), "no_conflict"),
        (json!([]), "body_invalid"),
    ] {
        let answer = page.resolve(laptop.id, &body).await;
        assert_eq!(answer.code(), code, "{body}: {answer:?}");
        assert!(answer.body.len() < 2_000, "{}", answer.body.len());
    }
    let path = format!("{}/conflicts/resolve", page.path(laptop.id));
    assert_eq!(page.send("POST", &path, &[("content-type", MERGE)], "{}").await.code(), "media_type_unsupported");
    assert_eq!(page.send("POST", &path, &[JSON], "{").await.code(), "body_invalid");
    let nobody = Author::new("profile");
    let body = json!({"stored_path": "/handle", "value": "x", "seen": seen});
    assert_eq!(page.resolve(nobody.id, &body).await.code(), "document_not_found");
    let missing = page.send("GET", &format!("{}/conflicts", page.path(nobody.id)), &[], "").await;
    assert_eq!(missing.code(), "document_not_found");
    // A document of a type without such fields has none; one of an unknown type neither.
    for mut author in [Author::new("note"), Author::new("ext.someone.thing")] {
        devices[0].push_all(alice.personal, author.id, &author.put("/name", "x")).await;
        assert_eq!(page.conflicts(author.id).await.json()["items"], json!([]));
    }
    let tombstone = Batch::of(Content::Tombstone(changes_of(&open)));
    devices[0].push_all(alice.personal, laptop.id, &[tombstone]).await;
    assert_eq!(page.resolve(laptop.id, &body).await.code(), "document_deleted");
    let deleted = page.send("GET", &format!("{}/conflicts", page.path(laptop.id)), &[], "").await;
    assert_eq!(deleted.code(), "document_deleted");
    assert_eq!(inbox(&relay, &alice, "").await, (Vec::new(), Value::Null), "nobody decides about what is gone");
}

fn changes_of(conflict: &Value) -> Vec<sync_wire::ChangeHash> {
    changes(conflict).iter().map(|change| change.as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_with_a_key_is_made_once() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let Disputed { laptop, .. } = disputed(&relay, &alice, alice.personal).await;
    let open = conflict(&page.conflicts(laptop.id).await);
    let body = json!({"stored_path": "/handle", "keep": change_of(&open, "ada"), "seen": changes(&open)}).to_string();
    let path = format!("{}/conflicts/resolve", page.path(laptop.id));
    let headers = [JSON, ("idempotency-key", "\"decided\"")];
    let first = page.send("POST", &path, &headers, &body).await;
    let end = relay.storage().end_of(alice.personal).await.unwrap();
    let again = page.send("POST", &path, &headers, &body).await;
    assert_eq!((first.status, again.status, tag(&again)), (200, 200, tag(&first)), "{again:?}");
    assert_eq!(relay.storage().end_of(alice.personal).await.unwrap(), end, "written once");
}

/// The documents of a page of the list, by their ids with the number of their fields, and what follows it.
async fn inbox(relay: &Relay, account: &Account, query: &str) -> (Vec<(String, u64)>, Value) {
    let answer = get(relay.address, &account.token, &format!("/api/v1/conflicts{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    check(&answer, "/api/v1/conflicts");
    let json = answer.json();
    let item = |item: &Value| (item["id"].as_str().unwrap().to_owned(), item["fields"].as_u64().unwrap());
    (json["items"].as_array().unwrap().iter().map(item).collect(), json["next"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_every_document_in_which_something_waits_and_is_read_page_by_page() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut expected = Vec::new();
    for space in [alice.personal, team, alice.personal] {
        expected.push((space, disputed(&relay, &alice, space).await.laptop.id));
        let mut calm = Author::new("profile");
        laptop.push_all(space, calm.id, &calm.put("/handle", "calm")).await;
    }
    let mut trust = Author::new("trust");
    let workspaces = ["one", "t/wo"].map(|name| format!("/workspaces/{}/decision", schemas::escape(name)));
    let put = |path: &str, value: &str| Intent::Put { path: path.into(), value: value.into() };
    let all = |author: &mut Author, value: &str| {
        author.edit(|draft| workspaces.iter().try_for_each(|path| draft.apply(put(path, value))))
    };
    laptop.push_all(team, trust.id, &trust.put("/workspaces/three/note", "n")).await;
    let mut elsewhere = trust.elsewhere();
    for (author, value) in [(&mut trust, "trusted"), (&mut elsewhere, "restricted")] {
        laptop.push_all(team, author.id, &all(author, value)).await;
    }
    expected.sort_unstable();
    let mut expected: Vec<_> = expected.into_iter().map(|(space, id)| (space, id.to_string(), 1)).collect();
    let after_team = expected.iter().rposition(|(space, ..)| *space == team).unwrap() + 1;
    expected.insert(after_team, (team, trust.id.to_string(), 2));
    let expected: Vec<(String, u64)> = expected.into_iter().map(|(_, id, fields)| (id, fields)).collect();
    for _ in 0..2 {
        // Counted the first time, known the second.
        assert_eq!(inbox(&relay, &alice, "").await, (expected.clone(), Value::Null));
    }
    for limit in [1, 2, 3] {
        let (mut found, mut query) = (Vec::new(), format!("?limit={limit}"));
        loop {
            let (items, next) = inbox(&relay, &alice, &query).await;
            assert!(items.len() <= limit);
            found.extend(items);
            let Some(next) = next.as_str() else { break };
            query = format!("?limit={limit}&cursor={next}");
        }
        assert_eq!(found, expected, "{limit} at once");
    }
    for wrong in ["?cursor=x", "?cursor=a.b.c", "?limit=0", "?limit=x"] {
        let answer = get(relay.address, &alice.token, &format!("/api/v1/conflicts{wrong}")).await;
        assert_eq!(answer.code(), "parameter_invalid", "{wrong}");
    }
    // The fields of one document, too, and by their places in what people read.
    let page = Page::of(&relay, &alice, team);
    let path = format!("{}/conflicts?limit=1", page.path(trust.id));
    let first = page.send("GET", &path, &[], "").await.json();
    assert_eq!(first["items"][0]["path"], "/workspaces/one/decision");
    let cursor = first["next"].as_str().unwrap().to_owned();
    let second = page.send("GET", &format!("{path}&cursor={cursor}"), &[], "").await.json();
    assert_eq!((&second["items"][0]["path"], &second["next"]), (&json!("/workspaces/t~1wo/decision"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_list_looks_at_so_many_documents_and_says_where_it_ended() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut ends = Vec::new();
    for documents in [32, 33] {
        for _ in 0..documents {
            let mut calm = Author::new("profile");
            laptop.push_all(alice.personal, calm.id, &calm.put("/handle", "calm")).await;
        }
        let (items, next) = inbox(&relay, &alice, "").await;
        assert_eq!(items, []);
        ends.push(next);
    }
    assert_eq!(ends[0], Value::Null, "all were looked at");
    let next = ends[1].as_str().expect("one is left");
    assert_eq!(inbox(&relay, &alice, &format!("?cursor={next}")).await, (Vec::new(), Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_says_something_until_the_document_changes() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let Disputed { laptop, .. } = disputed(&relay, &alice, alice.personal).await;
    let explained = || {
        let (space, document) = (alice.personal.to_string(), laptop.id.to_string());
        let text = succeed(relay.directory(), &["explain", &space, &document, "--json"]);
        serde_json::from_str::<Value>(&text).unwrap()["conflicts"].clone()
    };
    let one = (vec![(laptop.id.to_string(), 1)], Value::Null);
    assert_eq!(explained(), Value::Null, "nobody has counted them");
    assert_eq!(inbox(&relay, &alice, "").await, one);
    assert_eq!(explained(), 1);
    // Of an earlier entry, or by the rules of another version of the type, it is nothing.
    let now = schemas::Registry::builtin().get("profile").expect("a built-in type").version;
    let end = relay.storage().document(alice.personal, laptop.id).await.unwrap().unwrap().end.position;
    for (position, type_version, listed) in [(end, now, 7), (Position(end.0 - 1), now, 7), (end, now + 1, 1)] {
        let counted =
            CountedConflicts { space: alice.personal, document: laptop.id, position, type_version, fields: 7 };
        relay.storage().note_conflicts(counted).await.unwrap();
        assert_eq!(inbox(&relay, &alice, "").await.0, [(laptop.id.to_string(), listed)], "{position} {type_version}");
    }
    // It goes with whatever else is derived.
    let position = end;
    let wrong = CountedConflicts { space: alice.personal, document: laptop.id, position, type_version: now, fields: 7 };
    relay.storage().note_conflicts(wrong).await.unwrap();
    relay.storage().rebuild(None, &project()).await.unwrap();
    assert_eq!(inbox(&relay, &alice, "").await, one);
    let open = conflict(&page.conflicts(laptop.id).await);
    let body = json!({"stored_path": "/handle", "keep": change_of(&open, "ada"), "seen": changes(&open)});
    assert_eq!(page.resolve(laptop.id, &body).await.status, 200);
    assert_eq!(explained(), Value::Null, "the document has moved on");
    assert_eq!(inbox(&relay, &alice, "").await, (Vec::new(), Value::Null));
    assert_eq!(explained(), 0);
}
