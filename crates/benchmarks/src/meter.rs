//! What a process of ours costs: processor time and memory, as the kernel counts them.

use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::Relay;

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

    /// Processor time of all its threads since it started.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.process))? {
            // A thread may end meanwhile.
            let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes << 10)
    }
}
