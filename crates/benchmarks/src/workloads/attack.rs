//! Honest devices beside an attacker with good credentials, who sends what costs most as fast as it is admitted: what
//! he costs them, what each of his frames costs the relay, and how much of its memory. First he is a stranger, who has
//! a space of his own alone; then a member of the honest people's team, whose vaults take in what the relay accepts of
//! him.
//!
//! The relay runs with the limits that it is shipped with.

mod frames; // what an attacker sends
mod honest; // edits, until another device shows them
mod raid; // the attacker's process

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sync_wire::{Ack, BatchId, DeviceId, Need, Park, Refuse, RelayFrame, Skipped, SpaceId};
use system_tests::{Account, Relay};

use self::frames::{Prepared, Sent};
use self::honest::{Honest, Seen};
pub(crate) use self::raid::attack;
use self::raid::{Raid, Raided};
use super::{PATIENCE, runtime};
use crate::Bench;
use crate::device::{Device, Login, id};
use crate::meter::{Meter, Processor};
use crate::report::{Line, Times, bytes, time};

/// What a relay with the limits it is shipped with may take: what it keeps for frames, documents, tails and frontiers.
const MEMORY_MEBIBYTES: f64 = 512.0;
/// How long the relay is left alone before one frame is measured.
const QUIET: Duration = Duration::from_millis(400);

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay_as_shipped()?;
    let meter = Meter::of(&relay)?;
    let team = relay.space("team")?.parse().ok().context("a space has an id")?;
    let stranger = Attacker::new(&relay, "mallory", None)?;
    let member = Attacker::new(&relay, "trudy", Some(team))?;
    let honest = Honest::new(bench, &relay, team)?;
    let edits = bench.effort.pick(250, 1_000) as u64;

    let calm = honest.measure(edits)?;
    let (mut lines, mut peak) = (Vec::new(), 0);
    for (attacker, whose) in [(&stranger, "a stranger"), (&member, "a member of the team")] {
        let raid = Raid::begin(&relay, attacker)?;
        let attacked = honest.measure(edits);
        let raided = raid.end()?;
        lines.extend(beside(whose, &calm, &attacked?));
        lines.push(raided.line(whose));
        peak = peak.max(raided.memory_peak);
        quiet(meter)?;
    }
    lines.extend(worst(&relay, meter, &member)?);
    let mebibytes = (peak as f64 / f64::from(1 << 20)).round();
    let memory = Line::new("memory of the relay meanwhile").figure(format!("{} at most", bytes(peak)));
    lines.push(memory.at_most("at most", mebibytes, MEMORY_MEBIBYTES, "MiB"));
    Ok(lines)
}

/// What an attack costs others.
fn beside(whose: &str, calm: &Seen, attacked: &Seen) -> [Line; 2] {
    let line = |what: &str, calm: &Times, attacked: &Times| {
        let ratio = attacked.at(0.99).as_secs_f64() / calm.at(0.99).as_secs_f64();
        Line::new(format!("{what}, beside an attack of {whose}"))
            .times("undisturbed", calm)
            .times("beside it", attacked)
            .at_most("p99 beside it / undisturbed", (ratio * 100.0).round() / 100.0, 2.0, "")
    };
    [
        line("an edit in a personal space, to another device", &calm.personal, &attacked.personal),
        line("an edit in a team's space, to another member", &calm.team, &attacked.team),
    ]
}

impl Raided {
    fn line(&self, whose: &str) -> Line {
        let each = |count: u64| count as f64 / self.took.as_secs_f64();
        Line::new(format!("what {whose} got through"))
            .figure(format!("{:.0} frames/s", each(self.answered)))
            .figure(format!("{:.1} MiB/s", each(self.bytes) / f64::from(1 << 20)))
            .figure(format!("{} connections", self.connections))
    }
}

/// Who attacks: an account of its own, which may write in the team's space if there is one.
struct Attacker {
    account: Account,
    /// Always one: an actor belongs to the device that used it first.
    device: DeviceId,
    team: Option<SpaceId>,
}

impl Attacker {
    fn new(relay: &Relay, name: &str, team: Option<SpaceId>) -> Result<Self> {
        let account = relay.account(name)?;
        if let Some(team) = team {
            relay.grant(&team.to_string(), &account, "editor")?;
        }
        let attacker = Self { account, device: DeviceId(id(40, team.iter().len())), team };
        let runtime = runtime()?;
        let mut device = runtime.block_on(attacker.connect(relay))?;
        let space = device.space();
        for sent in Prepared::new().frames(space) {
            runtime.block_on(answered(&mut device, &sent))?;
        }
        runtime.block_on(device.close())?;
        Ok(attacker)
    }

    async fn connect(&self, relay: &Relay) -> Result<Device> {
        Device::connect(relay, Login::new(self.device, &self.account.token)).await
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
fn worst(relay: &Relay, meter: Meter, attacker: &Attacker) -> Result<Vec<Line>> {
    let runtime = runtime()?;
    let began = Instant::now();
    let mut device = loop {
        // What was pushed is judged before its session ends, and a device has only so many.
        match runtime.block_on(attacker.connect(relay)) {
            Err(_) if began.elapsed() < PATIENCE => thread::sleep(QUIET),
            connected => break connected?,
        }
    };
    let spaces = [device.space()].into_iter().chain(attacker.team).collect::<Vec<_>>();
    let (mut costs, mut number) = (Vec::new(), frames::ALONE);
    for kind in &frames::all(&Prepared::new()) {
        // A refusal has the rest of its lane skipped, until the connection ends.
        runtime.block_on(device.close())?;
        device = runtime.block_on(attacker.connect(relay))?;
        let (mut most, mut said) = (Processor::default(), String::new());
        for space in spaces.iter().copied().filter(|space| kind.is_for(Some(*space) == attacker.team)) {
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
