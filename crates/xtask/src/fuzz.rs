//! `cargo xtask fuzz`: builds and runs libFuzzer on one of the targets of `tests/fuzz`.
//!
//! The instrumentation is the compiler's own, which the stable compiler has as well; there is no address sanitizer,
//! because what is fuzzed has no unsafe code of ours. Nothing that is built here is used elsewhere.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, shown, succeed};

/// What libFuzzer needs to see where an input has been.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table";
/// And what it was compared with.
const COMPARED: &str = "-Cllvm-args=-sanitizer-coverage-trace-compares";
/// The bytes of this target are choices, and compared with nothing that one could learn from; without that it is
/// faster by half.
const OF_CHOICES: &str = "admission";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which: `header`, `frames`, `http`, `admission` or `jsonc`
    target: String,
    /// How long
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Ends earlier, after so many executions
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Puts a smallest set of inputs that goes everywhere into the corpus that is kept, and fuzzes nothing
    #[arg(long)]
    keep: bool,
    /// What libFuzzer itself takes, as `-max_len=100000` or an input to run once
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let kept = workspace.root().join("tests/fuzz/corpus").join(&args.target);
    ensure!(kept.is_dir(), "there is no target `{}`: see tests/fuzz/corpus", args.target);
    let is_of_choices = args.target == OF_CHOICES;
    let directory = workspace.target().join(if is_of_choices { "fuzz-choices" } else { "fuzz" });
    let driver = build(workspace, &directory, &args.target)?;
    let found = directory.join("corpus").join(&args.target);
    let failures = directory.join("failures");
    let temporary = directory.join("temporary");
    for place in [&found, &failures, &temporary] {
        std::fs::create_dir_all(place).with_context(|| format!("cannot create {}", place.display()))?;
    }
    let mut fuzzer = Command::new(driver);
    fuzzer.env("FUZZ_SEEDS", &found).env("TMPDIR", &temporary);
    fuzzer.arg(format!("-artifact_prefix={}/{}-", failures.display(), args.target));
    if args.keep {
        fuzzer.args(["-set_cover_merge=1", "-use_counters=0", "-max_len=512"]).args([&kept, &found]);
    } else {
        fuzzer.args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", "-verbosity=1"]);
        // Weighing what is rare took three quarters of the time.
        fuzzer.arg("-entropic=0");
        fuzzer.arg(format!("-max_total_time={}", args.seconds));
        fuzzer.args(args.runs.map(|runs| format!("-runs={runs}"))).args(&args.args).args([&found, &kept]);
    }
    let status = fuzzer.status().with_context(|| format!("cannot start {}", shown(&fuzzer)))?;
    if args.keep {
        name_inputs(&kept)?;
    }
    // Relays that fuzzing opened have left their directories.
    let _ = std::fs::remove_dir_all(&temporary);
    // What was found was named already, with the file that has it.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// libFuzzer names an input by its digest alone, which says to nobody that it is no text.
fn name_inputs(kept: &Path) -> Result<()> {
    for input in std::fs::read_dir(kept)? {
        let input = input?.path();
        if input.extension().is_none() {
            std::fs::rename(&input, input.with_extension("bin"))?;
        }
    }
    Ok(())
}

/// Builds the fuzzer; build scripts are not instrumented, which is why the platform is named.
fn build(workspace: &Workspace, directory: &Path, target: &str) -> Result<PathBuf> {
    let version = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no platform")?;
    let manifest = "tests/fuzz/driver/Cargo.toml";
    let mut cargo = workspace.cargo(&["build", "--release", "--manifest-path", manifest, "--target", platform]);
    let flags = if target == OF_CHOICES { INSTRUMENTED.to_owned() } else { format!("{INSTRUMENTED} {COMPARED}") };
    cargo.args(["--bin", target, "--target-dir"]).arg(directory).env("RUSTFLAGS", flags);
    succeed(&mut cargo)?;
    Ok(directory.join(platform).join("release").join(format!("{target}{}", std::env::consts::EXE_SUFFIX)))
}
