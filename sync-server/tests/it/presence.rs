//! Who is where at the moment: told to those who are there too, and to nobody else.

use std::time::Duration;

use sync_wire::{DocumentId, Role, SpaceId};
use tokio::time::Instant;

use crate::author::Author;
use crate::device::Device;
use crate::relay::{Account, Relay};

const NOTE: DocumentId = DocumentId([7; 16]);

/// A team of two who are online, and somebody else.
struct Team {
    relay: Relay,
    alice: Account,
    bob: Account,
    space: SpaceId,
    /// Alice's.
    laptop: Device,
    /// Bob's.
    phone: Device,
}

impl Team {
    async fn online() -> Self {
        let relay = Relay::start().await;
        let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
        let space = relay.team(&[(&alice, Role::Owner), (&bob, Role::Viewer)]).await;
        let (laptop, _) = Device::online(relay.address, &alice.token).await;
        let (phone, _) = Device::online(relay.address, &bob.token).await;
        Self { relay, alice, bob, space, laptop, phone }
    }

    /// Both are in the note, and know of each other.
    async fn together() -> Self {
        let mut team = Self::online().await;
        team.laptop.show(team.space, NOTE, Some("1")).await;
        team.phone.show(team.space, NOTE, Some("2")).await;
        assert_eq!(text(&team.laptop.told().await), Some("2"));
        assert_eq!(text(&team.phone.told().await), Some("1"));
        team
    }
}

fn text(presence: &sync_wire::Presence) -> Option<&str> {
    presence.content.as_ref().map(|content| std::str::from_utf8(content).unwrap())
}

/// What a device of an account was told by the time at which a push of its own was answered.
async fn told(device: &mut Device, account: &Account) -> Vec<sync_wire::Presence> {
    let mut note = Author::new("note");
    let batch = note.put("/name", "a push of its own").remove(0);
    device.told_by(account.personal, note.id, &batch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_in_a_document_are_shown_each_other_as_the_relay_knows_them() {
    let Team { relay: _relay, alice, bob, space, mut laptop, mut phone, .. } = Team::online().await;
    laptop.show(space, NOTE, Some(r#"{"line":3}"#)).await;
    phone.show(space, NOTE, Some("null")).await; // a viewer, who only looks
    let (first, second) = (phone.told().await, laptop.told().await);
    assert_eq!((first.space, first.document, first.account, first.device), (space, NOTE, alice.id, laptop.id));
    assert_eq!((second.account, second.device, text(&second)), (bob.id, phone.id, Some("null")));
    assert_eq!(text(&first), Some(r#"{"line":3}"#), "as it was sent");
    laptop.show(space, NOTE, Some(r#"{"line":4}"#)).await;
    assert_eq!(text(&phone.told().await), Some(r#"{"line":4}"#));
    laptop.show(space, NOTE, None).await;
    let gone = phone.told().await;
    assert_eq!((gone.device, gone.content), (laptop.id, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_there_or_may_not_read_is_shown_nobody_and_shown_to_nobody() {
    let Team { relay, alice, bob, space, mut laptop, mut phone } = Team::together().await;
    let mallory = relay.account("mallory").await;
    let (mut stranger, _) = Device::online(relay.address, &mallory.token).await;
    let (mut elsewhere, _) = Device::online(relay.address, &bob.token).await;
    stranger.show(space, NOTE, Some("\"let me in\"")).await;
    elsewhere.show(space, DocumentId([8; 16]), Some("3")).await;
    assert_eq!(told(&mut stranger, &mallory).await, [], "and what it showed was taken by then");
    laptop.show(space, NOTE, Some("4")).await;
    assert_eq!(text(&phone.told().await), Some("4"));
    assert_eq!(told(&mut stranger, &mallory).await, []);
    assert_eq!(told(&mut elsewhere, &bob).await, [], "it is in another document");
    assert_eq!(told(&mut laptop, &alice).await, [], "nobody came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_takes_its_presence_along() {
    let Team { relay: _relay, mut laptop, phone, .. } = Team::together().await;
    let id = phone.id;
    drop(phone);
    let gone = laptop.told().await;
    assert_eq!((gone.device, gone.content), (id, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_grant_takes_presence_along_both_ways() {
    let Team { relay, alice, bob, space, mut laptop, mut phone } = Team::together().await;
    relay.storage().revoke_grant(space, bob.id).await.unwrap();
    let gone = laptop.told().await;
    assert_eq!((gone.device, gone.content), (phone.id, None));
    assert_eq!(phone.regranted(space).await, None);
    laptop.show(space, NOTE, Some("\"among ourselves\"")).await;
    phone.show(space, NOTE, Some("\"still here?\"")).await;
    let told_of = told(&mut phone, &bob).await;
    assert!(told_of.iter().all(|other| other.content.is_none()), "others are gone, and that is all: {told_of:?}");
    assert_eq!(told(&mut laptop, &alice).await, [], "and shown to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_gone_at_once() {
    let Team { relay, mut laptop, mut phone, .. } = Team::together().await;
    assert!(relay.storage().revoke_device(phone.id).await.unwrap());
    let gone = laptop.told().await;
    assert_eq!((gone.device, gone.content), (phone.id, None));
    phone.goodbye().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shown_again_ends() {
    let Team { relay, space, mut laptop, mut phone, .. } = Team::together().await;
    relay.app.presence.sweep(Instant::now() + Duration::from_secs(31));
    assert_eq!((laptop.told().await.content, phone.told().await.content), (None, None), "each for the other");
    // The same again would be no news of somebody who is still there.
    laptop.show(space, NOTE, Some("1")).await;
    phone.show(space, NOTE, Some("2")).await;
    assert_eq!(text(&laptop.told().await), Some("2"));
    assert_eq!(text(&phone.told().await), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_thinned_out_and_delays_no_edit() {
    let Team { relay: _relay, bob, space, mut laptop, mut phone, .. } = Team::together().await;
    let begun = Instant::now();
    for number in 0..5_000 {
        laptop.show(space, NOTE, Some(&format!("\"{number:01000}\""))).await;
    }
    let mut note = Author::new("note");
    let batches = note.put("/name", "in the middle of it");
    let at = laptop.push_all(space, note.id, &batches).await;
    while phone.delivered(space).await.end() != at {}
    let told = told(&mut phone, &bob).await.len() as u64;
    let allowed = 32 + 10 * (begun.elapsed().as_secs() + 1);
    assert!((1..=allowed).contains(&told), "{told} of 5000 were passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_passed_on_up_to_its_limit_and_one_byte_more_ends_the_connection() {
    let Team { relay: _relay, space, mut laptop, mut phone, .. } = Team::together().await;
    laptop.show(space, NOTE, Some(&"x".repeat(1024))).await;
    assert_eq!(phone.told().await.content.map(|content| content.len()), Some(1024));
    laptop.show(space, NOTE, Some(&"x".repeat(1025))).await;
    let goodbye = laptop.goodbye().await;
    assert!(goodbye.detail.contains("1025 bytes of presence; at most 1024"), "{}", goodbye.detail);
    assert_eq!(phone.told().await.content, None, "the laptop is gone");
}
