//! `sync-server quarantine`: changes that were refused, why, and their bytes while they are kept.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use relay_storage::{QuarantineQuery, RefusedChange};
use sync_wire::ChangeHash;

use super::{Admin, CommandError, Outcome, say, shown_time, space};

/// Refused changes that are read at once.
const PAGE: usize = 1000;

/// `quarantine …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists refused changes, the newest first: hash, time, code, account, space, document, bytes kept
    List {
        /// Of one space only: its id, or its name if only one space has it
        #[arg(long, value_name = "SPACE")]
        space: Option<String>,
    },
    /// Says what is known of a refused change
    Show {
        /// Hash of the change
        hash: ChangeHash,
    },
    /// Writes the bytes of a refused change to a file that is not there yet
    Export {
        /// Hash of the change
        hash: ChangeHash,
        /// Where to
        file: PathBuf,
    },
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::List { space } => list(&admin, space.as_deref()).await?,
        Command::Show { hash } => {
            for change in find(&admin, hash).await? {
                say(shown(&change))?;
            }
        }
        Command::Export { hash, file } => export(&admin, hash, &file).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(admin: &Admin, space: Option<&str>) -> Result<(), CommandError> {
    let space = match space {
        Some(text) => Some(space::find(admin, text).await?.id),
        None => None,
    };
    let mut query = QuarantineQuery { space, ..QuarantineQuery::default() };
    loop {
        let page = admin.storage.quarantine(query, PAGE).await?;
        for change in &page.changes {
            let RefusedChange { hash, space, document, .. } = change;
            let (time, code) = (shown_time(change.decided_at), change.code.name());
            let account = change.account.as_deref().unwrap_or("-");
            let bytes = change.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
            say(format_args!("{hash}\t{time}\t{code}\t{account}\t{space}\t{document}\t{bytes}"))?;
        }
        match page.next {
            Some(next) => query.before = Some(next),
            None => return Ok(()),
        }
    }
}

/// A change may have been refused in several places, and to several devices.
async fn find(admin: &Admin, hash: ChangeHash) -> Result<Vec<RefusedChange>, CommandError> {
    let query = QuarantineQuery { hash: Some(hash), ..QuarantineQuery::default() };
    let changes = admin.storage.quarantine(query, PAGE).await?.changes;
    if changes.is_empty() { Err(unknown(hash)) } else { Ok(changes) }
}

fn unknown(hash: ChangeHash) -> CommandError {
    let detail = format!("no change {hash} was refused; `sync-server quarantine list` names those that were");
    CommandError::new("refused_unknown", detail)
}

fn shown(change: &RefusedChange) -> String {
    let mut lines = vec![
        format!("change      {}", change.hash),
        format!("refused     {}: {}", change.code.name(), change.detail),
        format!("when        {}, limits {}", shown_time(change.decided_at), change.judged_by),
        format!("document    {} in space {}", change.document, change.space),
        format!(
            "pushed by   device {} ({}), batch {}",
            change.device,
            change.account.as_deref().unwrap_or("unknown account"),
            change.batch
        ),
    ];
    lines.extend(change.culprit.map(|culprit| format!("because of  {culprit}")));
    if !change.is_final {
        lines.push("again       it may be pushed without that one".to_owned());
    }
    lines.push(match change.bytes {
        Some(bytes) => format!("kept        {bytes} bytes"),
        None => "kept        nothing: only its fate".to_owned(),
    });
    lines.join("\n")
}

async fn export(admin: &Admin, hash: ChangeHash, file: &Path) -> Result<(), CommandError> {
    let query = QuarantineQuery { hash: Some(hash), ..QuarantineQuery::default() };
    let kept = admin.storage.refused_change(query).await?.ok_or_else(|| unknown(hash))?;
    let Some(bytes) = kept.bytes else {
        let detail = format!("the bytes of change {hash} are not kept any more; the device that made it has them");
        return Err(CommandError::new("refused_bytes_gone", detail));
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error: std::io::Error| {
        CommandError::new("export_failed", format!("cannot write {}: {error}; name another file", file.display()))
    };
    let mut out = options.open(file).map_err(failed)?;
    out.write_all(&bytes).and_then(|()| out.sync_all()).map_err(failed)?;
    say(format_args!("wrote {} bytes to {}", bytes.len(), file.display()))
}
