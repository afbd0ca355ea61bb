//! An account revokes a device of its own, whatever that has yet to push; whoever uses it logs in again, and goes on.

use std::time::Duration;

use sync_core::client::{self, Link};
use sync_server::simulation::now as at_once;
use sync_wire::GoodbyeCode;

use super::{Due, World};
use crate::failure::Failure;
use crate::template::LOGINS_MAX;

/// Revocations of one world; each may take a login of every copy of the device.
const REVOCATIONS_MAX: usize = 3;

impl World {
    /// A device is revoked; its sessions hear of it later.
    pub(super) fn revoke(&mut self, index: usize) -> Result<(), Failure> {
        let device = &self.devices[index];
        let is_off = device.disk.has_ended() || self.relay.program.is_none() || self.relay.disk.has_ended();
        let Some(program) = device.program.as_ref().filter(|_| !is_off) else { return Ok(()) };
        let id = program.vault.device();
        let account = device.account;
        if self.revoked.len() >= REVOCATIONS_MAX || self.revoked.contains(&(account, id)) {
            return Ok(());
        }
        self.tell(&format!("device {index}"), || format!("is revoked, as {id}"));
        self.revoked.push((account, id));
        self.revoke_again()?;
        let wait = self.rng.up_to(Duration::from_secs(2));
        self.plan(wait, Due::LookAtAccess);
        Ok(())
    }

    /// Whoever puts a relay back revokes what was revoked since, also what it has never seen as it is now.
    pub(super) fn revoke_again(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        for (account, id) in &self.revoked {
            let account = self.templates.accounts[*account].id;
            at_once(program.storage().revoke_device_of(account, *id)).map_err(anyhow::Error::from)?;
        }
        self.after_relay();
        Ok(())
    }

    /// Whether a device waits for its person, and may: it was revoked, and knows.
    pub(super) fn is_shown_out(&self, index: usize) -> bool {
        let sync = self.devices[index].program.as_ref().and_then(|program| program.sync.as_ref());
        let link = sync.map(|sync| &sync.status().link);
        let is_revoked = matches!(link, Some(Link::Blocked { code: Some(GoodbyeCode::DEVICE_REVOKED), .. }));
        is_revoked && !self.revoked.is_empty()
    }

    /// Its user finds out some time later.
    pub(super) fn plan_new_login(&mut self, index: usize) {
        if !std::mem::replace(&mut self.devices[index].is_shown_out, true) {
            let wait = self.rng.up_to(self.tempo.pause * 10);
            self.plan(wait, Due::LogInAnew(index));
        }
    }

    pub(super) fn log_in_anew(&mut self, index: usize) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.devices[index].is_shown_out, false) || !self.is_shown_out(index) {
            return Ok(()); // that was in another life, which ended: the next finds out for itself
        }
        let account = &self.templates.accounts[self.devices[index].account];
        let token = account.logins[self.tokens_used % LOGINS_MAX].clone();
        self.tokens_used += 1;
        self.tell(&format!("device {index}"), || "logs in again".to_owned());
        self.devices[index].set_token(token);
        self.devices[index].begin_sync();
        self.feed_device(index, client::Input::Start)
    }
}
