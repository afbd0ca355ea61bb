//! Opening a vault that holds many documents.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use editor_vault::Vault;

use crate::Bench;
use crate::report::{Line, Times};

const DOCUMENTS: usize = 10_000;
/// They share the flushes of the disk.
const THREADS: usize = 50;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let path = bench.path("vault");
    let vault = Vault::open(&path)?;
    vault.well_known("settings")?.edit(|draft| draft.put("/base/editor.tabSize", 2.into()))?;
    thread::scope(|scope| {
        let make = |first: usize| -> Result<()> {
            for number in (first..DOCUMENTS).step_by(THREADS) {
                vault.create("note", Some(&format!("Note {number}")), None)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || make(first))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
    })?;
    drop(vault);

    let (mut opened, mut first_read) = (Times::new(), Times::new());
    for _ in 0..bench.effort.pick(20, 100) {
        let began = Instant::now();
        let vault = Vault::open(&path)?;
        opened.add(began.elapsed());
        vault.well_known("settings")?.get("/base/editor.tabSize")?.context("the setting is there")?;
        first_read.add(began.elapsed());
    }
    Ok(vec![
        Line::new(format!("a vault with {DOCUMENTS} documents"))
            .times("opened", &opened)
            .times("first setting read", &first_read)
            .within("opened p50", opened.at(0.5), Duration::from_millis(10)),
    ])
}
