//! Grants, tokens and devices that change while a device is connected; always by another process's doing.

use sync_wire::{GoodbyeCode, RelayFrame, Role};

use crate::author::Author;
use crate::device::Device;
use crate::http::get;
use crate::relay::Relay;
use relay_storage::TokenRef;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_sessions_and_requests() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let other = relay.storage().create_token(alice.id, "other").await.unwrap().secret;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let (mut desktop, _) = Device::online(relay.address, &other).await;
    assert_eq!(get(relay.address, &alice.token, "/api/v1/documents").await.status, 200);

    assert!(relay.storage().revoke_token(TokenRef::Secret(&alice.token)).await.unwrap());
    let goodbye = laptop.goodbye().await;
    assert_eq!(goodbye.code, GoodbyeCode::UNAUTHENTICATED);
    assert!(!goodbye.code.is_worth_retrying());
    assert_eq!(get(relay.address, &alice.token, "/api/v1/documents").await.code(), "unauthenticated");

    let mut note = Author::new("note");
    let batches = note.put("/name", "the other token lives");
    desktop.push_all(alice.personal, note.id, &batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_shown_out_and_not_let_in_again() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    assert!(relay.storage().revoke_device(laptop.id).await.unwrap());
    assert_eq!(laptop.goodbye().await.code, GoodbyeCode::DEVICE_REVOKED);
    let mut again = Device::connect(relay.address, &alice.token).await;
    again.id = laptop.id;
    again.send(&again.hello_frame(Vec::new())).await;
    assert_eq!(again.goodbye().await.code, GoodbyeCode::DEVICE_REVOKED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_belongs_to_the_account_of_its_first_hello() {
    let relay = Relay::start().await;
    let (alice, mallory) = (relay.account("alice").await, relay.account("mallory").await);
    let (laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut thief = Device::connect(relay.address, &mallory.token).await;
    thief.id = laptop.id;
    thief.send(&thief.hello_frame(Vec::new())).await;
    assert_eq!(thief.goodbye().await.code, GoodbyeCode::DEVICE_TAKEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_removed_hears_nothing_more_of_the_space() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Owner), (&bob, Role::Editor)]).await;
    let (mut writer, _) = Device::online(relay.address, &alice.token).await;
    let (mut member, _) = Device::online(relay.address, &bob.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "for both");
    let at = writer.push_all(team, note.id, &batches).await;
    while member.delivered(team).await.end() != at {}
    let url = format!("/api/v1/spaces/{team}/documents/{}?after={at}", note.id);
    assert_eq!(get(relay.address, &bob.token, &url).await.status, 200);

    relay.storage().revoke_grant(team, bob.id).await.unwrap();
    assert_eq!(member.regranted(team).await, None);
    let batches = note.put("/name", "for one");
    writer.push_all(team, note.id, &batches).await;
    assert_eq!(get(relay.address, &bob.token, &url).await.code(), "space_not_found");

    // Its own space goes on, and brings nothing of the other.
    let mut own = Author::new("note");
    let batches = own.put("/name", "mine");
    let at = member.push_all(bob.personal, own.id, &batches).await;
    while member.delivered(bob.personal).await.end() != at {}
    let mut parked = Author::new("note");
    let batch = parked.put("/name", "too late").remove(0);
    member.push(team, parked.id, &batch).await;
    assert!(matches!(member.answer(batch.id).await, RelayFrame::Park(_)), "and it cannot push there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_gets_the_space_without_reconnecting() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let (mut member, _) = Device::online(relay.address, &bob.token).await;
    let team = relay.team(&[(&alice, Role::Owner)]).await;
    let (mut writer, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "before");
    writer.push_all(team, note.id, &batches).await;

    relay.storage().grant(team, bob.id, Role::Viewer).await.unwrap();
    assert_eq!(member.regranted(team).await.map(|grant| grant.role), Some(Role::Viewer));
    let batches = note.put("/name", "after");
    let at = writer.push_all(team, note.id, &batches).await;
    while member.delivered(team).await.end() != at {}
}
