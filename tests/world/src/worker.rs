//! Worlds in processes of their own. Threads of one process wait for each other: SQLite's and the allocator's locks,
//! and pages that are mapped and unmapped.
//!
//! The parent writes seeds to a worker's standard input, one at a time, and reads a line about each from its standard
//! output. A worker ends when its input does, so none outlives its parent by more than the world that is under way.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sync_wire::planted::Bug;

use crate::failure::Failure;
use crate::run::Ran;

/// The option of `simulate` and its likes that makes them workers.
pub const OPTION: &str = "--worker";

/// A process that runs worlds.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// None while it is being ended.
    seeds: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a program that has [`OPTION`] as a worker, with a bug planted or none.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(program: &Path, bug: Option<Bug>) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(OPTION).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(bug) = bug {
            command.arg("--bug").arg(format!("{bug:?}"));
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let seeds = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().context("standard output is a pipe")?);
        Ok(Self { child, seeds, lines })
    }

    /// Runs the world of a seed.
    ///
    /// # Errors
    /// If the worker has ended, which only a crash of its process does.
    pub fn run(&mut self, seed: u64) -> Result<Ran> {
        let mut line = String::new();
        // A worker that is gone takes nothing, and says nothing: one remedy for both.
        let asked = self.seeds.as_mut().is_some_and(|seeds| writeln!(seeds, "{seed}").is_ok());
        if !asked || self.lines.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            bail!("the process that ran {seed} ended ({status}); `--from {seed} --trace` repeats it alone");
        }
        ran(&serde_json::from_str(&line)?).with_context(|| format!("a worker said {line:?} of seed {seed}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.seeds.take());
        // It ends by itself, and removes its directory; how does not matter any more.
        let _ = self.child.wait();
    }
}

/// What a worker does: runs each seed that `seeds` names, says a line about each, until there are no more.
///
/// # Errors
/// As `run`, and if a line is no seed.
pub fn serve(mut run: impl FnMut(u64) -> Result<Ran>, seeds: impl BufRead, mut lines: impl Write) -> Result<()> {
    for line in seeds.lines() {
        let line = line?;
        let seed = line.parse().with_context(|| format!("{line:?} is no seed"))?;
        let told = told(&run(seed)?);
        if writeln!(lines, "{told}").and_then(|()| lines.flush()).is_err() {
            break; // The parent is gone, and this was for nobody.
        }
    }
    Ok(())
}

fn told(ran: &Ran) -> Value {
    let failure = ran.failure.as_ref().map(|failure| [&*failure.check, &failure.detail]);
    json!({"steps": ran.steps, "lasted_micros": ran.lasted.as_micros() as u64, "failure": failure})
}

fn ran(told: &Value) -> Option<Ran> {
    let failure = match told.get("failure")? {
        Value::Null => None,
        failure => Some(Failure {
            check: Cow::Owned(failure[0].as_str()?.to_owned()),
            detail: failure[1].as_str()?.to_owned(),
        }),
    };
    let lasted = Duration::from_micros(told.get("lasted_micros")?.as_u64()?);
    Some(Ran { failure, steps: told.get("steps")?.as_u64()?, lasted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{self, Place};
    use crate::world::Watch;

    #[test]
    fn what_a_worker_tells_of_a_world_is_what_it_was() {
        for failure in [None, Some(Failure::new("it settles", "two\nlines"))] {
            let world = Ran { failure: failure.clone(), steps: 12, lasted: Duration::from_millis(3_400) };
            let line = told(&world).to_string();
            assert!(!line.contains('\n'), "{line}");
            let read = ran(&serde_json::from_str(&line).unwrap()).unwrap();
            assert_eq!((read.failure, read.steps, read.lasted), (failure, 12, world.lasted));
        }
    }

    #[test]
    fn a_worker_runs_the_worlds_it_is_asked_for_and_ends_with_its_input() {
        let mut lines = Vec::new();
        let place = Place::make().unwrap();
        let world = |seed| run::seed(seed, None, &place, Watch::default());
        serve(world, &b"7\n3\n"[..], &mut lines).unwrap();
        let expected = [7, 3].map(|seed| told(&world(seed).unwrap()).to_string());
        assert_eq!(String::from_utf8(lines).unwrap().lines().collect::<Vec<_>>(), expected);
        assert!(serve(world, &b"x\n"[..], Vec::new()).is_err());
    }
}
