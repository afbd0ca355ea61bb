//! The HTTP interface: JSON out, problem details on failure. Handlers never build a status; see [`problem`].

pub mod problem; // start here: how a failure looks from outside
pub mod documents; // the merged state
pub mod health; // is this process fit for work
