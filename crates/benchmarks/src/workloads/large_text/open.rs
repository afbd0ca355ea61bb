//! Another device's edits into the text, while it is open on this one and somebody works in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use editor_vault::{Document, Watch};
use sync_wire::{ChangeHash, DeviceId};

use super::{BODY, Dice, Large, TEXT};
use crate::Bench;
use crate::device::{Author, Device, Login, id};
use crate::report::{Line, Times, rate};
use crate::workloads::{PATIENCE, connected, runtime};

/// A little more than the thousand a second that must be absorbed.
const PAUSE: Duration = Duration::from_micros(800);

pub(super) fn run(bench: &Bench, large: &Large) -> Result<Vec<Line>> {
    Ok(vec![in_memory(bench, large)?, while_open(bench, large)?])
}

/// A hundred changes in one call, without vault and relay.
fn in_memory(bench: &Bench, large: &Large) -> Result<Line> {
    let mut times = Times::new();
    for round in 0..bench.effort.pick(3, 10) {
        let mut document = large.author.document.clone();
        let mut other = remote_author(large, 900 + round);
        write(&mut other, 100)?;
        let changes = other.take(TEXT, 1).batches.concat();
        let began = Instant::now();
        document.apply(&changes)?;
        times.add(began.elapsed());
    }
    Ok(Line::new(format!("100 remote edits in one call, {}", large.name())).times("applied", &times).within(
        "p50",
        times.at(0.5),
        Duration::from_millis(80),
    ))
}

fn remote_author(large: &Large, number: usize) -> Author {
    Author::new(large.author.document.clone(), id(9, number))
}

fn write(author: &mut Author, count: usize) -> Result<()> {
    let mut dice = Dice(11);
    (0..count).try_for_each(|_| author.edit(|draft| draft.splice(BODY, dice.below(1_000), 0, "z")))
}

/// Pushed by another device, until this one shows them; a thread reads and types all the while.
fn while_open(bench: &Bench, large: &Large) -> Result<Line> {
    let vault = connected(&bench.path("reading"), &large.relay.url(), &large.account.token)?;
    let (watch, text) = (vault.watch(), vault.document(vault.home(), TEXT)?);
    text.text(BODY)?.context("the text is there")?;
    let runtime = runtime()?;
    let login = Login::new(DeviceId(id(10, 0)), &large.account.token);
    let mut device = runtime.block_on(Device::connect(&large.relay, login))?;

    let mut author = remote_author(large, 990);
    let mut hundred = Times::new();
    for _ in 0..bench.effort.pick(3, 10) {
        write(&mut author, 100)?;
        let newest = newest(&author)?;
        let frames = device.frames(&[author.take(TEXT, 100)]);
        let began = Instant::now();
        runtime.block_on(device.push(&frames))?;
        wait_for(&text, &watch, newest)?;
        hundred.add(began.elapsed());
    }

    let count = bench.effort.pick(1_000, 5_000);
    write(&mut author, count)?;
    let newest = newest(&author)?;
    let frames = device.frames(&[author.take(TEXT, 1)]);
    let is_over = AtomicBool::new(false);
    let (took, blocked) = thread::scope(|scope| {
        let caller = scope.spawn(|| work(&text, &is_over));
        let began = Instant::now();
        let pushed = runtime.block_on(device.push_slowly(&frames, PAUSE));
        let shown = pushed.and_then(|()| wait_for(&text, &watch, newest));
        let took = began.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let blocked = caller.join().ok().context("the caller panicked")??;
        shown.map(|()| anyhow::Ok((took, blocked)))?
    })?;
    let [reads, edits] = blocked;
    let longest = reads.max().max(edits.max());
    Ok(Line::new(format!("remote edits into the open {}", large.name()))
        .times("100 in one push until shown", &hundred)
        .rate(count, took, "edits sent one by one and shown")
        .times("meanwhile a read", &reads)
        .times("a deferred edit", &edits)
        .at_least(rate(count, took), 1_000.0, "edits/s")
        .within("a caller blocked", longest, Duration::from_millis(50)))
}

fn newest(author: &Author) -> Result<ChangeHash> {
    author.document.heads().first().copied().context("there is a head")
}

fn wait_for(text: &Document, watch: &Watch, change: ChangeHash) -> Result<()> {
    let began = Instant::now();
    while !text.read(|text| text.contains(&change))? {
        anyhow::ensure!(began.elapsed() < PATIENCE, "{change} does not arrive");
        watch.next(Duration::from_millis(100));
    }
    Ok(())
}

/// What an editor does: looks often, types now and then. Returns how long each took.
fn work(text: &Document, is_over: &AtomicBool) -> Result<[Times; 2]> {
    let (mut reads, mut edits) = (Times::new(), Times::new());
    let mut round = 0_usize;
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        text.get("/name")?;
        reads.add(began.elapsed());
        if round.is_multiple_of(20) {
            let began = Instant::now();
            text.edit_deferred(|draft| draft.splice(BODY, 0, 0, "v"))?;
            edits.add(began.elapsed());
        }
        round += 1;
        thread::sleep(Duration::from_millis(1));
    }
    Ok([reads, edits])
}
