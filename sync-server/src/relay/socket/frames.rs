//! The frames that one input makes a session say, encoded into one allocation that they share.

use bytes::Bytes;
use sync_wire::{RelayFrame, append_relay_frame};

/// Bytes of an ack with its proof, roughly: nearly all frames that come in numbers are acks.
const ACK_BYTES: usize = 192;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// None yet; `count` acks would fit without another allocation.
    pub(super) fn with_room_for(count: usize) -> Self {
        Self { bytes: Vec::with_capacity(count * ACK_BYTES), ends: Vec::with_capacity(count) }
    }

    /// Adds one behind the others.
    pub(super) fn add(&mut self, frame: &RelayFrame) {
        append_relay_frame(frame, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Each frame, in order.
    pub(super) fn into_each(self) -> impl Iterator<Item = Bytes> {
        let together = Bytes::from(self.bytes);
        let mut from = 0;
        self.ends.into_iter().map(move |end| together.slice(std::mem::replace(&mut from, end)..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_wire::{BatchId, DocumentId, Skipped, SpaceId, encode_relay_frame};

    #[test]
    fn each_frame_comes_out_as_if_it_were_alone() {
        let (space, document) = (SpaceId([1; 16]), DocumentId([2; 16]));
        let skipped = |batch| RelayFrame::Skipped(Skipped { space, document, batch: BatchId([batch; 16]) });
        let mut frames = Frames::with_room_for(2);
        (1..=3).for_each(|batch| frames.add(&skipped(batch)));
        let alone: Vec<Bytes> = (1..=3).map(|batch| encode_relay_frame(&skipped(batch)).into()).collect();
        assert_eq!(frames.into_each().collect::<Vec<_>>(), alone);
    }
}
