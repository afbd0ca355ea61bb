//! The owner of a space, or the operator, lets a held document go on.

use document::forge::poison::{Ground, Poison};
use document::forge::{Forged, put};
use document::{Change, Document};
use relay_storage::{AccountRole, ReceiptKeys, Storage, StorageOptions, StorageUrl};
use serde_json::{Value, json};
use sync_wire::log::EntryKind;
use sync_wire::{Actor, BatchId, Blob, Content, DeviceId, DocumentId, FateCode, RelayFrame, Role, SpaceId, Void};

use crate::author::{Batch, fresh_id};
use crate::device::Device;
use crate::http::{Answer, get, request};
use crate::measuring::{numbers, value};
use crate::openapi::check;
use crate::relay::{Account, Process, Relay, fail, succeed};

/// A document with poison in its log, an honest edit upon that, and one beside it.
struct Poisoned {
    document: DocumentId,
    base: Blob,
    bad: Change,
    upon: Change,
    beside: Blob,
}

impl Poisoned {
    fn new(id: &str) -> Self {
        let (ground, base) = Ground::make(Actor(fresh_id()), Actor(fresh_id()));
        let bad = Change::parse((Poison::of(id).make)(&ground).remove(0)).unwrap();
        let above = bad.header.max_op() + 1;
        let upon = Forged::by(Actor(fresh_id()), 1, above, &[bad.hash()], vec![put("upon", 2)]).blob();
        let beside = Forged::by(Actor(fresh_id()), 1, ground.max_op + 1, &ground.heads, vec![put("beside", 3)]).blob();
        Self { document: DocumentId(fresh_id()), base, bad, upon: Change::parse(upon).unwrap(), beside }
    }

    /// Pushes it all, and waits until the document is held.
    async fn reaches(&self, device: &mut Device, relay: &Relay, space: SpaceId) {
        let batch = |changes: Vec<Blob>| Batch { id: BatchId(fresh_id()), content: Content::Changes(changes) };
        let base = batch(vec![self.base.clone()]);
        device.push_all(space, self.document, &[base]).await;
        while relay.storage().document(space, self.document).await.unwrap().unwrap().checked.0 == 0 {
            tokio::task::yield_now().await;
        }
        let rest = vec![self.beside.clone(), self.bad.bytes.clone(), self.upon.bytes.clone()];
        device.push_all(space, self.document, &[batch(rest)]).await;
        while relay.storage().document(space, self.document).await.unwrap().unwrap().held.is_none() {
            tokio::task::yield_now().await;
        }
    }

    fn url(&self, space: SpaceId) -> String {
        format!("/api/v1/spaces/{space}/documents/{}", self.document)
    }
}

async fn post(relay: &Relay, account: &Account, url: &str) -> Answer {
    let bearer = format!("Bearer {}", account.token);
    request(relay.address, "POST", url, &[("authorization", &bearer), ("content-length", "0")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_looks_at_a_repair_does_it_and_does_it_again() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    for id in ["D", "E", "F", "K"] {
        let poisoned = Poisoned::new(id);
        poisoned.reaches(&mut laptop, &relay, alice.personal).await;
        let url = format!("{}/repair", poisoned.url(alice.personal));
        let before = relay.storage().end_of(alice.personal).await.unwrap().unwrap();
        let seen = post(&relay, &alice, &format!("{url}?dry_run=true")).await.json();
        assert_eq!((seen["state"].as_str(), &seen["position"]), (Some("held"), &Value::Null), "{id}: {seen}");
        assert_eq!(seen["excluded"][0]["hash"], poisoned.bad.hash().to_string(), "{id}");
        assert_eq!(seen["dependents"][0]["hash"], poisoned.upon.hash().to_string(), "{id}");
        assert_eq!(relay.storage().end_of(alice.personal).await.unwrap(), Some(before), "{id}: nothing was done");

        let done = post(&relay, &alice, &url).await.json();
        assert_eq!(done["state"], "repaired", "{id}: {done}");
        assert_eq!((&done["excluded"], &done["dependents"]), (&seen["excluded"], &seen["dependents"]), "{id}");
        let at = done["position"].as_str().unwrap();
        let shown =
            get(relay.address, &alice.token, &format!("{}?after={at}", poisoned.url(alice.personal))).await.json();
        assert_eq!(
            (&shown["held"], &shown["value"]["upon"], &shown["value"]["beside"]),
            (&Value::Null, &2.into(), &3.into())
        );
        assert_eq!(post(&relay, &alice, &url).await.json()["state"], "sound", "{id}: once is enough");
        let history =
            get(relay.address, &alice.token, &format!("{}/history", poisoned.url(alice.personal))).await.json();
        let excluded = history["items"].as_array().unwrap().iter().filter(|item| item["excluded"] == true).count();
        assert_eq!(excluded, 2, "{id}: {history}");
    }
    assert_eq!(relay.storage().doctor().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_which_documents_are_held_which_were_repaired_and_whose_quarantine_has_what_was_excluded() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    relay.storage().set_account_role(alice.id, AccountRole::Operator).await.unwrap();
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let [held, repaired] = [Poisoned::new("E"), Poisoned::new("E")];
    for poisoned in [&held, &repaired] {
        poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    }
    post(&relay, &alice, &format!("{}/repair", repaired.url(alice.personal))).await;
    let answer = get(relay.address, &alice.token, "/api/v1/operator").await;
    check(&answer, "/api/v1/operator");
    let seen = answer.json();
    let (space, first) = (alice.personal.to_string(), |kind: &str| seen[kind]["first"].as_array().unwrap().clone());
    let named = |row: &Value| (row["space"] == space.as_str(), row["document"].as_str().map(str::to_owned));
    let of = |poisoned: &Poisoned| [(true, Some(poisoned.document.to_string()))];
    assert_eq!(first("held").iter().map(named).collect::<Vec<_>>(), of(&held));
    assert_eq!(first("repairs").iter().map(named).collect::<Vec<_>>(), of(&repaired));
    assert_eq!([&seen["held"]["documents"], &seen["repairs"]["done"], &seen["quarantine"]["accounts"]], [1, 1, 1]);
    assert_eq!(first("repairs")[0]["excluded"], 2, "the change at fault, and the one upon it");
    let bytes = repaired.bad.bytes.len();
    assert_eq!(first("quarantine"), [json!({"account": "alice", "changes": 1, "bytes": bytes})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_shows_in_the_numbers_of_the_relay() {
    let relay = Relay::start_with(|config| config.server.metrics_listen = "127.0.0.1:0".into()).await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let poisoned = Poisoned::new("E");
    poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    let before = numbers(&relay).await;
    post(&relay, &alice, &format!("{}/repair?dry_run=true", poisoned.url(alice.personal))).await;
    let done = post(&relay, &alice, &format!("{}/repair", poisoned.url(alice.personal))).await.json();
    assert_eq!(done["state"], "repaired", "{done}");
    let after = numbers(&relay).await;
    let changes = |became: &str| format!("sync_server_repaired_changes_total{{became=\"{became}\"}}");
    for series in ["sync_server_repairs_total".to_owned(), changes("excluded"), changes("rewritten")] {
        assert!(value(&after, &series) >= value(&before, &series) + 1.0, "{series}: {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_from_before_a_repair_is_what_was_shown_then() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let poisoned = Poisoned::new("E");
    poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    let held = relay.storage().end_of(alice.personal).await.unwrap().unwrap();
    let done = post(&relay, &alice, &format!("{}/repair", poisoned.url(alice.personal))).await.json();
    let after = done["position"].as_str().unwrap().to_owned();
    let at = async |at: &str| {
        let url = format!("{}?at={at}", poisoned.url(alice.personal));
        get(relay.address, &alice.token, &url).await.json()["value"].clone()
    };
    assert_eq!(at(&after).await["upon"], 2);
    let between = at(&held.to_string()).await;
    assert_eq!((&between["beside"], &between["upon"]), (&3.into(), &Value::Null), "{between}");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_get_the_void_with_its_replacements_and_pushes_upon_what_it_excludes_are_refused_with_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let poisoned = Poisoned::new("E");
    poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    post(&relay, &alice, &format!("{}/repair", poisoned.url(alice.personal))).await;
    let end = relay.storage().end_of(alice.personal).await.unwrap().unwrap();
    let start = sync_wire::LogPosition { position: sync_wire::Position::START, ..end };
    let page = relay.storage().read_log(alice.personal, start, usize::MAX).await.unwrap();
    let [.., void, replacement] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((void.kind, replacement.kind), (EntryKind::Void, EntryKind::Change));
    let says = Void::decode(void.bytes.as_ref().unwrap()).unwrap();
    assert_eq!(says.dependents[0].by, Some(replacement.hash));
    assert_eq!((void.device, void.batch), (DeviceId([0; 16]), replacement.batch));

    let upon = Forged::by(Actor(fresh_id()), 1, 99, &[poisoned.upon.hash()], vec![put("late", 1)]).blob();
    let batch = Batch { id: BatchId(fresh_id()), content: Content::Changes(vec![upon]) };
    laptop.push(alice.personal, poisoned.document, &batch).await;
    let RelayFrame::Refuse(refuse) = laptop.answer(batch.id).await else { panic!("expected Refuse") };
    assert_eq!((refuse.code, refuse.culprit), (FateCode::WITH, Some(poisoned.bad.hash())));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_repairs_and_only_what_is_held() {
    let relay = Relay::start().await;
    let (alice, bob, eve) = (relay.account("alice").await, relay.account("bob").await, relay.account("eve").await);
    let team = relay.team(&[(&alice, Role::Owner), (&bob, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let poisoned = Poisoned::new("E");
    poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    let url = format!("{}/repair", poisoned.url(alice.personal));
    assert_eq!(post(&relay, &bob, &format!("{}/repair", poisoned.url(team))).await.code(), "owner_required");
    assert_eq!(post(&relay, &alice, &format!("{}/repair", poisoned.url(team))).await.code(), "document_not_found");
    assert_eq!(post(&relay, &eve, &url).await.code(), "space_not_found");
    assert_eq!(get(relay.address, &alice.token, &url).await.code(), "method_not_allowed");
    let unknown = format!("/api/v1/spaces/{}/documents/{}/repair", alice.personal, DocumentId(fresh_id()));
    assert_eq!(post(&relay, &alice, &unknown).await.code(), "document_not_found");
    assert_eq!(post(&relay, &alice, &format!("{url}?hash=x")).await.code(), "parameter_invalid");
    let base = Change::parse(poisoned.base.clone()).unwrap().hash();
    let checked = post(&relay, &alice, &format!("{url}?hash={base}")).await;
    assert_eq!(checked.code(), "repair_impossible", "what was checked is never excluded");
    assert!(relay.storage().document(alice.personal, poisoned.document).await.unwrap().unwrap().held.is_some());
    assert_eq!(post(&relay, &alice, &url).await.json()["state"], "repaired");
    assert_eq!(post(&relay, &alice, &format!("{url}?hash={base}")).await.code(), "repair_impossible", "it is not held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_check_ended_the_relay_is_for_its_operator() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let poisoned = Poisoned::new("E");
    poisoned.reaches(&mut laptop, &relay, alice.personal).await;
    let reason = "the relay ended 2 times while it was checked";
    relay.storage().hold(alice.personal, poisoned.document, reason).await.unwrap();
    let answer = post(&relay, &alice, &format!("{}/repair", poisoned.url(alice.personal))).await;
    assert_eq!(answer.code(), "repair_impossible");
    assert!(answer.body.contains("sync-server repair"), "{}", answer.body);
}

/// The storage of a relay that does not run, with a document that is held.
async fn held(data: &std::path::Path, space: SpaceId) -> (DocumentId, Change) {
    let keys = ReceiptKeys::from_secret(1, [1; 32]);
    let url = StorageUrl::Sqlite(data.join("relay.sqlite"));
    let storage = Storage::open(&url, StorageOptions::new(keys)).await.unwrap();
    let poisoned = Poisoned::new("E");
    let account = storage.accounts().await.unwrap().remove(0);
    let device = DeviceId(fresh_id());
    storage.bind_device(account.id, device, "test").await.unwrap();
    let grant = storage.role_of(account.id, space).await.unwrap().unwrap();
    let parsed = |bytes: &Blob| Change::parse(bytes.clone()).unwrap();
    let changes = vec![parsed(&poisoned.base), poisoned.bad.clone(), poisoned.upon.clone(), parsed(&poisoned.beside)];
    let batches = changes.into_iter().map(|change| relay_storage::ParsedBatch {
        id: BatchId(fresh_id()),
        content: relay_storage::BatchContent::Changes(vec![change]),
    });
    let request = relay_storage::AppendRequest {
        space,
        document: poisoned.document,
        account: account.id,
        device,
        grant,
        made_by: relay_storage::MadeBy::Device,
        check: relay_storage::Check::Pending,
        batches: batches.collect(),
    };
    storage.append(vec![request]).await.unwrap();
    storage.hold(space, poisoned.document, "it fails").await.unwrap();
    storage.close().await;
    (poisoned.document, poisoned.bad)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_what_would_be_done_and_confirms_it() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "ada"]);
    let listed = succeed(data, &["account", "list"]);
    let space: SpaceId = listed.split(['\t', '\n']).filter_map(|word| word.parse().ok()).next_back().expect("a space");
    let (document, bad) = held(data, space).await;
    let (space, document) = (space.to_string(), document.to_string());
    let shown = succeed(data, &["repair", &space, &document, "--dry-run"]);
    assert!(shown.contains(&format!("excluded     {}", bad.hash())), "{shown}");
    assert!(shown.contains("written anew"), "{shown}");
    assert_eq!(fail(data, &["repair", &space, &document]).0, "not_confirmed");
    assert!(succeed(data, &["explain", &space, &document]).contains("sync-server repair"), "it says what to do");
    let done = succeed(data, &["repair", &space, &document, "--yes"]);
    assert!(done.contains("repaired"), "{done}");
    assert!(succeed(data, &["repair", &space, &document, "--yes"]).contains("not held"));
    let explained = succeed(data, &["explain", &space, &document]);
    assert!(explained.contains("repaired") && explained.contains(&bad.hash().to_string()), "{explained}");
    assert_eq!(succeed(data, &["verify"]).lines().count(), 1, "nothing is wrong");
    let other = bad.hash().to_string();
    assert!(succeed(data, &["repair", &space, &document, "--hash", &other, "--yes"]).contains("not held"));
    drop(Process::serve(data));
}

#[test]
fn a_repaired_document_is_what_honest_devices_make_of_it() {
    // The witness is the document itself: base, what was beside, and the edit upon the poison as if that never was.
    let poisoned = Poisoned::new("E");
    let mut base = Document::new(None);
    base.apply(std::slice::from_ref(&poisoned.base)).unwrap();
    let run = [poisoned.bad.clone(), poisoned.upon.clone(), Change::parse(poisoned.beside.clone()).unwrap()];
    let mended = document::repair(&base, &run, &[]).unwrap().mended.unwrap();
    base.apply(&[poisoned.beside, mended.replacements[0].bytes.clone()]).unwrap();
    assert_eq!((&base.value()["upon"], &base.value()["beside"]), (&2.into(), &3.into()));
}
