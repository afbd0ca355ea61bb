//! What happens behind `/sync`: one session per device, one write path, one read path, hints between them.

pub mod append; // the only write path
pub mod check;
pub mod hub; // who wants to hear of which space
pub mod read; // delivery, from memory or storage
pub mod sessions; // who is connected
pub mod socket; // start here: the shell of one session // applies what was appended, behind the log
