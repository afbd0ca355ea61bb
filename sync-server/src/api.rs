//! The HTTP interface: JSON out, problem details on failure. Handlers never build a status; see [`problem`].

pub mod problem; // start here: how a failure looks from outside
pub mod front; // what every request passes
pub mod guard; // what a request to one route passes
pub mod session; // a browser signs in, and out
pub mod spaces; // what the caller's account has: spaces, devices
pub mod operator; // the whole relay, for who runs it
pub mod documents; // the merged state
pub mod writes; // documents changed, begun, deleted
pub mod find; // by what is in them
pub mod conflicts; // what waits for a person
pub mod history; // who changed what when
pub mod publication; // what everybody may see
pub mod types; // document types of third parties
pub mod quarantine; // what was refused
pub mod repair; // held documents go on, when their owner says so
pub mod events; // hints that the merged state advanced
pub mod presence; // who is in a document at the moment
pub mod website; // pages, for browsers
pub mod health; // is this process fit for work
pub mod metrics; // numbers, on a listener of their own
pub mod openapi; // the description of all this, for machines
pub mod ready; // answers kept in memory
pub mod paths; // which document a path names
mod rendered; // one answer, ready to be sent
mod encoding; // compressed forms
mod caching; // what caches may keep
mod request_id; // a name for each request
mod request; // parameters
mod body; // what comes behind the head
