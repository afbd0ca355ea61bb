//! An edit on one device, until ten others show it.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use editor_vault::Vault;

use super::{PATIENCE, connected};
use crate::Bench;
use crate::report::{Line, Times};

const READERS: usize = 10;
const PATH: &str = "/base/number";

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let count = bench.effort.pick(100, 500);
    let writer = connected(&bench.path("writer"), &relay.url(), &ada.token)?;
    let (seen, arrivals) = mpsc::channel();
    let mut readers = Vec::new();
    for reader in 0..READERS {
        let vault = connected(&bench.path(&format!("reader{reader}")), &relay.url(), &ada.token)?;
        let seen = seen.clone();
        readers.push(thread::spawn(move || watch(&vault, count, &seen)));
    }
    drop(seen);

    let settings = writer.well_known("settings")?;
    // The first edit creates the document everywhere; it is no measurement.
    settings.edit(|draft| draft.put(PATH, 0.into()))?;
    let mut began = vec![Instant::now()];
    for number in 1..=count {
        thread::sleep(Duration::from_millis(20));
        began.push(Instant::now());
        settings.edit(|draft| draft.put(PATH, number.into()))?;
    }
    let mut times = Times::new();
    for (number, at) in arrivals {
        if number > 0 {
            times.add(at.saturating_duration_since(began[number]));
        }
    }
    for reader in readers {
        reader.join().ok().context("a reader panicked")??;
    }
    Ok(vec![
        Line::new(format!("{count} edits, 50 a second, to {READERS} devices"))
            .times("visible", &times)
            .within("p50", times.at(0.5), Duration::from_micros(1_500))
            .within("p99", times.at(0.99), Duration::from_millis(5)),
    ])
}

/// Says when each number became visible, until the last one was.
fn watch(vault: &Vault, last: usize, seen: &mpsc::Sender<(usize, Instant)>) -> Result<()> {
    let hints = vault.watch();
    let settings = vault.well_known("settings")?;
    let deadline = Instant::now() + PATIENCE;
    let mut newest = None;
    while newest != Some(last) && Instant::now() < deadline {
        let shown =
            settings.get(PATH)?.and_then(|value| value.as_u64()).and_then(|number| usize::try_from(number).ok());
        if shown != newest {
            newest = shown;
            if let Some(number) = shown {
                seen.send((number, Instant::now())).context("nobody counts")?;
            }
        } else {
            hints.next(Duration::from_secs(1));
        }
    }
    Ok(())
}
