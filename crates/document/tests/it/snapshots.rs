//! Snapshots are believed only after they were walked, loaded and compared.

use document::{Document, LoadError, Seed, Snapshot, WalkedType, limits};
use serde_json::json;
use sync_wire::{Blob, ChangeHash};

use crate::forge::{Forged, actor, chunk, put, uleb};

fn snapshot() -> Snapshot {
    let mut document = Document::new(Some("note"));
    for n in 0..30 {
        document
            .edit(actor(1), |draft| {
                draft.splice("/body", 0, 0, "some text that compresses ")?;
                draft.put(&format!("/k{n}"), json!(n))
            })
            .unwrap();
        document.seal(n).unwrap();
    }
    document.snapshot().unwrap()
}

fn forged(bytes: Vec<u8>) -> Snapshot {
    let digest = blake3::hash(&bytes).into();
    Snapshot { heads: vec![], changes: 0, digest, bytes: Blob::from(bytes) }
}

#[test]
fn a_snapshot_loads_as_the_document_it_was_made_of_and_can_be_edited() {
    let snapshot = snapshot();
    assert_eq!(snapshot.changes, 32);
    let mut loaded = Document::load(&snapshot).unwrap();
    assert_eq!((loaded.heads(), loaded.get("/k29")), (snapshot.heads.clone(), Some(json!(29))));
    assert_eq!(loaded.type_name().as_deref(), Some("note"));
    loaded.edit(actor(1), |draft| draft.splice("/body", 0, 4, "SOME")).unwrap();
    let sealed = loaded.seal(1).unwrap().unwrap();
    assert_eq!((sealed.seeds.len(), sealed.changes[0].header.seq), (0, 31));
    assert_eq!(loaded.snapshot().unwrap().changes, 33);
}

#[test]
fn an_empty_document_has_a_snapshot_too() {
    let loaded = Document::load(&Document::new(None).snapshot().unwrap()).unwrap();
    assert_eq!((loaded.heads(), loaded.value()), (vec![], json!({})));
}

#[test]
fn unsealed_edits_have_no_snapshot() {
    let mut document = Document::new(None);
    document.edit(actor(1), |draft| draft.put("/a", json!(1))).unwrap();
    assert_eq!(document.snapshot().unwrap_err(), LoadError::Unsealed);
}

#[test]
fn a_snapshot_with_false_claims_is_refused() {
    let sound = snapshot();
    let digest = Snapshot { digest: [0; 32], ..sound.clone() };
    assert_eq!(Document::load(&digest).unwrap_err(), LoadError::Digest);
    let heads = Snapshot { heads: vec![ChangeHash([1; 32])], ..sound.clone() };
    assert_eq!(Document::load(&heads).unwrap_err(), LoadError::OtherContent);
    let changes = Snapshot { changes: 31, ..sound.clone() };
    assert_eq!(Document::load(&changes).unwrap_err(), LoadError::OtherContent);
    let trailing = forged([&sound.bytes[..], b"x"].concat());
    assert!(matches!(Document::load(&trailing), Err(LoadError::Refused(_))));
    let change = forged(crate::forge::Data::run_of(1).chunk());
    assert!(matches!(Document::load(&change), Err(LoadError::Refused(_))), "a change is not a snapshot");
}

#[test]
fn a_walk_finds_false_claims_without_loading() {
    let sound = snapshot();
    let digest = Snapshot { digest: [0; 32], ..sound.clone() };
    assert_eq!(digest.walk(), Err(LoadError::Digest));
    let heads = Snapshot { heads: vec![ChangeHash([1; 32])], ..sound.clone() };
    assert_eq!(heads.walk(), Err(LoadError::OtherContent));
    let changes = Snapshot { changes: 31, ..sound.clone() };
    assert_eq!(changes.walk(), Err(LoadError::OtherContent));
    assert!(matches!(forged(sound.bytes[..sound.bytes.len() - 1].to_vec()).walk(), Err(LoadError::Refused(_))));
}

#[test]
fn a_walk_names_the_type_if_exactly_one_root_seed_does() {
    assert_eq!(snapshot().walk(), Ok(WalkedType::Root("note".to_owned())));
    let walked = |changes: &[Blob]| {
        let mut document = Document::new(None);
        document.apply(changes).unwrap();
        document.snapshot().unwrap().walk().unwrap()
    };
    let [note, other] = ["note", "snippet"].map(|name| Seed::Root { type_name: name.to_owned() }.change().bytes);
    assert_eq!(walked(std::slice::from_ref(&other)), WalkedType::Root("snippet".to_owned()));
    assert_eq!(walked(&[note, other]), WalkedType::Unknown, "only the merged document tells which");
    let pretended =
        Forged { message: Some("seed root note".to_owned()), ..Forged::new(1, 1, 1, &[], vec![put("/a", 1)]) };
    assert_eq!(walked(&[pretended.blob()]), WalkedType::Unknown, "anybody may write such a note");
}

#[test]
fn no_flipped_bit_panics_or_loads_as_something_else() {
    let sound = snapshot();
    let data_at = sound.bytes.len() - {
        let mut length = Vec::new();
        uleb(&mut length, sound.bytes.len() as u64);
        sound.bytes.len() - 9 - length.len()
    };
    for at in (data_at..sound.bytes.len()).step_by(3) {
        let mut data = sound.bytes[data_at..].to_vec();
        data[at - data_at] ^= 0x11;
        let flipped = Snapshot { heads: sound.heads.clone(), changes: sound.changes, ..forged(chunk(0, &data)) };
        if let Ok(loaded) = Document::load(&flipped) {
            assert_eq!(loaded.heads(), sound.heads);
        }
    }
}

/// A document chunk with these operation columns alone.
fn with_columns(columns: &[(u64, &[u8])]) -> Vec<u8> {
    let mut data = vec![0, 0]; // no actors, no heads
    data.push(0); // no change columns
    data.push(columns.len() as u8);
    for (spec, column) in columns {
        uleb(&mut data, *spec);
        uleb(&mut data, column.len() as u64);
    }
    columns.iter().for_each(|(_, column)| data.extend(*column));
    chunk(0, &data)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_snapshot_that_is_a_bomb_is_refused_before_it_is_expanded() {
    let mut run = Vec::new();
    crate::forge::sleb(&mut run, limits::DOCUMENT_OPS_MAX as i64 + 1);
    run.push(1);
    let error = Document::load(&forged(with_columns(&[(0x42, &run)]))).unwrap_err().to_string();
    assert!(error.contains("operations is 5000001"), "{error}");
    let values = 0x57 | 8;
    let most = packed(&vec![0; limits::SNAPSHOT_INFLATED_BYTES_MAX]);
    let refusal = |columns: &[(u64, &[u8])]| Document::load(&forged(with_columns(columns))).unwrap_err().to_string();
    for over in [
        &[(values, &packed(&vec![0; limits::SNAPSHOT_INFLATED_BYTES_MAX + 1])[..])][..],
        &[(values, &most), (0x61, b"x")], // the room is one for all columns
    ] {
        let error = refusal(over);
        assert!(error.contains("the inflated size in bytes is 268435457"), "{error}");
    }
    let error = refusal(&[(values, &most)]);
    assert!(!error.contains("inflated size"), "as large as it may be, and wrong for another reason: {error}");
}
