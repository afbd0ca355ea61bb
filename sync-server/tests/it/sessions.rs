//! What a device gets: greetings, acknowledgements, deliveries.

use sync_wire::log::EntryKind;
use sync_wire::{Content, DeviceFrame, FateCode, LogPosition, RelayFrame, Resume, Role};

use crate::author::{Author, Batch, changes};
use crate::device::{Device, cursor, personal, start};
use crate::relay::Relay;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_pushes_another_gets_with_its_bytes() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let (mut desktop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    laptop.push_all(alice.personal, note.id, &batches).await;

    let mut received = Vec::new();
    while received.len() < batches.len() {
        let deliver = desktop.delivered(alice.personal).await;
        received.extend(deliver.entries.into_iter().filter_map(|entry| entry.bytes));
    }
    assert_eq!(received, changes(&batches), "verbatim, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_pushed_on_this_connection_it_gets_by_hash_only() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    laptop.push_all(alice.personal, note.id, &batches).await;
    let mut entries = Vec::new();
    while entries.len() < batches.len() {
        entries.extend(laptop.delivered(alice.personal).await.entries);
    }
    assert!(entries.iter().all(|entry| entry.bytes.is_none()), "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_continues_the_chain_whether_from_memory_or_storage() {
    let relay = Relay::start_with(|config| config.relay.tail_bytes_max = 2_000).await;
    let alice = relay.account("alice").await;
    let (mut desktop, welcome) = Device::online(relay.address, &alice.token).await;
    let grant = personal(&welcome).clone();
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let mut end = None;
    for number in 0..30 {
        let batches = note.put("/name", format!("edit {number}"));
        end = Some(laptop.push_all(alice.personal, note.id, &batches).await);
    }
    for content in [Content::Tombstone(note.document.heads()), Content::Restore] {
        end = Some(laptop.push_all(alice.personal, note.id, &[Batch::of(content)]).await);
    }
    let mut at = start(&grant);
    let mut kinds = Vec::new();
    while Some(at.at) != end {
        let deliver = desktop.delivered(alice.personal).await;
        assert_eq!(deliver.after, at.at, "contiguous");
        let chain = deliver.entries.iter().fold(at.chain, |chain, entry| {
            let sync_wire::Entry { kind, document, hash, device, batch, .. } = *entry;
            chain.extend(&sync_wire::log::EntryIdentity { kind, document, hash, device, batch }.digest(&grant.salt))
        });
        assert_eq!(chain, deliver.chain);
        kinds.extend(deliver.entries.iter().map(|entry| (entry.kind, entry.bytes.is_some(), entry.heads.is_some())));
        at = cursor(alice.personal, deliver.end(), chain);
    }
    let last = &kinds[kinds.len() - 3..];
    let expected =
        [(EntryKind::Change, true, false), (EntryKind::Tombstone, false, true), (EntryKind::Restore, false, false)];
    assert_eq!(last, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_continues_where_it_stood_and_is_sent_nothing_it_has() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    laptop.push_all(alice.personal, note.id, &batches).await;

    let (_, welcome) = Device::online(relay.address, &alice.token).await;
    let at = start(personal(&welcome));
    let mut desktop = Device::connect(relay.address, &alice.token).await;
    let welcome = desktop.hello(vec![at]).await;
    assert_eq!(personal(&welcome).resume, Resume::Continue);

    let batches = note.put("/name", "two");
    laptop.push_all(alice.personal, note.id, &batches).await;
    let deliver = desktop.delivered(alice.personal).await;
    assert_eq!((deliver.after, deliver.entries.len()), (at.at, 1));

    let mut lost = at;
    lost.chain.0[0] ^= 1;
    let mut stranger = Device::connect(relay.address, &alice.token).await;
    let welcome = stranger.hello(vec![lost]).await;
    assert_eq!(personal(&welcome).resume, Resume::Offer, "another chain is another log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_gets_whole_documents() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut notes: Vec<Author> = (0..5).map(|_| Author::new("note")).collect();
    for note in &mut notes {
        let batches = note.put("/name", "a name");
        laptop.push_all(alice.personal, note.id, &batches).await;
    }
    let (mut desktop, _) = Device::online(relay.address, &alice.token).await;
    let mut documents = Vec::new();
    loop {
        match desktop.next().await {
            Some(RelayFrame::Bootstrap(bootstrap)) => {
                documents.extend(bootstrap.documents.into_iter().filter(|document| document.complete));
                if bootstrap.done {
                    break;
                }
            }
            other => panic!("expected Bootstrap, got {other:?}"),
        }
    }
    let mut expected: Vec<_> = notes.iter().map(|note| note.id).collect();
    expected.sort_unstable();
    assert_eq!(documents.iter().map(|document| document.document).collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_may_follow_hello_without_waiting_and_the_same_push_twice_has_one_place() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    let mut laptop = Device::connect(relay.address, &alice.token).await;
    laptop.send(&laptop.hello_frame(Vec::new())).await;
    for batch in &batches {
        laptop.push(alice.personal, note.id, batch).await;
    }
    let mut places: Vec<Option<LogPosition>> = Vec::new();
    for batch in &batches {
        places.push(laptop.acked(batch.id).await.at);
    }
    let mut again = Device::connect(relay.address, &alice.token).await;
    again.hello(Vec::new()).await;
    for (batch, place) in batches.iter().zip(places) {
        again.push(alice.personal, note.id, batch).await;
        assert_eq!(again.acked(batch.id).await.at, place);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_pushes_is_parked_and_an_editor_is_not() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Owner), (&bob, Role::Viewer)]).await;
    let (mut viewer, _) = Device::online(relay.address, &bob.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "mine");
    for batch in &batches {
        viewer.push(team, note.id, batch).await;
    }
    let RelayFrame::Park(park) = viewer.answer(batches[0].id).await else { panic!("expected Park") };
    assert_eq!(park.code, FateCode::GRANT);
    for batch in &batches[1..] {
        assert!(matches!(viewer.answer(batch.id).await, RelayFrame::Skipped(_)));
    }

    relay.storage().grant(team, bob.id, Role::Editor).await.unwrap();
    let grant = viewer.regranted(team).await.expect("a grant");
    assert!(grant.role == Role::Editor && grant.access_version > park.judged_by);
    for batch in &batches {
        viewer.push_in_lane(team, note.id, 1, batch).await;
        viewer.acked(batch.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_a_space_of_others_looks_like_one_to_nowhere() {
    let relay = Relay::start().await;
    let (alice, mallory) = (relay.account("alice").await, relay.account("mallory").await);
    let (mut device, _) = Device::online(relay.address, &mallory.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "mine");
    let mut answers = Vec::new();
    for space in [alice.personal, sync_wire::SpaceId([9; 16])] {
        device.push(space, note.id, &batches[0]).await;
        let RelayFrame::Park(park) = device.answer(batches[0].id).await else { panic!("expected Park") };
        answers.push((park.code, park.judged_by, park.detail.replace(&space.to_string(), "SPACE")));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, FateCode::NO_SUCH_SPACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_rests_on_others_needs_them_first() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    for space in [alice.personal, team] {
        let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
        let mut note = Author::new("note");
        let first = note.put("/name", "one");
        let second = note.put("/name", "two");
        laptop.push(space, note.id, &second[0]).await;
        assert!(matches!(laptop.answer(second[0].id).await, RelayFrame::Need(need) if !need.hashes.is_empty()));
        for batch in first.iter().chain(&second) {
            laptop.push_in_lane(space, note.id, 1, batch).await;
            laptop.acked(batch.id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_does_not_bring_what_it_was_asked_for_delays_nobody_else() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let (mut squatter, _) = Device::online(relay.address, &bob.token).await;
    let mut note = Author::new("note");
    let begun = note.put("/name", "begun");
    laptop.push_all(team, note.id, &begun).await;
    // Bob's edits rest on one that he keeps to himself. He is asked for it in each lane, and brings something else.
    let mut his = note.elsewhere();
    let kept = his.put("/name", "kept");
    let upon = [his.put("/name", "one"), his.put("/name", "two"), his.put("/name", "three")].map(|it| it[0].clone());
    for (lane, batch) in (0..).zip(&upon) {
        squatter.push_in_lane(team, note.id, lane, batch).await;
        let answer = squatter.answer(batch.id).await;
        assert!(matches!(&answer, RelayFrame::Need(need) if !need.hashes.is_empty()), "{answer:?}");
        // Meanwhile everybody who rests on what is there goes on, in this document and in others.
        let mine = note.put("/name", format!("mine {lane}"));
        laptop.push_all(team, note.id, &mine).await;
        let mut other = Author::new("note");
        let elsewhere = other.put("/name", "elsewhere");
        squatter.push_all(team, other.id, &elsewhere).await;
    }
    // The one that was asked for, pushed by whomever, ends it; nothing was kept in its place.
    squatter.push_in_lane(team, note.id, 3, &kept[0]).await;
    squatter.fate(kept[0].id).await;
    for batch in &upon {
        squatter.push_in_lane(team, note.id, 3, batch).await;
        let fate = squatter.fate(batch.id).await;
        assert!(matches!(fate, RelayFrame::Ack(_)), "{fate:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_never_reads_delays_nobody_else() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut deaf, _) = Device::online(relay.address, &alice.token).await;
    let (mut desktop, welcome) = Device::online(relay.address, &alice.token).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    // More than the sockets' buffers hold, and more than the credit of unconfirmed deliveries.
    let text = "x".repeat(200 << 10);
    let mut note = Author::new("note");
    let mut end = personal(&welcome).end;
    for number in 0..60 {
        let batches = note.put("/name", format!("{number}{text}"));
        end = laptop.push_all(alice.personal, note.id, &batches).await;
        while desktop.delivered(alice.personal).await.end() != end {}
    }
    // It still can push, and gets what it missed when it reads again.
    let mut own = Author::new("note");
    let batches = own.put("/name", "from the deaf one");
    deaf.push_all(alice.personal, own.id, &batches).await;
    while deaf.delivered(alice.personal).await.end().position <= end.position {}
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_unknown_kinds_are_skipped() {
    use futures_util::SinkExt as _;
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    // [6, {0: 1}]: a signature, reserved
    let signature = tokio_tungstenite::tungstenite::Message::Binary(vec![0x82, 0x06, 0xa1, 0x00, 0x01].into());
    laptop.socket.send(signature).await.unwrap();
    let mut note = Author::new("note");
    let batches = note.put("/name", "still here");
    laptop.push_all(alice.personal, note.id, &batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_write_at_once_all_get_everything() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut reader, welcome) = Device::online(relay.address, &alice.token).await;
    let before = personal(&welcome).end.position.0;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (address, token, space) = (relay.address, alice.token.clone(), alice.personal);
        writers.spawn(async move {
            let (mut device, _) = Device::online(address, &token).await;
            let mut note = Author::new("note");
            let mut pushed = 0;
            for number in 0..25 {
                let batches = note.put("/name", format!("edit {number}"));
                pushed += batches.len() as u64;
                device.push_all(space, note.id, &batches).await;
            }
            pushed
        });
    }
    let pushed: u64 = writers.join_all().await.into_iter().sum();
    let mut expected = before;
    while expected < before + pushed {
        let deliver = reader.delivered(alice.personal).await;
        assert_eq!(deliver.after.position.0, expected, "dense");
        expected = deliver.end().position.0;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_no_changes_is_refused() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let empty = Batch::of(Content::Changes(Vec::new()));
    let note = Author::new("note");
    laptop.push(alice.personal, note.id, &empty).await;
    assert!(
        matches!(laptop.answer(empty.id).await, RelayFrame::Refuse(refuse) if refuse.code == FateCode::UNDECODABLE)
    );
    let garbage = Batch::of(Content::Changes(vec![b"not a change".to_vec().into()]));
    laptop.push_in_lane(alice.personal, note.id, 1, &garbage).await;
    assert!(
        matches!(laptop.answer(garbage.id).await, RelayFrame::Refuse(refuse) if refuse.code == FateCode::UNDECODABLE)
    );
    assert!(matches!(laptop.hello_frame(Vec::new()), DeviceFrame::Hello(_)));
}
