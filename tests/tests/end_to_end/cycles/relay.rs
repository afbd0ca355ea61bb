//! The relay's database is put back to a backup while its devices live, write, and know more than it does.

use anyhow::{Context, Result};
use system_tests::{Chance, Online};

use super::{House, run};

#[test]
fn a_relay_that_is_put_back_under_live_devices_gets_everything_back() -> Result<()> {
    run("relay restored", "CYCLES_RELAY_RESTORED", story)
}

fn story(house: &mut House, cycles: u64, chance: &mut Chance) -> Result<()> {
    let _online = house.devices.iter().map(|device| device.stay_online()).collect::<Result<Vec<Online>>>()?;
    back_up(house)?;
    for _ in 0..cycles {
        let count = house.devices.len() as u64;
        let writes = |house: &mut House, chance: &mut Chance| {
            (0..=chance.below(2)).try_for_each(|_| house.write(usize::try_from(chance.below(count))?, chance))
        };
        writes(house, chance)?;
        if chance.below(3) == 0 {
            back_up(house)?;
        }
        writes(house, chance)?;
        // Else it is put back while edits are on their way.
        if chance.below(2) == 0 {
            house.meet()?;
        }
        put_back(house)?;
        writes(house, chance)?;
        house.meet()?;
    }
    Ok(())
}

fn back_up(house: &House) -> Result<()> {
    let backup = house.world.path().join("backup.sqlite");
    if backup.exists() {
        std::fs::remove_file(&backup)?;
    }
    house.world.relay.admin(&["backup", backup.to_str().context("a path")?]).map(drop)
}

/// Kills the relay and starts it with the backup in the place of its database; the receipt keys stay.
fn put_back(house: &mut House) -> Result<()> {
    let backup = house.world.path().join("backup.sqlite");
    house.world.relay.kill();
    let data = house.world.relay.data().to_owned();
    for name in ["relay.sqlite", "relay.sqlite-wal", "relay.sqlite-shm"] {
        if data.join(name).exists() {
            std::fs::remove_file(data.join(name))?;
        }
    }
    std::fs::copy(backup, data.join("relay.sqlite"))?;
    house.world.relay.start_again()
}
