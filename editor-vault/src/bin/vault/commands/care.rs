//! `vault init`, `vault backup`, `vault doctor`, `vault verify`: the vault as a whole.

use std::path::Path;

use editor_vault::{Finding, Rebuilt, Salvaged, Severity, Vault};
use serde_json::json;

use crate::cli::VerifyArguments;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Makes a vault; one that is there already stays as it is.
pub(crate) fn init(directory: &Path, output: &mut Output) -> Result<(), Failure> {
    let was_there = directory.join("vault.sqlite").exists();
    let vault = Vault::open(directory)?;
    let (shown, device) = (directory.display(), vault.device());
    let done = if was_there { "there is a vault already in" } else { "made a vault in" };
    let json = json!({ "vault": shown.to_string(), "device": device.to_string(), "created": !was_there });
    output.result(format_args!("{done} {shown}\ndevice {device}"), &json)
}

/// Copies the vault into a new file.
pub(crate) fn backup(vault: &Vault, file: &Path, output: &mut Output) -> Result<(), Failure> {
    if file.exists() {
        let sentence =
            format!("{} is there already, and a backup never replaces a file: name a new one", file.display());
        return Err(Failure::failed("file_exists", sentence));
    }
    vault.backup(file)?;
    let bytes = std::fs::metadata(file).map_err(|error| Failure::file("read", file, &error))?.len();
    let json = json!({ "file": file.display().to_string(), "bytes": bytes });
    output.result(format_args!("copied the vault into {} ({bytes} bytes) and checked the copy", file.display()), &json)
}

/// Saves what is sound in a damaged vault into a new one.
pub(crate) fn salvage(damaged: &Path, into: &Path, output: &mut Output) -> Result<(), Failure> {
    let Salvaged { documents, changes, damaged: spoiled, unreadable, renamed, .. } = Vault::salvage(damaged, into)?;
    let mut lines = vec![format!("saved {changes} changes of {documents} documents into {}", into.display())];
    if spoiled > 0 {
        lines.push(format!("{spoiled} changes are not what they were, and were left behind"));
    }
    if unreadable > 0 {
        lines.push(format!("{unreadable} places of the file could not be read"));
    }
    if renamed > 0 {
        lines.push(format!("the ids of {renamed} documents are lost: they have new ones"));
    }
    lines.push("log in there and sync: what the relay has comes back, and gets what it lacks".to_owned());
    let json = json!({ "vault": into.display().to_string(), "documents": documents, "changes": changes,
        "damaged": spoiled, "unreadable": unreadable, "renamed": renamed });
    output.result(lines.join("\n"), &json)
}

/// Lists what a quick look finds. Damage fails; what somebody should look at needs a person.
pub(crate) fn doctor(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    report(&vault.doctor()?, None, output)
}

/// Reads and checks everything, after making derived data again if that is asked for.
pub(crate) fn verify(vault: &Vault, arguments: &VerifyArguments, output: &mut Output) -> Result<(), Failure> {
    let rebuilt = if arguments.rebuild { Some(vault.rebuild()?) } else { None };
    report(&vault.verify()?, rebuilt, output)
}

fn report(findings: &[Finding], rebuilt: Option<Rebuilt>, output: &mut Output) -> Result<(), Failure> {
    let json = findings.iter().map(|finding| {
        json!({ "severity": severity_name(finding.severity), "code": finding.code, "detail": finding.detail })
    });
    let mut json = json!({ "findings": json.collect::<Vec<_>>() });
    let mut lines: Vec<String> = Vec::new();
    if let Some(Rebuilt { snapshots_dropped, documents, .. }) = rebuilt {
        json["rebuilt"] = json!({ "snapshots_dropped": snapshots_dropped, "documents": documents });
        lines.push(format!("dropped {snapshots_dropped} snapshots and put {documents} documents together anew"));
    }
    let shown =
        |finding: &Finding| format!("{}[{}]: {}", severity_name(finding.severity), finding.code, finding.detail);
    lines.extend(findings.iter().map(shown));
    if findings.is_empty() {
        lines.push("nothing is wrong".to_owned());
    }
    output.result(lines.join("\n"), &json)?;
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Error) => {
            Err(Failure::failed("damaged", "the vault is damaged as listed: restore a backup, or follow the remedies"))
        }
        Some(Severity::Warning) => {
            Err(Failure::new(Exit::NeedsPerson, "findings", "somebody should look at what is listed"))
        }
        Some(Severity::Note) | None => Ok(()),
    }
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
