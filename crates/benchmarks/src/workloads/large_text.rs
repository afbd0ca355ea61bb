//! One text of 260,000 edits: a new device fetches it, remote edits reach it while it is open, and four devices push
//! into it.

mod open; // remote edits into the open text

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use document::Document;
use editor_vault::{Connection, Vault};
use sync_wire::{DeviceId, DocumentId};
use system_tests::{Account, Relay};

use super::ingest::{DEVICES, Round, median_rate, push_all};
use super::{PATIENCE, runtime, wait_until_checked};
use crate::Bench;
use crate::device::{Author, Device, Login, Written, id};
use crate::meter::Meter;
use crate::report::{Line, Times, grouped, rate, time};

const TEXT: DocumentId = DocumentId([0x7e; 16]);
const BODY: &str = "/body";

/// A relay that has the text, and who wrote it.
struct Large {
    relay: Relay,
    account: Account,
    author: Author,
    edits: usize,
}

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let edits = bench.effort.pick(26_000, 260_000);
    let (large, first) = Large::new(bench, edits)?;
    // The pushes come last: they give the text as many edits again, in sixteen branches that nobody has merged.
    let mut lines = vec![first, large.fresh_device(bench)?];
    lines.extend(open::run(bench, &large)?);
    lines.extend(large.pushes(bench)?);
    Ok(lines)
}

impl Large {
    /// Writes the text, single characters at places chosen at random, and pushes it.
    fn new(bench: &Bench, edits: usize) -> Result<(Self, Line)> {
        let (relay, mut author, mut dice) =
            (bench.relay()?, Author::new(Document::new(Some("note")), id(4, 0)), Dice(7));
        author.edit(|draft| draft.put("/name", "Large".into()))?;
        for length in 0..edits {
            author.edit(|draft| draft.splice(BODY, dice.below(length + 1), 0, "x"))?;
        }
        let account = relay.account("large")?;
        let written = author.take(TEXT, 64);
        let (runtime, meter) = (runtime()?, Meter::of(&relay)?);
        let mut device = runtime.block_on(Device::connect(&relay, Login::new(DeviceId(id(5, 0)), &account.token)))?;
        let frames = device.frames(std::slice::from_ref(&written));
        let began = Instant::now();
        let pushed = runtime.block_on(device.push(&frames))?;
        let took = began.elapsed();
        wait_until_checked(&relay, &account.token, (device.space(), TEXT), pushed.end)?;
        let checked = began.elapsed();
        runtime.block_on(device.close())?;
        let line = Line::new(format!("the text of {} edits, 64 a push, from one device", grouped(edits as f64)))
            .rate(edits, took, "durable changes")
            .figure(format!("all checked: {} changes/s", grouped(rate(edits, checked))))
            .figure(format!("server CPU in all {}", time(meter.processor()?.all())));
        Ok((Self { relay, account, author, edits }, line))
    }

    fn name(&self) -> String {
        format!("text of {} edits", grouped(self.edits as f64))
    }

    /// The same pushes into small documents and into the text.
    fn pushes(&self, bench: &Bench) -> Result<Vec<Line>> {
        let changes = bench.effort.pick(1_000, 5_000);
        let small = Author::new(Document::new(Some("note")), id(6, 0));
        let mut lines = Vec::new();
        for per_push in [1, 16] {
            let [mut into_small, mut into_large] = [("small", &small), ("large", &self.author)].map(|(name, base)| {
                let rounds = 0..bench.effort.pick(1, 2);
                let round = |round| self.push_into(base, name, per_push * 10 + round, changes, per_push);
                rounds.map(round).collect::<Result<Vec<Round>>>()
            });
            let [small, large] = [&mut into_small, &mut into_large].map(|rounds| match rounds {
                Ok(rounds) => Ok(median_rate(rounds)),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            });
            let (small, large) = (small?, large?);
            let line = Line::new(format!("{DEVICES} devices, {per_push} change(s) a push, into the {}", self.name()))
                .figure(format!("{} durable changes/s", grouped(large)))
                .figure(format!("into small texts {}", grouped(small)))
                .at_most("small / large", small / large, 1.5, "");
            lines.push(line);
        }
        Ok(lines)
    }

    /// One round: each device writes on top of `base`, at the same time as the others.
    fn push_into(&self, base: &Author, name: &str, round: usize, changes: usize, per_push: usize) -> Result<Round> {
        let is_large = name == "large";
        let mut dice = Dice(round as u64 + 1);
        let write = |device: usize| {
            let number = round * DEVICES + device;
            let mut author = Author::new(base.document.clone(), id(if is_large { 7 } else { 18 }, number));
            let length = author.document.text(BODY).map_or(0, |text| text.len());
            for change in 0..changes {
                author.edit(|draft| draft.splice(BODY, dice.below(length + change + 1), 0, "y"))?;
            }
            let document = if is_large { TEXT } else { DocumentId(id(8, number)) };
            anyhow::Ok(author.take(document, per_push))
        };
        let written: Vec<Written> = (0..DEVICES).map(write).collect::<Result<_>>()?;
        push_all(&self.relay, &self.account, &written)
    }

    fn fresh_device(&self, bench: &Bench) -> Result<Line> {
        let (mut settled, mut readable) = (Times::new(), Times::new());
        let rounds = bench.effort.pick(2, 3);
        for round in 0..rounds {
            let began = Instant::now();
            let vault = Vault::open(bench.path(&format!("fresh{round}")))?;
            vault.connect(Connection::new(self.relay.url()).token(&self.account.token))?;
            vault.wait_until_settled(PATIENCE)?;
            settled.add(began.elapsed());
            let text = vault.document(vault.home(), TEXT)?.text(BODY)?.context("the text is there")?;
            readable.add(began.elapsed());
            anyhow::ensure!(text.len() >= self.edits, "only {} of {} letters arrived", text.len(), self.edits);
        }
        Ok(Line::new(format!("the {} to a new device", self.name()))
            .times("stored", &settled)
            .times("readable", &readable)
            .within("p50", readable.at(0.5), Duration::from_millis(800)))
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
