//! What travels between a device and the relay: ids, frames, the codec and its limits. No behaviour.
//!
//! The byte-level description, with test vectors that this crate's tests read, is `docs/protocol.md`.
//!
//! Suggested reading order: [`ids`], [`frame`], [`codec`], [`limits`], then [`log`] (the digest chain that both
//! sides compute).

pub mod codec; // bytes <-> frames, limits checked before allocation
pub mod frame; // every frame, both directions
pub mod ids; // identities: space, document, device, batch, change
pub mod limits; // constants of protocol version 1
pub mod log; // digests, chain and receipts of a log
pub mod planted; // mistakes that the simulated world must find; absent from what ships
mod strict; // the CBOR we accept
mod void; // what an entry says that excludes others

pub use codec::{
    DecodeError, append_relay_frame, decode_device_frame, decode_relay_frame, encode_device_frame, encode_relay_frame,
};
pub use frame::*;
pub use ids::*;
pub use void::{Dependent, Void, VoidError};
