//! The relay: an append-only log per space, the merged state, accounts, and the HTTP interface to them.
//!
//! Suggested reading order: [`server`] (what runs), [`router`] (what it answers), [`access`] (who may), then
//! [`relay::socket`] and what it names: the life of an edit on this side.

pub mod server; // start here: a relay from opening to stopping
pub mod router; // every route, as data
pub mod access; // who may do what
pub mod relay; // what happens behind /sync
pub mod types; // what documents may say
pub mod projection; // the merged state
pub mod publication; // what everybody may see
pub mod repair; // what a held document has to do without
pub mod explain; // why a document is in the state it is in
pub mod api; // the HTTP interface
pub mod website; // its pages, for browsers
pub mod accept; // connections
pub mod app; // what its parts share
pub mod config; // what can be configured
pub mod data_directory; // where everything lives
pub mod logs; // how it logs
pub mod metrics; // what is measured
pub mod commands; // the command line
#[cfg(feature = "simulation")]
pub mod simulation; // a relay without threads, sockets and clocks
