//! A story in programs that run one after the other: a relay begins, a vault edits, syncs with it, and both are backed
//! up. To one of the programs something may happen.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use system_tests::{Answer, Device, Programs, Relay, under};
use tempfile::TempDir;

use super::fault::{Fault, Watched, only_watched};
use super::host;
use super::ledger::{Edit, Ledger, Shown};
use crate::copies::copy;
use crate::world::{eventually, odd_directory};

/// Longer than any command takes that ends at all.
const HANGS_AFTER: &str = "60";

/// A program of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Account,
    Serve,
    Init,
    Set,
    Create,
    Write,
    LogIn,
    Sync,
    SetMore,
    WriteMore,
    Host,
    SyncMore,
    BackUp,
    Export,
    BackUpRelay,
}

pub(super) const STORY: [Act; 15] = [
    Act::Account,
    Act::Serve,
    Act::Init,
    Act::Set,
    Act::Create,
    Act::Write,
    Act::LogIn,
    Act::Sync,
    Act::SetMore,
    Act::WriteMore,
    Act::Host,
    Act::SyncMore,
    Act::BackUp,
    Act::Export,
    Act::BackUpRelay,
];

/// A relay with an account that was made beforehand, for stories in which nothing happens to that.
pub(super) struct Stage {
    directory: TempDir,
    token: String,
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        let directory = odd_directory()?;
        let relay = Relay::at(&Programs::beside_this_executable()?, directory.path());
        let token = relay.account("ada")?.token;
        Ok(Self { directory, token })
    }
}

/// Where a story takes place.
pub(super) struct House {
    directory: TempDir,
    relay: Relay,
    device: Device,
    token: String,
    note: String,
    ledger: Ledger,
    /// What was tried before has other names than what is tried now.
    attempt: u32,
}

/// What a program said that did not do what it was asked to.
type Refused = Result<(), String>;

impl House {
    pub(super) fn new() -> Result<Self> {
        let directory = odd_directory()?;
        let programs = Programs::beside_this_executable()?;
        let relay = Relay::at(&programs, &directory.path().join("relay"));
        let device = Device::new(&programs, directory.path(), "device")?;
        let (token, note) = (String::new(), String::new());
        Ok(Self { directory, relay, device, token, note, ledger: Ledger::default(), attempt: 0 })
    }

    /// Goes through the story, and says what each program does with files.
    pub(super) fn watch(&mut self) -> Result<Vec<(Act, Watched)>> {
        let mut logs = Vec::new();
        for act in STORY {
            let log = self.directory.path().join(format!("{act:?}.strace"));
            if let Err(refusal) = self.play(act, &only_watched(&log))? {
                bail!("{act:?} failed without any fault: {refusal}");
            }
            logs.push((act, log));
        }
        self.relay.stop()?;
        let read = |(act, log): (Act, PathBuf)| {
            let (log, serves) = (whole(&log)?, act == Act::Serve);
            let watched = Watched::read(&log, self.directory.path(), second());
            ensure!(!watched.files.is_empty() || !serves, "strace saw nothing of {act:?}:\n{log}");
            Ok((act, watched))
        };
        logs.into_iter().map(read).collect()
    }

    /// The house of a story that begins after its first act.
    pub(super) fn on(stage: &Stage) -> Result<Self> {
        let mut house = Self::new()?;
        copy(stage.directory.path(), house.relay.data())?;
        house.token.clone_from(&stage.token);
        Ok(house)
    }

    /// Goes through the story while the fault happens to one of its programs; then without it to the end. Says whether
    /// the fault happened at all.
    pub(super) fn suffer(&mut self, victim: Act, fault: &Fault, watched: &Watched) -> Result<bool> {
        let log = self.directory.path().join("strace");
        let files: Vec<PathBuf> = watched.files.iter().map(|file| self.directory.path().join(file)).collect();
        let mut undone = Vec::new();
        let is_told = |act: &Act| match act {
            Act::Account | Act::BackUpRelay => *act == victim,
            _ => true,
        };
        for act in STORY.into_iter().filter(is_told) {
            let is_it = act == victim;
            let strace = if is_it { fault.strace(&log, &files, second()) } else { Vec::new() };
            if let Err(refusal) = self.play(act, &strace)? {
                ensure!(is_it || victim == Act::Serve, "{act:?} failed, and nothing happened to it: {refusal}");
                ensure!(refusal.contains("error["), "{act:?} has no code for what happened: {refusal}");
                undone.push(act);
            }
            if is_it && act != Act::Serve {
                self.go_on(victim, &mut undone)?;
            }
        }
        if victim == Act::Serve {
            self.end_relay()?;
            undone.retain(|act| *act != Act::Serve);
            self.go_on(victim, &mut undone)?;
        }
        self.ledger.check_saved(&Shown::by(&self.device)?)?;
        eventually("the relay shows everything", || {
            Ok(self.ledger.check_acknowledged(&Shown::over_http(&self.relay, &self.token)?).is_ok())
        })?;
        Ok(whole(&log)?.contains("(INJECTED)"))
    }

    /// The files of the victim are sound, and what was not done is done now.
    fn go_on(&mut self, victim: Act, undone: &mut Vec<Act>) -> Result<()> {
        match victim {
            Act::Account if self.token.is_empty() => {}
            Act::Account | Act::Serve | Act::BackUpRelay => {
                let said = self.relay.admin(&["verify"])?;
                ensure!(said.ends_with("nothing is wrong"), "verify says {said}");
            }
            Act::Init if !undone.is_empty() => {}
            _ => drop(self.device.ok(&["verify"])?),
        }
        self.attempt += 1;
        for act in std::mem::take(undone) {
            if let Err(refusal) = self.play(act, &[])? {
                bail!("{act:?} fails although nothing happens to it any more: {refusal}");
            }
        }
        Ok(())
    }

    /// The relay to which something happened ends, and the next one has all that was acknowledged.
    fn end_relay(&mut self) -> Result<()> {
        let status = self.relay.end()?;
        let logged = self.relay.logged();
        let is_coded = status.success() || (status.code() == Some(1) && logged.contains("error["));
        ensure!(is_coded && !logged.contains("panicked"), "the relay ended with {status}:\n{logged}");
        self.relay.start_under(Vec::new());
        self.relay.start_again()?;
        // If the first one did not start, the vault has not been told where it is.
        self.device.login(&self.relay.url(), &self.token)?;
        eventually("the relay shows what it acknowledged", || {
            Ok(self.ledger.check_acknowledged(&Shown::over_http(&self.relay, &self.token)?).is_ok())
        })
    }

    fn play(&mut self, act: Act, strace: &[OsString]) -> Result<Refused> {
        let attempt = self.attempt;
        let file = |name: &str| self.directory.path().join(format!("{name} {attempt}")).to_string_lossy().into_owned();
        match act {
            Act::Account => match self.admin(&["account", "create", &format!("ada{attempt}")], strace)? {
                Ok(_) => {
                    self.token = self.relay.admin(&["token", "create", "--account", &format!("ada{attempt}")])?;
                    Ok(Ok(()))
                }
                Err(refusal) => Ok(Err(refusal)),
            },
            Act::Serve => {
                self.relay.start_under(strace.to_vec());
                let started = self.relay.start_again();
                Ok(started.map_err(|error| format!("{error:#}")))
            }
            Act::Init => self.vault(&["init"], strace),
            Act::Set => self.set(&format!("one{attempt}"), strace),
            Act::SetMore => self.set(&format!("two{attempt}"), strace),
            Act::Create => {
                let name = format!("note{attempt}");
                let outcome = self.vault(&["new", "note", &name], strace)?;
                if outcome.is_ok() {
                    self.ledger.saved.push(Edit::Note(name.clone()));
                    self.note = name;
                }
                Ok(outcome)
            }
            Act::Write => self.write(&format!("first{attempt}"), strace),
            // Enough for several pages of the file.
            Act::WriteMore => self.write(&format!("second{attempt}{}", " and more".repeat(3_000)), strace),
            Act::Host => self.host(strace),
            Act::LogIn => {
                let (url, token) = (self.relay.url(), self.token.clone());
                self.vault(&["login", "--relay", &url, "--token", &token], strace)
            }
            Act::Sync | Act::SyncMore => {
                let outcome = self.vault(&["sync", "--timeout", "20"], strace)?;
                if outcome.is_ok() {
                    self.ledger.all_acknowledged();
                }
                Ok(outcome)
            }
            Act::BackUp => {
                let backup = file("backup");
                let outcome = self.vault(&["backup", &backup], strace)?;
                if outcome.is_ok() && !strace.is_empty() {
                    self.check_backup(&backup)?;
                }
                Ok(outcome)
            }
            Act::Export => {
                let settings = file("settings.json");
                self.vault(&["export", "settings", &settings], strace)
            }
            Act::BackUpRelay => {
                let backup = file("relay backup");
                Ok(self.admin(&["backup", &backup], strace)?.map(drop))
            }
        }
    }

    fn set(&mut self, key: &str, strace: &[OsString]) -> Result<Refused> {
        let outcome = self.vault(&["set", "settings", key, "1"], strace)?;
        if outcome.is_ok() {
            self.ledger.saved.push(Edit::Setting(key.to_owned()));
        }
        Ok(outcome)
    }

    fn write(&mut self, line: &str, strace: &[OsString]) -> Result<Refused> {
        let mut command = self.device.command(&["edit", &self.note]);
        command.env("PATH", "/usr/bin:/bin").env("LINE", line);
        command.env("EDITOR", r#"sh -c 'echo "$LINE" >> "$1"' editor"#);
        let outcome = ended(&command, strace)?.map(drop);
        if outcome.is_ok() {
            self.ledger.saved.push(Edit::Line(self.note.clone(), line.to_owned()));
        }
        Ok(outcome)
    }

    /// Many edits by one process; it says itself which of them were saved.
    fn host(&mut self, strace: &[OsString]) -> Result<Refused> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([host::PROGRAM, "--exact", "--nocapture", "--test-threads=1"]);
        command.env("HOME", self.directory.path().join("device").join("home"));
        command.env(host::VAULT, self.device.vault()).env(host::KEYS, format!("host{}.", self.attempt));
        let outcome = ended(&command, strace)?;
        let said = outcome.iter().flat_map(|said| said.lines());
        let saved = said.filter_map(|line| line.split_once("ledger saved ")).map(|(_, key)| key.to_owned());
        self.ledger.saved.extend(saved.map(Edit::Setting));
        Ok(outcome.map(drop))
    }

    fn check_backup(&self, backup: &str) -> Result<()> {
        let place = self.directory.path().join("restored");
        std::fs::create_dir_all(&place)?;
        std::fs::copy(backup, place.join("vault.sqlite"))?;
        self.ledger.check_saved(&Shown::by(&self.device.clone().with_vault(&place))?).context("in the backup")
    }

    fn vault(&self, args: &[&str], strace: &[OsString]) -> Result<Refused> {
        Ok(ended(&self.device.command(args), strace)?.map(drop))
    }

    fn admin(&self, args: &[&str], strace: &[OsString]) -> Result<Result<String, String>> {
        ended(&self.relay.admin_command(args), strace)
    }
}

/// What a command printed, or why it did not do it. Only those two: no panic, no signal, no end of patience.
fn ended(command: &Command, strace: &[OsString]) -> Result<Result<String, String>> {
    let patience = ["timeout", "-s", "KILL", HANGS_AFTER].map(OsString::from);
    let answer = Answer::of(&mut under(&[&patience, strace].concat(), command))?;
    match answer.code {
        Some(0) => Ok(Ok(answer.out.trim().to_owned())),
        Some(1 | 3) => Ok(Err(answer.err)),
        _ => bail!("{command:?} ended with {answer:?}"),
    }
}

/// Of the wall clock, as programs put it into the names of files.
fn second() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What `strace` wrote, once it has written all of it: it ends a moment after the program.
fn whole(log: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    eventually("strace has ended", || {
        text = std::fs::read_to_string(log).unwrap_or_default();
        let mut threads = text.lines().rev();
        Ok(threads.next().is_some_and(|line| line.contains(" +++ exited with ") || line.contains(" +++ killed by ")))
    })?;
    Ok(text)
}
