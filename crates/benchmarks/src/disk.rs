//! What this machine can do at best: the cost of an fsync, and of rows in SQLite without anything of ours.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::Connection;

use crate::report::Times;

/// Appends of 4 KiB, each made durable.
pub(crate) fn fsync_times(directory: &Path) -> Result<Times> {
    let mut file = std::fs::File::create(directory.join("fsync"))?;
    let mut times = Times::new();
    for _ in 0..100 {
        file.write_all(&[0x5a; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        times.add(began.elapsed());
    }
    Ok(times)
}

/// How long it takes to insert rows of the size of a log entry, with `per_commit` of them sharing one durable commit.
pub(crate) fn raw_inserts(directory: &Path, rows: usize, per_commit: usize) -> Result<Duration> {
    let file = directory.join(format!("raw{per_commit}.sqlite"));
    let database = Connection::open(&file)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE log (
             id INTEGER PRIMARY KEY, hash BLOB NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL
         ) STRICT;",
    )?;
    let began = Instant::now();
    for _ in 0..rows.div_ceil(per_commit) {
        database.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = database.prepare_cached("INSERT INTO log (hash, digest, bytes) VALUES (?1, ?2, ?3)")?;
        for _ in 0..per_commit {
            insert.execute(([1; 32], [2; 32], [3; 110]))?;
        }
        database.execute_batch("COMMIT")?;
    }
    let took = began.elapsed();
    drop(database);
    std::fs::remove_file(file)?;
    Ok(took)
}

/// Cores, processor and kernel, as far as the system tells.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!("{cores} cores, {model}, {} {}, load before the run {load}", std::env::consts::OS, kernel.trim())
}
