//! A program that is this very executable, started again for one test of it, which does nothing unless its environment
//! tells it what to do. It speaks in lines on standard output.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// One that runs; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts the test `name` with a home directory below `directory`.
    pub(crate) fn start(name: &str, directory: &Path, environment: &[(&str, &OsStr)]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]).envs(environment.iter().copied());
        command.env("HOME", directory.join("home")).env_remove("XDG_STATE_HOME");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("standard output is a pipe")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let reader = std::thread::spawn(move || hear(stdout, &heard));
        Ok(Self { child, lines, reader: Some(reader) })
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics with it").clone()
    }

    /// Until it has said so much, or ended by itself: then what it said tells why.
    pub(crate) fn wait_for_lines(&mut self, count: u64) {
        let began = Instant::now();
        while (self.said().len() as u64) < count && began.elapsed() < Duration::from_secs(20) {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// `kill -9`; returns what it said before.
    pub(crate) fn kill(mut self) -> Result<Vec<String>> {
        let ended = self.child.try_wait()?;
        self.child.kill()?;
        self.child.wait()?;
        let lines = self.last_words()?;
        ensure!(ended.is_none(), "the program ended by itself ({ended:?}): {lines:#?}");
        Ok(lines)
    }

    /// Waits for its end, which must be a good one; returns what it said.
    pub(crate) fn end(mut self) -> Result<Vec<String>> {
        let status = self.child.wait()?;
        let lines = self.last_words()?;
        ensure!(status.success(), "the program ended with {status}: {lines:#?}");
        Ok(lines)
    }

    fn last_words(&mut self) -> Result<Vec<String>> {
        self.reader.take().context("read once")?.join().expect("the reader does not panic");
        Ok(self.said())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that fails leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines with their ends: half a line is not said.
fn hear(stdout: ChildStdout, heard: &Mutex<Vec<String>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = String::new();
        match stdout.read_line(&mut line) {
            Ok(_) if line.ends_with('\n') => {
                heard.lock().expect("nobody panics with it").push(line.trim_end().to_owned());
            }
            _ => return,
        }
    }
}
