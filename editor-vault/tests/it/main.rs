//! The vault as its hosts use it: saving, reopening, other processes, broken files, and a relay.

mod conflicts; // what a person has to settle
mod deferred; // edits that do not wait
mod deleting; // deletions, and what becomes of them
mod disk; // ends in the middle, damage, what is saved out of it
mod faults; // what is broken outside
mod filling; // changes out of snapshots
mod find; // documents by their fields
mod gathering; // into a large document while it is open
mod history; // what documents were, and taking back
mod house; // vaults in directories of their own
mod inline; // on one thread, as a simulated world runs it
mod late; // snapshots loaded by their first reader
mod killed; // processes that end without warning
mod intake; // stored, and not checked yet
mod listing; // what is in a vault
mod live; // answers that are kept current
mod login; // from a local space to an account
mod memory; // what stays loaded
mod model; // whatever happens, beside a document that somebody could explain
mod offering; // a relay that lost the end of a log
mod own_types; // document types of the host's own
mod parking; // what waits for something that no time brings
mod poison; // changes that harm Automerge, out of a log
mod presence; // who is in a document at the moment
mod processes; // several at once
mod recovery; // what a relay refuses, and vaults that were copied
mod relay; // a relay in a few lines
mod saving; // durable edits
mod search; // documents by their words
mod squashing; // parked edits said in one go
mod syncing; // through that relay
mod typed; // as Rust types of the host
mod verifying; // the thorough look, derived data made again, explanations
mod voids; // repairs that come with the log
