//! A vault is cloned: its files begin a life of their own in another place, or two copies take turns in one place, so
//! that neither file nor machine can tell them apart.

use std::path::PathBuf;

use anyhow::Result;
use system_tests::{Chance, Device};

use super::{House, run};
use crate::copies::copy;

#[test]
fn a_vault_that_is_cloned_again_and_again_loses_and_doubles_nothing() -> Result<()> {
    run("vault cloned", "CYCLES_VAULT_CLONED", story)
}

fn story(house: &mut House, cycles: u64, chance: &mut Chance) -> Result<()> {
    for cycle in 0..cycles {
        house.write(0, chance)?;
        // Else both copies have it pending.
        if chance.below(2) == 0 {
            house.devices[0].sync()?;
        }
        if chance.below(2) == 0 {
            take_turns(house, chance)?
        } else {
            live_apart(house, cycle, chance)?
        }
        house.sync_all()?;
    }
    Ok(())
}

/// Two copies write in one directory, in turn, and sync in turn until both have had their say.
fn take_turns(house: &mut House, chance: &mut Chance) -> Result<()> {
    let vault = house.devices[0].vault().to_owned();
    let copies: Vec<PathBuf> = ["one", "two"].iter().map(|name| house.world.path().join(name)).collect();
    copies.iter().try_for_each(|place| copy(&vault, place))?;
    for place in &copies {
        copy(place, &vault)?;
        house.write(0, chance)?;
        copy(&vault, place)?;
    }
    for place in copies.iter().chain(&copies) {
        copy(place, &vault)?;
        house.devices[0].sync()?;
        copy(&vault, place)?;
    }
    Ok(())
}

/// A copy writes on a machine of its own, and is left alone when both have what the other wrote.
fn live_apart(house: &mut House, cycle: u64, chance: &mut Chance) -> Result<()> {
    let clone = Device::new(&house.world.programs, house.world.path(), &format!("clone {cycle}"))?;
    copy(house.devices[0].vault(), clone.vault())?;
    house.devices.push(clone);
    house.write(0, chance)?;
    house.write(house.devices.len() - 1, chance)?;
    house.sync_all()?;
    house.devices.pop();
    Ok(())
}
