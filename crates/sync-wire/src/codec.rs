//! Bytes to frames and back, with limits checked before anything is allocated.

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::frame::{Ack, Blob, Bootstrap, Content, Deliver, DeviceFrame, Hello, Offer, OfferPart, RelayFrame, kind};
use crate::ids::LogPosition;
use crate::limits::{
    BATCH_CHANGES_MAX, CHECKPOINTS_MAX, FRAME_BYTES_MAX, HASHES_MAX, PRESENCE_BYTES_MAX, SPACES_MAX, TEXT_BYTES_MAX,
};
use crate::planted::{self, Bug};
use crate::strict::{self, Fault};

/// What most frames fit into.
const FRAME_BYTES_USUAL: usize = 256;

/// Why bytes are not a frame. The connection that brought them is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Over [`FRAME_BYTES_MAX`].
    #[error("frame of {bytes} bytes; at most {FRAME_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the strict CBOR that we accept.
    #[error("frame is not acceptable CBOR: {reason}")]
    Cbor {
        /// The rule.
        reason: &'static str,
    },
    /// A frame of a known kind whose body does not fit.
    #[error("frame of kind {kind} cannot be read: {reason}")]
    Body {
        /// Its kind.
        kind: u32,
        /// What did not fit.
        reason: String,
    },
    /// A list or text that is longer than allowed.
    #[error("frame of kind {kind} has {len} {what}; at most {max} are allowed")]
    TooMany {
        /// Its kind.
        kind: u32,
        /// Of what.
        what: &'static str,
        /// How many.
        len: usize,
        /// The limit.
        max: usize,
    },
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        let reason = match fault {
            Fault::Truncated => "a declared length exceeds what is there",
            Fault::TooDeep => "nested too deeply",
            Fault::Indefinite => "indefinite lengths are not allowed",
            Fault::Reserved => "reserved head",
            Fault::Trailing => "bytes after the frame",
        };
        Self::Cbor { reason }
    }
}

/// Reads a frame that a device sent. `None` is a kind that this version does not know: skip it.
///
/// # Errors
/// [`DecodeError`]; nothing larger than the input was allocated.
pub fn decode_device_frame(bytes: &[u8]) -> Result<Option<DeviceFrame>, DecodeError> {
    let (kind, mut body) = open(bytes)?;
    Ok(Some(match kind {
        kind::HELLO => DeviceFrame::Hello(check_hello(read(kind, &mut body)?)?),
        kind::PUSH => {
            let push: crate::Push = read(kind, &mut body)?;
            check_content(&push.content)?;
            DeviceFrame::Push(push)
        }
        kind::CONFIRM => DeviceFrame::Confirm(read(kind, &mut body)?),
        kind::OFFER => DeviceFrame::Offer(check_offer(read(kind, &mut body)?)?),
        kind::DEVICE_PRESENCE => {
            let presence: crate::ShowPresence = read(kind, &mut body)?;
            check_presence(kind, presence.content.as_ref())?;
            DeviceFrame::Presence(presence)
        }
        _ => return Ok(None),
    }))
}

/// Reads a frame that a relay sent. `None` is a kind that this version does not know: skip it.
///
/// # Errors
/// [`DecodeError`]; nothing larger than the input was allocated.
pub fn decode_relay_frame(bytes: &[u8]) -> Result<Option<RelayFrame>, DecodeError> {
    let (kind, mut body) = open(bytes)?;
    Ok(Some(match kind {
        kind::WELCOME => {
            let welcome: crate::Welcome = read(kind, &mut body)?;
            at_most(kind, "grants", welcome.grants.len(), SPACES_MAX)?;
            RelayFrame::Welcome(welcome)
        }
        kind::DELIVER => RelayFrame::Deliver(check_deliver(read(kind, &mut body)?)?),
        kind::BOOTSTRAP => RelayFrame::Bootstrap(check_bootstrap(read(kind, &mut body)?)?),
        kind::ACK => RelayFrame::Ack(read(kind, &mut body)?),
        kind::REFUSE => RelayFrame::Refuse(read(kind, &mut body)?),
        kind::PARK => RelayFrame::Park(read(kind, &mut body)?),
        kind::NEED => {
            let need: crate::Need = read(kind, &mut body)?;
            at_most(kind, "hashes", need.hashes.len(), HASHES_MAX)?;
            RelayFrame::Need(need)
        }
        kind::SKIPPED => RelayFrame::Skipped(read(kind, &mut body)?),
        kind::GRANT_CHANGED => RelayFrame::GrantChanged(read(kind, &mut body)?),
        kind::GOODBYE => RelayFrame::Goodbye(read(kind, &mut body)?),
        kind::WANTED => RelayFrame::Wanted(read(kind, &mut body)?),
        kind::LIMITS_CHANGED => RelayFrame::LimitsChanged(read(kind, &mut body)?),
        kind::RELAY_PRESENCE => {
            let presence: crate::Presence = read(kind, &mut body)?;
            check_presence(kind, presence.content.as_ref())?;
            RelayFrame::Presence(presence)
        }
        _ => return Ok(None),
    }))
}

/// Writes a frame of a device.
#[must_use]
pub fn encode_device_frame(frame: &DeviceFrame) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES_USUAL);
    match frame {
        DeviceFrame::Hello(body) => write(kind::HELLO, body, &mut bytes),
        DeviceFrame::Push(body) => write(kind::PUSH, body, &mut bytes),
        DeviceFrame::Confirm(body) => write(kind::CONFIRM, body, &mut bytes),
        DeviceFrame::Offer(body) => write(kind::OFFER, body, &mut bytes),
        DeviceFrame::Presence(body) => write(kind::DEVICE_PRESENCE, body, &mut bytes),
    }
    bytes
}

/// Writes a frame of a relay.
#[must_use]
pub fn encode_relay_frame(frame: &RelayFrame) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES_USUAL);
    append_relay_frame(frame, &mut bytes);
    bytes
}

/// As [`encode_relay_frame`], behind what is in `bytes`: many small frames share one allocation.
pub fn append_relay_frame(frame: &RelayFrame, bytes: &mut Vec<u8>) {
    match frame {
        RelayFrame::Welcome(body) => write(kind::WELCOME, body, bytes),
        RelayFrame::Deliver(body) => write(kind::DELIVER, body, bytes),
        RelayFrame::Bootstrap(body) => write(kind::BOOTSTRAP, body, bytes),
        // Planted: a position that is not the batch's.
        RelayFrame::Ack(body) if planted::is(Bug::BrokenCodec) => write(kind::ACK, &misplaced(body), bytes),
        RelayFrame::Ack(body) => write(kind::ACK, body, bytes),
        RelayFrame::Refuse(body) => write(kind::REFUSE, body, bytes),
        RelayFrame::Park(body) => write(kind::PARK, body, bytes),
        RelayFrame::Need(body) => write(kind::NEED, body, bytes),
        RelayFrame::Skipped(body) => write(kind::SKIPPED, body, bytes),
        RelayFrame::GrantChanged(body) => write(kind::GRANT_CHANGED, body, bytes),
        RelayFrame::Goodbye(body) => write(kind::GOODBYE, body, bytes),
        RelayFrame::Wanted(body) => write(kind::WANTED, body, bytes),
        RelayFrame::LimitsChanged(body) => write(kind::LIMITS_CHANGED, body, bytes),
        RelayFrame::Presence(body) => write(kind::RELAY_PRESENCE, body, bytes),
    }
}

/// What [`Bug::BrokenCodec`] writes.
fn misplaced(ack: &Ack) -> Ack {
    let at = ack.at.map(|at| LogPosition { position: at.position.next(), ..at });
    Ack { at, ..ack.clone() }
}

fn open(bytes: &[u8]) -> Result<(u32, Decoder<'_>), DecodeError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(DecodeError::TooLarge { bytes: bytes.len() });
    }
    strict::check(bytes)?;
    let mut decoder = Decoder::new(bytes);
    let not_a_frame = |_| DecodeError::Cbor { reason: "a frame is an array of kind and body" };
    if decoder.array().map_err(not_a_frame)? != Some(2) {
        return Err(DecodeError::Cbor { reason: "a frame is an array of kind and body" });
    }
    let kind = decoder.u32().map_err(not_a_frame)?;
    Ok((kind, decoder))
}

fn read<'b, T: Decode<'b, ()>>(kind: u32, body: &mut Decoder<'b>) -> Result<T, DecodeError> {
    body.decode().map_err(|error| DecodeError::Body { kind, reason: error.to_string() })
}

fn write<T: Encode<()>>(kind: u32, body: &T, bytes: &mut Vec<u8>) {
    let mut encoder = Encoder::new(bytes);
    let written = encoder.array(2).and_then(|e| e.u32(kind)).and_then(|e| e.encode(body));
    if let Err(never) = written {
        unreachable!("writing to a Vec cannot fail: {never}");
    }
}

fn at_most(kind: u32, what: &'static str, len: usize, max: usize) -> Result<(), DecodeError> {
    if len <= max { Ok(()) } else { Err(DecodeError::TooMany { kind, what, len, max }) }
}

fn check_hello(hello: Hello) -> Result<Hello, DecodeError> {
    at_most(kind::HELLO, "cursors", hello.cursors.len(), SPACES_MAX)?;
    at_most(kind::HELLO, "bytes of agent", hello.agent.len(), TEXT_BYTES_MAX)?;
    Ok(hello)
}

fn check_content(content: &Content) -> Result<(), DecodeError> {
    match content {
        Content::Changes(changes) => at_most(kind::PUSH, "changes", changes.len(), BATCH_CHANGES_MAX),
        Content::Tombstone(heads) => at_most(kind::PUSH, "heads", heads.len(), HASHES_MAX),
        Content::Restore => Ok(()),
    }
}

fn check_offer(offer: Offer) -> Result<Offer, DecodeError> {
    let refused = |reason: &str| DecodeError::Body { kind: kind::OFFER, reason: reason.into() };
    match &offer.part {
        OfferPart::Checkpoints(checkpoints) => {
            at_most(kind::OFFER, "checkpoints", checkpoints.len(), CHECKPOINTS_MAX)?;
            if checkpoints.windows(2).any(|pair| pair[0].position >= pair[1].position) {
                return Err(refused("checkpoints are not ascending"));
            }
        }
        OfferPart::Run(run) => {
            let places = run.upto.0.checked_sub(run.after.0).ok_or_else(|| refused("a run ends before it begins"))?;
            if (run.entries.len() as u64) > places {
                return Err(refused("a run has more entries than places"));
            }
        }
        OfferPart::Done => {}
    }
    Ok(offer)
}

fn check_presence(kind: u32, content: Option<&Blob>) -> Result<(), DecodeError> {
    at_most(kind, "bytes of presence", content.map_or(0, |content| content.len()), PRESENCE_BYTES_MAX)
}

fn check_deliver(deliver: Deliver) -> Result<Deliver, DecodeError> {
    let room = u64::MAX - deliver.after.position.0;
    if room < deliver.entries.len() as u64 {
        return Err(DecodeError::Body { kind: kind::DELIVER, reason: "positions overflow".into() });
    }
    Ok(deliver)
}

fn check_bootstrap(bootstrap: Bootstrap) -> Result<Bootstrap, DecodeError> {
    let descending = bootstrap.documents.windows(2).any(|pair| pair[0].document >= pair[1].document);
    if descending {
        return Err(DecodeError::Body { kind: kind::BOOTSTRAP, reason: "documents are not ascending".into() });
    }
    Ok(bootstrap)
}
