//! Where the project is, and how to run cargo in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The profile of every test, the demo and the benches: one build serves them all.
pub(crate) const PROFILE: &str = "ci";

/// A checkout of the project.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this xtask was started from.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("not started by cargo; run `cargo xtask`")?;
        let root = Path::new(&manifest).ancestors().nth(2).context("xtask has moved away from crates/")?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => self.root.join(target),
            None => self.root.join("target"),
        }
    }

    /// A binary of ours, as built by [`Self::build_binaries`].
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.target().join(PROFILE).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    /// Cargo in this checkout, without the variables of the cargo that started us.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        command.args(args).current_dir(&self.root);
        // Set by the outer `cargo run`; build scripts of C libraries would be rebuilt because of them.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Builds the two programs, as the tests have them: packages by themselves have other features, and are built anew.
    pub(crate) fn build_binaries(&self) -> Result<()> {
        let args = ["build", "--profile", PROFILE, "--workspace", "--bin", "vault", "--bin", "sync-server"];
        succeed(&mut self.cargo(&args))
    }
}

/// A setting of a family of end-to-end tests, by the name of its variable; none leaves it as it is in every run.
pub(crate) type Setting = (&'static str, Option<u64>);

impl Workspace {
    /// Runs a family of end-to-end tests with other settings than in every run.
    pub(crate) fn run_family(&self, family: &str, settings: &[Setting]) -> Result<()> {
        self.run_family_with(family, settings, None::<(&str, &str)>)
    }

    /// The same, with a setting that is no number.
    pub(crate) fn run_family_with(
        &self,
        family: &str,
        settings: &[Setting],
        more: Option<(&str, impl AsRef<OsStr>)>,
    ) -> Result<()> {
        self.build_binaries()?;
        let test = ["test", "--quiet", "--profile", PROFILE, "--workspace", "--test", "end_to_end", "--"];
        let mut command = self.cargo(&test);
        command.arg(format!("{family}::")).arg("--nocapture");
        let set = settings.iter().filter_map(|(name, value)| Some((name, (*value)?.to_string())));
        command.envs(set).envs(more);
        succeed(&mut command)
    }
}

/// Runs a command to its end.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}
