//! Presence over HTTP: pages and devices in a document see each other, as long as they may.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use relay_storage::TokenRef;
use serde_json::{Value, json};
use sync_server::relay::presence::{Participant, Seat, Spot};
use sync_wire::limits::PRESENCE_PARTICIPANTS_MAX;
use sync_wire::{DeviceId, DocumentId, Presence, Role, SpaceId};
use tokio::time::Instant;

use crate::device::Device;
use crate::http::{Answer, Hints, send};
use crate::relay::{Account, Relay};

const NOTE: DocumentId = DocumentId([7; 16]);

/// A page in a document of a space.
struct Page {
    address: SocketAddr,
    bearer: String,
    url: String,
}

impl Page {
    fn new(relay: &Relay, account: &Account, space: SpaceId, name: &str) -> Self {
        let url = format!("/api/v1/spaces/{space}/documents/{NOTE}/presence?page={name}");
        Self { address: relay.address, bearer: format!("Bearer {}", account.token), url }
    }

    async fn open(&self) -> Result<Hints, u16> {
        Hints::open(self.address, &self.url, &[("authorization", &self.bearer)]).await
    }

    /// Its stream, and who was there when it began.
    async fn begin(&self) -> (Hints, Value) {
        let mut stream = self.open().await.unwrap();
        let (kind, present) = next(&mut stream).await;
        assert_eq!(kind, "present");
        (stream, present)
    }

    async fn send(&self, method: &str, body: &str) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        send(self.address, method, &self.url, &headers, body).await
    }

    async fn show(&self, content: &Value) -> Answer {
        self.send("PUT", &json!({ "content": content }).to_string()).await
    }

    async fn shows(&self, content: &Value) {
        let answer = self.show(content).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    }
}

/// The kind and the data of the next event.
async fn next(stream: &mut Hints) -> (String, Value) {
    let (kind, id, data) = stream.event().await.expect("the stream goes on");
    assert_eq!(id, None, "there is nothing to resume at");
    (kind, data)
}

async fn next_shown(stream: &mut Hints) -> Value {
    let (kind, data) = next(stream).await;
    assert_eq!(kind, "shown", "{data}");
    data["content"].clone()
}

fn content(presence: &Presence) -> Option<Value> {
    presence.content.as_ref().map(|content| serde_json::from_slice(content).unwrap())
}

/// Alice's team, of which Bob may read everything.
async fn team() -> (Relay, Account, Account, SpaceId) {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let space = relay.team(&[(&alice, Role::Owner), (&bob, Role::Viewer)]).await;
    (relay, alice, bob, space)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_a_device_see_each_other_come_move_and_go() {
    let (relay, alice, bob, space) = team().await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    laptop.show(space, NOTE, Some(r#"{"line":3}"#)).await;
    let page = Page::new(&relay, &bob, space, "tab-1");
    let (mut stream, mut present) = page.begin().await;
    if present["others"] == json!([]) {
        present["others"] = json!([next(&mut stream).await.1]); // the laptop was still on its way
    }
    let (owner, device) = (alice.id.to_string(), laptop.id.to_string());
    assert_eq!(present["others"], json!([{ "account": owner, "device": device, "content": { "line": 3 } }]));
    let seen = laptop.told().await;
    assert_eq!((seen.account, content(&seen)), (bob.id, Some(Value::Null)), "whoever looks is seen");
    assert_eq!(present["device"], seen.device.to_string());

    page.shows(&json!({ "name": "Bob" })).await;
    assert_eq!(content(&laptop.told().await), Some(json!({ "name": "Bob" })));
    laptop.show(space, NOTE, Some("no JSON")).await;
    assert_eq!(next_shown(&mut stream).await, Value::Null);
    laptop.show(space, NOTE, None).await;
    let gone = next(&mut stream).await;
    assert_eq!(gone, ("gone".to_owned(), json!({ "account": owner, "device": device })));
    laptop.show(space, NOTE, Some("1")).await;
    assert_eq!(next_shown(&mut stream).await, json!(1));
    while content(&laptop.told().await) != Some(json!({ "name": "Bob" })) {}

    assert_eq!(page.send("DELETE", "").await.status, 204);
    assert_eq!(content(&laptop.told().await), Some(Value::Null), "it still looks");
    drop(stream);
    assert_eq!(content(&laptop.told().await), None, "gone with its stream");
    assert_eq!(page.send("DELETE", "").await.status, 204, "and that may be said again");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_told_apart_by_their_names_and_their_accounts() {
    let (relay, alice, bob, space) = team().await;
    let pages = [(&alice, "one"), (&alice, "two"), (&bob, "one")].map(|(it, name)| Page::new(&relay, it, space, name));
    let (mut first, _) = pages[0].begin().await;
    let (_second, present) = pages[1].begin().await;
    assert_eq!(present["others"].as_array().unwrap().len(), 1);
    let (_third, present) = pages[2].begin().await;
    assert_eq!(present["others"].as_array().unwrap().len(), 2);
    pages[1].shows(&json!("two")).await;
    pages[2].shows(&json!("bob")).await;
    let mut shown = BTreeMap::new();
    let wanted = [(alice.id.to_string(), json!("two")), (bob.id.to_string(), json!("bob"))].into();
    while shown != wanted {
        let (kind, other) = next(&mut first).await;
        assert_eq!(kind, "shown", "{other}");
        shown.insert(other["account"].as_str().unwrap().to_owned(), other["content"].clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_told_of_nobody_is_shown_to_nobody() {
    let (relay, _, bob, space) = team().await;
    let page = Page::new(&relay, &bob, space, "tab");
    assert_eq!(page.show(&json!(1)).await.code(), "page_absent");
    let (_other, _) = Page::new(&relay, &bob, space, "other").begin().await;
    assert_eq!(page.show(&json!(1)).await.code(), "page_absent");
    let (_stream, _) = page.begin().await;
    page.shows(&json!(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_shows_ends_after_thirty_seconds_and_the_page_stays() {
    let (relay, alice, bob, space) = team().await;
    let page = Page::new(&relay, &alice, space, "tab");
    let (_stream, _) = page.begin().await;
    let (mut other, _) = Page::new(&relay, &bob, space, "tab").begin().await;
    page.shows(&json!(1)).await;
    assert_eq!(next_shown(&mut other).await, json!(1));
    relay.app.presence.sweep(Instant::now() + Duration::from_secs(31));
    assert_eq!(next_shown(&mut other).await, Value::Null);
    page.shows(&json!(1)).await;
    assert_eq!(next_shown(&mut other).await, json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_presence_ends_with_grant_token_and_relay_and_takes_the_page_along() {
    let (relay, alice, bob, space) = team().await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    laptop.show(space, NOTE, Some("1")).await;
    let secret = relay.storage().create_token(bob.id, "other").await.unwrap().secret;
    let other = Account { token: secret, ..bob.clone() };
    let (mut with_token, _) = Page::new(&relay, &other, space, "a").begin().await;
    assert_eq!(content(&laptop.told().await), Some(Value::Null));
    relay.storage().revoke_token(TokenRef::Secret(&other.token)).await.unwrap();
    while with_token.event().await.is_some() {}
    assert_eq!(content(&laptop.told().await), None);

    let page = Page::new(&relay, &bob, space, "b");
    let (mut with_grant, _) = page.begin().await;
    assert_eq!(content(&laptop.told().await), Some(Value::Null));
    relay.storage().revoke_grant(space, bob.id).await.unwrap();
    while with_grant.event().await.is_some() {}
    assert_eq!(content(&laptop.told().await), None);
    assert_eq!((page.open().await.unwrap_err(), page.show(&json!(1)).await.code().as_str()), (404, "space_not_found"));

    let (mut last, _) = Page::new(&relay, &alice, space, "c").begin().await;
    relay.app.stop.cancel();
    while last.event().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_streams_of_one_page_the_newer_one_counts_and_what_it_showed_stays() {
    let (relay, alice, bob, space) = team().await;
    let page = Page::new(&relay, &alice, space, "tab");
    let (mut old, _) = page.begin().await;
    page.shows(&json!("here")).await;
    let (_new, _) = page.begin().await;
    assert_eq!(old.event().await, None);
    drop(old);
    let (mut other, present) = Page::new(&relay, &bob, space, "tab").begin().await;
    assert_eq!(present["others"][0]["content"], json!("here"));
    page.shows(&json!("there")).await;
    assert_eq!(next_shown(&mut other).await, json!("there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_fits_as_often_as_devices_do() {
    let (relay, alice, _, space) = team().await;
    let page = Page::new(&relay, &alice, space, "tab");
    let (_stream, _) = page.begin().await;
    page.shows(&Value::String("x".repeat(1022))).await;
    let refused = page.show(&Value::String("x".repeat(1023))).await;
    assert_eq!(refused.code(), "body_too_large");
    assert!(refused.body.contains("1025 bytes") && refused.body.contains("at most 1024"), "{}", refused.body);
    for body in ["", "1", "{}", r#"{"content":1,"page":"tab"}"#] {
        assert_eq!(page.send("PUT", body).await.code(), "body_invalid", "{body}");
    }
    let headers = [("authorization", page.bearer.as_str())];
    let untold = send(page.address, "PUT", &page.url, &headers, "{}").await;
    assert_eq!(untold.code(), "media_type_unsupported");
    let begun = Instant::now();
    let mut shown = 0;
    let refused = loop {
        let answer = page.show(&json!(shown)).await;
        if answer.status != 204 {
            break answer;
        }
        shown += 1;
        assert!(shown < 10_000, "nothing is refused");
    };
    assert_eq!((refused.code().as_str(), refused.headers["retry-after"].as_str()), ("rate_limited", "1"));
    let allowed = 32 + 10 * (begun.elapsed().as_secs() + 1);
    assert!((31..=allowed).contains(&shown), "{shown} were shown");
    assert_eq!(page.send("DELETE", "").await.status, 204, "leaving always goes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_refused_with_a_word_where_nobody_more_is_shown() {
    let (relay, alice, _, space) = team().await;
    let (spot, page) = (Spot { space, document: NOTE }, Page::new(&relay, &alice, space, "tab"));
    let mut seats = Vec::new();
    for number in 0..PRESENCE_PARTICIPANTS_MAX {
        let mut id = [9; 16];
        id[0] = u8::try_from(number).unwrap();
        let who = Participant { account: alice.id, device: DeviceId(id) };
        let mut seat = Seat::new(&relay.app.presence);
        seat.show(Instant::now(), relay.app.hub.listen().bell(), spot, who, Some(b"1".to_vec().into()));
        seats.push(seat);
    }
    assert_eq!(page.open().await.unwrap_err(), 503);
    let refused = page.send("GET", "").await;
    assert_eq!((refused.code().as_str(), refused.headers["retry-after"].as_str()), ("overloaded", "30"));
    seats.pop();
    let (_stream, present) = page.begin().await;
    assert_eq!(present["others"].as_array().unwrap().len(), PRESENCE_PARTICIPANTS_MAX - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_all_events_are_counted_together() {
    let relay = Relay::start_with(|config| config.api.event_streams_per_account_max = 1).await;
    let alice = relay.account("alice").await;
    let page = Page::new(&relay, &alice, alice.personal, "tab");
    let (_stream, _) = page.begin().await;
    let bearer = page.bearer.as_str();
    let hints = Hints::open(relay.address, "/api/v1/events", &[("authorization", bearer)]).await;
    assert_eq!(hints.unwrap_err(), 503);
    assert_eq!(Page::new(&relay, &alice, alice.personal, "other").open().await.unwrap_err(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_pages_and_places_are_what_they_can_be() {
    let (relay, alice, bob, space) = team().await;
    let longest = "x".repeat(64);
    Page::new(&relay, &alice, space, &longest).begin().await;
    for wrong in ["", &format!("{longest}x"), "a.b", "%20", "%C3%A9"] {
        let page = Page::new(&relay, &alice, space, wrong);
        for method in ["GET", "PUT", "DELETE"] {
            assert_eq!(page.send(method, "").await.code(), "parameter_invalid", "{method} {wrong}");
        }
    }
    let foreign = Page::new(&relay, &alice, bob.personal, "tab");
    let mut nowhere = Page::new(&relay, &alice, space, "tab");
    nowhere.url = nowhere.url.replace(&NOTE.to_string(), "nothing");
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(foreign.send(method, "").await.code(), "space_not_found");
        assert_eq!(nowhere.send(method, "").await.code(), "document_not_found");
    }
}
