//! A device: the `vault` command in a directory of its own, with a home directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::Programs;

/// One installation. Offline unless a command is told to sync.
#[derive(Debug, Clone)]
pub struct Device {
    name: String,
    program: PathBuf,
    vault: PathBuf,
    home: PathBuf,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The exit code; absent if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Device {
    /// A device whose vault and home directory are below `directory`; creates the home, not the vault.
    ///
    /// # Errors
    /// If the directories cannot be made.
    pub fn new(programs: &Programs, directory: &Path, name: &str) -> Result<Self> {
        let home = directory.join(name).join("home");
        std::fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let vault = directory.join(name).join("vault");
        Ok(Self { name: name.to_owned(), program: programs.vault(), vault, home })
    }

    /// The same device with its vault elsewhere.
    #[must_use]
    pub fn with_vault(mut self, vault: &Path) -> Self {
        vault.clone_into(&mut self.vault);
        self
    }

    /// What the device is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of its vault.
    #[must_use]
    pub fn vault(&self) -> &Path {
        &self.vault
    }

    /// The command with these arguments, not yet started.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--vault").arg(&self.vault).args(args);
        // Nothing of the person who runs the tests may be read or written.
        command.env_clear().env("HOME", &self.home).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(&self, args: &[&str]) -> Result<Answer> {
        Answer::of(&mut self.command(args))
    }

    /// Runs the command, which must succeed, and returns what it printed, without the last line break.
    ///
    /// # Errors
    /// If it does not exit with 0; contains what it said.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        let answer = self.run(args)?;
        if answer.code != Some(0) {
            bail!("on {}, `vault {}` failed: {answer:?}", self.name, args.join(" "));
        }
        Ok(answer.out.trim_end_matches('\n').to_owned())
    }

    /// Runs the command with `--json`, and reads what it printed.
    ///
    /// # Errors
    /// If it fails or prints no JSON.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.ok(&[&["--json"], args].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("`vault --json {}` printed {printed:?}", args.join(" ")))
    }

    /// Runs the command, which must exit with `code`, and returns its standard error.
    ///
    /// # Errors
    /// If it ends otherwise.
    pub fn fails(&self, code: i32, args: &[&str]) -> Result<String> {
        let answer = self.run(args)?;
        if answer.code != Some(code) {
            bail!("on {}, `vault {}` did not exit with {code}: {answer:?}", self.name, args.join(" "));
        }
        Ok(answer.err)
    }

    /// Stores the credentials.
    ///
    /// # Errors
    /// If the command fails.
    pub fn login(&self, url: &str, token: &str) -> Result<()> {
        self.ok(&["login", "--relay", url, "--token", token]).map(drop)
    }

    /// Sends what is pending and fetches what is new.
    ///
    /// # Errors
    /// If the command fails.
    pub fn sync(&self) -> Result<()> {
        self.ok(&["sync"]).map(drop)
    }

    /// Appends to a note, as a person would: `vault edit` with an editor of their own.
    ///
    /// # Errors
    /// If the command fails.
    pub fn append(&self, note: &str, text: &str) -> Result<()> {
        let addition = self.home.join("addition");
        std::fs::write(&addition, text)?;
        let mut command = self.command(&["edit", note]);
        command.env("ADDITION", &addition).env("PATH", "/usr/bin:/bin");
        command.env("EDITOR", r#"sh -c 'cat "$ADDITION" >> "$1"' editor"#);
        let answer = Answer::of(&mut command)?;
        if answer.code != Some(0) {
            bail!("on {}, `vault edit {note}` failed: {answer:?}", self.name);
        }
        Ok(())
    }

    /// How many saved batches have no fate yet.
    ///
    /// # Errors
    /// If `vault status` fails or does not say.
    pub fn pending(&self) -> Result<u64> {
        let status = self.json(&["status"])?;
        status["pending_batches"]
            .as_u64()
            .with_context(|| format!("`vault status` says nothing of pending batches: {status}"))
    }

    /// How far the log of the home space has come to this device.
    ///
    /// # Errors
    /// If `vault spaces` fails, or the device has never synchronised.
    pub fn position(&self) -> Result<String> {
        let spaces = self.json(&["spaces"])?;
        let home = spaces.as_array().into_iter().flatten().find(|space| space["is_home"] == true);
        let position = home.and_then(|space| space["position"].as_str());
        position.map(str::to_owned).with_context(|| format!("no home space with a position in {spaces}"))
    }

    /// Runs the command again and again until it prints `expected`: for what another process does in its own time.
    ///
    /// # Errors
    /// If it has not after 20 seconds; contains what it printed last.
    pub fn eventually(&self, args: &[&str], expected: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let answer = self.run(args)?;
            if answer.out.trim_end_matches('\n') == expected {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(20) {
                bail!("on {}, `vault {}` never printed {expected:?} but {answer:?}", self.name, args.join(" "));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts `sync --watch` in the background; it ends when the value is dropped.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn stay_online(&self) -> Result<Online> {
        let mut command = self.command(&["sync", "--watch"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Online(command.spawn().context("cannot start `vault sync --watch`")?))
    }
}

/// A device that stays connected.
#[derive(Debug)]
pub struct Online(Child);

impl Online {
    /// Waits until the device gives up by itself, and returns its exit code.
    ///
    /// # Errors
    /// If it has not after 20 seconds.
    pub fn gives_up(&mut self) -> Result<Option<i32>> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("`vault sync --watch` goes on")
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell in a destructor.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Answer {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
