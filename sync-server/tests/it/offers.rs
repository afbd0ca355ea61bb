//! A device that stands where the log does not: it offers what it has, and goes on from where both agree.

use sync_wire::log::EntryKind;
use sync_wire::{
    Blob, Checkpoint, DeviceFrame, DeviceId, DocumentId, Entry, Offer, OfferPart, Position, RelayFrame, Resume, Role,
    Run, SpaceId, Wanted, Welcome,
};

use crate::author::{Author, Batch, changes};
use crate::device::{Device, cursor, personal, start};
use crate::relay::Relay;

fn part(space: SpaceId, part: OfferPart) -> DeviceFrame {
    DeviceFrame::Offer(Offer { space, part })
}

/// What a log would have of a batch that a device pushed.
fn entries(device: DeviceId, document: DocumentId, batch: &Batch) -> Vec<Entry> {
    let entry = |bytes: Blob| Entry {
        kind: EntryKind::Change,
        document,
        hash: document::Change::parse(bytes.clone()).unwrap().hash(),
        device,
        batch: batch.id,
        bytes: Some(bytes),
        heads: None,
    };
    changes(std::slice::from_ref(batch)).into_iter().map(entry).collect()
}

async fn wanted(device: &mut Device) -> Wanted {
    match device.next().await {
        Some(RelayFrame::Wanted(wanted)) => wanted,
        other => panic!("expected Wanted, got {other:?}"),
    }
}

/// A device that claims to stand five places after the log's end, with an author whose first batches are there.
async fn ahead(relay: &Relay, token: &str, space: SpaceId) -> (Device, Welcome, Checkpoint, Author) {
    let (mut laptop, _) = Device::online(relay.address, token).await;
    let mut note = Author::new("note");
    laptop.push_all(space, note.id, &note.put("/name", "one")).await;
    let (_, welcome) = Device::online(relay.address, token).await;
    let grant = welcome.grants.iter().find(|grant| grant.space == space).unwrap();
    let known = start(grant);
    let mut ahead = cursor(space, known.at, known.chain);
    ahead.at.position.0 += 5;
    ahead.chain.0[0] ^= 1;
    let place = Checkpoint { position: known.at.position, chain: known.chain };
    laptop.socket.close(None).await.unwrap();
    // The same device again: the note's actor is its own.
    let mut device = Device::connect(relay.address, token).await;
    device.id = laptop.id;
    let welcome = device.hello(vec![ahead]).await;
    (device, welcome, place, note)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_goes_on_from_the_highest_common_place_and_its_pushes_wait_for_that() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let space = alice.personal;
    let (mut device, welcome, place, mut note) = ahead(&relay, &alice.token, space).await;
    assert_eq!(personal(&welcome).resume, Resume::Offer);
    let batches: Vec<Batch> = note.put("/name", "two");
    for batch in &batches {
        device.push(space, note.id, batch).await;
    }
    let unknown = Checkpoint { position: Position(place.position.0 + 5), chain: sync_wire::Chain([9; 32]) };
    device.send(&part(space, OfferPart::Checkpoints(vec![place, unknown]))).await;
    assert_eq!(wanted(&mut device).await, Wanted { space, after: place.position, taken: 0 });
    device.send(&part(space, OfferPart::Done)).await;
    let grant = device.regranted(space).await.unwrap();
    assert_eq!(grant.resume, Resume::From { at: place.position, chain: place.chain });
    assert_eq!(grant.end.epoch, personal(&welcome).end.epoch, "nothing was given back: no new epoch");
    let last = batches.last().unwrap().id;
    assert_eq!(device.acked(last).await.at.unwrap().position.0, place.position.0 + batches.len() as u64);
    let deliver = device.delivered(space).await;
    assert_eq!(deliver.after.position, place.position);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_gives_back_reaches_the_others_in_a_new_epoch() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let space = alice.personal;
    let (mut device, welcome, place, mut note) = ahead(&relay, &alice.token, space).await;
    let epoch = personal(&welcome).end.epoch;
    let batches = note.put("/name", "lost");
    let entries: Vec<_> = batches.iter().flat_map(|batch| entries(device.id, note.id, batch)).collect();
    let upto = Position(place.position.0 + entries.len() as u64);
    let run = Run { after: place.position, upto, epoch, entries: entries.clone(), voucher: None };
    device.send(&part(space, OfferPart::Checkpoints(vec![place]))).await;
    wanted(&mut device).await;
    for taken in [entries.len() as u64, 0] {
        device.send(&part(space, OfferPart::Run(run.clone()))).await;
        assert_eq!(wanted(&mut device).await, Wanted { space, after: upto, taken });
    }
    device.send(&part(space, OfferPart::Done)).await;
    let grant = device.regranted(space).await.unwrap();
    assert_ne!(grant.end.epoch, epoch);
    let deliver = device.delivered(space).await;
    assert_eq!((deliver.after.epoch, deliver.after.position), (grant.end.epoch, place.position));
    let (_, welcome) = Device::online(relay.address, &alice.token).await;
    assert_eq!((personal(&welcome).end.epoch, personal(&welcome).end.position), (grant.end.epoch, upto));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_anything_to_a_space_without_a_receipt_that_is_shared() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let (mut device, _, place, mut note) = ahead(&relay, &alice.token, team).await;
    let batches = note.put("/name", "lost");
    let entries: Vec<_> = batches.iter().flat_map(|batch| entries(device.id, note.id, batch)).collect();
    let upto = Position(place.position.0 + entries.len() as u64);
    let run = Run { after: place.position, upto, epoch: sync_wire::Epoch([1; 8]), entries, voucher: None };
    device.send(&part(team, OfferPart::Checkpoints(vec![place]))).await;
    wanted(&mut device).await;
    device.send(&part(team, OfferPart::Run(run))).await;
    assert_eq!(wanted(&mut device).await.taken, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_nobody_asked_for_ends_the_session() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut device, _) = Device::online(relay.address, &alice.token).await;
    device.send(&part(alice.personal, OfferPart::Done)).await;
    assert_eq!(device.goodbye().await.code, sync_wire::GoodbyeCode::PROTOCOL);
}
