//! Long histories work; how fast is printed with `--nocapture`, and never asserted.

use std::hint::black_box;
use std::time::Instant;

use document::{Change, Document, Header, Violation};
use serde_json::json;

use crate::forge::{Forged, actor, put};
use crate::replica::Replica;

fn each(what: &str, count: u32, mut run: impl FnMut()) {
    let start = Instant::now();
    (0..count).for_each(|_| run());
    println!("{what}: {:?} each", start.elapsed() / count);
}

#[test]
fn headers_and_seeds_are_read_over_and_over() {
    let mut device = Replica::new(1);
    let sealed = device.edit(|draft| draft.splice("/body", 0, 0, "x"));
    let typed = device.edit(|draft| draft.splice("/body", 1, 0, "y")).changes[0].bytes.clone();
    println!("change of {} bytes", typed.len());
    each("Header::parse", 100_000, || drop(black_box(Header::parse(&typed).unwrap())));
    let small = Forged::new(1, 2, 2, &[sealed.changes[0].header.hash], vec![put("a", 1)]).bytes();
    println!("change of {} bytes", small.len());
    each("Header::parse", 100_000, || drop(black_box(Header::parse(&small).unwrap())));
    let seed = sealed.seeds[1].bytes.clone();
    each("Change::parse of a seed", 100_000, || drop(black_box(Change::parse(seed.clone()).unwrap())));
}

#[test]
fn a_settings_document_of_300_leaves_is_read() {
    let mut document = Document::new(Some("settings"));
    let map: serde_json::Map<_, _> = (0..300).map(|n| (format!("editor.key{n}"), json!(n))).collect();
    document.edit(actor(1), |draft| draft.put("", map.into())).unwrap();
    document.seal(0).unwrap();
    document.edit(actor(1), |draft| draft.put("/editor.key7", json!(8))).unwrap();
    each("get", 100_000, || drop(black_box(document.get("/editor.key77").unwrap())));
    each("value", 1_000, || drop(black_box(document.value())));
    assert!(document.has_unsealed(), "reading commits nothing");
    assert_eq!(document.get("/editor.key7"), Some(json!(8)));
    each("edit and seal one leaf", 2_000, || {
        let next = document.get("/editor.key9").unwrap().as_i64().unwrap() + 1;
        document.edit(actor(1), |draft| draft.put("/editor.key9", json!(next))).unwrap();
        document.seal(0).unwrap().unwrap();
    });
    each("get after 2,000 edits", 10_000, || drop(black_box(document.get("/editor.key9").unwrap())));
    let other = Document::load(&document.snapshot().unwrap()).unwrap();
    let change = {
        let mut other = other.clone();
        other.edit(actor(2), |draft| draft.put("/editor.key5", json!(1))).unwrap();
        other.seal(0).unwrap().unwrap().changes.remove(0).bytes
    };
    each("apply one remote change (with clone)", 200, || {
        let mut document = document.clone();
        document.apply(std::slice::from_ref(&change)).unwrap();
    });
    println!("estimate {} bytes", document.bytes_estimate());
}

#[test]
fn a_long_text_is_typed_in_groups() {
    let mut document = Document::new(Some("note"));
    let (edits, group) = (100_000_usize, 300);
    let start = Instant::now();
    let (mut length, mut changes) = (0_usize, 0);
    for n in 0..edits {
        // Mostly typing forward, with jumps and deletions, as people do.
        let at = if n % 40 == 0 { (n * 7919) % (length + 1) } else { length };
        let delete = usize::from(n % 7 == 0 && at < length);
        document.edit(actor(1), |draft| draft.splice("/body", at, delete, "x")).unwrap();
        length = length + 1 - delete;
        if n % group == 0 {
            changes += document.seal(0).unwrap().unwrap().changes.len();
        }
    }
    document.seal(0).unwrap();
    println!("typing: {:?} each, {changes} changes", start.elapsed() / edits as u32);
    assert_eq!(document.text("/body").unwrap().chars().count(), length);
    let start = Instant::now();
    for n in 0..1000 {
        document.edit(actor(1), |draft| draft.splice("/body", (n * 31) % length, 0, "y")).unwrap();
        document.seal(0).unwrap().unwrap();
    }
    println!("one seal per character: {:?} each", start.elapsed() / 1000);
    let start = Instant::now();
    let snapshot = document.snapshot().unwrap();
    println!("snapshot {:?}, {} bytes, estimate {}", start.elapsed(), snapshot.bytes.len(), document.bytes_estimate());
    let start = Instant::now();
    let mut loaded = Document::load(&snapshot).unwrap();
    println!("load {:?}", start.elapsed());
    assert_eq!(loaded.text("/body"), document.text("/body"));
    let whole = loaded.text("/body").unwrap();
    let start = Instant::now();
    loaded.edit(actor(2), |draft| draft.replace_text("/body", &whole.replacen("xy", "ab", 3))).unwrap();
    println!("replace_text {:?}", start.elapsed());
    let undone: Result<(), Violation> = loaded.edit(actor(2), |draft| {
        draft.splice("/body", 0, 10, "z")?;
        draft.put("bad", json!(0))
    });
    assert!(undone.is_err());
    assert_eq!(loaded.text("/body").unwrap(), whole.replacen("xy", "ab", 3));
}
