//! Documents found over HTTP by what is in them: what is found, in which order, page by page, by whom.

mod live; // an answer that is kept current
mod story; // whatever is written and asked, against a look at everything

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sync_wire::{Content, LogPosition, Role, SpaceId};

use crate::author::{Author, Batch};
use crate::device::Device;
use crate::http::{Answer, get};
use crate::openapi::check;
use crate::relay::{Account, Relay, succeed};
use crate::writes::project;

pub(crate) const FIND: &str = "/api/v1/find";

/// The text of a query string: what is not a letter or digit is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let one =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

pub(crate) async fn find(relay: &Relay, account: &Account, query: &str) -> Answer {
    get(relay.address, &account.token, &format!("{FIND}?{query}")).await
}

/// What an answer has found, which must be one.
pub(crate) fn found(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    check(answer, FIND);
    answer.json()["found"].as_array().unwrap().clone()
}

/// The titles of what was found.
fn titles(answer: &Answer) -> Vec<String> {
    found(answer).iter().map(|one| one["title"].as_str().unwrap_or("-").to_owned()).collect()
}

/// A note with a name and a body on a device, and where it is.
async fn note(device: &mut Device, space: SpaceId, name: &str, body: &str) -> (Author, LogPosition) {
    let mut note = Author::new("note");
    let batches = note.edit(|draft| {
        draft.put("/name", name.into())?;
        draft.splice("/body", 0, 0, body)
    });
    let at = device.push_all(space, note.id, &batches).await;
    (note, at)
}

async fn delete(device: &mut Device, space: SpaceId, author: &Author) -> LogPosition {
    let tombstone = Batch::of(Content::Tombstone(author.document.heads()));
    device.push_all(space, author.id, &[tombstone]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_found_by_filters_in_an_order_and_by_words() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut last = None;
    for (name, body) in [("shopping", "milk and two eggs"), ("plan", "buy eggs"), ("milk", "from the shop"), ("α", "")]
    {
        last = Some(note(&mut laptop, ada.personal, name, body).await.1);
    }
    let after = format!("type=note&space={}&after={}", ada.personal, last.unwrap());
    let first = find(&relay, &ada, &after).await;
    assert_eq!(titles(&first), ["milk", "plan", "shopping", "α"], "titles give the order");
    let one = &found(&first)[0];
    assert_eq!((&one["fields"], &one["space"]), (&json!({"/name": "milk"}), &json!(ada.personal.to_string())));
    assert!(one["position"].as_str().unwrap().parse::<LogPosition>().is_ok(), "{one}");
    for (query, expected) in [
        ("type=note&sort=-name", vec!["α", "shopping", "plan", "milk"]),
        ("type=note&where=name%3E%3Dn&where=name%3Cs", vec!["plan"]),
        ("type=note&where=name%5E%3Dpl", vec!["plan"]),
        ("type=note&where=%2Fname%3Dmilk", vec!["milk"]),
        ("type=note&where=name%3D5", vec![]),
        ("type=note&present=name&sort=name&limit=2", vec!["milk", "plan"]),
        ("type=note&absent=name", vec![]),
        ("type=note&words=eggs&sort=name", vec!["plan", "shopping"]),
        ("type=note&words=milk", vec!["milk", "shopping"]),
        ("type=note&words=%22two+eggs%22", vec!["shopping"]),
        ("type=note&words=shop*&sort=name", vec!["milk", "shopping"]),
        ("type=note&words=shop*+eggs", vec!["shopping"]),
        ("type=note&words=bread", vec![]),
        ("type=review", vec![]),
    ] {
        assert_eq!(titles(&find(&relay, &ada, query).await), expected, "{query}");
    }
    let snippet = &found(&find(&relay, &ada, "type=note&words=eggs&sort=-name").await)[0]["snippet"];
    let text = snippet["text"].as_str().unwrap();
    let hit = snippet["hits"][0].as_array().unwrap();
    let place = |at: usize| usize::try_from(hit[at].as_u64().unwrap()).unwrap();
    assert_eq!((text, &text[place(0)..place(1)]), ("milk and two eggs", "eggs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_refused_with_the_code_of_a_vault() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let page = get(relay.address, &ada.token, &format!("{FIND}?type=note")).await;
    assert_eq!(found(&page), Vec::<Value>::new());
    let many = format!("type=note{}", "&where=name%3Da".repeat(9));
    let long = format!("type=note&words={}", "a+".repeat(600));
    for (query, status, code) in [
        ("", 400, "parameter_invalid"),
        ("type=", 422, "type_unknown"),
        ("type=nothing", 422, "type_unknown"),
        ("type=note&where=body%3Da", 422, "not_indexed"),
        ("type=note&sort=colour", 422, "not_indexed"),
        ("type=settings&words=a", 422, "not_searchable"),
        ("type=note&where=name%3D%5B1%5D", 422, "not_comparable"),
        ("type=note&where=name", 422, "condition"),
        ("type=note&words=--", 422, "no_words"),
        (&many, 422, "query_too_large"),
        (&long, 422, "query_too_large"),
        ("type=note&cursor=xx", 422, "cursor"),
        ("type=note&limit=0", 400, "parameter_invalid"),
        ("type=note&limit=1001", 400, "parameter_invalid"),
        ("type=note&type=note", 400, "parameter_invalid"),
        ("type=note&colour=red", 400, "parameter_invalid"),
        ("type=note&after=0000000000000000:1", 400, "parameter_invalid"),
        ("type=note&space=x", 404, "space_not_found"),
        (&format!("type=note&space={}&after=0000000000000000:1", ada.personal), 409, "epoch_changed"),
    ] {
        let answer = find(&relay, &ada, query).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
        check(&answer, FIND);
        let live = get(relay.address, &ada.token, &format!("{FIND}/live?{query}")).await;
        let is_of_pages_alone = query.contains("cursor") || query.contains("after");
        assert_eq!(live.code(), if is_of_pages_alone { "parameter_invalid" } else { code }, "{query}");
    }
    assert_eq!(get(relay.address, "", &format!("{FIND}?type=note")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_from_a_document_whatever_is_written_meanwhile() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut spaces = vec![ada.personal];
    for _ in 0..2 {
        spaces.push(relay.team(&[(&ada, Role::Editor)]).await);
    }
    drop(laptop);
    (laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut staying = BTreeMap::new();
    for number in 0..18 {
        let space = spaces[number % 3];
        let (author, at) = note(&mut laptop, space, &format!("{:02} milk", number / 2), "milk").await;
        staying.insert(author.id.to_string(), (space, at));
    }
    for (space, at) in staying.values() {
        let query = format!("type=note&space={space}&after={at}");
        assert_eq!(find(&relay, &ada, &query).await.status, 200);
    }
    let one = format!("words=milk&space={}", spaces[1]);
    for order in ["sort=name", "sort=-name", &one] {
        let is_all = order != one;
        let expected = staying.values().filter(|(space, _)| is_all || *space == spaces[1]).count();
        let (mut seen, mut next) = (Vec::new(), None::<String>);
        loop {
            let cursor = next.as_ref().map(|next| format!("&cursor={next}")).unwrap_or_default();
            let answer = find(&relay, &ada, &format!("type=note&{order}&limit=4{cursor}")).await;
            seen.extend(found(&answer).iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            let Some(more) = answer.json()["next"].as_str().map(str::to_owned) else { break };
            next = Some(more);
            // Others come before and behind the place, and words are worth something else.
            for name in ["00 a", "04 b", "99 milk"] {
                let (_, at) = note(&mut laptop, spaces[1], name, "milk milk").await;
                let query = format!("type=note&space={}&after={at}&limit=1", spaces[1]);
                assert_eq!(find(&relay, &ada, &query).await.status, 200);
            }
        }
        let mut stayed: Vec<&String> = seen.iter().filter(|id| staying.contains_key(*id)).collect();
        let count = stayed.len();
        stayed.sort();
        stayed.dedup();
        assert_eq!((count, stayed.len()), (expected, expected), "{order}: each once");
        let cursor = next.unwrap();
        for other in ["type=note&sort=name&where=name%3Ca", "type=review&sort=title"] {
            let answer = find(&relay, &ada, &format!("{other}&cursor={cursor}")).await;
            assert_eq!(answer.code(), "cursor", "of another query: {other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_grant_a_deletion_and_a_restoration_show_in_the_next_answer() {
    let relay = Relay::start().await;
    let (ada, bob) = (relay.account("ada").await, relay.account("bob").await);
    let team = relay.team(&[(&ada, Role::Editor), (&bob, Role::Viewer)]).await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let (one, at) = note(&mut laptop, team, "one", "a secret").await;
    let ask = |at: LogPosition| format!("type=note&space={team}&after={at}&words=secret");
    assert_eq!(titles(&find(&relay, &bob, &ask(at)).await), ["one"]);
    assert_eq!(titles(&find(&relay, &bob, "type=note").await), ["one"]);

    let at = delete(&mut laptop, team, &one).await;
    assert_eq!(titles(&find(&relay, &bob, &ask(at)).await), [""; 0]);
    assert_eq!(titles(&find(&relay, &bob, "type=note").await), [""; 0]);
    let at = laptop.push_all(team, one.id, &[Batch::of(Content::Restore)]).await;
    assert_eq!(titles(&find(&relay, &bob, &ask(at)).await), ["one"]);

    relay.storage().revoke_grant(team, bob.id).await.unwrap();
    let mut tries = 0;
    while find(&relay, &bob, &ask(at)).await.status != 404 {
        tries += 1;
        assert!(tries < 1000, "a withdrawn grant is heard of");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for query in ["type=note", "type=note&words=secret"] {
        assert_eq!(titles(&find(&relay, &bob, query).await), [""; 0], "{query}");
        assert_eq!(titles(&find(&relay, &ada, query).await), ["one"], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_to_be_taken_in_goes_on_with_the_next_request() {
    const NOTES: usize = 150;
    let relay = Relay::start_with(|config| config.api.find_seconds = 0).await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let mut at = None;
    for number in 0..NOTES {
        let mut note = Author::new("note");
        let batches = note.put("/name", format!("{number:03}"));
        at = Some(laptop.push_all(ada.personal, note.id, &batches).await);
    }
    let query = format!("type=note&space={}&after={}&limit=1000", ada.personal, at.unwrap());
    let mut refused = 0;
    let answer = loop {
        let answer = find(&relay, &ada, &query).await;
        if answer.status == 200 {
            break answer;
        }
        assert_eq!((answer.code().as_str(), answer.headers["retry-after"].as_str()), ("index_behind", "1"));
        check(&answer, FIND);
        refused += 1;
    };
    assert_eq!(titles(&answer).len(), NOTES);
    // Every look but the last has taken in 64; the one after the last finds that it was.
    assert!((2..=4).contains(&refused), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_makes_again_what_documents_are_found_by() {
    let relay = Relay::start().await;
    let ada = relay.account("ada").await;
    let (mut laptop, _) = Device::online(relay.address, &ada.token).await;
    let (_, at) = note(&mut laptop, ada.personal, "one", "milk").await;
    let (gone, _) = note(&mut laptop, ada.personal, "two", "milk").await;
    delete(&mut laptop, ada.personal, &gone).await;
    let query = format!("type=note&space={}&after={at}&words=milk", ada.personal);
    let before = found(&find(&relay, &ada, &query).await);
    assert_eq!(before.len(), 1);
    let directory = relay.directory().to_owned();
    assert!(succeed(&directory, &["verify"]).ends_with("nothing is wrong"));
    relay.storage().rebuild(None, &project()).await.unwrap();
    assert_eq!(found(&find(&relay, &ada, &query).await), before);
    assert!(succeed(&directory, &["verify"]).ends_with("nothing is wrong"));
}
