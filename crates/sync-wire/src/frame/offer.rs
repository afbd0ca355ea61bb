//! A log given back to a relay that lost its end: where device and relay agree, then the entries after it.

use minicbor::{Decode, Encode};

use super::Entry;
#[cfg(doc)]
use super::{GrantChanged, Resume};
use crate::ids::{Chain, Epoch, Position, SpaceId};
use crate::log::Receipt;

/// A device gives entries back, after [`Resume::Offer`]: checkpoints, then runs one by one, then that it is done. The
/// next part is sent when the relay has answered this one, so a part is all that either side holds.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// What is said.
    #[n(1)]
    pub part: OfferPart,
}

/// A step of an offer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum OfferPart {
    /// Opens it: places of the log that the device knows, ascending, at most
    /// [`CHECKPOINTS_MAX`](crate::limits::CHECKPOINTS_MAX). Answered by [`Wanted`].
    #[n(0)]
    Checkpoints(#[n(0)] Vec<Checkpoint>),
    /// The next entries. Answered by [`Wanted`].
    #[n(1)]
    Run(#[n(0)] Run),
    /// There is nothing more. Answered by [`GrantChanged`] with [`Resume::From`].
    #[n(2)]
    Done,
}

/// A place of a log that a device has everything up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Checkpoint {
    /// The place; always a batch end.
    #[n(0)]
    pub position: Position,
    /// The chain there. It tells one log from any other, whatever epoch they name.
    #[n(1)]
    pub chain: Chain,
}

/// Entries of a log, of any kind, in the order in which it had them.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Run {
    /// They followed this place.
    #[n(0)]
    pub after: Position,
    /// This place was their last. If there are fewer entries than places, the device does not have them all.
    #[n(1)]
    pub upto: Position,
    /// The epoch of the log at that time.
    #[n(2)]
    pub epoch: Epoch,
    /// The entries, with their bytes.
    #[n(3)]
    pub entries: Vec<Entry>,
    /// What the relay once said of exactly these entries.
    #[n(4)]
    pub voucher: Option<Voucher>,
}

/// The relay's own word that a run is of its log: the chain around it, and the receipt for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Voucher {
    /// The chain before the first entry.
    #[n(0)]
    pub before: Chain,
    /// The chain after the last.
    #[n(1)]
    pub chain: Chain,
    /// The receipt for it.
    #[n(2)]
    pub receipt: Receipt,
}

/// The relay has looked at a part of an offer and asks for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Wanted {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// Entries after this place are wanted: where both agree, or the end of the run that was answered.
    #[n(1)]
    pub after: Position,
    /// How many entries of the run were new to the relay and are in its log now.
    #[n(2)]
    pub taken: u64,
}
