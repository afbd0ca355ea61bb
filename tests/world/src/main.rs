//! `simulate`: runs the worlds of many seeds, and says which failed and how to repeat them.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use simulated_world::many::{self, Options, Words};
use simulated_world::run::{self, AfterFailure, Place, Range};
use simulated_world::story::Story;
use simulated_world::worker;
use simulated_world::world::Watch;
use sync_wire::planted::Bug;

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
    #[arg(long, value_parser = many::bug)]
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

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args {
        Args { worker: true, .. } => serve(args.bug).map(|()| ExitCode::SUCCESS),
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

fn serve(bug: Option<Bug>) -> Result<()> {
    let place = Place::make()?;
    let world = |seed| run::seed(seed, bug, &place, Watch::default());
    worker::serve(world, std::io::stdin().lock(), std::io::stdout().lock())
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
    let after_failure = if args.first { AfterFailure::Stop } else { AfterFailure::GoOn };
    let range = Range { from: args.from, seeds: args.seeds, after_failure };
    many::run(&Options { range, jobs: args.jobs, bug: args.bug }, &WORDS)
}

const WORDS: Words = Words {
    seed: "seed",
    repeat: "cargo xtask simulate --from",
    kept: "tests/world/seeds.txt",
    line: |summary, seconds| {
        let hours = summary.lasted.as_secs_f64() / 3600.0;
        let count = many::count(summary, seconds, "seeds");
        format!("{count}; {} things happened in {hours:.1} simulated hours", summary.steps)
    },
};

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
