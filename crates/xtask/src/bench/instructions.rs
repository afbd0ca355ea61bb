//! Instruction counts by gungraun. They need valgrind, and the runner of the version that the benches are built with.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, succeed};

/// Counts, or says what is missing.
pub(super) fn run(workspace: &Workspace, profile: &str) -> Result<()> {
    let lock = std::fs::read_to_string(workspace.root().join("Cargo.lock")).context("Cargo.lock is missing")?;
    let wanted = locked_version(&lock, "gungraun-runner").context("gungraun-runner is not in Cargo.lock")?;
    if let Some(missing) = missing(&wanted, answer("valgrind").as_deref(), answer("gungraun-runner").as_deref()) {
        println!("left out: instruction counts ({missing})");
        return Ok(());
    }
    let bench = ["bench", "--profile", profile, "--package", "benchmarks", "--features", "instructions"];
    succeed(workspace.cargo(&bench).args(["--bench", "instructions"]))
}

/// What a tool says of its version; none if it cannot be started.
fn answer(tool: &str) -> Option<String> {
    let output = Command::new(tool).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What keeps the counts from being made, and what to do about it.
fn missing(wanted: &str, valgrind: Option<&str>, runner: Option<&str>) -> Option<String> {
    let install = format!("`cargo install gungraun-runner --version {wanted}` installs it");
    match (valgrind, runner) {
        (None, _) => Some("valgrind is not installed; `apt-get install valgrind` installs it".to_owned()),
        (_, None) => Some(format!("gungraun-runner {wanted} is not installed; {install}")),
        (_, Some(found)) if found.split(' ').next_back() != Some(wanted) => {
            Some(format!("gungraun-runner {wanted} is needed, and {found} is installed; {install}"))
        }
        _ => None,
    }
}

/// The version of a package in `Cargo.lock`.
fn locked_version(lock: &str, name: &str) -> Option<String> {
    let lock: toml::Table = toml::from_str(lock).ok()?;
    let mut packages = lock.get("package")?.as_array()?.iter();
    let package = packages.find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))?;
    package.get("version")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_its_remedy() {
        assert_eq!(missing("0.20.0", Some("valgrind-3.19.0"), Some("gungraun-runner 0.20.0")), None);
        for (valgrind, runner, expected) in [
            (None, Some("gungraun-runner 0.20.0"), "valgrind is not installed"),
            (Some("valgrind-3.19.0"), None, "cargo install gungraun-runner --version 0.20.0"),
            (Some("valgrind-3.19.0"), Some("gungraun-runner 0.19.1"), "gungraun-runner 0.19.1 is installed"),
        ] {
            let said = missing("0.20.0", valgrind, runner).unwrap();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_locked_version_is_found() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n[[package]]\nname = \"b\"\nversion = \"2.1.0\"\n";
        assert_eq!(locked_version(lock, "b").as_deref(), Some("2.1.0"));
        assert_eq!(locked_version(lock, "c"), None);
    }
}
