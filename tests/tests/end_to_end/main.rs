//! The real programs, end to end. Each file is a family of stories; each test is a claim.

mod client; // a device that pushes and writes down every ack
mod log; // the whole log of a relay, read by a newcomer
mod mount; // small file systems
mod program; // this executable, started again
mod socket; // a WebSocket by hand
mod world; // a relay and its devices, for one test

mod access; // who may do what, and what the others see
mod bridges; // files that follow their vaults
mod contract; // the HTTP interface beside its description
mod copies; // vaults that were copied or put back
mod crowds; // more connections than file descriptors
mod cycles; // relays and vaults put back or cloned, again and again
mod deleting; // deletions between devices
mod demo; // the story that newcomers see
mod differential; // saved documents, read by Automerge for JavaScript
mod faults; // a relay that dies, a network that loses
mod finding; // documents by what is in them, in a vault and over HTTP
mod hostile; // garbage at the relay's door
mod injected; // system calls that fail
mod kill; // kill -9 at any instant, again and again
mod narrow; // networks that are very slow
mod offline; // edits without a network, and what becomes of them
mod partitions; // networks that are slow and fail in every way, again and again
mod parked; // what a relay cannot take now, and how it goes on
mod quarantine; // what a relay never takes, and how it is said again
mod places; // disks and directories that a vault cannot use
mod room; // disks that are nearly full, and damage
mod processes; // many programs on one vault
mod presence; // who is in a document at the moment
mod reading; // the merged state over HTTP
mod real_data; // files of real people
mod repairs; // held documents go on, when their owner says so
mod restored; // relays that were put back to a backup, or replaced
mod real_traces; // two people who typed at the same time
mod scarce; // disks that fill, and get room again
mod soak; // a relay for a long time
mod teams; // edits that others get only after their check
mod types; // document types of third parties
mod versions; // newer programs, wires and files
