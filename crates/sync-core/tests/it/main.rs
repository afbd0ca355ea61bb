//! The machines against each other: a vault and a relay that live in memory, frames that travel as bytes, and the
//! schedules that `docs/protocol.md` gives as reasons for its rules.

mod alone; // one machine by itself
mod world; // a relay, devices and the link between them

mod bootstrap; // a device that is new to a space
mod credit; // nobody sends more than the other side allowed
mod grants; // given, changed and taken while connected
mod intake; // stored, and not checked yet
mod lanes; // a failure in one document delays no other
mod links; // what happens between connections
mod outbox; // what a device reads of its outbox, and has unanswered
mod offers; // a relay that lost the end of its log
mod presence; // passed on, and in nobody's way
mod receiving; // what a device takes of what a relay delivers
mod resume; // only `Deliver` moves the resume point
mod schedules; // random faults: everything arrives once
