//! A refused change is put together and said again, whatever it was refused for, and never twice.

use document::{Change, Document, Excluded, Past, PastError, Refused, Violation, reauthor};
use serde_json::{Value, json};
use sync_wire::Blob;

use crate::replica::Replica;

fn parsed(changes: &[Blob]) -> Vec<Change> {
    changes.iter().map(|bytes| Change::parse(bytes.clone()).unwrap()).collect()
}

/// A note with the body `ab`, the same note in a copy of its vault, which writes under the same name, and everything
/// that both have.
fn twins() -> (Replica, Replica) {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.replace_text("/body", "ab"));
    let copy = laptop.fork(1);
    (laptop, copy)
}

/// The newest change of a device, put together out of what it has.
fn past_of(device: &Replica) -> Past {
    let known = parsed(&device.log);
    Past::of(known.last().unwrap().hash(), known).unwrap()
}

/// What a document says once a refused change was said again.
fn said_again(past: &Past, now: &Document) -> Value {
    let intents = past.again(now, past.continued_in(now, past.change().hash()).unwrap()).unwrap();
    let mut document = now.clone();
    let edit = |draft: &mut document::Draft<'_>| intents.into_iter().try_for_each(|intent| draft.apply(intent));
    document.edit::<(), Violation>(crate::forge::actor(9), edit).unwrap();
    document.value()
}

#[test]
fn what_a_change_did_is_told_from_what_its_author_had() {
    let (_, mut copy) = twins();
    copy.edit(|draft| draft.put("/done", true.into()));
    let refused = Refused::from(&past_of(&copy));
    assert_eq!(refused.json(), json!({"values": [{"path": "/done", "before": null, "after": true}]}));
    let known = parsed(&copy.log);
    let last = known.last().unwrap().clone();
    assert_eq!(Past::of(last.hash(), known[..known.len() - 1].to_vec()).unwrap_err(), PastError::Gone);
    let missing = last.header.deps[0];
    assert_eq!(Past::of(last.hash(), [last]).unwrap_err(), PastError::Lacks { hash: missing });
}

#[test]
fn a_change_whose_name_and_number_were_taken_is_said_again_beside_what_took_them() {
    let (mut laptop, mut copy) = twins();
    laptop.edit(|draft| draft.splice("/body", 2, 0, "taken"));
    copy.edit(|draft| draft.splice("/body", 0, 0, "refused"));
    assert_eq!(said_again(&past_of(&copy), &laptop.document)["body"], "refusedabtaken");
}

#[test]
fn what_its_device_has_said_anew_under_another_name_is_not_said_again() {
    let (mut laptop, mut copy) = twins();
    laptop.edit(|draft| draft.splice("/body", 2, 0, "taken"));
    copy.edit(|draft| draft.splice("/body", 0, 0, "refused"));
    let past = past_of(&copy);
    assert_eq!(past.continued_in(&laptop.document, past.change().hash()), Ok(None));
    let known = parsed(&copy.log);
    let max_op = |hash: &_| known.iter().find(|change| change.hash() == *hash).map(|change| change.header.max_op());
    let own = [past.change().clone()];
    let anew = reauthor(Excluded::Renamed(&own), &[], max_op).unwrap().changes.remove(0);
    laptop.receive(std::slice::from_ref(&anew.bytes));
    assert_eq!(past.continued_in(&laptop.document, past.change().hash()), Ok(Some(anew.hash())));
    assert_eq!(past.again(&laptop.document, Some(anew.hash())), Ok(Vec::new()));
    assert_eq!(past.again(&laptop.document, None), Ok(Vec::new()));
}

#[test]
fn what_rested_on_another_refused_change_is_said_again_without_that() {
    let (laptop, mut copy) = twins();
    copy.edit(|draft| draft.splice("/body", 2, 0, "lost"));
    copy.edit(|draft| draft.splice("/body", 0, 0, "again"));
    assert_eq!(said_again(&past_of(&copy), &laptop.document)["body"], "againab");
}
