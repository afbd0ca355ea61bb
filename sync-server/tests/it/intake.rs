//! Batches of spaces with other people: stored, then in the log or told to be refused; from sockets, and from outside.

use std::path::Path;

use relay_storage::{
    AppendRequest, BatchContent, Check, ParsedBatch, ReceiptKeys, Storage, StorageOptions, StorageUrl,
};
use sync_wire::{Content, DeviceId, DocumentId, FateCode, RelayFrame, Role, SpaceId};

use crate::author::{Author, Batch, changes, fresh_id, poison};
use crate::device::Device;
use crate::http::get;
use crate::relay::{Process, Relay, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_batch_comes_to_its_device_by_hash_and_to_others_with_bytes() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let (mut writer, _) = Device::online(relay.address, &alice.token).await;
    let (mut reader, _) = Device::online(relay.address, &bob.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "plan");
    let (seeds, edit) = batches.split_at(batches.len() - 1);
    let at = writer.push_all(team, note.id, seeds).await;
    writer.push(team, note.id, &edit[0]).await;
    let ack = writer.acked(edit[0].id).await;
    assert_eq!((ack.at, ack.proof), (None, None), "stored");
    let mut end = at;
    while end.position.0 == at.position.0 {
        let deliver = writer.delivered(team).await;
        assert!(deliver.entries.iter().all(|entry| entry.bytes.is_none()), "{deliver:?}");
        end = deliver.end();
    }
    let mut seen = Vec::new();
    while seen.len() < batches.len() {
        seen.extend(reader.delivered(team).await.entries);
    }
    assert!(seen.iter().all(|entry| entry.bytes.is_some()));
    let url = format!("/api/v1/spaces/{team}/documents/{}?after={end}", note.id);
    assert_eq!(get(relay.address, &bob.token, &url).await.json()["value"]["name"], "plan");
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_refused_unasked_with_what_rests_on_it_and_delays_nobody() {
    let relay = Relay::start().await;
    let (alice, eve) = (relay.account("alice").await, relay.account("eve").await);
    let team = relay.team(&[(&alice, Role::Editor), (&eve, Role::Editor)]).await;
    let (mut attacker, _) = Device::online(relay.address, &eve.token).await;
    let (mut honest, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.edit(|draft| draft.replace_text("/body", "some text"));
    let bad = poison(batches.last().unwrap());
    let header = document::Change::parse(changes(std::slice::from_ref(&bad)).remove(0)).unwrap().header;
    let follower = follower(&header);
    attacker.push(team, note.id, &bad).await;
    attacker.push(team, note.id, &follower).await;
    let mut plan = Author::new("note");
    honest.push_all(team, plan.id, &plan.put("/name", "goes on")).await;
    for (batch, code) in [(bad.id, FateCode::DANGEROUS), (follower.id, FateCode::WITH)] {
        let fate = attacker.fate(batch).await;
        let RelayFrame::Refuse(refuse) = fate else { panic!("expected Refuse, got {fate:?}") };
        assert_eq!((refuse.code, refuse.culprit), (code, Some(header.hash)), "{refuse:?}");
    }
    let url = format!("/api/v1/spaces/{team}/quarantine");
    let shown = get(relay.address, &eve.token, &url).await.json();
    assert_eq!(shown["items"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["waiting"], serde_json::json!({ "batches": 0, "bytes": 0, "since": null }));
    assert_eq!(relay.storage().doctor().await.unwrap(), []);
}

/// A sound change on top of another one, by somebody else.
fn follower(rests_on: &document::Header) -> Batch {
    let put = document::forge::put("follows", 1);
    let actor = sync_wire::Actor(fresh_id());
    let change = document::forge::Forged::by(actor, 1, rests_on.max_op() + 1, &[rests_on.hash], vec![put]).blob();
    Batch::of(Content::Changes(vec![change]))
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_wait_for_room_and_all_of_them_get_their_places() {
    let relay = Relay::start_with(|config| {
        (config.intake.account_batches_max, config.intake.account_bytes_max) = (8, 4096);
        config.intake.room_wait_milliseconds = 20_000;
    });
    let relay = relay.await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches: Vec<Batch> = (0..60).flat_map(|number| note.put("/name", number)).collect();
    let at = laptop.push_all(team, note.id, &batches).await;
    assert_eq!(at.position.0, batches.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_waits_for_room_keeps_no_other_space_of_its_account_waiting() {
    let relay = Relay::start_with(|config| {
        config.intake.account_bytes_max = 4_096;
        config.intake.room_wait_milliseconds = 3_600_000;
    });
    let relay = relay.await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    // As much as an account may have judged at once, and more than the intake ever has room for.
    let mut large = Author::untyped();
    for batch in large.put("/name", "x".repeat(200_000)).iter().chain(&large.put("/other", "x".repeat(200_000))) {
        laptop.push(team, large.id, batch).await;
    }
    let mut note = Author::new("note");
    laptop.push_all(alice.personal, note.id, &note.put("/name", "plan")).await;
}

/// Puts changes into the intake of a data directory that nobody serves.
async fn store(data: &Path, space: SpaceId, document: DocumentId, batches: &[Batch]) -> DeviceId {
    let keys = ReceiptKeys::load_or_create(&data.join("receipt.keys"), &relay_storage::system_random()).unwrap();
    let url = StorageUrl::Sqlite(data.join("relay.sqlite"));
    let storage = Storage::open(&url, StorageOptions::new(keys)).await.unwrap();
    let account = storage.account_named("alice").await.unwrap().unwrap().id;
    let device = DeviceId(fresh_id());
    storage.bind_device(account, device, "test").await.unwrap();
    let grant = storage.role_of(account, space).await.unwrap().unwrap();
    let parse = |batch: &Batch| {
        let parsed =
            changes(std::slice::from_ref(batch)).into_iter().map(|bytes| document::Change::parse(bytes).unwrap());
        ParsedBatch { id: batch.id, content: BatchContent::Changes(parsed.collect()) }
    };
    let batches = batches.iter().map(parse).collect();
    let request = AppendRequest {
        space,
        document,
        account,
        device,
        grant,
        made_by: relay_storage::MadeBy::Device,
        check: Check::Before,
        batches,
    };
    storage.append(vec![request]).await.unwrap();
    storage.close().await;
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_goes_on_with_its_intake_and_an_operator_sees_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let team = succeed(data, &["space", "create", "team", "--owner", "alice"]);
    let space: SpaceId = team.parse().unwrap();
    // Changes of a document without a type need no seeds: nothing of it is in the log.
    let mut note = Author::untyped();
    let batches = note.put("/name", "plan");
    let device = store(data, space, note.id, &batches).await;

    let explained = succeed(data, &["explain", &team, &note.id.to_string()]);
    assert!(explained.contains("no entry yet") && explained.contains(&device.to_string()), "{explained}");
    let json = succeed(data, &["explain", &team, &note.id.to_string(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["log"], &json["intake"]["batches"]), (&serde_json::Value::Null, &1.into()), "{json}");
    succeed(data, &["doctor"]);
    succeed(data, &["verify"]);

    // Nobody pushes anything.
    let relay = Process::serve(data);
    let (mut reader, _) = Device::online(relay.address, &token).await;
    let url = format!("/api/v1/spaces/{team}/documents/{}", note.id);
    let began = std::time::Instant::now();
    while get(relay.address, &token, &url).await.status != 200 {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "nobody looked at the intake");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(get(relay.address, &token, &url).await.json()["value"]["name"], "plan");
    drop(reader.socket.close(None).await);
    let explained = succeed(data, &["explain", &team, &note.id.to_string()]);
    assert!(explained.contains("Everything is checked") && !explained.contains("intake"), "{explained}");
}
