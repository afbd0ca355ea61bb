//! Changes of others are taken in by a copy, while the document is read and edited.

use document::{Document, Preparation, Spare};
use serde_json::json;
use sync_wire::{Blob, FateCode};

use crate::replica::Replica;

/// Two devices with one text, and what one of them has written that the other has not.
fn diverged() -> (Replica, Replica, Vec<Blob>) {
    let mut laptop = Replica::new(1);
    laptop.edit(|draft| draft.splice("/body", 0, 0, "some text"));
    let mut desktop = laptop.fork(2);
    let known = desktop.log.len();
    desktop.edit(|draft| draft.splice("/body", 0, 0, "here is "));
    desktop.edit(|draft| draft.put("/name", "found".into()));
    let remote = desktop.log[known..].to_vec();
    (laptop, desktop, remote)
}

fn body(document: &Document) -> String {
    document.text("/body").unwrap()
}

/// As whoever owns the document does it.
fn adopt(document: &mut Document, mut preparation: Preparation) {
    while let Err(behind) = document.adopt(preparation) {
        preparation = *behind.expect("nothing else took changes in");
        preparation.catch_up().unwrap();
    }
}

#[test]
fn a_document_is_read_as_it_was_until_it_adopts_what_was_prepared() {
    let (mut laptop, desktop, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    assert_eq!(preparation.apply(&remote).unwrap().new, 2);
    assert_eq!(body(&laptop.document), "some text");
    let before = laptop.document.adopt(preparation).unwrap();
    assert_eq!(body(&before), "some text");
    assert_eq!(laptop.document.value(), json!({"name": "found", "body": "here is some text"}));
    assert_eq!(laptop.document.heads(), desktop.document.heads());
}

#[test]
fn what_was_sealed_meanwhile_is_in_what_is_adopted() {
    let (mut laptop, mut desktop, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    laptop.edit(|draft| draft.splice("/body", 9, 0, ", sealed"));
    preparation.apply(&remote).unwrap();
    let behind = laptop.document.adopt(preparation).unwrap_err().expect("an edit came between");
    assert_eq!(body(&laptop.document), "some text, sealed", "nothing happened");
    laptop.edit(|draft| draft.put("/done", true.into()));
    adopt(&mut laptop.document, *behind);
    assert_eq!(body(&laptop.document), "here is some text, sealed");
    desktop.receive(&laptop.log);
    assert_eq!(desktop.document.heads(), laptop.document.heads());
    assert_eq!(desktop.document.value(), laptop.document.value());
    laptop.edit(|draft| draft.splice("/body", 0, 4, "there"));
    assert_eq!(body(&laptop.document), "there is some text, sealed");
}

#[test]
fn unsealed_edits_are_carried_over_to_what_is_adopted() {
    let (mut laptop, mut desktop, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(&remote).unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 5, 4, "words")).unwrap();
    adopt(&mut laptop.document, preparation);
    assert_eq!(body(&laptop.document), "here is some words");
    laptop.edit(|draft| draft.put("/done", true.into()));
    laptop.receive(&desktop.log);
    desktop.receive(&laptop.log);
    assert_eq!(desktop.document.value(), laptop.document.value());
}

#[test]
fn a_preparation_is_of_no_use_after_changes_came_in_by_another_way() {
    let (mut laptop, _, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(&remote[..1]).unwrap();
    laptop.document.apply(&remote).unwrap();
    assert!(laptop.document.adopt(preparation).unwrap_err().is_none());
    assert_eq!(body(&laptop.document), "here is some text");
}

#[test]
fn a_preparation_refuses_what_a_document_refuses() {
    let (mut laptop, _, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    let refused = preparation.apply(&remote[1..]).unwrap_err();
    assert_eq!(refused.code(), laptop.document.apply(&remote[1..]).unwrap_err().code());
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(&remote).unwrap();
    adopt(&mut laptop.document, preparation);
    assert_eq!(body(&laptop.document), "here is some text");
}

#[test]
fn a_preparation_that_lacks_what_changes_rest_on_still_has_what_was_sealed() {
    let (mut laptop, _, remote) = diverged();
    let preparation = laptop.document.prepare().unwrap();
    laptop.edit(|draft| draft.put("/done", true.into()));
    let mut behind = laptop.document.adopt(preparation).unwrap_err().expect("an edit came between");
    assert_eq!(behind.apply(&remote[1..]).unwrap_err().code(), FateCode::MISSING);
    behind.apply(&remote).unwrap();
    laptop.document.adopt(*behind).unwrap();
    assert_eq!(laptop.document.value(), json!({"body": "here is some text", "done": true, "name": "found"}));
}

#[test]
fn unsealed_edits_go_where_the_copy_found_their_text() {
    let (mut laptop, mut desktop, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(&remote).unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 5, 4, "words")).unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.put("/done", true.into())).unwrap();
    let mut behind = laptop.document.adopt_caught_up(preparation).unwrap_err().expect("it does not know where");
    assert_eq!(body(&laptop.document), "some words", "nothing happened");
    behind.catch_up().unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 10, 0, "!")).unwrap();
    laptop.document.adopt_caught_up(*behind).unwrap();
    assert_eq!(body(&laptop.document), "here is some words!");
    laptop.edit(|draft| draft.put("/more", 1.into()));
    laptop.receive(&desktop.log);
    desktop.receive(&laptop.log);
    assert_eq!(desktop.document.value(), laptop.document.value());
    assert_eq!(body(&desktop.document), "here is some words!");
}

#[test]
fn a_copy_that_found_the_text_and_fell_behind_finds_it_again() {
    let (mut laptop, _, remote) = diverged();
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(&remote).unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 0, 0, "a ")).unwrap();
    let mut behind = laptop.document.adopt_caught_up(preparation).unwrap_err().expect("it does not know where");
    laptop.edit(|draft| draft.splice("/body", 2, 4, "long"));
    behind.catch_up().unwrap();
    laptop.document.edit(laptop.actor, |draft| draft.splice("/body", 7, 4, "words")).unwrap();
    let mut behind = laptop.document.adopt_caught_up(*behind).unwrap_err().expect("something was sealed");
    behind.catch_up().unwrap();
    laptop.document.adopt_caught_up(*behind).unwrap();
    let text = body(&laptop.document);
    assert!(text.contains("here is ") && text.contains("long words"), "{text}");
}

/// Adopts what was prepared of `remote`, with an edit sealed while it is made ready; gives the copy that it kept.
fn adopt_and_keep(laptop: &mut Replica, remote: &[Blob], insert: &str) -> Spare {
    let mut preparation = laptop.document.prepare().unwrap();
    preparation.apply(remote).unwrap();
    preparation.keep_spare();
    laptop.edit(|draft| draft.splice("/body", 0, 0, insert));
    let mut behind = laptop.document.adopt_caught_up(preparation).unwrap_err().expect("an edit came between");
    behind.catch_up().unwrap();
    laptop.document.adopt_caught_up(*behind).unwrap().spare.expect("it was kept")
}

#[test]
fn the_next_preparation_begins_with_the_copy_that_was_kept() {
    let (mut laptop, mut desktop, remote) = diverged();
    let spare = adopt_and_keep(&mut laptop, &remote, "one ");
    laptop.edit(|draft| draft.splice("/body", 0, 0, "two "));
    desktop.receive(&laptop.log);
    let known = desktop.log.len();
    desktop.edit(|draft| draft.put("/last", "desktop".into()));
    let mut again = laptop.document.prepare_again(spare).expect("nothing else happened");
    again.apply(&desktop.log[known..]).unwrap();
    assert!(laptop.document.adopt_caught_up(again).unwrap().spare.is_none(), "nobody asked for another");
    assert_eq!(laptop.document.get("/last"), Some("desktop".into()));
    assert_eq!(laptop.document.value(), desktop.document.value());
    assert_eq!(laptop.document.heads(), desktop.document.heads());
}

#[test]
fn a_copy_that_was_kept_is_of_no_use_once_the_document_went_another_way() {
    let (mut laptop, mut desktop, remote) = diverged();
    let spare = adopt_and_keep(&mut laptop, &remote, "one ");
    desktop.edit(|draft| draft.put("/last", "desktop".into()));
    laptop.receive(&desktop.log);
    assert!(laptop.document.prepare_again(spare).is_none());

    let spare = adopt_and_keep(&mut laptop, &[], "two ");
    laptop.edit(|draft| draft.splice("/body", 0, 0, "three "));
    drop(laptop.document.prepare().unwrap()); // takes over what was sealed since
    let mut again = laptop.document.prepare_again(spare).expect("it cannot know");
    again.apply(&[]).unwrap();
    assert!(laptop.document.adopt_caught_up(again).unwrap_err().is_none(), "an edit would be lost");
    assert!(body(&laptop.document).starts_with("three two "));
}

#[test]
fn a_copy_that_was_kept_before_more_came_in_is_not_handed_on() {
    let (mut laptop, _, remote) = diverged();
    for (then, is_kept) in [(&remote[..1], true), (&remote[..], false)] {
        let mut preparation = laptop.document.prepare().unwrap();
        preparation.apply(&remote[..1]).unwrap();
        preparation.keep_spare();
        preparation.apply(then).unwrap();
        let adopted = laptop.document.adopt_caught_up(preparation).unwrap();
        assert_eq!(adopted.spare.is_some(), is_kept, "after {} changes", then.len());
    }
}
