//! `cargo xtask bench`: builds and runs the workloads and benches of `crates/benchmarks`.

mod instructions; // counts under valgrind

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::workspace::{PROFILE, Workspace, succeed};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A minute instead of many: one short run per workload
    #[arg(long)]
    quick: bool,
    /// Only the workloads or parts whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Prints the table of docs/benchmarks.md
    #[arg(long)]
    markdown: bool,
    /// Measures samod in the same run
    #[arg(long)]
    peers: bool,
    /// Replays an editing trace through a relay and vaults
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "markdown", "peers"])]
    trace: Option<PathBuf>,
    /// Devices that the trace's text reaches, those of its authors included
    #[arg(long, value_name = "N", requires = "trace")]
    devices: Option<usize>,
    /// The parts of the hot paths instead, one by one
    #[arg(long, conflicts_with_all = ["markdown", "peers", "trace"])]
    parts: bool,
    /// Counts the instructions of the parts instead, where valgrind is
    #[arg(long, conflicts_with_all = ["only", "markdown", "peers", "trace", "parts"])]
    instructions: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    // A full run measures what is shipped; a quick one reuses the build of the tests.
    let profile = if args.quick { PROFILE } else { "release" };
    if args.instructions {
        // Never in release: the counter begins at a function that it knows by name, and release is stripped of names.
        instructions::run(workspace, PROFILE)?;
    } else if args.parts {
        let parts = ["bench", "--profile", profile, "--package", "benchmarks", "--bench", "parts", "--"];
        succeed(workspace.cargo(&parts).args(&args.only))?;
    } else {
        workloads(workspace, args, profile)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn workloads(workspace: &Workspace, args: &Args, profile: &str) -> Result<()> {
    let features: &[&str] = if args.peers { &["--features", "benchmarks/peers"] } else { &[] };
    let packages = ["--package", "benchmarks", "--package", "editor-vault", "--package", "sync-server"];
    succeed(workspace.cargo(&["build", "--profile", profile, "--bins"]).args(packages).args(features))?;
    // As it was built: `cargo run` of one package alone would choose other features, and build again.
    let directory = workspace.target().join(profile);
    let mut command = Command::new(directory.join(format!("bench{}", std::env::consts::EXE_SUFFIX)));
    for (flag, is_set) in [("--quick", args.quick), ("--markdown", args.markdown)] {
        command.args(is_set.then_some(flag));
    }
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    if let Some(trace) = &args.trace {
        let trace = trace.canonicalize().with_context(|| format!("there is no trace {}", trace.display()))?;
        command.arg("--trace").arg(trace);
    }
    if let Some(devices) = args.devices {
        command.args(["--devices", &devices.to_string()]);
    }
    succeed(&mut command)
}
