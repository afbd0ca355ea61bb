//! Short names of spaces: each of one space, said by a document that the relay alone writes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sync_wire::{Content, DocumentId, FateCode, RelayFrame, Role};

use crate::author::{Author, Batch};
use crate::device::{Device, personal};
use crate::http::{Answer, get, request};
use crate::relay::{Process, Relay, command, fail, succeed};
use crate::website::{MERGE, Page, tag, value};

fn identity() -> DocumentId {
    schemas::well_known_id("identity", "identity")
}

async fn name(page: &Page<'_>, handle: &Value) -> Answer {
    let path = format!("/api/v1/spaces/{}/handle", page.space);
    page.send("PUT", &path, &[("content-type", "application/json")], &json!({ "handle": handle }).to_string()).await
}

/// Whose a handle is, as anybody is told.
async fn whose(relay: &Relay, handle: &str) -> Option<String> {
    let answer = request(relay.address, "GET", &format!("/api/v1/public/handles/{handle}"), &[]).await;
    match answer.status {
        200 => answer.json()["space"].as_str().map(str::to_owned),
        _ => {
            assert_eq!((answer.status, answer.code().as_str()), (404, "handle_not_found"), "{answer:?}");
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_is_of_one_space_and_its_devices_are_told() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let (ada, eve) = (Page::of(&relay, &alice, alice.personal), Page::of(&relay, &bob, bob.personal));
    let (mut laptop, welcome) = Device::online(relay.address, &alice.token).await;
    assert_eq!(personal(&welcome).space, alice.personal);

    let given = name(&ada, &json!("ada")).await;
    assert_eq!((given.status, &given.json()["value"]), (201, &json!({ "handle": "ada" })), "{given:?}");
    assert_eq!(given.json()["id"], identity().to_string());
    assert_eq!(laptop.delivered(alice.personal).await.entries[0].document, identity());
    let again = name(&ada, &json!("ada")).await;
    assert_eq!((again.status, tag(&again)), (200, tag(&given)), "nothing has to be done");

    let taken = name(&eve, &json!("ada")).await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "handle_taken"), "{taken:?}");
    assert_eq!(eve.read(identity()).await.status, 404, "and nothing was written");
    assert_eq!(whose(&relay, "ada").await, Some(alice.personal.to_string()));
    assert_eq!(whose(&relay, "eve").await, None);
    let public = request(relay.address, "GET", "/api/v1/public/handles/ada", &[]).await.json();
    let address = public["documents"]["identity"].as_str().unwrap().to_owned();
    assert_eq!(request(relay.address, "GET", &address, &[]).await.json()["value"], json!({ "handle": "ada" }));

    // Another name: the one before is kept for its space.
    assert_eq!(value(&name(&ada, &json!("lovelace")).await), json!({ "handle": "lovelace" }));
    assert_eq!((whose(&relay, "ada").await, name(&eve, &json!("ada")).await.status), (None, 409));
    assert_eq!(value(&name(&ada, &json!("ada")).await), json!({ "handle": "ada" }));
    assert_eq!(value(&name(&ada, &Value::Null).await), json!({}));
    assert_eq!(whose(&relay, "ada").await, None);
    assert_eq!(request(relay.address, "GET", &address, &[]).await.status, 404, "it shows nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_handle_or_no_ones_to_give_is_refused_by_name() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Owner), (&bob, Role::Editor)]).await;
    let (owner, editor) = (Page::of(&relay, &alice, team), Page::of(&relay, &bob, team));
    for (handle, status, code) in [
        (json!("Ada"), 422, "document_invalid"),
        (json!(""), 422, "document_invalid"),
        (json!("a".repeat(40)), 422, "document_invalid"),
        (json!("admin"), 409, "handle_reserved"),
        (json!(7), 400, "body_invalid"),
    ] {
        let refused = name(&owner, &handle).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{handle}: {refused:?}");
    }
    let path = format!("/api/v1/spaces/{team}/handle");
    let empty = owner.send("PUT", &path, &[("content-type", "application/json")], "{}").await;
    assert_eq!((empty.status, empty.code().as_str()), (400, "body_invalid"), "no handle is not none");
    let refused = name(&editor, &json!("builders")).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "owner_required"), "{refused:?}");
    let stranger = Page { space: alice.personal, ..Page::of(&relay, &bob, team) };
    assert_eq!(name(&stranger, &json!("builders")).await.code(), "space_not_found");

    // Of a team as of a person.
    assert_eq!(name(&owner, &json!("builders")).await.status, 201);
    assert_eq!(value(&editor.read(identity()).await), json!({ "handle": "builders" }));
    // One more than are kept for it.
    for handle in ["b1", "b2", "b3"] {
        assert_eq!(name(&owner, &json!(handle)).await.status, 200);
    }
    let kept = name(&owner, &json!("b4")).await;
    assert_eq!((kept.status, kept.code().as_str()), (409, "handles_kept"), "{kept:?}");
    assert_eq!(value(&name(&owner, &json!("b1")).await), json!({ "handle": "b1" }), "but one of them it may have");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_relay_writes_the_document() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let check = |frame: RelayFrame, what: &str| {
        let RelayFrame::Refuse(refused) = frame else { panic!("{what}: {frame:?}") };
        assert_eq!(refused.code, FateCode::AUTHORITY, "{what}");
    };
    // Neither before nor after the relay has begun it, neither changes nor a deletion.
    let mut forger = Author::new("identity");
    forger.id = identity();
    let forged = forger.put("/handle", "queen");
    laptop.push(alice.personal, identity(), &forged[0]).await;
    check(laptop.fate(forged[0].id).await, "a beginning");
    assert_eq!(name(&page, &json!("ada")).await.status, 201);
    let later = [forged[1].clone(), Batch::of(Content::Tombstone(Vec::new())), Batch::of(Content::Restore)];
    for batch in later {
        // What follows in the lane of a refused batch is passed over, so each comes from a device of its own.
        let (mut other, _) = Device::online(relay.address, &alice.token).await;
        other.push(alice.personal, identity(), &batch).await;
        check(other.fate(batch.id).await, "what comes later");
    }
    let answer = page.read(identity()).await;
    assert_eq!(value(&answer), json!({ "handle": "ada" }));
    let patched = page.patch(identity(), &tag(&answer), MERGE, &json!({ "handle": "queen" })).await;
    assert_eq!((patched.status, patched.code().as_str()), (403, "authority_document"), "{patched:?}");
    let created = page.create(&json!({ "type": "identity", "value": { "handle": "queen" } })).await;
    assert_eq!((created.status, created.code().as_str()), (403, "authority_document"), "{created:?}");

    // A document of the type under another id is nothing that anybody is shown.
    let mut other = Author::new("identity");
    let batches = other.put("/handle", "queen");
    let at = laptop.push_all(alice.personal, other.id, &batches).await;
    let seen = get(relay.address, &alice.token, &format!("{}?after={at}", page.path(other.id))).await;
    assert_eq!(value(&seen), json!({ "handle": "queen" }));
    let told = get(relay.address, &alice.token, &format!("{}/publication", page.path(other.id))).await;
    assert_eq!(told.json()["state"], "private", "{told:?}");
    let public = format!("/api/v1/public/{}/{}", alice.personal, other.id);
    assert_eq!(request(relay.address, "GET", &public, &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_names_once() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let page = Page::of(&relay, &alice, alice.personal);
    let path = format!("/api/v1/spaces/{}/handle", page.space);
    let keyed = |key: &'static str, handle: &'static str| {
        let (page, path) = (&page, &path);
        async move {
            let headers = [("content-type", "application/json"), ("idempotency-key", key)];
            page.send("PUT", path, &headers, &json!({ "handle": handle }).to_string()).await
        }
    };
    assert_eq!(keyed("k1", "ada").await.status, 201);
    assert_eq!(keyed("k2", "lovelace").await.status, 200);
    // The first request again, late: it was done, and is not done again.
    assert_eq!(keyed("k1", "ada").await.json()["value"], json!({ "handle": "lovelace" }));
    assert_eq!(whose(&relay, "ada").await, None);
    assert_eq!(keyed("k2", "countess").await.code(), "idempotency_key_reused");
}

/// As of a command beside the relay, or after the end of one between the row and the document.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_unsaid_is_said_by_the_relay_that_serves() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    for handle in [Some("ada"), None] {
        let claim = relay.storage().claim_handle(alice.personal, alice.id, handle).await.unwrap();
        assert_eq!(claim, relay_storage::Claim::Held);
        assert_eq!(whose(&relay, "ada").await, handle.map(|_| alice.personal.to_string()), "the row decides");
        said(relay.address, &alice.token, &alice.personal.to_string(), handle).await;
        while !relay.storage().unshown_handles(None, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits until the identity document of a space says its handle.
async fn said(relay: SocketAddr, token: &str, space: &str, handle: Option<&str>) {
    let path = format!("/api/v1/spaces/{space}/documents/{}", identity());
    let expected = handle.map_or(json!({}), |handle| json!({ "handle": handle }));
    loop {
        let answer = get(relay, token, &path).await;
        if answer.status == 200 && answer.json()["value"] == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_names_spaces_by_the_same_rules_while_no_relay_runs_and_beside_one() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let team = succeed(data, &["space", "create", "team", "--owner", "alice"]);
    succeed(data, &["space", "create", "others", "--owner", "alice"]);
    succeed(data, &["space", "create", "nobodys"]);
    let named = |arguments: &[&str]| succeed(data, &[&["space", "handle"], arguments].concat());
    let refused = |arguments: &[&str], code: &str, word: &str| {
        let (found, detail) = fail(data, &[&["space", "handle"], arguments].concat());
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(word), "{detail:?} does not name {word:?}");
    };
    assert_eq!(named(&["team"]), "-");
    assert_eq!((named(&["team", "builders"]), named(&[&team])), ("builders".into(), "builders".into()));

    let relay = Process::serve(data);
    said(relay.address, &token, &team, Some("builders")).await;
    assert_eq!(named(&["team", "masons"]), "masons");
    said(relay.address, &token, &team, Some("masons")).await;
    assert_eq!(named(&["team", "--give-up"]), "-");
    said(relay.address, &token, &team, None).await;
    assert_eq!(named(&["team", "--give-up"]), "-", "nothing has to be done");

    refused(&["others", "masons"], "handle_taken", "masons");
    refused(&["others", "admin"], "handle_reserved", "admin");
    refused(&["others", "Masons"], "document_invalid", "Masons");
    refused(&["nobodys", "lonely"], "owner_required", "space grant");
    refused(&["nowhere", "lonely"], "space_unknown", "nowhere");
    assert_eq!(named(&["others"]), "-");
    let both = command(data, &["space", "handle", "team", "masons", "--give-up"]);
    assert_eq!(both.status.code(), Some(2));
    for handle in ["smiths", "tilers"] {
        assert_eq!(named(&["team", handle]), handle);
    }
    refused(&["team", "one-more"], "handles_kept", "30 days");
    assert_eq!(named(&["team", "masons"]), "masons", "but one of them it may have");
    said(relay.address, &token, &team, Some("masons")).await;
}
