//! Four devices push prebuilt changes as fast as the relay takes them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use document::Document;
use sync_wire::{DeviceId, DocumentId, LogPosition};
use system_tests::{Account, Relay};

use super::{runtime, wait_until_checked};
use crate::device::{Author, Device, Login, Written, id};
use crate::meter::{Meter, Processor};
use crate::report::{Line, Times, grouped, rate, time};
use crate::{Bench, disk};

pub(super) const DEVICES: usize = 4;

/// How many changes share a push, and how many of them a second are to be durable.
const GOALS: [(usize, f64); 3] = [(1, 80_000.0), (16, 200_000.0), (64, 200_000.0)];

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    // Below the number of unchecked changes at which a relay makes its writers wait.
    let changes = bench.effort.pick(4_000, 20_000);
    let authors = (0..DEVICES).map(|device| author(device, changes)).collect::<Result<Vec<_>>>()?;
    let raw = disk::raw_inserts(bench.directory.path(), DEVICES * changes, 1_000)?;
    let raw = rate(DEVICES * changes, raw);
    let mut lines = Vec::new();
    for (per_push, goal) in GOALS {
        let written: Vec<Written> = authors.iter().map(|author| in_batches(author, per_push)).collect();
        let mut rounds = Vec::new();
        for round in 0..bench.effort.pick(1, 3) {
            let account = relay.account(&format!("ingest{per_push}-{round}"))?;
            rounds.push(push_all(&relay, &account, &written)?);
        }
        lines.push(line(&mut rounds, &written, per_push, raw).at_least(median_rate(&mut rounds), goal, "changes/s"));
    }
    Ok(lines)
}

fn author(number: usize, changes: usize) -> Result<Written> {
    let mut author = Author::new(Document::new(None), id(1, number));
    for change in 0..changes {
        author.edit(|draft| draft.put("/value", change.into()))?;
    }
    Ok(author.take(DocumentId(id(2, number)), 1))
}

/// The same changes, so many in a batch.
fn in_batches(written: &Written, per_push: usize) -> Written {
    let batches = written.batches.concat().chunks(per_push).map(<[_]>::to_vec).collect();
    Written { document: written.document, batches }
}

/// One round: everything pushed by all devices at once.
pub(super) struct Round {
    pub(super) changes: usize,
    pub(super) took: Duration,
    pub(super) acks: Times,
    /// From the first push until everything was checked and folded.
    checked: Duration,
    /// Processor time of the relay, until the last ack and until everything was checked.
    processor: [Processor; 2],
}

/// What is written by each device is pushed by each at the same time, over a connection of its own.
pub(super) fn push_all(relay: &Relay, account: &Account, written: &[Written]) -> Result<Round> {
    let runtime = runtime()?;
    let meter = Meter::of(relay)?;
    let mut devices = Vec::new();
    for written in written {
        let login = Login::new(new_device(), &account.token);
        let device = runtime.block_on(Device::connect(relay, login))?;
        let frames = device.frames(std::slice::from_ref(written));
        devices.push((device, frames, written.document));
    }
    let space = devices.first().context("there are devices")?.0.space();
    let (began, before) = (Instant::now(), meter.processor()?);
    let push = |(mut device, frames, document): (Device, Vec<_>, DocumentId)| async move {
        let pushed = device.push(&frames).await?;
        anyhow::Ok((device, document, pushed))
    };
    let tasks: Vec<_> = devices.into_iter().map(|device| runtime.spawn(push(device))).collect();
    let mut acks = Times::new();
    let mut ends: Vec<(DocumentId, LogPosition)> = Vec::new();
    let mut devices = Vec::new();
    for task in tasks {
        let (device, document, pushed) = runtime.block_on(task)??;
        acks.merge(&pushed.acks);
        ends.push((document, pushed.end));
        devices.push(device);
    }
    let (took, until_ack) = (began.elapsed(), meter.processor()?);
    for (document, end) in ends {
        wait_until_checked(relay, &account.token, (space, document), end)?;
    }
    let (checked, until_check) = (began.elapsed(), meter.processor()?);
    for device in devices {
        runtime.block_on(device.close())?;
    }
    let processor = [until_ack, until_check].map(|at| at.since(before));
    Ok(Round { changes: written.iter().map(Written::changes).sum(), took, acks, checked, processor })
}

/// A device belongs to one account for ever, so each round has devices of its own.
fn new_device() -> DeviceId {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    DeviceId(id(3, NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub(super) fn median_rate(rounds: &mut [Round]) -> f64 {
    let median = median(rounds);
    rate(median.changes, median.took)
}

pub(super) fn median(rounds: &mut [Round]) -> &Round {
    rounds.sort_by_key(|round| round.took);
    &rounds[rounds.len() / 2]
}

fn line(rounds: &mut [Round], written: &[Written], per_push: usize, raw: f64) -> Line {
    let (fastest, slowest) = rounds.iter().fold((f64::MIN, f64::MAX), |(fastest, slowest), round| {
        let rate = rate(round.changes, round.took);
        (fastest.max(rate), slowest.min(rate))
    });
    let count = rounds.len();
    let round = median(rounds);
    let each = |time: Duration| time.div_f64(round.changes as f64);
    let [until_ack, until_check] = round.processor;
    let (serving, checks) = (each(until_ack.serving), each(until_ack.checks));
    let spent = format!(
        "server CPU a change {} to the ack, and {} in checks meanwhile; {} in all to the check",
        time(serving),
        time(checks),
        time(each(until_check.all()))
    );
    let bytes = written.first().map_or(0, Written::bytes_each);
    let what = format!("{DEVICES} devices, {per_push} change(s) of {bytes} B a push");
    let spread = format!("{} to {} in {count} round(s)", grouped(slowest), grouped(fastest));
    let of_raw = format!("{:.0}% of bare SQLite inserts", 100.0 * rate(round.changes, round.took) / raw);
    Line::new(what)
        .rate(round.changes, round.took, "durable changes")
        .figure(spread)
        .figure(of_raw)
        .times("ack", &round.acks)
        .figure(format!("all checked: {} changes/s", grouped(rate(round.changes, round.checked))))
        .figure(spent)
        .within("CPU a change, without checks", serving, Duration::from_micros(4))
}
