//! `cargo xtask mutants`: changes one place after the other of a named module, and looks whether a test notices.
//!
//! cargo-mutants does the changing, in a copy of the checkout. The tests of the module's own family run first, and
//! again those of the whole package for whatever they let through: only what nobody notices is called a survivor.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::workspace::{Workspace, shown};

/// The profile of these builds, in the workspace's manifest.
const PROFILE: &str = "mutants";
/// Made only to be read by people, or to be found by the simulated world.
const EXCLUDED: &str = r"impl (\w+::)*(Debug|Display) for|\b(misplaced|commit_half)\b";
/// What cargo-mutants ends with if something was not noticed, or tests had to be ended: with a change they go on for
/// ever, which is noticed. With the second also if both is so.
const NOT_ALL: [i32; 2] = [2, 3];

/// A named module: what may break in one place, and harms somebody if nobody notices.
struct Module {
    name: &'static str,
    parts: &'static [Part],
}

/// What of it is in one package.
struct Part {
    package: &'static str,
    files: &'static [&'static str],
    /// The tests that are to notice, by the beginning of their names; none means all.
    family: &'static [&'static str],
}

const MODULES: &[Module] = &[
    Module {
        name: "parser",
        parts: &[
            Part { package: "sync-wire", files: &["src/codec.rs", "src/strict.rs"], family: &[] },
            Part {
                package: "document",
                files: &["src/header.rs", "src/header/*.rs"],
                family: &["header::", "snapshots::", "poison::", "seeds::", "conflicts::"],
            },
        ],
    },
    Module {
        name: "admission",
        parts: &[
            Part { package: "document", files: &["src/admit.rs"], family: &["poison::", "replica::", "merging::"] },
            Part {
                package: "relay-storage",
                files: &["src/change_log/rules.rs", "src/change_log/rules/*.rs"],
                family: &["admission::", "appending::", "intake::", "offers::", "quotas::", "voids::"],
            },
        ],
    },
    Module {
        name: "append",
        parts: &[Part {
            package: "relay-storage",
            files: &["src/change_log/append.rs", "src/change_log/append/*.rs"],
            family: &[
                "admission::",
                "appending::",
                "checking::",
                "deletion::",
                "grants::",
                "handles::",
                "intake::",
                "offers::",
                "quotas::",
            ],
        }],
    },
    Module {
        name: "lanes",
        parts: &[Part {
            package: "sync-core",
            files: &["src/session/lanes.rs", "src/session/intake.rs", "src/session/late.rs", "src/client/outbound.rs"],
            family: &[],
        }],
    },
    Module {
        name: "resume",
        parts: &[Part {
            package: "sync-core",
            files: &["src/client/inbound.rs", "src/client/offer.rs", "src/session/delivery.rs"],
            family: &[],
        }],
    },
    Module {
        name: "recovery",
        parts: &[
            Part {
                package: "document",
                files: &["src/reauthor.rs", "src/reauthor/*.rs"],
                family: &["reauthor::", "repair::"],
            },
            Part {
                package: "editor-vault",
                files: &["src/recovery.rs", "src/recovery/*.rs"],
                family: &[
                    "deleting::",
                    "intake::",
                    "late::",
                    "login::",
                    "offering::",
                    "parking::",
                    "recovery::",
                    "squashing::",
                    "syncing::",
                    "voids::",
                ],
            },
        ],
    },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which: `parser`, `admission`, `append`, `lanes`, `resume` or `recovery`
    module: String,
    /// Only the part of it that is in this package
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// What cargo-mutants itself takes, as `--list` or `--shard 0/4`
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    ensure_installed(workspace)?;
    let names = || MODULES.iter().map(|module| module.name).collect::<Vec<_>>().join(", ");
    let module = MODULES.iter().find(|module| module.name == args.module);
    let module = module.with_context(|| format!("there is no module `{}`; there are {}", args.module, names()))?;
    let mut outcome = ExitCode::SUCCESS;
    let is_meant = |part: &&Part| args.package.as_ref().is_none_or(|package| package == part.package);
    for part in module.parts.iter().filter(is_meant) {
        if !part.run(workspace, module.name, &args.args)?.is_empty() {
            outcome = ExitCode::FAILURE;
        }
    }
    Ok(outcome)
}

fn ensure_installed(workspace: &Workspace) -> Result<()> {
    let found = workspace.cargo(&["mutants", "--version"]).output().context("cannot start cargo")?;
    ensure!(found.status.success(), "cargo-mutants is missing: `cargo install cargo-mutants --locked`");
    Ok(())
}

impl Part {
    /// Gives what no test noticed.
    fn run(&self, workspace: &Workspace, module: &str, more: &[String]) -> Result<Vec<String>> {
        let output = workspace.target().join("mutants.out").join(format!("{module}-{}", self.package));
        let (family, whole) = (output.join("family"), output.join("whole"));
        for directory in [&family, &whole] {
            std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let missed = judge(self.mutants(workspace, &family).args(more).args(tests(self.family)), &family)?;
        if missed.is_empty() || self.family.is_empty() {
            return Ok(missed);
        }
        let mut again = self.mutants(workspace, &whole);
        for mutant in &missed {
            again.arg("--re").arg(pattern(mutant));
        }
        judge(again.args(tests(&[])), &whole)
    }

    fn mutants(&self, workspace: &Workspace, output: &Path) -> Command {
        let mut cargo = workspace.cargo(&["mutants", "--profile", PROFILE, "--no-shuffle", "--package", self.package]);
        for file in self.files {
            cargo.arg("--file").arg(format!("**/{}/{file}", self.package));
        }
        cargo.args(["--minimum-test-timeout", "30", "--exclude-re", EXCLUDED, "--output"]).arg(output);
        // Cargo would take what was built of one copy for a build of the next.
        cargo.env_remove("CARGO_TARGET_DIR");
        cargo
    }
}

/// What `cargo test` is asked to run.
fn tests<'a>(family: &[&'a str]) -> impl Iterator<Item = &'a str> {
    ["--", "--lib", "--test", "it", "--"].into_iter().chain(family.iter().copied())
}

/// Matches this name: what may mean something in a pattern stands for any character.
fn pattern(name: &str) -> String {
    let literal = |sign: char| if sign.is_ascii_alphanumeric() || sign == ' ' { sign } else { '.' };
    format!("^{}$", name.chars().map(literal).collect::<String>())
}

/// What nobody noticed, by the names that cargo-mutants gives.
fn judge(mutants: &mut Command, output: &Path) -> Result<Vec<String>> {
    let status = mutants.status().with_context(|| format!("cannot start {}", shown(mutants)))?;
    if status.success() {
        return Ok(Vec::new());
    }
    ensure!(status.code().is_some_and(|code| NOT_ALL.contains(&code)), "{} failed ({status})", shown(mutants));
    let list = output.join("mutants.out/missed.txt");
    let text = std::fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}
