//! `cargo xtask test`: everything that must hold before a change is taken, in one command.
//!
//! Tools first, so that nothing is compiled in vain; then the steps of [`Step`] in order. All steps use one profile and
//! the whole workspace, so that each dependency is built once.

mod counts;
mod tools;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::website::Website;
use crate::workspace::{PROFILE, Workspace, succeed};
use crate::{generate, schema, tidy};
use counts::Counts;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leaves a step out; the run then ends with `NOT RUN: …`. Refused where CI is set
    #[arg(long, value_name = "NAME")]
    without: Vec<Step>,
    /// The same as `--without doc --without checked --without end-to-end --without browser`
    #[arg(long)]
    quick: bool,
}

/// The steps, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Format,
    Lints,
    Tidy,
    Schemas,
    Website,
    Build,
    Generated,
    Unit,
    Doc,
    Integration,
    Checked,
    EndToEnd,
    Browser,
}

/// What is judged otherwise when Automerge is compiled with assertions and overflow checks.
/// Nothing else is compiled so.
const CHECKED: &[&str] =
    &["test", "--profile", "checked", "--package", "document", "--test", "it", "--", "poison::", "header::"];

/// How a step went.
struct Outcome {
    step: Step,
    passed: bool,
    took: Duration,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let left_out = args.left_out(std::env::var_os("CI").is_some())?;
    if let Err(missing) = tools::check() {
        println!("{missing}");
        return Ok(ExitCode::from(2));
    }
    let data = RealData::find(workspace);
    let mut counts = Counts::default();
    let mut outcomes = Vec::new();
    // Of a website without pages in a browser there is nothing to run.
    let has_pages = Website::of(workspace).has_browser_tests();
    let is_there = |step: &Step| *step != Step::Browser || has_pages;
    for step in Step::value_variants().iter().copied().filter(|step| !left_out.contains(step) && is_there(step)) {
        println!("\n──── {} ", step.name());
        let began = Instant::now();
        let passed = step.run(workspace, &data, &mut counts);
        if let Err(error) = &passed {
            println!("error: {error:#}");
        }
        outcomes.push(Outcome { step, passed: passed.is_ok(), took: began.elapsed() });
        if step == Step::Build && passed.is_err() {
            break; // Every later step would only repeat the compiler's words.
        }
    }
    Ok(summary(&outcomes, &left_out, &data, &counts))
}

impl Args {
    fn left_out(&self, is_ci: bool) -> Result<Vec<Step>> {
        let mut left_out = self.without.clone();
        if self.quick {
            left_out.extend([Step::Doc, Step::Checked, Step::EndToEnd, Step::Browser]);
        }
        if is_ci && !left_out.is_empty() {
            bail!("--without and --quick leave steps out, which is refused where CI is set; run `cargo xtask test`");
        }
        Ok(left_out)
    }
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, workspace: &Workspace, data: &RealData, counts: &mut Counts) -> Result<()> {
        let cargo = |args: &[&str]| succeed(&mut workspace.cargo(args));
        let mut test = |targets: &[&str]| {
            let mut command = workspace.cargo(&["test", "--profile", PROFILE, "--workspace", "--no-fail-fast"]);
            data.announce_to(command.args(targets));
            counts.run(&mut command)
        };
        match self {
            Self::Format => cargo(&["fmt", "--all", "--check"]),
            Self::Tidy => passed(tidy::run(workspace)?),
            Self::Schemas => passed(schema::check(workspace)?),
            Self::Lints => {
                let scope = ["clippy", "--profile", PROFILE, "--workspace", "--all-targets", "--", "-D", "warnings"];
                cargo(&scope)
            }
            Self::Website => Website::of(workspace).check(),
            Self::Build => cargo(&["build", "--profile", PROFILE, "--workspace", "--all-targets"]),
            Self::Generated => passed(generate::check(workspace)?),
            Self::Unit => test(&["--lib", "--bins", "--examples"]),
            Self::Integration => test(&["--test", "it", "--test", "cli"]),
            Self::Doc => test(&["--doc"]),
            Self::Checked => counts.run(&mut workspace.cargo(CHECKED)),
            Self::EndToEnd => test(&["--test", "end_to_end"]),
            Self::Browser => counts.run(&mut Website::of(workspace).browsing(workspace)),
        }
    }
}

fn passed(code: ExitCode) -> Result<()> {
    if code == ExitCode::SUCCESS { Ok(()) } else { bail!("see above") }
}

/// Real settings files and editing traces that lie beside the checkout, if at all.
struct RealData {
    path: Option<std::path::PathBuf>,
}

impl RealData {
    const VARIABLE: &str = "VAULT_REAL_DATA";

    fn find(workspace: &Workspace) -> Self {
        let named = std::env::var_os(Self::VARIABLE).map(std::path::PathBuf::from);
        let beside = workspace.root().join("../shared/data");
        let path = named.unwrap_or(beside).canonicalize().ok().filter(|path| path.is_dir());
        Self { path }
    }

    fn announce_to(&self, command: &mut std::process::Command) {
        match &self.path {
            Some(path) => command.env(Self::VARIABLE, path),
            None => command.env_remove(Self::VARIABLE),
        };
    }
}

fn summary(outcomes: &[Outcome], left_out: &[Step], data: &RealData, counts: &Counts) -> ExitCode {
    println!("\n──── summary");
    for Outcome { step, passed, took } in outcomes {
        let word = if *passed { "ok" } else { "FAILED" };
        println!("{:<12} {word:<7} {:>7.1} s", step.name(), took.as_secs_f64());
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("{:<12} {:<7} {:>7.1} s", "together", "", total.as_secs_f64());
    if data.path.is_none() {
        println!("without real data: its tests were skipped ({} names no directory)", RealData::VARIABLE);
    }
    let failed: Vec<String> = outcomes.iter().filter(|outcome| !outcome.passed).map(|o| o.step.name()).collect();
    if !failed.is_empty() {
        println!("FAILED: {}", failed.join(", "));
    }
    println!("{counts}");
    if !left_out.is_empty() {
        println!("NOT RUN: {}", left_out.iter().map(|step| step.name()).collect::<Vec<_>>().join(", "));
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_left_out_by_a_person_but_never_in_ci() {
        let args = Args { without: vec![Step::Tidy], quick: true };
        assert_eq!(
            args.left_out(false).unwrap(),
            [Step::Tidy, Step::Doc, Step::Checked, Step::EndToEnd, Step::Browser]
        );
        let error = args.left_out(true).unwrap_err().to_string();
        assert!(error.contains("CI") && error.contains("cargo xtask test"), "{error}");
        assert!(Args { without: vec![], quick: false }.left_out(true).unwrap().is_empty());
    }
}
