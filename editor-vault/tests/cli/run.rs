//! Running the binary: the one place that knows how.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A directory with a vault, a home directory and files for one test.
pub(crate) struct Desk {
    directory: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    /// Without a vault.
    pub(crate) fn bare() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// With a vault.
    pub(crate) fn new() -> Self {
        let desk = Self::bare();
        desk.ok(&["init"]);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.path("my vault")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the file can be written");
        path.display().to_string()
    }

    /// The binary with a home of its own and no vault chosen.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        for name in ["VAULT_DIR", "VAULT_LOG", "EDITOR", "VISUAL", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", self.path("home")).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command on the vault.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        Run::of(self.command().arg("--vault").arg(self.vault()).args(arguments))
    }

    /// Runs a command with something on standard input.
    pub(crate) fn fed(&self, input: &str, arguments: &[&str]) -> Run {
        let mut command = self.command();
        command.arg("--vault").arg(self.vault()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        stdin.write_all(input.as_bytes()).expect("the binary reads its input");
        drop(stdin);
        Run::from(child.wait_with_output().expect("the binary ends"))
    }

    /// Runs a command that must succeed, and gives what it wrote.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.stdout
    }

    /// Runs a command with `--json` that must succeed, and gives its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?} wrote {text:?}: {error}"))
    }

    /// Runs a command that must end with `exit` and one `error[code]:` line holding all `parts`.
    pub(crate) fn fails(&self, arguments: &[&str], exit: i32, code: &str, parts: &[&str]) {
        self.run(arguments).failed(exit, code, parts);
    }

    /// The bytes of everything in the vault's directory, to see that nothing was touched.
    pub(crate) fn vault_bytes(&self) -> Vec<u8> {
        std::fs::read(self.vault().join("vault.sqlite")).expect("the vault file can be read")
    }
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("the binary runs"))
    }

    pub(crate) fn failed(&self, exit: i32, code: &str, parts: &[&str]) {
        assert_eq!(self.code, exit, "{self:?}");
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "no error[{code}] in {self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The folder of real files, or nothing and a line that says what was skipped.
pub(crate) fn real_data() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("VAULT_REAL_DATA").map_or(default, PathBuf::from);
    if folder.join("settings").is_dir() {
        return Some(folder);
    }
    println!("skipped without VAULT_REAL_DATA: settings and keymap files of real people ({})", folder.display());
    None
}
