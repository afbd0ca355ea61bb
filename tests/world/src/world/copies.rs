//! Vaults that are copied, and vaults and relays that are put back to what they were: nobody tells anybody.

use std::path::Path;

use super::{Due, Machine, World};
use crate::check;
use crate::device::Twin;
use crate::failure::Failure;

/// Devices that begin as a copy of another, at most.
const CLONES_MAX: usize = 2;

impl World {
    /// A second device begins with the files of a device that runs.
    pub(super) fn clone_device(&mut self, index: usize) -> Result<(), Failure> {
        let is_off = self.devices[index].program.is_none() || self.devices[index].disk.has_ended();
        if is_off || self.clones >= CLONES_MAX {
            return Ok(());
        }
        self.clones += 1;
        let twin = [Twin::OfTheFiles, Twin::OfTheMarker, Twin::OfTheMachine][self.rng.index(3)];
        let (number, rng) = (self.devices.len(), self.rng.fork());
        self.tell(&format!("device {number}"), || format!("begins as a copy of device {index} ({twin:?})"));
        let clone = self.devices[index].copy(number, twin, &self.clock, rng, &self.fingerprint)?;
        self.devices[index].has_twin = true;
        self.devices.push(clone);
        self.ledger.clone_device(index);
        self.start(Machine::Device(number))
    }

    /// A copy of a device's files is made, or takes their place again.
    pub(super) fn back_up_or_restore(&mut self, index: usize) -> Result<(), Failure> {
        let device = &mut self.devices[index];
        if device.program.is_none() || device.disk.has_ended() {
            return Ok(());
        }
        let directory = device.backup_directory();
        if !device.has_backup || self.rng.chance(0.3) {
            device.disk.copy_to(&directory)?;
            device.has_backup = true;
            self.tell(&format!("device {index}"), || "is backed up".to_owned());
            return Ok(());
        }
        self.restore_device(index, &directory)
    }

    fn restore_device(&mut self, index: usize, directory: &Path) -> Result<(), Failure> {
        self.tell(&format!("device {index}"), || "is put back to its backup".to_owned());
        let kept = check::changes(&directory.join("vault.sqlite"))?;
        self.devices[index].disk.set_back(directory)?;
        self.devices[index].was_restored = true;
        self.ledger.restore_device(index, &kept);
        self.after_device(index)?;
        // A machine that has restarted meanwhile knows at once that nothing is as it was.
        if self.rng.chance(0.3) {
            self.devices[index].reboot();
        }
        self.plan(std::time::Duration::ZERO, Due::Start(Machine::Device(index)));
        Ok(())
    }

    /// A copy of the relay's files is made, or takes their place again: its devices heal it.
    pub(super) fn back_up_or_restore_relay(&mut self) -> Result<(), Failure> {
        if self.relay.program.is_none() || self.relay.disk.has_ended() {
            return Ok(());
        }
        let directory = self.relay.backup_directory();
        if !self.relay.has_backup || self.rng.chance(0.4) {
            self.relay.disk.copy_to(&directory)?;
            self.relay.has_backup = true;
            self.tell("relay", || "is backed up".to_owned());
            return Ok(());
        }
        self.tell("relay", || "is put back to its backup".to_owned());
        let file = directory.join("relay.sqlite");
        self.ledger.restore_relay(&check::ends(&file)?, &check::devices(&file)?);
        self.relay.disk.set_back(&directory)?;
        self.lost_links = self.links_opened;
        self.foreign.begin_again();
        self.after_relay();
        Ok(())
    }
}
