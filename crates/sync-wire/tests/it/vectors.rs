//! `docs/protocol.md` shows the bytes of every frame; here they are compared with what the code reads and writes.
//!
//! After a deliberate change of the format, `UPDATE_VECTORS=1 cargo test -p sync-wire` rewrites the document.

use std::fs;
use std::path::PathBuf;

use sync_wire::limits::{HASHES_MAX, VOID_DEPENDENTS_MAX};
use sync_wire::log::{EntryIdentity, EntryKind, Receipt, marker_hash};
use sync_wire::*;

use crate::sample::{device_frames, relay_frames, void};

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md")
}

fn hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect()
}

/// Compares the fenced block `vector NAME` of the document with `bytes`.
fn check(name: &str, bytes: &[u8]) {
    let text = fs::read_to_string(document()).expect("docs/protocol.md is part of the repository");
    let fence = format!("```vector {name}\n");
    let start = text.find(&fence).unwrap_or_else(|| panic!("docs/protocol.md has no vector {name}")) + fence.len();
    let end = start + text[start..].find("```").expect("every fence is closed");
    if text[start..end] == hex(bytes) {
        return;
    }
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(document(), format!("{}{}{}", &text[..start], hex(bytes), &text[end..]))
            .expect("the document is writable");
        return;
    }
    panic!("docs/protocol.md says otherwise of {name}; the code writes:\n{}", hex(bytes));
}

#[test]
fn the_document_shows_the_bytes_of_every_frame() {
    for (name, frame) in device_frames() {
        check(name, &encode_device_frame(&frame));
    }
    for (name, frame) in relay_frames() {
        check(name, &encode_relay_frame(&frame));
    }
}

#[test]
fn frames_read_back_as_they_were_written() {
    for (name, frame) in device_frames() {
        assert_eq!(decode_device_frame(&encode_device_frame(&frame)), Ok(Some(frame)), "{name}");
    }
    for (name, frame) in relay_frames() {
        assert_eq!(decode_relay_frame(&encode_relay_frame(&frame)), Ok(Some(frame)), "{name}");
    }
}

#[test]
fn the_document_shows_digest_chain_receipt_and_marker() {
    let (document, hash) = (DocumentId([0x22; 16]), ChangeHash([0x77; 32]));
    let (device, batch) = (DeviceId([0x33; 16]), BatchId([0x44; 16]));
    let identity = EntryIdentity { kind: EntryKind::Change, document, hash, device, batch };
    let digest = identity.digest(&Salt([0x99; 32]));
    check("log-digest", &digest);
    let chain = Chain::START.extend(&digest);
    check("log-chain", &chain.0);
    let space = SpaceId([0x11; 16]);
    let receipt = Receipt::sign(1, &[0xcc; 32], space, Epoch([0x55; 8]), Position(1), &chain);
    check("log-receipt", &receipt.mac);
    let payload = void().encode();
    check("log-void", &Void::hash(&payload, space, document, batch).0);
    check("log-void-batch", &Void::batch(&payload, space, document).0);
    check("log-tombstone", &marker_hash(EntryKind::Tombstone, space, document, batch, &[hash]).0);
}

#[test]
fn a_receipt_is_for_one_place_of_one_log() {
    let (space, epoch, chain) = (SpaceId([1; 16]), Epoch([2; 8]), Chain([3; 32]));
    let receipt = Receipt::sign(1, &[4; 32], space, epoch, Position(5), &chain);
    assert!(receipt.verifies(&[4; 32], space, epoch, Position(5), &chain));
    assert!(!receipt.verifies(&[5; 32], space, epoch, Position(5), &chain));
    assert!(!receipt.verifies(&[4; 32], SpaceId([9; 16]), epoch, Position(5), &chain));
    assert!(!receipt.verifies(&[4; 32], space, Epoch([9; 8]), Position(5), &chain));
    assert!(!receipt.verifies(&[4; 32], space, epoch, Position(6), &chain));
    assert!(!receipt.verifies(&[4; 32], space, epoch, Position(5), &Chain([9; 32])));
}

#[test]
fn a_void_reads_back_and_names_no_change_twice() {
    let void = void();
    assert_eq!(Void::decode(&void.encode()), Ok(void.clone()));
    let twice = Void { excluded: vec![void.excluded[0], void.dependents[0].change], ..void.clone() };
    let replaces_itself = Dependent { change: ChangeHash([1; 32]), by: Some(ChangeHash([1; 32])) };
    let wrong = [
        twice,
        Void { excluded: Vec::new(), ..void.clone() },
        Void { dependents: vec![replaces_itself], ..void.clone() },
    ];
    for void in wrong {
        assert!(Void::decode(&void.encode()).is_err(), "{void:?}");
    }
    assert!(Void::decode(&[0xa2, 0x00]).is_err(), "it ends in the middle");
}

#[test]
fn a_void_holds_at_its_limits_and_not_one_past_them() {
    let reads = |excluded: usize, dependents: usize| {
        let numbers = 0..u32::try_from(excluded + dependents).unwrap();
        let mut changes: Vec<ChangeHash> = numbers.map(numbered).collect();
        let rest = changes.split_off(excluded).into_iter().map(|change| Dependent { change, by: None });
        let void = Void { excluded: changes, dependents: rest.collect() };
        Void::decode(&void.encode()).is_ok()
    };
    assert!(reads(HASHES_MAX, 0) && !reads(HASHES_MAX + 1, 0));
    assert!(reads(1, VOID_DEPENDENTS_MAX) && !reads(1, VOID_DEPENDENTS_MAX + 1));
}

fn numbered(number: u32) -> ChangeHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    ChangeHash(hash)
}
