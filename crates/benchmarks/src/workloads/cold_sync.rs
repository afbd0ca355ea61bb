//! A new device fetches a thousand documents of twenty changes, from a relay that served before or was just started.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use document::Document;
use editor_vault::{Connection, ListFilter, Vault};
use sync_wire::{DeviceId, DocumentId};
use system_tests::Relay;

use super::{PATIENCE, runtime, wait_until_checked};
use crate::Bench;
use crate::device::{Author, Device, Login, Written, id};
use crate::report::{Line, Times};

const DOCUMENTS: usize = 1_000;
const CHANGES: usize = 20;
const GOAL: Duration = Duration::from_millis(40);

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let mut relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let bytes = fill(&relay, &ada.token)?;
    let rounds = bench.effort.pick(3, 10);
    let what = format!("{DOCUMENTS} documents of {CHANGES} changes ({bytes} B of text each) to a new device");
    let mut warm = Figures::new();
    for round in 0..rounds {
        warm.add(bench, &relay, &ada.token, &format!("warm{round}"))?;
    }
    let mut started = Figures::new();
    for round in 0..rounds {
        relay.stop()?;
        relay.start_again()?;
        started.add(bench, &relay, &ada.token, &format!("started{round}"))?;
    }
    Ok(vec![warm.line(format!("{what}, relay warm")), started.line(format!("{what}, relay just started"))])
}

fn note(number: usize) -> DocumentId {
    DocumentId(id(12, number))
}

/// Puts the documents onto the relay, and waits until it has checked them.
fn fill(relay: &Relay, token: &str) -> Result<usize> {
    let mut bytes = 0;
    let write = |number: usize| {
        let mut author = Author::new(Document::new(Some("note")), id(11, number));
        author.edit(|draft| draft.put("/name", format!("Note {number}").into()))?;
        let mut length = 0;
        for change in 1..CHANGES {
            let sentence = format!("Sentence {change} of note {number}. ");
            author.edit(|draft| draft.splice("/body", length, 0, &sentence))?;
            length += sentence.len();
        }
        bytes = length;
        anyhow::Ok(author.take(note(number), CHANGES))
    };
    let written: Vec<Written> = (0..DOCUMENTS).map(write).collect::<Result<_>>()?;
    let runtime = runtime()?;
    let mut device = runtime.block_on(Device::connect(relay, Login::new(DeviceId(id(13, 0)), token)))?;
    let frames = device.frames(&written);
    let end = runtime.block_on(device.push(&frames))?.end;
    for one in &written {
        wait_until_checked(relay, token, (device.space(), one.document), end)?;
    }
    runtime.block_on(device.close())?;
    Ok(bytes)
}

/// Several rounds.
struct Figures {
    durable: Times,
    readable: Times,
    listed: Times,
    all_read: Times,
}

impl Figures {
    fn new() -> Self {
        Self { durable: Times::new(), readable: Times::new(), listed: Times::new(), all_read: Times::new() }
    }

    fn add(&mut self, bench: &Bench, relay: &Relay, token: &str, name: &str) -> Result<()> {
        let began = Instant::now();
        let vault = Vault::open(bench.path(name))?;
        vault.connect(Connection::new(relay.url()).token(token))?;
        vault.wait_until_settled(PATIENCE)?;
        vault.flush()?;
        self.durable.add(began.elapsed());
        let middle = vault.document(vault.home(), note(DOCUMENTS / 2))?.text("/body")?;
        middle.context("a note has a text")?;
        self.readable.add(began.elapsed());
        let arrived = vault.list(&ListFilter::default())?.len();
        anyhow::ensure!(arrived >= DOCUMENTS, "only {arrived} of {DOCUMENTS} documents arrived");
        self.listed.add(began.elapsed());
        for number in 0..DOCUMENTS {
            vault.document(vault.home(), note(number))?.text("/body")?.context("a note has a text")?;
        }
        self.all_read.add(began.elapsed());
        Ok(())
    }

    fn line(self, what: String) -> Line {
        Line::new(what)
            .times("durable", &self.durable)
            .times("one read", &self.readable)
            .times("listed", &self.listed)
            .times("all read", &self.all_read)
            .within("p50", self.readable.at(0.5), GOAL)
    }
}
