//! Feeding devices and the relay, and what follows from their ends and beginnings.

use std::time::Duration;

use sync_core::client;
use sync_core::client::Link as LinkStatus;
use sync_core::session;
use sync_core::time::Instant;

use super::{Due, Machine, World};
use crate::device;
use crate::disk::Loss;
use crate::edition::Edition;
use crate::failure::Failure;
use crate::relay;
use crate::workload;

impl World {
    pub(super) fn log_in(&mut self, index: usize) -> Result<(), Failure> {
        if self.devices[index].is_logged_in {
            return Ok(());
        }
        self.tell(&format!("device {index}"), || "logs in".to_owned());
        self.devices[index].begin_sync();
        self.feed_device(index, client::Input::Start)
    }

    pub(super) fn feed_device(&mut self, index: usize, input: client::Input) -> Result<(), Failure> {
        let at = self.now();
        let outgoing = self.devices[index].feed(at, input, &self.fingerprint, self.story);
        for outgoing in outgoing {
            match outgoing {
                device::Outgoing::Connect => self.connect(index),
                device::Outgoing::Disconnect => self.disconnect(index),
                device::Outgoing::Frame(frame) => self.send_up(index, &frame)?,
            }
        }
        if self.rng.chance(self.faults.slow_disk) {
            let wait = self.rng.up_to(Duration::from_secs(3));
            self.tell(&format!("device {index}"), || format!("is held up by its disk for {wait:?}"));
            self.devices[index].busy_until = at + wait;
        }
        self.after_device(index)
    }

    /// Whatever a device did: looks whether it has ended, and what it wants next.
    pub(super) fn after_device(&mut self, index: usize) -> Result<(), Failure> {
        if self.devices[index].program.is_none() {
            return Ok(());
        }
        if self.devices[index].disk.has_ended() {
            self.device_ended(index);
            return Ok(());
        }
        workload::take_in_tickets(&mut self.devices[index], &mut self.ledger);
        self.check_device_status(index)?;
        self.plan_wake(index);
        let device = &mut self.devices[index];
        let sync = device.program.as_ref().and_then(|program| program.sync.as_ref());
        if sync.is_some_and(|sync| sync.has_unseen_saves()) && !device.is_told_of_saves {
            device.is_told_of_saves = true;
            let wait = self.rng.up_to(Duration::from_millis(3));
            self.plan(wait, Due::Saved(index));
        }
        Ok(())
    }

    /// Nothing in a world asks for a person but a revocation: credentials stay good, versions fit.
    fn check_device_status(&mut self, index: usize) -> Result<(), Failure> {
        if self.is_shown_out(index) {
            self.plan_new_login(index);
            return Ok(());
        }
        let sync = self.devices[index].program.as_ref().and_then(|program| program.sync.as_ref());
        match sync.map(|sync| &sync.status().link) {
            Some(LinkStatus::Blocked { detail, .. }) => {
                Failure::raise("nobody is asked for help", format!("device {index} gave up: {detail}"))
            }
            _ => Ok(()),
        }
    }

    fn plan_wake(&mut self, index: usize) {
        let now = self.now();
        let device = &mut self.devices[index];
        let Some(due) = device.next_due() else { return };
        let at = due.max(now).max(device.busy_until);
        if device.wake_at.is_none_or(|planned| at < planned) {
            device.wake_at = Some(at);
            self.schedule.plan(at, Due::Wake(index));
        }
    }

    pub(super) fn wake(&mut self, index: usize) -> Result<(), Failure> {
        let now = self.now();
        let device = &mut self.devices[index];
        if device.wake_at != Some(now) {
            return Ok(()); // planned by an earlier life, or replaced by an earlier time
        }
        device.wake_at = None;
        let Some(program) = &device.program else { return Ok(()) };
        let _ = program.vault.run_due();
        let timeout = program.sync.as_ref().and_then(|sync| sync.next_timeout());
        if timeout.is_some_and(|due| due <= now) && !device.disk.has_ended() {
            return self.feed_device(index, client::Input::Timeout);
        }
        self.after_device(index)
    }

    pub(super) fn told_of_saves(&mut self, index: usize) -> Result<(), Failure> {
        if !std::mem::take(&mut self.devices[index].is_told_of_saves) {
            return Ok(());
        }
        self.feed_device(index, client::Input::Saved)
    }

    pub(super) fn feed_session(&mut self, link: u64, input: session::Input) -> Result<(), Failure> {
        let at = self.now();
        let outgoing = self.relay.feed(link, at, input, &self.fingerprint, self.story);
        for outgoing in outgoing {
            match outgoing {
                relay::Outgoing::Frame(frame) => self.send_down(link, &frame)?,
                relay::Outgoing::Close(goodbye) => self.close(link, goodbye)?,
            }
        }
        if self.rng.chance(self.faults.slow_disk) {
            let wait = self.rng.up_to(Duration::from_secs(1));
            self.tell("relay", || format!("is held up by its disk for {wait:?}"));
            self.relay.busy_until = at + wait;
        }
        self.plan_session(link);
        self.after_relay();
        Ok(())
    }

    pub(super) fn plan_session(&mut self, link: u64) {
        let Some(due) = self.relay.sessions.get(&link).and_then(|session| session.next_timeout()) else { return };
        if self.relay.timers.insert(link, due) != Some(due) {
            self.schedule.plan(due.max(self.now()), Due::Session(link));
        }
    }

    pub(super) fn session_timer(&mut self, link: u64) -> Result<(), Failure> {
        let now = self.now();
        if self.relay.timers.get(&link).is_none_or(|due| *due > now) {
            return Ok(());
        }
        self.relay.timers.remove(&link);
        self.feed_session(link, session::Input::Timeout)
    }

    /// Whatever the relay did: looks whether it has ended, who was hinted, and plans the check.
    pub(super) fn after_relay(&mut self) {
        if self.relay.disk.has_ended() {
            return self.relay_ended();
        }
        self.spread_hints();
        if self.relay.program.is_some() && !self.relay.is_checking {
            self.relay.is_checking = true;
            let is_late = self.rng.chance(self.faults.late_check);
            let longest = if is_late { Duration::from_secs(30) } else { Duration::from_millis(10) };
            let wait = self.rng.up_to(longest);
            self.plan(wait, Due::Check);
        }
    }

    /// Who was hinted hears it a moment later, or never.
    fn spread_hints(&mut self) {
        let mut heard = Vec::new();
        for (link, session) in &mut self.relay.sessions {
            heard.extend(session.heard().into_iter().map(|input| (*link, input)));
        }
        for (link, input) in heard {
            let is_hint = matches!(input, session::Input::Hint { .. } | session::Input::Settled { .. });
            if is_hint && self.rng.chance(self.faults.lost_hint) {
                self.tell("relay", || format!("loses a hint for link {link}"));
                continue;
            }
            let wait = self.rng.up_to(Duration::from_millis(2));
            self.plan(wait, Due::Heard(link, input));
        }
    }

    pub(super) fn check_step(&mut self) -> Result<(), Failure> {
        let Some(program) = &self.relay.program else { return Ok(()) };
        if program.check_step() {
            self.plan(Duration::from_millis(1), Due::Check);
        } else {
            self.relay.is_checking = false;
        }
        if self.relay.disk.has_ended() {
            self.relay_ended();
            return Ok(());
        }
        self.spread_hints();
        if self.faults.attack > 0.0 { crate::check::intake(self) } else { Ok(()) }
    }

    /// A doomed machine that had nothing to do ends all the same.
    pub(super) fn end_now(&mut self, machine: Machine) -> Result<(), Failure> {
        match machine {
            Machine::Device(index) => {
                if self.devices[index].program.is_some() {
                    self.devices[index].disk.end_now();
                }
                self.after_device(index)
            }
            Machine::Relay => {
                if self.relay.program.is_some() {
                    self.relay.disk.end_now();
                }
                self.after_relay();
                Ok(())
            }
        }
    }

    /// Where two versions of the program meet, somebody may have installed the other one, newer or older.
    pub(super) fn choose_edition(&mut self, index: usize) {
        let Some(editions) = &mut self.editions else { return };
        let edition = Edition::draw(editions);
        self.devices[index].edition = edition;
        self.tell(&format!("device {index}"), || format!("runs the program of {edition:?}"));
    }

    fn device_ended(&mut self, index: usize) {
        let is_power = self.devices[index].disk.ended() == Some(Loss::Power);
        self.tell(&format!("device {index}"), || format!("ends{}", if is_power { " with its power" } else { "" }));
        if let Some(link) = self.devices[index].link.take() {
            // Without power nobody says goodbye: the relay only finds out when it hears nothing for long.
            let notice = if is_power { Duration::from_secs(45) } else { Duration::from_secs(1) };
            self.forsake(link, crate::link::End::Relay, notice);
        }
        self.devices[index].stop();
        let wait = self.rng.up_to(Duration::from_secs(5));
        self.plan(wait, Due::Start(Machine::Device(index)));
    }

    fn relay_ended(&mut self) {
        self.tell("relay", || "ends".to_owned());
        let links: Vec<u64> = self.relay.sessions.keys().copied().collect();
        self.relay.stop();
        for link in links {
            self.forsake(link, crate::link::End::Device, Duration::from_secs(1));
        }
        let wait = self.rng.up_to(Duration::from_secs(5));
        self.plan(wait, Due::Start(Machine::Relay));
    }

    pub(super) fn start(&mut self, machine: Machine) -> Result<(), Failure> {
        match machine {
            Machine::Device(index) => {
                if self.devices[index].program.is_some() {
                    return Ok(());
                }
                self.choose_edition(index);
                self.tell(&format!("device {index}"), || "starts again".to_owned());
                self.devices[index].start()?;
                crate::check::saved(&self.devices[index], &self.ledger)?;
                self.devices[index].busy_until = Instant::default();
                if self.devices[index].is_logged_in {
                    return self.feed_device(index, client::Input::Start);
                }
                self.after_device(index)
            }
            Machine::Relay => {
                if self.relay.program.is_some() {
                    return Ok(());
                }
                self.tell("relay", || "starts again".to_owned());
                self.relay.start()?;
                self.read_roles()?;
                self.read_quotas()?;
                self.revoke_again()?;
                self.relay.busy_until = Instant::default();
                crate::check::log(self)?;
                self.after_relay();
                Ok(())
            }
        }
    }
}
