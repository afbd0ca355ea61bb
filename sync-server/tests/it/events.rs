//! Server-sent hints: who is told what, when, and when that ends.

use relay_storage::TokenRef;
use sync_wire::{LogPosition, Role};

use crate::author::Author;
use crate::device::Device;
use crate::http::{Hints, get};
use crate::relay::{Account, Relay};

async fn hints(relay: &Relay, account: &Account, query: &str, more: &[(&str, &str)]) -> Result<Hints, u16> {
    let bearer = format!("Bearer {}", account.token);
    let headers = [&[("authorization", bearer.as_str())], more].concat();
    Hints::open(relay.address, &format!("/api/v1/events{query}"), &headers).await
}

/// Reads until the space is known to be at a position.
async fn until(hints: &mut Hints, space: impl ToString, at: LogPosition) {
    let wanted = (space.to_string(), at.to_string());
    while hints.next().await.expect("the stream goes on") != wanted {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_says_that_what_was_pushed_can_be_read() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut hints = hints(&relay, &alice, "", &[]).await.unwrap();
    let first = hints.next().await.unwrap();
    assert_eq!(first.0, alice.personal.to_string(), "the reader learns where it begins");
    let mut note = Author::new("note");
    for number in 0..10 {
        let batches = note.put("/name", format!("edit {number}"));
        let at = laptop.push_all(alice.personal, note.id, &batches).await;
        until(&mut hints, alice.personal, at).await;
        // Without `after`: whoever was hinted finds it.
        let url = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
        assert_eq!(get(relay.address, &alice.token, &url).await.json()["value"]["name"], format!("edit {number}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_is_hinted_at_what_it_missed_and_at_nothing_else() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "one");
    let one = laptop.push_all(alice.personal, note.id, &batches).await;
    until(&mut hints(&relay, &alice, "", &[]).await.unwrap(), alice.personal, one).await;
    let batches = note.put("/name", "two");
    let two = laptop.push_all(alice.personal, note.id, &batches).await;
    let (one, two_text) = (one.to_string(), two.to_string());
    until(&mut hints(&relay, &alice, "", &[("last-event-id", &one)]).await.unwrap(), alice.personal, two).await;
    until(&mut hints(&relay, &alice, &format!("?after={one}"), &[]).await.unwrap(), alice.personal, two).await;

    // `Last-Event-ID` is newer than the `after` that a browser repeats with every connection.
    let query = format!("?after={one}&space={}", alice.personal);
    let mut current = hints(&relay, &alice, &query, &[("last-event-id", &two_text)]).await.unwrap();
    let batches = note.put("/name", "three");
    let three = laptop.push_all(alice.personal, note.id, &batches).await;
    let hint = current.next().await.unwrap();
    assert_eq!(hint, (alice.personal.to_string(), three.to_string()), "what it knew was not told again");
    // A position of another life of the log is no knowledge of this one.
    let other = hints(&relay, &alice, "?after=0000000000000000:99", &[]).await.unwrap().next().await.unwrap();
    assert_eq!(other.1, three.to_string());
    for wrong in ["?after=soon", "?spaces=1"] {
        assert_eq!(hints(&relay, &alice, wrong, &[]).await.unwrap_err(), 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_are_of_readable_spaces_only_and_follow_the_grants() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Viewer)]).await;
    assert_eq!(hints(&relay, &bob, &format!("?space={}", alice.personal), &[]).await.unwrap_err(), 404);
    let mut all = hints(&relay, &bob, "", &[]).await.unwrap();
    let mut one = hints(&relay, &bob, &format!("?space={team}"), &[]).await.unwrap();
    let begun = [all.next().await.unwrap().0, all.next().await.unwrap().0];
    assert!(begun.contains(&team.to_string()) && begun.contains(&bob.personal.to_string()));
    assert_eq!(one.next().await.unwrap().0, team.to_string());

    relay.storage().revoke_grant(team, bob.id).await.unwrap();
    assert_eq!(one.next().await, None, "the stream of a space ends with its grant");
    let (mut writer, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "not for bob");
    writer.push_all(team, note.id, &batches).await;
    let (mut phone, _) = Device::online(relay.address, &bob.token).await;
    let mut own = Author::new("note");
    let batches = own.put("/name", "for bob");
    let at = phone.push_all(bob.personal, own.id, &batches).await;
    loop {
        let (space, position) = all.next().await.unwrap();
        assert_eq!(space, bob.personal.to_string(), "nothing of the team any more");
        if position == at.to_string() {
            break;
        }
    }
    relay.storage().grant(team, bob.id, Role::Viewer).await.unwrap();
    assert_eq!(all.next().await.unwrap().0, team.to_string(), "a new grant is followed at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token_and_with_the_relay() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let other = relay.storage().create_token(alice.id, "other").await.unwrap().secret;
    let other = Account { token: other, ..alice.clone() };
    let mut revoked = hints(&relay, &alice, "", &[]).await.unwrap();
    let mut lives = hints(&relay, &other, "", &[]).await.unwrap();
    assert!(revoked.next().await.is_some() && lives.next().await.is_some());
    relay.storage().revoke_token(TokenRef::Secret(&alice.token)).await.unwrap();
    assert_eq!(revoked.next().await, None);
    relay.app.stop.cancel();
    assert_eq!(lives.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_bounded_number_of_streams() {
    let relay = Relay::start_with(|config| config.api.event_streams_per_account_max = 2).await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(hints(&relay, &alice, "", &[]).await.unwrap());
    }
    assert_eq!(hints(&relay, &alice, "", &[]).await.unwrap_err(), 503);
    hints(&relay, &bob, "", &[]).await.unwrap();
    open.clear();
    // The relay notices that a reader has gone when its connection ends.
    let mut tries = 0;
    while hints(&relay, &alice, "", &[]).await.is_err() {
        tries += 1;
        assert!(tries < 1000, "a stream that ended leaves its place");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
