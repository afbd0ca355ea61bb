//! Relays and devices as real processes, and the faults between them.
//!
//! The end-to-end tests, the demo and the benches all drive the product through this one door: [`Relay`] and
//! [`Device`] run the programs that a user runs, [`Wire`] is the network between them.

#![warn(missing_docs)]

mod device; // the `vault` command in a directory of its own
mod programs; // where the two programs are
mod relay; // a `sync-server` process and its administration
mod wire; // a network that can lose what we want it to lose
mod gate; // a network on which pushes arrive when we say so
mod weather; // a network that is slow, and fails in every way there is
mod trace; // recorded editing sessions
mod chance; // what tests draw

pub mod demo; // a story that runs all of it

pub use chance::Chance;
pub use device::{Answer, Device, Online};
pub use gate::Gate;
pub use programs::{Programs, under};
pub use relay::{Account, Relay, Response};
pub use trace::{Patch, Run, Trace};
pub use weather::{Network, Partition, Weather};
pub use wire::{Fault, Traffic, Wire};
