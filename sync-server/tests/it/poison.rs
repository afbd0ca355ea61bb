//! The poison corpus through the socket: each change is refused with its code, or harms nothing but its own document;
//! the relay stays up, and whoever is beside it notices nothing.

use document::forge::poison::{CORPUS, Ground, Poison};
use sync_wire::limits::CHANGE_BYTES_MAX;
use sync_wire::{Actor, BatchId, Blob, Content, DocumentId, FateCode, RelayFrame, Role, SpaceId};

use crate::author::{Author, Batch, fresh_id};
use crate::device::Device;
use crate::http::get;
use crate::relay::{Account, Relay};

/// What came of a push.
async fn answer(device: &mut Device, space: SpaceId, document: DocumentId, changes: Vec<Blob>) -> RelayFrame {
    let batch = Batch { id: BatchId(fresh_id()), content: Content::Changes(changes) };
    device.push(space, document, &batch).await;
    device.fate(batch.id).await
}

/// Pushes the corpus, each to a document of its own, and says how each was answered. After each, somebody else's edit
/// goes through as ever.
async fn attack(
    relay: &Relay,
    eve: (&Account, SpaceId),
    ada: (&Account, SpaceId),
) -> Vec<(&'static Poison, RelayFrame)> {
    let (mut attacker, _) = Device::online(relay.address, &eve.0.token).await;
    let (mut honest, _) = Device::online(relay.address, &ada.0.token).await;
    let mut note = Author::new("note");
    let mut answers = Vec::new();
    for poison in CORPUS {
        let document = DocumentId(fresh_id());
        let (ground, base) = Ground::make(Actor(fresh_id()), Actor(fresh_id()));
        let answered = answer(&mut attacker, eve.1, document, vec![base]).await;
        assert!(matches!(answered, RelayFrame::Ack(_)), "{}: {answered:?}", poison.id);
        let changes = (poison.make)(&ground);
        if changes.iter().map(|change| change.len()).sum::<usize>() > CHANGE_BYTES_MAX {
            continue; // no frame has room for it
        }
        answers.push((poison, answer(&mut attacker, eve.1, document, changes).await));
        let at = honest.push_all(ada.1, note.id, &note.put("/name", poison.id)).await;
        let url = format!("/api/v1/spaces/{}/documents/{}?after={at}", ada.1, note.id);
        let shown = get(relay.address, &ada.0.token, &url).await;
        assert_eq!(shown.json()["value"]["name"], poison.id, "{shown:?}");
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_space_every_poison_is_refused_with_its_code_and_its_fate_is_kept() {
    let relay = Relay::start().await;
    let (ada, eve) = (relay.account("ada").await, relay.account("eve").await);
    let team = relay.team(&[(&ada, Role::Editor), (&eve, Role::Editor)]).await;
    let answers = attack(&relay, (&eve, team), (&ada, team)).await;
    assert!(answers.len() + 2 >= CORPUS.len(), "most of it was pushed");
    for (poison, answer) in &answers {
        let id = poison.id;
        match answer {
            RelayFrame::Refuse(refuse) => assert_eq!(refuse.code, poison.code, "{id}: {refuse:?}"),
            RelayFrame::Need(_) => assert_eq!(poison.code, FateCode::MISSING, "{id}"),
            RelayFrame::Park(park) => assert_eq!(park.code, poison.code, "{id}: {park:?}"),
            other => panic!("{id}: {other:?}"),
        }
    }
    let url = format!("/api/v1/spaces/{team}/quarantine?limit=1000");
    let items = get(relay.address, &eve.token, &url).await.json()["items"].clone();
    let codes: Vec<&str> = items.as_array().unwrap().iter().filter_map(|item| item["code"].as_str()).collect();
    assert!(codes.contains(&"dangerous") && codes.contains(&"undecodable"), "{items}");
    assert_eq!(get(relay.address, &ada.token, &url).await.json()["items"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_personal_space_poison_holds_its_own_document_at_most() {
    let relay = Relay::start().await;
    let (ada, eve) = (relay.account("ada").await, relay.account("eve").await);
    for (Poison { id, .. }, answer) in attack(&relay, (&eve, eve.personal), (&ada, ada.personal)).await {
        let is_judged = matches!(answer, RelayFrame::Ack(_) | RelayFrame::Refuse(_) | RelayFrame::Need(_));
        assert!(is_judged, "{id}: {answer:?}");
    }
    assert_eq!(relay.storage().doctor().await.unwrap(), []);
}
