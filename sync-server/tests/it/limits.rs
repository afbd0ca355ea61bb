//! What an account may have and how fast it may speak, over the socket: nothing is lost, and nobody is sent away.

use document::forge::{Data, chunk, deflated, uleb};
use futures_util::StreamExt as _;
use relay_storage::Quota;
use sync_wire::limits::{FRAME_BYTES_MAX, PUSH_CREDIT_BYTES};
use sync_wire::{Blob, Content, DocumentId, FateCode, RelayFrame, Role, decode_relay_frame};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::author::{Author, Batch, fresh_id};
use crate::device::Device;
use crate::http::get;
use crate::relay::{Relay, fail, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_for_want_of_room_goes_on_over_the_same_connection_when_the_quota_is_raised() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, welcome) = Device::online(relay.address, &ada.token).await;
    let mut note = Author::new("note");
    laptop.push_all(ada.personal, note.id, &note.put("/name", "fits")).await;
    let bytes = relay.storage().usage(ada.id).await.unwrap().bytes;
    relay.storage().set_quota(ada.id, Quota::Bytes(bytes)).await.unwrap();
    let lowered = laptop.limits_changed().await;
    assert_ne!(lowered, welcome.limits_version);
    let more = note.put("/name", "does not").remove(0);
    laptop.push(ada.personal, note.id, &more).await;
    match laptop.answer(more.id).await {
        RelayFrame::Park(park) => assert_eq!((park.code, park.judged_by), (FateCode::QUOTA, lowered), "{park:?}"),
        other => panic!("{other:?}"),
    }
    relay.storage().set_quota(ada.id, Quota::Default).await.unwrap();
    assert_ne!(laptop.limits_changed().await, lowered);
    laptop.push_in_lane(ada.personal, note.id, 1, &more).await;
    laptop.acked(more.id).await;
    assert_ne!(Device::online(relay.address, &ada.token).await.1.limits_version, lowered, "known when connecting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_takes_no_edits_says_so_and_goes_on_being_read() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut note = Author::new("note");
    let at = laptop.push_all(ada.personal, note.id, &note.put("/name", "first")).await;
    relay.app.gate.damaged();
    let more = note.put("/name", "second").remove(0);
    laptop.push(ada.personal, note.id, &more).await;
    match laptop.answer(more.id).await {
        RelayFrame::Park(park) => {
            assert_eq!((park.code, park.judged_by), (FateCode::QUOTA, 0), "to be asked again: {park:?}");
            assert!(park.detail.contains("damaged"), "{park:?}");
        }
        other => panic!("{other:?}"),
    }
    let path = format!("/api/v1/spaces/{}/documents/{}?after={at}", ada.personal, note.id);
    let answer = get(relay.address, &ada.token, &path).await;
    assert_eq!((answer.status, &answer.json()["value"]["name"]), (200, &"first".into()), "what is there is read");
}

/// It may have been put back to a backup, and devices keep verdicts of what it has lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_is_another_version_for_devices() {
    let version = async || {
        let relay = Relay::start().await;
        let ada = relay.account("ada").await;
        Device::online(relay.address, &ada.token).await.1.limits_version
    };
    assert_ne!(version().await, version().await);
}

/// A change that is a thousand times as large when it is expanded.
fn compressed(text_bytes: usize) -> Blob {
    let mut data = Data::run_of(1);
    let mut meta = vec![0x7f];
    uleb(&mut meta, (text_bytes as u64) << 4 | 6);
    let value = data.columns.iter().position(|(spec, _)| *spec == 0x56).unwrap();
    data.columns[value].1 = meta;
    data.columns.insert(value + 1, (0x57, vec![b'a'; text_bytes]));
    data.actor = fresh_id().to_vec();
    let encoded = data.encode();
    deflated(&chunk(1, &encoded), &encoded).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_a_frame_when_it_is_expanded_is_parked_and_expanded_no_further() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let fits = Batch::of(Content::Changes(vec![compressed(FRAME_BYTES_MAX / 2)]));
    laptop.push_all(ada.personal, DocumentId(fresh_id()), &[fits]).await;
    let one = compressed(document::limits::CHANGE_INFLATED_BYTES_MAX - 1024);
    let many = vec![compressed(FRAME_BYTES_MAX / 2); 3];
    for changes in [vec![one.clone()], vec![one; 60], many] {
        let batch = Batch::of(Content::Changes(changes));
        laptop.push(ada.personal, DocumentId(fresh_id()), &batch).await;
        match laptop.answer(batch.id).await {
            RelayFrame::Park(park) => assert_eq!(park.code, FateCode::SIZE, "{park:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_speaks_too_fast_is_read_slower_and_loses_nothing() {
    let relay = Relay::start_with(|config| {
        config.limits.frames_per_second = 100;
        config.limits.frames_burst = 10;
    })
    .await;
    let (ada, eve) = (relay.account("ada").await, relay.account("eve").await);
    let (mut fast, _) = Device::online(relay.address, &eve.token).await;
    let mut note = Author::new("note");
    let batches: Vec<_> = (0..60).flat_map(|n| note.put("/name", format!("edit {n}"))).collect();
    fast.push_all(eve.personal, note.id, &batches).await;
    // Had they been read as they came, most of them would be owed now.
    let now = Instant::now();
    let owed = relay.app.rates.of(eve.id, now).next_at(now) - now;
    assert!(owed.as_millis() <= 10, "each frame waited until it was due: {owed:?}");
    // Another session of the account finds the same meter, another account its own.
    assert_eq!(relay.app.rates.of(ada.id, now).next_at(now), now);
    let (mut honest, _) = Device::online(relay.address, &ada.token).await;
    let mut other = Author::new("note");
    honest.push_all(ada.personal, other.id, &other.put("/name", "undisturbed")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_and_operations_have_their_averages_too() {
    let spend = |config: &mut sync_server::config::Config| {
        (config.limits.bytes_per_second, config.limits.bytes_burst) = (20_000, 1_000);
        (config.limits.operations_per_second, config.limits.operations_burst) = (2_000, 100);
    };
    let relay = Relay::start_with(spend).await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut note = Author::new("note");
    for size in [400, 3_000, 10] {
        laptop.push_all(ada.personal, note.id, &note.put("/name", "x".repeat(size))).await;
    }
    let team = relay.team(&[(&ada, Role::Editor)]).await;
    laptop.regranted(team).await;
    let mut shared = Author::new("note");
    laptop.push_all(team, shared.id, &shared.put("/name", "slowed down, not refused")).await;
}

/// A device gives up a relay that says nothing for some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_read_for_a_while_is_told_meanwhile_that_the_relay_is_there() {
    let relay = Relay::start_with(|config| {
        (config.limits.bytes_per_second, config.limits.bytes_burst) = (10_000, 1_000);
    })
    .await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut note = Author::new("note");
    let large = note.put("/name", "x".repeat(25_000));
    let last = note.put("/name", "read two seconds later").remove(0);
    laptop.push_all(ada.personal, note.id, &large).await;
    laptop.push(ada.personal, note.id, &last).await;
    let mut pings = 0;
    loop {
        match laptop.socket.next().await.expect("open").unwrap() {
            Message::Ping(_) => pings += 1,
            Message::Binary(bytes) => {
                let frame = decode_relay_frame(&bytes).unwrap();
                if matches!(frame, Some(RelayFrame::Ack(ack)) if ack.batch == last.id) {
                    break;
                }
            }
            _ => {}
        }
    }
    assert!(pings > 0, "nothing was heard for two seconds");
}

/// What other people's devices have to take in has averages of its own, lower ones: here those of the rest are none.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_to_other_people_is_read_slower_and_nothing_of_it_is_lost() {
    let relay = Relay::start_with(|config| {
        config.limits.shared_bytes_per_second = 20_000;
        config.limits.shared_bytes_burst = 1_000;
    })
    .await;
    let eve = relay.account("eve").await;
    let team = relay.team(&[(&eve, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &eve.token).await;
    let waits = || {
        let now = Instant::now();
        relay.app.rates.of(eve.id, now).next_at(now) > now
    };
    let mut own = Author::new("note");
    laptop.push_all(eve.personal, own.id, &own.put("/name", "x".repeat(250_000))).await;
    assert!(!waits(), "in a space of its own an account may go on at once");
    let mut shared = Author::new("note");
    let mut batches = shared.put("/name", "x".repeat(4_000));
    batches.extend(shared.put("/name", "read later, and stored"));
    laptop.push_all(team, shared.id, &batches).await;
    laptop.push_all(team, shared.id, &shared.put("/name", "x".repeat(250_000))).await;
    assert!(waits(), "for twelve seconds");
}

/// The credit of one device is as much as the whole relay has here, so two of them have to take turns.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_wait_for_room_in_the_whole_relay_and_are_all_taken() {
    let relay = Relay::start_with(|config| config.relay.pushed_bytes_max = PUSH_CREDIT_BYTES).await;
    let ada = relay.account("ada").await;
    let mut pushing = Vec::new();
    for _ in 0..3 {
        let (mut device, _) = Device::online(relay.address, &ada.token).await;
        let space = ada.personal;
        pushing.push(tokio::spawn(async move {
            let mut note = Author::new("note");
            let batches: Vec<_> =
                (0..12).flat_map(|n| note.put("/name", format!("{n}{}", "x".repeat(200_000)))).collect();
            device.push_all(space, note.id, &batches).await;
        }));
    }
    for device in pushing {
        device.await.unwrap();
    }
    assert_eq!(relay.app.pushed_bytes.available_permits(), PUSH_CREDIT_BYTES, "all of it came back");
}

#[test]
fn an_administrator_sees_and_sets_quotas() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "ada"]);
    assert_eq!(succeed(data, &["account", "quota", "ada"]), "0 of 1073741824 bytes (limits.account_bytes_max)");
    assert_eq!(succeed(data, &["account", "quota", "ada", "5000"]), "0 of 5000 bytes (its own quota)");
    assert_eq!(
        succeed(data, &["account", "quota", "ada", "default"]),
        "0 of 1073741824 bytes (limits.account_bytes_max)"
    );
    let (code, detail) = fail(data, &["account", "quota", "bob", "1"]);
    assert_eq!(code, "account_unknown");
    assert!(detail.contains("bob"), "{detail}");
}
