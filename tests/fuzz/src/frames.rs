//! The codec of the wire: whatever it takes for a frame is one, and says the same when it is said again.

use sync_wire::{
    Actor, BatchId, Chain, ChangeHash, Checkpoint, Confirm, Content, Cursor, DeviceFrame, DeviceId, DocumentId, Epoch,
    Hello, LogPosition, Offer, OfferPart, Position, Push, ShowPresence, SpaceId, VersionRange, decode_device_frame,
    decode_relay_frame, encode_device_frame, encode_relay_frame,
};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(Some(frame)) = decode_device_frame(bytes) {
        let again = encode_device_frame(&frame);
        assert_eq!(decode_device_frame(&again), Ok(Some(frame)), "said again");
    }
    if let Ok(Some(frame)) = decode_relay_frame(bytes) {
        let again = encode_relay_frame(&frame);
        assert_eq!(decode_relay_frame(&again), Ok(Some(frame)), "said again");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (space, document, batch) = (SpaceId([1; 16]), DocumentId([2; 16]), BatchId([3; 16]));
    let (device, chain, position) = (DeviceId(Actor([4; 16]).0), Chain([6; 32]), Position(7));
    let at = LogPosition { epoch: Epoch([5; 8]), position };
    let cursors = vec![Cursor { space, at, chain, bootstrap: None }];
    let push = |content| DeviceFrame::Push(Push { space, document, lane: 0, batch, content });
    let offer = |part| DeviceFrame::Offer(Offer { space, part });
    let frames = [
        DeviceFrame::Hello(Hello {
            versions: VersionRange { oldest: 1, newest: 1 },
            device,
            agent: "fuzz".to_owned(),
            cursors,
            attempt: None,
        }),
        push(Content::Changes(vec![vec![0x85, 0x6f].into(), vec![1; 300].into()])),
        push(Content::Tombstone(vec![ChangeHash([8; 32])])),
        DeviceFrame::Confirm(Confirm { space, position, frames: 1 }),
        offer(OfferPart::Checkpoints(vec![Checkpoint { position, chain }])),
        offer(OfferPart::Done),
        DeviceFrame::Presence(ShowPresence { space, document, content: Some(b"{}".to_vec().into()) }),
    ];
    frames.iter().map(encode_device_frame).collect()
}
