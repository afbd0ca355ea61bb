//! `sync-server backup`: a verified copy of the database, also while the relay runs.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Admin, Outcome, remark};

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to; must not exist
    file: PathBuf,
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    admin.storage.backup(&args.file).await?;
    let shown = args.file.display();
    remark(format_args!("wrote {shown}; keep receipt.keys of the data directory with it, in another place"));
    Ok(ExitCode::SUCCESS)
}
