//! `sync-server doctor`: what is wrong with a relay's state, if anything, at a quick look; `verify` is the thorough
//! one.

use std::process::ExitCode;

use file_systems::Room;

use super::{Admin, Outcome, say, verify};

/// Free bytes below which a warning is due.
const FREE_BYTES_WANTED: u64 = 1 << 30;

pub(super) async fn run(admin: Admin) -> Outcome {
    let mut findings: Vec<String> = surroundings(&admin)?;
    findings.extend(admin.storage.doctor().await?.iter().map(verify::shown));
    if findings.is_empty() {
        say("nothing is wrong")?;
        return Ok(ExitCode::SUCCESS);
    }
    for finding in findings {
        say(finding)?;
    }
    Ok(ExitCode::FAILURE)
}

fn surroundings(admin: &Admin) -> Result<Vec<String>, super::CommandError> {
    let directory = &admin.directory;
    let mut findings = Vec::new();
    let free = Room::of(directory)?.free;
    if free < FREE_BYTES_WANTED {
        findings.push(format!(
            "disk_nearly_full: {free} bytes are free on {}; at least {FREE_BYTES_WANTED} are wanted; make room",
            directory.display()
        ));
    }
    if let Some(file_system) = admin.storage.remote_file_system() {
        findings.push(format!(
            "network_file_system: {} is on {file_system}: commits are slow there, and only one process may have the \
             storage; move the data directory to a local disk",
            directory.display()
        ));
    }
    Ok(findings)
}
