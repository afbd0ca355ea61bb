//! The end of all faults, and waiting until everybody has everything.

use std::collections::BTreeMap;
use std::time::Duration;

use sync_core::time::Instant;
use sync_server::simulation::now as at_once;
use sync_wire::{LogPosition, Role, SpaceId};

use super::{Due, Machine, World};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::workload;

/// Time within which a healed world has to be at peace: the longest silence on a dead link, the longest pause between
/// two attempts, and a few polls.
const PEACE_WITHIN: Duration = Duration::from_secs(180);

impl World {
    /// Ends all faults and waits for peace.
    pub(super) fn heal_and_settle(&mut self) -> Result<(), Failure> {
        let (was_scarce, revokes) = (self.faults.scarcity > 0.0, self.faults.revocation > 0.0);
        self.heal()?;
        if revokes {
            self.look_at_access();
        }
        if was_scarce {
            self.end_scarcity()?;
        }
        self.settle_and_repair()?;
        // What was parked because somebody else had deleted its document goes on once that is taken back.
        if self.rng.chance(0.5) {
            self.tell("device 0", || "restores every note".to_owned());
            workload::restore_all(&self.devices[0])?;
            self.after_device(0)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Waits for peace, and lets owners repair what was spoiled.
    pub(super) fn settle_and_repair(&mut self) -> Result<(), Failure> {
        self.settle()?;
        while self.repair()? {
            self.settle()?;
        }
        Ok(())
    }

    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let deadline = self.now() + PEACE_WITHIN;
        loop {
            if let Err(missing) = self.peace()? {
                if self.now() > deadline {
                    return Failure::raise("it settles", format!("after {PEACE_WITHIN:?} without faults, {missing}"));
                }
            } else {
                return Ok(());
            }
            if !self.step()? {
                return Failure::raise("it settles", "nothing is due any more");
            }
        }
    }

    fn heal(&mut self) -> Result<(), Failure> {
        self.tell("world", || "all faults end".to_owned());
        let (changes_access, attacks) = (self.faults.access > 0.0, self.faults.attack > 0.0);
        self.faults = Faults::none();
        self.relay.disk.spare();
        self.relay.busy_until = Instant::default();
        self.schedule.retain(|due| !matches!(due, Due::LogIn(_) | Due::End(_)));
        for device in &mut self.devices {
            device.disk.spare();
            (device.unreachable_until, device.deaf_until, device.busy_until) = Default::default();
        }
        // No TCP doubles frames or has one overtake another: such a link ends here.
        let tampered: Vec<u64> = self.links.iter().filter(|(_, link)| link.is_tampered).map(|(id, _)| *id).collect();
        for link in tampered {
            self.reset(link, Duration::from_secs(1));
        }
        self.start(Machine::Relay)?;
        for index in 0..self.devices.len() {
            self.start(Machine::Device(index))?;
            self.log_in(index)?;
        }
        // Of the worlds where grants change, two in three end with everybody in the team. In the others nobody looks at
        // the grants now: that would tell every session where its logs end.
        if changes_access && self.rng.chance(0.66) {
            for account in 0..self.accounts {
                self.set_role(account, Some(Role::Owner))?;
            }
            self.look_at_access();
        }
        if self.foreign.is_waiting() {
            self.visit()?;
        }
        if attacks {
            self.raid_again()?;
        }
        Ok(())
    }

    /// Whether everybody has everything; if not, what is missing.
    fn peace(&mut self) -> Result<Result<(), String>, Failure> {
        for device in &self.devices {
            let Some(program) = &device.program else { return Ok(Err(format!("{} is off", device.name()))) };
            let Some(sync) = &program.sync else { return Ok(Err(format!("{} is logged out", device.name()))) };
            if !sync.status().is_settled() || sync.has_unseen_saves() || !device.deferred.is_empty() {
                return Ok(Err(format!("{} is not settled: {:?}", device.name(), sync.status())));
            }
        }
        if let Some(id) = self.links.iter().find(|(_, link)| link.is_tampered).map(|(id, _)| *id) {
            return Ok(Err(format!("frames were doubled or overtaken on link {id}, which has yet to end")));
        }
        if let Some(id) =
            self.links.keys().find(|id| self.schedule.has(|due| matches!(due, Due::Break(gone, _) if gone == *id)))
        {
            return Ok(Err(format!("one side does not know that link {id} is gone")));
        }
        if let Some(id) = self.links.iter().find(|(_, link)| !link.is_quiet()).map(|(id, _)| *id) {
            return Ok(Err(format!("frames are on their way on link {id}")));
        }
        if let Err(missing) = self.everybody_is_at_the_end()? {
            return Ok(Err(missing));
        }
        if self.schedule.has(|due| matches!(due, Due::Heard(..))) {
            return Ok(Err("sessions are yet to hear of something".to_owned()));
        }
        // Until it looks, the relay may judge by grants of a moment ago; what it parked by them goes on afterwards.
        if self.schedule.has(|due| matches!(due, Due::LookAtAccess)) {
            return Ok(Err("the relay has yet to look at changed grants".to_owned()));
        }
        // Last, because it is soon over whenever it begins.
        Ok(if self.relay.is_checking { Err("the relay checks".to_owned()) } else { Ok(()) })
    }

    fn everybody_is_at_the_end(&mut self) -> Result<Result<(), String>, Failure> {
        let ends = self.relay_ends()?;
        for device in &self.devices {
            let Some(program) = &device.program else { continue };
            let spaces = program.vault.spaces().map_err(anyhow::Error::from)?;
            for (space, end) in self.readable(device.account).into_iter().filter_map(|it| Some((it, *ends.get(&it)?))) {
                let resume = spaces.iter().find(|known| known.id == space).and_then(|known| known.resume);
                if resume != Some(end) {
                    let stands = resume.map_or_else(|| "nowhere".to_owned(), |at| format!("at {at}"));
                    let detail = format!("{} stands {stands} in space {space}, which ends at {end}", device.name());
                    return Ok(Err(detail));
                }
            }
        }
        Ok(Ok(()))
    }

    fn relay_ends(&self) -> Result<BTreeMap<SpaceId, LogPosition>, Failure> {
        let Some(program) = &self.relay.program else { return Ok(BTreeMap::new()) };
        let spaces = self.templates.accounts.iter().map(|account| account.personal).chain([self.templates.team]);
        let ends = at_once(program.storage().ends(&spaces.collect::<Vec<_>>())).map_err(anyhow::Error::from)?;
        Ok(ends.into_iter().collect())
    }

    /// Whether an account may write in the team's space.
    #[must_use]
    pub fn can_write(&self, account: usize) -> bool {
        self.roles[account].is_some_and(Role::can_write)
    }

    /// The spaces that an account may read.
    #[must_use]
    pub fn readable(&self, account: usize) -> Vec<SpaceId> {
        let team = self.roles[account].map(|_| self.templates.team);
        std::iter::once(self.templates.accounts[account].personal).chain(team).collect()
    }
}
