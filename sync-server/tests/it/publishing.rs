//! What everybody may see of a document, and what its owners are told while that is not its newest state.

use relay_storage::{Judgement, NewProjection, Projection, StoreChecked, Stored};
use schemas::Registry;
use serde_json::{Value, json};
use sync_wire::{Content, DocumentId, LogPosition, Role, SpaceId};

use crate::author::{Author, Batch, changes, fresh_id};
use crate::device::{Device, personal};
use crate::http::{Answer, get, request};
use crate::relay::{Account, Process, Relay, succeed};

fn public(space: SpaceId, document: DocumentId) -> String {
    format!("/api/v1/public/{space}/{document}")
}

/// What the owner of a document is told of which nothing is published.
fn unpublished(state: &str, reason: &str) -> Value {
    json!({ "state": state, "reason": reason, "rules": null, "published": null, "refused": null })
}

/// A person with a device online, and one document of his.
struct Desk {
    relay: Relay,
    alice: Account,
    laptop: Device,
    author: Author,
    at: Option<LogPosition>,
}

impl Desk {
    async fn new(type_name: &str) -> Self {
        let relay = Relay::start().await;
        let alice = relay.account("alice").await;
        let (laptop, _) = Device::online(relay.address, &alice.token).await;
        Self { relay, alice, laptop, author: Author::new(type_name), at: None }
    }

    async fn push(&mut self, batches: &[Batch]) {
        self.at = Some(self.laptop.push_all(self.alice.personal, self.author.id, batches).await);
    }

    async fn put(&mut self, path: &str, value: impl Into<Value>) {
        let batches = self.author.put(path, value);
        self.push(&batches).await;
    }

    /// What its owner is told, once everything that was pushed is judged.
    async fn told(&self) -> Answer {
        let after = self.at.map_or(String::new(), |at| format!("?after={at}"));
        let (space, id) = (self.alice.personal, self.author.id);
        let url = format!("/api/v1/spaces/{space}/documents/{id}/publication{after}");
        get(self.relay.address, &self.alice.token, &url).await
    }

    /// The codes and paths of what keeps the newest state from being published.
    async fn refused(&self) -> Vec<String> {
        let told = self.told().await;
        assert_eq!(told.status, 200, "{told:?}");
        let violations = told.json()["refused"]["violations"].as_array().cloned().unwrap_or_default();
        let said = |violation: &Value| format!("{} {}", violation["code"], violation["path"]).replace('"', "");
        violations.iter().map(said).collect()
    }

    async fn seen_with(&self, headers: &[(&str, &str)]) -> Answer {
        request(self.relay.address, "GET", &public(self.alice.personal, self.author.id), headers).await
    }

    /// What anybody sees.
    async fn seen(&self) -> Option<Value> {
        let answer = self.seen_with(&[]).await;
        match answer.status {
            200 => Some(answer.json()["value"].clone()),
            _ => {
                assert_eq!((answer.status, answer.code().as_str()), (404, "document_not_found"), "{answer:?}");
                None
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_edit_keeps_what_is_published_and_its_owner_is_told() {
    let mut desk = Desk::new("review").await;
    desk.put("/extension", "acme.linter").await;
    assert_eq!((desk.refused().await, desk.seen().await), (vec!["schema.required ".to_owned()], None));
    assert_eq!(desk.told().await.json()["published"], Value::Null);
    desk.put("/rating", 4).await;
    assert_eq!(desk.refused().await, [""; 0]);
    let first = json!({ "extension": "acme.linter", "rating": 4 });
    assert_eq!(desk.seen().await, Some(first.clone()));
    let told = desk.told().await.json();
    assert_eq!((&told["state"], &told["reason"]), (&json!("public"), &Value::Null));
    assert_eq!((&told["refused"], &told["rules"]), (&Value::Null, &json!("1.1")));
    assert_eq!((&told["published"]["value"], &told["published"]["at"]), (&first, &json!(desk.at.unwrap().to_string())));
    let published = told["published"].clone();

    desk.put("/rating", 7).await;
    assert_eq!(desk.refused().await, ["schema.maximum /rating"]);
    assert_eq!(desk.seen().await, Some(first));
    let told = desk.told().await.json();
    assert_eq!(told["published"], published, "a fact does not move");
    assert_eq!(told["state"], "refused");
    assert_eq!(
        (&told["refused"]["at"], &told["refused"]["omitted"]),
        (&json!(desk.at.unwrap().to_string()), &json!(0))
    );
    let sentence = told["refused"]["violations"][0]["detail"].as_str().unwrap();
    assert!(sentence.starts_with("7 at /rating breaks a rule: "), "{sentence}");

    desk.put("/rating", 5).await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "extension": "acme.linter", "rating": 5 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_in_no_public_answer_and_moves_nothing_in_it() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/website", "https://acme.example").await;
    desk.refused().await;
    let before = desk.seen_with(&[]).await;
    assert_eq!(before.json()["value"], json!({ "website": "https://acme.example" }));
    let (space, id) = (desk.alice.personal.to_string(), desk.author.id.to_string());
    assert_eq!((&before.json()["space"], &before.json()["id"]), (&json!(space), &json!(id)));
    desk.put("/payoutContact", "no address at all").await;
    desk.put("/later", "of a newer program").await;
    assert_eq!(desk.refused().await, [""; 0], "what is wrong with a private field is its own matter");
    let after = desk.seen_with(&[]).await;
    assert_eq!((&before.body, before.headers.get("etag")), (&after.body, after.headers.get("etag")));
    let published = desk.told().await.json()["published"].clone();
    assert_eq!(published["at"], desk.at.unwrap().to_string(), "though the published state is the newest");

    let batches = desk.author.edit(|draft| draft.remove("/website"));
    desk.push(&batches).await;
    assert_eq!(desk.told().await.json(), unpublished("nothing", "none of its public fields has a value"));
    assert_eq!(desk.seen().await, None, "whoever takes his public fields away shows nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_shown_while_its_person_says_so() {
    let mut desk = Desk::new("profile").await;
    let withheld = unpublished("withheld", "/shown is not true; set it to true to show it to everybody");
    desk.put("/name", "Ada").await;
    desk.put("/email", "ada@example.org").await;
    assert_eq!((desk.told().await.json(), desk.seen().await), (withheld.clone(), None));
    desk.put("/shown", true).await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Ada" })));
    assert_eq!(desk.told().await.json()["rules"], "3.1");
    desk.put("/picture", "no address").await;
    assert_eq!(desk.refused().await, ["schema.pattern /picture"]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Ada" })));
    desk.put("/shown", false).await;
    assert_eq!((desk.told().await.json(), desk.seen().await), (withheld, None), "though it breaks a rule as well");
    desk.put("/shown", true).await;
    assert_eq!(desk.refused().await, ["schema.pattern /picture"]);
    assert_eq!(desk.seen().await, None, "what was withdrawn is not shown again by itself");
    desk.put("/picture", "https://example.org/ada.png").await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Ada", "picture": "https://example.org/ada.png" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_checked_by_a_release_that_published_nothing_waits_for_its_next_edit() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    let (storage, space, document) = (desk.relay.storage(), desk.alice.personal, desk.author.id);
    let Projection { type_name, title, heads, json, .. } = storage.projection(space, document).await.unwrap().unwrap();
    let checked = storage.document(space, document).await.unwrap().unwrap().checked;
    let nothing = NewProjection { type_name, title, heads, json, judgement: Judgement::Private };
    let (expected_checked, new_checked, projection) = (checked, checked, Some(nothing));
    let as_it_was = StoreChecked { space, document, expected_checked, new_checked, projection, snapshot: None };
    assert_eq!(storage.store_checked(as_it_was).await.unwrap(), Stored::Done);
    assert_eq!((desk.seen().await, desk.told().await.json()["state"].clone()), (None, json!("unjudged")));
    desk.put("/about", "Tools.").await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Acme", "about": "Tools." })));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_edits_are_judged_as_they_meet() {
    let mut desk = Desk::new("review").await;
    desk.put("/extension", "acme.linter").await;
    desk.put("/rating", 4).await;
    let mut other = desk.author.elsewhere();
    desk.put("/title", "Good").await;
    let theirs = other.put("/rating", 2);
    desk.push(&theirs).await;
    desk.refused().await;
    assert_eq!(desk.seen().await, Some(json!({ "extension": "acme.linter", "rating": 2, "title": "Good" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_conflict_blocks_and_resolving_it_publishes() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    let mut other = desk.author.elsewhere();
    desk.put("/name", "Acme Tools").await;
    let theirs = other.put("/name", "Acme Works");
    desk.push(&theirs).await;
    assert_eq!(desk.refused().await, ["conflict_open /name"]);
    assert_ne!(desk.seen().await, None);
    let seen = desk.seen().await.unwrap();
    assert!(seen["name"] == "Acme" || seen["name"] == "Acme Tools", "a state without a conflict: {seen}");

    let document = &mut desk.author.document;
    document.apply(&changes(&theirs)).unwrap();
    document.set_manual(Registry::builtin().get("publisher").unwrap().manual_fields());
    let closes: Vec<_> = document.conflicts().unwrap()[0].values.iter().map(|value| value.hash).collect();
    let batches = desk.author.edit(|draft| draft.resolve("/name", "Acme Works".into(), &closes));
    desk.push(&batches).await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Acme Works" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_it_from_the_public_and_a_restore_brings_it_back() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    let tombstone = Batch::of(Content::Tombstone(desk.author.document.heads()));
    desk.push(&[tombstone]).await;
    assert_eq!(desk.seen().await, None);
    assert_eq!(desk.told().await.code(), "document_deleted");
    desk.push(&[Batch::of(Content::Restore)]).await;
    assert_eq!(desk.refused().await, [""; 0]);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Acme" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_document_stays_published_as_it_was() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    desk.relay.storage().hold(desk.alice.personal, desk.author.id, "it fails").await.unwrap();
    assert_eq!(desk.seen().await, Some(json!({ "name": "Acme" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_a_rebuild_forget_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let relay = Process::serve(data);
    let (mut laptop, welcome) = Device::online(relay.address, &token).await;
    let (space, mut review) = (personal(&welcome).space, Author::new("review"));
    let mut batches = review.put("/extension", "acme.linter");
    batches.extend(review.put("/rating", 5));
    for batches in [batches, review.put("/rating", 9)] {
        let at = laptop.push_all(space, review.id, &batches).await;
        let url = format!("/api/v1/spaces/{space}/documents/{}/publication?after={at}", review.id);
        assert_eq!(get(relay.address, &token, &url).await.status, 200);
    }
    let url = public(space, review.id);
    let before = request(relay.address, "GET", &url, &[]).await;
    assert_eq!(before.json()["value"]["rating"], 5);
    relay.terminate();
    drop(laptop);
    assert_eq!(relay.exit_code(), Some(0));
    assert!(succeed(data, &["verify", "--rebuild"]).ends_with("nothing is wrong"));
    let relay = Process::serve(data);
    let after = request(relay.address, "GET", &url, &[]).await;
    assert_eq!((after.status, after.body), (200, before.body));
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_may_keep_it_and_whoever_asks_is_looked_at_by_nobody() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    let plain = desk.seen_with(&[]).await;
    assert_eq!(plain.headers["cache-control"], "public, max-age=60");
    assert!(!plain.headers.contains_key("vary") && !plain.headers.contains_key("set-cookie"), "{plain:?}");
    let bearer = format!("Bearer {}", desk.alice.token);
    for headers in [[("cookie", "a=b")], [("authorization", "Bearer nonsense")], [("authorization", bearer.as_str())]] {
        let same = desk.seen_with(&headers).await;
        assert_eq!((same.status, &same.body, &same.headers["etag"]), (200, &plain.body, &plain.headers["etag"]));
    }
    let etag = plain.headers["etag"].clone();
    let known = [("if-none-match", etag.as_str())];
    let unchanged = desk.seen_with(&known).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(
        (&unchanged.headers["etag"], &unchanged.headers["cache-control"]),
        (&etag, &"public, max-age=60".to_owned())
    );
    let url = public(desk.alice.personal, desk.author.id);
    let head = request(desk.relay.address, "HEAD", &url, &[]).await;
    assert_eq!((head.status, head.body.as_str(), &head.headers["etag"]), (200, "", &etag));
    desk.put("/about", "tools. ".repeat(400)).await;
    desk.refused().await;
    let long = desk.seen_with(&known).await;
    assert_eq!(long.status, 200, "another state has another tag");
    let packed = desk.seen_with(&[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (&packed.headers["content-encoding"], &packed.headers["vary"]),
        (&"gzip".to_owned(), &"accept-encoding".to_owned())
    );
    assert_eq!(packed.headers["etag"], long.headers["etag"], "weak, so both forms have it");
    assert!(long.headers["etag"].starts_with("W/\""), "{long:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_published_is_answered_in_the_same_words() {
    let mut desk = Desk::new("note").await;
    desk.put("/name", "private").await;
    assert_eq!(desk.told().await.json(), unpublished("private", "no public field of its type is known here"));
    let mut draft = Author::new("review");
    let batches = draft.put("/extension", "acme.linter");
    desk.laptop.push_all(desk.alice.personal, draft.id, &batches).await;
    let (home, nowhere) = (desk.alice.personal, SpaceId(fresh_id()));
    let mut answers = Vec::new();
    for url in [
        public(home, desk.author.id),
        public(home, draft.id),
        public(home, DocumentId(fresh_id())),
        public(nowhere, desk.author.id),
        format!("/api/v1/public/{home}/nonsense"),
        format!("/api/v1/public/nonsense/{}", desk.author.id),
    ] {
        let bearer = format!("Bearer {}", desk.alice.token);
        for headers in [vec![], vec![("authorization", bearer.as_str())]] {
            let answer = request(desk.relay.address, "GET", &url, &headers).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "document_not_found"), "{url}");
            let mut problem = answer.json();
            problem.as_object_mut().unwrap().remove("request_id");
            answers.push(problem);
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_told_and_nobody_else() {
    let relay = Relay::start().await;
    let mut members = Vec::new();
    for (name, role) in [("ada", Role::Owner), ("bob", Role::Editor), ("cy", Role::Viewer)] {
        members.push((relay.account(name).await, role));
    }
    let stranger = relay.account("mallory").await;
    let granted: Vec<_> = members.iter().map(|(account, role)| (account, *role)).collect();
    let team = relay.team(&granted).await;
    let (mut laptop, _) = Device::online(relay.address, &members[0].0.token).await;
    let mut review = Author::new("review");
    let batches = review.put("/rating", 7);
    let at = laptop.push_all(team, review.id, &batches).await;
    let url = format!("/api/v1/spaces/{team}/documents/{}/publication?after={at}", review.id);
    for (member, role) in &members {
        let told = get(relay.address, &member.token, &url).await;
        let violations = told.json()["refused"]["violations"].as_array().map(Vec::len);
        assert_eq!((told.status, violations), (200, Some(2)), "{role:?}: {told:?}");
        assert_eq!(told.headers["cache-control"], "private, no-cache");
    }
    assert_eq!(get(relay.address, &stranger.token, &url).await.code(), "space_not_found");
    let missing = format!("/api/v1/spaces/{team}/documents/{}/publication", DocumentId(fresh_id()));
    assert_eq!(get(relay.address, &members[0].0.token, &missing).await.code(), "document_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_get_more_than_the_relay_answers_at_once() {
    let mut desk = Desk::new("publisher").await;
    desk.put("/name", "Acme").await;
    desk.refused().await;
    let all = desk.relay.app.config.api.requests_max;
    let taken = desk.relay.app.requests.clone().acquire_many_owned(u32::try_from(all).unwrap()).await.unwrap();
    assert_eq!(desk.seen_with(&[]).await.code(), "overloaded");
    drop(taken);
    assert_eq!(desk.seen().await, Some(json!({ "name": "Acme" })));
}
