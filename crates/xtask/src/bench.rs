//! `cargo xtask bench`: builds and runs the workloads of `crates/benchmarks`.

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::{PROFILE, Workspace, succeed};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A minute instead of many: one short run per workload
    #[arg(long)]
    quick: bool,
    /// Only the workloads whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    // A full run measures what is shipped; a quick one reuses the build of the tests.
    let profile = if args.quick { PROFILE } else { "release" };
    let packages = ["--package", "benchmarks", "--package", "editor-vault", "--package", "sync-server"];
    succeed(workspace.cargo(&["build", "--profile", profile, "--bins"]).args(packages))?;
    let mut command = workspace.cargo(&["run", "--quiet", "--profile", profile, "--package", "benchmarks", "--"]);
    if args.quick {
        command.arg("--quick");
    }
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    succeed(&mut command)?;
    Ok(ExitCode::SUCCESS)
}
