//! Honest devices beside an attacker with good credentials, who sends what costs most as fast as it is admitted: what
//! he costs them, what each of his frames costs the relay, and how much of its memory.
//!
//! The relay runs with the limits that it is shipped with. The attacker's side is niced, so that what making his frames
//! costs is no part of what is measured.

mod frames; // what an attacker sends
mod honest; // edits, until another device shows them

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sync_wire::limits::{PUSH_CREDIT, PUSH_CREDIT_BYTES};
use sync_wire::{Ack, BatchId, DeviceId, Need, Park, Refuse, RelayFrame, Skipped, SpaceId};
use system_tests::{Account, Relay};

use self::frames::{Kind, Prepared, Sent};
use self::honest::Honest;
use super::{PATIENCE, runtime};
use crate::Bench;
use crate::device::{Device, Login, id};
use crate::meter::{Meter, Processor};
use crate::report::{Line, Times, bytes, time};

/// Connections of the attacker.
const CONNECTIONS: usize = 4;
/// What a relay with the limits it is shipped with may take: what it keeps for frames, documents, tails and frontiers.
const MEMORY_MEBIBYTES: f64 = 512.0;
/// How long the relay is left alone before one frame is measured.
const QUIET: Duration = Duration::from_millis(400);

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay_as_shipped()?;
    let meter = Meter::of(&relay)?;
    let mallory = Attacker::new(&relay)?;
    let honest = Honest::new(bench, &relay, mallory.team)?;
    let edits = bench.effort.pick(250, 1_000) as u64;

    let calm = honest.measure(edits)?;
    let raid = Raid::begin(&relay, &mallory)?;
    let attacked = honest.measure(edits);
    let sent = raid.end()?;
    let attacked = attacked?;
    let peak = sent.memory_peak;

    let mut lines = vec![
        line("an edit in a personal space, to another device", &calm.personal, &attacked.personal),
        line("an edit in a team's space, to another member", &calm.team, &attacked.team),
        sent.line(),
    ];
    lines.extend(worst(&relay, meter, &mallory)?);
    let mebibytes = (peak as f64 / f64::from(1 << 20)).round();
    let memory = Line::new("memory of the relay meanwhile").figure(format!("{} at most", bytes(peak)));
    lines.push(memory.at_most("at most", mebibytes, MEMORY_MEBIBYTES, "MiB"));
    Ok(lines)
}

fn line(what: &str, calm: &Times, attacked: &Times) -> Line {
    let ratio = attacked.at(0.99).as_secs_f64() / calm.at(0.99).as_secs_f64();
    Line::new(what).times("undisturbed", calm).times("beside the attacker", attacked).at_most(
        "p99 beside an attacker / undisturbed",
        (ratio * 100.0).round() / 100.0,
        2.0,
        "",
    )
}

/// Who attacks: an account of its own that may write in the team's space.
struct Attacker {
    account: Account,
    team: SpaceId,
    kinds: Vec<Kind>,
    prepared: Prepared,
}

impl Attacker {
    fn new(relay: &Relay) -> Result<Self> {
        let account = relay.account("mallory")?;
        let team = relay.space("team")?;
        relay.grant(&team, &account, "editor")?;
        let team = team.parse().ok().context("a space has an id")?;
        let prepared = Prepared::new();
        let attacker = Self { account, team, kinds: frames::all(&prepared), prepared };
        let runtime = runtime()?;
        let mut device = runtime.block_on(attacker.connect(relay))?;
        let space = device.space();
        for sent in attacker.prepared.frames(space) {
            runtime.block_on(answered(&mut device, &sent))?;
        }
        runtime.block_on(device.close())?;
        Ok(attacker)
    }

    /// Always as one device: an actor belongs to the device that used it first.
    async fn connect(&self, relay: &Relay) -> Result<Device> {
        Device::connect(relay, Login::new(DeviceId(id(40, 0)), &self.account.token)).await
    }
}

/// Sends one push and waits for its answer.
async fn answered(device: &mut Device, sent: &Sent) -> Result<RelayFrame> {
    device.send(sent.bytes.clone()).await?;
    loop {
        let frame = device.next().await?.context("the relay closed")?;
        if batch_of(&frame) == Some(sent.batch) {
            return Ok(frame);
        }
    }
}

/// What the last frame of a kind was answered.
fn verdict(frame: &RelayFrame) -> String {
    match frame {
        RelayFrame::Ack(Ack { at: None, .. }) => "stored".to_owned(),
        RelayFrame::Ack(_) => "taken".to_owned(),
        RelayFrame::Refuse(Refuse { code, .. }) => format!("refused {}", code.name()),
        RelayFrame::Park(Park { code, .. }) => format!("parked {}", code.name()),
        RelayFrame::Need(_) => "asked for more".to_owned(),
        _ => "skipped".to_owned(),
    }
}

fn batch_of(frame: &RelayFrame) -> Option<BatchId> {
    match frame {
        RelayFrame::Ack(Ack { batch, .. })
        | RelayFrame::Refuse(Refuse { batch, .. })
        | RelayFrame::Park(Park { batch, .. })
        | RelayFrame::Need(Need { batch, .. })
        | RelayFrame::Skipped(Skipped { batch, .. }) => Some(*batch),
        _ => None,
    }
}

/// What each kind of frame costs a relay that does nothing else.
fn worst(relay: &Relay, meter: Meter, mallory: &Attacker) -> Result<Vec<Line>> {
    let runtime = runtime()?;
    let began = Instant::now();
    let mut device = loop {
        // What was pushed is judged before its session ends, and a device has only so many.
        match runtime.block_on(mallory.connect(relay)) {
            Err(_) if began.elapsed() < PATIENCE => thread::sleep(QUIET),
            connected => break connected?,
        }
    };
    let spaces = [device.space(), mallory.team];
    let (mut costs, mut number) = (Vec::new(), frames::ALONE);
    for kind in &mallory.kinds {
        // A refusal has the rest of its lane skipped, until the connection ends.
        runtime.block_on(device.close())?;
        device = runtime.block_on(mallory.connect(relay))?;
        let (mut most, mut said) = (Processor::default(), String::new());
        for space in spaces.into_iter().filter(|space| kind.is_for(*space == mallory.team)) {
            number += 1;
            for sent in kind.frames(space, number) {
                let before = quiet(meter)?;
                said = verdict(&runtime.block_on(answered(&mut device, &sent))?);
                // What the answer took; what storage does for the check comes later.
                let serving = meter.processor()?.since(before).serving;
                let checks = quiet(meter)?.since(before).checks;
                most = Processor { checks: most.checks.max(checks), serving: most.serving.max(serving) };
            }
        }
        costs.push((format!("{} ({said})", kind.name), most));
    }
    runtime.block_on(device.close())?;
    let of = |part: fn(&Processor) -> Duration| {
        costs.iter().map(|(kind, cost)| (part(cost), kind.as_str())).max().context("there are frames")
    };
    let all = |part: fn(&Processor) -> Duration| {
        let each = costs.iter().map(|(kind, cost)| format!("{kind} {}", time(part(cost))));
        each.collect::<Vec<_>>().join(", ")
    };
    let (stages, worst_stages) = of(|cost| cost.serving)?;
    let (check, worst_check) = of(|cost| cost.checks)?;
    Ok(vec![
        Line::new("processor time to admit one frame")
            .figure(format!("the worst: {worst_stages}"))
            .figure(all(|cost| cost.serving))
            .within("stages 1 to 4", stages, Duration::from_millis(50)),
        Line::new("processor time to check it")
            .figure(format!("the worst: {worst_check}"))
            .figure(all(|cost| cost.checks))
            .within("a semantic run", check, Duration::from_millis(250)),
    ])
}

/// Waits until the relay does nothing; its processor time then.
fn quiet(meter: Meter) -> Result<Processor> {
    let mut before = meter.processor()?;
    loop {
        thread::sleep(QUIET);
        let now = meter.processor()?;
        if now.since(before).all() < Duration::from_millis(4) {
            return Ok(now);
        }
        before = now;
    }
}

/// An attack that goes on until it is ended.
struct Raid {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<Result<()>>>,
    tally: Arc<Tally>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Tally {
    answered: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    memory_peak: AtomicU64,
}

/// What was sent in it.
struct Raided {
    took: Duration,
    answered: u64,
    bytes: u64,
    connections: u64,
    memory_peak: u64,
}

impl Raided {
    fn line(&self) -> Line {
        let each = |count: u64| count as f64 / self.took.as_secs_f64();
        Line::new("what the attacker got through")
            .figure(format!("{:.0} frames/s", each(self.answered)))
            .figure(format!("{:.1} MiB/s", each(self.bytes) / f64::from(1 << 20)))
            .figure(format!("{} connections", self.connections))
    }
}

impl Raid {
    fn begin(relay: &Relay, mallory: &Attacker) -> Result<Self> {
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let meter = Meter::of(relay)?;
        let mut threads = Vec::new();
        let numbers = Arc::new(AtomicU64::new(1));
        for _ in 0..CONNECTIONS {
            let (stop, tally, numbers) = (stop.clone(), tally.clone(), numbers.clone());
            let (address, token, team) = (relay.address(), mallory.account.token.clone(), mallory.team);
            let kinds = mallory.kinds.clone();
            threads.push(thread::spawn(move || {
                // Of this thread alone, on Linux.
                let _ = rustix::process::nice(19);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let login = Login::new(DeviceId(id(40, 0)), &token);
                while !stop.load(Ordering::Relaxed) {
                    tally.connections.fetch_add(1, Ordering::Relaxed);
                    // Whoever is sent away comes back.
                    let flood = flood(address, &login, team, &kinds, &numbers, &stop, &tally);
                    if runtime.block_on(flood).is_err() {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                Ok(())
            }));
        }
        let (watching, watched) = (stop.clone(), tally.clone());
        threads.push(thread::spawn(move || {
            while !watching.load(Ordering::Relaxed) {
                watched.memory_peak.fetch_max(meter.memory()?, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }));
        Ok(Self { stop, threads, tally, began: Instant::now() })
    }

    fn end(self) -> Result<Raided> {
        let took = self.began.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().ok().context("an attacker panicked")??;
        }
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let Tally { answered, bytes, connections, memory_peak } = &*self.tally;
        Ok(Raided {
            took,
            answered: read(answered),
            bytes: read(bytes),
            connections: read(connections),
            memory_peak: read(memory_peak),
        })
    }
}

/// Pushes within the credit until it is told to stop, or sent away.
async fn flood(
    relay: SocketAddr,
    login: &Login,
    team: SpaceId,
    kinds: &[Kind],
    numbers: &AtomicU64,
    stop: &AtomicBool,
    tally: &Tally,
) -> Result<()> {
    let mut device = Device::connect_at(relay, login.clone()).await?;
    let spaces = [device.space(), team];
    let mut open: HashMap<BatchId, usize> = HashMap::new();
    let mut ready: Vec<Sent> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if ready.is_empty() {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let kind = &kinds[number as usize % kinds.len()];
            let space = spaces[number as usize / kinds.len() % 2];
            ready = if kind.is_for(space == team) { kind.frames(space, number) } else { Vec::new() };
            ready.reverse();
        }
        let under_way: usize = open.values().sum();
        let has_credit =
            |sent: &Sent| open.len() < PUSH_CREDIT as usize / 2 && (under_way + sent.bytes.len() <= PUSH_CREDIT_BYTES);
        match ready.last() {
            Some(sent) if has_credit(sent) => {
                open.insert(sent.batch, sent.bytes.len());
                let Some(sent) = ready.pop() else { continue };
                device.send(sent.bytes).await?;
            }
            None => {}
            Some(_) => {
                let frame = device.next().await?.context("the relay closed")?;
                if let Some(size) = batch_of(&frame).and_then(|batch| open.remove(&batch)) {
                    tally.answered.fetch_add(1, Ordering::Relaxed);
                    tally.bytes.fetch_add(size as u64, Ordering::Relaxed);
                }
            }
        }
    }
    Ok(())
}
