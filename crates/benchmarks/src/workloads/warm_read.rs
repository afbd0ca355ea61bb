//! A value of a document that is in memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use editor_vault::Vault;

use crate::Bench;
use crate::report::{Line, Times};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let vault = Vault::open(bench.path("vault"))?;
    let settings = vault.well_known("settings")?;
    settings.edit(|draft| (0..300).try_for_each(|key| draft.put(&format!("/base/key{key}"), key.into())))?;
    let mut times = Times::new();
    let count = bench.effort.pick(100_000, 2_000_000);
    for number in 0..count {
        let path = ["/base/key7", "/base/key150", "/base/key299"][number % 3];
        let began = Instant::now();
        black_box(settings.get(black_box(path))?);
        times.add(began.elapsed());
    }
    let half = times.at(0.5);
    Ok(vec![Line::new("one of 300 settings").times("read", &times).within("p50", half, Duration::from_micros(2))])
}
