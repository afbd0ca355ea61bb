//! Two processes on one vault: the one that syncs is killed, until the other one is online in its place.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use editor_vault::{Connection, Link, Vault};
use system_tests::Device;

use super::PATIENCE;
use crate::Bench;
use crate::report::{Line, Times};

pub(crate) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let relay = bench.relay()?;
    let ada = relay.account("ada")?;
    let device = Device::new(&bench.programs, bench.directory.path(), "shared")?;
    device.ok(&["init"])?;
    device.login(&relay.url(), &ada.token)?;
    let rounds = bench.effort.pick(10, 50);
    let mut times = Times::new();
    for _ in 0..rounds {
        let other = device.stay_online()?;
        let vault = Vault::open(device.vault())?;
        wait_behind(&vault, &Connection::new(relay.url()).token(&ada.token))?;
        let began = Instant::now();
        drop(other);
        until(&vault, |link| *link == Link::Online)?;
        times.add(began.elapsed());
        vault.disconnect();
    }
    let what = format!("{rounds} times: the process that syncs a vault is killed, until another one is online");
    Ok(vec![Line::new(what).times("handed over", &times).within("max", times.max(), Duration::from_secs(1))])
}

/// Waits in the kernel for the end of the process that has the turn.
fn wait_behind(vault: &Vault, connection: &Connection) -> Result<()> {
    loop {
        vault.connect(connection.clone())?;
        until(vault, |link| matches!(link, Link::InLine | Link::Online))?;
        if vault.sync_status().link != Link::Online {
            return Ok(());
        }
        // The other one has only just started, and comes later.
        vault.disconnect();
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn until(vault: &Vault, is_it: impl Fn(&Link) -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_it(&vault.sync_status().link) {
        ensure!(Instant::now() < deadline, "it never came: {:?}", vault.sync_status());
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
