//! Splits one direction of a connection: the head of the HTTP upgrade, then WebSocket frames.

/// One direction, as far as it has arrived.
#[derive(Debug)]
pub(super) struct Frames {
    unread: Vec<u8>,
    /// What the head must begin with for frames to follow.
    upgrade: &'static [u8],
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Head,
    Frames,
    /// No upgrade: whatever it is, it is passed on as it comes.
    Other,
}

/// A head or a frame, to be passed on as it is.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    /// Whether it is a binary frame: one of the protocol.
    pub(super) is_frame: bool,
    /// The kind of a frame of the relay; those of devices are masked.
    pub(super) kind: Option<u8>,
}

impl Frames {
    pub(super) fn of_a_device() -> Self {
        Self { unread: Vec::new(), upgrade: b"GET /sync", stage: Stage::Head }
    }

    pub(super) fn of_a_relay() -> Self {
        Self { unread: Vec::new(), upgrade: b"HTTP/1.1 101", stage: Stage::Head }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next complete unit.
    pub(super) fn take(&mut self) -> Option<Unit> {
        match self.stage {
            Stage::Head => self.take_head(),
            Stage::Frames => self.take_frame(),
            Stage::Other => self.take_bytes(self.unread.len()),
        }
    }

    fn take_head(&mut self) -> Option<Unit> {
        let end = self.unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        self.stage = if self.unread.starts_with(self.upgrade) { Stage::Frames } else { Stage::Other };
        self.take_bytes(end)
    }

    fn take_bytes(&mut self, end: usize) -> Option<Unit> {
        let bytes: Vec<u8> = self.unread.drain(..end).collect();
        (!bytes.is_empty()).then_some(Unit { bytes, is_frame: false, kind: None })
    }

    fn take_frame(&mut self) -> Option<Unit> {
        let second = *self.unread.get(1)?;
        let (header, payload): (usize, usize) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes(self.unread.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(self.unread.get(2..10)?.try_into().ok()?)).ok()?),
            short => (2, usize::from(short)),
        };
        let is_masked = second & 0x80 != 0;
        let header = if is_masked { header + 4 } else { header };
        let end = header.checked_add(payload)?;
        if self.unread.len() < end {
            return None;
        }
        let is_frame = self.unread[0] & 0x0f == 2;
        let kind = if is_frame && !is_masked { self.unread.get(header..end).and_then(kind) } else { None };
        Some(Unit { bytes: self.unread.drain(..end).collect(), is_frame, kind })
    }
}

/// The kind of a frame, from the first bytes of `[kind, body]`.
fn kind(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [0x82, small @ 0..=23, ..] => Some(*small),
        [0x82, 0x18, kind, ..] => Some(*kind),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found when the stream arrives in parts of any size; nothing may be lost or changed.
    fn units(mut frames: impl FnMut() -> Frames, stream: &[u8]) -> Vec<(bool, Option<u8>)> {
        let mut all = Vec::new();
        for step in [1, 7, stream.len()] {
            let mut frames = frames();
            let mut found = Vec::new();
            for part in stream.chunks(step) {
                frames.add(part);
                found.extend(std::iter::from_fn(|| frames.take()));
            }
            let passed_on: Vec<u8> = found.iter().flat_map(|unit| unit.bytes.clone()).collect();
            assert_eq!(passed_on, stream, "in parts of {step}");
            all.push(found.iter().map(|unit| (unit.is_frame, unit.kind)).collect::<Vec<_>>());
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.swap_remove(0)
    }

    #[test]
    fn frames_of_the_relay_are_told_apart_with_their_kinds() {
        let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nx: y\r\n\r\n".to_vec();
        let welcome = [0x82, 3, 0x82, 16, 0xa0];
        let ping = [0x89, 0];
        let ack = [&[0x82, 126, 0, 130, 0x82, 19][..], &[0; 128]].concat();
        let goodbye = [0x82, 4, 0x82, 0x18, 26, 0xa0];
        let stream = [&upgrade[..], &welcome, &ping, &ack, &goodbye].concat();
        let expected = [(false, None), (true, Some(16)), (false, None), (true, Some(19)), (true, Some(26))];
        assert_eq!(units(Frames::of_a_relay, &stream), expected);
    }

    #[test]
    fn frames_of_a_device_are_counted_though_they_are_masked() {
        let upgrade = b"GET /sync HTTP/1.1\r\nx: y\r\n\r\n".to_vec();
        let frame = [0x82, 0x83, 9, 9, 9, 9, 1, 2, 3];
        let stream = [&upgrade[..], &frame, &frame].concat();
        assert_eq!(units(Frames::of_a_device, &stream), [(false, None), (true, None), (true, None)]);
    }
}
