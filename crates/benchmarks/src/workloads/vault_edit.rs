//! Edits on one device: waiting for the disk, not waiting, and many at once.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use editor_vault::{Document, Vault};

use crate::report::{Line, Times, rate};
use crate::{Bench, disk};

/// Threads that each wait for their own edits.
const THREADS: usize = 64;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let vault = Vault::open(bench.path("vault"))?;
    let lines = vec![one_by_one(bench, &vault)?, typing(bench, &vault)?];
    Ok(lines.into_iter().chain([many_writers(bench, &vault)?, as_fast_as_possible(bench, &vault)?]).collect())
}

fn one_by_one(bench: &Bench, vault: &Vault) -> Result<Line> {
    let settings = vault.well_known("settings")?;
    let count = bench.effort.pick(300, 5_000);
    let raw = disk::raw_inserts(bench.directory.path(), count, 1)?.div_f64(count as f64);
    let mut saved = Times::new();
    for number in 0..count {
        let began = Instant::now();
        settings.edit(|draft| draft.put("/base/editor.tabSize", number.into()))?;
        saved.add(began.elapsed());
    }
    let of_raw = saved.at(0.5).as_secs_f64() / raw.as_secs_f64();
    Ok(Line::new(format!("{count} settings, each saved before the next"))
        .times("saved", &saved)
        .figure(format!("{of_raw:.1}× a bare SQLite commit"))
        .within("p50", saved.at(0.5), Duration::from_micros(600))
        .within("p99", saved.at(0.99), Duration::from_millis(2)))
}

fn typing(bench: &Bench, vault: &Vault) -> Result<Line> {
    let note = vault.create("note", Some("Typing"), None)?;
    let count = bench.effort.pick(300, 5_000);
    let (mut returned, mut durable) = (Times::new(), Times::new());
    let mut waiting = Vec::new();
    for number in 0..count {
        let began = Instant::now();
        let (_, ticket) = note.edit_deferred(|draft| draft.splice("/body", number, 0, "x"))?;
        returned.add(began.elapsed());
        waiting.push((began, ticket));
        // About as fast as a key that is held down, so that saving runs beside typing as it does in life.
        thread::sleep(Duration::from_millis(2));
        waiting.retain(|(began, ticket)| {
            let is_saved = ticket.is_saved();
            if is_saved {
                durable.add(began.elapsed());
            }
            !is_saved
        });
    }
    for (began, ticket) in waiting {
        ticket.wait()?;
        durable.add(began.elapsed());
    }
    Ok(Line::new(format!("{count} keystrokes, deferred")).times("returned", &returned).times("saved", &durable).within(
        "returned p99",
        returned.at(0.99),
        Duration::from_micros(200),
    ))
}

/// Many threads, each with a note of its own, each waiting until its edit is on disk.
fn many_writers(bench: &Bench, vault: &Vault) -> Result<Line> {
    let each = bench.effort.pick(100, 1_000);
    let make = |number: usize| vault.create("note", Some(&format!("Writer {number}")), None);
    let notes = (0..THREADS).map(make).collect::<Result<Vec<Document>, _>>()?;
    let began = Instant::now();
    let write = |note: &Document| -> Result<Times> {
        let mut times = Times::new();
        for number in 0..each {
            let began = Instant::now();
            note.edit(|draft| draft.splice("/body", number, 0, "x"))?;
            times.add(began.elapsed());
        }
        Ok(times)
    };
    let mut saved = Times::new();
    thread::scope(|scope| {
        let threads: Vec<_> = notes.iter().map(|note| scope.spawn(move || write(note))).collect();
        for thread in threads {
            saved.merge(&thread.join().ok().context("a writer panicked")??);
        }
        anyhow::Ok(())
    })?;
    let (count, took) = (THREADS * each, began.elapsed());
    Ok(Line::new(format!("{THREADS} threads, a note each, every edit waited for"))
        .rate(count, took, "edits saved")
        .times("saved", &saved)
        .at_least(rate(count, took), 20_000.0, "saved/s"))
}

/// One thread that does not wait, until the last of its edits is on disk.
fn as_fast_as_possible(bench: &Bench, vault: &Vault) -> Result<Line> {
    let note = vault.create("note", Some("Pasted"), None)?;
    let count = bench.effort.pick(20_000, 200_000);
    let began = Instant::now();
    let mut last = None;
    for number in 0..count {
        last = Some(note.edit_deferred(|draft| draft.splice("/body", number, 0, "x"))?.1);
    }
    last.context("there are edits")?.wait()?;
    let took = began.elapsed();
    Ok(Line::new(format!("{count} deferred edits of one note, back to back")).rate(count, took, "edits saved"))
}
