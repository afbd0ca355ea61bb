//! A vault's files are put back to an older copy, after it had pushed more; on the machine that it was on, which does
//! not notice, or on a new one.

use anyhow::Result;
use system_tests::Chance;

use super::{House, run};
use crate::copies::copy;

#[test]
fn a_vault_that_is_put_back_again_and_again_loses_and_doubles_nothing() -> Result<()> {
    run("vault restored", "CYCLES_VAULT_RESTORED", story)
}

fn story(house: &mut House, cycles: u64, chance: &mut Chance) -> Result<()> {
    let older = house.world.path().join("older");
    let vault = house.devices[0].vault().to_owned();
    copy(&vault, &older)?;
    for _ in 0..cycles {
        let mut safe = house.written.len();
        house.write(0, chance)?;
        if chance.below(3) == 0 {
            copy(&vault, &older)?;
            safe = house.written.len();
        }
        house.write(0, chance)?;
        if chance.below(4) == 0 {
            // Nobody else ever had what was not sent: it is gone with the disk.
            house.written.truncate(safe);
        } else {
            house.devices[0].sync()?;
            house.devices[1].sync()?;
        }
        copy(&older, &vault)?;
        house.write(0, chance)?;
        if chance.below(2) == 0 {
            house.write(1, chance)?;
        }
        house.sync_all()?;
    }
    Ok(())
}
