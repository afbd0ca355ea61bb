//! An account has less room than it wants, for a while: what does not fit waits on its devices, or is said in fewer
//! bytes.

use std::time::Duration;

use relay_storage::Quota;
use sync_server::simulation::now as at_once;

use super::{Due, World};
use crate::check;
use crate::failure::Failure;

/// How many bytes more an account may have: nothing, a keystroke, a few, or a burst of them.
const ROOM_BYTES: [u64; 4] = [0, 150, 600, 3000];

impl World {
    /// An account gets only little more room than it has used, or as much as it likes; its sessions hear of it later.
    pub(super) fn change_quota(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        let storage = program.storage().clone();
        let account = self.some_account();
        let used = at_once(storage.usage(self.templates.accounts[account].id)).map_err(anyhow::Error::from)?.bytes;
        let room = ROOM_BYTES[self.rng.index(ROOM_BYTES.len())];
        let quota = if self.rng.chance(0.3) { None } else { Some(used + room) };
        self.set_quota(account, quota)?;
        let wait = self.rng.up_to(Duration::from_secs(2));
        self.plan(wait, Due::LookAtAccess);
        Ok(())
    }

    fn set_quota(&mut self, account: usize, quota: Option<u64>) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        let id = self.templates.accounts[account].id;
        let given = quota.map_or(Quota::Default, Quota::Bytes);
        at_once(program.storage().set_quota(id, given)).map_err(anyhow::Error::from)?;
        if !self.relay.disk.has_ended() {
            self.quotas[account] = quota;
            self.was_scarce |= quota.is_some();
        }
        self.tell("relay", || format!("account {account} may have {given:?}"));
        self.after_relay();
        Ok(())
    }

    /// A relay that ended while a quota was changing, or was put back to before, says itself what it is.
    pub(super) fn read_quotas(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        for (account, quota) in self.templates.accounts.iter().zip(&mut self.quotas) {
            *quota = at_once(program.storage().usage(account.id)).map_err(anyhow::Error::from)?.quota;
        }
        Ok(())
    }

    /// Everybody finds peace in want; then there is room for everybody.
    pub(super) fn end_scarcity(&mut self) -> Result<(), Failure> {
        if self.rng.chance(0.5) {
            self.settle_and_repair()?;
            check::in_want(self)?;
        }
        // A relay that is off is told nothing.
        while self.relay.program.is_none() || self.relay.disk.has_ended() {
            if self.relay.program.is_some() {
                self.after_relay();
            }
            if !self.step()? {
                return Failure::raise("it settles", "nothing starts the relay again");
            }
        }
        for account in 0..self.accounts {
            self.set_quota(account, None)?;
        }
        self.look_at_access();
        if self.foreign.is_waiting() { self.visit() } else { Ok(()) }
    }

    /// Whether an account may have only so many bytes.
    #[must_use]
    pub fn is_in_want(&self, account: usize) -> bool {
        self.quotas[account].is_some()
    }

    /// Whether edits of an account may be said twice: copies of a vault put different edits together, or one of them
    /// gets the single ones accepted (decision 0016 tells that price).
    #[must_use]
    pub fn may_say_twice(&self, account: usize) -> bool {
        let is_copied = |device: &crate::device::Device| device.has_twin || device.was_restored;
        self.was_scarce && self.devices.iter().any(|device| device.account == account && is_copied(device))
    }
}
