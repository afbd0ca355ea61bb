//! The real binary, killed: what becomes of a check that ends the relay twice, and of a write whose answer is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use document::Document;
use sync_wire::{BatchId, Content, DeviceId, FateCode, RelayFrame, SpaceId};

use crate::author::{Author, Batch, fresh_id};
use crate::device::{Device, personal};
use crate::http::{get, send, try_send};
use crate::relay::{Process, succeed};

/// Each takes the relay a while to check. Many small pieces: a change of one piece would be stored as one run.
fn heavy(note: &mut Author, changes: usize) -> Vec<Batch> {
    let text: String = ('a'..='z').cycle().take(60_000).collect();
    let mut batches = Vec::new();
    for _ in 0..changes {
        batches.extend(note.edit(|draft| {
            draft.splice("/body", 0, 0, &text)?;
            (0..400).try_for_each(|at| draft.splice("/body", at * 97, 1, "xy"))
        }));
    }
    batches
}

/// How often a story is begun anew because its check was over before the relay was killed.
const STORIES_MAX: usize = 5;

/// What is checked: the first byte of a slot of the file of attempts.
const LOG: u8 = 1;
const PUSH: u8 = 2;

/// The check ended before the relay did.
struct Missed;

/// Waits until a check is under way for the so manieth time, and kills the relay.
fn kill_in_a_check(relay: Process, data: &Path, of: u8, times: u8) -> Result<(), Missed> {
    let file = data.join("check.attempts");
    let until = Instant::now() + Duration::from_secs(15);
    // The second byte of a slot says how often that was begun.
    let is_seen = || std::fs::read(&file).unwrap().chunks(130).any(|slot| (slot[0], slot[1]) == (of, times));
    while !is_seen() {
        if Instant::now() > until {
            return Err(Missed);
        }
    }
    drop(relay);
    if is_seen() { Ok(()) } else { Err(Missed) }
}

async fn online(relay: &Process, token: &str, id: DeviceId) -> Device {
    let mut device = Device::connect(relay.address, token).await;
    device.id = id;
    device.hello(Vec::new()).await;
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_whose_check_ends_the_relay_twice_is_held_and_no_other() {
    for _ in 0..STORIES_MAX {
        if a_personal_document_is_held().await.is_ok() {
            return;
        }
    }
    panic!("each check was over before the relay was killed");
}

async fn a_personal_document_is_held() -> Result<(), Missed> {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let relay = Process::serve(data);
    let (mut laptop, welcome) = Device::online(relay.address, &token).await;
    let space = personal(&welcome).space;
    let mut note = Author::new("note");
    let batches = heavy(&mut note, 12);
    let one = Batch { id: BatchId(fresh_id()), content: all(&batches) };
    laptop.push_all(space, note.id, &[one]).await;
    kill_in_a_check(relay, data, LOG, 1)?;
    let relay = Process::serve(data);
    kill_in_a_check(relay, data, LOG, 2)?;

    let relay = Process::serve(data);
    let explained = succeed(data, &["explain", &space.to_string(), &note.id.to_string(), "--json"]);
    let explained: serde_json::Value = serde_json::from_str(&explained).unwrap();
    assert!(explained["held"].as_str().is_some_and(|reason| reason.contains("ended 2 times")), "{explained}");
    let mut laptop = online(&relay, &token, laptop.id).await;
    let more = note.put("/name", "more").remove(0);
    laptop.push(space, note.id, &more).await;
    let RelayFrame::Park(park) = laptop.answer(more.id).await else { panic!("expected Park") };
    assert_eq!(park.code, FateCode::HELD);
    let mut other = Author::new("note");
    let at = laptop.push_all(space, other.id, &other.put("/name", "goes on")).await;
    let url = format!("/api/v1/spaces/{space}/documents/{}?after={at}", other.id);
    assert_eq!(get(relay.address, &token, &url).await.json()["value"]["name"], "goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_check_ends_the_relay_twice_is_refused_unseen() {
    for _ in 0..STORIES_MAX {
        if a_shared_push_is_refused().await.is_ok() {
            return;
        }
    }
    panic!("each check was over before the relay was killed");
}

async fn a_shared_push_is_refused() -> Result<(), Missed> {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let team: SpaceId = succeed(data, &["space", "create", "team", "--owner", "alice"]).parse().unwrap();
    let mut note = Author::new("note");
    let first = note.put("/name", "first");
    let before = note.document.heads();
    let mut batches = heavy(&mut note, 12);
    let culprit = Batch { id: BatchId(fresh_id()), content: all(&batches.split_off(0)) };
    let id = DeviceId(fresh_id());
    for times in [1, 2] {
        let relay = Process::serve(data);
        let mut laptop = online(&relay, &token, id).await;
        if times == 1 {
            laptop.push_all(team, note.id, &first).await;
        }
        if times == 1 {
            laptop.push(team, note.id, &culprit).await; // the next start finds it in the intake
        }
        kill_in_a_check(relay, data, PUSH, times)?;
    }

    let relay = Process::serve(data);
    let mut laptop = online(&relay, &token, id).await;
    laptop.push(team, note.id, &culprit).await;
    let RelayFrame::Refuse(refuse) = laptop.fate(culprit.id).await else { panic!("expected Refuse") };
    assert_eq!(refuse.code, FateCode::DANGEROUS);
    assert!(refuse.detail.contains("ended 2 times"), "{refuse:?}");

    // The document goes on with what is sound.
    let mut honest = Author::new("note");
    honest.id = note.id;
    honest.document = Document::new(Some("note"));
    honest.document.apply(&crate::author::changes(&first)).unwrap();
    assert_eq!(honest.document.heads(), before);
    let batch = honest.put("/name", "second").remove(0);
    laptop.push_in_lane(team, note.id, 1, &batch).await;
    assert!(matches!(laptop.fate(batch.id).await, RelayFrame::Ack(_)));
    Ok(())
}

/// A relay is killed while it answers, some of them between the append and the answer; whoever asked asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_a_key_is_done_once_whenever_the_relay_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    let bearer = format!("Bearer {token}");
    let mut relay = Process::serve(data);
    let (_, welcome) = Device::online(relay.address, &token).await;
    let documents = format!("/api/v1/spaces/{}/documents", personal(&welcome).space);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let created = send(relay.address, "POST", &documents, &headers, r#"{"type":"note"}"#).await;
    let path = format!("{documents}/{}", created.json()["id"].as_str().unwrap());
    let (mut seen, mut text) = (created.headers["etag"].clone(), String::new());
    let (mut done_before, mut lost) = (0, 0);
    for round in 0..16_u64 {
        text.push(char::from(b'a' + round as u8));
        let body = serde_json::json!({ "body": text }).to_string();
        let key = format!("round-{round}");
        let kind = "application/merge-patch+json".to_owned();
        let headers = [("authorization", bearer.clone()), ("if-match", seen.clone()), ("content-type", kind)];
        let ask = |address: std::net::SocketAddr| {
            let (path, body, headers, key) = (path.clone(), body.clone(), headers.clone(), key.clone());
            async move {
                let mut all: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                all.push(("idempotency-key", &key));
                try_send(address, "PATCH", &path, &all, &body).await
            }
        };
        let asked = tokio::spawn(ask(relay.address));
        tokio::time::sleep(Duration::from_micros(700 * round)).await;
        drop(relay); // killed
        let heard = asked.await.unwrap();
        relay = Process::serve(data);
        let history = get(relay.address, &token, &format!("{path}/history?limit=100")).await;
        let changes = history.json()["items"].as_array().unwrap().len() as u64;
        let again = ask(relay.address).await.expect("the relay answers");
        assert_eq!((again.status, again.json()["value"]["body"].as_str()), (200, Some(text.as_str())), "{again:?}");
        let was_done = changes == 4 + round; // two seeds, the creation, and one change for each round
        lost += u64::from(was_done && heard.is_none());
        done_before += u64::from(was_done);
        seen.clone_from(&again.headers["etag"]);
    }
    let history = get(relay.address, &token, &format!("{path}/history?limit=100")).await;
    assert_eq!(history.json()["items"].as_array().unwrap().len(), 3 + 16, "{done_before} were done, {lost} unheard");
}

fn all(batches: &[Batch]) -> Content {
    Content::Changes(crate::author::changes(batches))
}
