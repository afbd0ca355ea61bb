//! A device with a thousand documents connects again, and nothing is new: timed for a device of frames alone and for an
//! open vault, counted on the wire.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use document::Document;
use editor_vault::{Connection, Vault};
use sync_wire::{Cursor, DeviceId, DocumentId, Grant, Resume};
use system_tests::{Relay, Traffic, Wire};

use super::{PATIENCE, connected, runtime};
use crate::Bench;
use crate::device::{Author, Device, Login, id};
use crate::report::{Line, Times};

const DOCUMENTS: usize = 1_000;

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let cursor = fill(&relay, &ada.token)?;
    let rounds = bench.effort.pick(100, 1_000);
    Ok(vec![bare(&relay, &ada.token, cursor, rounds)?, open_vault(bench, &relay, &ada.token, rounds)?])
}

/// Puts the documents onto the relay; returns where a device that has them all stands.
fn fill(relay: &Relay, token: &str) -> Result<Cursor> {
    let note = |number: usize| {
        let mut author = Author::new(Document::new(Some("note")), id(14, number));
        author.edit(|draft| draft.put("/name", format!("Note {number}").into()))?;
        anyhow::Ok(author.take(DocumentId(id(15, number)), 1))
    };
    let written = (0..DOCUMENTS).map(note).collect::<Result<Vec<_>>>()?;
    let runtime = runtime()?;
    let login = Login::new(DeviceId(id(16, 0)), token);
    let mut device = runtime.block_on(Device::connect(relay, login.clone()))?;
    let frames = device.frames(&written);
    runtime.block_on(device.push(&frames))?;
    runtime.block_on(device.close())?;
    let device = runtime.block_on(Device::connect(relay, login))?;
    let cursor = end_of(&device.grant)?;
    runtime.block_on(device.close())?;
    Ok(cursor)
}

fn end_of(grant: &Grant) -> Result<Cursor> {
    let Resume::Bootstrap { chain, .. } = grant.resume else { bail!("a device without a cursor was told to continue") };
    Ok(Cursor { space: grant.space, at: grant.end, chain, bootstrap: None })
}

/// From the TCP connection to `Welcome`, the HTTP upgrade included.
fn bare(relay: &Relay, token: &str, cursor: Cursor, rounds: usize) -> Result<Line> {
    let runtime = runtime()?;
    let mut times = Times::new();
    let mut greeting = [0; 2];
    for _ in 0..rounds {
        let login = Login { cursors: vec![cursor], ..Login::new(DeviceId(id(16, 0)), token) };
        let began = Instant::now();
        let device = runtime.block_on(Device::connect(relay, login))?;
        times.add(began.elapsed());
        anyhow::ensure!(device.grant.resume == Resume::Continue, "something is new: {:?}", device.grant);
        greeting = device.greeting;
        runtime.block_on(device.close())?;
    }
    let [up, down] = greeting;
    let payload = (up + down) as f64;
    Ok(Line::new(format!("{DOCUMENTS} documents, nothing new, connect to Welcome"))
        .times("welcomed", &times)
        .figure(format!("payload {up} B up, {down} B down"))
        .within("p50", times.at(0.5), Duration::from_micros(500))
        .within("p99", times.at(0.99), Duration::from_millis(2))
        .at_most("payload", payload, 400.0, "B"))
}

/// A vault that is open all the while.
fn open_vault(bench: &Bench, relay: &Relay, token: &str, rounds: usize) -> Result<Line> {
    let vault = connected(&bench.path("vault"), &relay.url(), token)?;
    let mut times = Times::new();
    for _ in 0..rounds {
        vault.disconnect();
        times.add(again(&vault, &relay.url(), token)?);
    }
    let wire = Wire::to(relay.address())?;
    vault.disconnect();
    let before = (wire.up(), wire.down());
    again(&vault, &wire.url(), token)?;
    vault.disconnect();
    let each = |traffic: Traffic| format!("{} frame(s) and {} B", traffic.frames, traffic.bytes);
    let (up, down) = (wire.up() - before.0, wire.down() - before.1);
    let frames = up.frames.max(down.frames) as f64;
    Ok(Line::new(format!("{DOCUMENTS} documents, nothing new, an open vault"))
        .times("settled", &times)
        .figure(format!("up {}, down {}, HTTP upgrade included", each(up), each(down)))
        .at_most("frames each way", frames, 1.0, ""))
}

fn again(vault: &Vault, url: &str, token: &str) -> Result<Duration> {
    let began = Instant::now();
    vault.connect(Connection::new(url).token(token))?;
    vault.wait_until_settled(PATIENCE)?;
    Ok(began.elapsed())
}
