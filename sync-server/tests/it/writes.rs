//! Documents changed, begun and deleted over HTTP, beside devices that do the same.

mod refused; // and what becomes of those that are not

use document::Intent;
use serde_json::{Value, json};
use sync_wire::{DocumentId, Role};

use crate::author::{Author, fresh_id};
use crate::device::Device;
use crate::http::{Answer, get};
use crate::relay::Relay;
use crate::website::{Page, STEPS, tag, value};

/// A document that a laptop has pushed, and what a page sees of it.
async fn pushed(page: &Page<'_>, laptop: &mut Device, author: &mut Author, edits: Vec<Intent>) -> String {
    let batches = author.edit(|draft| edits.into_iter().try_for_each(|edit| draft.apply(edit)));
    let at = laptop.push_all(page.space, author.id, &batches).await;
    page.read_after(author.id, at).await
}

fn put(path: &str, value: impl Into<Value>) -> Intent {
    Intent::Put { path: path.into(), value: value.into() }
}

fn text(path: &str, text: &str) -> Intent {
    Intent::ReplaceText { path: path.into(), text: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_patch_changes_what_it_names_and_its_answer_contains_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    let edits = vec![put("/base/editor/tabSize", 4), put("/base/editor/font", "mono"), put("/base/theme", "dark")];
    let seen = pushed(&page, &mut laptop, &mut settings, edits).await;

    let patch = json!({"base": {"editor": {"tabSize": 2, "font": null}, "wrap": true}});
    let answer = page.merge(settings.id, &seen, &patch).await;
    assert_eq!(value(&answer), json!({"base": {"editor": {"tabSize": 2}, "theme": "dark", "wrap": true}}));
    assert_ne!(tag(&answer), seen);
    let at = answer.json()["position"].as_str().unwrap().to_owned();
    assert_eq!(page.read_after(settings.id, &at).await, tag(&answer), "the position is that of the write");
    // What a device gets is a change like any other, of the website device.
    let website = relay.storage().website_device(alice.id).await.unwrap();
    let mut entries = Vec::new();
    while entries.iter().all(|entry: &sync_wire::Entry| entry.device != website) {
        entries.extend(laptop.delivered(alice.personal).await.entries);
    }
    let bytes: Vec<_> = entries.into_iter().filter_map(|entry| entry.bytes).collect();
    settings.document.apply(&bytes).unwrap();
    assert_eq!(settings.document.value(), answer.json()["value"]);
    let devices = relay.storage().devices(alice.id).await.unwrap();
    assert!(devices.iter().any(|device| (device.id, device.agent.as_str()) == (website, "website")));
    // Nothing to write writes nothing.
    let end = relay.storage().end_of(alice.personal).await.unwrap();
    let same = page.merge(settings.id, &tag(&answer), &json!({"base": {"wrap": true}})).await;
    assert_eq!((value(&same), tag(&same)), (value(&answer), tag(&answer)));
    assert_eq!(relay.storage().end_of(alice.personal).await.unwrap(), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_patch_is_taken_step_by_step_or_not_at_all() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    let seen =
        pushed(&page, &mut laptop, &mut settings, vec![put("/base/a", 1), put("/base/rulers", json!([80]))]).await;
    let steps = json!([
        {"op": "test", "path": "/base/a", "value": 1},
        {"op": "add", "path": "/base/rulers/-", "value": 120},
        {"op": "move", "from": "/base/a", "path": "/base/b"},
    ]);
    let answer = page.patch(settings.id, &seen, STEPS, &steps).await;
    assert_eq!(value(&answer), json!({"base": {"b": 1, "rulers": [80, 120]}}));
    let failing = json!([{"op": "add", "path": "/base/c", "value": 3}, {"op": "test", "path": "/base/b", "value": 2}]);
    let refused = page.patch(settings.id, &tag(&answer), STEPS, &failing).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "patch_not_applicable"));
    assert!(refused.json()["detail"].as_str().unwrap().contains("step 1 at \"/base/b\""), "{refused:?}");
    assert_eq!(tag(&page.read(settings.id).await), tag(&answer), "nothing of it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_page_merges_with_what_a_vault_wrote_since() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    let stale = pushed(&page, &mut laptop, &mut settings, vec![put("/base/a", 1), put("/base/b", 1)]).await;
    pushed(&page, &mut laptop, &mut settings, vec![put("/base/a", 2), put("/base/c", 2)]).await;
    let answer = page.merge(settings.id, &stale, &json!({"base": {"a": 1, "b": 3}})).await;
    let merged = json!({"base": {"a": 2, "b": 3, "c": 2}});
    assert_eq!(value(&answer), merged, "what is equal to what was seen is left alone");
    // A vault that was offline meanwhile still joins.
    let batches = settings.put("/base/d", 4);
    let at = laptop.push_all(alice.personal, settings.id, &batches).await;
    page.read_after(settings.id, at).await;
    let both = json!({"base": {"a": 2, "b": 3, "c": 2, "d": 4}});
    assert_eq!(value(&page.read(settings.id).await), both);
    assert_sound(&relay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_edited_by_its_difference_and_concurrent_typing_stays() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let stale = pushed(&page, &mut laptop, &mut note, vec![put("/name", "n"), text("/body", "one two three")]).await;
    pushed(&page, &mut laptop, &mut note, vec![text("/body", "zero one two three")]).await;
    pushed(&page, &mut laptop, &mut note, vec![text("/body", "zero one two three four")]).await;
    let answer = page.merge(note.id, &stale, &json!({"body": "one 2 three"})).await;
    assert_eq!(value(&answer), json!({"name": "n", "body": "zero one 2 three four"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_list_merge_with_those_that_a_vault_added() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let binding = |key: &str, command: &str| json!({"key": key, "command": command});
    let begun = json!({"type": "keymap", "value": {"bindings": [binding("a", "one"), binding("b", "two")]}});
    let created = page.create(&begun).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    let stale = tag(&created);
    // The vault gets what the page made, and adds a binding at the end.
    let mut keymap = Author::untyped();
    keymap.id = id;
    let mut all = Vec::new();
    while keymap.document.value()["bindings"].as_object().is_none_or(|items| items.len() < 2) {
        all.extend(laptop.delivered(alice.personal).await.entries.into_iter().filter_map(|entry| entry.bytes));
        keymap.document.apply(&all).unwrap();
    }
    let item = json!({"order": "zz", "key": "z", "command": "last"});
    pushed(&page, &mut laptop, &mut keymap, vec![put("/bindings/laptop", item)]).await;
    let steps = json!([
        {"op": "replace", "path": "/bindings/0/command", "value": "uno"},
        {"op": "add", "path": "/bindings/1", "value": binding("c", "between")},
    ]);
    let answer = page.patch(id, &stale, STEPS, &steps).await;
    let expected = [("a", "uno"), ("c", "between"), ("b", "two"), ("z", "last")];
    assert_eq!(value(&answer)["bindings"], json!(expected.map(|(key, command)| binding(key, command))));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writes_of_one_document_all_count() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    for space in [alice.personal, team] {
        let page = Page::of(&relay, &alice, space);
        let created = page.create(&json!({"type": "settings", "value": {"base": {"begun": true}}})).await;
        assert_eq!(created.status, 201, "{created:?}");
        let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
        let seen = tag(&created);
        let writes = (0..24).map(|number| {
            let (page, seen) = (&page, seen.as_str());
            async move { page.merge(id, seen, &json!({"base": {format!("key{number}"): number}})).await }
        });
        let answers = futures_util::future::join_all(writes).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let fields = value(&page.read(id).await)["base"].as_object().unwrap().len();
        assert_eq!(fields, 25, "none is lost");
        let history = get(relay.address, &alice.token, &format!("{}/history?limit=100", page.path(id))).await;
        assert_eq!(history.json()["items"].as_array().unwrap().len(), 26, "a change each, and the root seed");
    }
    assert_sound(&relay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_space_with_other_people_a_write_is_answered_when_it_has_its_place() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let (hers, his) = (Page::of(&relay, &alice, team), Page::of(&relay, &bob, team));
    let created = hers.create(&json!({"type": "note", "value": {"name": "plan", "body": "one"}})).await;
    assert_eq!(created.status, 201, "{created:?}");
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(created.headers["location"], hers.path(id));
    let seen = tag(&created);
    let (one, two) = (json!({"body": "one two"}), json!({"name": "the plan"}));
    let (mine, theirs) = tokio::join!(hers.merge(id, &seen, &one), his.merge(id, &seen, &two));
    assert_eq!((mine.status, theirs.status), (200, 200), "{mine:?} {theirs:?}");
    assert_eq!(value(&hers.read(id).await), json!({"name": "the plan", "body": "one two"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_for_its_check_is_stored_and_the_next_one_does_not_rest_on_it() {
    let relay = Relay::start_with(|config| (config.api.after_wait_seconds, config.check.threads) = (0, 1)).await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let page = Page::of(&relay, &alice, team);
    let created = page.create(&json!({"type": "settings", "value": {"base": {"a": 1}}})).await;
    assert!([201, 202].contains(&created.status), "{created:?}");
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    while page.read(id).await.status != 200 {}
    for number in 0..10 {
        let answer = page.merge(id, "*", &json!({"base": {format!("key{number}"): number}})).await;
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        if answer.status == 202 {
            assert!(["stored", "appended"].contains(&answer.json()["state"].as_str().unwrap()), "{answer:?}");
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    loop {
        let answer = page.read(id).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if value(&answer)["base"].as_object().is_some_and(|base| base.len() == 11) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_well_known_document_is_begun_once_and_gets_what_is_given_after_that() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let create = |value: Value| page.create_settings(value);
    let first = create(json!({"base": {"a": 1}})).await;
    assert_eq!(first.status, 201, "{first:?}");
    let id: DocumentId = first.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id, schemas::well_known_id("settings", "settings"));
    let again = create(json!({"base": {"a": 1}})).await;
    assert_eq!((again.status, tag(&again)), (200, tag(&first)), "nothing is new");
    let more = create(json!({"base": {"b": 2}})).await;
    assert_eq!(value(&more), json!({"base": {"a": 1, "b": 2}}));
    let refused = page.send("DELETE", &page.path(id), &[("if-match", "*")], "").await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "deletion_impossible"));
    // A vault that began it offline joins it.
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut settings = Author::new("settings");
    settings.id = id;
    pushed(&page, &mut laptop, &mut settings, vec![put("/base/c", 3)]).await;
    assert_eq!(value(&page.read(id).await), json!({"base": {"a": 1, "b": 2, "c": 3}}));
    let bob = relay.account("bob").await;
    let empty = Page::of(&relay, &bob, bob.personal).create_settings(json!({})).await;
    assert_eq!((empty.status, empty.json()["value"].clone()), (201, json!({})), "its type alone");
}

impl Page<'_> {
    async fn create_settings(&self, value: Value) -> Answer {
        self.create(&json!({"type": "settings", "value": value})).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_deleted_as_it_was_seen_and_comes_back() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Owner)]).await;
    for space in [alice.personal, team] {
        let page = Page::of(&relay, &alice, space);
        let created = page.create(&json!({"type": "note", "value": {"name": "plan"}})).await;
        let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
        let (path, stale) = (page.path(id), tag(&created));
        let seen = tag(&page.merge(id, &stale, &json!({"name": "changed"})).await);
        let contested = page.send("DELETE", &path, &[("if-match", stale.as_str())], "").await;
        assert_eq!((contested.status, contested.code().as_str()), (412, "document_contested"), "{contested:?}");
        assert_eq!(page.send("DELETE", &path, &[], "").await.code(), "precondition_required");
        let deleted = page.send("DELETE", &path, &[("if-match", seen.as_str())], "").await;
        assert_eq!((deleted.status, &deleted.json()["state"]), (200, &json!("appended")), "{deleted:?}");
        let at = deleted.json()["position"].as_str().unwrap().to_owned();
        let gone = get(relay.address, &alice.token, &format!("{path}?after={at}")).await;
        assert_eq!(gone.code(), "document_deleted");
        assert_eq!(page.merge(id, &seen, &json!({"name": "x"})).await.code(), "document_deleted");
        assert_eq!(page.send("DELETE", &path, &[("if-match", "*")], "").await.code(), "document_deleted");
        for _ in 0..2 {
            let restored = page.send("POST", &format!("{path}/restore"), &[], "").await;
            assert_eq!(value(&restored)["name"], "changed", "also when it is there already");
        }
        let nobody = page.send("POST", &format!("{}/restore", page.path(DocumentId(fresh_id()))), &[], "").await;
        assert_eq!(nobody.code(), "document_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_website_device_is_followed_by_another_one_that_goes_on() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let created = page.create(&json!({"type": "note", "value": {"name": "one"}})).await;
    let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
    let first = relay.storage().website_device(alice.id).await.unwrap();
    assert!(relay.storage().revoke_device(first).await.unwrap());
    let answer = page.merge(id, &tag(&created), &json!({"name": "two"})).await;
    assert_eq!(value(&answer)["name"], "two");
    assert_ne!(relay.storage().website_device(alice.id).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_started_again_goes_on_under_another_name() {
    let directory = tempfile::tempdir().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let (account, id, seen) = {
        let relay = Relay::start_in(directory, |_| {}).await;
        let alice = relay.account("alice").await;
        let page = Page::of(&relay, &alice, alice.personal);
        let created = page.create(&json!({"type": "note", "value": {"name": "one"}})).await;
        let id: DocumentId = created.json()["id"].as_str().unwrap().parse().unwrap();
        // An older copy of the storage, in which the last write is not.
        relay.storage().backup(&kept.path().join("relay.sqlite")).await.unwrap();
        std::fs::copy(relay.directory().join("receipt-keys"), kept.path().join("receipt-keys")).ok();
        let lost = page.merge(id, &tag(&created), &json!({"name": "lost"})).await;
        assert_eq!(lost.status, 200);
        (alice, id, tag(&created))
    };
    let relay = Relay::start_in(kept, |_| {}).await;
    let page = Page::of(&relay, &account, account.personal);
    let answer = page.merge(id, &seen, &json!({"name": "two"})).await;
    assert_eq!(value(&answer)["name"], "two");
    let tips = relay.storage().explain(account.personal, id).await.unwrap().unwrap().tips.unwrap();
    assert_eq!(tips.actors, 4, "root seed, text seed, and one name for each process");
}

/// Reads everything again: logs, rules, and that what is derived is what it has to be.
async fn assert_sound(relay: &Relay) {
    assert_eq!(relay.storage().verify(None, &project()).await.unwrap().findings, []);
}

/// How the relay makes its projections.
pub(crate) fn project() -> relay_storage::Project {
    std::sync::Arc::new(|_, document: &document::Document| {
        let value = document.value();
        let known = document.type_name().and_then(|name| schemas::Registry::builtin().get(&name));
        let title = known.and_then(|known| known.title(&value));
        let (type_name, heads, json) = (document.type_name(), document.heads(), value.to_string());
        relay_storage::NewProjection { type_name, title, heads, json, judgement: relay_storage::Judgement::Private }
    })
}
