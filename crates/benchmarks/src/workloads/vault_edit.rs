//! Edits on one device: waiting for the disk, and not.

use std::time::{Duration, Instant};

use anyhow::Result;
use editor_vault::Vault;

use crate::Bench;
use crate::report::{Line, Times};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let vault = Vault::open(bench.path("vault"))?;
    let settings = vault.well_known("settings")?;
    let count = bench.effort.pick(300, 5_000);
    let mut saved = Times::new();
    for number in 0..count {
        let began = Instant::now();
        settings.edit(|draft| draft.put("/base/editor.tabSize", number.into()))?;
        saved.add(began.elapsed());
    }

    let note = vault.create("note", Some("Typing"), None)?;
    let (mut returned, mut durable) = (Times::new(), Times::new());
    let mut waiting = Vec::new();
    for number in 0..count {
        let began = Instant::now();
        let (_, ticket) = note.edit_deferred(|draft| draft.splice("/body", number, 0, "x"))?;
        returned.add(began.elapsed());
        waiting.push((began, ticket));
        // About as fast as a key that is held down, so that saving runs beside typing as it does in life.
        std::thread::sleep(Duration::from_millis(2));
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
    Ok(vec![
        Line::new(format!("{count} settings, each saved before the next")).times("saved", &saved),
        Line::new(format!("{count} keystrokes, deferred")).times("returned", &returned).times("saved", &durable),
    ])
}
