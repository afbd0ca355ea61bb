//! Live queries over HTTP: what leads from one answer to the next, when a stream ends, and how many there may be.

use relay_storage::TokenRef;
use serde_json::{Value, json};
use sync_wire::Role;

use super::{FIND, delete, find, found, note};
use crate::author::Author;
use crate::device::Device;
use crate::http::{Hints, get};
use crate::relay::{Account, Relay};

/// An answer as whoever follows it has it.
pub(crate) struct Watched {
    stream: Hints,
    found: Vec<Value>,
    has_more: bool,
    /// How many differences have come.
    differences: usize,
}

impl Watched {
    /// Begins a stream, with its first page; the answer if it is refused.
    pub(crate) async fn open(relay: &Relay, account: &Account, path: &str) -> Result<Self, u16> {
        let bearer = format!("Bearer {}", account.token);
        let mut stream = Hints::open(relay.address, path, &[("authorization", &bearer)]).await?;
        let (kind, _, page) = stream.event().await.expect("a page");
        assert_eq!(kind, "page");
        let found = page["found"].as_array().unwrap().clone();
        Ok(Self { stream, found, has_more: page["more"].as_bool().unwrap(), differences: 0 })
    }

    /// Takes in the next difference; whether there was one before the stream ended.
    async fn next(&mut self) -> bool {
        let Some((kind, _, difference)) = self.stream.event().await else { return false };
        assert_eq!(kind, "difference");
        let of = |name: &str| difference[name].as_array().unwrap().clone();
        assert!(["removed", "added", "moved", "changed"].iter().any(|name| !of(name).is_empty()), "{difference}");
        let leaves = |one: &Value| {
            let is_it = |other: &Value| (&other["space"], &other["id"]) == (&one["space"], &one["id"]);
            of("removed").iter().any(is_it) || of("moved").iter().any(is_it)
        };
        self.found.retain(|one| !leaves(one));
        let place = |one: &Value| usize::try_from(one["place"].as_u64().unwrap()).unwrap();
        let plain = |one: &Value| {
            let mut plain = one.clone();
            plain.as_object_mut().unwrap().remove("place");
            plain
        };
        let mut put = [of("added"), of("moved")].concat();
        put.sort_by_key(place);
        for one in put {
            self.found.insert(place(&one), plain(&one));
        }
        for one in of("changed") {
            self.found[place(&one)] = plain(&one);
        }
        self.has_more = difference["more"].as_bool().unwrap();
        self.differences += 1;
        true
    }

    /// Reads until the answer is this one.
    pub(crate) async fn until(&mut self, expected: &[Value]) {
        while self.found != expected {
            assert!(self.next().await, "the stream ended with {:?}, not {expected:?}", self.found);
        }
    }

    /// Reads until these titles are on the page.
    async fn until_titles(&mut self, expected: &[&str]) {
        while self.found.iter().map(|one| one["title"].as_str().unwrap_or("-")).ne(expected.iter().copied()) {
            assert!(self.next().await, "the stream ended with {:?}, not {expected:?}", self.found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_query_says_what_came_went_moved_and_changed() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let space = ada.personal;
    let (mut beta, _) = note(&mut laptop, space, "beta", "milk").await;
    let (gamma, at) = note(&mut laptop, space, "gamma", "eggs").await;
    assert_eq!(find(&relay, &ada, &format!("type=note&space={space}&after={at}")).await.status, 200);
    let mut notes = Watched::open(&relay, &ada, &format!("{FIND}/live?type=note&limit=2")).await.unwrap();
    let mut milk = Watched::open(&relay, &ada, &format!("{FIND}/live?type=note&words=milk")).await.unwrap();
    notes.until_titles(&["beta", "gamma"]).await;
    assert!(!notes.has_more && notes.found[0].get("position").is_none());
    assert_eq!(milk.found[0]["snippet"]["text"], "milk");

    note(&mut laptop, space, "alpha", "milk").await;
    notes.until_titles(&["alpha", "beta"]).await;
    assert!(notes.has_more, "gamma waits");
    while milk.found.len() < 2 {
        assert!(milk.next().await);
    }
    // It moves behind the one that waited.
    laptop.push_all(space, beta.id, &beta.put("/name", "zeta")).await;
    notes.until_titles(&["alpha", "gamma"]).await;
    delete(&mut laptop, space, &gamma).await;
    notes.until_titles(&["alpha", "zeta"]).await;
    assert!(!notes.has_more);
    laptop.push_all(space, beta.id, &beta.put("/name", "aardvark")).await;
    notes.until_titles(&["aardvark", "alpha"]).await;

    // What does not show is nobody's news; what shows comes after it.
    let told = notes.differences;
    laptop.push_all(space, beta.id, &beta.edit(|draft| draft.splice("/body", 0, 0, "more "))).await;
    laptop.push_all(space, beta.id, &beta.put("/name", "aardwolf")).await;
    notes.until_titles(&["aardwolf", "alpha"]).await;
    assert_eq!(notes.differences, told + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_query_follows_the_grants_and_ends_with_token_and_relay() {
    let relay = Relay::start().await;
    let (ada, bob) = (relay.account("ada").await, relay.account("bob").await);
    let team = relay.team(&[(&ada, Role::Editor), (&bob, Role::Viewer)]).await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let (_, at) = note(&mut laptop, team, "theirs", "").await;
    assert_eq!(found(&find(&relay, &bob, &format!("type=note&space={team}&after={at}")).await).len(), 1);
    let live = format!("{FIND}/live?type=note");
    let mut all = Watched::open(&relay, &bob, &live).await.unwrap();
    let mut one = Watched::open(&relay, &bob, &format!("{live}&space={team}")).await.unwrap();
    assert_eq!((all.found.len(), one.found.len()), (1, 1));
    let foreign = format!("{live}&space={}", ada.personal);
    assert_eq!(Watched::open(&relay, &bob, &foreign).await.err(), Some(404));

    relay.storage().revoke_grant(team, bob.id).await.unwrap();
    all.until(&[]).await;
    assert!(!one.next().await, "the stream of a space ends with its grant");
    note(&mut laptop, team, "not for bob", "").await;
    let (mut phone, _) = Device::online(relay.address, &bob.token).await;
    note(&mut phone, bob.personal, "for bob", "").await;
    all.until_titles(&["for bob"]).await;
    relay.storage().grant(team, bob.id, Role::Viewer).await.unwrap();
    all.until_titles(&["for bob", "not for bob", "theirs"]).await;

    let other = relay.storage().create_token(bob.id, "other").await.unwrap().secret;
    let other = Account { token: other, ..bob.clone() };
    let mut lives = Watched::open(&relay, &other, &live).await.unwrap();
    relay.storage().revoke_token(TokenRef::Secret(&bob.token)).await.unwrap();
    assert!(!all.next().await);
    relay.app.stop.cancel();
    assert!(!lives.next().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn live_queries_count_among_the_streams_of_an_account() {
    let relay = Relay::start_with(|config| config.api.event_streams_per_account_max = 1).await;
    let ada = relay.account("ada").await;
    let live = format!("{FIND}/live?type=note");
    let open = Watched::open(&relay, &ada, &live).await.unwrap();
    assert_eq!(Watched::open(&relay, &ada, &live).await.err(), Some(503));
    assert_eq!(get(relay.address, &ada.token, &live).await.code(), "overloaded");
    drop(open);
    let mut tries = 0;
    while Watched::open(&relay, &ada, &live).await.is_err() {
        tries += 1;
        assert!(tries < 1000, "a stream that ended leaves its place");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_finds_the_newest_page() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut notes = Watched::open(&relay, &ada, &format!("{FIND}/live?type=note")).await.unwrap();
    let mut note = Author::new("note");
    for number in 0..40 {
        laptop.push_all(ada.personal, note.id, &note.put("/name", format!("{number:02}"))).await;
    }
    notes.until_titles(&["39"]).await;
    assert!(notes.differences <= 41, "{}", notes.differences);
    assert_eq!(notes.found[0]["fields"], json!({"/name": "39"}));
}
