//! Runs `cargo test` or vitest, passes its output on as it comes, adds up the result lines of the former, and remembers
//! which tests failed: the end of a long output is what is read first.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::shown;

/// Most failed tests that are named at the end.
const NAMED_MAX: usize = 50;

/// What all test binaries together reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// The lines that name a failed test, once each.
    named: Vec<String>,
}

impl Counts {
    /// Runs to the end and adds its results.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<()> {
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", shown(command)))?;
        let stdout = child.stdout.take().context("standard output was piped a line above")?;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read the output of {}", shown(command)))?;
            // The lock is taken per line: the tests' standard error goes to the terminal in between.
            let mut out = std::io::stdout().lock();
            out.write_all(&line)?;
            out.write_all(b"\n")?;
            self.add(&String::from_utf8_lossy(&line));
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("{} failed ({status})", shown(command));
        }
        Ok(())
    }

    /// Adds a line like `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; …`; remembers one
    /// like `test a_claim ... FAILED` or vitest's ` × a claim 1015ms`.
    fn add(&mut self, line: &str) {
        let is_failed = line.starts_with("test ") && line.ends_with("FAILED") || line.trim().starts_with("× ");
        if is_failed && self.named.len() < NAMED_MAX && !self.named.iter().any(|named| named == line.trim()) {
            self.named.push(line.trim().to_owned());
        }
        let Some(fields) = line.strip_prefix("test result: ") else { return };
        for field in fields.split([';', '.']) {
            match field.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for named in &self.named {
            writeln!(f, "{named}")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 { write!(f, ", {} ignored", self.ignored) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_and_everything_else_is_not() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.01s",
            "test a_claim ... ok",
            "test another::claim ... FAILED",
            "   × a page is live 1015ms",
            "   × a page is live 1015ms",
            "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ] {
            counts.add(line);
        }
        assert_eq!((counts.passed, counts.failed, counts.ignored), (13, 2, 1));
        let said = "test another::claim ... FAILED\n× a page is live 1015ms\n13 passed, 2 failed, 1 ignored";
        assert_eq!(counts.to_string(), said);
    }
}
