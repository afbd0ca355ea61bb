//! What an account does with its refused changes: looks at them, takes them along, makes them again, throws them away.

use document::{Change, resubmission_note};
use relay_storage::QuarantineQuery;
use serde_json::{Value, json};
use sync_wire::{BatchId, ChangeHash, Content, Entry, FateCode, RelayFrame, Role, SpaceId};

use crate::author::{Author, Batch, changes, poison};
use crate::device::Device;
use crate::http::Answer;
use crate::openapi;
use crate::relay::{Account, Relay};
use crate::website::Page;

/// A laptop, its note, and what a copy of its vault wrote there under the same name: that was refused.
struct Desk<'r> {
    relay: &'r Relay,
    page: Page<'r>,
    laptop: Device,
    note: Author,
    batch: BatchId,
    hash: ChangeHash,
}

async fn refusal(laptop: &mut Device, batch: BatchId) -> FateCode {
    match laptop.fate(batch).await {
        RelayFrame::Refuse(refuse) => refuse.code,
        other => panic!("expected Refuse, got {other:?}"),
    }
}

fn hash_of(bytes: &sync_wire::Blob) -> ChangeHash {
    Change::parse(bytes.clone()).unwrap().hash()
}

impl<'r> Desk<'r> {
    async fn with_refused_edit(relay: &'r Relay, account: &Account, space: SpaceId) -> Self {
        let page = Page::of(relay, account, space);
        let (mut laptop, _) = Device::online(relay.address, &account.token).await;
        let mut note = Author::new("note");
        let begun = note.put("/name", "first");
        laptop.push_all(space, note.id, &begun).await;
        let mut copy = note.copied();
        let taken = note.put("/name", "second");
        let at = laptop.push_all(space, note.id, &taken).await;
        page.read_after(note.id, at).await;
        let refused = copy.put("/name", "refused").pop().unwrap();
        laptop.push(space, note.id, &refused).await;
        assert_eq!(refusal(&mut laptop, refused.id).await, FateCode::EQUIVOCATION);
        let hash = hash_of(&changes(std::slice::from_ref(&refused))[0]);
        Self { relay, page, laptop, note, batch: refused.id, hash }
    }

    fn path(&self, hash: impl std::fmt::Display, what: &str) -> String {
        format!("/api/v1/spaces/{}/quarantine/{hash}{what}", self.page.space)
    }

    async fn ask(&self, method: &str, hash: ChangeHash, what: &str) -> Answer {
        self.page.send(method, &self.path(hash, what), &[], "").await
    }

    async fn listed(&self) -> Vec<Value> {
        let path = format!("/api/v1/spaces/{}/quarantine", self.page.space);
        self.page.send("GET", &path, &[], "").await.json()["items"].as_array().unwrap().clone()
    }

    async fn entries(&self) -> u64 {
        self.relay.storage().end_of(self.page.space).await.unwrap().unwrap().position.0
    }

    /// The entry that says the refused change again.
    async fn said_again(&mut self) -> Entry {
        let note = resubmission_note(&self.hash);
        loop {
            let entries = self.laptop.delivered(self.page.space).await.entries;
            let is_it = |entry: &Entry| {
                let change = entry.bytes.clone().and_then(|bytes| Change::parse(bytes).ok());
                change.is_some_and(|change| change.header.message.as_ref() == Some(&note))
            };
            if let Some(entry) = entries.into_iter().find(is_it) {
                return entry;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_shown_with_what_it_changed_and_exported_as_a_vault_does() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let desk = Desk::with_refused_edit(&relay, &alice, alice.personal).await;
    let shown = desk.ask("GET", desk.hash, "").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    openapi::check(&shown, "/api/v1/spaces/{space}/quarantine/{hash}");
    let shown = shown.json();
    assert_eq!(shown["refused"], json!({"values": [{"path": "/name", "before": "first", "after": "refused"}]}));
    assert_eq!((&shown["code"], &shown["type"]), (&json!("equivocation"), &json!("note")));
    assert_eq!((&shown["title"], &shown["batch"]), (&json!("second"), &json!(desk.batch.to_string())));
    assert_eq!((&shown["continued_by"], &shown["resubmitted_by"]), (&Value::Null, &Value::Null));
    assert!(shown["remedy"].as_str().unwrap().contains("resubmit"), "{shown}");

    let exported = desk.ask("GET", desk.hash, "/export").await;
    openapi::check(&exported, "/api/v1/spaces/{space}/quarantine/{hash}/export");
    let disposition = format!("attachment; filename=\"refused-{}.json\"", desk.hash.short());
    assert_eq!(exported.headers["content-disposition"], disposition);
    let exported = exported.json();
    assert_eq!((&exported["refused"], &exported["change"]), (&shown["refused"], &json!(desk.hash.to_string())));
    assert!(exported["bytes_hexadecimal"].as_str().unwrap().starts_with("856f4a83"), "an Automerge chunk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_made_again_once_as_an_edit_of_what_is_there_now() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let mut desk = Desk::with_refused_edit(&relay, &alice, alice.personal).await;
    let before = desk.entries().await;
    for _ in 0..2 {
        let answer = desk.ask("POST", desk.hash, "/resubmit").await;
        assert_eq!((answer.status, &answer.json()["value"]["name"]), (200, &json!("refused")), "{answer:?}");
        assert_eq!(desk.entries().await, before + 1);
    }
    assert_eq!(desk.listed().await, [] as [Value; 0], "what is in the log is not in quarantine");
    assert_eq!(desk.ask("GET", desk.hash, "").await.code(), "refused_not_found");
    let entry = desk.said_again().await;
    assert!(entry.batch.is_resubmission_of(desk.batch, &desk.hash), "by that its device knows it");
    assert_eq!(entry.device, relay.storage().website_device(alice.id).await.unwrap());
    let mut copy = desk.note.copied();
    copy.document.apply(&[entry.bytes.unwrap()]).unwrap();
    assert_eq!(copy.document.value()["name"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_space_a_change_that_is_made_again_goes_through_the_intake() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let mut desk = Desk::with_refused_edit(&relay, &alice, team).await;
    let path = desk.path(desk.hash, "/resubmit");
    for _ in 0..2 {
        let answer = desk.page.send("POST", &path, &[("idempotency-key", "again")], "").await;
        assert_eq!((answer.status, &answer.json()["value"]["name"]), (200, &json!("refused")), "{answer:?}");
    }
    let entry = desk.said_again().await;
    assert!(entry.batch.is_resubmission_of(desk.batch, &desk.hash));
    assert_eq!(relay.storage().doctor().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_says_that_he_has_made_it_again_takes_nothing_out_of_the_quarantine() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let desk = Desk::with_refused_edit(&relay, &alice, team).await;
    let (mut his, _) = Device::online(relay.address, &bob.token).await;
    let said = desk.note.elsewhere().put_noted("/said", true, &resubmission_note(&desk.hash));
    let at = his.push_all(team, desk.note.id, &said).await;
    desk.page.read_after(desk.note.id, at).await;
    assert_eq!(desk.ask("GET", desk.hash, "").await.json()["resubmitted_by"], Value::Null);
    let answer = desk.ask("POST", desk.hash, "/resubmit").await;
    assert_eq!((answer.status, &answer.json()["value"]["name"]), (200, &json!("refused")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_came_with_a_refused_change_is_made_again_without_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let mut desk = Desk::with_refused_edit(&relay, &alice, alice.personal).await;
    let companion = changes(&desk.note.elsewhere().put("/done", true)).remove(0);
    let culprit = changes(&desk.note.copied().put("/name", "third")).remove(0);
    let sound = desk.note.put("/name", "fourth");
    desk.laptop.push_in_lane(desk.page.space, desk.note.id, 1, &sound[0]).await;
    desk.laptop.acked(sound[0].id).await;
    let batch = Batch::of(Content::Changes(vec![companion.clone(), culprit]));
    desk.laptop.push_in_lane(desk.page.space, desk.note.id, 1, &batch).await;
    refusal(&mut desk.laptop, batch.id).await;
    let hash = hash_of(&companion);
    let shown = desk.ask("GET", hash, "").await.json();
    assert_eq!((&shown["code"], &shown["final"]), (&json!("with"), &json!(false)), "{shown}");
    assert_eq!(shown["refused"], json!({"values": [{"path": "/done", "before": null, "after": true}]}));
    let answer = desk.ask("POST", hash, "/resubmit").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["value"], json!({"name": "fourth", "done": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_as_dangerous_is_never_loaded_and_neither_is_what_rests_on_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let mut desk = Desk::with_refused_edit(&relay, &alice, team).await;
    let edited = desk.note.elsewhere().edit(|draft| draft.replace_text("/body", "some text"));
    let bad = poison(edited.last().unwrap());
    desk.laptop.push_in_lane(team, desk.note.id, 1, &bad).await;
    assert_eq!(refusal(&mut desk.laptop, bad.id).await, FateCode::DANGEROUS);
    let header = Change::parse(changes(std::slice::from_ref(&bad)).remove(0)).unwrap().header;
    let put = document::forge::put("follows", 1);
    let actor = sync_wire::Actor(crate::author::fresh_id());
    let follower = document::forge::Forged::by(actor, 1, header.max_op() + 1, &[header.hash], vec![put]).blob();
    let (follower, follows) = (Batch::of(Content::Changes(vec![follower.clone()])), hash_of(&follower));
    desk.laptop.push_in_lane(team, desk.note.id, 2, &follower).await;
    assert_eq!(refusal(&mut desk.laptop, follower.id).await, FateCode::WITH);
    let because = "it was refused as dangerous".to_owned();
    let below = format!("it rests on change {}: {because}", header.hash.short());
    for (hash, why) in [(header.hash, because), (follows, below)] {
        let shown = desk.ask("GET", hash, "").await;
        openapi::check(&shown, "/api/v1/spaces/{space}/quarantine/{hash}");
        let unreadable = shown.json()["refused"]["unreadable"].as_str().unwrap_or_default().to_owned();
        assert!(unreadable.starts_with(&why), "{shown:?}");
        let again = desk.ask("POST", hash, "/resubmit").await;
        assert_eq!((again.status, again.code().as_str()), (409, "refused_unreadable"), "{again:?}");
        let exported = desk.ask("GET", hash, "/export").await.json();
        assert!(exported["bytes_hexadecimal"].is_string(), "its author can take it along: {exported}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_change_is_gone_from_the_list_and_refused_as_before() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let mut desk = Desk::with_refused_edit(&relay, &alice, alice.personal).await;
    assert_eq!(desk.listed().await.len(), 1);
    for _ in 0..2 {
        assert_eq!(desk.ask("DELETE", desk.hash, "").await.status, 204);
    }
    assert_eq!(desk.listed().await, [] as [Value; 0]);
    for (method, what) in [("GET", ""), ("GET", "/export"), ("POST", "/resubmit")] {
        assert_eq!(desk.ask(method, desk.hash, what).await.code(), "refused_not_found", "{method} {what}");
    }
    let kept = relay.storage().quarantine(QuarantineQuery::default(), 9).await.unwrap().changes;
    assert_eq!(kept.iter().map(|change| (change.hash, change.bytes)).collect::<Vec<_>>(), [(desk.hash, None)]);
    let mut copy = desk.note.copied();
    let next = copy.put("/done", true);
    desk.laptop.push_in_lane(alice.personal, desk.note.id, 1, &next[0]).await;
    desk.laptop.acked(next[0].id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sees_or_touches_it_and_who_may_only_read_writes_nothing() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Owner)]).await;
    let desk = Desk::with_refused_edit(&relay, &alice, team).await;
    let his = Page::of(&relay, &bob, team);
    let all = [("GET", ""), ("GET", "/export"), ("POST", "/resubmit"), ("DELETE", "")];
    for (method, what) in all {
        let answer = his.send(method, &desk.path(desk.hash, what), &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "refused_not_found"), "{method} {what}");
        for nothing in ["00".repeat(32), "nothing".to_owned()] {
            let answer = desk.page.send(method, &desk.path(&nothing, what), &[], "").await;
            assert_eq!(answer.code(), "refused_not_found", "{method} {nothing}");
        }
        let elsewhere = desk.path(desk.hash, what).replace(&team.to_string(), &bob.personal.to_string());
        assert_eq!(desk.page.send(method, &elsewhere, &[], "").await.code(), "space_not_found");
    }
    relay.storage().grant(team, alice.id, Role::Viewer).await.unwrap();
    let answer = desk.ask("POST", desk.hash, "/resubmit").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "editor_required"));
    assert_eq!(desk.ask("GET", desk.hash, "").await.status, 200, "what is her own she may still look at");
}
