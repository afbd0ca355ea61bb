//! The HTTP interface: JSON out, problem details on failure. Handlers never build a status; see [`problem`].

pub mod problem; // start here: how a failure looks from outside
pub mod documents; // the merged state
pub mod history; // who changed what when
pub mod events; // hints that the merged state advanced
pub mod health; // is this process fit for work
pub mod metrics; // numbers, on a listener of their own
pub mod openapi; // the description of all this, for machines
pub mod caching; // what caches may keep
pub mod request_id; // a name for each request
mod request; // parameters
