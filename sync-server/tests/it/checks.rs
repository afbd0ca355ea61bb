//! What happens behind the log: checks, holds, snapshots; and before it, in shared spaces.

use sync_wire::limits::PUSH_CREDIT;
use sync_wire::{FateCode, RelayFrame, Role};

use crate::author::{Author, Batch, poison};
use crate::device::Device;
use crate::http::get;
use crate::relay::Relay;

/// A change that every rule of header and log takes, and Automerge does not.
fn poisonous() -> (Author, Batch) {
    let mut note = Author::new("note");
    let batches = note.edit(|draft| draft.replace_text("/body", "some text"));
    let last = batches.last().expect("an edit has a change");
    let batch = poison(last);
    (note, batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_change_in_a_personal_space_holds_its_document_and_no_other() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let (victim, batch) = poisonous();
    let at = laptop.push_all(alice.personal, victim.id, &[batch]).await;
    let url = format!("/api/v1/spaces/{}/documents/{}?after={at}", alice.personal, victim.id);
    let answer = get(relay.address, &alice.token, &url).await;
    assert_eq!(answer.code(), "projection_behind");
    assert!(answer.body.contains("held"), "{answer:?}");

    let (_, more) = poisonous();
    laptop.push(alice.personal, victim.id, &more).await;
    let RelayFrame::Park(park) = laptop.answer(more.id).await else { panic!("expected Park") };
    assert_eq!(park.code, FateCode::HELD);

    let mut other = Author::new("note");
    let batches = other.put("/name", "goes on");
    let at = laptop.push_all(alice.personal, other.id, &batches).await;
    let url = format!("/api/v1/spaces/{}/documents/{}?after={at}", alice.personal, other.id);
    assert_eq!(get(relay.address, &alice.token, &url).await.json()["value"]["name"], "goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_change_never_gets_a_place_in_a_shared_log() {
    let relay = Relay::start().await;
    let (alice, mallory) = (relay.account("alice").await, relay.account("mallory").await);
    let team = relay.team(&[(&alice, Role::Editor), (&mallory, Role::Editor)]).await;
    let (mut attacker, _) = Device::online(relay.address, &mallory.token).await;
    let before = relay.storage().end_of(team).await.unwrap();
    let (victim, batch) = poisonous();
    attacker.push(team, victim.id, &batch).await;
    let RelayFrame::Refuse(refuse) = attacker.fate(batch.id).await else { panic!("expected Refuse") };
    assert_eq!(refuse.code, FateCode::DANGEROUS, "{refuse:?}");
    assert_eq!(relay.storage().end_of(team).await.unwrap(), before);

    // The same document and the same connection go on with sound changes.
    let (mut member, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    note.id = victim.id;
    let batches = note.put("/name", "sound");
    let at = member.push_all(team, note.id, &batches).await;
    let url = format!("/api/v1/spaces/{team}/documents/{}?after={at}", note.id);
    assert_eq!(get(relay.address, &alice.token, &url).await.json()["value"]["name"], "sound");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_edit_one_document_at_once_converge() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let team = relay.team(&[(&alice, Role::Editor), (&bob, Role::Editor)]).await;
    let (mut one, _) = Device::online(relay.address, &alice.token).await;
    let (mut two, _) = Device::online(relay.address, &bob.token).await;
    let mut ours = Author::new("settings");
    let mut theirs = Author::new("settings");
    theirs.id = ours.id;
    for number in 0..10 {
        let (left, right) =
            (ours.put(&format!("/left/{number}"), number), theirs.put(&format!("/right/{number}"), number));
        tokio::join!(one.push_all(team, ours.id, &left), two.push_all(team, ours.id, &right));
    }
    let end = relay.storage().end_of(team).await.unwrap().unwrap();
    let url = format!("/api/v1/spaces/{team}/documents/{}?after={end}", ours.id);
    let value = get(relay.address, &alice.token, &url).await.json()["value"].clone();
    assert_eq!(value["left"], ours.document.value()["left"]);
    assert_eq!(value["right"], theirs.document.value()["right"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_gets_a_snapshot_from_which_a_new_device_starts() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let mut at = None;
    for round in 0..12 {
        let mut batches = Vec::new();
        for number in 0..50 {
            batches.extend(note.put("/name", format!("{round}.{number}")));
        }
        at = Some(laptop.push_all(alice.personal, note.id, &batches).await);
    }
    let url = format!("/api/v1/spaces/{}/documents/{}?after={}", alice.personal, note.id, at.unwrap());
    assert_eq!(get(relay.address, &alice.token, &url).await.json()["value"]["name"], "11.49");
    let state = relay.storage().document(alice.personal, note.id).await.unwrap().unwrap();
    assert!(state.snapshot.is_some() && state.is_checked(), "{state:?}");

    let (mut desktop, _) = Device::online(relay.address, &alice.token).await;
    let Some(RelayFrame::Bootstrap(bootstrap)) = desktop.next().await else { panic!("expected Bootstrap") };
    let part = bootstrap.documents[0].snapshot.as_ref().expect("a snapshot");
    let snapshot = document::Snapshot {
        heads: part.heads.clone(),
        changes: part.changes,
        digest: part.digest,
        bytes: part.bytes.clone(),
    };
    document::Document::load(&snapshot).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_quiet_gets_a_snapshot_of_its_whole_log() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    for count in [2_400, 560] {
        let batches: Vec<Batch> = (0..count).flat_map(|number| note.put("/name", number)).collect();
        for some in batches.chunks(PUSH_CREDIT as usize) {
            let at = laptop.push_all(alice.personal, note.id, some).await;
            let url = format!("/api/v1/spaces/{}/documents/{}?after={at}", alice.personal, note.id);
            assert_eq!(get(relay.address, &alice.token, &url).await.status, 200);
        }
    }
    // What is written while a check runs may be in it already: then the next one has nothing to do.
    relay.app.checker.changed(alice.personal, note.id, 1);
    // The tail is too short for a snapshot while somebody writes, and too long for a new device.
    let covered = async || {
        let state = relay.storage().document(alice.personal, note.id).await.unwrap().unwrap();
        (state.snapshot.map(|snapshot| snapshot.covers), state.end.position)
    };
    let began = std::time::Instant::now();
    while {
        let (covers, end) = covered().await;
        covers != Some(end)
    } {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "no snapshot: {:?}", covered().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
