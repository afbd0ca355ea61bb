//! What any backend of relay-storage must do, written against its public API alone.

mod world; // a relay to talk to, and authors who write changes

mod accounts; // accounts, tokens, devices
mod admission; // the rules of the log
mod appending; // positions, chain, receipts, duplicates, durability
mod checking; // checked positions, snapshots, projections
mod deletion; // tombstones and restores
mod publishing; // what everybody may see
mod purge; // what is left of a document some time after
mod finding; // what documents are found by
mod fates; // refused changes and their quarantine
mod file; // opening, damage, versions, backup, doctor
mod grants; // spaces, roles, and what they let one append
mod keyed; // requests that must not be done twice
mod intake; // what waits for its check in spaces with other people
mod model; // all of that at random, beside a naive reading of the rules
mod quotas; // how much an account may have in logs
mod offers; // what devices give back to a log that lost its end
mod reading; // pages, cursors, bootstrap
mod verifying; // the thorough look, derived data made again, explanations
mod handles; // short names of spaces
mod web_sessions; // browsers that are signed in
mod types; // what third parties publish
mod voids; // entries that exclude others
