//! The real `vault` binary, run as people and scripts run it, for everything that needs no relay.

mod backup;
#[cfg(unix)]
mod bridge;
mod deleting;
mod documents;
mod finding;
mod history;
mod foreign;
mod keymap;
mod login;
mod patching;
mod places;
mod presence;
mod publication;
mod quarantine;
mod repair;
mod run;
mod schema;
mod settings;
mod types;
mod usage;
