//! Input of a broken or hostile peer is refused before anything is allocated for it; input of a newer one is not.

use proptest::prelude::*;
use sync_wire::limits::{
    BATCH_CHANGES_MAX, CHECKPOINTS_MAX, FRAME_BYTES_MAX, HASHES_MAX, PRESENCE_BYTES_MAX, SPACES_MAX, TEXT_BYTES_MAX,
};
use sync_wire::*;

use crate::sample::{device_frames, relay_frames};

fn refused(bytes: &[u8], rule: &str) {
    let error = decode_device_frame(bytes).expect_err(rule).to_string();
    assert!(error.contains(rule), "{error} names {rule}");
    assert!(decode_relay_frame(bytes).is_err());
}

#[test]
fn oversize_frames_are_refused() {
    refused(&vec![0; FRAME_BYTES_MAX + 1], "at most 1048576");
    let largest = [&[0x82, 0x18, 99, 0x5a, 0x00, 0x0f, 0xff, 0xf8][..], &vec![0; FRAME_BYTES_MAX - 8]].concat();
    assert_eq!(largest.len(), FRAME_BYTES_MAX);
    assert_eq!(decode_device_frame(&largest), Ok(None), "the largest frame is not too large");
}

#[test]
fn deep_nesting_is_refused_at_the_limit() {
    // The frame's array is level 0, so that eight more levels are allowed: of lists, of maps, of tags.
    for level in [&[0x81][..], &[0xa1, 0x00], &[0xc1]] {
        let nested = |levels: usize| [&[0x82, 0x18, 99][..], &level.repeat(levels), &[0x00]].concat();
        assert_eq!(decode_device_frame(&nested(7)), Ok(None), "{level:02x?}");
        refused(&nested(8), "nested too deeply");
        refused(&nested(100_000), "nested too deeply");
    }
}

/// Whether a frame holds `count` of something.
#[track_caller]
fn check_list(most: usize, frame: impl Fn(usize) -> DeviceFrame) {
    assert!(decode_device_frame(&encode_device_frame(&frame(most))).is_ok(), "at the limit");
    let error = decode_device_frame(&encode_device_frame(&frame(most + 1))).unwrap_err();
    assert!(matches!(error, DecodeError::TooMany { len, max, .. } if (len, max) == (most + 1, most)), "{error}");
}

#[test]
fn each_list_of_a_frame_holds_at_its_limit_and_not_one_past_it() {
    let (space, document, batch) = (SpaceId([1; 16]), DocumentId([2; 16]), BatchId([3; 16]));
    let at = LogPosition { epoch: Epoch([4; 8]), position: Position(5) };
    let cursor = Cursor { space, at, chain: Chain([6; 32]), bootstrap: None };
    let hello = |agent: usize, cursors| {
        let (versions, device) = (VersionRange { oldest: 1, newest: 1 }, DeviceId([7; 16]));
        DeviceFrame::Hello(Hello {
            versions,
            device,
            agent: "x".repeat(agent),
            cursors: vec![cursor; cursors],
            attempt: None,
        })
    };
    let push = |content| DeviceFrame::Push(Push { space, document, lane: 0, batch, content });
    check_list(SPACES_MAX, |count| hello(1, count));
    check_list(TEXT_BYTES_MAX, |count| hello(count, 0));
    check_list(BATCH_CHANGES_MAX, |count| push(Content::Changes(vec![vec![1].into(); count])));
    check_list(HASHES_MAX, |count| push(Content::Tombstone(vec![ChangeHash([8; 32]); count])));
    check_list(PRESENCE_BYTES_MAX, |count| {
        DeviceFrame::Presence(ShowPresence { space, document, content: Some(vec![b' '; count].into()) })
    });
    check_list(CHECKPOINTS_MAX, |count| {
        let checkpoint = |at| Checkpoint { position: Position(at as u64), chain: Chain([6; 32]) };
        DeviceFrame::Offer(Offer { space, part: OfferPart::Checkpoints((0..count).map(checkpoint).collect()) })
    });
}

#[test]
fn presence_of_others_is_bounded_as_ones_own() {
    let (space, document) = (SpaceId([1; 16]), DocumentId([2; 16]));
    let (account, device) = (AccountId([3; 16]), DeviceId([4; 16]));
    let decoded = |bytes: usize| {
        let content = Some(vec![b' '; bytes].into());
        decode_relay_frame(&encode_relay_frame(&RelayFrame::Presence(Presence {
            space,
            document,
            account,
            device,
            content,
        })))
    };
    assert!(decoded(PRESENCE_BYTES_MAX).is_ok());
    let error = decoded(PRESENCE_BYTES_MAX + 1).unwrap_err().to_string();
    assert!(error.contains("1025 bytes of presence; at most 1024"), "{error}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let entry = |_| Entry {
        kind: log::EntryKind::Restore,
        document: DocumentId([2; 16]),
        hash: ChangeHash([3; 32]),
        device: DeviceId([4; 16]),
        batch: BatchId([5; 16]),
        bytes: None,
        heads: None,
    };
    let (space, chain, receipt) = (SpaceId([1; 16]), Chain([6; 32]), log::Receipt { key: 0, mac: [0; 32] });
    let epoch = Epoch([7; 8]);
    let offer = |part| {
        let bytes = encode_device_frame(&DeviceFrame::Offer(Offer { space, part }));
        decode_device_frame(&bytes).map(drop).map_err(|error| error.to_string())
    };
    let run = |upto: u64, entries: u64| {
        let (after, upto, entries) = (Position(5), Position(upto), (0..entries).map(entry).collect());
        offer(OfferPart::Run(Run { after, upto, epoch, entries, voucher: None }))
    };
    assert_eq!((run(7, 2), run(7, 1), run(5, 0)), (Ok(()), Ok(()), Ok(())));
    assert!(run(7, 3).unwrap_err().contains("more entries than places"));
    assert!(run(4, 0).unwrap_err().contains("ends before it begins"));
    let checkpoint = |at| Checkpoint { position: Position(at), chain };
    let checkpoints = |places: [u64; 2]| offer(OfferPart::Checkpoints(places.map(checkpoint).to_vec()));
    assert_eq!(checkpoints([1, 2]), Ok(()));
    for places in [[2, 2], [2, 1]] {
        assert!(checkpoints(places).unwrap_err().contains("not ascending"), "{places:?}");
    }
    let relay = |frame| decode_relay_frame(&encode_relay_frame(&frame)).map(drop).map_err(|error| error.to_string());
    let deliver = |after: u64, entries: u64| {
        let (after, entries) = (LogPosition { epoch, position: Position(after) }, (0..entries).map(entry).collect());
        relay(RelayFrame::Deliver(Deliver { space, after, entries, chain, receipt }))
    };
    assert_eq!((deliver(u64::MAX - 2, 2), deliver(u64::MAX - 2, 1)), (Ok(()), Ok(())));
    assert!(deliver(u64::MAX - 2, 3).unwrap_err().contains("positions overflow"));
    let bootstrap = |ids: [u8; 2]| {
        let document = |id| {
            let document = DocumentId([id; 16]);
            BootstrapDocument { document, snapshot: None, entries: Vec::new(), complete: true }
        };
        let (at, documents) = (LogPosition { epoch, position: Position(9) }, ids.map(document).to_vec());
        relay(RelayFrame::Bootstrap(Bootstrap { space, at, documents, done: true, receipt: None }))
    };
    assert_eq!(bootstrap([1, 2]), Ok(()));
    for ids in [[2, 2], [2, 1]] {
        assert!(bootstrap(ids).unwrap_err().contains("not ascending"), "{ids:?}");
    }
}

#[test]
fn lengths_beyond_the_input_are_refused() {
    refused(&[0x82, 0x02, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "declared length");
    refused(&[0x82, 0x02, 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "declared length");
    refused(&[0x82, 0x02, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "declared length");
    refused(&[], "declared length");
    refused(&[0x82], "declared length");
}

#[test]
fn indefinite_lengths_reserved_heads_and_trailing_bytes_are_refused() {
    refused(&[0x82, 0x02, 0x9f, 0xff], "indefinite");
    refused(&[0x82, 0x02, 0x1c], "reserved");
    refused(&[0x82, 0x18, 99, 0x00, 0x00], "after the frame");
}

#[test]
fn what_is_no_frame_is_refused() {
    refused(&[0x00], "array of kind and body");
    refused(&[0x83, 0x01, 0x00, 0x00], "array of kind and body");
    refused(&[0x82, 0x20, 0x00], "array of kind and body");
}

#[test]
fn kinds_of_a_newer_peer_are_skipped() {
    assert_eq!(decode_device_frame(&[0x82, 0x18, 99, 0xa0]), Ok(None));
    assert_eq!(decode_relay_frame(&[0x82, 0x18, 99, 0xa0]), Ok(None));
    assert_eq!(
        decode_relay_frame(&encode_device_frame(&device_frames()[0].1)),
        Ok(None),
        "each side has its own kinds"
    );
}

#[test]
fn keys_of_a_newer_peer_are_ignored() {
    let confirm = DeviceFrame::Confirm(Confirm { space: SpaceId([1; 16]), position: Position(2), frames: 1 });
    let mut bytes = encode_device_frame(&confirm);
    assert_eq!(bytes[2], 0xa3, "a map of three");
    bytes[2] = 0xa4;
    bytes.extend([0x18, 77, 0x83, 0x01, 0xc1, 0x02, 0x61, b'x']);
    assert_eq!(decode_device_frame(&bytes), Ok(Some(confirm)));
}

#[test]
fn a_body_of_the_wrong_shape_is_refused_with_its_kind() {
    let error = decode_device_frame(&[0x82, 0x02, 0xa0]).expect_err("a push without fields").to_string();
    assert!(error.contains("kind 2"), "{error}");
}

proptest! {
    #[test]
    fn mutated_frames_never_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let frames: Vec<Vec<u8>> = device_frames().iter().map(|(_, frame)| encode_device_frame(frame))
            .chain(relay_frames().iter().map(|(_, frame)| encode_relay_frame(frame))).collect();
        let mut bytes = frames[which.index(frames.len())].clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let _ = (decode_device_frame(&bytes), decode_relay_frame(&bytes));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (decode_device_frame(&bytes), decode_relay_frame(&bytes));
    }
}
