//! A world of devices, links and a relay under one seed: the real machines on real files, one clock, one source of
//! chance, and every fault an option with a probability.
//!
//! Workloads do what users do and know nothing of checks; checks know nothing of workloads. Both go by the ledger.

pub mod world; // start here: what happens, in order
pub mod run; // one seed, many seeds
pub mod many; // what a run over many seeds says
pub mod worker; // worlds in processes of their own
pub mod faults; // what goes wrong, and how often
pub mod workload; // what users do
pub mod ledger; // what was promised
pub mod check; // whether it was kept
pub mod oracle; // what the log means, naively
pub mod device; // a vault, its sync and its machine
pub mod edition; // the program of today, and that of tomorrow
pub mod foreign; // a program without a vault
pub mod attacker; // a program that breaks every rule
pub mod relay; // storage and sessions
pub mod link; // bytes in flight
pub mod disk; // files, and what is left of them
pub mod template; // what every world begins with
pub mod schedule; // what is due when
pub mod clock; // time
pub mod rng; // chance
pub mod failure; // what a check found
pub mod fingerprint; // one digest over everything
pub mod story; // what happened, for people
