//! What users meant is there: equal everywhere is not enough, if what somebody wrote is nowhere.

use std::collections::BTreeSet;

use serde_json::Value;
use sync_wire::ChangeHash;

use super::Logs;
use crate::failure::Failure;
use crate::world::World;

/// Counters have all that was added to them, on every device of their account.
pub(super) fn check(world: &World, logs: &Logs) -> Result<(), Failure> {
    let logged: BTreeSet<ChangeHash> = logs.values().flat_map(|log| &log.records).map(|record| record.hash).collect();
    for (account, path) in world.ledger.counts.keys() {
        if world.ledger.undone.contains(account) {
            continue;
        }
        let count = world.ledger.counted(*account, path, |hash| logged.contains(hash));
        for device in world.devices.iter().filter(|device| device.account == *account) {
            let Some(program) = &device.program else { continue };
            let settings = program.vault.well_known("settings").map_err(anyhow::Error::from)?;
            let value = settings.get(path).map_err(anyhow::Error::from)?;
            let counted = value.as_ref().and_then(Value::as_i64).unwrap_or(0);
            let most = if world.may_say_twice(*account) { i64::MAX } else { count.certain + count.possible };
            if !(count.certain..=most).contains(&counted) {
                let detail = format!("{path} is {counted} on {}, and {count:?} was added to it", device.name());
                return Failure::raise("what users meant is there", detail);
            }
        }
    }
    Ok(())
}
