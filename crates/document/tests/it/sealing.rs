//! Sealing: the same inputs give the same bytes, and no change is larger than it may be.

use document::{Document, Sealed, Violation, limits};
use serde_json::json;
use sync_wire::limits::AUTHORED_CHANGE_BYTES_MAX;

use crate::forge::actor;

fn busy(document: &mut Document) -> Sealed {
    let edit = |draft: &mut document::Draft<'_>| {
        draft.put("", json!({"a": 1, "o": {"x": [1, 2], "y": null}}))?;
        (0..200).try_for_each(|n| draft.splice("/body", n / 2, 0, "é"))?;
        draft.replace_text("/body", "completely different")?;
        draft.increment("/n", -3)?;
        draft.remove("/o/x")
    };
    document.edit(actor(1), edit).unwrap();
    document.seal(1_234).unwrap().unwrap()
}

#[test]
fn the_same_edits_give_the_same_bytes() {
    let (mut first, mut second) = (Document::new(Some("note")), Document::new(Some("note")));
    // The second one stumbles on the way: a rolled back edit must leave no trace in the bytes.
    let _: Result<(), Violation> = second.edit(actor(1), |draft| {
        draft.splice("/elsewhere", 0, 0, "x")?;
        draft.put("bad", json!(0))
    });
    assert_eq!(busy(&mut first), busy(&mut second));
    let _: Result<(), Violation> = second.edit(actor(1), |draft| {
        draft.splice("/body", 0, 3, "x")?;
        draft.put("bad", json!(0))
    });
    assert_eq!(busy(&mut first), busy(&mut second), "also on top of what was sealed");
}

#[test]
fn edits_that_come_to_nothing_make_no_change_and_no_seed() {
    let mut document = Document::new(Some("note"));
    document.edit(actor(1), |draft| draft.remove("/nothing")).unwrap();
    assert_eq!(document.seal(0).unwrap(), None);
    assert_eq!((document.heads(), document.has_unsealed()), (vec![], false));
    let sealed = busy(&mut document);
    assert_eq!((sealed.seeds.len(), sealed.changes[0].header.seq), (3, 1));
    document.edit(actor(1), |draft| draft.put("/a", json!(1))).unwrap();
    assert_eq!(document.seal(0).unwrap(), None);
    assert_eq!(document.heads(), [sealed.changes[0].header.hash]);
}

/// Seals, checks sizes, and proves that another device reads the same from the changes.
#[track_caller]
fn check_parts(document: &mut Document, at_least: usize) {
    let sealed = document.seal(0).unwrap().unwrap();
    assert!(sealed.changes.len() >= at_least, "{} changes", sealed.changes.len());
    for change in &sealed.changes {
        assert!(change.bytes.len() <= AUTHORED_CHANGE_BYTES_MAX, "{} bytes", change.bytes.len());
        assert!(change.header.ops <= limits::OPS_MAX);
    }
    let mut other = Document::new(None);
    let blobs: Vec<_> = sealed.seeds.iter().chain(&sealed.changes).map(|change| change.bytes.clone()).collect();
    other.apply(&blobs).unwrap();
    assert_eq!(other.value(), document.value());
    assert_eq!(other.heads(), document.heads());
}

#[test]
fn one_huge_splice_becomes_several_changes() {
    let mut document = Document::new(Some("note"));
    let text: String = (0..400_000).map(|n| ['a', 'é', '漢', '🦀'][n % 4]).collect();
    document.edit(actor(1), |draft| draft.splice("/body", 0, 0, &text)).unwrap();
    check_parts(&mut document, 3);
    assert_eq!(document.text("/body").unwrap(), text);
}

#[test]
fn one_huge_deletion_or_replacement_becomes_several_changes() {
    let text = "0123456789".repeat(5_000);
    for replacement in ["", "z", &"z".repeat(101_000)] {
        let mut document = Document::new(None);
        document.edit(actor(1), |draft| draft.replace_text("/body", &text)).unwrap();
        let mut whole = Document::new(None);
        let sealed = document.seal(0).unwrap().unwrap();
        let blobs: Vec<_> = sealed.seeds.iter().chain(&sealed.changes).map(|change| change.bytes.clone()).collect();
        whole.apply(&blobs).unwrap();
        document.edit(actor(1), |draft| draft.replace_text("/body", replacement)).unwrap();
        let sealed = document.seal(0).unwrap().unwrap();
        assert!(sealed.changes.len() > 1 && sealed.changes.iter().all(|c| c.bytes.len() <= AUTHORED_CHANGE_BYTES_MAX));
        whole.apply(&sealed.changes.iter().map(|change| change.bytes.clone()).collect::<Vec<_>>()).unwrap();
        assert_eq!(whole.text("/body").unwrap(), replacement);
    }
}

#[test]
fn an_object_of_many_leaves_becomes_several_changes() {
    let mut document = Document::new(Some("settings"));
    let map: serde_json::Map<_, _> =
        (0..30_000).map(|n| (format!("editor.some.long.key.{n}"), json!("v".repeat(20)))).collect();
    document.edit(actor(1), |draft| draft.put("", map.into())).unwrap();
    check_parts(&mut document, 2);
    document.edit(actor(1), |draft| draft.remove("")).unwrap();
    document.seal(0).unwrap();
    assert_eq!(document.value(), json!({}));
}

#[test]
fn many_large_registers_become_several_changes() {
    let mut document = Document::new(None);
    let large = json!("r".repeat(limits::REGISTER_BYTES_MAX));
    document.edit(actor(1), |draft| (0..5).try_for_each(|n| draft.put(&format!("/r{n}"), large.clone()))).unwrap();
    let sealed = document.seal(0).unwrap().unwrap();
    assert_eq!(sealed.changes.len(), 5);
    assert!(sealed.changes.iter().all(|change| change.bytes.len() <= AUTHORED_CHANGE_BYTES_MAX));
}
