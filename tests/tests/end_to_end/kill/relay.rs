//! The relay: killed under load, and while it starts. Everything that it acknowledged is in the log that a fresh device
//! reads from the beginning: dense, once, byte for byte, and with the chain of digests that it says.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use system_tests::{Chance, Programs, Relay};

use super::{Tally, kills, report};
use crate::client::{Client, Ended, Ledger};
use crate::log::Reader;
use crate::world::odd_directory;

/// Kills of one relay; then the next one begins with an empty directory.
const KILLS_EACH: u64 = 20;
const CLIENTS: u8 = 4;

#[test]
fn nothing_that_a_relay_acknowledged_is_lost_by_kill_9() -> Result<()> {
    let (wanted, mut chance) = (kills("KILL_RELAY")?, super::chance()?);
    let mut tally = Tally { what: "relay", seed: chance.seed(), kills: 0, checked: 0 };
    while tally.kills < wanted {
        let end = wanted.min(tally.kills + KILLS_EACH);
        let begun = tally.kills;
        one_relay(begun, &mut chance, &mut tally, end).with_context(|| format!("{tally} so far"))?;
    }
    report(&tally)
}

/// Kills one relay until there were `end` kills.
fn one_relay(place: u64, chance: &mut Chance, tally: &mut Tally, end: u64) -> Result<()> {
    let directory = odd_directory()?;
    let data = directory.path().join("relay data");
    // It is killed from outside, within milliseconds of its start as well: no check is to blame for that.
    std::fs::create_dir(&data)?;
    std::fs::write(data.join("config.toml"), "[check]\nattempts_max = 255\n")?;
    let mut relay = Relay::start(&Programs::beside_this_executable()?, &data)?;
    let ada = relay.account("ada")?;
    let mut clients: Vec<Client> = (1..=CLIENTS).map(|number| Client::new(place, number, &ada.token)).collect();
    let (ledger, mut reader) = (Ledger::default(), Reader::new(place, &ada.token));
    while tally.kills < end {
        live_and_die(&mut relay, &mut clients, &ledger, chance)?;
        tally.kills += 1;
        if tally.kills < end && chance.below(8) == 0 {
            relay.start_and_kill_after(chance.micros_below(40_000))?;
            tally.kills += 1;
        }
        relay.start_again()?;
        reader.check(&relay, &ledger)?;
    }
    let said = relay.admin(&["verify"])?;
    ensure!(said.ends_with("nothing is wrong"), "verify says {said}");
    tally.checked += ledger.count.load(Ordering::Acquire);
    Ok(())
}

/// One life of the relay, under the load of all clients.
fn live_and_die(relay: &mut Relay, clients: &mut [Client], ledger: &Ledger, chance: &mut Chance) -> Result<()> {
    let address = relay.address();
    let before = ledger.count.load(Ordering::Acquire);
    let (acks, pause) = match chance.below(3) {
        0 => (0, chance.micros_below(30_000)),
        _ => (1 + chance.below(150), chance.micros_below(3_000)),
    };
    std::thread::scope(|scope| {
        let pushing: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.push_until_the_end(address, ledger))).collect();
        let began = Instant::now();
        let is_enough = || ledger.count.load(Ordering::Acquire) >= before + acks;
        while !is_enough() && !pushing.iter().all(|client| client.is_finished()) {
            if began.elapsed() > Duration::from_secs(20) {
                break; // The clients below say what happened.
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let has_stalled = !is_enough();
        std::thread::sleep(pause);
        relay.kill();
        for client in pushing {
            if let Ended::Wrong(error) = client.join().expect("no client panics") {
                return Err(error.context(relay.logged()));
            }
        }
        ensure!(!has_stalled, "no {acks} acks within 20 seconds; the relay logged:\n{}", relay.logged());
        Ok(())
    })
}
