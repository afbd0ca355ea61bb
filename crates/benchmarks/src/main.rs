//! Workloads, each printed as one line beside the fsync time of the run: figures mean little without the disk.
//!
//! The relay is a process of its own, as it is in life; vaults are in this process, as they are in an editor.

mod disk; // what an fsync costs here, and what machine this is
mod report; // figures as one line
mod workloads; // one file each

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use system_tests::{Programs, Relay};
use tempfile::TempDir;

use report::Line;

#[derive(Parser)]
#[command(name = "bench", about = "Measures the vault and the relay")]
struct Args {
    /// Short runs
    #[arg(long)]
    quick: bool,
    /// Only the workloads whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Serves one fixed body over bare axum until killed: the peer of the workload `http-read`
    #[arg(long, hide = true, value_name = "FILE")]
    serve_bare: Option<PathBuf>,
}

/// How much work a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    Quick,
    Full,
}

impl Effort {
    fn pick(self, quick: usize, full: usize) -> usize {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// What every workload begins with: programs, an empty directory and how hard to try.
struct Bench {
    programs: Programs,
    directory: TempDir,
    effort: Effort,
}

impl Bench {
    fn new(effort: Effort) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("symphony-bench-").tempdir()?;
        Ok(Self { programs: Programs::beside_this_executable()?, directory, effort })
    }

    fn relay(&self) -> Result<Relay> {
        Relay::start(&self.programs, &self.directory.path().join("relay"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

type Workload = fn(&Bench) -> Result<Vec<Line>>;

const WORKLOADS: [(&str, Workload); 7] = [
    ("ingest", workloads::ingest::run),
    ("fan-out", workloads::fan_out::run),
    ("cold-sync", workloads::cold_sync::run),
    ("reconnect", workloads::reconnect::run),
    ("vault-edit", workloads::vault_edit::run),
    ("warm-read", workloads::warm_read::run),
    ("http-read", workloads::http_read::run),
];

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(body) = args.serve_bare {
        return workloads::http_read::serve_bare(&body);
    }
    document::quiet_panics();
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    println!("{}", disk::machine());
    for (name, run) in WORKLOADS {
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let bench = Bench::new(effort)?;
        let fsync = disk::fsync_time(bench.directory.path())?;
        for line in run(&bench)? {
            println!("{name:<11} {line}   [fsync {fsync}]");
        }
    }
    Ok(())
}
