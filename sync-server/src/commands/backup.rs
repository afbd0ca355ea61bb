//! `sync-server backup`: a verified copy of the database, also while the relay runs.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Admin, Outcome};

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to; must not exist
    file: PathBuf,
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    admin.storage.backup(&args.file).await?;
    eprintln!("wrote {}; keep receipt.keys of the data directory with it, in another place", args.file.display());
    Ok(ExitCode::SUCCESS)
}
