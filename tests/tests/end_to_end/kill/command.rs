//! The `vault` command: `vault set` is killed somewhere between its start and its end.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::{Chance, Device};

/// What `vault set` acknowledged by exiting with 0.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: u64,
    acknowledged: Vec<u64>,
    /// How long a command takes that is left alone.
    usual: Duration,
}

impl Ledger {
    /// Runs commands until one was killed before it had ended.
    pub(crate) fn kill_one(&mut self, device: &Device, chance: &mut Chance) -> Result<()> {
        loop {
            let number = self.next;
            self.next += 1;
            let (key, value) = (format!("command.{number}"), number.to_string());
            let mut command = device.command(&["set", "settings", &key, &value]);
            let (began, mut child) = (Instant::now(), command.stdout(Stdio::null()).spawn()?);
            if number > 0 {
                std::thread::sleep(chance.micros_below(self.usual.as_micros() as u64 * 3 / 2 + 1));
                child.kill()?;
            }
            let status = child.wait()?;
            match status.code() {
                Some(0) => self.acknowledged.push(number),
                Some(code) => anyhow::bail!("`vault set` exited with {code}"),
                None => return Ok(()), // killed
            }
            self.usual = began.elapsed();
        }
    }

    /// Everything acknowledged is there, and nothing that nobody wrote.
    pub(crate) fn check(&self, device: &Device) -> Result<()> {
        let settings = device.json(&["export", "settings"])?;
        for number in &self.acknowledged {
            let found = &settings[format!("command.{number}")];
            ensure!(*found == *number, "command.{number} was acknowledged and is {found}");
        }
        let all = settings.as_object().context("settings are an object")?;
        let is_ours = |(key, value): (&String, &Value)| {
            Some(key.as_str()) == value.as_u64().map(|n| format!("command.{n}")).as_deref()
        };
        ensure!(all.iter().all(is_ours), "something that was never written: {settings}");
        Ok(())
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.len() as u64
    }
}
