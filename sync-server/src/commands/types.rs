//! `sync-server type`: published document types. A version is never taken back: documents of it may be on devices of
//! which nobody knows (docs/decisions/0024-published-types.md).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use relay_storage::{NewType, Publisher, TypeInfo};

use super::{Admin, CommandError, Outcome, remark, say, shown_time};
use crate::config;
use crate::types::{RefusedType, publish_beside};

/// Types that are read at once.
const PAGE: usize = 256;

/// `type …`
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Publishes files, in any namespace, also while the relay runs
    Add {
        /// The files, called NAME/VERSION.json; earlier versions first
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Lists the newest version of every type: name, version, bytes, who published it, when
    List,
    /// Lists the versions of a type, or writes the file of one
    Show {
        /// The type
        name: String,
        /// The version whose file is wanted
        version: Option<u32>,
    },
}

impl From<RefusedType> for CommandError {
    fn from(error: RefusedType) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

pub(super) async fn run(admin: Admin, command: Command) -> Outcome {
    match command {
        Command::Add { files } => {
            for file in files {
                add(&admin, &file).await?;
            }
        }
        Command::List => {
            let mut after = None;
            loop {
                let page = admin.storage.newest_types(after.take(), PAGE).await?;
                page.iter().try_for_each(list)?;
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some(last.name.clone()),
                    _ => break,
                }
            }
        }
        Command::Show { name, version: None } => {
            let versions = admin.storage.type_versions(&name).await?;
            if versions.is_empty() {
                return Err(unknown(&name, "`sync-server type list` has those that are published"));
            }
            versions.iter().try_for_each(list)?;
        }
        Command::Show { name, version: Some(version) } => {
            let found = admin.storage.published_type(&name, version).await?;
            let wanted = format!("{name} version {version}");
            let found = found.ok_or_else(|| unknown(&wanted, "`sync-server type show NAME` has its versions"))?;
            let mut out = io::stdout().lock();
            out.write_all(found.text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(info: &TypeInfo) -> Result<(), CommandError> {
    let TypeInfo { name, version, bytes, account, published_at, .. } = info;
    let by = account.as_deref().unwrap_or("operator");
    say(format_args!("{name}\t{version}\t{bytes}\t{by}\t{}", shown_time(*published_at)))
}

fn unknown(what: &str, remedy: &str) -> CommandError {
    CommandError::new("type_unknown", format!("{what:.120} is not published; {remedy}"))
}

async fn add(admin: &Admin, file: &Path) -> Result<(), CommandError> {
    let limits = &admin.config.types;
    let (name, version) = named(file)?;
    let text = read(file, limits)?;
    let new = NewType { name, version, text, by: Publisher::Operator };
    match publish_beside(&admin.storage, limits, new).await {
        Ok((info, true)) => say(format_args!("published {} version {}", info.name, info.version)),
        Ok((info, false)) => say(format_args!("{} version {} was published already", info.name, info.version)),
        Err(RefusedType::Findings(error)) => {
            for finding in &error.findings {
                let (line, column) = (finding.line, finding.column);
                remark(format_args!("{}:{line}:{column}: {}: {}", file.display(), finding.code, finding.sentence()));
            }
            let detail = format!("{} findings in {}; mend each of them", error.findings.len(), file.display());
            Err(CommandError::new("type_invalid", detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// Name and version, which are those of the file.
fn named(file: &Path) -> Result<(String, u32), CommandError> {
    let path = std::path::absolute(file)?;
    let directory = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let version = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")?.parse().ok());
    match (directory, version) {
        (Some(name), Some(version)) => Ok((name.to_owned(), version)),
        _ => {
            let detail =
                format!("{} is no NAME/VERSION.json; name the file after its type and version", file.display());
            Err(CommandError::new("type_name_invalid", detail))
        }
    }
}

/// A byte more than may be published, so that it is seen that there is more.
fn read(file: &Path, limits: &config::Types) -> Result<String, CommandError> {
    let failed = |error: io::Error| CommandError::new("io", format!("{}: {error}; check the path", file.display()));
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(limits.file_bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let no_text = |_| CommandError::new("not_text", format!("{} is not UTF-8; save it as UTF-8", file.display()));
    if bytes.len() > limits.file_bytes_max {
        return Err(RefusedType::TooLarge { bytes: bytes.len(), most: limits.file_bytes_max }.into());
    }
    String::from_utf8(bytes).map_err(no_text)
}
