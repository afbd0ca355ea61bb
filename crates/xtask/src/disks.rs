//! `cargo xtask disks`: builds and runs the crash images of `tests/disks`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::{PROFILE, Workspace, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `disks` takes: `--images N`, `--from S`, `--jobs J`, `--bug NAME`, `--first`, `--trace`, `--keep DIRECTORY`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let mut command = workspace.cargo(&["run", "--quiet", "--profile", PROFILE, "--package", "crash-images"]);
    command.args(["--bin", "disks", "--"]).args(&args.args);
    let status = command.status().with_context(|| format!("cannot start {}", shown(&command)))?;
    // Failing images were named already; there is nothing to add.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
