//! What a process of ours costs: processor time and memory, as the kernel counts them.

use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::Relay;

/// What the relay calls its threads that check: behind the log, and in the intake of spaces with other people.
const CHECKS: [&str; 2] = ["check", "intake"];

/// Processor time of a relay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Processor {
    /// Of the threads that check what was pushed. What storage reads and writes for them is in `serving`.
    pub(crate) checks: Duration,
    /// Of all others.
    pub(crate) serving: Duration,
}

impl Processor {
    /// What was spent since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { checks: self.checks.saturating_sub(before.checks), serving: self.serving.saturating_sub(before.serving) }
    }

    /// Of all threads.
    pub(crate) fn all(self) -> Duration {
        self.checks + self.serving
    }
}

/// Looks at one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    process: u32,
}

impl Meter {
    /// Of a relay's process, found by its data directory.
    pub(crate) fn of(relay: &Relay) -> Result<Self> {
        let data = relay.data().as_os_str().as_encoded_bytes();
        let is_it = |process: &u32| {
            let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let mut words = command.split(|byte| *byte == 0).skip(1);
            words.next() == Some(b"serve") && words.any(|word| word == data)
        };
        let all = std::fs::read_dir("/proc").context("processor time and memory are only measured on Linux")?;
        let mut ids = all.flatten().filter_map(|item| item.file_name().to_str()?.parse().ok());
        Ok(Self { process: ids.find(is_it).context("the relay's process is not found")? })
    }

    /// Processor time of its threads since it started.
    pub(crate) fn processor(&self) -> Result<Processor> {
        let mut spent = Processor::default();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process))? {
            let thread = thread?.path();
            // A thread may end meanwhile.
            let text = |name| std::fs::read_to_string(thread.join(name)).unwrap_or_default();
            let nanoseconds = text("schedstat").split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
            let spent = if CHECKS.contains(&text("comm").trim()) { &mut spent.checks } else { &mut spent.serving };
            *spent += Duration::from_nanos(nanoseconds);
        }
        Ok(spent)
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes << 10)
    }
}
