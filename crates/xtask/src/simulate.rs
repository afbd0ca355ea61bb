//! `cargo xtask simulate`: builds and runs the simulated worlds of `tests/world`.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace::{PROFILE, Workspace, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `simulate` takes: `--seeds N`, `--from S`, `--jobs J`, `--bug NAME`, `--first`, `--trace`, `--hash`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let mut command = workspace.cargo(&["run", "--quiet", "--profile", PROFILE, "--package", "simulated-world"]);
    command.args(["--bin", "simulate", "--"]).args(&args.args);
    let status = command.status().with_context(|| format!("cannot start {}", shown(&command)))?;
    // Failing seeds were named already; there is nothing to add.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
