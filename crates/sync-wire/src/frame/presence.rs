//! Who is in a document at the moment. The one thing that is told and never kept: nothing here is in a log, has a place
//! or is answered, and a frame that is lost is made up for by the next.

use minicbor::{Decode, Encode};

use super::Blob;
use crate::ids::{AccountId, DeviceId, DocumentId, SpaceId};

/// A device is in a document, or no longer. The relay knows whose it is from the connection; nothing here says so.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShowPresence {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// What the others are shown, by convention a JSON text; at most [`crate::limits::PRESENCE_BYTES_MAX`] bytes. None:
    /// the device leaves.
    #[n(2)]
    pub content: Option<Blob>,
}

/// Another device is in a document, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Presence {
    /// The space.
    #[n(0)]
    pub space: SpaceId,
    /// The document.
    #[n(1)]
    pub document: DocumentId,
    /// Whose device it is.
    #[n(2)]
    pub account: AccountId,
    /// Which one.
    #[n(3)]
    pub device: DeviceId,
    /// What it shows, as it was sent. None: it is gone.
    #[n(4)]
    pub content: Option<Blob>,
}
