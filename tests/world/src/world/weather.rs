//! What goes wrong between two actions, apart from what goes wrong with single frames.

use std::time::Duration;

use sync_server::simulation::now as at_once;
use sync_wire::Role;

use super::{Due, Machine, World};
use crate::disk::Loss;
use crate::failure::Failure;
use crate::link::End;

/// Commits and effects after which a doomed machine ends, at most.
const MOMENTS_MAX: u64 = 25;
const TEN_YEARS_SECONDS: u64 = 10 * 365 * 86_400;

impl World {
    pub(super) fn weather(&mut self) -> Result<(), Failure> {
        let index = self.rng.index(self.devices.len());
        if self.rng.chance(self.faults.partition) {
            let wait = self.rng.up_to(Duration::from_secs(20));
            self.tell(&format!("device {index}"), || format!("is cut off for {wait:?}"));
            self.devices[index].unreachable_until = self.now() + wait;
            self.cut_off(index);
        }
        if self.rng.chance(self.faults.half_open)
            && let Some(link) = self.devices[index].link
        {
            let aware = if self.rng.chance(0.5) { End::Device } else { End::Relay };
            self.tell("link", || format!("{link} is half open: only the {aware:?} knows"));
            self.half_open(link, aware);
        }
        if self.rng.chance(self.faults.slow_reader) {
            let wait = self.rng.up_to(Duration::from_secs(8));
            self.tell(&format!("device {index}"), || format!("reads nothing for {wait:?}"));
            self.devices[index].deaf_until = self.now() + wait;
        }
        if self.rng.chance(self.faults.device_crash) {
            let loss = if self.rng.chance(self.faults.power_loss) { Loss::Power } else { Loss::Process };
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.devices[index].disk.doom(moments, loss);
            let wait = self.rng.up_to(Duration::from_secs(10));
            self.plan(wait, Due::End(Machine::Device(index)));
        }
        if self.rng.chance(self.faults.relay_crash) {
            let moments = self.rng.below(MOMENTS_MAX) as u32;
            self.relay.disk.doom(moments, Loss::Process);
            let wait = self.rng.up_to(Duration::from_secs(10));
            self.plan(wait, Due::End(Machine::Relay));
        }
        if self.rng.chance(self.faults.clock) {
            self.set_clock(index);
        }
        if self.rng.chance(self.faults.clone) {
            self.clone_device(index)?;
        }
        if self.rng.chance(self.faults.restore) {
            self.back_up_or_restore(index)?;
        }
        if self.rng.chance(self.faults.relay_restore) {
            self.back_up_or_restore_relay()?;
        }
        if self.rng.chance(self.faults.checkpoint) {
            self.checkpoint(index)?;
        }
        if self.rng.chance(self.faults.access) {
            self.change_access()?;
        }
        if self.rng.chance(self.faults.scarcity) {
            self.change_quota()?;
        }
        if self.rng.chance(self.faults.spoil) {
            self.spoil()?;
        }
        if self.rng.chance(self.faults.revocation) {
            self.revoke(index)?;
        }
        Ok(())
    }

    /// A device's wall clock shows another year from now on.
    pub(super) fn set_clock(&mut self, index: usize) {
        let wrong = self.rng.below(2 * TEN_YEARS_SECONDS) as i64 - TEN_YEARS_SECONDS as i64;
        self.tell(&format!("device {index}"), || format!("has a clock that is {wrong} seconds ahead"));
        self.devices[index].set_clock_wrong(wrong);
    }

    /// The relay's log or a device's moves into its file.
    fn checkpoint(&mut self, index: usize) -> Result<(), Failure> {
        if self.rng.chance(0.5) {
            let device = &self.devices[index];
            if let Some(program) = &device.program {
                program.vault.checkpoint().map_err(anyhow::Error::from)?;
                device.disk.on_checkpoint();
            }
        } else if let Some(program) = &self.relay.program {
            program.storage().checkpoint().map_err(anyhow::Error::from)?;
            self.relay.disk.on_checkpoint();
        }
        Ok(())
    }

    /// The role of an account in the team's space is taken, given or another one; its sessions hear of it later.
    fn change_access(&mut self) -> Result<(), Failure> {
        let account = self.some_account();
        let role = [None, Some(Role::Viewer), Some(Role::Editor), Some(Role::Owner)][self.rng.index(4)];
        self.set_role(account, role)?;
        let wait = self.rng.up_to(Duration::from_secs(2));
        self.plan(wait, Due::LookAtAccess);
        Ok(())
    }

    pub(super) fn some_account(&mut self) -> usize {
        if self.accounts > 1 { self.rng.index(2) } else { 0 }
    }

    pub(super) fn set_role(&mut self, account: usize, role: Option<Role>) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        let (team, id) = (self.templates.team, self.templates.accounts[account].id);
        let changed = match role {
            Some(role) => at_once(program.storage().grant(team, id, role)),
            None => at_once(program.storage().revoke_grant(team, id)).map(drop),
        };
        changed.map_err(anyhow::Error::from)?;
        if !self.relay.disk.has_ended() {
            self.roles[account] = role;
        }
        self.tell("relay", || format!("account {account} is {role:?} in the team now"));
        self.after_relay();
        Ok(())
    }

    /// A relay that ended while a role was changing says itself whether that happened.
    pub(super) fn read_roles(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        for account in 0..self.accounts {
            let id = self.templates.accounts[account].id;
            let role = at_once(program.storage().role_of(id, self.templates.team)).map_err(anyhow::Error::from)?;
            self.roles[account] = role.map(|read| read.role);
        }
        Ok(())
    }

    pub(super) fn look_at_access(&mut self) {
        if let Some(program) = &self.relay.program {
            program.access_changed();
        }
        self.after_relay();
    }
}
