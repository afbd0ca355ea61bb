//! Nothing new is published of a document while one of its public fields waits for a person.

use document::Draft;
use editor_vault::{Document, Publication, Resolution, Violation};
use serde_json::{Value, json};

use super::{Meeting, values};

fn refused(document: &Document) -> Vec<String> {
    match document.publication().unwrap() {
        Publication::Refused(violations) => {
            violations.iter().map(|violation| format!("{} {}", violation.code(), violation.path)).collect()
        }
        other => panic!("it is not refused: {other:?}"),
    }
}

fn edit(document: &Document, edit: impl FnOnce(&mut Draft<'_>) -> Result<(), Violation>) {
    document.edit(edit).unwrap();
}

fn level(value: &Value) -> Publication {
    Publication::Public(json!({ "level": value }))
}

#[test]
fn an_open_conflict_keeps_a_document_from_being_published_until_it_is_settled() {
    let meeting = Meeting::new();
    let (laptop, desktop) = (meeting.on(&meeting.laptop), meeting.on(&meeting.desktop));
    assert_eq!(laptop.publication().unwrap(), level(&json!("none")), "the name is not public");
    meeting.disagree("some", "full");
    assert_eq!(refused(&laptop), ["conflict_open /level"]);
    assert_eq!(refused(&desktop), ["conflict_open /level"]);
    let conflict = meeting.conflict_on(&meeting.laptop);
    let kept = &conflict.values[1];
    laptop.resolve(&conflict, Resolution::Keep(kept.revision.hash)).unwrap();
    assert_eq!(laptop.publication().unwrap(), level(&values(&conflict)[1]), "at once");
    assert_eq!(refused(&desktop), ["conflict_open /level"], "it has not heard of it");
    meeting.meet();
    assert_eq!(desktop.publication().unwrap(), level(&values(&conflict)[1]));
}

#[test]
fn a_deferred_edit_is_judged_before_it_is_on_disk() {
    let meeting = Meeting::new();
    let laptop = meeting.on(&meeting.laptop);
    let (_, ticket) = laptop.edit_deferred(|draft| draft.put("/rank", json!("much"))).unwrap();
    assert_eq!(refused(&laptop), ["schema.enum /level"]);
    ticket.wait().unwrap();
    edit(&laptop, |draft| draft.put("/size", json!("huge")));
    edit(&laptop, |draft| draft.put("/rank", json!("full")));
    assert_eq!(laptop.publication().unwrap(), level(&json!("full")), "a private field that is wrong is its own matter");
}

#[test]
fn nothing_is_published_of_what_is_deleted_or_of_no_known_type() {
    let meeting = Meeting::new();
    let stranger = meeting.house.open("stranger"); // it was never told of the type
    crate::syncing::sync(&stranger, &meeting.relay, "alice");
    let theirs = stranger.document(stranger.home(), meeting.id).unwrap();
    assert_eq!(theirs.publication().unwrap(), Publication::Private);
    let ours = meeting.on(&meeting.laptop);
    meeting.laptop.delete(&ours).unwrap();
    assert_eq!(ours.publication().unwrap(), Publication::Nothing);
}
