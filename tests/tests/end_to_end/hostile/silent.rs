//! Devices that connect, ask for everything, and never read a byte of it.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};
use document::Document;
use sync_wire::{Actor, BatchId, Blob, Content, DeviceFrame, DeviceId, DocumentId, Grant, Push, RelayFrame, SpaceKind};
use system_tests::{Account, Chance, Relay};

use super::guest::{beginning, greet, id, receive, send};
use super::has_files_for;
use crate::world::World;

const SILENT: u64 = 500;
/// As many as an account may have.
const SESSIONS_EACH: u64 = 30;
/// More than the kernel keeps for one connection, so that the relay has to wait.
const BATCHES: u64 = 40;
const BATCH_CHARS: usize = 200_000;
/// What a relay may need, in KiB.
const MEMORY_KIB_MAX: u64 = 600 << 10;

#[test]
fn five_hundred_devices_that_never_read_cost_the_relay_little_memory_and_nobody_else_anything() -> Result<()> {
    if !has_files_for(SILENT as usize)? {
        return Ok(());
    }
    let world = World::new()?;
    let (ada, laptop, desktop) = world.two_devices()?;
    let team = world.relay.space("The band")?;
    world.relay.grant(&team, &ada, "editor")?;
    fill(&world.relay, &ada)?;
    let mut silent: Vec<TcpStream> = Vec::new();
    for number in 0..SILENT.div_ceil(SESSIONS_EACH) {
        let eve = world.relay.account(&format!("eve{number}"))?;
        world.relay.grant(&team, &eve, "viewer")?;
        let device = |session: u64| DeviceId(id(0xe0, number << 8 | session));
        // Once to learn where the log is.
        let (_, welcome) = greet(world.relay.address(), &eve.token, device(0), Vec::new())?;
        let cursors: Vec<_> = welcome.grants.iter().map(beginning).collect();
        for session in 0..SESSIONS_EACH.min(SILENT - number * SESSIONS_EACH) {
            silent.push(greet(world.relay.address(), &eve.token, device(session + 1), cursors.clone())?.0);
        }
    }
    laptop.sync()?; // and hears of the team
    let online = desktop.stay_online()?;
    laptop.ok(&["set", "settings", "honest", "1"])?;
    laptop.ok(&["new", "note", "Set list", "--space", &team])?;
    laptop.sync()?;
    desktop.eventually(&["get", "settings", "honest"], "1")?;
    desktop.eventually(&["show", "Set list"], "")?;
    drop(online);
    let Some(peak) = memory_peak_kib(&world.relay)? else { return Ok(()) };
    ensure!(peak <= MEMORY_KIB_MAX, "the relay took {} MiB", peak >> 10);
    drop(silent);
    // Not with `eprintln!`, which the test harness would swallow.
    writeln!(std::io::stderr(), "{SILENT} devices that never read: the relay took {} MiB at most", peak >> 10)
        .context("standard error is gone")
}

/// What the relay's process had in memory at most; absent where the kernel does not say.
fn memory_peak_kib(relay: &Relay) -> Result<Option<u64>> {
    let process = relay.id().context("the relay runs")?;
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return Ok(None) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a peak")?;
    Ok(Some(line.trim().trim_end_matches(" kB").trim().parse()?))
}

/// Eight million characters in the team's space, which are no less when they are compressed.
fn fill(relay: &Relay, ada: &Account) -> Result<()> {
    let (mut socket, welcome) = greet(relay.address(), &ada.token, DeviceId(id(0xad, 0)), Vec::new())?;
    let team = welcome.grants.iter().find(|grant| grant.kind == SpaceKind::Team).context("a team")?;
    for number in 0..BATCHES {
        let (document, batch) = (DocumentId(id(0xd0, number)), BatchId(id(0xb0, number)));
        let content = Content::Changes(large(number)?);
        send(&mut socket, &DeviceFrame::Push(Push { space: team.space, document, lane: 0, batch, content }))?;
        taken(&mut socket, team, batch)?;
    }
    Ok(())
}

fn taken(socket: &mut TcpStream, team: &Grant, batch: BatchId) -> Result<()> {
    loop {
        match receive(socket)? {
            RelayFrame::Ack(ack) if ack.batch == batch => return Ok(()),
            RelayFrame::Refuse(refuse) => bail!("{} refuses {refuse:?}", team.name),
            RelayFrame::Park(park) => bail!("{} parks {park:?}", team.name),
            _ => {}
        }
    }
}

fn large(number: u64) -> Result<Vec<Blob>> {
    let mut chance = Chance::seeded(number);
    let text: String = (0..BATCH_CHARS).map(|_| char::from(b' ' + chance.below(95) as u8)).collect();
    let mut document = Document::new(None);
    document.edit(Actor(id(0xac, number)), |draft| draft.put("/large", text.into()))?;
    let sealed = document.seal(0)?.context("an edit makes a change")?;
    Ok(sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect())
}
