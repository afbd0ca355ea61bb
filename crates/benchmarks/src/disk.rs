//! What an fsync costs here, and what machine this is.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::report::Times;

/// Appends of 4 KiB, each made durable.
pub(crate) fn fsync_time(directory: &Path) -> Result<String> {
    let mut file = std::fs::File::create(directory.join("fsync"))?;
    let mut times = Times::new();
    for _ in 0..100 {
        file.write_all(&[0x5a; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.add(began.elapsed());
    }
    Ok(times.to_string())
}

/// Cores, processor and kernel, as far as the system tells.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {}, {} {}", model.trim_start_matches([' ', '\t', ':']), std::env::consts::OS, kernel.trim())
}
