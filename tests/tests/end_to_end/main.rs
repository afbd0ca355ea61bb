//! The real programs, end to end. Each file is a family of stories; each test is a claim.

mod world; // a relay and its devices, for one test

mod access; // who may do what, and what the others see
mod faults; // a relay that dies, a network that loses
mod hostile; // garbage at the relay's door
mod offline; // edits without a network, and what becomes of them
mod places; // disks and directories that a vault cannot use
mod reading; // the merged state over HTTP
mod real_data; // files of real people
