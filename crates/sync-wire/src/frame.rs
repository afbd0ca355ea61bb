//! Every frame of the protocol. A frame on the wire is the CBOR array `[kind, body]`; `body` is a map with integer
//! keys. Unknown keys are ignored and unknown kinds are skipped, so that either side may be newer.

mod device; // what a device says
mod relay; // what the relay says
mod entry; // entries of a log
mod grant; // spaces, and what an account may do in them
mod offer; // a log given back to a relay that lost its end
mod presence; // who is in a document at the moment
mod code; // numbers that say why

use bytes::Bytes;
use minicbor::{Decode, Decoder, Encode, Encoder};

pub use code::{FateCode, GoodbyeCode};
pub use device::{BootstrapPoint, Confirm, Content, Cursor, Hello, Push, VersionRange};
pub use entry::{BootstrapDocument, Entry, PositionedEntry, SnapshotPart};
pub use grant::{Grant, Resume, Role, SpaceKind};
pub use offer::{Checkpoint, Offer, OfferPart, Run, Voucher, Wanted};
pub use presence::{Presence, ShowPresence};
pub use relay::{
    Ack, Bootstrap, Deliver, Goodbye, GrantChanged, LimitsChanged, Need, Park, Proof, Refuse, Skipped, Welcome,
};

/// Kind numbers. Those without a struct here are reserved, so that older peers skip them.
pub mod kind {
    /// [`super::Hello`]
    pub const HELLO: u32 = 1;
    /// [`super::Push`]
    pub const PUSH: u32 = 2;
    /// [`super::Confirm`]
    pub const CONFIRM: u32 = 3;
    /// [`super::Offer`]
    pub const OFFER: u32 = 4;
    /// [`super::ShowPresence`]
    pub const DEVICE_PRESENCE: u32 = 5;
    /// Reserved: a device signature over a batch.
    pub const SIGNATURE: u32 = 6;
    /// [`super::Welcome`]
    pub const WELCOME: u32 = 16;
    /// [`super::Deliver`]
    pub const DELIVER: u32 = 17;
    /// [`super::Bootstrap`]
    pub const BOOTSTRAP: u32 = 18;
    /// [`super::Ack`]
    pub const ACK: u32 = 19;
    /// [`super::Refuse`]
    pub const REFUSE: u32 = 20;
    /// [`super::Park`]
    pub const PARK: u32 = 21;
    /// [`super::Need`]
    pub const NEED: u32 = 22;
    /// [`super::Skipped`]
    pub const SKIPPED: u32 = 23;
    /// [`super::GrantChanged`]
    pub const GRANT_CHANGED: u32 = 24;
    /// [`super::Presence`]
    pub const RELAY_PRESENCE: u32 = 25;
    /// [`super::Goodbye`]
    pub const GOODBYE: u32 = 26;
    /// [`super::Wanted`]
    pub const WANTED: u32 = 27;
    /// [`super::LimitsChanged`]
    pub const LIMITS_CHANGED: u32 = 28;
}

/// What a device sends.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceFrame {
    /// First frame of a connection.
    Hello(Hello),
    /// One batch.
    Push(Push),
    /// Deliveries are durable here.
    Confirm(Confirm),
    /// Entries that the relay once had.
    Offer(Offer),
    /// Where its person is at the moment.
    Presence(ShowPresence),
}

/// What the relay sends.
#[derive(Debug, Clone, PartialEq)]
pub enum RelayFrame {
    /// Answer to `Hello`.
    Welcome(Welcome),
    /// The entries after a device's resume point.
    Deliver(Deliver),
    /// Whole documents for a device that is new to a space.
    Bootstrap(Bootstrap),
    /// The batch is in the log (or durable in the intake).
    Ack(Ack),
    /// The batch will never be in the log.
    Refuse(Refuse),
    /// The batch cannot be in the log now.
    Park(Park),
    /// The batch rests on changes that the relay does not have.
    Need(Need),
    /// The batch was not looked at, because an earlier one of its lane was not accepted.
    Skipped(Skipped),
    /// A grant was given, changed or taken.
    GrantChanged(GrantChanged),
    /// The relay closes the connection, and says why and for how long.
    Goodbye(Goodbye),
    /// A part of an offer was looked at.
    Wanted(Wanted),
    /// What was parked under other limits is worth pushing again.
    LimitsChanged(LimitsChanged),
    /// Where somebody else is at the moment.
    Presence(Presence),
}

/// Opaque bytes that are shared, not copied, between readers.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Blob(pub Bytes);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl std::ops::Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl<C> Encode<C> for Blob {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Blob {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(Bytes::copy_from_slice(d.bytes()?)))
    }
}

/// Reads the changes of a batch into one allocation that they share. They are kept and dropped together, and none holds
/// more of the frame than its batch.
fn shared_blobs<'b, C>(d: &mut Decoder<'b>, _: &mut C) -> Result<Vec<Blob>, minicbor::decode::Error> {
    let count = d.array()?.ok_or_else(|| minicbor::decode::Error::message("indefinite lengths are not allowed"))?;
    if count == 1 {
        return Ok(vec![d.decode()?]);
    }
    let begin = d.position();
    let mut total = 0;
    for _ in 0..count {
        total += d.bytes()?.len();
    }
    d.set_position(begin);
    let mut together = Vec::with_capacity(total);
    let mut ends = Vec::new();
    for _ in 0..count {
        together.extend_from_slice(d.bytes()?);
        ends.push(together.len());
    }
    let together = Bytes::from(together);
    let mut from = 0;
    let slice = |end| Blob(together.slice(std::mem::replace(&mut from, end)..end));
    Ok(ends.into_iter().map(slice).collect())
}
