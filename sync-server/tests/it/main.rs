//! The relay from outside: its sockets, its HTTP interface, its command line.

mod author; // makes changes, as a vault would
mod device; // a raw client of `/sync`
mod http; // a raw HTTP client
mod relay; // a relay in this process, and one in its own
mod website; // a page that reads and writes documents

mod routes; // who gets in
mod sessions; // what a device gets
mod presence; // who is where at the moment
mod pages; // the same over HTTP
mod offers; // a device that stands where the log does not
mod access; // grants, tokens and devices that change meanwhile
mod sign_in; // browsers, by a link
mod operator; // what an account has, and the whole relay
mod breaches; // what a device must not do
mod checks; // what is behind the log
mod intake; // what is before it, in spaces with other people
mod poison; // the changes that harm Automerge
mod repairs; // held documents go on, when their owner says so
mod fates; // what was refused, and is refused again
mod quarantine; // what an account does with it
mod documents; // the merged state over HTTP
mod writes; // documents changed, begun and deleted over HTTP
mod keyed; // the same, once however often it is asked for
mod finding; // documents by what is in them, over HTTP
mod conflicts; // what waits for a person, over HTTP
mod ready; // from memory
mod handles; // short names of spaces
mod publishing; // what everybody may see
mod types; // what documents may say
mod history; // what was, over HTTP
mod events; // hints over HTTP
mod care; // the file that everything is in
mod limits; // what an account may have, and how fast it may speak
mod manners; // what every answer has
mod openapi; // the description, held against the real answers
mod measuring; // numbers about all this
mod inline; // the relay without threads, and that planted bugs do harm there
mod process; // the real binary
mod crashes; // the same, killed
