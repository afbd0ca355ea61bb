//! Workloads, each printed as one line beside the fsync time of the run: figures mean little without the disk.
//!
//! The relay is a process of its own, as it is in life; vaults are in this process, as they are in an editor.

mod report; // figures as one line, with the goal
mod disk; // what this machine can do at best
mod meter; // what a process costs
mod device; // a device that speaks the wire and keeps nothing
mod workloads; // one file each
mod trace; // an editing trace through a real relay
#[cfg(feature = "peers")]
mod peers; // samod beside us

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use system_tests::{Programs, Relay};
use tempfile::TempDir;

use report::{Line, MARKDOWN_HEAD};

#[derive(Parser)]
#[command(name = "bench", about = "Measures the vault and the relay")]
struct Args {
    /// Short runs
    #[arg(long)]
    quick: bool,
    /// Only the workloads whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Prints a Markdown table, as docs/benchmarks.md has it
    #[arg(long)]
    markdown: bool,
    /// Replays an editing trace through a relay and vaults, and measures nothing else
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Devices that the trace's text reaches, those of its authors included
    #[arg(long, value_name = "N", default_value_t = 2, requires = "trace")]
    devices: usize,
    /// Serves one fixed body over bare axum until killed: the peer of the workload `http-read`
    #[arg(long, hide = true, value_name = "FILE")]
    serve_bare: Option<PathBuf>,
    /// Attacks a relay as it is told to on standard input: the other side of the workload `attack`
    #[arg(long, hide = true)]
    raid: bool,
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

/// What one account may send in a second is a matter of fairness, not of speed.
const AS_FAST_AS_IT_CAN: &str = "\
[limits]
account_bytes_max = 1_000_000_000_000
frames_per_second = 0
bytes_per_second = 0
operations_per_second = 0
shared_bytes_per_second = 0
shared_operations_per_second = 0
";

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
        self.relay_with("")
    }

    /// A relay with these lines in its configuration.
    fn relay_with(&self, config: &str) -> Result<Relay> {
        let data = self.path("relay");
        std::fs::create_dir_all(&data)?;
        std::fs::write(data.join("config.toml"), format!("{config}\n{AS_FAST_AS_IT_CAN}"))?;
        Relay::start(&self.programs, &data)
    }

    /// A relay with the limits that it has if nobody configures any.
    fn relay_as_shipped(&self) -> Result<Relay> {
        Relay::start(&self.programs, &self.path("relay"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

type Workload = fn(&Bench) -> Result<Vec<Line>>;

const WORKLOADS: &[(&str, Workload)] = &[
    ("ingest", workloads::ingest::run),
    ("large-text", workloads::large_text::run),
    ("fan-out", workloads::fan_out::run),
    ("cold-sync", workloads::cold_sync::run),
    ("reconnect", workloads::reconnect::run),
    ("idle", workloads::idle::run),
    ("vault-edit", workloads::vault_edit::run),
    ("warm-read", workloads::warm_read::run),
    ("open", workloads::open_vault::run),
    ("http-read", workloads::http_read::run),
    ("hand-over", workloads::hand_over::run),
    ("attack", workloads::attack::run),
    #[cfg(feature = "peers")]
    ("peers", peers::run),
];

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(body) = &args.serve_bare {
        return workloads::http_read::serve_bare(body);
    }
    if args.raid {
        return workloads::attack::attack();
    }
    document::quiet_panics();
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    if let Some(file) = &args.trace {
        println!("{}", disk::machine());
        return trace::run(&Bench::new(effort)?, file, args.devices);
    }
    println!("{}", disk::machine());
    if args.markdown {
        println!("\n{MARKDOWN_HEAD}");
    }
    for (name, run) in WORKLOADS {
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let bench = Bench::new(effort)?;
        let fsync = disk::fsync_times(bench.directory.path())?;
        for line in run(&bench)? {
            match args.markdown {
                true => println!("{}", line.markdown(name, &fsync)),
                false => println!("{name:<11} {line}   [fsync {fsync}]"),
            }
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
