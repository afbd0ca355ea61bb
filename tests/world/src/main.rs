//! `simulate`: runs the worlds of many seeds, and says which failed and how to repeat them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use simulated_world::run::{self, AfterFailure, Place, Range, Summary};
use simulated_world::story::Story;
use simulated_world::worker::{self, Worker};
use simulated_world::world::Watch;
use sync_wire::planted::Bug;

/// How often a long run says where it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Runs simulated worlds: devices, links, a relay and every fault, under one seed each.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Processes that run worlds; 0 means one for each core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Plants a bug in every world, by its name in `sync_wire::planted`
    #[arg(long, value_parser = bug)]
    bug: Option<Bug>,
    /// Runs no others after a failure
    #[arg(long)]
    first: bool,
    /// Tells the story of the first seed
    #[arg(long, conflicts_with = "hash")]
    trace: bool,
    /// Prints one digest over everything that happens in these worlds, instead of checking them
    #[arg(long)]
    hash: bool,
    /// Runs the seeds that standard input names, and says a line of each
    #[arg(long, hide = true, conflicts_with_all = ["trace", "hash"])]
    worker: bool,
}

fn bug(name: &str) -> Result<Bug, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let found = Bug::ALL.into_iter().find(|bug| plain(&format!("{bug:?}")) == plain(name));
    found.ok_or_else(|| format!("no bug {name:?}; there are {:?}", Bug::ALL))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args {
        Args { worker: true, .. } => {
            worker::serve(args.bug, std::io::stdin().lock(), std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
        }
        Args { trace: true, .. } => trace(&args),
        Args { hash: true, .. } => hash(&args),
        _ => many(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trace(args: &Args) -> Result<ExitCode> {
    run::sweep();
    let watch = Watch { story: Story::Told, ..Watch::default() };
    let ran = run::seed(args.from, args.bug, &Place::make()?, watch)?;
    println!("{} things happened in {:.1} s", ran.steps, ran.lasted.as_secs_f64());
    Ok(match ran.failure {
        Some(failure) => {
            println!("seed {} failed: {failure}", args.from);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

fn hash(args: &Args) -> Result<ExitCode> {
    if args.bug.is_some() {
        bail!("--hash compares sound worlds; leave --bug out");
    }
    println!("{}", run::digest_of(args.from, args.seeds)?);
    Ok(ExitCode::SUCCESS)
}

fn many(args: &Args) -> Result<ExitCode> {
    run::sweep();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if args.jobs == 0 { cores } else { args.jobs };
    let program = std::env::current_exe()?;
    let workers = (0..jobs).map(|_| Worker::start(&program, args.bug)).collect::<Result<Vec<_>>>()?;
    let workers = workers.into_iter().map(|mut worker| move |seed| worker.run(seed)).collect();
    let after_failure = if args.first { AfterFailure::Stop } else { AfterFailure::GoOn };
    let range = Range { from: args.from, seeds: args.seeds, after_failure };
    let began = Instant::now();
    let said = Mutex::new((began, 0));
    let summary = run::spread(range, workers, &|summary| progress(args, began, &said, summary))?;
    println!("{}", line(&summary, began));
    Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(args: &Args, began: Instant, said: &Mutex<(Instant, usize)>, summary: &Summary) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if summary.failures.len() > said.1 {
        said.1 = summary.failures.len();
        for (seed, failure) in summary.failures.iter().filter(|(seed, _)| **seed == summary.latest) {
            let planted = args.bug.map(|bug| format!(" --bug {bug:?}")).unwrap_or_default();
            println!("seed {seed} failed: {failure}");
            println!("  repeat: cargo xtask simulate --from {seed} --trace{planted}");
            if args.bug.is_none() {
                println!("  keep it, in tests/world/seeds.txt: {seed} {}", failure.check);
            }
        }
    }
    if said.0.elapsed() >= PROGRESS_EVERY {
        said.0 = Instant::now();
        eprintln!("{}; up to seed {}", line(summary, began), summary.newest);
    }
}

fn line(summary: &Summary, began: Instant) -> String {
    let took = began.elapsed().as_secs_f64();
    format!(
        "{} seeds in {took:.1} s ({:.1}/s), {} failed; {} things happened in {:.1} simulated hours",
        summary.ran,
        summary.ran as f64 / took,
        summary.failures.len(),
        summary.steps,
        summary.lasted.as_secs_f64() / 3600.0
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_knows_every_bug() {
        Args::command().debug_assert();
        assert_eq!(bug("ack-before-commit"), Ok(Bug::AckBeforeCommit));
        assert!(bug("none").is_err());
    }
}
