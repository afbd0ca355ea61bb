//! What happens behind `/sync`: one session per device, one write path, one read path, hints between them.

pub mod socket; // start here: the shell of one session
pub mod append; // the only write path
pub mod author; // what comes over HTTP, made and pushed here
pub mod offer; // what devices give back to a log that lost its end
pub mod read; // delivery, from memory or storage
pub mod hub; // who wants to hear of which space
pub mod presence; // who is in which document at the moment
pub mod check; // applies what was appended, behind the log
pub mod quarantine; // what was refused, for its author
pub mod repair; // held documents go on, when their owner says so
pub mod gate; // whether edits are taken at all
pub mod care; // room on the disk, and looks at what is kept
pub mod purge; // what becomes of deleted documents
pub mod sessions; // who is connected
pub mod overview; // all of it in a few numbers
pub mod rates; // how fast the devices of an account may speak
pub mod runtime; // where long work is done
