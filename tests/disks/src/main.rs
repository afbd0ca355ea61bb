//! `disks`: rebuilds many crash images, and says which were not what they have to be and how to repeat them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use crash_images::number::Images;
use simulated_world::many::{self, Options, Words};
use simulated_world::run::{self, AfterFailure, Place, Range};
use simulated_world::worker;
use sync_wire::planted::Bug;

/// Rebuilds the files of a vault and a relay as a crash may leave them, opens and checks them.
#[derive(Debug, Parser)]
#[command(name = "disks")]
struct Args {
    /// How many images
    #[arg(long, default_value_t = 1500)]
    images: u64,
    /// The first one
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Processes that check images; 0 means one for each core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Plants a bug in what is recorded, by its name in `sync_wire::planted`
    #[arg(long, value_parser = many::bug)]
    bug: Option<Bug>,
    /// Checks no others after a failure
    #[arg(long)]
    first: bool,
    /// Tells of the first image what it is
    #[arg(long)]
    trace: bool,
    /// Writes the files of the first image into a directory, beside `--trace`
    #[arg(long, value_name = "DIRECTORY", requires = "trace")]
    keep: Option<PathBuf>,
    /// Checks the images that standard input names, and says a line of each
    #[arg(long, hide = true, conflicts_with = "trace")]
    worker: bool,
}

const WORDS: Words = Words {
    seed: "image",
    repeat: "cargo xtask disks --from",
    kept: "tests/disks/images.txt",
    line: |summary, seconds| many::count(summary, seconds, "images"),
};

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args {
        Args { worker: true, .. } => serve(args.bug).map(|()| ExitCode::SUCCESS),
        Args { trace: true, .. } => trace(&args),
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
    let mut images = Images::new(place.path(), bug);
    worker::serve(|number| images.run(number), std::io::stdin().lock(), std::io::stdout().lock())
}

fn many(args: &Args) -> Result<ExitCode> {
    let after_failure = if args.first { AfterFailure::Stop } else { AfterFailure::GoOn };
    let range = Range { from: args.from, seeds: args.images, after_failure };
    many::run(&Options { range, jobs: args.jobs, bug: args.bug }, &WORDS)
}

fn trace(args: &Args) -> Result<ExitCode> {
    run::sweep();
    let place = Place::make()?;
    let mut images = Images::new(place.path(), args.bug);
    let numbered = images.find(args.from)?;
    println!("{numbered}");
    if let Some(directory) = &args.keep {
        std::fs::create_dir_all(directory)?;
        for (name, content) in numbered.image() {
            let path = directory.join(name);
            std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(match images.run(args.from)?.failure {
        Some(failure) => {
            println!("image {} failed: {failure}", args.from);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }
}
