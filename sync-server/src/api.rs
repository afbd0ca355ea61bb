//! The HTTP interface: JSON out, problem details on failure. Handlers never build a status; see [`problem`].

pub mod documents; // the merged state
pub mod health;
pub mod problem; // start here: how a failure looks from outside // is this process fit for work
