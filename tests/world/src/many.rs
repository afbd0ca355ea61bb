//! Many seeds, in processes of their own: what `simulate` and its likes do, and what they say meanwhile.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use sync_wire::planted::Bug;

use crate::run::{self, Range, Summary};
use crate::worker::Worker;

/// How often a long run says where it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Which seeds, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Which.
    pub range: Range,
    /// In so many processes; 0 means one for each core.
    pub jobs: usize,
    /// With a bug planted or none.
    pub bug: Option<Bug>,
}

/// In which words a program says what became of its seeds.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// What a seed is called.
    pub seed: &'static str,
    /// The command that repeats one, up to its number.
    pub repeat: &'static str,
    /// Where those that failed are kept.
    pub kept: &'static str,
    /// How a run went, after so many seconds.
    pub line: fn(&Summary, f64) -> String,
}

/// The bug of a name in `sync_wire::planted`.
///
/// # Errors
/// If there is none.
pub fn bug(name: &str) -> Result<Bug, String> {
    let plain = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let found = Bug::ALL.into_iter().find(|bug| plain(&format!("{bug:?}")) == plain(name));
    found.ok_or_else(|| format!("no bug {name:?}; there are {:?}", Bug::ALL))
}

/// Hands the seeds of a range out to processes of this very program, and says what they found.
///
/// # Errors
/// If a process does not start, or ends.
pub fn run(options: &Options, words: &Words) -> Result<ExitCode> {
    run::sweep();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if options.jobs == 0 { cores } else { options.jobs };
    let program = std::env::current_exe()?;
    let workers = (0..jobs).map(|_| Worker::start(&program, options.bug)).collect::<Result<Vec<_>>>()?;
    let workers = workers.into_iter().map(|mut worker| move |seed| worker.run(seed)).collect();
    let began = Instant::now();
    let said = Mutex::new((began, 0));
    let summary = run::spread(options.range, workers, &|summary| progress(options, words, began, &said, summary))?;
    println!("{}", (words.line)(&summary, began.elapsed().as_secs_f64()));
    Ok(if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn progress(options: &Options, words: &Words, began: Instant, said: &Mutex<(Instant, usize)>, summary: &Summary) {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let Words { seed: word, repeat, kept, line } = words;
    if summary.failures.len() > said.1 {
        said.1 = summary.failures.len();
        for (seed, failure) in summary.failures.iter().filter(|(seed, _)| **seed == summary.latest) {
            let planted = options.bug.map(|bug| format!(" --bug {bug:?}")).unwrap_or_default();
            println!("{word} {seed} failed: {failure}");
            println!("  repeat: {repeat} {seed} --trace{planted}");
            if options.bug.is_none() {
                println!("  keep it, in {kept}: {seed} {}", failure.check);
            }
        }
    }
    if said.0.elapsed() >= PROGRESS_EVERY {
        said.0 = Instant::now();
        eprintln!("{}; up to {word} {}", line(summary, began.elapsed().as_secs_f64()), summary.newest);
    }
}

/// What was run, how fast, and how much of it failed; `word` in the plural.
#[must_use]
pub fn count(summary: &Summary, seconds: f64, word: &str) -> String {
    let Summary { ran, failures, .. } = summary;
    format!("{ran} {word} in {seconds:.1} s ({:.1}/s), {} failed", *ran as f64 / seconds, failures.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_known_by_its_name() {
        assert_eq!(bug("ack-before-commit"), Ok(Bug::AckBeforeCommit));
        assert!(Bug::ALL.into_iter().all(|planted| bug(&format!("{planted:?}")) == Ok(planted)));
        assert!(bug("none").is_err());
    }
}
