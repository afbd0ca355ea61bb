//! Both halves of the sync protocol as pure state machines: no clock, no socket, no disk, no randomness.
//!
//! [`client::Client`] is the device's half, [`session::Session`] the relay's. Each takes one [`client::Input`] (or
//! [`session::Input`]) with the time at which it happened and appends [`client::Effect`]s (or [`session::Effect`]s)
//! that a shell performs in order, feeding results back as inputs. Three shells exist: the vault's driver, the
//! relay's socket, and the simulator.
//!
//! The rules are those of `docs/protocol.md`; the schedules that forced them are tests of this crate.

pub mod time; // instants that a shell supplies
pub mod backoff; // how long to wait before reconnecting
pub mod client; // the device's half
pub mod session; // the relay's half
