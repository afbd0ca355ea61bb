//! What was refused stays refused, and says why: to the device, to its account, to the operator.

use sync_wire::{FateCode, Refuse, RelayFrame, Role};

use crate::author::{Author, changes, poison};
use crate::device::Device;
use crate::http::get;
use crate::relay::{Relay, fail, succeed};

async fn refused(device: &mut Device, batch: sync_wire::BatchId) -> Refuse {
    match device.fate(batch).await {
        RelayFrame::Refuse(refuse) => refuse,
        other => panic!("expected Refuse, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_refused_again_on_the_next_connection_and_what_rests_on_it_goes_with_it() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let mut note = Author::new("note");
    let batches = note.edit(|draft| draft.replace_text("/body", "some text"));
    let batch = poison(batches.last().unwrap());
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    laptop.push(team, note.id, &batch).await;
    let first = refused(&mut laptop, batch.id).await;
    assert_eq!(first.code, FateCode::DANGEROUS);

    let id = laptop.id;
    let mut laptop = Device::connect(relay.address, &alice.token).await;
    laptop.id = id;
    laptop.hello(Vec::new()).await;
    laptop.push(team, note.id, &batch).await;
    assert_eq!(refused(&mut laptop, batch.id).await, first);

    let culprit = document::Change::parse(changes(std::slice::from_ref(&batch)).remove(0)).unwrap().hash();
    assert_eq!(first.culprit, Some(culprit));
    let url = format!("/api/v1/spaces/{team}/quarantine");
    let item = get(relay.address, &alice.token, &url).await.json()["items"][0].clone();
    assert_eq!((&item["hash"], &item["code"]), (&culprit.to_string().into(), &"dangerous".into()));
    assert_eq!((&item["final"], &item["culprit"]), (&true.into(), &serde_json::Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_shows_and_exports_what_was_refused() {
    let relay = Relay::start().await;
    let data = &relay.app.directory;
    let alice = relay.account("alice").await;
    let team = relay.team(&[(&alice, Role::Editor)]).await;
    let mut note = Author::new("note");
    let batches = note.edit(|draft| draft.replace_text("/body", "some text"));
    let batch = poison(batches.last().unwrap());
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    laptop.push(team, note.id, &batch).await;
    let culprit = refused(&mut laptop, batch.id).await.culprit.unwrap().to_string();

    let list = succeed(data, &["quarantine", "list"]);
    assert!(list.starts_with(&culprit) && list.contains("dangerous") && list.lines().count() == 1, "{list}");
    assert_eq!(succeed(data, &["quarantine", "list", "--space", &team.to_string()]), list);
    assert_eq!(succeed(data, &["quarantine", "list", "--space", &alice.personal.to_string()]), "");
    let shown = succeed(data, &["quarantine", "show", &culprit]);
    assert!(shown.contains("(alice)") && shown.contains(&note.id.to_string()), "{shown}");
    let file = data.join("refused.change");
    succeed(data, &["quarantine", "export", &culprit, file.to_str().unwrap()]);
    assert_eq!(std::fs::read(&file).unwrap()[..], changes(&[batch])[0][..]);
    assert_eq!(fail(data, &["quarantine", "export", &culprit, file.to_str().unwrap()]).0, "export_failed");
    let unknown = "00".repeat(32);
    assert_eq!(fail(data, &["quarantine", "show", &unknown]).0, "refused_unknown");
    let (code, detail) = fail(data, &["explain", &team.to_string(), &note.id.to_string()]);
    assert!(code == "document_unknown" && detail.contains("was refused"), "{detail}");

    // The document itself may begin with something sound.
    laptop.push_in_lane(team, note.id, 1, &batches[0]).await;
    laptop.acked(batches[0].id).await;
    let explained = succeed(data, &["explain", &team.to_string(), &note.id.to_string()]);
    assert!(explained.contains(&culprit) && explained.contains("dangerous"), "{explained}");
}
