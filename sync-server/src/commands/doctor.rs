//! `sync-server doctor`: what is wrong with a relay's state, if anything.

use std::process::ExitCode;

use super::{Admin, Outcome, say};
use crate::data_directory;

/// Free bytes below which a warning is due.
const FREE_BYTES_WANTED: u64 = 1 << 30;

pub(super) async fn run(admin: Admin) -> Outcome {
    let mut findings: Vec<(&str, String)> = surroundings(&admin)?;
    findings.extend(admin.storage.doctor().await?.into_iter().map(|finding| (finding.code, finding.detail)));
    if findings.is_empty() {
        say("nothing is wrong")?;
        return Ok(ExitCode::SUCCESS);
    }
    for (code, detail) in findings {
        say(format_args!("{code}: {detail}"))?;
    }
    Ok(ExitCode::FAILURE)
}

fn surroundings(admin: &Admin) -> Result<Vec<(&'static str, String)>, super::CommandError> {
    let directory = &admin.directory;
    let mut findings = Vec::new();
    let free = data_directory::free_bytes(directory)?;
    if free < FREE_BYTES_WANTED {
        let detail =
            format!("{free} bytes are free on {}; at least {FREE_BYTES_WANTED} are wanted", directory.display());
        findings.push(("disk_nearly_full", detail));
    }
    Ok(findings)
}
